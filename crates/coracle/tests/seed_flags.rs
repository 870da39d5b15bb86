//! Each option of `coracle run` by what a user sees of it inside.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;

use rustix::process::Signal;
use serde_json::Value;
use testkit::{Sandbox, requires};
use world::{World, eventually, number};

/// Runs a script with options and asserts its output.
#[track_caller]
fn shows(world: &World, options: &[&str], script: &str, expected: &str) {
    world.sh(options, script).code(0).stdout_is(expected);
}

/// Podman's capabilities of a container, as the five lines of /proc/self/status have them.
const DEFAULT: &str = "00000000800405fb";

#[test]
fn the_environment_is_what_podman_gives_and_what_is_asked_for() {
    requires!(root);
    let world = World::root();
    let seen = world.sh(&["--hostname=box"], "env | grep -vE '^(PWD|SHLVL|_|OLDPWD)=' | sort");
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    seen.code(0).stdout_is(&format!("HOME=/root\nHOSTNAME=box\n{path}\ncontainer=coracle\n"));
    let file = world.sandbox.file("home/env", "# a comment\n\nFROM_FILE=1\nBOTH=file\nPASSED\n");
    let file = format!("--env-file={}", file.display());
    let run = world.invocation(
        &[&file, "-e", "BOTH=flag", "-e", "A=b=c d", "-e", "UNSET"],
        &["host:", "sh", "-c", "echo $FROM_FILE $BOTH \"$A\" $PASSED ${UNSET-none}"],
    );
    run.env("PASSED", "on").ok().stdout_is("1 flag b=c d on none\n");
}

#[test]
fn a_working_directory_is_made_where_it_is_missing() {
    requires!(root);
    let world = World::root();
    shows(&world, &["-w", "/usr/share"], "pwd", "/usr/share\n");
    shows(&world, &["-w", "/made/for/this"], "pwd; stat -c %u .", "/made/for/this\n0\n");
}

#[test]
fn a_user_is_chosen_by_name_and_number_with_its_groups() {
    requires!(root, busybox);
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/root");
    let ids = |user: &str, more: &[&str]| {
        let rootfs = format!("--rootfs={}", rootfs.path().display());
        let options: Vec<&str> = [rootfs.as_str(), "--user", user].into_iter().chain(more.iter().copied()).collect();
        let seen = world.invocation(&options, &["sh", "-c", "echo $(id -u) $(id -g) $(id -G) $HOME"]).ok();
        seen.stdout.trim_end().to_owned()
    };
    assert_eq!(ids("alice", &[]), "1000 1000 1000 29 /home/alice");
    assert_eq!(ids("1000", &[]), "1000 1000 1000 29 /home/alice");
    assert_eq!(ids("alice:tty", &[]), "1000 5 5 /home/alice");
    assert_eq!(ids("12345", &[]), "12345 0 0 /");
    assert_eq!(ids("12345:54321", &["--group-add", "audio", "--group-add", "77"]), "12345 54321 54321 29 77 /");
    assert_eq!(ids(":audio", &[]), "0 29 29 /root");
}

#[test]
fn an_entrypoint_stands_before_the_command() {
    requires!(root);
    let world = World::root();
    world.invocation(&["--entrypoint", "echo"], &["host:", "a", "b"]).ok().stdout_is("a b\n");
    world.invocation(&["--entrypoint", "[\"echo\",\"x y\"]"], &["host:", "a"]).ok().stdout_is("x y a\n");
}

#[test]
fn the_files_of_names_are_the_containers_own() {
    requires!(root);
    let world = World::root();
    let options = ["--hostname=box", "--add-host=db:10.0.0.5", "--dns=9.9.9.9", "--dns-search=example.org"];
    let seen = world.sh(&options, "cat /etc/hostname /etc/resolv.conf; cat /etc/hosts; hostname -i 2>/dev/null");
    seen.code(0).stdout_contains("box\n").stdout_contains("nameserver 9.9.9.9\n").stdout_contains("search example.org");
    seen.stdout_contains("10.0.0.5\tdb").stdout_contains("127.0.0.1");
    // What is written there stays there.
    world.sh(&[], "echo 1.2.3.4 x >>/etc/hosts && echo y >/etc/hostname").code(0);
    assert!(!fs::read_to_string("/etc/hosts").expect("/etc/hosts").contains("1.2.3.4 x"));
}

