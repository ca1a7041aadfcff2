//! What is in our images, as containerd has them: whoever breaks into a container finds no shell.

use std::{collections::BTreeSet, fs, io::Read, path::Path};

use serde_json::Value;

use super::{Failure, Outcome, ensure, world::World};
use crate::{command, images, layout::containerd_socket};

/// Nobody special, as of distroless images.
const USER: &str = "65532";

/// The scenario.
pub(super) fn run(world: &World) -> Outcome {
    let mut remarks = Vec::new();
    for program in images::OURS {
        let name = images::name_of(program);
        let file = world.cluster.layout().images().join("exported.tar");
        export(&name, &file)?;
        let image = Image::read(&file);
        fs::remove_file(&file).map_err(|error| problem(&file, &error))?;
        let image = image?;
        let mut wanted = BTreeSet::from([program.to_owned()]);
        if program == "metrics-adapter" {
            wanted.insert("etc/ssl/certs/ca-certificates.crt".to_owned());
        }
        ensure!(
            image.files == wanted,
            "{name} holds {:?} instead of {wanted:?}",
            image.files
        );
        let config = &image.config["config"];
        ensure!(config["User"] == USER, "{name} runs as {}", config["User"]);
        let entrypoint = serde_json::json!([format!("/{program}")]);
        ensure!(config["Entrypoint"] == entrypoint, "{name}: {config}");
        let files: Vec<&str> = image.files.iter().map(String::as_str).collect();
        remarks.push(format!("{name}: {}", files.join(", ")));
    }
    Ok(remarks)
}

fn export(name: &str, file: &Path) -> Result<(), Failure> {
    let socket = containerd_socket().display().to_string();
    let file = file.display().to_string();
    let args = ["--address", &socket, "--namespace", "k8s.io", "images"];
    let args = [&args[..], &["export", &file, name]].concat();
    command::run("ctr", &args)?;
    Ok(())
}

fn problem(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {error}", file.display()))
}

/// An image as it was exported.
struct Image {
    config: Value,
    /// Whatever its layers have that is no directory.
    files: BTreeSet<String>,
}

impl Image {
    fn read(file: &Path) -> Result<Self, Failure> {
        let manifest: Value = parse(file, &entry(file, "manifest.json")?)?;
        let [image] = manifest.as_array().map_or(&[][..], Vec::as_slice) else {
            return Err(Failure::new(format!("not one image: {manifest}")));
        };
        let config = image["Config"].as_str().unwrap_or_default();
        let config = parse(file, &entry(file, config)?)?;
        let mut files = BTreeSet::new();
        for layer in image["Layers"].as_array().into_iter().flatten() {
            let layer = entry(file, layer.as_str().unwrap_or_default())?;
            files.extend(paths(&layer).map_err(|error| problem(file, &error))?);
        }
        Ok(Self { config, files })
    }
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|error| problem(file, &error))
}

/// The bytes of one file of an archive.
fn entry(file: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let find = || -> std::io::Result<Option<Vec<u8>>> {
        for entry in tar::Archive::new(fs::File::open(file)?).entries()? {
            let mut entry = entry?;
            if entry.path()?.as_os_str() == name {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    };
    let found = find().map_err(|error| problem(file, &error))?;
    found.ok_or_else(|| problem(file, &format!("no {name}")))
}

/// Everything of a layer but directories.
fn paths(layer: &[u8]) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(layer).entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_dir() {
            found.push(entry.path()?.display().to_string());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive;

    #[test]
    fn an_archive_tells_its_files_and_no_directories() {
        let archive = archive::pack(&archive::Image {
            name: "localhost/thing:0.1.0".to_owned(),
            layer: vec![
                archive::Entry::directory("etc", 0o755, 0),
                archive::Entry::file("etc/shadow", 0o600, Vec::new()),
                archive::Entry::file("thing", 0o755, b"program".to_vec()),
            ],
            entrypoint: vec!["/thing".to_owned()],
            arguments: Vec::new(),
            user: 65532,
            directory: "/".to_owned(),
        })
        .expect("packs");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), archive.bytes).expect("writable");
        let image = Image::read(file.path()).expect("an image");
        let wanted = ["etc/shadow", "thing"].map(str::to_owned);
        assert_eq!(image.files, BTreeSet::from(wanted));
        assert_eq!(image.config["config"]["User"], USER);
    }
}
