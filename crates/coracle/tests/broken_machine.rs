//! Broken machines, and what is asked of them that they have not: each is made for real, and the remedy followed. What is
//! wrong with commands and files is in `broken.rs`.

#![forbid(unsafe_code)]

#[path = "broken/followed.rs"]
mod followed;
mod machine;
#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use followed::Said;
use machine::Neighbour;
use testkit::{Invocation, Outcome, Sandbox, User, requires, within};
use world::World;

const SOON: Duration = Duration::from_secs(10);

/// A user's sandbox in which his ids are changed, with a busybox root.
struct Ids {
    sandbox: Sandbox,
    rootfs: String,
}

impl Ids {
    fn of(user: &User) -> Self {
        let sandbox = Sandbox::of(user);
        let rootfs = sandbox.rootfs("home/root").path().display().to_string();
        machine::own_copies_of(&["/etc", "/usr/bin"]);
        Self { sandbox, rootfs }
    }

    fn run(&self) -> Outcome {
        self.sandbox.run(["run", "--rm", "-u", "1000", "--rootfs", &self.rootfs, "id", "-u"])
    }
}

#[test]
fn a_user_without_subordinate_ids_gets_them() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let ids = Ids::of(&User::without_subuids());
    let said = Said::of(ids.run(), 125, &["--user", "/etc/subuid has no line for coracle-plain"]);
    said.follow();
    ids.run().code(0).stdout_is("1000\n");
}

#[test]
fn a_range_that_is_too_short_is_made_longer() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let ids = Ids::of(&User::with_subuids());
    for file in ["/etc/subuid", "/etc/subgid"] {
        fs::write(file, "coracle-test:300000:100\n").expect("another range");
    }
    let said = Said::of(ids.run(), 125, &["--user", "/etc/subuid gives coracle-test 100 ids"]);
    said.follow();
    ids.run().code(0).stdout_is("1000\n");
}

#[test]
fn ranges_with_ids_in_common_are_both_named() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let ids = Ids::of(&User::with_subuids());
    let lines = "coracle-test:300000:65536\ncoracle-test:310000:65536\n";
    fs::write("/etc/subuid", lines).expect("other ranges");
    let both = "coracle-test:300000:65536 and coracle-test:310000:65536";
    let said = Said::of(ids.run(), 125, &["in /etc/subuid have ids in common", both]);
    said.follow();
    ids.run().code(0).stdout_is("1000\n");
}

#[test]
fn a_helper_that_is_not_installed_is_named() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let ids = Ids::of(&User::with_subuids());
    fs::rename("/usr/bin/newuidmap", "/usr/bin/newuidmap.away").expect("another name");
    let said = Said::of(ids.run(), 125, &["newuidmap is not installed", "/etc/subuid"]);
    assert!(said.remedy().starts_with("install the package uidmap"), "{}", said.0);
    fs::rename("/usr/bin/newuidmap.away", "/usr/bin/newuidmap").expect("its name");
    ids.run().code(0).stdout_is("1000\n");
}

#[test]
fn a_helper_without_rights_gets_them_by_what_is_said() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let ids = Ids::of(&User::with_subuids());
    fs::set_permissions("/usr/bin/newgidmap", fs::Permissions::from_mode(0o755)).expect("a mode");
    let said = Said::of(ids.run(), 125, &["/usr/bin/newgidmap has mode 0755", "set-user-ID"]);
    said.follow();
    ids.run().code(0).stdout_is("1000\n");
}

#[test]
fn a_limit_on_user_namespaces_is_raised_by_what_is_said() {
    requires!(root, subuid_user, user_namespaces);
    let sandbox = Sandbox::of(&User::with_subuids());
    let said = sandbox.join("said");
    // The limit is that of a user namespace which is otherwise like the machine's own, so that nobody else has it.
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces
         \"$@\" 2>{said}; test $? = 125
         sh -ec \"$(sed 's/.*(//; s/).*//' {said})\" >&2
         \"$@\"",
        said = said.display()
    );
    let run = sandbox.coracle(["run", "--rm", "host:", "echo", "ran"]);
    // Who executes something before he is anybody has no capabilities, and gets them with the next program.
    let mapped = "until grep -q 4294967295 /proc/self/gid_map; do sleep 0.05; done; exec \"$@\"";
    let running = run.above(["unshare", "--user", "sh", "-c", mapped, "sh", "sh", "-c", &script, "sh"]).spawn();
    let apart = || fs::read_to_string(format!("/proc/{}/comm", running.pid())).is_ok_and(|name| name == "sh\n");
    assert!(within(SOON, apart), "it is in its namespace");
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", running.pid()), "0 0 4294967295").expect("a map");
    }
    running.wait().code(0).stdout_is("ran\n");
    let said = fs::read_to_string(said).expect("what was said");
    assert!(said.contains("user.max_user_namespaces is 0"), "{said}");
}

