//! What the tests of a suite said, read from the Test Anything Protocol with three kinds of lines of our own in it:
//! `# file`, before each file's, and `# suite` and `# runtime`, which say what was run.
//!
//! A test is known by its file and name. Suites give several tests one name (runtime-tools looks at every mount with the
//! same words); together they pass if each of them does.

use std::collections::BTreeMap;

use crate::test::Tally;

/// Stands behind a test's name, or before it, and needs no capitals.
const SKIP: &str = "# skip";

/// All that was run.
#[derive(Debug, Default)]
pub struct Results {
    /// The suite and its version.
    pub suite: String,
    /// What the runtime calls itself.
    pub runtime: String,
    /// The kernel's release.
    pub kernel: String,
    /// The files, in their order.
    pub files: Vec<File>,
}

/// The tests of a file.
#[derive(Debug, Default)]
pub struct File {
    /// The file, without its ending.
    pub name: String,
    /// How many tests it meant to run.
    planned: Option<usize>,
    /// The lines of tests.
    lines: usize,
    /// The tests by their names.
    pub tests: BTreeMap<String, Verdict>,
}

/// How a test ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It did not find what it needs.
    Skipped,
    /// It found what it looked for.
    Passed,
    /// It did not.
    Failed,
}

impl Results {
    /// Reads what tests said.
    pub fn parse(text: &str) -> Self {
        let mut results = Self::default();
        for line in text.lines() {
            if let Some(suite) = line.strip_prefix("# suite ") {
                suite.clone_into(&mut results.suite);
            } else if let Some(runtime) = line.strip_prefix("# runtime ") {
                runtime.clone_into(&mut results.runtime);
            } else if let Some(kernel) = line.strip_prefix("# kernel ") {
                kernel.clone_into(&mut results.kernel);
            } else if let Some(name) = line.strip_prefix("# file ") {
                results.files.push(File { name: name.to_owned(), ..File::default() });
            } else if let Some(file) = results.files.last_mut() {
                file.note(line);
            }
        }
        for file in &mut results.files {
            file.close();
        }
        results
    }

    /// The tests that passed there and did not here, with their files. Files that did not run here are left out.
    pub fn lost<'a>(&self, there: &'a Self) -> Vec<(&'a str, &'a str)> {
        let mut lost = Vec::new();
        for (here, there) in self.files.iter().filter_map(|file| Some((file, there.file(&file.name)?))) {
            let passed = there.tests.iter().filter(|(_, verdict)| **verdict == Verdict::Passed);
            let missing = passed.filter(|(name, _)| here.tests.get(*name) != Some(&Verdict::Passed));
            lost.extend(missing.map(|(name, _)| (there.name.as_str(), name.as_str())));
        }
        lost
    }

    /// The tests that ended so, with their files.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().flat_map(move |file| {
            let tests = file.tests.iter().filter(move |(_, ended)| **ended == verdict);
            tests.map(|(name, _)| (file.name.as_str(), name.as_str()))
        })
    }

    /// How a file's test ended.
    pub fn verdict(&self, (file, test): (&str, &str)) -> Option<Verdict> {
        self.file(file)?.tests.get(test).copied()
    }

    /// How many files failed nowhere.
    pub fn whole(&self) -> usize {
        self.files.iter().filter(|file| file.tally().failed == 0).count()
    }

    /// How many files had nothing that could pass or fail.
    pub fn empty(&self) -> usize {
        self.files
            .iter()
            .filter(|file| file.tally() == Tally { skipped: file.tally().skipped, ..Tally::default() })
            .count()
    }

    /// A file by its name.
    pub fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }

    /// How many tests ended how.
    pub fn tally(&self) -> Tally {
        self.files.iter().map(File::tally).fold(Tally::default(), |sum, file| Tally {
            passed: sum.passed + file.passed,
            failed: sum.failed + file.failed,
            skipped: sum.skipped + file.skipped,
        })
    }
}

impl File {
    /// How many of its tests ended how.
    pub fn tally(&self) -> Tally {
        let count = |wanted| self.tests.values().filter(|verdict| **verdict == wanted).count() as u64;
        Tally { passed: count(Verdict::Passed), failed: count(Verdict::Failed), skipped: count(Verdict::Skipped) }
    }

