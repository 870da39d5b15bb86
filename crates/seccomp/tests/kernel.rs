//! The running kernel takes the programs and does what they say. Each test loads one in a forked child, which makes
//! nothing but system calls until it leaves.
#![allow(unsafe_code, reason = "fork, seccomp and raw calls")]
#![cfg(target_arch = "x86_64")]

mod support;

use oci::runtime::{Action, Arg, Operator, Seccomp, SyscallRule};
use seccomp::{Filter, compile, default_profile};
use support::CAPABILITIES;

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

/// How a child ended that loaded the filter and did `work`: `Ok` with what `work` returned, `Err` with the signal. A
/// child that could not load the filter returns 99.
fn in_child(filter: &Filter, work: impl FnOnce(i64) -> i32) -> Result<i32, i32> {
    let program = libc::sock_fprog { len: filter.len(), filter: filter.as_bytes().as_ptr().cast_mut().cast() };
    // SAFETY: the child calls only what is safe after a fork of a process with threads: system calls and _exit.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: `program` points to a filter that outlives the call.
            let loaded = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    filter.flags().bits(),
                    &raw const program,
                )
            };
            let status = if loaded < 0 { 99 } else { work(loaded) };
            // SAFETY: leaves at once.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `child` is ours and `status` is a place for an int.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(waited, child);
            if libc::WIFEXITED(status) { Ok(libc::WEXITSTATUS(status)) } else { Err(libc::WTERMSIG(status)) }
        }
    }
}

/// The error number of a raw call, 0 when it succeeds.
fn errno_of(number: i64, args: [u64; 3]) -> i32 {
    // SAFETY: the calls made here fail, or read and change nothing of ours.
    unsafe { if libc::syscall(number, args[0], args[1], args[2]) < 0 { *libc::__errno_location() } else { 0 } }
}

#[test]
fn mkdir_fails_with_the_number_of_the_profile() {
    let filter = compile(&profile(Action::Allow, vec![rule("mkdir", Action::Errno, Some(77), vec![])])).unwrap();
    let path = c"/nonexistent/directory".as_ptr() as u64;
    assert_eq!(in_child(&filter, |_| errno_of(libc::SYS_mkdir, [path, 0o700, 0])), Ok(77));
    assert_eq!(in_child(&filter, |_| errno_of(libc::SYS_rmdir, [path, 0, 0])), Ok(libc::ENOENT));
}

#[test]
fn the_default_profile_holds() {
    let filter = compile(&default_profile(&CAPABILITIES)).unwrap();
    for (number, args, expected) in [
        (libc::SYS_getpid, [0; 3], 0),
        (libc::SYS_mount, [0; 3], libc::EPERM),
        (libc::SYS_keyctl, [0; 3], libc::EPERM),
        (libc::SYS_clone3, [0; 3], libc::ENOSYS),
        (1000, [0; 3], libc::ENOSYS),
        (libc::SYS_personality, [0xffff_ffff, 0, 0], 0),
        (libc::SYS_personality, [0x4_0000, 0, 0], libc::EPERM),
        (libc::SYS_socket, [libc::AF_VSOCK as u64, libc::SOCK_STREAM as u64, 0], libc::EPERM),
        (libc::SYS_socket, [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0], 0),
    ] {
        assert_eq!(in_child(&filter, |_| errno_of(number, args)), Ok(expected), "{number}");
    }
}

#[test]
fn killing_kills() {
    let at_index = |index| vec![Arg { index, value: u64::MAX, value_two: 0, op: Operator::Equal }];
    let filter = compile(&profile(Action::Allow, vec![rule("close", Action::KillProcess, None, at_index(0))])).unwrap();
    assert_eq!(in_child(&filter, |_| errno_of(libc::SYS_close, [u64::MAX, 0, 0])), Err(libc::SIGSYS));
    assert_eq!(in_child(&filter, |_| errno_of(libc::SYS_close, [u64::MAX - 1, 0, 0])), Ok(libc::EBADF));
}

#[test]
fn a_rule_with_notify_yields_a_listener() {
    let mut notifying = profile(Action::Allow, vec![rule("mkdir", Action::Notify, None, vec![])]);
    notifying.flags = Some(vec!["SECCOMP_FILTER_FLAG_TSYNC".into(), "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV".into()]);
    let filter = compile(&notifying).unwrap();
    assert!(filter.has_listener());
    let is_open = |fd: i64| errno_of(libc::SYS_fcntl, [fd as u64, libc::F_GETFD as u64, 0]);
    assert_eq!(in_child(&filter, is_open), Ok(0));
}

#[test]
fn the_kernel_takes_every_flag() {
    for flag in ["TSYNC", "LOG", "SPEC_ALLOW"] {
        let mut flagged = profile(Action::Allow, vec![]);
        flagged.flags = Some(vec![format!("SECCOMP_FILTER_FLAG_{flag}")]);
        assert_eq!(in_child(&compile(&flagged).unwrap(), |_| 0), Ok(0), "{flag}");
    }
}

#[test]
fn the_longest_program_is_taken() {
    // Distinct values for one argument of one call: about one instruction each.
    let arg = |value| Arg { index: 0, value, value_two: 0, op: Operator::Equal };
    let rules = (0..3_700).map(|value| rule("close", Action::Errno, Some(55), vec![arg(value + 100_000)])).collect();
    let filter = compile(&profile(Action::Allow, rules)).unwrap();
    assert!(filter.len() > 3_700);
    assert_eq!(in_child(&filter, |_| errno_of(libc::SYS_close, [103_699, 0, 0])), Ok(55));
    assert_eq!(in_child(&filter, |_| errno_of(libc::SYS_close, [103_700, 0, 0])), Ok(libc::EBADF));
}
