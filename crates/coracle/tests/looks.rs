//! What is seen of a running container from outside: its processes, and what it uses.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::time::Duration;

use testkit::{requires, within};
use world::World;

const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn detached(world: &World, options: &[&str], command: &[&str]) -> String {
    let options: Vec<&str> = ["-d", "--network=none"].into_iter().chain(options.iter().copied()).collect();
    let rest: Vec<&str> = ["host:"].into_iter().chain(command.iter().copied()).collect();
    world.invocation(&options, &rest).ok().stdout.trim_end().to_owned()
}

/// The columns of a table whose cells hold no blanks, by lines.
fn cells(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn top_tells_what_ps_tells_of_the_same_processes() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &["-u", "daemon"], &["sh", "-c", "sleep 1001; true"]);
    world.sandbox.run(["exec", "-d", "-t", &id, "sleep", "1002"]).code(0);
    let top = || world.sandbox.run(["top", &id]).code(0).stdout.clone();
    assert!(within(SOON, || top().lines().any(|line| line.ends_with(" sleep 1001"))), "{}", top());
    let top = top();
    let heading: Vec<&str> = top.lines().next().expect("a heading").split_whitespace().collect();
    assert_eq!(heading, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    let rows = cells(&top);
    assert_eq!(rows.len(), 3, "{top}");
    for row in rows {
        let ps = world.sandbox.command("/usr/bin/ps").args(["-o", "user=,pid=,ppid=,args=", "-p", row[1]]).ok();
        let ps: Vec<&str> = ps.stdout.split_whitespace().collect();
        assert_eq!([&row[..3], &row[7..]].concat(), ps);
    }
    assert!(top.contains("pts/0"), "{top}");
    let aux = world.sandbox.run(["top", &id, "aux"]).code(0).stdout.clone();
    assert!(aux.starts_with("USER") && aux.contains("%MEM") && aux.lines().count() == 4, "{aux}");
    world.sandbox.run(["rm", "-f", &id]).code(0);
    world.sandbox.run(["top", &id]).code(1).one_line_error("no container");
}

#[test]
fn top_has_columns_of_the_containers_own_ids() {
    requires!(root);
    let world = World::root();
    for options in [&[][..], &["--userns=auto"]] {
        let id = detached(&world, options, &["sleep", "1000"]);
        let top = world.sandbox.run(["top", &id, "pid,ppid", "user", "seccomp,capinh,args"]).code(0).stdout.clone();
        assert_eq!(cells(&top), [["1", "0", "root", "filter", "none", "sleep", "1000"]], "{top}");
        let caps = world.sandbox.run(["top", &id, "capeff"]).code(0).stdout.clone();
        assert!(caps.contains("CHOWN,DAC_OVERRIDE") && !caps.contains("SYS_ADMIN"), "{caps}");
        let pid = world.sandbox.run(["inspect", "--format={{.State.Pid}}", &id]).code(0).stdout.clone();
        let host = world.sandbox.run(["top", &id, "hpid"]).code(0).stdout.clone();
        assert_eq!(cells(&host), [[pid.trim()]]);
        world.sandbox.run(["rm", "-f", &id]).code(0);
    }
    let id = detached(&world, &[], &["sleep", "1000"]);
    world.sandbox.run(["top", &id, "pdi"]).code(125).one_line_error("did you mean pid?");
    world.sandbox.run(["top", &id, "-Z"]).code(125).one_line_error("no option of ps");
    world.sandbox.run(["rm", "-f", &id]).code(0);
}

