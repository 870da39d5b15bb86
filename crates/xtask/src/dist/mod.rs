//! `cargo xtask build`: the programs as users get them, static, in `target/dist`, each checked before it may stand there.
//!
//! Linked with musl where its target and a C compiler for it are installed, since such a program starts in half the time
//! (no NSS, no locale, a third of the system calls); with static glibc elsewhere, which needs nothing installed.

mod elf;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use elf::Elf;

use crate::error::{Doing as _, Error, Result};
use crate::programs::{self, on_path};

const GNU: &str = "x86_64-unknown-linux-gnu";
const MUSL: &str = "x86_64-unknown-linux-musl";

/// A program and the sizes that it may have on disk, stripped: with musl, and with static glibc, which brings its own half
/// megabyte. A dependency that doubles a program should be a decision.
const PROGRAMS: &[(&str, u64, u64)] = &[("coracle", 8 << 20, 9 << 20), ("corun", 2 << 20, 3 << 20)];

/// What glibc links in for every lookup of users, groups and hosts: with it a static program loads a second libc at run
/// time and can crash. Rust's linker does not warn of it.
const NSS: &str = "__nss_database_get";

/// Builds, checks and places the programs, and prints where.
pub fn run(mut parser: lexopt::Parser) -> Result {
    let mut target = None;
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("target") => target = Some(lexopt::ValueExt::string(parser.value()?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    let dir = build(target.as_deref())?;
    for (name, ..) in PROGRAMS {
        println!("{}", dir.join(name).display());
    }
    Ok(())
}

/// Builds, checks and places the programs; returns their directory.
pub fn build(target: Option<&str>) -> Result<PathBuf> {
    let target = target.map_or_else(choose_target, |target| Ok(target.to_owned()))?;
    let target_dir = programs::target_dir()?;
    let mut cargo = programs::cargo();
    // The symbols are needed for a look at them and stripped after it.
    cargo.args(["build", "--release", "--config", "profile.release.strip='none'", "--target", &target]);
    for (name, ..) in PROGRAMS {
        cargo.args(["--package", name]);
    }
    // For the target alone: build scripts and macros are dynamic libraries of the host. A list, since a path may have spaces.
    let mut flags = vec!["-Ctarget-feature=+crt-static"];
    if target == MUSL {
        // Nothing unwinds where a panic aborts, and relocations take a bit each instead of 24 bytes (musl 1.2.4).
        flags.push("-Cforce-unwind-tables=no");
        flags.push("-Clink-arg=-Wl,--no-eh-frame-hdr,-z,pack-relative-relocs");
        flags.push(concat!("-Clink-arg=-T", env!("CARGO_MANIFEST_DIR"), "/src/dist/discard.ld"));
    }
    cargo.arg("--config").arg(format!("target.{target}.rustflags={flags:?}"));
    programs::run(&mut cargo)?;

    let dist = target_dir.join("dist");
    fs::create_dir_all(&dist).doing(|| format!("making {}", dist.display()))?;
    for (name, with_musl, with_glibc) in PROGRAMS {
        let built = target_dir.join(&target).join("release").join(name);
        check(&built)?;
        place(&built, &dist.join(name), if target == MUSL { *with_musl } else { *with_glibc })?;
    }
    Ok(dist)
}

fn choose_target() -> Result<String> {
    let mut ask = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let libraries = programs::read(ask.args(["--print", "target-libdir", "--target", MUSL]))?;
    let musl = Path::new(libraries.trim()).is_dir() && on_path("musl-gcc").is_some();
    Ok(if musl { MUSL } else { GNU }.to_owned())
}

/// That a program needs nothing of the machine that it will run on.
fn check(path: &Path) -> Result {
    let bytes = fs::read(path).doing(|| format!("reading {}", path.display()))?;
    let breach = |what: &str| Error::Found(format!("{} {what}", path.display()));
    let elf = Elf::parse(&bytes).ok_or_else(|| breach("is no ELF file of 64 bits"))?;
    if let Some(loader) = elf.interpreter() {
        return Err(breach(&format!("is not static: it asks for the loader {loader}")));
    }
    if elf.needs_libraries() {
        return Err(breach("is not static: it needs shared libraries"));
    }
    // A file without symbols would pass the next look without having been looked at.
    if !elf.has_symbol("main") {
        return Err(breach("has no symbol main, so its symbols cannot be judged"));
    }
    if elf.has_symbol(NSS) {
        return Err(breach(&format!("links {NSS}: something in it looks up users, groups or hosts through NSS")));
    }
    Ok(())
}

fn place(built: &Path, at: &Path, limit: u64) -> Result {
    // Stripped aside and renamed: the old program may be running.
    let fresh = at.with_extension("new");
    programs::run(Command::new("strip").arg("--strip-all").arg("-o").arg(&fresh).arg(built))?;
    let size = fs::metadata(&fresh).doing(|| format!("looking at {}", fresh.display()))?.len();
    if size > limit {
        return Err(Error::Found(format!("{} has {size} bytes, {limit} are allowed", fresh.display())));
    }
    fs::rename(&fresh, at).doing(|| format!("placing {}", at.display()))
}