#[test]
fn a_port_that_a_process_has_is_free_once_that_has_ended() {
    requires!(root, package = "ip", package = "python3");
    let world = machine::World::new();
    let server = Invocation::new("python3").args(["-m", "http.server", "8080"]).spawn();
    assert!(within(SOON, || machine::get("http://127.0.0.1:8080/").is_some()), "it serves");
    let run = || world.run("run --rm -p 8080:80 host: true");
    let process = format!("(process {})", server.pid());
    let said = Said::of(run(), 125, &["port 8080/tcp", "-m http.server 8080", &process]);
    assert!(said.remedy().contains("end that"), "{}", said.0);
    Invocation::new("kill").args(["-9", &server.pid().to_string()]).ok();
    server.wait();
    run().code(0);
    // Or another port, as is said, too.
    world.run("run --rm -p 8081:80 host: true").code(0);
}

#[test]
fn a_port_that_a_container_has_names_the_container() {
    requires!(root, package = "ip");
    let world = machine::World::new();
    world.run("run -d --name first -p 8080:80 host: sleep 1000").code(0);
    let said = Said::of(world.run("run --rm -p 8080:80 host: true"), 125, &["port 8080/tcp", "first"]);
    assert!(said.remedy().contains("end that"), "{}", said.0);
    world.run("rm -f first").code(0);
    world.run("run --rm -p 8080:80 host: true").code(0);
    Said::of(
        world.run("run --rm -p 203.0.113.1:8080:80 host: true"),
        125,
        &["no device of this machine has the address"],
    );
}

#[test]
fn a_port_of_roots_is_opened_to_users_by_what_is_said() {
    requires!(root, subuid_user, user_namespaces, package = "ip", package = "pasta");
    let world = machine::World::with(Sandbox::of(&User::with_subuids()));
    let _neighbour = Neighbour::new();
    machine::open_tun();
    let run = || world.run("run --rm --network pasta -p 80:80 host: true");
    let said = Said::of(run(), 125, &["port 80/tcp", "from 1024 on", "net.ipv4.ip_unprivileged_port_start"]);
    let command = said.remedy().rsplit(": ").next().expect("a command").to_owned();
    Invocation::new("sh").args(["-ec", &command]).ok();
    run().code(0);
}

#[test]
fn a_controller_that_cannot_be_had_is_told_with_where_it_is() {
    requires!(root, cgroup_v1, subuid_user, user_namespaces);
    let world = World::user();
    let host = ["host:", "true"];
    let run = |options: &[&str]| world.invocation(options, &host).run();
    let said = Said::of(run(&["-m", "64m"]), 125, &["--memory", "the controller memory is on cgroup v1 here"]);
    assert!(said.remedy().ends_with("leave the limit out"), "{}", said.0);
    run(&[]).code(0);
}

#[test]
fn a_controller_is_delegated_by_what_is_said() {
    requires!(root, cgroup_v2, controller_v2 = "pids", subuid_user);
    let sandbox = Sandbox::of(&User::with_subuids());
    let run = |before: &str| {
        let run = sandbox.coracle(["run", "--rm", "--pids-limit", "50", "host:", "true"]);
        run.above(["sh", "-ec", &format!("{before}\nexec \"$@\""), "sh"]).run()
    };
    let said = Said::of(run(""), 125, &["--pids-limit", "pids"]);
    let commands = said.remedy().split(": ").skip(1).collect::<Vec<_>>().join(": ").replace("PID-OF-THE-SHELL", "$$");
    run(&commands).code(0);
}

