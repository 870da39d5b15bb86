//! What `corun` is asked: its arguments, with runc's spellings.

use std::ffi::OsString;
use std::path::PathBuf;

/// Printed for `--help`.
pub const HELP: &str = "\
corun, an OCI runtime

usage: corun [--root DIR] run [--bundle DIR] [--preserve-fds N] [--no-new-keyring] ID

  -b, --bundle DIR      the bundle: config.json and the root file system [.]
      --preserve-fds N  fds from 3 on that the container keeps [0]
      --no-new-keyring  no session keyring of its own
      --root DIR        where the state of containers lies [/run/corun]
  -h, --help            this text
  -v, --version         version
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
    /// Run a container.
    Run(Run),
}

/// `corun run`.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// State directory.
    pub root: PathBuf,
    /// Bundle.
    pub bundle: PathBuf,
    /// Kept fds.
    pub preserve_fds: u32,
    /// No session keyring.
    pub no_new_keyring: bool,
    /// Container id.
    pub id: String,
}

impl Arguments {
    /// Reads them.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        use lexopt::prelude::{Long, Short, Value, ValueExt};
        let text = |error: lexopt::Error| error.to_string();
        let mut parser = lexopt::Parser::from_args(words);
        let mut verb = None;
        let mut run = Run {
            root: "/run/corun".into(),
            bundle: ".".into(),
            preserve_fds: 0,
            no_new_keyring: false,
            id: String::new(),
        };
        while let Some(argument) = parser.next().map_err(text)? {
            match argument {
                Short('h') | Long("help") => return Ok(Self::Help),
                Short('v') | Long("version") => return Ok(Self::Version),
                Long("root") => run.root = parser.value().map_err(text)?.into(),
                Short('b') | Long("bundle") => run.bundle = parser.value().map_err(text)?.into(),
                Long("preserve-fds") => run.preserve_fds = parser.value().and_then(|v| v.parse()).map_err(text)?,
                Long("no-new-keyring") => run.no_new_keyring = true,
                Value(word) if verb.is_none() => verb = Some(word),
                Value(word) if run.id.is_empty() => run.id = word.string().map_err(text)?,
                other => return Err(other.unexpected().to_string()),
            }
        }
        match verb.as_ref().and_then(|verb| verb.to_str()) {
            Some("run") if valid_id(&run.id) => Ok(Self::Run(run)),
            Some("run") => Err(format!("invalid container ID format: {:?}", run.id)),
            Some(other) => Err(format!("unknown command {other}")),
            None => Err("no command".to_owned()),
        }
    }
}

/// Ids are names of directories and cgroups.
fn valid_id(id: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    !id.is_empty() && id != "." && id != ".." && id.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Arguments, String> {
        Arguments::read(words.iter().map(OsString::from))
    }

    #[test]
    fn run_takes_runcs_flags() {
        let Ok(Arguments::Run(run)) = read(&["--root", "/r", "run", "-b", "/b", "--preserve-fds=2", "x"]) else {
            panic!("not a run");
        };
        assert_eq!((run.root, run.bundle), (PathBuf::from("/r"), PathBuf::from("/b")));
        assert_eq!((run.preserve_fds, run.id.as_str()), (2, "x"));
    }

    #[test]
    fn an_id_cannot_be_a_path() {
        for id in ["", "..", ".", "a/b", "a b", "é"] {
            assert!(read(&["run", id]).is_err(), "{id}");
        }
    }
}
