//! Compiles the floor and the program that it runs, always optimised and without libc, whatever cargo's profile is: a
//! floor that changes with the way in which it was built measures nothing. Its filter and its device program are made here
//! as well.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

#[allow(dead_code)]
#[path = "src/capabilities.rs"]
mod capabilities;

fn main() {
    println!("cargo::rerun-if-changed=floor");
    println!("cargo::rerun-if-changed=src/capabilities.rs");
    println!("cargo::rerun-if-changed=../sys/src/raw.rs");
    println!("cargo::rerun-if-changed=../sys/src/nr.rs");
    let out = PathBuf::from(variable("OUT_DIR"));
    let profile = seccomp::default_profile(&capabilities::NAMES);
    let filter = seccomp::compile(&profile).expect("the default profile compiles");
    std::fs::write(out.join("filter"), filter.as_bytes()).expect("OUT_DIR can be written");
    // The same for both specifications: the one has no rules and gets the default ones, the other spells them out.
    let devices = cgroup::device_program(&cgroup::default_rules()).expect("the default rules make a program");
    std::fs::write(out.join("devices"), devices).expect("OUT_DIR can be written");
    compile("floor/main.rs", "floor", &out);
    compile("floor/nothing.rs", "nothing", &out);
    compile("floor/pause.rs", "pause", &out);
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"))
}

fn compile(source: &str, name: &str, out: &Path) {
    // No libc is linked, so the machine's own target serves for musl, too.
    let (host, target) = (variable("HOST"), variable("TARGET"));
    let architecture = |triple: &OsString| triple.to_string_lossy().split('-').next().map(str::to_owned);
    let target = if architecture(&host) == architecture(&target) { host } else { target };
    let status = Command::new(variable("RUSTC"))
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", name, "--target"])
        .arg(target)
        .args(["-C", "panic=abort", "-C", "opt-level=3", "-C", "codegen-units=1", "-C", "strip=symbols"])
        .args(["-C", "relocation-model=static", "-C", "target-feature=+crt-static", "-C", "lto=fat"])
        .args(["-C", "link-arg=-nostdlib", "-C", "link-arg=-nostartfiles", "-C", "link-arg=-static"])
        .args(["-C", "link-arg=-no-pie", "-C", "link-arg=-Wl,--build-id=none,-z,norelro,-z,noexecstack,--gc-sections"])
        .arg("-o")
        .arg(out.join(name))
        .arg(source)
        .status();
    assert!(matches!(status, Ok(status) if status.success()), "{source} does not compile: {status:?}");
}
