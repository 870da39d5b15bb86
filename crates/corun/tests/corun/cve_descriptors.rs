//! File descriptors of the host that leak: CVE-2016-9962, CVE-2024-21626.

use crate::bundle::Bundle;
use testkit::requires;

/// What the command has open, by the numbers: `ls` itself opens one more for the directory.
const LIST: &str = "ls /proc/self/fd | tr '\\n' ' '";

#[test]
fn cve_2024_21626_at_exec_the_command_has_its_standard_streams_and_nothing_else() {
    requires!(root, busybox);
    let mut bundle = Bundle::script(LIST);
    bundle.ok().stdout_is("0 1 2 3 ");
    bundle.user_namespace();
    bundle.ok().stdout_is("0 1 2 3 ");
    bundle.set("/process/user/uid", 1000);
    bundle.ok().stdout_is("0 1 2 3 ");
}

#[test]
fn cve_2024_21626_what_the_caller_has_open_does_not_come_along() {
    requires!(root, busybox);
    let bundle = Bundle::script(LIST);
    let open = ["sh", "-c", "exec \"$@\" 3</ 4</etc/passwd 8</proc 9</tmp", "sh"];
    bundle.run_as(bundle.invocation().under(open)).code(0).stdout_is("0 1 2 3 ");
}

#[test]
fn cve_2024_21626_no_number_of_a_descriptor_is_a_working_directory() {
    requires!(root, busybox);
    for n in 0..64 {
        for form in [format!("/proc/self/fd/{n}"), format!("/proc/self/fd/{n}/../../.."), format!("/proc/1/fd/{n}/..")]
        {
            let mut bundle = Bundle::script("pwd; cat etc/shadow");
            bundle.set("/process/cwd", form.as_str());
            // Our own standard input is a directory of the host here: also number 0 must not lead there.
            let line = bundle.invocation().under(["sh", "-c", "exec \"$@\" </", "sh"]);
            let outcome = line.run();
            outcome.code(1).stdout_is("");
        }
    }
}

#[test]
fn cve_2024_21626_no_number_of_a_descriptor_is_a_command() {
    requires!(root, busybox);
    for n in 0..64 {
        let mut bundle = Bundle::new();
        bundle.command(&[&format!("/proc/self/fd/{n}"), "--version"]);
        let outcome = bundle.invocation().run();
        outcome.code(1).stdout_is("");
    }
}

#[test]
fn a_working_directory_by_a_link_to_a_descriptor_is_refused_as_well() {
    requires!(root, busybox);
    for n in 0..16 {
        let mut bundle = Bundle::new();
        std::os::unix::fs::symlink(format!("/proc/self/fd/{n}"), bundle.rootfs.inside("work")).unwrap();
        bundle.set("/process/cwd", "/work");
        bundle.invocation().under(["sh", "-c", "exec \"$@\" </", "sh"]).run().code(1).stdout_is("");
    }
}

#[test]
fn preserved_descriptors_arrive_and_no_other_does() {
    requires!(root, busybox);
    let bundle = Bundle::script("cat <&3; cat <&4; ls /proc/self/fd | tr '\\n' ' '");
    bundle.sandbox.file("three", "three\n");
    bundle.sandbox.file("four", "four\n");
    let line = bundle.invocation_with(&["--preserve-fds", "2"]);
    let open = format!("exec \"$@\" 3<{0}/three 4<{0}/four 5</ 6</", bundle.sandbox.path().display());
    let outcome = bundle.run_as(line.under(["sh", "-c", &open, "sh"]));
    outcome.code(0).stdout_is("three\nfour\n0 1 2 3 4 5 ");
}

