//! How long the default profile takes: `cargo bench -p seccomp --bench compile`.
//!
//! The first line is a fresh process, which is what a container's start sees; the others are the same work repeated.

use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    let capabilities = ["CAP_SYS_CHROOT"];
    let (filter, ready) = timed(|| seccomp::default_filter(&capabilities));
    println!("fresh process: ready made {ready:?}, {} instructions", filter.map_or(0, |filter| filter.len()));
    let (profile, built) = timed(|| seccomp::default_profile(&capabilities));
    let (filter, compiled) = timed(|| seccomp::compile(&profile));
    let instructions = filter.map_or(0, |filter| filter.len());
    println!("fresh process: profile {built:?}, compile {compiled:?}, {instructions} instructions");
    println!("repeated: profile {:?}", median(|| drop(black_box(seccomp::default_profile(&capabilities)))));
    println!("repeated: compile {:?}", median(|| drop(black_box(seccomp::compile(&profile)))));
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..2001).map(|_| timed(&mut work).1).collect();
    times.sort_unstable();
    times[1000]
}
