//! What a child has used when it ends: for those who measure.

use crate::call::call;
use crate::process::Exit;
use crate::{Error, Result, nr};
use rustix::io::Errno;
use std::time::Duration;

/// What a process and all children which it has waited for used: time on a CPU, and memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// In user mode. The kernel divides the sum by samples: only the sum is exact.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
    /// The most memory that one of them had in RAM at a time, in bytes.
    pub peak: u64,
}

/// wait4(2): waits for a child of ours to end, reaps it, and tells what it used.
pub fn wait(pid: i32) -> Result<(Exit, Usage)> {
    const ALL: usize = 0x4000_0000;
    let mut status = 0_i32;
    // struct rusage begins with two struct timeval, user and system, and the peak in KiB; sixteen words in all on 64-bit
    // machines.
    let mut usage = [0_i64; 18];
    let args = [pid as usize, &raw mut status as usize, ALL, usage.as_mut_ptr() as usize, 0, 0];
    loop {
        // SAFETY: the kernel writes one int and one struct rusage, which is no longer than the array.
        match unsafe { call(nr::wait4, args) } {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::new("wait4", pid.to_string(), errno)),
        }
    }
    let time = |at: usize| Duration::from_secs(usage[at] as u64) + Duration::from_micros(usage[at + 1] as u64);
    let exit = match status & 0x7f {
        0 => Exit::Code((status >> 8) as u8),
        signal => Exit::Signal(signal),
    };
    Ok((exit, Usage { user: time(0), system: time(2), peak: usage[4] as u64 * 1024 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_that_computes_has_used_the_time() {
        let count = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exit 7";
        #[allow(clippy::zombie_processes, reason = "the wait under test reaps it")]
        let child = Command::new("sh").args(["-c", count]).spawn().unwrap();
        let (exit, usage) = wait(child.id() as i32).unwrap();
        assert_eq!(exit, Exit::Code(7));
        assert!(usage.user + usage.system > Duration::from_millis(1), "{usage:?}");
        assert!((64 << 10..1 << 30).contains(&usage.peak), "{usage:?}");
    }
}
