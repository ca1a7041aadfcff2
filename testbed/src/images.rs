//! The images that the charts name: our programs as static binaries, Prometheus as built by
//! [`crate::binaries`] and Redis as Debian has it under their usual names, and the sandbox. Law: an image is imported when its content is
//! not the one that containerd has, and only then.

mod debian;

use std::{
    fs,
    io::BufRead,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    archive::{Archive, Content, Entry, Image, needs_loader, pack},
    cli,
    cluster::Cluster,
    command,
    error::{Error, Result},
    layout::{Layout, PAUSE_IMAGE, containerd_socket},
    progress::{say, step},
};

/// Our own programs: packages, binaries and images have the same names.
pub const OURS: [&str; 3] = ["metrics-adapter", "server", "loadclient"];

/// The short names of all images.
pub const KNOWN: [&str; 7] = [OURS[0], OURS[1], OURS[2], PROMETHEUS, REDIS, PAUSE, KUBECTL];

/// Images of others, by short name.
const PROMETHEUS: &str = "prometheus";
const REDIS: &str = "redis";
const PAUSE: &str = "pause";
/// Large, and run by `helm test` alone: made only where it is named.
pub(crate) const KUBECTL: &str = "kubectl";

/// The version that is built, under the name that the chart uses.
const PROMETHEUS_IMAGE: &str = "quay.io/prometheus/prometheus:v3.13.5";

/// As Kubernetes publishes it, and `helm/metrics-adapter` names it.
const KUBECTL_IMAGE: &str = "registry.k8s.io/kubectl:v1.36.3";

/// Who must verify certificates of public authorities, and what they are known by: a Prometheus may be
/// anywhere. The same file as in `Dockerfile`.
const NEEDS_ROOTS: &str = OURS[0];
const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";

/// What a program has besides its defaults, as in `Dockerfile`.
const FEATURES: (&str, &str) = (OURS[0], "metrics-adapter/otel");

/// The user of our images: what distroless images call nonroot.
const NONROOT: u32 = 65532;
/// The user of Prometheus' image.
const NOBODY: u32 = 65534;

/// The name of one of our images; the tag is the workspace's version.
pub fn name_of(program: &str) -> String {
    format!("localhost/{program}:{}", env!("CARGO_PKG_VERSION"))
}

/// Builds the images with these short names, all but kubectl's when there are none, and imports those
/// that changed into the running cluster.
///
/// # Errors
/// When a name is unknown, a build fails, or the cluster is not up.
pub fn images(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Error::Missing(format!(
            "there is no image {unknown:?}; there are {}",
            KNOWN.join(", ")
        )));
    }
    let wanted = |name: &&str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let cluster = Cluster::connect()?;
    let layout = cluster.layout();
    let ours: Vec<&str> = OURS.into_iter().filter(wanted).collect();
    if !ours.is_empty() {
        let programs = step(&format!("cargo build --release {}", ours.join(" ")), || {
            compile(layout, &ours)
        })?;
        for (program, path) in ours.iter().zip(programs) {
            let mut image = single_binary(&name_of(program), program, &path)?;
            if *program == NEEDS_ROOTS {
                image.layer.extend(roots()?);
            }
            install(layout, &image)?;
        }
    }
    if wanted(&PROMETHEUS) {
        install(layout, &prometheus(layout)?)?;
    }
    if wanted(&REDIS) {
        install(layout, &debian::redis()?)?;
    }
    if wanted(&PAUSE) {
        import_pause(layout)?;
    }
    if names.iter().any(|name| name == KUBECTL) {
        let program = layout.bin().join(KUBECTL);
        install(layout, &single_binary(KUBECTL_IMAGE, KUBECTL, &program)?)?;
    }
    Ok(())
}

/// Imports the sandbox image, without which no pod starts.
pub(crate) fn import_pause(layout: &Layout) -> Result<()> {
    let image = single_binary(PAUSE_IMAGE, PAUSE, &layout.bin().join(PAUSE))?;
    import(layout, &image).map(drop)
}

/// What our binaries are built for.
fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The static binary of one of our programs, as [`images`] has built it last.
pub(crate) fn program(layout: &Layout, name: &str) -> PathBuf {
    let built = layout.workspace().join("target").join(target());
    built.join("release").join(name)
}

/// Builds static release binaries and returns their paths, in the order of the names.
fn compile(layout: &Layout, packages: &[&str]) -> Result<Vec<PathBuf>> {
    let target = target();
    let cargo = cli::variable("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(layout.workspace())
        // These would silently replace the flags below.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args([
            "build",
            "--release",
            "--message-format=json-render-diagnostics",
        ])
        .args(["--target", &target, "--config"])
        .arg(format!(
            "target.{target}.rustflags=[\"-C\",\"target-feature=+crt-static\"]"
        ));
    for package in packages {
        command.args(["-p", package]);
    }
    if packages.contains(&FEATURES.0) {
        command.args(["--features", FEATURES.1]);
    }
    // The compiler's messages go to the terminal as they come; its JSON comes to us.
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|cause| command::spawn(&command, cause))?;
    let output = child.stdout.take().expect("standard output is piped");
    let messages: Vec<serde_json::Value> = std::io::BufReader::new(output)
        .lines()
        .map_while(std::result::Result::ok)
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect();
    let status = child
        .wait()
        .map_err(|cause| command::spawn(&command, cause))?;
    if !status.success() {
        return Err(Error::Failed {
            command: format!("cargo build --release -p {}", packages.join(" -p ")),
            status: status.to_string(),
            stderr: "see the compiler's messages above".to_owned(),
        });
    }
    packages
        .iter()
        .map(|package| {
            executable(&messages, package)
                .ok_or_else(|| Error::Missing(format!("cargo built no executable named {package}")))
        })
        .collect()
}

