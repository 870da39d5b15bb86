//! What was refused is told, and is refused as it was without being told.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Outcome, requires, within};
use world::World;

const SOON: Duration = Duration::from_secs(20);

/// Makes calls by their numbers, and says what became of each.
const PROBE: &str = "import ctypes, sys\n\
    libc = ctypes.CDLL(None, use_errno=True)\n\
    for line in sys.argv[1:]:\n\
    \x20   numbers = [int(word, 0) for word in line.split(',')]\n\
    \x20   ctypes.set_errno(0)\n\
    \x20   result = libc.syscall(*[ctypes.c_long(n) for n in numbers])\n\
    \x20   print(line, result, ctypes.get_errno(), flush=True)\n";

/// Calls that the default profile refuses, by x86_64's numbers, with arguments that it looks at: mount, umount2, swapon,
/// reboot, init_module, acct, settimeofday, keyctl, add_key, unshare, setns, clone3, bpf, userfaultfd, perf_event_open,
/// open_by_handle_at, kexec_load, iopl, personality with what is not on its list, sockets of AF_ALG and AF_VSOCK, a number
/// that nobody has; and one that is allowed.
const REFUSED: &[&str] = &[
    "165,0,0,0,0,0",
    "166,0,0",
    "167,0,0",
    "169,0,0,0",
    "175,0,0,0",
    "163,0",
    "164,0,0",
    "250,0,-3,0",
    "248,0,0,0,0,0",
    "272,0x20000",
    "308,0,0",
    "435,0,0",
    "321,0,0,0",
    "323,0",
    "298,0,0,0,0,0",
    "304,0,0,0",
    "246,0,0,0,0",
    "172,3",
    "135,5",
    "41,38,5,0",
    "41,40,1,0",
    "1000",
    "135,0xffffffff",
];

#[track_caller]
fn probe(world: &World, options: &[&str], calls: &[&str]) -> Outcome {
    let rest = [&["host:", "python3", "-c", PROBE], calls].concat();
    world.invocation(&[&["--network=none"], options].concat(), &rest).run()
}

/// The report of a container, as a program reads it.
#[track_caller]
fn report(world: &World, name: &str) -> Value {
    let text = world.sandbox.run(["logs", "--denied", "--format", "json", name]).code(0).stdout.clone();
    serde_json::from_str(&text).expect("JSON")
}

/// How often a call was refused, in all of its kinds.
fn count(report: &Value, call: &str) -> u64 {
    let refused = report["refused"].as_array().into_iter().flatten().filter(|refusal| refusal["call"] == call);
    refused.map(|refusal| refusal["count"].as_u64().expect("a number")).sum::<u64>()
        + report["more"][call].as_u64().unwrap_or(0)
}

#[track_caller]
fn detached(world: &World, name: &str, options: &[&str], script: &str) {
    let words = ["run", "-d", "--network=none", "--report-denied", "--name", name];
    world.sandbox.run([&words[..], options, &["host:", "sh", "-c", script]].concat()).code(0);
}

/// Who holds the listener of a container's filter: the processes of ours that do, found by their run directory.
fn witnesses(world: &World) -> Vec<i32> {
    let runroot = world.sandbox.runroot();
    let runs_there = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|word| word.ends_with(runroot.as_os_str().as_encoded_bytes()))
    };
    let listens = |pid: i32| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|to| to == Path::new("anon_inode:seccomp notify"))
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|pid| listens(*pid) && runs_there(*pid)).collect()
}

fn kill(pid: i32) {
    sys::process::kill(pid, 9).expect("its end");
}

