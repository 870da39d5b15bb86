//! What a cgroup costs a start, beside the bare system calls that it cannot do without:
//! `cargo bench -p cgroup` (as root).
//!
//! Prints medians and 99th percentiles in microseconds; interleaved, so that a noisy machine disturbs both alike.

use cgroup::{Cgroup, CgroupPath, JoinBy, Layout};
use oci::runtime::{Cpu, Memory, Pids, Resources};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const ROUNDS: usize = 400;
const MIB: i64 = 1 << 20;

#[derive(Default)]
struct Times(Vec<(&'static str, Vec<Duration>)>);

impl Times {
    fn take<T>(&mut self, name: &'static str, f: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = f();
        let took = start.elapsed();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.push(took),
            None => self.0.push((name, vec![took])),
        }
        value
    }

    fn table(mut self) -> String {
        let mut text = format!("{:<44}{:>10}{:>10}\n", "µs", "median", "p99");
        for (name, times) in &mut self.0 {
            times.sort_unstable();
            let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6;
            let _ = writeln!(text, "{name:<44}{:>10.1}{:>10.1}", at(50), at(99));
        }
        text
    }
}

fn main() {
    if !rustix::process::geteuid().is_root() {
        println!("needs root");
        return;
    }
    let path = CgroupPath::new(&format!("/coracle-bench-{}", std::process::id())).expect("a good path");
    let limits = Resources {
        memory: Some(Memory { limit: Some(256 * MIB), swap: Some(256 * MIB), ..Memory::default() }),
        cpu: Some(Cpu { quota: Some(100_000), period: Some(100_000), ..Cpu::default() }),
        pids: Some(Pids { limit: Some(512) }),
        ..Resources::default()
    };
    let devices = Resources { devices: cgroup::default_rules(), ..Resources::default() };
    let mut times = Times::default();
    let mut directories = Vec::new();
    for _ in 0..ROUNDS {
        let layout = times.take("Layout::detect", || Layout::detect().expect("a layout"));
        let group = times.take("Cgroup::create", || Cgroup::create(&layout, &path).expect("a cgroup"));
        times.take("apply: memory, swap, cpu, pids", || group.apply(&limits).expect("limits"));
        times.take("apply: default devices", || group.apply(&devices).expect("devices"));
        let join = times.take("join", || group.join(JoinBy::Clone).expect("open ends"));
        drop(join);
        times.take("remove", || group.remove(Duration::from_secs(5)).expect("removal"));
        if directories.is_empty() {
            directories = group.paths().into_values().collect();
            directories.dedup();
        }
        times.take("bare: mkdir of each directory", || {
            for directory in &directories {
                std::fs::create_dir(directory).expect("a directory");
            }
        });
        times.take("bare: rmdir of each directory", || {
            for directory in &directories {
                std::fs::remove_dir(directory).expect("no directory");
            }
        });
    }
    print!("{} directories\n{}", directories.len(), times.table());
}
