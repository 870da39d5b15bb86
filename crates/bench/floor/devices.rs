//! The device program of a cgroup where v2 is all there is: loaded and attached by the parent, bpf(2).

use crate::kernel::{call, nr};

/// The crate `cgroup`'s program for the devices that every container has.
static PROGRAM: Program<{ SOURCE.len() }> = Program(*SOURCE);
const SOURCE: &[u8; include_bytes!(concat!(env!("OUT_DIR"), "/devices")).len()] =
    include_bytes!(concat!(env!("OUT_DIR"), "/devices"));

/// The kernel reads instructions of 8 bytes.
#[repr(align(8))]
struct Program<const N: usize>([u8; N]);

const PROG_LOAD: usize = 5;
const PROG_ATTACH: usize = 8;
const CGROUP_DEVICE: u64 = 15;
const ATTACH_CGROUP_DEVICE: u64 = 6;
const ALLOW_MULTI: u64 = 2;

/// Puts the program in force at an open cgroup.
pub fn attach(directory: usize) {
    let count = (PROGRAM.0.len() / 8) as u64;
    let name = *b"floor_devices\0\0\0";
    let half = |at: usize| u64::from_le_bytes(core::array::from_fn(|index| name[at + index]));
    let load = [
        CGROUP_DEVICE | count << 32,
        PROGRAM.0.as_ptr() as u64,
        c"Apache-2.0".as_ptr() as u64,
        0,
        0,
        0,
        half(0),
        half(8),
    ];
    let program = call(nr::bpf, [PROG_LOAD, load.as_ptr() as usize, size_of_val(&load)]);
    let attach = [directory as u64 | (program as u64) << 32, ATTACH_CGROUP_DEVICE | ALLOW_MULTI << 32];
    call(nr::bpf, [PROG_ATTACH, attach.as_ptr() as usize, size_of_val(&attach)]);
}
