//! What went wrong, told once and on one line: `coracle: what: why (what to do)`.

use engine::flags::Invalid;
use flag::Usage;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// A verb that failed, with the exit code that it gives: 125 where docker and podman give 125, which is everywhere but
/// where the command in a container cannot be executed (126) or found (127).
#[derive(Debug)]
pub struct Failure {
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    code: u8,
    kind: Kind,
}

/// Who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The words of the command line.
    Words,
    /// Nobody: `--help` was asked for.
    Help,
    /// What the engine met.
    Engine,
}

impl Failure {
    /// The exit code of what is ours to fail.
    const OURS: u8 = 125;

    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None, hint: None, code: Self::OURS, kind: Kind::Words }
    }

    /// A command line that makes no sense, and what would.
    pub fn words(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(what) }
    }

    /// A value of `flag`.
    pub fn value(flag: &str, invalid: &Invalid) -> Self {
        Self { hint: invalid.remedy().map(str::to_owned), ..Self::new(format!("{flag} {invalid}")) }
    }

    /// Something in a file that `flag` names.
    pub fn file(flag: &str, file: &str, invalid: &Invalid) -> Self {
        Self::value(&format!("{flag} {file}:"), invalid)
    }

    /// A file that cannot be read.
    pub fn unreadable(flag: &str, file: &str, source: io::Error) -> Self {
        Self { source: Some(Box::new(source)), ..Self::new(format!("{flag} {file}")) }
    }

    /// A word that an error of its own tells more about.
    pub fn because(what: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..Self::new(what) }
    }

    /// Tells of something that is wrong and stops nothing.
    pub fn warn(what: &str, source: &dyn Error) {
        let mut text = format!("coracle: warning: {what}");
        chain(&mut text, Some(source));
        _ = io::stderr().write_all(format!("{}\n", Plain(&text)).as_bytes());
    }

    /// Standard output cannot be written. A reader that went away is no failure worth a word.
    pub fn output(source: io::Error) -> Self {
        Self { source: Some(Box::new(source)), ..Self::new("standard output") }
    }

    /// Something that is not there.
    pub fn absent(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Engine, ..Self::words(what, hint) }
    }

    /// As a verb other than `run` fails: docker keeps 125 to 127 apart for what a container cannot say, and gives 1
    /// for what is not there or cannot be done.
    pub fn of_plain_verb(mut self) -> Self {
        // What a signal ended says so, as a shell does.
        if self.kind == Kind::Engine && self.code < 128 {
            self.code = 1;
        }
        self
    }

    /// The exit code that it gives.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// `--help` was asked for.
    pub fn is_help(&self) -> bool {
        self.kind == Kind::Help
    }

    /// Prints it, and gives the exit code for the process.
    pub fn report(self, verb: &str) -> ExitCode {
        ExitCode::from(self.tell(verb))
    }

    /// Prints it, and gives the exit code.
    pub fn tell(self, verb: &str) -> u8 {
        let broken_pipe = |source: &(dyn Error + 'static)| {
            source.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        };
        if self.what == "standard output" && self.source.as_deref().is_some_and(|source| broken_pipe(source)) {
            return Self::OURS;
        }
        let mut text = String::from("coracle: ");
        if !verb.is_empty() {
            _ = write!(text, "{verb}: ");
        }
        _ = write!(text, "{self}");
        if let Some(hint) = &self.hint {
            _ = write!(text, " ({})", Plain(hint));
        }
        text.push('\n');
        // One write, so that lines of several processes do not mix; if nobody hears it, nobody can be told.
        _ = io::stderr().write_all(text.as_bytes());
        self.code
    }
}

/// What, and all reasons below it, on one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.what.clone();
        chain(&mut text, self.source.as_deref().map(|source| source as &dyn Error));
        Plain(&text).fmt(f)
    }
}

/// Adds an error and the reasons below it.
fn chain(text: &mut String, mut next: Option<&dyn Error>) {
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        _ = write!(text, "{error}");
        next = error.source();
    }
}

/// The same text, harmless to a terminal and on one line.
pub fn plain(text: &str) -> String {
    Plain(text).to_string()
}

/// Text that may quote what a user or an image wrote: it stays on its line, and out of the terminal's controls.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

impl From<Usage> for Failure {
    fn from(usage: Usage) -> Self {
        match usage {
            Usage::Help => Self { kind: Kind::Help, ..Self::new("") },
            Usage::Value { flag, invalid } => Self::value(&flag, &invalid),
            Usage::Unknown { near: Some(ref near), .. } => {
                let hint = format!("did you mean {near}?");
                Self::words(usage.to_string(), hint)
            }
            usage => Self::words(usage.to_string(), "--help lists the options"),
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let error = engine::diagnosis::of_machine(error);
        let (hint, code) = (error.hint(), error.exit_code());
        Self { source: Some(Box::new(error)), hint, code, kind: Kind::Engine, ..Self::new("") }
    }
}
