//! How the program is linked.

use std::env;
use std::process::Command;

/// The first glibc that starts programs with packed relative relocations.
const GLIBC: (u32, u32) = (2, 36);

/// Vtables and the like are 25,000 addresses that move with the program: packed, they are 7 KiB of an
/// idle process instead of 600.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if starts_packed() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the libc that is linked is known to start such a program, and so is any later one.
fn starts_packed() -> bool {
    let is_native = env::var_os("TARGET") == env::var_os("HOST");
    let is_gnu = env::var_os("CARGO_CFG_TARGET_ENV").is_some_and(|it| it == "gnu");
    is_native && is_gnu && glibc().is_some_and(|version| version >= GLIBC)
}

/// The version of the libc that is installed: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = version.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