fn each_refusal_is_what_it_is_without_being_told(world: &World) {
    let plain = probe(world, &[], REFUSED).code(0).stdout.clone();
    let told = probe(world, &["--report-denied"], REFUSED);
    told.code(0).stdout_is(&plain);
    // All but the last are refused, and told.
    assert_eq!(
        plain.lines().filter(|line| line.ends_with(" -1 1") || line.ends_with(" -1 38")).count(),
        REFUSED.len() - 1
    );
    for call in [
        "mount(",
        "keyctl(operation=KEYCTL_GET_KEYRING_ID)",
        "unshare(flags=CLONE_NEWNS)",
        "clone3(",
        "bpf(cmd=BPF_MAP_CREATE",
        "socket(domain=AF_ALG, type=SOCK_SEQPACKET",
        "socket(domain=AF_VSOCK",
        "personality(persona=0x5)",
        "1000(",
        "iopl(level=3)",
    ] {
        told.stderr_contains(&format!("coracle: run:   {call}"));
    }
    told.stderr_contains(&format!("refused by the seccomp profile: {} calls", REFUSED.len() - 1));
    told.stderr_contains("needs --cap-add SYS_ADMIN (inferred from the profile)");
    told.stderr_contains("needs --security-opt seccomp=FILE with a profile that has keyctl");
    told.stderr_contains("told that there is no such call");
    // It is the file's number that comes back, whatever it is.
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["keyctl"],"action":"SCMP_ACT_ERRNO","errnoRet":77},
        {"names":["getppid"],"action":"SCMP_ACT_ERRNO","errnoRet":0,"args":[{"index":0,"value":7,"op":"SCMP_CMP_EQ"}]}]}"#;
    let file = world.sandbox.file("home/profile.json", profile);
    let option = format!("seccomp={}", file.display());
    let told = probe(world, &["--report-denied", "--security-opt", &option], &["250,0,-3,0", "110,7", "250,0,-3,0"]);
    told.code(0).stdout_is("250,0,-3,0 -1 77\n110,7 0 0\n250,0,-3,0 -1 77\n");
    told.stderr_contains("errno 77, 2 times by python3 (pid 1)");
    fs::remove_file(file).expect("the profile");
}

#[test]
fn each_refusal_of_roots_is_what_it_is_without_being_told() {
    requires!(root, package = "python3");
    let world = World::root();
    let before = world.leavings();
    each_refusal_is_what_it_is_without_being_told(&world);
    before.assert_nothing_new(SOON);
}

#[test]
fn each_refusal_of_a_users_is_what_it_is_without_being_told() {
    requires!(subuid_user, user_namespaces, package = "python3");
    let world = World::user();
    each_refusal_is_what_it_is_without_being_told(&world);
    probe(&world, &["--report-denied"], &["250,0,-3,0"]).stderr_contains("an ordinary user may not follow");
}

#[test]
fn strace_sees_what_is_reported() {
    requires!(root, package = "strace", package = "python3");
    let world = World::root();
    let script =
        "for i in 1 2 3; do unshare -m true; done; mount -t tmpfs x /mnt; setpriv --reuid 1 unshare -U true; true";
    let trace = world.sandbox.join("home/trace");
    let path = trace.display().to_string();
    let rest = ["host:", "sh", "-c", script];
    let traced = world.invocation(&["--network=none", "--report-denied"], &rest);
    let outcome = traced.under(["strace", "-f", "-qq", "-e", "trace=unshare,mount", "-o", &path]).run();
    outcome.code(0);
    let trace = fs::read_to_string(trace).expect("what strace saw");
    let seen = |call: &str| {
        trace.lines().filter(|line| line.contains(call) && line.ends_with("EPERM (Operation not permitted)")).count()
    };
    assert_eq!(
        (seen("unshare(CLONE_NEWNS)"), seen("unshare(CLONE_NEWUSER)"), seen("mount(\"x\", \"/mnt\", \"tmpfs\"")),
        (3, 1, 1),
        "{trace}"
    );
    outcome.stderr_contains("unshare(flags=CLONE_NEWNS) = EPERM, 3 times by unshare");
    outcome.stderr_contains("unshare(flags=CLONE_NEWUSER) = EPERM, once by unshare");
    outcome.stderr_contains(
        "mount(source≈\"x\", target≈\"/mnt\", filesystemtype≈\"tmpfs\", mountflags=0) = EPERM, once by mount",
    );
}

#[test]
fn what_runs_in_the_background_is_told_while_it_runs_and_after() {
    requires!(root);
    let world = World::root();
    detached(&world, "box", &[], "unshare -m true; sleep 1000");
    assert!(within(SOON, || count(&report(&world, "box"), "unshare") == 1));
    // Of what is executed in it, too, and of what that leaves behind.
    world.sandbox.run(["exec", "box", "unshare", "-m", "true"]).code(1).stderr_contains("Operation not permitted");
    world.sandbox.run(["exec", "-d", "box", "sh", "-c", "(sleep 1; unshare -U true) &"]).code(0);
    assert!(within(SOON, || count(&report(&world, "box"), "unshare") == 3), "{}", report(&world, "box"));
    world.sandbox.run(["exec", "--privileged", "box", "unshare", "-m", "true"]).code(0);
    world.sandbox.run(["stop", "-t", "0", "box"]).code(0);
    let after = report(&world, "box");
    assert_eq!(count(&after, "unshare"), 3);
    let first = &after["refused"][0];
    assert_eq!((&first["program"], &first["errno"]), (&Value::from("unshare"), &Value::from(1)));
    assert_eq!(first["inferredCapability"], "CAP_SYS_ADMIN");
    assert!(first["executable"].as_str().is_some_and(|path| path.ends_with("/unshare")), "{first}");
    // Another life of it goes on counting.
    world.sandbox.run(["start", "box"]).code(0);
    assert!(within(SOON, || count(&report(&world, "box"), "unshare") == 4));
    world.sandbox.run(["logs", "--denied", "box"]).code(0).stdout_contains("needs --cap-add SYS_ADMIN");
    world.sandbox.run(["rm", "-f", "box"]).code(0);
    assert!(within(SOON, || witnesses(&world).is_empty()));
}

