//! The program itself: what it says without a container, and what it costs.

use testkit::{Invocation, Program, requires};

#[test]
fn the_version_is_told_in_one_line_that_says_version() {
    let outcome = Invocation::new(Program::Corun.path()).arg("--version").ok();
    assert!(outcome.stdout.starts_with("corun version "), "{outcome}");
    assert_eq!(outcome.stdout.matches("version").count(), 1, "dockerd keeps the last line with that word");
}

#[test]
fn bad_arguments_are_told_with_the_way_to_help() {
    let corun = |args: &[&str]| Invocation::new(Program::Corun.path()).args(args).run();
    corun(&[]).code(0).stdout_contains("Usage:");
    corun(&["fly", "x"]).code(1).stderr_contains("fly");
    corun(&["run", "--nosuch", "x"]).code(1).stderr_contains("--nosuch");
    corun(&["run", "../../etc"]).code(1).stderr_contains("container ID");
    corun(&["run", "--preserve-fds", "many", "x"]).code(1).stderr_contains("many");
}

#[test]
fn the_help_begins_with_the_name_as_runcs_does() {
    let dir = tempfile::tempdir().unwrap();
    let runc = dir.path().join("runc");
    std::os::unix::fs::symlink(Program::Corun.path(), &runc).unwrap();
    let told = |args: &[&str]| Invocation::new(&runc).args(args).ok().stdout.clone();
    assert!(told(&["-h"]).starts_with("NAME:\n   runc - Open Container Initiative runtime"));
    assert!(told(&["update", "--help"]).starts_with("NAME:\n   runc update - "));
    Invocation::new(&runc).args(["foo", "-h"]).run().code(1).stderr_contains("No help topic for 'foo'");
}

#[test]
fn the_released_program_is_small() {
    let path = Program::Corun.path();
    let debug = std::fs::read(&path).unwrap().windows(12).any(|bytes| bytes == b".debug_info\0");
    requires!(that = if debug { Err("the released program (CORUN_BIN)".to_owned()) } else { Ok(()) });
    let size = std::fs::metadata(&path).unwrap().len();
    // The gnu target carries glibc, musl's 1.6 MB are held by the build.
    assert!(size <= 2_200_000, "{size} bytes");
}

#[test]
fn telling_the_version_takes_few_system_calls() {
    requires!(package = "strace");
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let strace = ["strace", "-f", "-o", &trace.to_string_lossy()].map(str::to_owned);
    let outcome = Invocation::new(Program::Corun.path()).arg("--version").under(strace).run();
    requires!(that = if outcome.exit_code() == Some(0) { Ok(()) } else { Err("ptrace".to_owned()) });
    let calls = std::fs::read_to_string(&trace).unwrap().lines().count();
    // A static musl program has 20, a dynamic glibc one 60.
    assert!(calls <= 100, "{calls} system calls");
}
