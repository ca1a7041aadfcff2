//! Images of programs that Debian packages have: the programs with the libraries they are linked
//! with, laid out as on Debian, under the name that the image usually has.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    archive::{Entry, Image},
    command,
    error::{Error, Result},
    setup::find,
};

/// The name that the request counter's chart uses.
const REDIS_IMAGE: &str = "docker.io/library/redis:7.0.15-alpine";
/// The user redis of that image.
const REDIS: u32 = 999;

/// Redis as the usual image has it: server and client in PATH, a directory for data.
pub(super) fn redis() -> Result<Image> {
    let mut layer = programs(&["redis-server", "redis-cli"])?;
    layer.push(Entry::directory("data", 0o755, u64::from(REDIS)));
    Ok(Image {
        name: REDIS_IMAGE.to_owned(),
        layer,
        entrypoint: Vec::new(),
        arguments: vec!["redis-server".to_owned()],
        user: REDIS,
        directory: "/data".to_owned(),
    })
}

/// These programs in `/usr/bin`, and what the loader needs for them.
fn programs(names: &[&str]) -> Result<Vec<Entry>> {
    let mut files = BTreeSet::new();
    let mut layer = Vec::new();
    for name in names {
        let missing = || Error::Missing(format!("{name} is not installed"));
        let program = find(name).ok_or_else(missing)?;
        let listed = command::run("ldd", &[&program.display().to_string()])?;
        files.extend(libraries(&listed.stdout));
        // The program may be a link to another one, whose name it must not have.
        let bytes = fs::read(&program).map_err(Error::file("read", &program))?;
        layer.push(Entry::file(format!("usr/bin/{name}"), 0o755, bytes));
    }
    for file in &files {
        let bytes = fs::read(file).map_err(Error::file("read", file))?;
        let inside = file.strip_prefix("/").unwrap_or(file);
        layer.push(Entry::file(inside, 0o755, bytes));
    }
    let directories = directories(layer.iter().map(|entry| entry.path.as_path()));
    let directories = directories
        .into_iter()
        .map(|path| Entry::directory(path, 0o755, 0));
    Ok(directories.chain(layer).collect())
}

/// The paths in what `ldd` prints: of libraries, and of the loader itself.
fn libraries(ldd: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let place = line.rsplit_once("=> ").map_or(line, |(_, place)| place);
        let place = place.split_whitespace().next()?;
        place.starts_with('/').then(|| PathBuf::from(place))
    };
    ldd.lines().filter_map(path).collect()
}

/// All directories above these files, parents first.
fn directories<'a>(files: impl Iterator<Item = &'a Path>) -> BTreeSet<PathBuf> {
    files
        .flat_map(|file| file.ancestors().skip(1))
        .filter(|directory| !directory.as_os_str().is_empty())
        .map(Path::to_path_buf)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found_and_the_kernels_own_is_not() {
        let ldd = "\tlinux-vdso.so.1 (0x00007f)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tlibgone.so => not found\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libm.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(libraries(ldd), expected.map(PathBuf::from));
        assert!(libraries("\tstatically linked\n").is_empty());
    }

    #[test]
    fn parents_come_before_what_is_in_them() {
        let all = directories([Path::new("usr/bin/a"), Path::new("lib/x/b")].into_iter());
        let all: Vec<String> = all.iter().map(|it| it.display().to_string()).collect();
        assert_eq!(all, ["lib", "lib/x", "usr", "usr/bin"]);
    }
}