/// The path of a binary among cargo's messages.
fn executable(messages: &[serde_json::Value], name: &str) -> Option<PathBuf> {
    messages
        .iter()
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// An image with nothing but one static program.
fn single_binary(name: &str, program: &str, path: &Path) -> Result<Image> {
    let bytes = fs::read(path).map_err(Error::file("read", path))?;
    if needs_loader(&bytes) {
        return Err(Error::Missing(format!(
            "{} is not linked statically, so it cannot run in an image of its own",
            path.display()
        )));
    }
    Ok(Image {
        name: name.to_owned(),
        layer: vec![Entry::file(program, 0o755, bytes)],
        entrypoint: vec![format!("/{program}")],
        arguments: Vec::new(),
        user: NONROOT,
        directory: "/".to_owned(),
    })
}

/// The machine's bundle of certificate authorities, where programs look for it.
fn roots() -> Result<Vec<Entry>> {
    let path = Path::new("/").join(ROOTS);
    let bundle = fs::read(&path).map_err(Error::file("read", &path))?;
    let parents = ["etc", "etc/ssl", "etc/ssl/certs"];
    let mut entries: Vec<Entry> = parents
        .into_iter()
        .map(|parent| Entry::directory(parent, 0o755, 0))
        .collect();
    entries.push(Entry::file(ROOTS, 0o644, bundle));
    Ok(entries)
}

/// Prometheus, laid out as the project's own image.
fn prometheus(layout: &Layout) -> Result<Image> {
    let mut layer = vec![
        Entry::directory("tmp", 0o1777, 0),
        Entry::directory("prometheus", 0o755, u64::from(NOBODY)),
        Entry::directory("etc", 0o755, 0),
        Entry::file(
            "etc/passwd",
            0o644,
            b"nobody:x:65534:65534:nobody:/:/\n".to_vec(),
        ),
        Entry::file("etc/group", 0o644, b"nobody:x:65534:\n".to_vec()),
        Entry::directory("bin", 0o755, 0),
    ];
    for program in [PROMETHEUS, "promtool"] {
        let path = layout.bin().join(program);
        let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
        layer.push(Entry::file(format!("bin/{program}"), 0o755, bytes));
    }
    Ok(Image {
        name: PROMETHEUS_IMAGE.to_owned(),
        layer,
        entrypoint: vec!["/bin/prometheus".to_owned()],
        arguments: vec![
            "--config.file=/etc/prometheus/prometheus.yml".to_owned(),
            "--storage.tsdb.path=/prometheus".to_owned(),
        ],
        user: NOBODY,
        directory: "/prometheus".to_owned(),
    })
}

/// Imports an image and says so.
fn install(layout: &Layout, image: &Image) -> Result<()> {
    let size: usize = image
        .layer
        .iter()
        .map(|entry| match &entry.content {
            Content::File(bytes) => bytes.len(),
            Content::Directory => 0,
        })
        .sum();
    let changed = step(&format!("{} ({} MB)", image.name, size / 1_000_000), || {
        import(layout, image)
    })?;
    if !changed {
        say("    unchanged");
    }
    Ok(())
}

/// The digest of what was last imported under a name.
pub(crate) fn imported(layout: &Layout, name: &str) -> Option<String> {
    fs::read_to_string(mark(layout, name)).ok()
}

/// Where that digest is written down.
fn mark(layout: &Layout, name: &str) -> PathBuf {
    let file = format!("{}.imported", name.replace(['/', ':'], "_"));
    layout.images().join(file)
}

/// Imports an image unless containerd has that very content; says whether it did.
fn import(layout: &Layout, image: &Image) -> Result<bool> {
    let dir = layout.images();
    fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
    let file = dir.join(format!("{}.tar", image.name.replace(['/', ':'], "_")));
    let Archive { digest, bytes } = pack(image).map_err(Error::file("pack", &file))?;
    let socket = containerd_socket().display().to_string();
    let ctr = |args: &[&str]| {
        command::run(
            "ctr",
            &[&["--address", &socket, "--namespace", "k8s.io"], args].concat(),
        )
    };
    // The CRI plugin names every image by the digest of its config as well.
    let names = ctr(&["images", "list", "--quiet"])?.stdout;
    let marks = mark(layout, &image.name);
    let has = |name: &str| names.lines().any(|line| line == name);
    if has(&image.name) && has(&digest) && fs::read_to_string(&marks).is_ok_and(|it| it == digest) {
        return Ok(false);
    }
    fs::write(&file, bytes).map_err(Error::file("write", &file))?;
    ctr(&["images", "import", &file.display().to_string()])?;
    fs::write(&marks, digest).map_err(Error::file("write", &marks))?;
    fs::remove_file(&file).map_err(Error::file("remove", &file))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_binary_not_the_library_of_that_name() {
        let messages = [
            serde_json::json!({ "target": { "name": "server" }, "executable": null }),
            serde_json::json!({ "target": { "name": "server" }, "executable": "/t/server" }),
        ];
        assert_eq!(
            executable(&messages, "server"),
            Some(PathBuf::from("/t/server"))
        );
        assert_eq!(executable(&messages, "client"), None);
    }

    #[test]
    fn our_tag_is_the_version() {
        assert_eq!(
            name_of("server"),
            format!("localhost/server:{}", env!("CARGO_PKG_VERSION"))
        );
    }
}
