//! Which tests found what they need, in which run. Every test with a `requires!` line of the testkit writes a line into
//! the file that `CORACLE_SKIPS` names: `ran`, or `skip` and what was missing; with it, a word for the process that ran it,
//! since a test that asks twice may be told yes and then no. A test counts as skipped only if it ran to its end nowhere,
//! neither on this machine nor in a guest, and then `.ci/skips` must list it with a reason.

use std::collections::{BTreeMap, BTreeSet};

/// What tests with needs have done in all runs so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Tests that ran at least once.
    pub ran: BTreeSet<Test>,
    /// Tests that skipped at least once, with what was missing the last time.
    pub skipped: BTreeMap<Test, String>,
    /// How many times a test skipped, which its runner took for a pass.
    pub skips: u64,
}

/// A test by its three names: package, crate (a test file or the library), and path in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// The package.
    pub package: String,
    /// The crate's name, as Rust writes it.
    pub binary: String,
    /// The path that the standard harness lists it under.
    pub path: String,
}

impl Test {
    /// Reads `package/crate::path`.
    pub fn parse(name: &str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (binary, path) = rest.split_once("::")?;
        Some(Self { package: package.to_owned(), binary: binary.to_owned(), path: path.to_owned() })
    }
}

impl std::fmt::Display for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}::{}", self.package, self.binary, self.path)
    }
}

impl Ledger {
    /// Reads the tests' lines; those of another form are none of theirs.
    pub fn parse(text: &str) -> Self {
        let mut runs: BTreeMap<(&str, &str), Option<&str>> = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["ran", name, run] => drop(runs.entry((name, run)).or_default()),
                ["skip", name, run, missing] => drop(runs.insert((name, run), Some(missing))),
                _ => {}
            }
        }
        let mut ledger = Self::default();
        for ((name, _), missing) in runs {
            let Some(test) = Test::parse(name) else { continue };
            match missing {
                Some(missing) => {
                    ledger.skips += 1;
                    ledger.skipped.insert(test, missing.to_owned());
                }
                None => drop(ledger.ran.insert(test)),
            }
        }
        ledger
    }

    /// The tests that skipped wherever they were tried, with what was missing.
    pub fn never_ran(&self) -> impl Iterator<Item = (&Test, &str)> {
        self.skipped.iter().filter(|(test, _)| !self.ran.contains(test)).map(|(test, missing)| (test, missing.as_str()))
    }

    /// Every test with needs.
    pub fn tests(&self) -> BTreeSet<&Test> {
        self.ran.iter().chain(self.skipped.keys()).collect()
    }
}

/// Compares what skipped with what may. `allowed` has lines of a test's name (a star at its end stands for any
/// continuation, a question mark before it for a test that skips in some places only) and a reason; `#` begins a comment. Returns what is wrong, a text each.
pub fn breaches(ledger: &Ledger, allowed: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut entries: Vec<(&str, bool)> = Vec::new();
    for line in allowed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(char::is_whitespace) {
            Some((name, _)) => match name.strip_prefix('?') {
                Some(name) => entries.push((name, true)),
                None => entries.push((name, false)),
            },
            None => breaches.push(format!("{line} is allowed to skip without a reason")),
        }
    }
    for (test, missing) in ledger.never_ran() {
        let name = test.to_string();
        let matching = entries.iter_mut().find(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *pattern == name,
        });
        match matching {
            Some((_, used)) => *used = true,
            None => breaches.push(format!("{name} ran nowhere: needs {missing}")),
        }
    }
    let stale = entries.iter().filter(|(_, used)| !used);
    breaches.extend(stale.map(|(name, _)| format!("{name} is allowed to skip and does not")));
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "ran\tstore/cli::a\t1\nskip\tstore/cli::b\t2\troot\nskip\tcgroup/cgroup::v2::c\t3\tpure cgroup v2\nran\tcgroup/cgroup::v2::c\t4\n";

    #[test]
    fn a_test_that_ran_somewhere_is_not_skipped() {
        let ledger = Ledger::parse(LINES);
        let never: Vec<String> = ledger.never_ran().map(|(test, _)| test.to_string()).collect();
        assert_eq!(never, ["store/cli::b"]);
        assert_eq!(ledger.tests().len(), 3);
    }

    #[test]
    fn a_test_that_is_told_yes_and_then_no_has_skipped() {
        let ledger = Ledger::parse("ran\ta/a::x\t1\nskip\ta/a::x\t1\ta disk\nran\ta/a::y\t1\n");
        assert_eq!(ledger.never_ran().count(), 1);
        assert_eq!((ledger.ran.len(), ledger.skips), (1, 1));
    }

    #[test]
    fn a_skip_that_is_not_listed_is_a_breach() {
        assert_eq!(breaches(&Ledger::parse(LINES), ""), ["store/cli::b ran nowhere: needs root"]);
    }

    #[test]
    fn a_skip_that_is_listed_is_none() {
        assert_eq!(breaches(&Ledger::parse(LINES), "# why\nstore/cli::* no such kernel yet\n"), [""; 0]);
    }

    #[test]
    fn a_listed_test_that_runs_is_a_breach() {
        let listed = "store/cli::b because\nstore/cli::a because\n";
        assert_eq!(breaches(&Ledger::parse(LINES), listed), ["store/cli::a is allowed to skip and does not"]);
        let listed = listed.replace("store/cli::a", "?store/cli::a");
        assert_eq!(breaches(&Ledger::parse(LINES), &listed), [""; 0]);
    }

    #[test]
    fn a_listed_test_needs_a_reason() {
        assert_eq!(breaches(&Ledger::default(), "store/cli::b"), ["store/cli::b is allowed to skip without a reason"]);
    }
}
