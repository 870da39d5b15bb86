//! How long starts took, as tables.

use engine::timings::Timings;
use std::fmt::Write;

/// A start: a line for each of its parts with its share, the whole below.
pub fn timings(timings: &Timings) -> String {
    let whole = timings.whole().max(1);
    let mut text = String::new();
    for timing in &timings.parts {
        _ = writeln!(text, "{:<8} {:>10} ms {:>4} %", timing.part, millis(timing.took), timing.took * 100 / whole);
    }
    _ = writeln!(text, "{:<8} {:>10} ms", "start", millis(timings.whole()));
    text
}

/// What the times of a part were, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name; `whole` of the whole start.
    pub name: String,
    /// In how many starts it was.
    pub count: usize,
    /// In the newest of them.
    pub last: u64,
    /// Half of them took no longer.
    pub median: u64,
    /// Nine of ten took no longer.
    pub p90: u64,
    /// None took longer.
    pub most: u64,
}

/// The parts of all starts, in the order in which they come, the whole last.
pub fn parts(starts: &[Timings]) -> Vec<Part> {
    let mut all: Vec<(String, Vec<u64>)> = Vec::new();
    let mut add = |name: &str, took| match all.iter_mut().find(|(known, _)| known == name) {
        Some((_, times)) => times.push(took),
        None => all.push((name.to_owned(), vec![took])),
    };
    for start in starts {
        start.parts.iter().for_each(|timing| add(&timing.part, timing.took));
    }
    all.push(("whole".to_owned(), starts.iter().map(Timings::whole).collect()));
    all.into_iter().filter_map(|(name, times)| part(name, times)).collect()
}

fn part(name: String, mut times: Vec<u64>) -> Option<Part> {
    let last = *times.last()?;
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Part { name, count: times.len(), last, median: at(50)?, p90: at(90)?, most: at(100)? })
}

/// Milliseconds with three places.
pub fn millis(nanoseconds: u64) -> String {
    format!("{}.{:03}", nanoseconds / 1_000_000, nanoseconds / 1000 % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::timings::Timing;

    fn start(times: &[(&'static str, u64)]) -> Timings {
        let parts = times.iter().map(|(part, took)| Timing { part: (*part).into(), took: *took }).collect();
        Timings { time: 0, id: String::new(), parts }
    }

    #[test]
    fn a_start_is_the_sum_of_its_parts() {
        let start = start(&[("begin", 500_000), ("clone", 1_500_000)]);
        assert_eq!(
            timings(&start),
            "begin         0.500 ms   25 %\nclone         1.500 ms   75 %\nstart         2.000 ms\n"
        );
    }

    #[test]
    fn of_many_the_middle_and_the_tail_are_told() {
        let starts: Vec<_> = (1..=10).map(|took| start(&[("clone", took)])).collect();
        let parts = parts(&starts);
        let clone = Part { name: "clone".to_owned(), count: 10, last: 10, median: 5, p90: 9, most: 10 };
        assert_eq!(parts, [clone.clone(), Part { name: "whole".to_owned(), ..clone }]);
        assert_eq!(super::parts(&[]), []);
    }
}
