//! The tables of an image: times, then CPU time and memory.

use crate::images::contender::Step;
use crate::images::tree::Cost;
use std::fmt::Write as _;
use std::time::Duration;

/// What one contender took for the steps; a list for each, a cost for each round.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Who.
    pub name: String,
    /// What it says of its version.
    pub version: String,
    /// By step, as in [`Step::ALL`].
    pub costs: [Vec<Cost>; Step::ALL.len()],
}

impl Row {
    fn median(&self, step: Step, of: impl Fn(&Cost) -> Duration) -> Option<Duration> {
        let mut all: Vec<Duration> = self.costs[step as usize].iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len().saturating_sub(1) / 2).copied()
    }

    fn peak(&self, step: Step) -> Option<u64> {
        self.costs[step as usize].iter().map(|cost| cost.peak).max()
    }
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

fn heading(text: &mut String, first: &str, steps: &[Step]) {
    let _ = write!(text, "| {first} |");
    for step in steps {
        let unit = if *step == Step::Again { " ms" } else { "" };
        let _ = write!(text, " {}{unit} |", step.name());
    }
    let _ = writeln!(text, "\n|---|{}", "--:|".repeat(steps.len()));
}

/// Two digits behind the point, and one more where these would say little.
pub fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.1 { format!("{seconds:.3}") } else { format!("{seconds:.2}") }
}

/// Seconds until the command returned, and until all was on disk; milliseconds of what is there already.
pub fn times(rows: &[Row], steps: &[Step]) -> String {
    let mut text = String::new();
    heading(&mut text, "s, on disk s", steps);
    for row in rows {
        let _ = write!(text, "| {} {} |", row.name, row.version);
        for &step in steps {
            let wall = row.median(step, |cost| cost.wall);
            let on_disk = row.median(step, |cost| cost.on_disk);
            let both = |(wall, on_disk): (Duration, Duration)| match step {
                Step::Again => format!("{:.1}", wall.as_secs_f64() * 1e3),
                // What a registry writes is not counted.
                Step::Push => seconds(wall),
                _ => format!("{}, {}", seconds(wall), seconds(on_disk)),
            };
            let _ = write!(text, " {} |", cell(wall.zip(on_disk).map(both)));
        }
        text.push('\n');
    }
    text
}

/// Seconds on a CPU and megabytes in RAM.
pub fn resources(rows: &[Row], steps: &[Step]) -> String {
    let steps: Vec<Step> = steps.iter().copied().filter(|step| *step != Step::Again).collect();
    let mut text = String::new();
    heading(&mut text, "CPU s, peak MB", &steps);
    for row in rows {
        let _ = write!(text, "| {} |", row.name);
        for &step in &steps {
            let both = row.median(step, |cost| cost.cpu).zip(row.peak(step));
            let shown = |(cpu, peak): (Duration, u64)| format!("{:.2}, {}", cpu.as_secs_f64(), peak / 1_000_000);
            let _ = write!(text, " {} |", cell(both.map(shown)));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_rounds_is_told_and_the_highest_peak() {
        let cost = |ms, peak| {
            let wall = Duration::from_millis(ms);
            Cost { wall, on_disk: wall * 2, cpu: wall, peak }
        };
        let mut row = Row { name: "one".into(), version: "1".into(), ..Row::default() };
        row.costs[Step::Pull as usize] = vec![cost(3000, 7_000_000), cost(1000, 9_000_000), cost(2000, 1)];
        let steps = [Step::Pull, Step::Load];
        assert!(times(&[row.clone()], &steps).ends_with("| one 1 | 2.00, 4.00 | – |\n"));
        assert!(resources(&[row], &steps).ends_with("| one | 2.00, 9 | – |\n"));
    }
}