#[test]
fn volumes_show_the_hosts_files_as_they_are_asked_for() {
    requires!(root);
    let world = World::root();
    let dir = world.sandbox.join("home/shared");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("file"), "content").expect("a file");
    let dir = dir.display();
    shows(&world, &["-v", &format!("{dir}:/v")], "cat /v/file; echo new >/v/new", "content");
    assert!(world.sandbox.join("home/shared/new").exists());
    shows(&world, &["-v", &format!("{dir}:/v:ro")], "echo x 2>/dev/null >/v/x || echo no", "no\n");
    shows(&world, &["-v", &format!("{dir}:/v:O")], "echo x >/v/x && ls /v | wc -l", "3\n");
    assert!(!world.sandbox.join("home/shared/x").exists());
    let mount = format!("type=bind,src={dir},dst=/v,readonly");
    shows(&world, &["--mount", &mount], "echo x 2>/dev/null >/v/x || cat /v/file", "content");
    let file = format!("{dir}/file:/etc/one-file");
    shows(&world, &["-v", &file], "cat /etc/one-file", "content");
}

#[test]
fn memory_is_mounted_with_its_options() {
    requires!(root);
    let world = World::root();
    let options = ["--tmpfs", "/scratch:size=1m,mode=700,noexec", "--shm-size=2m"];
    let script = "stat -f -c %T /scratch; stat -c %a /scratch; df -k /scratch /dev/shm | awk 'NR>1{print $2}'; \
                  grep -c ' /scratch tmpfs .*noexec' /proc/mounts";
    shows(&world, &options, script, "tmpfs\n700\n1024\n2048\n1\n");
    shows(&world, &["--mount", "type=tmpfs,dst=/t,tmpfs-size=64k"], "df -k /t | awk 'NR>1{print $2}'", "64\n");
}

#[test]
fn a_read_only_root_has_memory_where_programs_expect_to_write() {
    requires!(root, busybox);
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/root");
    let script = "for d in / /etc /tmp /run /dev/shm; do (echo >$d/x) 2>/dev/null && echo $d; done; true";
    let run = |options: &[&str], root: &[&str]| {
        let words: Vec<&str> = root.iter().copied().chain(["sh", "-c", script]).collect();
        world.invocation(options, &words).ok().stdout
    };
    let own = format!("--rootfs={}", rootfs.path().display());
    assert_eq!(run(&["--read-only", &own], &[]), "/tmp\n/run\n/dev/shm\n");
    assert_eq!(run(&["--read-only", "--read-only-tmpfs=false", &own], &[]), "/dev/shm\n");
    assert_eq!(run(&["--read-only"], &["host:"]), "/tmp\n/run\n/dev/shm\n");
    assert!(!rootfs.inside("x").exists());
}

#[test]
fn limits_stand_in_the_containers_cgroup() {
    requires!(root, cgroups);
    let world = World::root();
    let options = ["-m=64m", "--memory-swap=96m", "--cpus=0.5", "--cpu-shares=512", "--pids-limit=77"];
    let (running, id) = world.start(&options, "exec sleep 1000");
    let read = |controller: &str, file: &str| {
        let path = world.cgroup(controller, &id).join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
    };
    assert_eq!(read("pids", "pids.max"), "77");
    if requires::cgroup_v2().is_ok() {
        assert_eq!(read("memory", "memory.max"), "67108864");
        assert_eq!(read("memory", "memory.swap.max"), "33554432");
        assert_eq!(read("cpu", "cpu.max"), "50000 100000");
        let weight = number(world.cgroup("cpu", &id).join("cpu.weight"), "");
        assert!((20..100).contains(&weight), "half of the usual weight, of 100: {weight}");
    } else {
        assert_eq!(read("memory", "memory.limit_in_bytes"), "67108864");
        assert_eq!(read("cpu", "cpu.cfs_quota_us"), "50000");
        assert_eq!(read("cpu", "cpu.shares"), "512");
    }
    world.end(running, &id);
}

#[test]
fn a_set_of_cpus_is_all_that_there_is() {
    requires!(root, controller = "cpuset");
    shows(&World::root(), &["--cpuset-cpus=0"], "grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list:\t0\n");
}

#[test]
fn the_limit_of_processes_is_2048_unless_another_is_asked_for() {
    requires!(root, cgroups);
    let world = World::root();
    for (options, expected) in [(&[][..], "2048"), (&["--pids-limit=-1"][..], "max")] {
        let (running, id) = world.start(options, "exec sleep 1000");
        let max = fs::read_to_string(world.cgroup("pids", &id).join("pids.max")).expect("pids.max");
        assert_eq!(max.trim(), expected);
        world.end(running, &id);
    }
}

#[test]
fn resource_limits_are_the_commands() {
    requires!(root);
    let options = ["--ulimit=nofile=64:128", "--ulimit=core=0", "--ulimit=nproc=100"];
    shows(&World::root(), &options, "ulimit -Sn; ulimit -Hn; ulimit -c", "64\n128\n0\n");
}

