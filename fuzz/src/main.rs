//! `fuzz TARGET FILE...` runs a target on files, for instance on what a long run has found.
//! `fuzz list` names the targets, `fuzz seeds TARGET DIRECTORY` writes what `make fuzz` begins
//! with. With the feature `libfuzzer` it is libFuzzer's program instead, and the environment's
//! `FUZZ_TARGET` says which target.

#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static TARGET: std::sync::LazyLock<&fuzz::Target> = std::sync::LazyLock::new(|| {
        let name = std::env::var_os("FUZZ_TARGET");
        let name = name.as_ref().and_then(|name| name.to_str());
        name.and_then(fuzz::find)
            .unwrap_or_else(|| panic!("FUZZ_TARGET: {name:?} is not a target"))
    });
    (TARGET.run)(input);
});

#[cfg(not(feature = "libfuzzer"))]
fn main() -> std::io::Result<()> {
    plain::main()
}

#[cfg(not(feature = "libfuzzer"))]
mod plain {
    #![allow(clippy::print_stdout, reason = "what it is for")]

    use std::fmt::Write as _;
    use std::fs;
    use std::io::{Error, Result};
    use std::path::Path;

    use fuzz::{TARGETS, Target, find};

    pub(super) fn main() -> Result<()> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["list"] => TARGETS
                .iter()
                .for_each(|target| println!("{}", target.name)),
            ["seeds", name, directory] => seeds(named(name)?, directory.as_ref())?,
            [name, ref files @ ..] if !files.is_empty() => {
                let target = named(name)?;
                for file in files {
                    println!("{file}");
                    (target.run)(&fs::read(file)?);
                }
            }
            _ => {
                return Err(Error::other(
                    "usage: fuzz list | seeds TARGET DIRECTORY | TARGET FILE...",
                ));
            }
        }
        Ok(())
    }

    fn named(name: &str) -> Result<&'static Target> {
        find(name).ok_or_else(|| Error::other(format!("{name} is not a target; see fuzz list")))
    }

    /// One file per seed, and libFuzzer's dictionary beside the directory.
    fn seeds(target: &Target, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        for (number, seed) in target.inputs().iter().enumerate() {
            fs::write(directory.join(format!("seed-{number:05}")), seed)?;
        }
        let mut words = String::new();
        for word in target.words {
            let bytes = word.bytes().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "\\x{byte:02x}");
                text
            });
            let _ = writeln!(words, "\"{bytes}\"");
        }
        fs::write(directory.with_extension("dict"), words)
    }
}