#[test]
fn a_users_in_the_background_is_told_too() {
    requires!(subuid_user, user_namespaces);
    let world = World::user();
    detached(&world, "box", &[], "unshare -m true; sleep 1000");
    assert!(within(SOON, || count(&report(&world, "box"), "unshare") == 1));
    world.sandbox.run(["exec", "box", "unshare", "-m", "true"]).code(1).stderr_contains("Operation not permitted");
    assert!(within(SOON, || count(&report(&world, "box"), "unshare") == 2));
    world.sandbox.run(["stop", "-t", "0", "box"]).code(0);
    assert_eq!(count(&report(&world, "box"), "unshare"), 2);
    world.sandbox.run(["rm", "box"]).code(0);
}

#[test]
fn where_the_witness_dies_calls_fail_and_none_is_allowed_or_hangs() {
    requires!(root, package = "python3");
    let world = World::root();
    // It tries every tenth of a second to do what it may not, and what it may.
    let script = "import ctypes, time, sys\n\
        libc = ctypes.CDLL(None, use_errno=True)\n\
        while True:\n\
        \x20   libc.syscall(ctypes.c_long(272), ctypes.c_long(0x4000000)); e = ctypes.get_errno()\n\
        \x20   print(e, libc.syscall(ctypes.c_long(39)), flush=True); time.sleep(0.1)\n";
    let words = ["run", "-d", "--network=none", "--report-denied", "--name", "box", "host:", "python3", "-c", script];
    world.sandbox.run(words).code(0);
    let last = || world.sandbox.run(["logs", "-n", "1", "box"]).code(0).stdout.clone();
    assert!(within(SOON, || last() == "1 1\n"), "{}", last());
    let ours = witnesses(&world);
    assert_eq!(ours.len(), 1, "one witness");
    kill(ours[0]);
    // ENOSYS, from the kernel; what is allowed goes on.
    assert!(within(SOON, || last() == "38 1\n"), "{}", last());
    world.sandbox.run(["logs", "--denied", "box"]).code(0).stdout_contains("failed with ENOSYS");
    // What is executed from now on has its filter without being told.
    world.sandbox.run(["exec", "box", "unshare", "-m", "true"]).code(1).stderr_contains("Operation not permitted");
    world.sandbox.run(["rm", "-f", "-t", "0", "box"]).code(0);
}

#[test]
fn a_monitor_that_is_killed_takes_no_listener_with_it() {
    requires!(root);
    let world = World::root();
    detached(&world, "box", &[], "while sleep 0.1; do unshare -m true 2>&1; done");
    assert!(within(SOON, || count(&report(&world, "box"), "unshare") >= 1));
    let state = world.sandbox.run(["inspect", "--format", "{{.Id}}", "box"]).code(0).stdout.trim().to_owned();
    let state = world.sandbox.runroot().join("containers").join(state).join("state.json");
    let state: Value = serde_json::from_slice(&fs::read(state).expect("its state")).expect("JSON");
    kill(state["holder"]["pid"].as_i64().expect("a pid") as i32);
    let before = count(&report(&world, "box"), "unshare");
    assert!(within(SOON, || count(&report(&world, "box"), "unshare") > before + 2));
    let said = world.sandbox.run(["logs", "box"]).code(0).stdout.clone();
    assert!(said.lines().all(|line| line.contains("Operation not permitted")), "{said}");
    world.sandbox.run(["rm", "-f", "-t", "0", "box"]).code(0);
}