#[test]
fn devices_are_there_as_far_as_they_are_allowed() {
    requires!(root);
    let world = World::root();
    shows(
        &world,
        &["--device=/dev/null:/dev/hole:w"],
        "echo x >/dev/hole; stat -c %F /dev/hole",
        "character special file\n",
    );
    let nodes = "ls /dev | tr '\\n' ' '";
    let expected = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ";
    shows(&world, &[], nodes, expected);
    // A node that a container makes for itself opens nothing of the machine's.
    let made = world.sh(&["--cap-add=MKNOD"], "mknod /dev/kmsg-too c 1 11 && head -c1 /dev/kmsg-too");
    assert_ne!(made.exit_code(), Some(0), "{made}");
}

#[test]
fn capabilities_are_podmans_eleven_more_or_fewer() {
    requires!(root);
    let world = World::root();
    let sets = "grep -E 'CapBnd|CapEff' /proc/self/status | cut -f2 | tr '\\n' ' '";
    shows(&world, &[], sets, &format!("{DEFAULT} {DEFAULT} "));
    let added = "00000000800425fb";
    shows(&world, &["--cap-add=net_raw"], sets, &format!("{added} {added} "));
    shows(&world, &["--cap-drop=ALL", "--cap-add=CAP_CHOWN"], sets, "0000000000000001 0000000000000001 ");
    shows(&world, &["--user=1234"], sets, &format!("0000000000000000 {DEFAULT} "));
}

#[test]
fn a_ping_needs_no_capability() {
    requires!(root);
    let range = "cat /proc/sys/net/ipv4/ping_group_range | tr '\\t' ' '";
    shows(&World::root(), &["--user=1234:1234"], range, "0 2147483647\n");
    requires!(user_namespaces);
    shows(&World::root_auto(), &["--user=1234:1234"], range, "0 65535\n");
}

#[test]
fn security_options_do_what_they_say() {
    requires!(root);
    let world = World::root();
    let status = "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f2 | tr '\\n' ' '";
    shows(&world, &[], status, "0 2 ");
    shows(&world, &["--security-opt=no-new-privileges"], status, "1 2 ");
    shows(&world, &["--security-opt=seccomp=unconfined"], status, "0 0 ");
    let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}"#;
    let file = format!("--security-opt=seccomp={}", world.sandbox.file("home/profile.json", profile).display());
    let refused = world.sh(&[&file], "mkdir /tmp/x");
    refused.code(1).stderr_contains("not supported");
    // Without a filter of our own the kernel's refusals are seen: unshare(2) of a mount namespace is forbidden by both.
    world.sh(&[], "unshare -m true").code(1);
}

#[test]
fn a_privileged_container_has_all_and_sees_all() {
    requires!(root);
    let world = World::root();
    let ours = fs::read_to_string("/proc/self/status").expect("status");
    let ours = ours.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).expect("CapBnd");
    let script = "grep CapBnd /proc/self/status | cut -f2; grep ^Seccomp: /proc/self/status | cut -f2; \
                  ls /dev | wc -l; grep -c ' /proc/' /proc/mounts; mount -t tmpfs none /mnt && echo mounted";
    let seen = world.sh(&["--privileged"], script);
    let [caps, filter, devices, masks, mounted] = seen.code(0).lines()[..] else { panic!("{seen}") };
    assert_eq!((caps, filter, masks, mounted), (ours, "0", "0", "mounted"));
    assert!(devices.parse::<usize>().is_ok_and(|count| count > 15), "{seen}");
}