#[test]
fn nothing_of_the_container_is_executed_to_look_at_it() {
    requires!(root, busybox);
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/tree");
    // CVE-2022-1227: programs of these names were once found by the container's root.
    for name in ["ps", "nsenter", "getent", "tar", "sh"] {
        let program = rootfs.inside(&format!("usr/local/bin/{name}"));
        fs::create_dir_all(program.parent().expect("a directory")).expect("the directory");
        fs::write(&program, "#!/bin/busybox sh\n/bin/busybox touch /ran\n").expect("the trojan");
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    }
    let path = rootfs.path().display().to_string();
    let name = "\x1b[31mred\nline";
    let command = ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 1000; true", name];
    let run = world.invocation(&["-d", "--network=none", "--rootfs", &path], &command).ok();
    let id = run.stdout.trim_end().to_owned();
    // The shell and what it runs.
    assert!(within(SOON, || world.sandbox.run(["top", &id]).stdout.lines().count() == 3));
    for (words, count) in [(&["top", &id][..], 3), (&["top", &id, "args"], 3), (&["stats", "--no-stream", &id], 2)] {
        let said = world.sandbox.run(words).code(0).stdout.clone();
        assert!(!said.contains('\x1b') && said.lines().count() == count, "{said:?}");
    }
    world.sandbox.run(["cp", &format!("{id}:/etc"), &world.sandbox.join("home/etc").display().to_string()]).code(0);
    assert!(!rootfs.inside("ran").exists());
    world.sandbox.run(["rm", "-f", &id]).code(0);
}

#[test]
fn an_ordinary_user_sees_his_containers_processes_with_their_ids() {
    requires!(subuid_user, user_namespaces);
    for world in [World::user(), World::single_id()] {
        let id = detached(&world, &[], &["sh", "-c", "sleep 1000; true"]);
        let top = || world.sandbox.run(["top", &id, "pid", "user", "comm"]).code(0).stdout.clone();
        assert!(within(SOON, || top().contains("sleep")));
        let top = top();
        assert_eq!(cells(&top), [["1", "root", "sh"], ["2", "root", "sleep"]], "{top}");
        world.sandbox.run(["stats", "--no-stream", &id]).code(0);
        world.sandbox.run(["rm", "-f", &id]).code(0);
    }
}

#[test]
fn stats_tell_what_the_kernel_counts() {
    requires!(root, cgroups);
    let world = World::root();
    let busy = detached(&world, &["-m", "64m", "--name=busy"], &["sh", "-c", "while :; do :; done"]);
    let idle = detached(&world, &["--name=idle"], &["sleep", "1000"]);
    world.sandbox.run(["create", "--name=unborn", "host:", "true"]).code(0);
    let all = world.sandbox.run(["stats", "--no-stream"]).code(0).stdout.clone();
    let heading = all.lines().next().expect("a heading");
    for word in ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"] {
        assert!(heading.contains(word), "{heading}");
    }
    assert!(all.contains(&busy[..12]) && all.contains(&idle[..12]) && !all.contains("unborn"), "{all}");
    let of = |name: &str, field: &str| {
        let format = format!("--format={{{{.{field}}}}}");
        world.sandbox.run(["stats", "--no-stream", &format, name]).code(0).stdout.trim_end().to_owned()
    };
    let cpu = |name: &str| of(name, "CPUPerc").trim_end_matches('%').parse::<f64>().expect("a number");
    assert!(cpu("busy") > 10.0 && cpu("idle") < 5.0);
    assert!(of("busy", "MemUsage").ends_with(" / 64MiB"));
    assert_eq!([of("busy", "PIDs"), of("busy", "NetIO")], ["1", "0B / 0B"]);
    let every = world.sandbox.run(["stats", "--no-stream", "-a", "--format=json"]).code(0).stdout.clone();
    let rows: Vec<serde_json::Value> = every.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows.iter().find(|row| row["Name"] == "unborn").expect("it")["CPUPerc"], "--");
    let mut running = world.sandbox.coracle(["stats", "--no-reset", "idle"]).spawn();
    running.stdout_until("PIDS");
    world::eventually("the second look", || running.stdout().matches("idle").count() >= 2);
    running.kill(rustix::process::Signal::INT);
    running.wait();
    for name in ["busy", "idle", "unborn"] {
        world.sandbox.run(["rm", "-f", name]).code(0);
    }
}
