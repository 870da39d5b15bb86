//! Compiles the stub, `src/entry.rs`, with the very compiler that builds the rest, into a static executable without
//! libc, which the library embeds. Cargo has no stable way to depend on another crate's executable.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=../sys/src/raw.rs");
    println!("cargo::rerun-if-changed=../sys/src/nr.rs");
    println!("cargo::rerun-if-changed=../sys/src/record.rs");
    println!("cargo::rerun-if-changed=../sys/src/capture.rs");
    let variable = |name: &str| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let out = PathBuf::from(variable("OUT_DIR")).join("stub");
    // The stub links no libc, so the machine's own target serves for musl, too, and needs no start files left out.
    let (host, target) = (variable("HOST"), variable("TARGET"));
    let architecture = |triple: &OsString| triple.to_string_lossy().split('-').next().map(str::to_owned);
    let native = architecture(&host) == architecture(&target);
    // Whoever builds for another architecture names a linker of it to cargo.
    let linker = env::var_os("RUSTC_LINKER").filter(|_| !native).map(|linker| ["-C".into(), join("linker=", &linker)]);
    let target = if native { host } else { target };
    // What chooses atomic instructions at run time asks libc.
    let aarch64 = target.to_string_lossy().starts_with("aarch64");
    let features = if aarch64 { "+crt-static,-outline-atomics" } else { "+crt-static" };
    let status = Command::new(variable("RUSTC"))
        .args(linker.into_iter().flatten())
        .args(["-C", &format!("target-feature={features}")])
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "stub", "--target"])
        .arg(target)
        .args(["-C", "panic=abort", "-C", "opt-level=s", "-C", "codegen-units=1", "-C", "strip=symbols"])
        .args(["-C", "relocation-model=static", "-C", "lto=fat"])
        .args(["-C", "link-arg=-nostdlib", "-C", "link-arg=-nostartfiles", "-C", "link-arg=-static"])
        .args(["-C", "link-arg=-no-pie", "-C", "link-arg=-Wl,--build-id=none,-z,norelro,-z,noexecstack,--gc-sections"])
        .arg("-o")
        .arg(&out)
        .arg("src/entry.rs")
        .status();
    assert!(matches!(status, Ok(status) if status.success()), "the stub does not compile: {status:?}");
}

fn join(before: &str, text: &OsString) -> OsString {
    let mut whole = OsString::from(before);
    whole.push(text);
    whole
}