    fn note(&mut self, line: &str) {
        if let Some(count) = line.strip_prefix("1..") {
            self.planned = count.parse().ok();
            return;
        }
        let (rest, ok) = match (line.strip_prefix("not ok "), line.strip_prefix("ok ")) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => return,
        };
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let rest = rest.strip_prefix("- ").unwrap_or(rest);
        // ASCII letters alone change, so that what is found in the one is at the same place in the other.
        let (name, skipped) = match rest.to_ascii_lowercase().find(SKIP) {
            // runtime-tools writes what it skips behind the word.
            Some(0) => (rest[SKIP.len()..].trim(), true),
            Some(at) => (rest[..at].trim_end(), true),
            None => (rest.trim_end(), false),
        };
        let verdict = match (ok, skipped) {
            (_, true) => Verdict::Skipped,
            (true, false) => Verdict::Passed,
            (false, false) => Verdict::Failed,
        };
        self.lines += 1;
        let known = self.tests.entry(name.to_owned()).or_insert(verdict);
        *known = verdict.max(*known);
    }

    /// What was planned and never heard of has failed.
    fn close(&mut self) {
        if let Some(missing) = self.planned.and_then(|planned| planned.checked_sub(self.lines)).filter(|n| *n > 0) {
            self.tests.insert(format!("the last {missing} of the tests"), Verdict::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Failed, Passed, Skipped};

    fn file(text: &str) -> File {
        Results::parse(&format!("# file f\n{text}")).files.pop().unwrap()
    }

    fn verdict(text: &str, name: &str) -> Option<Verdict> {
        file(text).tests.get(name).copied()
    }

    #[test]
    fn both_ways_to_write_a_line_are_read() {
        assert_eq!(verdict("ok 1 runc run [a # b]\n", "runc run [a # b]"), Some(Passed));
        assert_eq!(verdict("not ok 2 - a mount\n", "a mount"), Some(Failed));
        assert_eq!(verdict("ok 3 x # skip test requires root\n", "x"), Some(Skipped));
        assert_eq!(verdict("ok 4 - y # SKIP\n", "y"), Some(Skipped));
        assert_eq!(verdict("ok 5 # SKIP z\n", "z"), Some(Skipped));
    }

    #[test]
    fn other_lines_are_no_tests() {
        assert!(file("TAP version 13\n# not ok\n  ---\n  ok 1 quoted\n# file\n").tests.is_empty());
    }

    #[test]
    fn of_one_name_the_worst_counts() {
        assert_eq!(verdict("ok 1 - m\nnot ok 2 - m\nok 3 - m\n", "m"), Some(Failed));
        assert_eq!(verdict("ok 1 - m # SKIP\nok 2 - m\n", "m"), Some(Passed));
    }

    #[test]
    fn a_test_that_is_not_heard_of_has_failed() {
        let cut = file("1..3\nok 1 a\n");
        assert_eq!((cut.tally().passed, cut.tally().failed), (1, 1));
        let whole = file("ok 1 - a\nok 2 - a\n1..2\n");
        assert_eq!((whole.tally().passed, whole.tally().failed), (1, 0));
    }

    #[test]
    fn lost_is_what_passed_there_and_failed_skipped_or_is_missing_here() {
        let there = Results::parse("# file f\nok 1 a\nok 2 b\nok 3 c\nnot ok 4 d\n# file g\nok 1 e\n");
        let here = Results::parse("# file f\nok 1 a\nnot ok 2 b\nok 3 c # skip why\nnot ok 4 d\n");
        assert_eq!(here.lost(&there), [("f", "b"), ("f", "c")]);
        assert_eq!(there.lost(&here), [("f", ""); 0]);
    }

    #[test]
    fn the_lines_in_front_say_what_ran() {
        let results = Results::parse("# suite runc v1\n# runtime corun 2\n# kernel 6\n");
        assert_eq!((results.suite, results.runtime, results.kernel), ("runc v1".into(), "corun 2".into(), "6".into()));
    }
}
