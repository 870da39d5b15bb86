//! The stub: the only code of ours that ever runs inside a container.
//!
//! The clone's child executes it from a sealed memfd, so that nothing of an installed binary is reachable from inside
//! (CVE-2019-5736). It has no allocator, no libc and no parser: it reads a flat plan, does one step after the other,
//! and ends by executing the container's command. This library is the other side of that plan: its format, its
//! encoder, and the stub's bytes.
//!
//! `entry.rs` is the stub's own root; it compiles `plan.rs` and the stages from the same files.

mod encode;
pub mod plan;

pub use encode::{Arg, Encoder, List, Text};

/// The stub, a static ELF executable.
pub static STUB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stub"));

#[cfg(test)]
mod tests {
    use super::STUB;

    #[test]
    fn the_stub_is_a_static_executable_of_at_most_64_kib() {
        assert!(STUB.starts_with(b"\x7fELF"));
        assert!(STUB.len() <= 64 << 10, "{} bytes", STUB.len());
        let interpreter = b"/lib64/ld-linux";
        assert!(!STUB.windows(interpreter.len()).any(|window| window == interpreter));
    }
}
