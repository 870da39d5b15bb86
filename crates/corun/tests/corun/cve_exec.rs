//! Attacks on the process that enters a running container: CVE-2016-3697, CVE-2019-5736, CVE-2019-16884,
//! CVE-2022-29162, CVE-2022-27650, CVE-2024-21626, CVE-2024-40635, CVE-2025-27612, CVE-2025-52881, CVE-2026-30892, and
//! crun's way out of the container's cgroup.

use crate::bundle::{Bundle, field};
use crate::container::{Container, SLEEP};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use testkit::{Program, requires};

#[test]
fn cve_2016_3697_a_number_is_never_looked_up_as_a_name() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("id -u; id -g");
    let passwd = "1000:x:0:0:root:/root:/bin/sh\nroot:x:0:0::/root:/bin/sh\n4242:x:0:0::/root:/bin/sh\n";
    bundle.rootfs.file("etc/passwd", passwd).file("etc/group", "1000:x:0:\n");
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    bundle.ok().stdout_is("1000\n1000\n");
    bundle.command(&["sh", "-c", SLEEP]);
    let container = Container::running(bundle);
    for user in ["1000", "4242:4242"] {
        let uid = user.split(':').next().unwrap();
        let outcome = container.exec_with(&["--user", user], &["sh", "-c", "grep -E '^[UG]id' /proc/self/status"]).ok();
        outcome
            .stdout_contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n"))
            .stdout_contains(&format!("Gid:\t{uid}"));
    }
    container.exec_with(&["--user", "root"], &["id"]).run().code(255).stdout_is("").one_line_error("root");
}

/// Words for a user, and what the process then is; none is refused.
pub const USERS: [(&str, Option<&str>); 14] = [
    ("1", Some("1 0")),
    ("1:2", Some("1 2")),
    ("0:5", Some("0 5")),
    ("4294967294:4294967294", Some("4294967294 4294967294")),
    ("4294967295", None),
    ("4294967296", None),
    ("4294967297:0", None),
    ("18446744073709551617", None),
    ("-1", None),
    ("1x", None),
    ("0x1", None),
    ("", None),
    (":3", None),
    ("1:", None),
];

#[test]
fn cve_2026_30892_what_is_no_id_is_nobody_and_least_of_all_root() {
    requires!(root, busybox);
    let container = Container::sleeping();
    for (word, expected) in USERS {
        let script =
            "while read -r name id rest; do case $name in Uid:|Gid:) echo -n \"$id \";; esac; done < /proc/self/status";
        let outcome = container.exec_with(&["--user", word], &["sh", "-c", script]).run();
        match expected {
            Some(ids) => {
                assert_eq!(outcome.stdout.trim_end(), ids, "{word}: {outcome}");
            }
            None => {
                outcome.code(255).stdout_is("").one_line_error("--user");
            }
        }
    }
    for word in ["-1", "4294967295", "4294967296", "1x", "", "5,,6"] {
        let outcome = container.exec_with(&["--additional-gids", word], &["id"]).run();
        outcome.code(255).stdout_is("").one_line_error("--additional-gids");
    }
}