#[test]
fn limits_that_cannot_be_are_answered_with_those_that_can() {
    requires!(root, cgroups);
    let world = World::root();
    let run = |options: &[&str]| world.invocation(options, &["host:", "true"]).run();
    let said = Said::of(run(&["-m", "600k"]), 125, &["--memory", "less memory than any process needs"]);
    let least = said.remedy().strip_prefix("give at least ").expect("a limit");
    run(&["-m", least]).code(0);
    let said = Said::of(run(&["--ulimit", "nofile=999999999"]), 125, &["--ulimit", "ceiling of "]);
    let ceiling = said.0.stderr.split("ceiling of ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
    run(&["--ulimit", &format!("nofile={ceiling}")]).code(0);
}

#[test]
fn what_the_machine_does_not_have_was_perhaps_meant_otherwise() {
    requires!(root);
    let world = World::root();
    let run = |options: &[&str]| world.invocation(options, &["host:", "true"]).run();
    let said = Said::of(run(&["--sysctl", "net.ipv4.ip_forwrd=1"]), 125, &["no parameter net.ipv4.ip_forwrd"]);
    run(&["--sysctl", &format!("{}=1", said.meant())]).code(0);
    let said = Said::of(run(&["--sysctl", "kernel.panic=1"]), 125, &["--sysctl", "kernel.panic"]);
    assert!(said.remedy().contains("can be set"), "{}", said.0);
    run(&["--sysctl", "kernel.shm_rmid_forced=1"]).code(0);
    let said = Said::of(run(&["--device", "/dev/nul"]), 125, &["this machine has no /dev/nul"]);
    run(&["--device", &said.meant()]).code(0);
    let said = Said::of(run(&["--cap-add", "NET_ADMN"]), 125, &["--cap-add", "not a capability"]);
    run(&["--cap-add", &said.meant()]).code(0);
    let said = Said::of(run(&["--network", "nonne"]), 125, &["nonne"]);
    said.0.stderr_contains("did you mean none?");
    run(&["--network", "none"]).code(0);
}

#[test]
fn a_file_system_that_the_kernel_does_not_know_is_named() {
    requires!(root);
    let world = World::root();
    let run = || world.invocation(&["-v", "data:/data"], &["host:", "true"]).run();
    let create = |kind: &str| {
        let options =
            ["volume", "create", "-o", &format!("type={kind}"), "-o", "device=none", "data"].map(str::to_owned);
        world.sandbox.run(options).code(0);
    };
    create("nosuchfs");
    let said = Said::of(run(), 125, &["no file system nosuchfs", "/proc/filesystems"]);
    assert!(said.remedy().contains("choose one of /proc/filesystems"), "{}", said.0);
    world.sandbox.run(["volume", "rm", "data"]).code(0);
    create("tmpfs");
    run().code(0);
}

#[test]
fn a_name_that_is_taken_is_free_again_by_what_is_said() {
    requires!(root);
    let sandbox = Sandbox::new();
    let run = || sandbox.run(["run", "--name", "web", "host:", "true"]);
    run().code(0);
    let said = Said::of(run(), 125, &["web"]);
    let command =
        said.remedy().split(" removes").next().and_then(|text| text.strip_prefix("coracle ")).expect("a command");
    sandbox.run(command.split(' ')).code(0);
    run().code(0);
}

#[test]
fn a_full_disk_and_one_without_inodes_are_told_apart() {
    requires!(root);
    let sandbox = Sandbox::new();
    let run = |root: &str| sandbox.coracle(["run", "--rm", "host:", "true"]).env("CORACLE_ROOT", root).run();
    let full = sandbox.tmpfs("full", "size=64k,mode=755");
    fs::write(format!("{full}/filler"), vec![0; 1 << 20]).expect_err("the tmpfs is full");
    let said = Said::of(run(&full), 125, &[&format!("the file system at {full} is full")]);
    assert!(said.remedy().starts_with(&format!("make room at {full}")), "{}", said.0);
    fs::remove_file(format!("{full}/filler")).expect("room");
    run(&full).code(0);
    let few = sandbox.tmpfs("few", "nr_inodes=2,mode=755");
    Said::of(run(&few), 125, &["can have no more files", "df -i"]);
    Invocation::new("mount").args(["-o", "remount,nr_inodes=1000", &few]).ok();
    run(&few).code(0);
}

#[test]
fn a_read_only_store_is_remounted_by_what_is_said() {
    requires!(root);
    let sandbox = Sandbox::new();
    let read_only = sandbox.tmpfs("ro", "ro,mode=755");
    let run = || sandbox.coracle(["run", "--rm", "host:", "true"]).env("CORACLE_ROOT", &read_only).run();
    let said = Said::of(run(), 125, &[&format!("the file system at {read_only} is mounted read-only")]);
    said.follow();
    run().code(0);
}

#[test]
fn a_store_in_somebody_elses_directory_is_named_with_its_owner() {
    requires!(root, subuid_user, user_namespaces);
    let sandbox = Sandbox::of(&User::with_subuids());
    let closed = sandbox.join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("a mode");
    let run = |root: &Path| sandbox.coracle(["run", "--rm", "host:", "true"]).env("CORACLE_ROOT", root).run();
    let said = Said::of(run(&closed.join("x")), 125, &["closed belongs to somebody else and has mode 0700"]);
    assert!(said.remedy().contains("CORACLE_ROOT"), "{}", said.0);
    run(&sandbox.root()).code(0);
}

#[test]
fn a_store_where_no_overlay_can_be_names_the_file_system() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let rootfs = format!("{}:O", sandbox.rootfs("home/root").path().display());
    let layers = sandbox.tmpfs("layers", "mode=755");
    for name in ["lower", "upper", "work", "data"] {
        fs::create_dir(format!("{layers}/{name}")).expect("a directory");
    }
    let options = format!("lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work");
    let store = sandbox.join("store");
    fs::create_dir(&store).expect("a directory");
    Invocation::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&store).ok();
    let run =
        |root: &str| sandbox.coracle(["run", "--rm", "--rootfs", &rootfs, "true"]).env("CORACLE_ROOT", root).run();
    let said = Said::of(run(&store.display().to_string()), 125, &["lies on another overlay"]);
    assert!(said.remedy().contains("tmpfs"), "{}", said.0);
    run(&format!("{layers}/data")).code(0);
}