#[test]
fn namespaces_of_the_host_are_shared_where_it_is_asked_for() {
    requires!(root);
    let world = World::root();
    for (option, kind) in
        [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup"), ("--network", "net")]
    {
        let ours = fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
        let script = format!("readlink /proc/self/ns/{kind}");
        let own = world.sh(&[], &script);
        assert_ne!(own.code(0).stdout.trim(), ours.to_string_lossy(), "{kind}");
        let shared = world.sh(&[&format!("{option}=host")], &script);
        assert_eq!(shared.code(0).stdout.trim(), ours.to_string_lossy(), "{kind}");
    }
}

#[test]
fn without_a_network_there_is_the_loopback_and_it_is_up() {
    requires!(root);
    for options in [&[][..], &["--network=none"][..]] {
        shows(&World::root(), options, "ls /sys/class/net; cat /sys/class/net/lo/flags", "lo\n0x9\n");
    }
}

#[test]
fn an_init_reaps_orphans_and_passes_signals_on() {
    requires!(root);
    let world = World::root();
    let orphan = "(sleep 0.1 & exec true); sleep 0.5; cat /proc/[0-9]*/stat | grep -c ' Z ' ; cat /proc/1/comm";
    let seen = world.sh(&["--init"], orphan);
    assert_eq!(seen.lines()[0], "0", "{seen}");
    assert_ne!(seen.lines()[1], "sh", "{seen}");
    let (mut running, _) = world.start(&["--init"], "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    running.stdout_until("ready");
    running.kill(Signal::TERM);
    running.wait().code(9);
}

#[test]
fn kernel_parameters_of_its_namespaces_can_be_set() {
    requires!(root);
    let options = ["--sysctl=net.ipv4.ip_forward=1", "--sysctl=kernel.msgmax=4242"];
    shows(&World::root(), &options, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", "1\n4242\n");
}

#[test]
fn what_is_said_of_a_container_is_found_by_inspect() {
    requires!(root);
    let sandbox = Sandbox::new();
    let options = ["run", "--name=told", "-l", "of=test", "--annotation=x.y=z", "--stop-signal=USR1", "--hostname=h"];
    sandbox.coracle(options).args(["host:", "sh", "-c", "exit 5"]).run().code(5);
    let told: Value = serde_json::from_str(&sandbox.run(["inspect", "told"]).code(0).stdout).expect("JSON");
    let told = &told[0];
    assert_eq!(told["Name"].as_str().map(|name| name.trim_start_matches('/')), Some("told"));
    assert_eq!(told["Config"]["Labels"]["of"], "test", "{told:#}");
    assert_eq!(
        told["Config"]["StopSignal"].as_str().map(|name| name.trim_start_matches("SIG")),
        Some("USR1"),
        "{told:#}"
    );
    assert_eq!(told["Config"]["Hostname"], "h", "{told:#}");
    assert_eq!(told["State"]["ExitCode"], 5, "{told:#}");
    assert_eq!(told["State"]["Status"], "exited", "{told:#}");
}

#[test]
fn templates_show_what_is_asked_for() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.coracle(["run", "--name=told", "-l", "of=test"]).args(["host:", "sh", "-c", "exit 5"]).run().code(5);
    let told = |words: &[&str]| sandbox.coracle(words).run();
    told(&["inspect", "-f", "{{.State.ExitCode}} {{index .Config.Labels \"of\"}}", "told"])
        .code(0)
        .stdout_is("5 test\n");
    told(&["inspect", "-f", "{{.State.Nothing}}", "told"]).code(125).stderr_contains("Nothing");
    told(&["ps", "-a", "--format", "{{.Names}}:{{.State}}"]).code(0).stdout_is("told:exited\n");
    let table = "table {{.Names}}\\t{{.State}}\\t{{.ID | len}}";
    let told = told(&["ps", "-a", "--format", table]);
    assert_eq!(told.stdout.lines().next().map(|line| line.split("  ").count() > 1), Some(true), "{told}");
    told.code(0).stdout_contains("NAMES   STATE    12\ntold    exited   12\n");
}

#[test]
fn a_container_is_kept_until_it_is_removed_and_with_rm_not_at_all() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["run", "--rm", "host:", "true"]).code(0);
    sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
    sandbox.run(["run", "--name=kept", "host:", "false"]).code(1);
    sandbox.run(["ps"]).code(0).stdout_lacks("kept");
    sandbox.run(["ps", "-a"]).code(0).stdout_contains("kept").stdout_contains("Exited (1)");
    sandbox.run(["rm", "kept"]).code(0);
    sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
    sandbox.run(["rm", "kept"]).code(1).one_line_error("kept");
}

#[test]
fn one_that_runs_is_removed_by_another_process_only_by_force() {
    requires!(root);
    let world = World::root();
    let (running, id) = world.start(&["--name=busy"], "exec sleep 1000");
    world.sandbox.run(["ps"]).code(0).stdout_contains("busy").stdout_contains("Up");
    world.sandbox.run(["rm", "busy"]).one_line_error("busy").stderr_contains("force");
    world.end(running, &id).code(137);
    eventually("it is gone", || world.sandbox.run(["ps", "-aq"]).stdout.is_empty());
}

#[test]
fn exit_codes_are_the_commands_or_128_and_the_signal() {
    requires!(root);
    let world = World::root();
    for code in [0, 1, 125, 126, 127, 255] {
        world.sh(&[], &format!("exit {code}")).code(code);
    }
    world.sh(&[], "sh -c 'kill -TERM $$'; echo $?").code(0).stdout_is("143\n");
    world.sh(&["--init"], "kill -SEGV $$").code(139);
}
