//! Compiles the default profile for the capability sets that nearly every container has, with the crate's own compiler
//! in here, so that starting one copies a program instead of making it. What is written is for the target, whose byte
//! order is little on both machines, whatever the host is.
#![allow(dead_code, reason = "of the compiler's modules a part serves")]

#[path = "src/abi.rs"]
mod abi;
#[path = "src/assemble.rs"]
mod assemble;
#[path = "src/chain.rs"]
mod chain;
#[path = "src/compile.rs"]
mod compile;
#[path = "src/default.rs"]
mod default;
#[path = "src/error.rs"]
mod error;
#[path = "src/graph.rs"]
mod graph;
#[path = "src/mux.rs"]
mod mux;
#[path = "src/program.rs"]
mod program;
#[path = "src/rules.rs"]
mod rules;
#[path = "src/syscalls/mod.rs"]
mod syscalls;
#[path = "src/tree.rs"]
mod tree;

use std::path::Path;

use abi::Machine;

/// A file's name, and the capabilities that its program is for.
const PROGRAMS: [(&str, &[&str]); 2] = [("default.bpf", &[]), ("default_chroot.bpf", &["CAP_SYS_CHROOT"])];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src");
    let machine = match std::env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => Machine::X86_64,
        "aarch64" => Machine::Aarch64,
        other => return Err(format!("no tables for {other}").into()),
    };
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    for (file, capabilities) in PROGRAMS {
        let filter = compile::compile_for(&default::default_profile_for(capabilities, machine), machine)?;
        let bytes: Vec<u8> = filter
            .instructions()
            .flat_map(|one| {
                let ([c0, c1], [k0, k1, k2, k3]) = (one.code.to_le_bytes(), one.k.to_le_bytes());
                [c0, c1, one.jt, one.jf, k0, k1, k2, k3]
            })
            .collect();
        std::fs::write(Path::new(&out).join(file), bytes)?;
    }
    Ok(())
}
