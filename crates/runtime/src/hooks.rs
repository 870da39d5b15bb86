//! Hooks: programs that a specification wants run on the way (config.md, "POSIX-platform Hooks").
//!
//! Those of the runtime's namespaces are children of ours, run while the stub waits, or before and after everything.
//! Those of the container's namespaces are steps of the plan: the stub runs them. A hook gets the container's state on
//! its standard input. What it writes is kept and told if it fails, since nobody need be at the other end of ours.

use crate::error::{Error, Result, What};
use crate::plan::Plan;
use crate::process;
use crate::subject::Subject;
use init::plan::hook;
use oci::runtime::{Hook, Spec, State, Status, VERSION};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The points at which hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Point {
    /// Deprecated: like `createRuntime`, before it.
    Prestart,
    /// In our namespaces, when the container's exist and its root is not pivoted to.
    CreateRuntime,
    /// At the same time in the container's.
    CreateContainer,
    /// In the container's, before the command is executed.
    StartContainer,
    /// In ours, when the command runs.
    Poststart,
    /// In ours, when the container is gone.
    Poststop,
}

impl Point {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// As the specification spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// The hooks of a specification for this point.
    pub fn of(self, spec: &Spec) -> &[Hook] {
        spec.hooks.as_ref().map_or(&[], |hooks| match self {
            Self::Prestart => &hooks.prestart,
            Self::CreateRuntime => &hooks.create_runtime,
            Self::CreateContainer => &hooks.create_container,
            Self::StartContainer => &hooks.start_container,
            Self::Poststart => &hooks.poststart,
            Self::Poststop => &hooks.poststop,
        })
    }

    /// What the container's status is by then. Hooks of old have `prestart` from a time when it was a part of start.
    fn status(self) -> Status {
        match self {
            Self::CreateRuntime | Self::CreateContainer => Status::Creating,
            Self::Prestart | Self::StartContainer => Status::Created,
            Self::Poststart => Status::Running,
            Self::Poststop => Status::Stopped,
        }
    }

    fn state(self, container: Identity<'_>, pid: Option<i32>) -> State {
        State {
            oci_version: VERSION.to_owned(),
            id: container.id.to_owned(),
            status: self.status(),
            pid,
            bundle: container.bundle.to_string_lossy().into_owned(),
            annotations: container.spec.annotations.clone(),
        }
    }
}

/// What a hook is told of a container.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its bundle, absolute.
    pub bundle: &'a Path,
    /// Its specification, with the hooks.
    pub spec: &'a Spec,
}

/// Refuses, before anything is made, what is no hook.
pub fn check(spec: &Spec) -> Result<()> {
    for point in [
        Point::Prestart,
        Point::CreateRuntime,
        Point::CreateContainer,
        Point::StartContainer,
        Point::Poststart,
        Point::Poststop,
    ] {
        for hook in point.of(spec) {
            if !hook.path.starts_with('/') {
                return Err(Error::spec(format!("{} hook: path {:?} is not absolute", point.name(), hook.path)));
            }
            if hook.timeout.is_some_and(|seconds| seconds <= 0) {
                return Err(Error::spec(format!("{} hook {}: timeout is not above zero", point.name(), hook.path)));
            }
            process::check_environment(&hook.env)?;
        }
    }
    Ok(())
}

/// Whether the stub has to wait for hooks of ours while the container is made.
pub fn interrupt(spec: &Spec) -> bool {
    [Point::Prestart, Point::CreateRuntime].iter().any(|point| !point.of(spec).is_empty())
}

/// Whether there are hooks that see the container's files before its root is the only one.
pub fn before_pivot(spec: &Spec) -> bool {
    interrupt(spec) || !Point::CreateContainer.of(spec).is_empty()
}

/// Runs the hooks of ours while a container is made, whose first process waits.
pub fn of_creation(container: Identity<'_>, pid: i32) -> Result<()> {
    run(Point::Prestart, container, Some(pid)).and_then(|()| run(Point::CreateRuntime, container, Some(pid)))
}

/// Runs the hooks of a point in our namespaces, one after the other, up to the first that fails.
pub fn run(point: Point, container: Identity<'_>, pid: Option<i32>) -> Result<()> {
    for (index, hook) in point.of(container.spec).iter().enumerate() {
        let state = point.state(container, pid);
        execute(hook, &state).map_err(|problem| failed(point, index, &hook.path, problem))?;
    }
    Ok(())
}

/// Adds the hooks of a point in the container's namespaces to its plan.
pub fn plan(plan: &mut Plan, point: Point, container: Identity<'_>) -> Result<()> {
    for (index, program) in point.of(container.spec).iter().enumerate() {
        let state = point.state(container, Some(0));
        let text = serde_json::to_string(&state).map_err(|error| Error::spec(error.to_string()))?;
        // No text that comes before has a quotation mark in it that is not escaped.
        let (before, after) = text.split_once("\"pid\":0").unwrap_or((&text, ""));
        let before = format!("{before}\"pid\":");
        // Not in the specification: hooks in the wild expect the command's environment where they have none.
        let inherits = program.env.is_empty() && point == Point::StartContainer;
        let env = match &container.spec.process {
            Some(process) if inherits => &process::environment(process).0,
            _ => &program.env,
        };
        let mut numbers = [0; hook::DETAILS];
        numbers[hook::TIMEOUT] = program.timeout.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
        numbers[hook::INHERITS] = u64::from(inherits);
        plan.hook(Subject::Hook(point, index), program, env, [&before, after], &numbers);
    }
    Ok(())
}

/// The error of a hook.
pub fn failed(point: Point, index: usize, path: &str, problem: String) -> Error {
    Error::Hook { point: point.name(), index, path: path.to_owned(), problem }
}

