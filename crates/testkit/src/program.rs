//! Where the programs stand that the tests run: ours in the build's own directory, everybody else's on the search path.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A program of this house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The engine's command line.
    Coracle,
    /// The OCI runtime's command line.
    Corun,
}

impl Program {
    /// The file name of the program, which is also the name of its package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coracle => "coracle",
            Self::Corun => "corun",
        }
    }

    /// The environment variable that names the file to test instead of the one just built (`CORACLE_BIN`, `CORUN_BIN`),
    /// so that the gate can run the same tests on the released form.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Coracle => "CORACLE_BIN",
            Self::Corun => "CORUN_BIN",
        }
    }

    /// The program's file: what [`Program::variable`] names, else the one beside the running test's own directory.
    pub fn path(self) -> PathBuf {
        if let Some(path) = std::env::var_os(self.variable()) {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "{} names {}, which is no file", self.variable(), path.display());
            return path;
        }
        let test = std::env::current_exe().expect("a test knows its own file");
        // Test binaries stand in target/PROFILE/deps, the programs one directory up.
        let found = test.ancestors().skip(1).take(3).map(|dir| dir.join(self.name())).find(|path| path.is_file());
        found.unwrap_or_else(|| {
            panic!("no built {} near {}: cargo build -p {0}", self.name(), test.display());
        })
    }
}

/// The file that a bare command name means on `PATH` (with the administrator's directories, which an ordinary user's
/// path may lack), or nothing.
pub fn on_path(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let name = Path::new(name.as_ref());
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_is_on_the_path_and_nonsense_is_not() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-of-ours").is_none());
    }

    #[test]
    fn a_directory_is_not_a_program() {
        assert!(on_path("..").is_none());
    }
}
