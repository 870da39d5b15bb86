//! One start, measured: from before the spawn until the process is reaped, as a whole process.

use crate::error::{Doing as _, Error, Result};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one start cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From start to exit.
    pub wall: Duration,
    /// On a CPU, in all processes that were waited for.
    pub cpu: Duration,
}

/// Runs a command once.
///
/// # Errors
/// It cannot be started, or it fails.
pub fn once(name: &str, words: &[String]) -> Result<Sample> {
    let Some((program, arguments)) = words.split_first() else { return Err(Error::Usage("an empty command".into())) };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).env("HOME", "/root");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let begin = Instant::now();
    let child = command.spawn().doing(|| format!("starting {program}"))?;
    let (exit, usage) = sys::usage::wait(child.id() as i32)?;
    let wall = begin.elapsed();
    if exit.code() != 0 {
        return Err(Error::Failed { name: name.to_owned(), code: exit.code(), command: words.join(" ") });
    }
    Ok(Sample { wall, cpu: usage.user + usage.system })
}

/// The whole environment, with `HOME`: the same for all.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All samples of one contender.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    walls: Vec<Duration>,
    cpus: Vec<Duration>,
}

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: Sample) {
        self.walls.push(sample.wall);
        self.cpus.push(sample.cpu);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.walls.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.walls.is_empty()
    }

    /// The time that `thousandths` of the starts took at most: 500 is the median.
    pub fn wall(&self, thousandths: usize) -> Duration {
        quantile(&self.walls, thousandths)
    }

    /// As [`Samples::wall`], of the CPU time.
    pub fn cpu(&self, thousandths: usize) -> Duration {
        quantile(&self.cpus, thousandths)
    }
}

fn quantile(times: &[Duration], thousandths: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * thousandths).div_ceil(1000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_by_nearest_rank() {
        let times: Vec<Duration> = (1..=200).rev().map(Duration::from_micros).collect();
        let at = |thousandths| quantile(&times, thousandths).as_micros();
        assert_eq!((at(0), at(500), at(990), at(1000)), (1, 100, 198, 200));
    }

    #[test]
    fn one_that_fails_is_not_measured() {
        let words = ["/bin/sh", "-c", "exit 3"].map(str::to_owned);
        assert!(matches!(once("sh", &words), Err(Error::Failed { code: 3, .. })));
    }
}