/// How often we look at a hook that runs.
const LOOK: Duration = Duration::from_millis(20);
/// Most bytes that a hook may write: they are kept in memory.
const MOST: u64 = 16 << 20;

/// Runs a hook of ours; what became of it, if it did not succeed.
fn execute(hook: &Hook, state: &State) -> std::result::Result<(), String> {
    let text = serde_json::to_vec(state).map_err(|error| error.to_string())?;
    let file = |bytes: &[u8]| memory(bytes).map_err(|error| error.to_string());
    let (input, output) = (file(&text)?, file(&[])?);
    let copy = || output.try_clone().map_err(|error| error.to_string());
    let mut command = Command::new(&hook.path);
    if let Some((name, arguments)) = hook.args.split_first() {
        command.arg0(name).args(arguments);
    }
    command.env_clear().envs(hook.env.iter().filter_map(|variable| variable.split_once('=')));
    command.stdin(Stdio::from(input)).stdout(Stdio::from(copy()?)).stderr(Stdio::from(copy()?));
    sys::command::die_with_us(&mut command);
    sys::command::hears_signals(&mut command);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let limit = hook.timeout.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let pidfd = sys::process::pidfd_open(child.id().cast_signed()).map_err(|error| error.to_string())?;
    let begun = Instant::now();
    while !sys::process::wait_readable(&pidfd, LOOK) {
        let late = limit.is_some_and(|limit| begun.elapsed() >= limit);
        if late || output.metadata().is_ok_and(|file| file.len() > MOST) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(if late { timed_out(hook) } else { format!("it wrote more than {} MiB", MOST >> 20) });
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(ended(status.into_raw(), &written(output))) }
}

const SIGSYS: i32 = 31;

/// How a hook ended, from the status of wait4(2), with what it wrote.
pub fn ended(status: i32, written: &str) -> String {
    let how = match std::process::ExitStatus::from_raw(status) {
        status if status.signal() == Some(SIGSYS) => {
            "bad system call: the seccomp profile does not allow it".to_owned()
        }
        status if status.signal().is_some() => format!("killed by signal {}", status.signal().unwrap_or_default()),
        status => format!("exit code {}", status.code().unwrap_or_default()),
    };
    if written.is_empty() { how } else { format!("{how}: {written}") }
}

/// A hook took longer than it may.
pub fn timed_out(hook: &Hook) -> String {
    format!("not done within {} s", hook.timeout.unwrap_or_default())
}

/// A file that exists nowhere, at its start.
fn memory(bytes: &[u8]) -> Result<File> {
    let fd = sys::memfd::zeroed(c"coracle-hook", 0).what("make a file for a hook")?;
    sys::fs::write_once(&fd, bytes).what("write the state for a hook")?;
    let mut file = File::from(fd);
    let _ = file.rewind();
    Ok(file)
}

/// The end of what a hook has written, on one line.
pub fn written(output: impl Into<OwnedFd>) -> String {
    const ENOUGH: u64 = 2048;
    let mut file = File::from(output.into());
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    let start = std::io::SeekFrom::Start(length.saturating_sub(ENOUGH));
    let _ = file.seek(start).and_then(|_| file.take(ENOUGH).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes)
        .split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: fn() -> Spec = Spec::default;

    fn hook(words: &[&str]) -> Hook {
        Hook { path: words[0].to_owned(), args: words.iter().map(|w| (*w).to_owned()).collect(), ..Hook::default() }
    }

    fn outcome(hook: &Hook) -> std::result::Result<(), String> {
        let spec = SPEC();
        let container = Identity { id: "c1", bundle: Path::new("/b"), spec: &spec };
        execute(hook, &Point::CreateRuntime.state(container, Some(7)))
    }

    #[test]
    fn a_hook_reads_the_state_and_what_it_wrote_is_told_if_it_fails() {
        let told = outcome(&hook(&["/bin/sh", "-c", "cat; exit 3"])).unwrap_err();
        let state = r#"{"ociVersion":"1.3.0","id":"c1","status":"creating","pid":7,"bundle":"/b"}"#;
        assert_eq!(told, format!("exit code 3: {state}"));
    }

    #[test]
    fn a_hook_has_its_own_environment_and_no_other() {
        let mut env = hook(&["/bin/sh", "-c", "test \"$A$HOME\" = b && exit 0; env; exit 1"]);
        env.env.push("A=b".to_owned());
        assert_eq!(outcome(&env), Ok(()));
    }

    #[test]
    fn a_hook_that_takes_too_long_is_killed() {
        let mut slow = hook(&["/bin/sleep", "60"]);
        slow.timeout = Some(1);
        let start = std::time::Instant::now();
        assert_eq!(outcome(&slow), Err("not done within 1 s".to_owned()));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_hook_that_dies_or_is_not_there_has_failed() {
        assert_eq!(outcome(&hook(&["/bin/sh", "-c", "kill -9 $$"])), Err("killed by signal 9".to_owned()));
        assert!(outcome(&hook(&["/no/such/hook"])).is_err());
    }

    #[test]
    fn a_path_must_be_absolute_and_a_timeout_above_zero() {
        let with = |hook: Hook| Spec {
            hooks: Some(oci::runtime::Hooks { poststop: vec![hook], ..Default::default() }),
            ..SPEC()
        };
        assert!(check(&with(hook(&["true"]))).is_err());
        assert!(check(&with(Hook { timeout: Some(0), ..hook(&["/bin/true"]) })).is_err());
        assert!(check(&with(hook(&["/bin/true"]))).is_ok());
    }
}
