//! `cargo xtask suite`: another project's tests of an OCI runtime, run against ours. The suite is a tree that somebody has
//! built by hand; nothing is fetched or built here. The runtime is called `runc` there, by a link in a directory of its
//! own, as callers know it.
//!
//! What a suite cannot do on a machine fails for every runtime. So what counts is a comparison: `--tap` keeps the results
//! of one runtime, and `--baseline` tells which of the tests that it passed another one does not. `--kept` compares what
//! was kept before, from several runs where one did not come to its end.

mod results;
mod runc;
mod runtime_tools;
mod table;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use lexopt::prelude::*;
use results::Results;
use tempfile::TempDir;

use crate::error::{Doing as _, Error, Result};
use crate::programs;

const HELP: &str = "\
cargo xtask suite SUITE --from DIR [OPTIONS] [FILE…]

  runc            the tests of runc's command line, tests/integration (after make test-binaries; needs bats, jq, gawk)
  runtime-tools   the programs below validation (after make runtimetest validation-executables)

  --from DIR       the suite's tree, with what it needs built
  --runtime PATH   the runtime (target/dist/corun, from cargo xtask build)
  --tap FILE       keep what the tests say, to be a baseline
  --kept FILE      run nothing, but take what --tap kept
  --baseline FILE  fail for the tests that passed there and do not here, and for no others (may be given again)
  --table FILE     write the results as a table, in Markdown

A FILE is one of the suite's, without its ending; all of them run otherwise.";

/// A suite: which files it has, and how one of them is run.
trait Suite {
    /// Its files by their names, in order.
    fn files(&self) -> Result<Vec<String>>;
    /// What runs a file with this runtime.
    fn command(&self, file: &str, runtime: &Path) -> Command;
    /// Whether a file's exit status says anything that its tests do not.
    fn exit_status_counts(&self) -> bool;
}

/// What the command line asks for.
#[derive(Default)]
struct Request {
    suite: String,
    from: PathBuf,
    runtime: Option<PathBuf>,
    tap: Option<PathBuf>,
    kept: Option<PathBuf>,
    baselines: Vec<PathBuf>,
    table: Option<PathBuf>,
    files: Vec<String>,
}

/// Runs the task with its arguments.
pub fn run(mut parser: lexopt::Parser) -> Result {
    let Some(request) = Request::parse(&mut parser)? else {
        println!("{HELP}");
        return Ok(());
    };
    let baselines = request.baselines.iter().map(|path| read(path).map(|text| Results::parse(&text)));
    let baselines = baselines.collect::<Result<Vec<_>>>()?;
    let text = match &request.kept {
        Some(path) => read(path)?,
        None => collect(&request)?,
    };
    if let Some(path) = &request.tap {
        write(path, &text)?;
    }
    let results = Results::parse(&text);
    if let Some(path) = &request.table {
        write(path, &table::markdown(&results, &baselines))?;
    }
    conclude(&results, &baselines)
}

