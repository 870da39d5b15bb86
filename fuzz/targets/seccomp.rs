//! Profiles of seccomp, in the specification's form and in Docker's, and filters that were kept in files.

#![no_main]

use oci::runtime::Seccomp;
use seccomp::{Filter, MAX_INSTRUCTIONS, Machine, compile_for, docker, notes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(filter) = Filter::from_file(bytes) {
        assert_eq!(filter.to_file(), bytes);
    }
    let docker = docker::from_json(bytes, &["CAP_SYS_ADMIN"], (6, 1)).ok();
    for profile in serde_json::from_slice::<Seccomp>(bytes).ok().into_iter().chain(docker) {
        let _ = notes(&profile);
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let Ok(filter) = compile_for(&profile, machine) else { continue };
            assert!(!filter.is_empty() && usize::from(filter.len()) <= usize::from(MAX_INSTRUCTIONS));
            check(&filter);
        }
    }
});

/// Every jump leads forward and to an instruction, and the last one returns: what the kernel asks of a program.
fn check(filter: &Filter) {
    let all: Vec<_> = filter.instructions().collect();
    for (at, instruction) in all.iter().enumerate() {
        let jumps = instruction.code & 7 == 5;
        let far = jumps && instruction.code & 0xf0 == 0;
        let target = at + 1 + if far { instruction.k as usize } else { usize::from(instruction.jt.max(instruction.jf)) };
        assert!(!jumps || target < all.len());
    }
    assert_eq!(all.last().map(|last| last.code & 7), Some(6));
}
