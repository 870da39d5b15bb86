//! What a finished command left behind for a test to look at: its exit status and both outputs, with assertions that
//! show the whole picture when they fail.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

/// A finished command. Assertions return the outcome again, so that they chain.
#[derive(Clone)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to standard output, with invalid UTF-8 replaced.
    pub stdout: String,
    /// All that it wrote to standard error, with invalid UTF-8 replaced.
    pub stderr: String,
    /// From its start until its end was seen.
    pub took: Duration,
}

impl Outcome {
    /// The exit code, or nothing where a signal ended it.
    pub fn exit_code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn code(&self, expected: i32) -> &Self {
        assert!(self.status.code() == Some(expected), "expected exit code {expected}\n{self}");
        self
    }

    /// Asserts that this signal (its number) ended the command.
    #[track_caller]
    pub fn signal(&self, expected: i32) -> &Self {
        assert!(self.status.signal() == Some(expected), "expected death by signal {expected}\n{self}");
        self
    }

    /// Asserts standard output, byte for byte.
    #[track_caller]
    pub fn stdout_is(&self, expected: &str) -> &Self {
        assert!(self.stdout == expected, "expected stdout {expected:?}\n{self}");
        self
    }

    /// Asserts that standard output contains a text.
    #[track_caller]
    pub fn stdout_contains(&self, expected: &str) -> &Self {
        assert!(self.stdout.contains(expected), "expected stdout to contain {expected:?}\n{self}");
        self
    }

    /// Asserts that standard output does not contain a text.
    #[track_caller]
    pub fn stdout_lacks(&self, unwanted: &str) -> &Self {
        assert!(!self.stdout.contains(unwanted), "expected stdout without {unwanted:?}\n{self}");
        self
    }

    /// Asserts standard error, byte for byte.
    #[track_caller]
    pub fn stderr_is(&self, expected: &str) -> &Self {
        assert!(self.stderr == expected, "expected stderr {expected:?}\n{self}");
        self
    }

    /// Asserts that standard error contains a text.
    #[track_caller]
    pub fn stderr_contains(&self, expected: &str) -> &Self {
        assert!(self.stderr.contains(expected), "expected stderr to contain {expected:?}\n{self}");
        self
    }

    /// Asserts that standard error does not contain a text.
    #[track_caller]
    pub fn stderr_lacks(&self, unwanted: &str) -> &Self {
        assert!(!self.stderr.contains(unwanted), "expected stderr without {unwanted:?}\n{self}");
        self
    }

    /// Asserts that an error was said in exactly one line, which contains a text: what this house promises for bad input.
    #[track_caller]
    pub fn one_line_error(&self, expected: &str) -> &Self {
        assert!(self.stderr.lines().count() == 1, "expected one line on stderr\n{self}");
        self.stderr_contains(expected)
    }

    /// The lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  command: {}", self.command)?;
        writeln!(f, "  ended:   {} after {:.3} s", self.status, self.took.as_secs_f64())?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            writeln!(f, "  {name}: {}", if text.is_empty() { "(empty)" } else { "" })?;
            for line in text.lines() {
                writeln!(f, "    | {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
