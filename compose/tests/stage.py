"""Images under the names that docker-compose.yml uses, made of what is on this machine: nothing can
be pulled where this runs. Ours come out of the root's Dockerfile; only its builder image is stood in
for, by one whose `cargo` hands out what the machine's own cargo compiled."""

import os
import pathlib
import shutil
import subprocess
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OURS = {
    "server": "server",
    "loadclient": "loadclient",
    "metrics-adapter": "metrics-adapter",
    "exoscale-sd": "exoscale",
    "exoscale-autoscaler": "exoscale",
}
# What the Dockerfile builds in besides what a program has by itself.
FEATURES = {"metrics-adapter": ["--features", "otel"]}
BUILDER = "docker.io/library/rust:1.95.0-bookworm"

# What `cargo install` of the Dockerfile has to be called with, and what it leaves.
CARGO = """\
#!/bin/sh
set -eu
[ "$1 $2 $3 $5 $7" = "install --locked --path --bin --root" ] || { echo "unexpected: cargo $*" >&2; exit 1; }
[ "$CARGO_BUILD_TARGET" = host-tuple ] && [ "$RUSTFLAGS" = "-C target-feature=+crt-static" ]
[ "$RUSTUP_TOOLCHAIN" = 1.95.0 ]
[ "$6" != metrics-adapter ] || [ "${9-} ${10-}" = "--features otel" ]
grep -q '^version' "$4/Cargo.toml"
[ -f Cargo.lock ] && [ ! -e target/debug ] && [ ! -e .git ]
mkdir -p "$8/bin"
cp "/prebuilt/$6" "$8/bin/$6"
"""


class Missing(Exception):
    """A tool or a program that has to be there, and how it comes there."""


def tool(name, package):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if not found:
        raise Missing(f"{name} is missing: install the Debian package {package!r}")
    return pathlib.Path(found)


def compile_programs(programs):
    """Static binaries of the profile PROFILE (release, or dev, which is faster); their paths by name."""
    profile = os.environ.get("PROFILE", "release")
    environment = {k: v for k, v in os.environ.items() if k not in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS")}
    for program in programs:
        # The flag concerns the last step only; what is linked may be anybody's.
        command = ["cargo", "rustc", "--quiet", "--profile", profile, "--package", OURS[program], "--bin", program]
        command += [*FEATURES.get(program, []), "--", "-C", "target-feature=+crt-static"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    directory = ROOT / "target" / {"dev": "debug"}.get(profile, profile)
    for program in programs:
        if libraries(directory / program):
            raise Missing(f"{directory / program} is not linked statically")
    return {program: directory / program for program in programs}


class Stage:
    """A directory in which images are built, one build context each."""

    def __init__(self, directory, environment):
        self.directory = directory
        self.environment = environment

    def build(self, name, context, *options):
        command = [tool("buildah", "buildah"), "build", "--isolation", "chroot", "--quiet", "--tag", name, *options, context]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def context(self, name, files, dockerfile):
        """Writes a build context; `files` are sources by path in the image."""
        directory = self.directory / name
        shutil.rmtree(directory, ignore_errors=True)
        root = directory / "root"
        for path, source in files.items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, str):
                place.write_text(source)
                place.chmod(0o755)
            else:
                shutil.copy(source, place)
        (directory / "Dockerfile").write_text(textwrap.dedent(dockerfile))
        return directory

    def ours(self, binaries):
        """The named programs' images, from the Dockerfile."""
        files = {f"/prebuilt/{name}": path for name, path in binaries.items()}
        files |= shell() | {
            "/usr/local/bin/cargo": CARGO,
            "/etc/ssl/certs/ca-certificates.crt": pathlib.Path("/etc/ssl/certs/ca-certificates.crt"),
        }
        dockerfile = "FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/bin:/bin\n"
        self.build(BUILDER, self.context("rust", files, dockerfile))
        for name in binaries:
            self.build(f"localhost/{name}:0.1.0", ROOT, "--target", name, "--pull-never")

    def theirs(self, name, short, programs, dockerfile):
        """Someone else's image: its programs by path, with their libraries, and a shell's tools."""
        files = shell()
        for path, program in programs.items():
            files |= {path: program} | libraries(program)
        self.build(name, self.context(short, files, dockerfile))


def shell():
    """What the health checks of images with a shell use, and the build stage."""
    busybox = tool("busybox", "busybox-static")
    applets = ["sh", "chown", "cp", "grep", "mkdir", "wget"]
    return {f"/bin/{applet}": busybox for applet in applets}


def libraries(program):
    """The shared libraries of a program, none if it is static."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    words = {word for line in listed.splitlines() for word in line.split() if word.startswith("/")}
    return {path: pathlib.Path(path).resolve() for path in words}
