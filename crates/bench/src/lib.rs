//! The benchmarks: of a container's start (the specifications under test, the floor, the peers, and what measures them),
//! and of images.
//!
//! The floor (`floor/`, compiled by the build script and carried here as bytes) makes the kernel objects of a
//! specification with bare system calls and nothing else. It says what a start costs on this machine today, so that a
//! runtime's own share can be told from the kernel's.

#![forbid(unsafe_code)]

pub mod bundle;
pub mod capabilities;
pub mod engine;
pub mod error;
pub mod floor;
pub mod images;
pub mod life;
pub mod measure;
pub mod network;
pub mod peer;
pub mod recording;
pub mod report;
pub mod spec;
pub mod trace;
pub mod view;

/// `/bin/true` of the containers under test: static, 1 KiB, no libc.
pub static NOTHING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nothing"));

/// `/bin/pause` of the containers under test, which ends when it is killed.
pub static PAUSE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pause"));
