//! A broken set-up: what is said of it, and the remedy in brackets, taken at its word.

#![allow(dead_code, reason = "each file of tests takes what it needs")]

use testkit::{Invocation, Outcome};

/// What was said of something broken.
pub struct Said(pub Outcome);

impl Said {
    /// One line with all these words, and this exit code.
    #[track_caller]
    pub fn of(outcome: Outcome, code: i32, words: &[&str]) -> Self {
        outcome.code(code).stdout_is("").one_line_error("coracle: ");
        for word in words {
            outcome.stderr_contains(word);
        }
        Self(outcome)
    }

    /// What is to be done, as the last brackets say.
    #[track_caller]
    pub fn remedy(&self) -> &str {
        let line = self.0.stderr.trim_end().strip_suffix(')').unwrap_or_default();
        let mut open = 1;
        let begins = |(_, c): &(usize, char)| {
            open += match c {
                ')' => 1,
                '(' => -1,
                _ => 0,
            };
            open == 0
        };
        let begin = line.char_indices().rev().find(begins);
        let (begin, _) = begin.unwrap_or_else(|| panic!("no remedy\n{}", self.0));
        &line[begin + 1..]
    }

    /// The first command of the remedy, given to a shell of root's.
    #[track_caller]
    pub fn follow(&self) {
        let remedy = self.remedy();
        let first = remedy.split(", or ").next().unwrap_or(remedy);
        let first = first.split("; or ").next().unwrap_or(first);
        let command = first.rsplit(": ").next().unwrap_or(first);
        Invocation::new("sh").args(["-ec", command]).ok();
    }

    /// What the remedy asks whether it was meant.
    #[track_caller]
    pub fn meant(&self) -> String {
        let remedy = self.remedy();
        let meant = remedy.strip_prefix("did you mean ").and_then(|rest| rest.split_once('?'));
        meant.unwrap_or_else(|| panic!("{remedy} asks nothing\n{}", self.0)).0.to_owned()
    }
}
