//! Other programs: where they are and how their failure becomes ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing as _, Error, Result};

/// The file that a bare command name means on `PATH`, with the administrator's directories, which a user's may lack.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Runs a program with our own outputs; its failure is ours, with its exit code (128 and the number for a signal).
pub fn run(command: &mut Command) -> Result {
    use std::os::unix::process::ExitStatusExt as _;
    let status = command.status().doing(|| format!("starting {}", command.get_program().display()))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Err(Error::Code(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Runs a program and returns its standard output; its standard error is ours.
pub fn read(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.stderr(std::process::Stdio::inherit()).output().doing(|| format!("starting {name}"))?;
    if !output.status.success() {
        return Err(Error::Found(format!("{name} ended with {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| Error::Found(format!("{name} printed something other than UTF-8")))
}