#[test]
fn cve_2024_40635_ids_beyond_32_bits_are_refused_in_every_file() {
    requires!(root, busybox);
    let container = Container::sleeping();
    for id in ["4294967295", "4294967296", "18446744073709551616", "-1", "1.5", "\"1\"", "1e9999"] {
        for place in [
            r#""user":{"uid":ID,"gid":0}"#,
            r#""user":{"uid":0,"gid":ID}"#,
            r#""user":{"uid":1,"additionalGids":[ID]}"#,
        ] {
            let text = format!(r#"{{"args":["id"],"cwd":"/",{}}}"#, place.replace("ID", id));
            let file = container.bundle.sandbox.file("process.json", &text);
            let words = ["exec", "--process", &file.to_string_lossy(), &container.bundle.id];
            container.corun(&words).run().code(255).stdout_is("").one_line_error("");
            let bundle = Bundle::new();
            let line = bundle.invocation();
            let config = bundle.spec.to_string().replace(r#""user":{"gid":0,"uid":0}"#, &place.replace("ID", id));
            assert!(config.contains(id), "{config}");
            bundle.sandbox.file("bundle/config.json", config);
            bundle.run_as(line).code(1).one_line_error("");
        }
    }
}

#[test]
fn cve_2022_29162_no_process_has_inheritable_capabilities() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let process = json!({ "args": ["cat", "/proc/self/status"], "cwd": "/", "env": ["PATH=/bin"],
        "capabilities": { "bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"] } });
    let file = container.bundle.sandbox.file("process.json", process.to_string());
    let status = |options: &[&str]| container.exec_with(options, &["cat", "/proc/self/status"]).ok().stdout;
    let all = [
        status(&[]),
        status(&["--cap", "CAP_NET_RAW"]),
        status(&["--cap", "CAP_NET_RAW", "--user", "1000:1000"]),
        container.corun(&["exec", "--process", &file.to_string_lossy(), &container.bundle.id]).ok().stdout,
    ];
    for text in &all {
        assert_eq!(field(text, "CapInh"), "0000000000000000", "{text}");
        assert_eq!(field(text, "CapAmb"), "0000000000000000", "{text}");
    }
    // CVE-2025-27612: nothing more than asked for, in the bounding set neither.
    assert_eq!(field(&all[3], "CapBnd"), "0000000000000001");
    assert_eq!(field(&all[2], "CapEff"), "0000000000000000", "an ordinary user's execve drops them");
}