#[test]
fn asking_to_preserve_what_is_not_open_is_refused() {
    requires!(root, busybox);
    // Else the numbers would name what the runtime itself opens: the host's procfs, mounts, cgroups.
    let bundle = Bundle::script(LIST);
    for (count, open) in [("1", ""), ("3", "3</dev/null"), ("40", "3</dev/null 4</dev/null")] {
        let line = bundle.invocation_with(&["--preserve-fds", count]);
        let outcome = bundle.run_as(line.under(["sh", "-c", &format!("exec \"$@\" {open}"), "sh"]));
        outcome.code(1).stdout_is("").stderr_contains("is not open");
    }
    bundle.run_as(bundle.invocation_with(&["--preserve-fds", "4294967295"])).code(1).stdout_is("");
}

/// Tries to get hold of whatever process turns up in its PID namespace. The command itself, which a name may turn into
/// at any time, is everybody's to look at: what tells the start from it are descriptors and a root of the host.
fn spy(mark: &str) -> String {
    format!(
        "echo up; while :; do for p in /proc/[0-9]*; do
            [ $p = /proc/1 ] || [ $p = /proc/$$ ] && continue
            read -r name < $p/comm || continue
            case $name in sh|readlink|head|ls) continue;; esac
            [ -e $p/root/{mark} ] && echo GOT root
            for fd in $p/fd/*; do to=$(readlink $fd) || continue
                case $to in pipe:*|/dev/null|/bin*) ;; *) echo GOT $fd $to;; esac; done
            echo SAW $name
        done 2>/dev/null; done"
    )
}

/// What a spy has got while starts join these namespaces of its container.
fn spied(mut host: Bundle, join: &[(&str, &str)]) -> testkit::Outcome {
    let mark = host.dir().to_string_lossy().into_owned();
    host.command(&["sh", "-c", &spy(&mark)]);
    let mut running = host.invocation().spawn();
    running.stdout_until("up");
    let corun = running.pid();
    let children = std::fs::read_to_string(format!("/proc/{corun}/task/{corun}/children")).unwrap();
    let pid = children.trim();
    let mut bundle = Bundle::new();
    bundle.without_mount("/sys/fs/cgroup").unset("/linux/cgroupsPath");
    for (kind, file) in join {
        bundle.namespace(kind, Some(&format!("/proc/{pid}/ns/{file}")));
    }
    for _ in 0..25 {
        bundle.invocation().run().code(0);
    }
    running.kill(rustix::process::Signal::KILL);
    running.wait()
}

#[test]
fn cve_2016_9962_who_is_in_the_joined_pid_namespace_gets_no_hold_on_the_start() {
    requires!(root, busybox);
    let seen = spied(Bundle::new(), &[("pid", "pid")]);
    seen.stdout_contains("SAW memfd").stdout_lacks("GOT");
}

#[test]
fn cve_2016_9962_nor_does_who_may_trace_in_the_joined_user_namespace() {
    requires!(root, busybox);
    let mut host = Bundle::new();
    host.user_namespace().capabilities(&["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"]);
    let seen = spied(host, &[("user", "user"), ("pid", "pid")]);
    seen.stdout_contains("SAW").stdout_lacks("GOT");
}

#[test]
fn a_standard_stream_that_is_closed_stays_harmless() {
    requires!(root, busybox);
    let bundle = Bundle::script("ls -l /proc/self/fd");
    for closed in ["<&-", "2>&-", "<&- 2>&-"] {
        let line = bundle.invocation().under(["sh", "-c", &format!("exec \"$@\" {closed}"), "sh"]);
        let outcome = line.run();
        // Whatever stands in its place, it is nothing that leads into the host.
        for word in ["memfd", "coracle", "/proc", "cgroup", "socket"] {
            let lines = outcome.lines();
            let leaks = lines
                .iter()
                .filter(|line| line.contains("->"))
                .filter(|line| line.split("->").nth(1).unwrap().contains(word));
            let own = |line: &&&str| line.contains("/fd") && line.contains("/proc/");
            assert_eq!(leaks.filter(|line| !own(line)).count(), 0, "{closed}: {outcome}");
        }
    }
}
