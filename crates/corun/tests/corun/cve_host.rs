//! The host's own program out of the container's reach: CVE-2019-5736; and nothing of ours where others write: CVE-2019-12439.

use crate::bundle::Bundle;
use std::fs;
use std::os::unix::fs::symlink;
use testkit::{Program, requires};

/// The installed program in a place of this test, and what it was.
struct Installed {
    path: std::path::PathBuf,
    before: Vec<u8>,
}

impl Installed {
    fn new(bundle: &Bundle) -> Self {
        let path = bundle.sandbox.join("bin/corun");
        fs::copy(Program::Corun.path(), &path).unwrap();
        Self { before: fs::read(&path).unwrap(), path }
    }

    fn run(&self, bundle: &Bundle) -> testkit::Outcome {
        let _ = bundle.invocation();
        bundle.sandbox.command(&self.path).args(["run", "--bundle"]).arg(bundle.dir()).arg(&bundle.id).run()
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert!(fs::read(&self.path).unwrap() == self.before, "the installed program has changed");
    }
}

#[test]
fn cve_2019_5736_a_command_that_is_the_runtime_itself_runs_nothing_of_the_hosts() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    let installed = Installed::new(&bundle);
    bundle.rootfs.file("entry", "#!/proc/self/exe\n").mode("entry", 0o755);
    symlink("/proc/self/exe", bundle.rootfs.inside("exe")).unwrap();
    for command in ["/entry", "/proc/self/exe", "/exe"] {
        bundle.command(&[command, "--version"]);
        let outcome = installed.run(&bundle);
        outcome.stdout_lacks("corun version");
        assert_ne!(outcome.exit_code(), Some(0), "{outcome}");
        installed.assert_untouched();
    }
}

#[test]
fn cve_2019_5736_a_second_process_that_waits_for_the_runtimes_exe_can_open_it_never_for_writing() {
    requires!(root, busybox);
    // PID 1 execs /proc/self/exe over and over, which is the program that has set the container up; others try to write
    // to whatever PID 1 runs.
    let mut bundle = Bundle::script(
        "( i=0; while [ $i -lt 300 ]; do i=$((i+1)); for p in /proc/1 /proc/self; do
             readlink $p/exe; ( echo pwned > $p/exe ) 2>/dev/null && echo WROTE; done; done ) &
         wait; exec /proc/self/exe",
    );
    let installed = Installed::new(&bundle);
    bundle.capabilities(&["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"]);
    // busybox itself may be overwritten by its own container, unless it runs.
    let outcome = installed.run(&bundle);
    outcome.stdout_lacks("WROTE").stdout_lacks("corun");
    installed.assert_untouched();
}

#[test]
fn cve_2019_5736_by_the_loader_of_a_dynamic_program() {
    requires!(root, busybox);
    // A script whose interpreter is a script whose interpreter is the runtime: the kernel follows four of them.
    let mut bundle = Bundle::new();
    let installed = Installed::new(&bundle);
    bundle.rootfs.file("one", "#!/proc/self/exe run\n").mode("one", 0o755);
    bundle.rootfs.file("two", "#!/one\n").mode("two", 0o755);
    bundle.command(&["/two"]);
    let outcome = installed.run(&bundle);
    assert_ne!(outcome.exit_code(), Some(0), "{outcome}");
    installed.assert_untouched();
    // And a root whose shell and libraries are all the runtime.
    let mut bundle = Bundle::new();
    let installed = Installed::new(&bundle);
    fs::create_dir_all(bundle.rootfs.inside("lib64")).unwrap();
    for library in ["lib64/ld-linux-x86-64.so.2", "lib64/libc.so.6"] {
        symlink("/proc/self/exe", bundle.rootfs.inside(library)).unwrap();
    }
    fs::copy("/usr/bin/env", bundle.rootfs.inside("dynamic")).unwrap();
    bundle.command(&["/dynamic"]);
    installed.run(&bundle);
    installed.assert_untouched();
}

#[test]
fn while_the_start_goes_on_the_program_in_the_container_is_a_sealed_copy() {
    requires!(root, busybox, package = "strace");
    let bundle = Bundle::new();
    let trace = bundle.sandbox.join("trace");
    let strace = ["strace", "-f", "-e", "trace=execve,execveat,memfd_create,fcntl", "-o", &trace.to_string_lossy()]
        .map(str::to_owned);
    let outcome = bundle.invocation().under(strace).run();
    requires!(that = if outcome.exit_code() == Some(0) { Ok(()) } else { Err("ptrace".to_owned()) });
    let text = fs::read_to_string(&trace).unwrap();
    let executed: Vec<&str> =
        text.lines().filter(|line| line.contains("execve") && !line.contains("resumed")).collect();
    assert_eq!(executed.len(), 3, "corun, the stub, the command: {executed:?}");
    assert!(executed[1].contains("execveat") && executed[1].contains("AT_EMPTY_PATH"), "{executed:?}");
    assert!(text.contains("F_SEAL_WRITE"), "{text}");
}

#[test]
fn cve_2019_12439_nothing_is_made_where_others_could_have_made_it() {
    requires!(root, busybox);
    // With the places that everybody may write to gone, the rest of the machine read-only but for the container's own.
    let bundle = Bundle::script("echo ran");
    let line = bundle.invocation();
    let [own, kept] = [bundle.sandbox.path().to_owned(), std::path::PathBuf::from("/mnt")];
    let program = Program::Corun.path();
    let script = format!(
        "mount -t tmpfs none {1} && mkdir {1}/own && mount --bind {0} {1}/own && cp {2} {1}/corun
        for dir in /tmp /var/tmp /dev/shm /run /home; do mount -t tmpfs -o ro none $dir; done
        exec {1}/corun --root {1}/own/run run --bundle {1}/own/bundle {3}",
        own.display(),
        kept.display(),
        program.display(),
        bundle.id
    );
    drop(line);
    let outcome = testkit::Invocation::new("unshare").args(["--mount", "sh", "-c", &script]).run();
    outcome.code(0).stdout_is("ran\n");
}
