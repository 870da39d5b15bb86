//! Counts tests over all runs of all runners, by the line with which each run closes.

use std::fmt;

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Those that did what they should.
    pub passed: u64,
    /// Those that did not.
    pub failed: u64,
    /// Those that did not find what they need anywhere.
    pub skipped: u64,
}

impl Tally {
    /// Takes note of a line of a runner's output: nextest's and the standard harness's closing lines count, others do not.
    /// What stands further in is what a failing test of nextest's wrote, with the closing line of its own harness.
    pub fn note(&mut self, line: &str) {
        let closing = line.starts_with("test result: ")
            || (line.contains("Summary [") && line.contains("tests run: "))
            || (line.contains("Summary [") && line.contains("test run: "));
        if closing {
            self.passed += number_before(line, "passed");
            self.failed += number_before(line, "failed") + number_before(line, "timed out");
        }
    }

    /// How many tests there were.
    pub fn total(&self) -> u64 {
        self.passed + self.failed + self.skipped
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The number right before a word (`3 failed`), or zero.
fn number_before(line: &str, word: &str) -> u64 {
    let Some((before, _)) = line.split_once(&format!(" {word}")) else { return 0 };
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (u64, u64) {
        let mut tally = Tally::default();
        tally.note(line);
        (tally.passed, tally.failed)
    }

    #[test]
    fn both_runners_closing_lines_count() {
        assert_eq!(of("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out"), (12, 0));
        assert_eq!(of("test result: FAILED. 2 passed; 1 failed; 0 ignored"), (2, 1));
        assert_eq!(of("     Summary [   0.775s] 34 tests run: 34 passed, 0 skipped"), (34, 0));
        assert_eq!(of("     Summary [   0.775s] 1 test run: 1 passed (1 slow), 27 skipped"), (1, 0));
        assert_eq!(of("     Summary [  10.223s] 34 tests run: 31 passed, 2 failed, 1 timed out, 0 skipped"), (31, 3));
    }

    #[test]
    fn other_lines_do_not() {
        assert_eq!(of("thread panicked: 3 passed, 2 failed"), (0, 0));
        assert_eq!(of("running 5 tests"), (0, 0));
        assert_eq!(of("    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out"), (0, 0));
    }
}