/// The installed program in a place of the test's own.
fn installed(container: &Container) -> (std::path::PathBuf, Vec<u8>) {
    let path = container.bundle.sandbox.join("bin/corun");
    fs::copy(Program::Corun.path(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn cve_2019_5736_a_command_that_is_the_runtime_itself_runs_nothing_of_the_hosts() {
    requires!(root, busybox);
    for user_namespace in [false, true] {
        let mut bundle = Bundle::script(SLEEP);
        let rootfs = &bundle.rootfs;
        rootfs.file("entry", "#!/proc/self/exe\n").mode("entry", 0o755).file("two", "#!/entry\n").mode("two", 0o755);
        symlink("/proc/self/exe", rootfs.inside("exe")).unwrap();
        fs::create_dir_all(rootfs.inside("lib64")).unwrap();
        for library in ["lib64/ld-linux-x86-64.so.2", "lib64/libc.so.6"] {
            symlink("/proc/self/exe", rootfs.inside(library)).unwrap();
        }
        fs::copy("/usr/bin/env", rootfs.inside("dynamic")).unwrap();
        if user_namespace {
            bundle.user_namespace();
        }
        let container = Container::running(bundle);
        let (program, before) = installed(&container);
        let run = container.bundle.sandbox.runroot();
        for command in ["/entry", "/two", "/proc/self/exe", "/exe", "/dynamic"] {
            let line = container.bundle.sandbox.command(&program).arg("--root").arg(&run);
            let line = line.args(["exec", "-e", "LD_PRELOAD=/proc/self/exe", "-e", "LD_LIBRARY_PATH=/lib64"]);
            let outcome = line.args([&container.bundle.id, command, "--version"]).run();
            outcome.stdout_lacks("corun version");
            assert_ne!(outcome.exit_code(), Some(0), "{outcome}");
            assert!(fs::read(&program).unwrap() == before, "the installed program has changed");
        }
    }
}

#[test]
fn cve_2019_5736_who_waits_for_the_entering_process_cannot_write_to_its_program() {
    requires!(root, busybox);
    // The first process keeps trying to open whatever others run; some of them are the stub.
    let script = "echo up; while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] && continue
        ( echo pwned >> $p/exe ) 2>/dev/null && echo WROTE $(readlink $p/exe); done; done";
    let mut bundle = Bundle::script(script);
    bundle.capabilities(&["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"]);
    // Its own programs run, so nobody can write to them.
    let container = Container::running(bundle);
    container.says("up");
    let (program, before) = installed(&container);
    for _ in 0..100 {
        let line = container.bundle.sandbox.command(&program).arg("--root").arg(container.bundle.sandbox.runroot());
        line.args(["exec", &container.bundle.id, "true"]).run().code(0);
    }
    assert!(!container.output().contains("WROTE"), "{}", container.output());
    assert!(fs::read(&program).unwrap() == before, "the installed program has changed");
}

#[test]
fn cve_2024_21626_no_number_of_a_descriptor_is_a_working_directory_or_a_command() {
    requires!(root, busybox);
    let container = Container::sleeping();
    let id = container.bundle.id.as_str();
    // Our own standard input is a directory of the host here: also number 0 must not lead there.
    let open = |line: testkit::Invocation| line.under(["sh", "-c", "exec \"$@\" </", "sh"]).run();
    for n in 0..64 {
        for cwd in [format!("/proc/self/fd/{n}"), format!("/proc/self/fd/{n}/../../.."), format!("/proc/1/fd/{n}/..")] {
            let outcome = open(container.corun(&["exec", "--cwd", &cwd, id, "sh", "-c", "pwd; cat etc/shadow"]));
            outcome.code(255).stdout_is("");
        }
        for command in [format!("/proc/self/fd/{n}"), format!("/proc/self/fd/{n}/bin/sh")] {
            open(container.corun(&["exec", id, &command, "--version"])).code(255).stdout_is("");
        }
        symlink(format!("/proc/self/fd/{n}"), container.bundle.rootfs.inside(&format!("work{n}"))).unwrap();
        open(container.corun(&["exec", "--cwd", &format!("/work{n}"), id, "pwd"])).code(255).stdout_is("");
    }
}

#[test]
fn cve_2024_21626_at_exec_there_are_the_standard_streams_and_nothing_else() {
    requires!(root, busybox);
    for user_namespace in [false, true] {
        let mut bundle = Bundle::script(SLEEP);
        if user_namespace {
            bundle.user_namespace();
        }
        let container = Container::running(bundle);
        let list = ["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; ls -l /proc/self/fd"];
        let words = ["sh", "-c", "exec \"$@\" 3</ 4</etc/passwd 8</proc 9</tmp", "sh"];
        for options in [&[][..], &["-u", "1000:1000"]] {
            let outcome = container.exec_with(options, &list).under(words).run();
            assert!(outcome.code(0).stdout.starts_with("0 1 2 3 "), "{outcome}");
            for word in ["memfd", "coracle", "cgroup", "socket"] {
                outcome.stdout_lacks(word);
            }
        }
    }
}

#[test]
fn the_way_out_of_the_containers_cgroup_is_closed() {
    requires!(root, busybox, cgroup_v1);
    let container = Container::sleeping();
    let id = container.bundle.id.as_str();
    let exec = |choices: &[&str]| {
        let words = choices.iter().flat_map(|choice| ["--cgroup", *choice]);
        container.corun(&["exec"]).args(words).args([id, "cat", "/proc/self/cgroup"]).run()
    };
    let climbing = ["..", "../..", "../../..", "/..", "a/../..", "memory:..", "memory:/../..", "cpu:../x"];
    for choice in climbing {
        exec(&[choice]).code(255).stdout_is("").one_line_error("bad sub cgroup path");
    }
    exec(&["nonexistent"]).code(255).one_line_error("adding pid").stderr_contains("no such file or directory");
    exec(&["memory:nonexistent"]).code(255).one_line_error("no such file or directory");
    exec(&["flies:/"]).code(255).one_line_error("unknown controller");
    exec(&["memory:/", "pids"]).code(255).one_line_error("lacks controllers");
    // What is below is entered, by the host's own view of it.
    let sub = std::path::PathBuf::from(format!("/sys/fs/cgroup/memory/{id}/sub"));
    fs::create_dir(&sub).unwrap();
    let file = container.bundle.sandbox.join("pid");
    let words = ["--detach", "--cgroup", "memory:sub", "--pid-file", &file.to_string_lossy()];
    container.apart(container.exec_with(&words, &["sleep", "1000"])).run().code(0);
    let pid = fs::read_to_string(&file).unwrap();
    let where_it_is = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(where_it_is.contains(&format!(":memory:/{id}/sub\n")), "{where_it_is}");
    assert!(where_it_is.contains(&format!(":pids:/{id}\n")), "{where_it_is}");
    exec(&["/"]).code(0);
    // A container that may write its cgroup plants no link there: cgroupfs has none.
}

#[test]
fn cve_2025_52881_what_exec_writes_to_procfs_goes_to_the_hosts_own() {
    requires!(root, busybox);
    // The container mounts what it likes over the files that a careless runtime writes, in its own view.
    let script = "for f in oom_score_adj attr/exec attr/current attr/apparmor/exec loginuid uid_map gid_map setgroups; do
        mount --bind /bait /proc/self/$f 2>/dev/null; done; mount -t tmpfs fake /proc 2>/dev/null && mkdir -p /proc/self/attr /proc/1 \
        && echo fake > /proc/self/oom_score_adj && echo up; while :; do sleep 0.1; done";
    for user_namespace in [false, true] {
        let mut bundle = Bundle::script(script);
        bundle.rootfs.file("bait", "bait\n");
        bundle.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
        if user_namespace {
            bundle.user_namespace();
        }
        bundle.capabilities(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SETGID"]);
        let container = Container::running(bundle);
        container.says("up");
        let file = container.bundle.sandbox.join("pid");
        let process = json!({ "args": ["sleep", "1000"], "cwd": "/", "env": ["PATH=/bin"], "oomScoreAdj": 321 });
        let json = container.bundle.sandbox.file("process.json", process.to_string());
        let words = ["exec", "--detach", "--pid-file", &file.to_string_lossy(), "--process", &json.to_string_lossy()];
        container.apart(container.corun(&words).arg(&container.bundle.id)).run().code(0);
        let pid = fs::read_to_string(file).unwrap();
        assert_eq!(fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap(), "321\n");
        container.exec(&["cat", "/proc/self/oom_score_adj", "/bait"]).ok().stdout_is("fake\nbait\n");
    }
}

#[test]
fn cve_2019_16884_a_label_that_cannot_be_put_in_force_is_an_error() {
    requires!(root, busybox);
    let apparmor = fs::exists("/sys/kernel/security/apparmor").unwrap_or(false);
    requires!(that = if apparmor { Err("a kernel without AppArmor".to_owned()) } else { Ok(()) });
    // With a false /proc in the container, where a runtime's write would seem to succeed.
    let script =
        "mount -t tmpfs fake /proc && mkdir -p /proc/self/attr/apparmor && touch /proc/self/attr/exec && echo up
        while :; do sleep 0.1; done";
    let mut bundle = Bundle::script(script);
    bundle.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([])).capabilities(&["CAP_SYS_ADMIN"]);
    let container = Container::running(bundle);
    container.says("up");
    container.exec_with(&["--apparmor", "some-profile"], &["echo", "ran"]).run().code(255).stdout_is("");
    container.exec_with(&["--process-label", "a_u:b_r:c_t:s0"], &["echo", "ran"]).run().code(255).stdout_is("");
}

#[test]
fn cve_2021_43784_what_is_longer_than_16_bits_can_tell_arrives_whole_or_is_refused() {
    requires!(root, busybox);
    let long = "x".repeat(100_000);
    let script = "echo ${#A} ${#B} ${#1}; readlink /proc/self/ns/user";
    let mut bundle = Bundle::new();
    bundle.set("/process/args", json!(["sh", "-c", script, "sh", long]));
    bundle.set("/process/env", json!(["PATH=/bin", format!("A={long}"), format!("B={long}")]));
    let outcome = bundle.ok();
    assert!(outcome.stdout.starts_with("100000 100000 100000\n"), "{outcome}");
    // More maps than the kernel takes, whose last would make root the host's root.
    let mut bundle = Bundle::script("echo ran");
    bundle.user_namespace();
    let mut maps: Vec<_> =
        (1..5000).map(|n| json!({ "containerID": n * 2, "hostID": 200_000 + n * 2, "size": 1 })).collect();
    maps.push(json!({ "containerID": 0, "hostID": 0, "size": 1 }));
    bundle.set("/linux/uidMappings", json!(maps));
    bundle.run().code(1).stdout_is("");
    let mut bundle = Bundle::script("echo ran");
    bundle.namespace("pid", Some(&format!("/{}/../proc/self/ns/pid", "x".repeat(70_000))));
    bundle.run().code(1).stdout_is("");
    let container = Container::sleeping();
    let count = ["sh", "-c", "echo ${#A}"];
    container.exec_with(&["-e", &format!("A={long}")], &count).ok().stdout_is("100000\n");
}
