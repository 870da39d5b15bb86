//! The result as a table, with all that one needs to doubt it: versions, machine, command line.

use crate::error::{Doing as _, Result};
use crate::life::{COLUMNS, Columns};
use crate::measure::{PATH, Samples};
use crate::spec::Spec;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    /// Who.
    pub name: String,
    /// What it says of its version.
    pub version: String,
    /// Its times.
    pub samples: Samples,
    /// System calls of one start, by all its processes.
    pub calls: Option<u64>,
}

/// Counts the system calls of one start.
pub fn calls(words: &[String]) -> Result<Option<u64>> {
    let file = tempfile::NamedTempFile::new().doing(|| "making a file".into())?;
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(file.path()).arg("--").args(words);
    command.env_clear().env("PATH", PATH).env("HOME", "/root").stdin(Stdio::null()).stdout(Stdio::null());
    match command.stderr(Stdio::null()).status() {
        Ok(status) if status.success() => {}
        // No strace, or somebody who does not run under it: no number.
        _ => return Ok(None),
    }
    let text = fs::read_to_string(file.path()).doing(|| "reading strace's table".into())?;
    let total = text.lines().find(|line| line.ends_with(" total"));
    Ok(total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()))
}

/// The table of one specification. The first row is what the others are told as multiples of.
pub fn table(spec: Spec, rows: &[Row]) -> String {
    let mut text = format!("### {}\n\n", spec.name());
    text.push_str("| | version | median ms | × floor | p99 ms | min ms | CPU ms | system calls |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|\n");
    let floor = rows.first().map_or(Duration::ZERO, |row| row.samples.wall(500));
    for row in rows {
        let times = if floor.is_zero() { 0.0 } else { row.samples.wall(500).as_secs_f64() / floor.as_secs_f64() };
        let calls = row.calls.map_or_else(|| "–".to_owned(), |calls| calls.to_string());
        let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        let (median, p99, min) = (ms(row.samples.wall(500)), ms(row.samples.wall(990)), ms(row.samples.wall(0)));
        let (name, version, cpu) = (&row.name, &row.version, ms(row.samples.cpu(500)));
        let _ = writeln!(text, "| {name} | {version} | {median} | {times:.2} | {p99} | {min} | {cpu} | {calls} |");
    }
    text
}

/// One line of the table of verbs.
#[derive(Debug)]
pub struct Life {
    /// Who.
    pub name: String,
    /// What it says of its version.
    pub version: String,
    /// Its times.
    pub columns: Columns,
    /// Of all columns in one, on a machine with many mounts.
    pub crowded: Samples,
    /// Containers a second, one after the other.
    pub one: f64,
    /// Many at once.
    pub many: f64,
}

/// The tables of one specification: medians of the verbs, then the rest. `floor` is what one start costs at least.
pub fn verbs(spec: Spec, floor: &Samples, lives: &[Life]) -> String {
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    let mut text = format!("### {}, median ms of each verb\n\n| | version |", spec.name());
    for column in COLUMNS {
        let _ = write!(text, " {column} |");
    }
    let _ = writeln!(text, "\n|---|---|{}", "--:|".repeat(COLUMNS.len()));
    for life in lives {
        let _ = write!(text, "| {} | {} |", life.name, life.version);
        for samples in &life.columns.0 {
            let _ = write!(text, " {} |", ms(samples.wall(500)));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "\n### {}, create+start+delete\n", spec.name());
    text.push_str("| | median ms | p99 ms | CPU ms | with 1000 mounts more | containers/s | 16 at once |\n");
    text.push_str("|---|--:|--:|--:|--:|--:|--:|\n");
    let (median, p99, cpu) = (ms(floor.wall(500)), ms(floor.wall(990)), ms(floor.cpu(500)));
    let _ = writeln!(text, "| floor | {median} | {p99} | {cpu} | – | – | – |");
    for Life { name, columns, crowded, one, many, .. } in lives {
        let all = &columns.0[COLUMNS.len() - 1];
        let (median, p99, cpu) = (ms(all.wall(500)), ms(all.wall(990)), ms(all.cpu(500)));
        let crowded = ms(crowded.wall(500));
        let _ = writeln!(text, "| {name} | {median} | {p99} | {cpu} | {crowded} | {one:.0} | {many:.0} |");
    }
    text
}

/// The machine, when, and how.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let first = |text: &str| text.lines().next().unwrap_or_default().trim().to_owned();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let processors = info.lines().filter(|line| line.starts_with("processor")).count();
    let layout = cgroup::Layout::detect().map(|layout| format!("{:?}", layout.mode())).unwrap_or_default();
    let load: Vec<String> = read("/proc/loadavg").split_whitespace().take(3).map(str::to_owned).collect();
    let mounts = read("/proc/self/mountinfo").lines().count();
    format!(
        "{} × {}, Linux {}, cgroups {layout}, {mounts} mounts, load {}, {}",
        processors,
        model.unwrap_or("unknown"),
        first(&read("/proc/sys/kernel/osrelease")),
        load.join(" "),
        date(),
    )
}

/// Today, by UTC (days since 1970 to a date: Hinnant's days_from_civil, turned around).
fn date() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let days = (now.as_secs() / 86_400) as i64 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;

    fn row(name: &str, ms: u64) -> Row {
        let mut samples = Samples::default();
        samples.push(Sample { wall: Duration::from_millis(ms), cpu: Duration::from_millis(1) });
        Row { name: name.into(), version: "1".into(), samples, calls: Some(9) }
    }

    #[test]
    fn all_are_told_as_multiples_of_the_first() {
        let text = table(Spec::Empty, &[row("floor", 2), row("corun", 3)]);
        assert!(text.ends_with("| corun | 1 | 3.00 | 1.50 | 3.00 | 3.00 | 1.00 | 9 |\n"), "{text}");
    }

    #[test]
    fn calls_are_counted_over_all_processes() {
        if !testkit::on_path("strace").is_some_and(|path| path.is_file()) {
            return;
        }
        let words = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned);
        let (one, two) = (calls(&words("exit 0")).unwrap(), calls(&words("/bin/true; exit 0")).unwrap());
        assert!(one.unwrap() > 5 && two.unwrap() > one.unwrap() + 5, "{one:?} {two:?}");
    }
}
