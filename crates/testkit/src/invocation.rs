//! A command about to be run: its words, environment, user and time limit. The environment starts empty but for what a
//! program can expect anywhere, so that a test means the same on every machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Outcome, Running, User, on_path};

/// How long a command may take unless a test says otherwise. A hung test must end by itself, also on a slow guest.
const LIMIT: Duration = Duration::from_mins(2);

/// A command about to be run; a builder.
#[derive(Clone, Debug)]
#[must_use = "an invocation does nothing until it is run"]
pub struct Invocation {
    program: PathBuf,
    args: Vec<OsString>,
    wrapper: Vec<OsString>,
    above: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    cwd: Option<PathBuf>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) limit: Duration,
    user: Option<User>,
}

impl Invocation {
    /// A command by path, or by a bare name that is looked up on the search path.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref();
        let bare = program.components().count() == 1 && !program.has_root();
        let program = if bare { on_path(program).unwrap_or_else(|| program.to_owned()) } else { program.to_owned() };
        let env = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LANG", "C.UTF-8"),
            ("TERM", "xterm"),
        ];
        Self {
            program,
            args: Vec::new(),
            wrapper: Vec::new(),
            above: Vec::new(),
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            cwd: None,
            stdin: Vec::new(),
            limit: LIMIT,
            user: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Takes an environment variable away.
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.remove(name.as_ref());
        self
    }

    /// Sets the working directory.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Gives the command these bytes on standard input, then its end. Without this it reads an empty input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets how long the command may take before it is killed and the test fails.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the command by another one that execs its last arguments (`prlimit --nofile=64`, `strace -f -o FILE`,
    /// `unshare -m`). Wrappers given later stand further out; all of them run as the invocation's user.
    pub fn under<A: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        let outer: Vec<OsString> = wrapper.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self.wrapper.splice(0..0, outer);
        self
    }

    /// Runs all of it by another command, which is not the invocation's user but who runs the test: root's strace leaves
    /// set-id programs their rights, a user's takes them.
    pub fn above<A: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        self.above = wrapper.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Runs the command as this user, with all capabilities gone.
    pub fn user(mut self, user: &User) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// The whole command line, wrappers and user switch included, for messages.
    pub fn line(&self) -> String {
        let words: Vec<String> = self.words().iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    /// Starts the command and returns while it runs, its standard input still open.
    #[track_caller]
    pub fn spawn(self) -> Running {
        Running::start(self)
    }

    /// Runs the command to its end. Killed after its time limit, which fails the test.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }

    /// Runs the command to its end and asserts that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Outcome {
        let outcome = self.run();
        outcome.code(0);
        outcome
    }

    /// The user id that a terminal of this command should belong to, where it is not the caller's.
    pub(crate) fn terminal_owner(&self) -> Option<u32> {
        self.user.as_ref().map(|user| user.uid)
    }

    fn words(&self) -> Vec<OsString> {
        let mut words = self.above.clone();
        words.extend(self.user.as_ref().map(User::switch).unwrap_or_default());
        words.extend(self.wrapper.iter().cloned());
        words.push(self.program.clone().into_os_string());
        words.extend(self.args.iter().cloned());
        words
    }

    /// The command in the standard library's form; `outermost` words come before all others.
    pub(crate) fn command(&self, outermost: &[&str]) -> Command {
        let mut words = outermost.iter().map(OsString::from).chain(self.words());
        let first = words.next().expect("there is at least the program");
        let mut command = Command::new(first);
        command.args(words).env_clear().envs(&self.env);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_holds_nothing_of_the_callers() {
        let outcome = Invocation::new("env").env("A", "b").without_env("LANG").ok();
        let mut names: Vec<&str> = outcome.stdout.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["A", "HOME", "PATH", "TERM"]);
    }

    #[test]
    fn wrappers_stand_outside_in_the_order_of_their_adding() {
        let line = Invocation::new("/bin/true").under(["nice"]).under(["env", "A=b"]).line();
        assert_eq!(line, "env A=b nice /bin/true");
    }
}