#[test]
fn a_filter_around_us_is_told_from_the_kernels_own_no() {
    requires!(root, subuid_user, user_namespaces, package = "python3");
    let sandbox = Sandbox::of(&User::with_subuids());
    let nr = match std::env::consts::ARCH {
        "aarch64" => 97,
        _ => 272,
    };
    // seccomp(2): unshare(2) gives EPERM, all else is allowed.
    let script = format!(
        "import ctypes, os, struct, sys\n\
         rules = [(0x20, 0, 0, 0), (0x15, 0, 1, {nr}), (6, 0, 0, 0x50001), (6, 0, 0, 0x7fff0000)]\n\
         text = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *rule) for rule in rules))\n\
         program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', len(rules), ctypes.addressof(text)))\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         assert libc.prctl(38, 1, 0, 0, 0) == 0\n\
         assert libc.prctl(22, 2, program, 0, 0) == 0\n\
         os.execv(sys.argv[1], sys.argv[1:])\n"
    );
    let script = sandbox.file("filter.py", script).display().to_string();
    let run = || sandbox.coracle(["run", "--rm", "host:", "true"]);
    let said = Said::of(
        run().under(["python3", &script]).run(),
        125,
        &["a seccomp filter around this process refuses unshare", "Seccomp: 2"],
    );
    assert!(said.remedy().contains("start it elsewhere"), "{}", said.0);
    run().run().code(0);
}

#[test]
fn an_end_for_want_of_memory_names_limit_and_peak() {
    requires!(root, cgroups, busybox, controller = "memory");
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/root").path().display().to_string();
    // One process: of several the kernel may kill more than one.
    let command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=40M", "count=1", "status=none"];
    let run = |limit: &str| world.invocation(&["-m", limit, "--rootfs", &rootfs], &command).run();
    let killed = run("16m");
    killed.one_line_error("out of memory: a process was killed at the limit of 16m; it has used 16m at most");
    assert_ne!(killed.exit_code(), Some(0));
    let said = Said(killed);
    assert_eq!(said.remedy(), "give more by --memory");
    run("512m").code(0).stderr_is("");
    // In the background its record says it.
    let words = ["run", "-d", "--name", "hungry", "-m", "16m", "--rootfs", &rootfs];
    world.sandbox.run(words.iter().chain(&command)).code(0);
    world.sandbox.run(["wait", "hungry"]).code(0);
    let state = world.sandbox.run(["inspect", "--format", "{{.State.OOMKilled}} {{.State.Error}}", "hungry"]);
    state.code(0).stdout_contains("true out of memory: a process was killed at the limit of 16m");
}

#[test]
fn an_end_by_somebody_outside_is_none_for_want_of_memory() {
    requires!(root, cgroups, subuid_user, user_namespaces);
    for world in [World::root(), World::user()] {
        let sandbox = &world.sandbox;
        let pid = |name: &str| {
            let pid = || sandbox.run(["inspect", "--format", "{{.State.Pid}}", name]).stdout.trim().to_owned();
            assert!(within(SOON, || pid().parse::<i32>().is_ok_and(|pid| pid > 0)), "{name} runs");
            pid()
        };
        let told = "killed from outside (SIGKILL), not for want of memory";
        for options in [&["run", "--rm"][..], &["run"]] {
            let running = sandbox.coracle(options).args(["--name", "kept", "host:", "sleep", "1000"]).spawn();
            assert!(within(SOON, || sandbox.run(["inspect", "kept"]).exit_code() == Some(0)));
            Invocation::new("kill").args(["-9", &pid("kept")]).ok();
            running.wait().code(137).one_line_error(told);
        }
        sandbox.run(["inspect", "--format", "{{.State.Error}}", "kept"]).code(0).stdout_is(&format!("{told}\n"));
        sandbox.run(["run", "-d", "--name", "stopped", "host:", "sleep", "1000"]).code(0);
        // What was asked of us is no violence.
        sandbox.run(["stop", "-t", "0", "stopped"]).code(0);
        sandbox.run(["inspect", "--format", "{{.State.Error}}", "stopped"]).code(0).stdout_is("\n");
        sandbox.run(["run", "--rm", "--timeout", "1", "host:", "sleep", "1000"]).code(137).stderr_lacks("outside");
    }
}
