//! Other programs: where they are and how their failure becomes ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde::Deserialize;

use crate::error::{Doing as _, Error, Result};

/// The cargo that runs this task.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// This program's own file, or the one that has taken its place: the gate builds this program, too, while it runs.
pub fn own() -> Result<PathBuf> {
    let own = std::env::current_exe().doing(|| "looking for this program's own file".to_owned())?;
    let text = own.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or(own.clone(), PathBuf::from))
}

/// The workspace's directory.
pub fn workspace() -> &'static Path {
    // This package stands in crates/xtask of the tree that it was built from, and is only run from there.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// Where builds go, as cargo is configured.
pub fn target_dir() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Answer {
        target_directory: PathBuf,
    }
    let text = read(cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
    let answer: Answer =
        serde_json::from_str(&text).map_err(|error| Error::Found(format!("cargo metadata: {error}")))?;
    Ok(answer.target_directory)
}

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
    outcome(command.status().doing(|| starting(command))?)
}

/// Runs a program without input, prints what it writes to either output, and shows each line of it to `see`.
pub fn watch(command: &mut Command, see: impl FnMut(&str)) -> Result {
    watch_with(command, Stdio::null(), see)
}

/// [`watch`] with an input.
pub fn watch_with(command: &mut Command, input: Stdio, mut see: impl FnMut(&str)) -> Result {
    let (reader, writer) = std::io::pipe().doing(|| "making a pipe".to_owned())?;
    let other = writer.try_clone().doing(|| "making a pipe".to_owned())?;
    let mut child = command.stdin(input).stdout(writer).stderr(other).spawn().doing(|| starting(command))?;
    // The command keeps its ends of the pipe; as long as it lives, so does ours.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader);
    while reader.read_until(b'\n', &mut line).doing(|| "reading a program's output".to_owned())? > 0 {
        let mut out = std::io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush()).doing(|| "printing".to_owned())?;
        see(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    outcome(child.wait().doing(|| starting(command))?)
}

/// Runs a program and returns its standard output; its standard error is ours.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().doing(|| starting(command))?;
    outcome(output.status)?;
    let name = command.get_program().display();
    String::from_utf8(output.stdout).map_err(|_| Error::Found(format!("{name} printed something other than UTF-8")))
}

fn starting(command: &Command) -> String {
    format!("starting {}", command.get_program().display())
}

fn outcome(status: ExitStatus) -> Result {
    if status.success() {
        return Ok(());
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Err(Error::Code(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
