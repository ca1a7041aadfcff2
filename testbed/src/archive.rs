//! Container images as docker-archives: one layer, a config, a manifest. Law: the same content
//! gives the same bytes, so that a digest says whether an image changed.

use std::{io, path::PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

/// A file, directory or link of the layer.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path, without the leading slash.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// Its owner and group.
    pub owner: u64,
    /// What it is.
    pub content: Content,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone)]
pub enum Content {
    /// A file of these bytes.
    File(Vec<u8>),
    /// A directory.
    Directory,
}

impl Entry {
    /// A file of root's.
    pub fn file(path: impl Into<PathBuf>, mode: u32, bytes: Vec<u8>) -> Self {
        Self {
            path: path.into(),
            mode,
            owner: 0,
            content: Content::File(bytes),
        }
    }

    /// A directory of somebody's.
    pub fn directory(path: impl Into<PathBuf>, mode: u32, owner: u64) -> Self {
        Self {
            path: path.into(),
            mode,
            owner,
            content: Content::Directory,
        }
    }
}

/// An image to be.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its whole name with the tag.
    pub name: String,
    /// Its only layer, parents first.
    pub layer: Vec<Entry>,
    /// The program that it runs.
    pub entrypoint: Vec<String>,
    /// The program's arguments unless others are given.
    pub arguments: Vec<String>,
    /// The numeric user that it runs as.
    pub user: u32,
    /// The directory it runs in.
    pub directory: String,
}

/// An image as bytes.
#[derive(Debug)]
pub struct Archive {
    /// `sha256:…` of the config, which covers the layer: the image's identity.
    pub digest: String,
    /// What `ctr images import` takes.
    pub bytes: Vec<u8>,
}

/// Packs an image.
///
/// # Errors
/// When a path does not fit into a tar header.
pub fn pack(image: &Image) -> io::Result<Archive> {
    let layer = tar_of(&image.layer)?;
    let layer_digest = sha256(&layer);
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "User": image.user.to_string(),
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": image.entrypoint,
            "Cmd": image.arguments,
            "WorkingDir": image.directory,
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
        "history": [{ "created_by": "testbed images" }],
    })
    .to_string();
    let config_digest = sha256(config.as_bytes());
    let manifest = json!([{
        "Config": format!("{config_digest}.json"),
        "RepoTags": [image.name],
        "Layers": [format!("{layer_digest}.tar")],
    }])
    .to_string();
    let bytes = tar_of(&[
        Entry::file(format!("{config_digest}.json"), 0o644, config.into_bytes()),
        Entry::file(format!("{layer_digest}.tar"), 0o644, layer),
        Entry::file("manifest.json", 0o644, manifest.into_bytes()),
    ])?;
    Ok(Archive {
        digest: format!("sha256:{config_digest}"),
        bytes,
    })
}

fn tar_of(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.owner);
        header.set_gid(entry.owner);
        // The same content must give the same bytes, whenever it was built.
        header.set_mtime(0);
        match &entry.content {
            Content::File(bytes) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, &entry.path, bytes.as_slice())?;
            }
            Content::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                tar.append_data(&mut header, &entry.path, io::empty())?;
            }
        }
    }
    tar.into_inner()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Whether an ELF program needs a loader (has a PT_INTERP header): on an image of one file it
/// could not start, and the kernel would only say "no such file".
pub fn needs_loader(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, size: usize| {
        let bytes = program.get(at..at + size)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte)),
        )
    };
    // ELF64, little endian: e_phoff at 32, e_phentsize at 54, e_phnum at 56.
    let (Some(start), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return false;
    };
    (0..count).any(|index| number(start + index * size, 4) == Some(PT_INTERP as usize))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read};

    use super::*;

    fn mk_image(bytes: &[u8]) -> Image {
        Image {
            name: "localhost/thing:0.1.0".to_owned(),
            layer: vec![
                Entry::directory("data", 0o755, 65532),
                Entry::file("thing", 0o755, bytes.to_vec()),
            ],
            entrypoint: vec!["/thing".to_owned()],
            arguments: Vec::new(),
            user: 65532,
            directory: "/".to_owned(),
        }
    }

    fn unpack(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        tar::Archive::new(bytes)
            .entries()
            .expect("a tar")
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let name = entry.path().expect("a path").display().to_string();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("its bytes");
                (name, bytes)
            })
            .collect()
    }

    #[test]
    fn the_manifest_leads_to_config_and_layer_and_their_digests_hold() {
        let archive = pack(&mk_image(b"program")).expect("packs");
        let files = unpack(&archive.bytes);
        let manifest: serde_json::Value =
            serde_json::from_slice(&files["manifest.json"]).expect("JSON");
        assert_eq!(manifest[0]["RepoTags"][0], "localhost/thing:0.1.0");
        let config_file = manifest[0]["Config"].as_str().expect("a name");
        let config_bytes = &files[config_file];
        assert_eq!(archive.digest, format!("sha256:{}", sha256(config_bytes)));
        let config: serde_json::Value = serde_json::from_slice(config_bytes).expect("JSON");
        assert_eq!(config["config"]["User"], "65532");
        let layer = &files[manifest[0]["Layers"][0].as_str().expect("a name")];
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            format!("sha256:{}", sha256(layer))
        );
        assert_eq!(unpack(layer)["thing"], b"program");
    }

    #[test]
    fn the_digest_changes_with_the_content_only() {
        let digest = |bytes: &[u8]| pack(&mk_image(bytes)).expect("packs").digest;
        assert_eq!(digest(b"one"), digest(b"one"));
        assert_ne!(digest(b"one"), digest(b"two"));
    }

    #[test]
    fn a_program_that_needs_a_loader_is_told_apart() {
        let mut elf = vec![0u8; 64 + 56];
        elf[32] = 64; // the first program header follows the ELF header
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 1; // PT_LOAD
        assert!(!needs_loader(&elf));
        elf[64] = 3; // PT_INTERP
        assert!(needs_loader(&elf));
        assert!(!needs_loader(b"#!/bin/sh"));
        let shell = std::fs::read("/bin/sh").expect("a shell");
        assert!(needs_loader(&shell), "Debian's shell is linked dynamically");
    }
}
