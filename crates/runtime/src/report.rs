//! What the stub says, as errors.

use crate::error::Error;
use crate::hooks::{self, Point};
use crate::subject::Subject;
use cgroup::Cgroup;
use oci::runtime::Spec;
use std::os::fd::OwnedFd;
use sys::Errno;
use sys::process::Exit;

/// A step failed; a hook has perhaps said something.
pub fn failed(subject: &Subject, number: u32, errno: i32, spec: &Spec, said: Option<OwnedFd>) -> Error {
    if let Subject::Hook(point, index) = *subject {
        let said = said.map(hooks::written).unwrap_or_default();
        return hook(point, index, number, errno, spec, &said);
    }
    let errno = Errno::from_raw_os_error(errno);
    let command = || spec.process.as_ref().and_then(|process| process.args.first()).cloned().unwrap_or_default();
    match (subject, errno) {
        (Subject::Find, Errno::NOENT | Errno::NOTDIR) => {
            let command = command();
            let in_path = !command.contains('/');
            Error::NotFound { command, in_path }
        }
        (Subject::Find | Subject::Exec, _) => {
            let problem = not_executable(subject, errno);
            Error::NotExecutable { command: command(), problem, errno }
        }
        _ => {
            let mut intent = subject.intent(spec);
            if (subject, errno) == (&Subject::Scheduler, Errno::PERM) && confined(spec) {
                // sched_setattr(2): SCHED_DEADLINE wants the affinity to be all CPUs.
                intent.push_str(" (process scheduler can't be used together with AllowedCPUs)");
            }
            Error::Step {
                subject: subject.clone(),
                intent,
                call: sys::nr::name(number).unwrap_or("system call"),
                errno,
            }
        }
    }
}

/// The container has a cpuset.
fn confined(spec: &Spec) -> bool {
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    resources.and_then(|resources| resources.cpu.as_ref()).is_some_and(|cpu| cpu.cpus.is_some())
}

/// A hook that the stub ran: its status stands in the place of an error number.
fn hook(point: Point, index: usize, number: u32, errno: i32, spec: &Spec, said: &str) -> Error {
    let hook = point.of(spec).get(index).cloned().unwrap_or_default();
    let problem = match number {
        sys::nr::wait4 => hooks::ended(errno, said),
        sys::nr::ppoll => hooks::timed_out(&hook),
        _ => sys::Named(Errno::from_raw_os_error(errno)).to_string(),
    };
    hooks::failed(point, index, &hook.path, problem)
}

fn not_executable(subject: &Subject, errno: Errno) -> String {
    match (subject, errno) {
        (Subject::Find, Errno::ACCESS) => {
            "permission denied: it is a directory, or this user may not execute it (see its x bits)".to_owned()
        }
        (_, Errno::ACCESS) => {
            "permission denied: its interpreter cannot be executed, or its file system is mounted noexec".to_owned()
        }
        (Subject::Exec, Errno::NOENT) => {
            "no such file or directory: the file is there, but the interpreter or loader that it names is not"
                .to_owned()
        }
        (_, Errno::NOEXEC) => {
            "exec format error: built for another architecture, or a script without a #! line".to_owned()
        }
        (_, Errno::TOOBIG) => "argument list too long".to_owned(),
        _ => sys::Named(errno).to_string(),
    }
}

/// Why a stub dies under a small limit, in the words that those who watch clusters look for.
pub const TOO_LITTLE_MEMORY: &str = "container init was OOM-killed (memory limit too low?)";

/// The stub ended without a word.
pub fn ended(exit: Option<Exit>, cgroup: Option<&Cgroup>) -> Error {
    let oom = cgroup.is_some_and(|cgroup| cgroup.oom_kills().unwrap_or(0) > 0);
    Error::Ended(match exit {
        _ if oom => TOO_LITTLE_MEMORY.to_owned(),
        Some(Exit::Signal(signal)) => format!("killed by signal {signal}"),
        Some(Exit::Code(code)) => format!("exit code {code}"),
        None => "without a word".to_owned(),
    })
}
