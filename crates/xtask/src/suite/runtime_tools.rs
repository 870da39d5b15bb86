//! The specification's own tests: a program for each of its subjects, which may put another one into the container to
//! look around there. A program that gives up before its first test says so by its exit status alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Suite;
use crate::error::{Doing as _, Result};

/// The programs below `validation`, which look for the one for inside where they are started.
pub struct Validation {
    tree: PathBuf,
}

impl Validation {
    /// The programs of the tree of runtime-tools.
    pub fn of(tree: &Path) -> Self {
        Self { tree: tree.to_owned() }
    }

    fn program(&self, file: &str) -> PathBuf {
        self.tree.join("validation").join(file).join(format!("{file}.t"))
    }
}

impl Suite for Validation {
    fn files(&self) -> Result<Vec<String>> {
        let dir = self.tree.join("validation");
        let doing = || format!("reading {}", dir.display());
        let mut files = Vec::new();
        for entry in dir.read_dir().doing(doing)? {
            let name = entry.doing(doing)?.file_name().to_string_lossy().into_owned();
            if self.program(&name).is_file() {
                files.push(name);
            }
        }
        files.sort();
        Ok(files)
    }

    fn command(&self, file: &str, runtime: &Path) -> Command {
        let mut command = Command::new(self.program(file));
        command.current_dir(&self.tree).env("RUNTIME", runtime);
        command
    }

    fn exit_status_counts(&self) -> bool {
        true
    }
}
