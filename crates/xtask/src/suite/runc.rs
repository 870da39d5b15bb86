//! runc's own tests of its command line: files for bats, of which each test is a shell function.
//!
//! Some of them want a controlling terminal, which a shell in a pipeline or in CI does not have; script(1) makes one. A
//! limit of time for each test is not set: bats would keep it with a process whose end some of the tests wait for.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Suite;
use crate::error::{Doing as _, Result};

const ENDING: &str = "bats";

/// The tests' own switch, read from the environment, for a runtime that asks systemd for its cgroups.
pub const USE_SYSTEMD: &str = "RUNC_USE_SYSTEMD";

/// The folder `tests/integration`.
pub struct Integration {
    dir: PathBuf,
}

impl Integration {
    /// The tests of runc's tree.
    pub fn of(tree: &Path) -> Self {
        Self { dir: tree.join("tests/integration") }
    }
}

impl Suite for Integration {
    fn files(&self) -> Result<Vec<String>> {
        let doing = || format!("reading {}", self.dir.display());
        let mut files = Vec::new();
        for entry in self.dir.read_dir().doing(doing)? {
            let path = entry.doing(doing)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                files.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        files.sort();
        Ok(files)
    }

    fn command(&self, file: &str, runtime: &Path) -> Command {
        const BATS: &str = r#"bats --tap "$SUITE_FILE""#;
        let mut command = if has_terminal() {
            let mut shell = Command::new("sh");
            shell.args(["-c", BATS]);
            shell
        } else {
            let mut script = Command::new("script");
            script.args(["-qec", BATS, "/dev/null"]);
            script
        };
        command.current_dir(&self.dir).env("RUNC", runtime).env("SUITE_FILE", format!("{file}.{ENDING}"));
        command
    }

    fn exit_status_counts(&self) -> bool {
        false
    }
}

/// Whether this process has a controlling terminal.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}