impl Request {
    fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>> {
        let mut request = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("from") => request.from = parser.value()?.into(),
                Long("runtime") => request.runtime = Some(parser.value()?.into()),
                Long("tap") => request.tap = Some(parser.value()?.into()),
                Long("kept") => request.kept = Some(parser.value()?.into()),
                Long("baseline") => request.baselines.push(parser.value()?.into()),
                Long("table") => request.table = Some(parser.value()?.into()),
                Long("help") | Short('h') => return Ok(None),
                Value(suite) if request.suite.is_empty() => request.suite = suite.string()?,
                Value(file) => request.files.push(file.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        if request.suite.is_empty() {
            return Ok(None);
        }
        if request.from.as_os_str().is_empty() && request.kept.is_none() {
            return Err(Error::Usage("where is the suite's tree? --from DIR".to_owned()));
        }
        Ok(Some(request))
    }
}

/// The files that were named, in the suite's order, or all.
fn chosen(files: Vec<String>, named: &[String]) -> Result<Vec<String>> {
    if let Some(name) = named.iter().find(|name| !files.contains(name)) {
        return Err(Error::Usage(format!("the suite has no file {name:?}")));
    }
    Ok(files.into_iter().filter(|file| named.is_empty() || named.contains(file)).collect())
}

/// Runs the files one after the other; all that they say, with lines in front that tell who was tested and by what.
fn collect(request: &Request) -> Result<String> {
    let from = real(&request.from)?;
    let suite: Box<dyn Suite> = match request.suite.as_str() {
        "runc" => Box::new(runc::Integration::of(&from)),
        "runtime-tools" => Box::new(runtime_tools::Validation::of(&from)),
        other => return Err(Error::Usage(format!("there is no suite {other:?}"))),
    };
    let program = match &request.runtime {
        Some(path) => real(path)?,
        None => real(&programs::target_dir()?.join("dist/corun"))?,
    };
    let files = chosen(suite.files()?, &request.files)?;
    // The containers of these tests have fixed names: two runs at once would meet in their cgroups.
    let lock = File::open(&from).and_then(|tree| tree.lock().map(|()| tree));
    let _lock = lock.doing(|| format!("locking {}", from.display()))?;
    let home = as_runc(&program)?;
    // An input that never ends: script(1) hands on an end of its own as a byte, which a container's terminal echoes.
    let (input, _open) = std::io::pipe().doing(|| "making a pipe".to_owned())?;
    let runtime = home.path().join("runc");
    let mut lines = vec![
        format!("# suite {} {}", request.suite, version_of_tree(&from)),
        format!("# runtime {}", version_of_program(&program)?),
        format!("# kernel {}", setting()),
    ];
    for file in &files {
        println!("--- {file}");
        lines.push(format!("# file {file}"));
        let input = input.try_clone().doing(|| "making a pipe".to_owned())?;
        let mut command = suite.command(file, &runtime);
        match programs::watch_with(&mut command, input.into(), |line| lines.push(line.to_owned())) {
            Err(Error::Code(code)) if suite.exit_status_counts() => lines.push(format!("not ok - exit code {code}")),
            Ok(()) | Err(Error::Code(_)) => {}
            Err(error) => return Err(error),
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// A directory in which this program is called runc. Others may enter it: some tests start the runtime as another user.
fn as_runc(program: &Path) -> Result<TempDir> {
    let home = tempfile::tempdir().doing(|| "making a temporary directory".to_owned())?;
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).doing(|| "opening it to others".to_owned())?;
    symlink(program, home.path().join("runc")).doing(|| format!("linking to {}", program.display()))?;
    Ok(home)
}

/// The kernel, the cgroups, and whose they are: what a result depends on beside the runtime.
fn setting() -> String {
    let kernel = rustix::system::uname();
    let cgroups = match |path: &str| Path::new("/sys/fs/cgroup").join(path).exists() {
        has if has("cgroup.controllers") => "v2",
        has if has("unified/cgroup.controllers") => "v1 and v2 (hybrid)",
        _ => "v1",
    };
    let systemd = if std::env::var_os(runc::USE_SYSTEMD).is_some() { " by systemd" } else { "" };
    let user = if rustix::process::geteuid().is_root() { "" } else { ", as an ordinary user" };
    format!("{}, cgroups {cgroups}{systemd}{user}", kernel.release().to_string_lossy())
}

/// The first line that a runtime says of itself.
fn version_of_program(program: &Path) -> Result<String> {
    let text = programs::read(Command::new(program).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The version of a tree, as far as it is a clone or has a file that says so.
fn version_of_tree(from: &Path) -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--tags", "--always"]).current_dir(from);
    let described = programs::read(&mut git).ok();
    let text = described.or_else(|| fs::read_to_string(from.join("VERSION")).ok());
    text.unwrap_or_default().trim().to_owned()
}

/// Prints a summary by file; the error says what the tests found.
fn conclude(results: &Results, baselines: &[Results]) -> Result {
    println!("\n=== summary");
    for file in &results.files {
        println!("{:32} {}", file.name, file.tally());
    }
    println!("{:32} {}", "all", results.tally());
    let (whole, empty) = (results.whole(), results.empty());
    println!("{:32} {whole} of {}, {empty} of them without a test", "files without a failure", results.files.len());
    if baselines.is_empty() {
        return match results.tally().failed {
            0 => Ok(()),
            failed => Err(Error::Found(format!("{failed} tests failed"))),
        };
    }
    let mut count = 0;
    for baseline in baselines {
        for (file, test) in results.lost(baseline) {
            println!("passed by {} and not here: {file}: {test}", baseline.runtime);
            count += 1;
        }
    }
    match count {
        0 => Ok(()),
        count => Err(Error::Found(format!("{count} tests that a baseline passes do not pass"))),
    }
}

fn real(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).doing(|| format!("looking for {}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).doing(|| format!("reading {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).doing(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn named_files_run_in_the_suites_order() {
        assert_eq!(chosen(names(&["a", "b", "c"]), &names(&["c", "a"])).unwrap(), ["a", "c"]);
        assert_eq!(chosen(names(&["a", "b"]), &[]).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_file_that_the_suite_lacks_is_named() {
        assert!(chosen(names(&["a"]), &names(&["x"])).unwrap_err().to_string().contains("\"x\""));
    }

    #[test]
    fn with_a_baseline_only_what_it_passed_counts() {
        let here = Results::parse("# file a\n1..2\nnot ok 1 x\nok 2 y\n");
        assert!(conclude(&here, &[]).is_err());
        assert!(conclude(&here, &[Results::parse("# file a\nnot ok 1 x\nok 2 y\n")]).is_ok());
        assert!(conclude(&here, &[Results::parse("# file a\nok 1 x\nok 2 y\n")]).is_err());
    }
}
