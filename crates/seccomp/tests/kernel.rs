//! The running kernel takes the programs and does what they say. A filter cannot be taken off again, so each test
//! executes this binary once more for itself alone, and what is to be seen under the filter is asserted in that child.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::disallowed_methods, reason = "the calls that filters are tried with need no recorder")]

mod support;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use oci::runtime::{Action, Arg, Operator, Seccomp, SyscallRule};
use rustix::fs::{Mode, SeekFrom, mkdir, rmdir, seek};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::net::{AddressFamily, SocketType, socket};
use seccomp::{Filter, compile, default_profile};
use support::CAPABILITIES;
use sys::process::{Stub, namespace};
use sys::seccomp::Probe;

/// In the environment of a child.
const CHILD: &str = "CORACLE_TEST_UNDER_A_FILTER";

/// How a child leaves that came to the end of its work. A failed assertion is 101, no test of that name is 0.
const DONE: i32 = 42;

const SIGSYS: i32 = 31;

const NOWHERE: &str = "/nonexistent/directory";

/// How a process of its own ended that did `work`: the exit code, or the signal as the error. `test` is the name of the
/// test that calls this, and calls it once.
fn in_child(test: &str, work: impl FnOnce()) -> Result<i32, i32> {
    if std::env::var_os(CHILD).is_some() {
        work();
        std::process::exit(DONE);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args([test, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    // Shown where the test fails.
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.code().ok_or_else(|| output.status.signal().unwrap())
}

/// Puts this thread under a filter; the listener, if there is one.
fn load(filter: &Filter) -> Option<OwnedFd> {
    const SET_NO_NEW_PRIVS: usize = 38;
    sys::process::prctl(SET_NO_NEW_PRIVS, 1, 0).unwrap();
    sys::seccomp::install(filter.as_bytes(), filter.flags().bits()).unwrap()
}

fn profile(default_action: Action, syscalls: Vec<SyscallRule>) -> Seccomp {
    Seccomp {
        default_action,
        default_errno_ret: None,
        architectures: vec![],
        flags: None,
        listener_path: None,
        listener_metadata: None,
        syscalls,
    }
}

fn rule(name: &str, action: Action, errno_ret: Option<u32>, args: Vec<Arg>) -> SyscallRule {
    SyscallRule { names: vec![name.into()], action, errno_ret, args }
}

/// A rule for lseek(2) to one offset.
fn lseek_to(offset: u64, action: Action, errno_ret: Option<u32>) -> SyscallRule {
    rule("lseek", action, errno_ret, vec![Arg { index: 1, value: offset, value_two: 0, op: Operator::Equal }])
}

/// /dev/null, which accepts every offset.
fn null() -> File {
    File::open("/dev/null").unwrap()
}

#[test]
fn mkdir_fails_with_the_number_of_the_profile() {
    let ended = in_child("mkdir_fails_with_the_number_of_the_profile", || {
        let rules = vec![rule("mkdirat", Action::Errno, Some(77), vec![])];
        load(&compile(&profile(Action::Allow, rules)).unwrap());
        assert_eq!(mkdir(NOWHERE, Mode::RWXU), Err(Errno::from_raw_os_error(77)));
        assert_eq!(rmdir(NOWHERE), Err(Errno::NOENT));
    });
    assert_eq!(ended, Ok(DONE));
}

#[test]
fn the_default_profile_refuses() {
    let ended = in_child("the_default_profile_refuses", || {
        let program = File::open("/bin/true").unwrap();
        load(&compile(&default_profile(&CAPABILITIES)).unwrap());
        let errno = |result: sys::Result<()>| result.map_err(|error| error.errno);
        // Without a filter it is ENOENT, EINVAL, the keyring, the personality, a socket.
        assert_eq!(rustix::mount::mount_bind(NOWHERE, NOWHERE), Err(Errno::PERM));
        assert_eq!(errno(sys::process::setns(&program, namespace::NET)), Err(Errno::PERM));
        assert_eq!(errno(Probe::SessionKeyring.make()), Err(Errno::PERM));
        assert_eq!(errno(Probe::Personality(0x4_0000).make()), Err(Errno::PERM));
        assert_eq!(socket(AddressFamily::VSOCK, SocketType::STREAM, None).err(), Some(Errno::PERM));
        assert_eq!(errno(Probe::Unassigned.make()), Err(Errno::NOSYS));
        let stub = Stub {
            namespaces: 0,
            cgroup: None,
            executable: program.as_fd(),
            arguments: [c"true", c""],
            inherit: &[],
            gate: None,
            ids: [0, 0],
            sibling: false,
        };
        assert_eq!(sys::process::clone_stub(&stub).map(drop).unwrap_err().errno, Errno::NOSYS, "clone3");
    });
    assert_eq!(ended, Ok(DONE));
}

#[test]
fn the_default_profile_allows() {
    let ended = in_child("the_default_profile_allows", || {
        let number = std::process::id();
        load(&compile(&default_profile(&CAPABILITIES)).unwrap());
        assert_eq!(std::process::id(), number);
        Probe::Personality(u32::MAX).make().unwrap();
        socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        // By clone, after clone3 was not there.
        assert!(Command::new("/bin/true").status().unwrap().success());
    });
    assert_eq!(ended, Ok(DONE));
}

/// The one offset that costs a process its life.
const DEADLY: u64 = i64::MAX as u64;

fn deadly() -> Filter {
    compile(&profile(Action::Allow, vec![lseek_to(DEADLY, Action::KillProcess, None)])).unwrap()
}

#[test]
fn killing_kills() {
    let ended = in_child("killing_kills", || {
        load(&deadly());
        let _ = seek(null(), SeekFrom::Start(DEADLY));
    });
    assert_eq!(ended, Err(SIGSYS));
}

#[test]
fn half_of_a_value_does_not_kill() {
    let ended = in_child("half_of_a_value_does_not_kill", || {
        load(&deadly());
        assert_eq!(seek(null(), SeekFrom::Start(DEADLY & 0xffff_ffff)), Ok(0));
        assert_eq!(seek(null(), SeekFrom::Start(DEADLY ^ 0xffff_ffff)), Ok(0));
    });
    assert_eq!(ended, Ok(DONE));
}

#[test]
fn a_rule_with_notify_yields_a_listener() {
    let ended = in_child("a_rule_with_notify_yields_a_listener", || {
        let mut notifying = profile(Action::Allow, vec![rule("mkdir", Action::Notify, None, vec![])]);
        notifying.flags =
            Some(vec!["SECCOMP_FILTER_FLAG_TSYNC".into(), "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV".into()]);
        let filter = compile(&notifying).unwrap();
        assert!(filter.has_listener());
        assert_eq!(fcntl_getfd(load(&filter).unwrap()), Ok(FdFlags::CLOEXEC));
    });
    assert_eq!(ended, Ok(DONE));
}

#[test]
fn the_kernel_takes_every_flag() {
    let ended = in_child("the_kernel_takes_every_flag", || {
        for flag in ["TSYNC", "LOG", "SPEC_ALLOW"] {
            let mut flagged = profile(Action::Allow, vec![]);
            flagged.flags = Some(vec![format!("SECCOMP_FILTER_FLAG_{flag}")]);
            assert!(load(&compile(&flagged).unwrap()).is_none(), "{flag}");
        }
    });
    assert_eq!(ended, Ok(DONE));
}

#[test]
fn the_longest_program_is_taken() {
    let ended = in_child("the_longest_program_is_taken", || {
        // Distinct values for one argument of one call: about one instruction each.
        let rules = (100_000..103_700).map(|offset| lseek_to(offset, Action::Errno, Some(55))).collect();
        let filter = compile(&profile(Action::Allow, rules)).unwrap();
        assert!(filter.len() > 3_700);
        load(&filter);
        assert_eq!(seek(null(), SeekFrom::Start(103_699)), Err(Errno::from_raw_os_error(55)));
        assert_eq!(seek(null(), SeekFrom::Start(103_700)), Ok(0));
    });
    assert_eq!(ended, Ok(DONE));
}
