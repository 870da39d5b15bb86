//! A command as its user waits for it, together with all the processes that work for it: what it started, and the
//! daemons that do as it says.
//!
//! CPU time is exact: the command's own comes from wait4(2), that of daemons from /proc. Memory is sampled, since no
//! kernel adds up a tree's: the pages in RAM of all processes together, a hundred times a second.

use crate::error::{Doing as _, Error, Result};
use crate::measure::PATH;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a command cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// From its start to its exit.
    pub wall: Duration,
    /// The same, and until all that it wrote is on disk.
    pub on_disk: Duration,
    /// On a CPU, in all processes.
    pub cpu: Duration,
    /// The most memory in RAM at a time, in bytes, of all processes together.
    pub peak: u64,
}

/// Runs a command whose files lie below `dir`, helped by these daemons.
///
/// # Errors
/// It cannot be started, or it fails; its last words are told.
pub fn measured(name: &str, words: &[String], daemons: &[u32], dir: &Path) -> Result<Cost> {
    let store = File::open(dir).doing(|| format!("opening {}", dir.display()))?;
    let told = dir.join("stderr");
    // What others have left to be written is not this command's.
    sys::fs::syncfs(&store)?;
    let before = daemons.iter().map(|pid| cpu(*pid)).sum::<Duration>();
    let mut command = self::command(words, dir)?;
    command.stderr(File::create(&told).doing(|| format!("making {}", told.display()))?);
    let begin = Instant::now();
    let child = command.spawn().doing(|| format!("starting {}", words.join(" ")))?;
    let pid = child.id();
    let ended = AtomicBool::new(false);
    let (ran, sampled) = std::thread::scope(|scope| {
        let sampling = scope.spawn(|| sample(&[daemons, &[pid]].concat(), &ended));
        let ran = sys::usage::wait(pid as i32).map(|(exit, usage)| (exit, usage, begin.elapsed()));
        ended.store(true, Ordering::Relaxed);
        (ran, sampling.join().unwrap_or_default())
    });
    let (exit, usage, wall) = ran?;
    let synced = Instant::now();
    sys::fs::syncfs(&store)?;
    let on_disk = wall + synced.elapsed();
    if exit.code() != 0 {
        let said = fs::read_to_string(&told).unwrap_or_default();
        let said = said.trim_end().lines().last().unwrap_or_default();
        let command = format!("{}: {said}", words.join(" "));
        return Err(Error::Failed { name: name.to_owned(), code: exit.code(), command });
    }
    let daemons = daemons.iter().map(|pid| cpu(*pid)).sum::<Duration>().saturating_sub(before);
    Ok(Cost { wall, on_disk, cpu: usage.user + usage.system + daemons, peak: sampled.max(usage.peak) })
}

/// A command in the environment that all of them get, with its temporary files in `dir`.
pub fn command(words: &[String], dir: &Path) -> Result<Command> {
    let Some((program, arguments)) = words.split_first() else { return Err(Error::Usage("an empty command".into())) };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).env("HOME", dir).env("TMPDIR", dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    Ok(command)
}

/// Pages in RAM of these processes and all below them, at most.
fn sample(roots: &[u32], ended: &AtomicBool) -> u64 {
    let page = rustix::param::page_size() as u64;
    let mut most = 0;
    while !ended.load(Ordering::Relaxed) {
        let mut seen = BTreeSet::new();
        let mut todo = roots.to_vec();
        let mut pages = 0;
        while let Some(pid) = todo.pop() {
            if seen.insert(pid) {
                pages += resident(pid);
                children(pid, &mut todo);
            }
        }
        most = most.max(pages * page);
        std::thread::sleep(Duration::from_millis(10));
    }
    most
}

fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

/// Each thread has children of its own.
fn children(pid: u32, all: &mut Vec<u32>) {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
}

/// What a process and those that it waited for have had of the CPUs (proc_pid_stat(5)).
fn cpu(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ');
    // User, system, and both of the children; the state is the third field of all.
    let ticks: u64 = fields.skip(14 - 3).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs(ticks) / rustix::param::clock_ticks_per_second() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(script: &str, daemons: &[u32]) -> Result<Cost> {
        let dir = tempfile::tempdir().unwrap();
        measured("sh", &["/bin/sh", "-c", script].map(str::to_owned), daemons, dir.path())
    }

    #[test]
    fn the_memory_of_all_processes_counts_together() {
        // Each holds 40 MB for a while.
        let holds = "head -c 40m /dev/zero | tail -c 40m | (sleep 0.2; cat >/dev/null)";
        let one = cost(holds, &[]).unwrap();
        let two = cost(&format!("({holds}) & {holds}; wait"), &[]).unwrap();
        assert!(one.peak > 20 << 20, "{one:?}");
        assert!(two.peak > one.peak + one.peak / 4, "{one:?} {two:?}");
    }

    #[test]
    fn what_fails_tells_its_last_words() {
        let error = cost("echo first >&2; echo why >&2; exit 3", &[]).unwrap_err().to_string();
        assert!(error.contains("failed with 3") && error.ends_with(": why"), "{error}");
    }

    #[test]
    fn a_daemons_time_is_its_own() {
        let before = cpu(std::process::id());
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        assert!(cpu(std::process::id()) > before);
    }
}