#[test]
fn who_does_nothing_but_be_refused_takes_no_more_room_and_keeps_nobody_waiting() {
    requires!(root, timing, package = "python3");
    let world = World::root();
    // Another name and another operation each time: more kinds than there is room for.
    let script = "import ctypes\n\
        libc = ctypes.CDLL(None)\n\
        for i in range(10**9):\n\
        \x20   libc.prctl(15, b'n%d' % (i % 5000), 0, 0, 0); libc.syscall(ctypes.c_long(250), ctypes.c_long(i % 99), 0, 0)\n";
    let words = ["run", "-d", "--network=none", "--report-denied", "--name", "box", "host:", "sh", "-c"];
    let many = "python3 -c \"$0\" & python3 -c \"$0\" & python3 -c \"$0\" & while sleep 0.05; do date; done";
    world.sandbox.run([&words[..], &[many, script]].concat()).code(0);
    assert!(within(SOON, || count(&report(&world, "box"), "keyctl") > 5000));
    let long = Duration::from_secs(2);
    for words in [&["logs", "-n", "1", "box"][..], &["exec", "box", "true"], &["logs", "--denied", "box"], &["ps"]] {
        let begun = Instant::now();
        world.sandbox.run(words).code(0);
        assert!(begun.elapsed() < long, "{words:?} took {:?}", begun.elapsed());
    }
    let seen = report(&world, "box");
    assert!(seen["refused"].as_array().is_some_and(|refused| refused.len() <= 64), "{seen}");
    assert!(seen["more"]["keyctl"].as_u64().is_some_and(|more| more > 1000), "{seen}");
    world.sandbox.run(["rm", "-f", "-t", "0", "box"]).code(0);
    assert!(within(SOON, || witnesses(&world).is_empty()));
}

#[test]
fn the_kernels_own_checks_are_told_to_root() {
    requires!(root, kernel = (6, 13), package = "ip");
    let world = World::root();
    let script = "mknod /tmp/null c 1 3; ip link add d0 type veth; nice -n -5 true; \
                  setpriv --reuid 1 --clear-groups cat /etc/shadow; true";
    let outcome = world.sh(&["--network=none", "--report-denied"], script);
    outcome.code(0);
    for (capability, program) in [
        ("MKNOD", "mknod in mknod"),
        ("NET_ADMIN", "ip in send"),
        ("SYS_NICE", "nice in setpriority"),
        ("DAC_OVERRIDE", "cat in openat"),
    ] {
        outcome.stderr_contains(&format!("CAP_{capability}, once by {program}"));
        outcome.stderr_contains(&format!("needs --cap-add {capability}"));
    }
    // What the kernel asks on every mapping of memory is nobody's lack.
    outcome.stderr_lacks("CAP_SYS_ADMIN");
    // The advice is right.
    let options = ["--network=none", "--report-denied", "--cap-add=MKNOD,NET_ADMIN,SYS_NICE"];
    let helped = world.sh(&options, "mknod /tmp/null c 1 3 && ip link add d0 type veth && nice -n -5 true");
    helped.code(0).stderr_contains("nothing was refused");
}

#[test]
fn what_cannot_be_reported_says_so() {
    requires!(root);
    let world = World::root();
    for option in ["--privileged", "--security-opt=seccomp=unconfined"] {
        let outcome = world.sh(&["--network=none", "--report-denied", option], "true");
        outcome.code(0).stderr_contains("--report-denied has nothing to report");
    }
    let refused = |profile: &str, why: &str| {
        let option = format!("seccomp={}", world.sandbox.file("home/profile.json", profile).display());
        let outcome = world.sh(&["--network=none", "--report-denied", "--security-opt", &option], "true");
        outcome.code(125).one_line_error(why);
    };
    let notify = r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/agent.sock",
        "syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}]}"#;
    refused(notify, "has somebody else decide about calls");
    let mute = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["execve","exit_group"],"action":"SCMP_ACT_ALLOW"}]}"#;
    refused(mute, "denies write or sendmsg");
    detached(&world, "box", &[], "true");
    world.sandbox.run(["run", "--network=none", "--name", "other", "host:", "true"]).code(0);
    world.sandbox.run(["logs", "--denied", "other"]).code(125).one_line_error("run it with --report-denied");
    world.sandbox.run(["logs", "--format=json", "other"]).code(125).one_line_error("--format needs --denied");
    world.sandbox.run(["rm", "-f", "box", "other"]).code(0);
}

#[test]
fn a_container_in_a_container_is_told_of_each_its_own() {
    requires!(root);
    let world = World::root();
    let tests = testkit::Program::Coracle.path();
    let inner = format!("{}:/coracle:ro", tests.display());
    let script = "/coracle --root /tmp/s --runroot /tmp/r run --rm --network=none --cgroups=disabled --report-denied host: unshare -m true";
    let options = ["--network=none", "--report-denied", "--privileged", "-v", &inner];
    let outcome = world.sh(&options, script);
    outcome.code(1).stderr_contains("unshare(flags=CLONE_NEWNS) = EPERM, once by unshare (pid 1)");
}
