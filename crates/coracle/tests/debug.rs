//! A shell with tools in a container that has none: what it sees, what the container sees of it, and what is left.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use testkit::{Invocation, Leavings, Outcome, Pty, on_path, requires};
use world::{World, eventually};

const SOON: Duration = Duration::from_secs(10);

/// A root with one static program, which is no shell, and one file.
fn root(world: &World) -> PathBuf {
    let root = world.sandbox.join("root");
    if root.exists() {
        return root;
    }
    fs::create_dir_all(root.join("app")).expect("a directory");
    // It is asked for what it does by its name alone: with this one it does nothing but what its first word says.
    fs::copy(on_path("busybox").expect("busybox"), root.join("app/busybox")).expect("the program");
    fs::write(root.join("app/note"), "the container's own\n").expect("a file");
    if let Some(user) = world.sandbox.user() {
        Invocation::new("chown").args(["-R", &format!("{}:{}", user.uid, user.gid)]).arg(&root).ok();
    }
    root
}

/// It runs in the background, as `patient`, and runs a script of its program's where there is one.
#[track_caller]
fn start(world: &World, options: &[&str], command: &[&str]) {
    let rootfs = format!("{}:O", root(world).display());
    let words = ["-d", "--name=patient"].into_iter().chain(options.iter().copied());
    let words: Vec<&str> = words.chain(["--rootfs", &rootfs, "/app/busybox"]).chain(command.iter().copied()).collect();
    world.sandbox.coracle(["run"]).args(words).ok();
}

const SLEEP: &[&str] = &["sleep", "1000"];

fn debug(world: &World, words: &[&str]) -> Invocation {
    world.sandbox.coracle(["debug"]).args(words)
}

#[track_caller]
fn sh(world: &World, script: &str) -> Outcome {
    debug(world, &["patient", "sh", "-c", script]).run()
}

#[track_caller]
fn end(world: &World) {
    world.sandbox.run(["rm", "-f", "patient"]).code(0);
}

#[track_caller]
fn pid(world: &World) -> String {
    let outcome = world.sandbox.run(["inspect", "--format", "{{.State.Pid}}", "patient"]);
    outcome.code(0).stdout.trim().to_owned()
}

fn shown(pid: &str, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a file of the container's process")
}

/// What there is once such a container has been, and was looked into.
#[track_caller]
fn leavings(world: &World, options: &[&str]) -> Leavings {
    // Devices of others on this machine come and go.
    sys::process::unshare(sys::process::namespace::NET).expect("a network namespace");
    start(world, options, SLEEP);
    sh(world, "true").code(0);
    end(world);
    world.leavings()
}

/// All namespaces of a process but that of its mounts.
const NAMESPACES: [&str; 6] = ["cgroup", "ipc", "net", "pid", "user", "uts"];

#[track_caller]
fn it_is_all_there(world: &World, options: &[&str]) {
    let before = leavings(world, options);
    start(world, options, SLEEP);
    let pid = pid(world);
    let mounts = shown(&pid, "mountinfo");
    sh(world, "cat /container/app/note").code(0).stdout_is("the container's own\n");
    sh(world, "ps -o args= -p 1; readlink /proc/1/exe").code(0).stdout_contains("/app/busybox sleep 1000");
    for kind in NAMESPACES {
        let its = fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace");
        sh(world, &format!("readlink /proc/self/ns/{kind}")).code(0).stdout_is(&format!("{}\n", its.display()));
    }
    sh(world, "ls /sys/class/net").code(0).stdout_is("lo\n");
    let traced = debug(world, &["patient", "timeout", "-s", "INT", "1", "strace", "-p", "1"]).run();
    traced.stderr_contains("Process 1 attached").stderr_contains("restart_syscall(");
    // What is written into the container is there, and what is written among the tools is not.
    sh(world, "echo more > /container/app/more && echo gone > /tmp/gone").code(0);
    sh(world, "cat /container/app/more; ls /tmp").code(0).stdout_is("more\n");
    let mut open = debug(world, &["-i", "patient", "sh"]).spawn();
    open.write("echo ready\n");
    open.stdout_until("ready");
    assert_eq!(shown(&pid, "mountinfo"), mounts, "the container sees a mount");
    open.write("exit 7\n");
    open.wait().code(7);
    assert_eq!(shown(&pid, "mountinfo"), mounts);
    end(world);
    before.assert_nothing_new(SOON);
}

#[test]
fn all_of_a_container_without_a_shell_is_seen_and_traced() {
    requires!(root, busybox);
    it_is_all_there(&World::root(), &[]);
}

#[test]
fn one_with_ids_of_its_own_is_seen_and_traced() {
    requires!(root, busybox);
    it_is_all_there(&World::root(), &["--userns=auto"]);
}

#[test]
fn an_ordinary_user_sees_and_traces_his_own() {
    requires!(root, busybox, subuid_user);
    it_is_all_there(&World::user(), &[]);
    it_is_all_there(&World::user(), &["--userns=keep-id"]);
}

/// What a container's root tries on every process that it sees, over and over: to read what it must not, to write where
/// it must not, and to say which processes' roots it has come into, and what these hold open.
const ATTACK: &str = "b=/app/busybox; while :; do for p in /proc/[0-9]*; do
    [ -e $p/root/usr/bin/env ] && echo $p >> /app/reached
    for f in root/etc/shadow root$SECRET cwd$SECRET root$KEY; do
        $b cat $p/$f >> /app/stolen 2>> /app/refused
    done
    $b sh -c \"echo changed > $p/root/usr/bin/env\" 2>> /app/refused
    $b sh -c \"echo changed > $p/root$OPEN\" 2>> /app/refused
    [ $p = /proc/1 ] || $b ls -l $p/fd >> /app/open 2>> /app/refused
    $b nsenter -t ${p#/proc/} -m /bin/mount -o remount,bind,rw /usr 2>> /app/refused
done; $b sleep 0.1; done";

/// Files of the machine that nobody but root may read, and that he may write.
struct Machines {
    directory: PathBuf,
}

impl Machines {
    fn new(world: &World) -> Self {
        let name = world.sandbox.path().file_name().expect("a name");
        let directory = Path::new("/usr/local/lib").join(name);
        fs::create_dir(&directory).expect("a directory among the machine's programs");
        fs::write(directory.join("key"), "secret\n").expect("a file");
        fs::set_permissions(directory.join("key"), fs::Permissions::from_mode(0o600)).expect("its mode");
        fs::write(directory.join("open"), "as it was\n").expect("a file");
        fs::set_permissions(directory.join("open"), fs::Permissions::from_mode(0o666)).expect("its mode");
        Self { directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The container attacks whoever comes in. `comes_in` says whether it may look into the session at all.
#[track_caller]
fn nothing_is_gained(world: &World, options: &[&str], comes_in: bool) {
    let machines = Machines::new(world);
    let secret = world.sandbox.file("secret", "secret\n");
    let secret = format!("SECRET={}", secret.display());
    let (key, open) = (format!("KEY={}", machines.path("key")), format!("OPEN={}", machines.path("open")));
    let more = ["-e", &secret, "-e", &key, "-e", &open];
    let options: Vec<&str> = options.iter().copied().chain(more).collect();
    let env = fs::read("/usr/bin/env").expect("a program");
    start(world, &options, &["sh", "-c", ATTACK]);
    debug(world, &["patient", "sleep", "2"]).ok();
    let found = |name: &str| sh(world, &format!("cat /container/app/{name}")).stdout.clone();
    let mine = debug(world, &["patient", "cat", &machines.path("open")]).run();
    mine.code(0).stdout_is("as it was\n");
    assert_eq!(found("reached").is_empty(), !comes_in, "{}", found("refused"));
    assert_eq!(found("stolen"), "", "read by the container");
    let targets = found("open");
    let targets = targets.lines().filter_map(|line| line.split_once(" -> ")).map(|(_, target)| target);
    let bad: Vec<&str> = targets
        .filter(|target| {
            target.starts_with('/') && !["/dev/", "/proc", "/container"].iter().any(|p| target.starts_with(p))
        })
        .collect();
    assert!(bad.is_empty(), "the session holds open {bad:?}");
    assert_eq!(fs::read_to_string(machines.path("open")).expect("a file"), "as it was\n");
    assert!(fs::read("/usr/bin/env").expect("a program") == env);
    end(world);
}

#[test]
fn a_container_that_may_look_into_the_shell_finds_nothing_of_the_machines() {
    requires!(root, busybox);
    nothing_is_gained(&World::root(), &["--cap-add=SYS_PTRACE"], true);
    nothing_is_gained(&World::root(), &["--userns=auto", "--privileged"], true);
}

#[test]
fn a_container_that_may_not_does_not_even_come_in() {
    requires!(root, busybox);
    nothing_is_gained(&World::root(), &[], false);
    nothing_is_gained(&World::root(), &["--userns=auto"], false);
}

#[test]
fn an_ordinary_users_container_finds_nothing_either() {
    requires!(root, busybox, subuid_user);
    nothing_is_gained(&World::user(), &["--privileged"], true);
    nothing_is_gained(&World::user(), &[], false);
}

#[test]
fn whoever_is_killed_leaves_nothing_of_it_in_the_container() {
    requires!(root, busybox, subuid_user);
    for world in [World::root(), World::user()] {
        let before = leavings(&world, &[]);
        start(&world, &[], SLEEP);
        let script = "setsid sleep 4321 & sleep 1234 & echo ready; wait";
        let mut session = debug(&world, &["patient", "sh", "-c", script]).spawn();
        session.stdout_until("ready");
        let there = || sh(&world, "ps ax -o args=").stdout.clone();
        assert!(there().contains("sleep 4321") && there().contains("sleep 1234"));
        session.kill(Signal::KILL);
        session.wait();
        eventually("its processes are gone", || !there().contains("4321") && !there().contains("1234"));
        // The end of the shell is the end of what it has started.
        sh(&world, "setsid sleep 4321 & echo").code(0);
        assert!(!there().contains("4321"));
        // So is that of the container.
        let mut session = debug(&world, &["patient", "sh", "-c", "echo ready; sleep 1000"]).spawn();
        session.stdout_until("ready");
        end(&world);
        session.wait().code(137);
        before.assert_nothing_new(SOON);
    }
}

#[test]
fn one_that_has_ended_is_shown_by_its_files() {
    requires!(root, busybox, subuid_user);
    for (world, options) in [(World::root(), &[][..]), (World::root(), &["--userns=auto"]), (World::user(), &[])] {
        let before = leavings(&world, options);
        start(&world, options, &["sh", "-c", "echo why > /app/reason; exit 3"]);
        world.sandbox.run(["wait", "patient"]).code(0);
        sh(&world, "cat /container/app/note /container/app/reason").code(0).stdout_is("the container's own\nwhy\n");
        sh(&world, "ps ax -o pid= | head -1 | tr -d ' '; ls /sys/class/net").code(0).stdout_is("1\nlo\n");
        sh(&world, "touch /container/app/x").code(1).stderr_contains("Read-only file system");
        end(&world);
        before.assert_nothing_new(SOON);
    }
}

#[test]
fn tools_come_from_an_image_too() {
    requires!(root, busybox, subuid_user);
    for (world, options) in [(World::root(), &[][..]), (World::root(), &["--userns=auto"]), (World::user(), &[])] {
        let tools = world.sandbox.rootfs("tools");
        tools.file("etc/mark", "the image's\n");
        let tar = world.sandbox.join("home/tools.tar");
        let tar = tar.display().to_string();
        Invocation::new("tar").args(["-C", &tools.path().display().to_string(), "-cf", &tar, "."]).ok();
        world.sandbox.run(["import", &tar, "tools"]).code(0);
        start(&world, options, SLEEP);
        let with = |words: &[&str]| {
            let all = ["--image", "tools", "patient"].into_iter().chain(words.iter().copied());
            debug(&world, &all.collect::<Vec<_>>()).run()
        };
        with(&["cat", "/etc/mark", "/container/app/note"]).code(0).stdout_is("the image's\nthe container's own\n");
        with(&["sh", "-c", "echo x > /etc/new; ps | head -2"]).code(0).stdout_contains("/app/busybox sleep 1000");
        with(&["ls", "/etc/new"]).code(1);
        debug(&world, &["--image", "none-such", "patient", "true"]).run().code(125);
        end(&world);
    }
}

#[test]
fn it_has_the_rights_of_the_container_and_those_that_are_asked_for() {
    requires!(root, busybox);
    let world = World::root();
    start(&world, &["--userns=auto", "--cap-drop=CHOWN"], SLEEP);
    let status = |options: &[&str]| {
        let words = ["patient", "grep", "-E", "^(CapEff|Seccomp:|Uid)", "/proc/self/status"];
        let all: Vec<&str> = options.iter().copied().chain(words).collect();
        debug(&world, &all).ok().stdout.replace('\t', " ")
    };
    // podman's eleven without the first, and CAP_SYS_PTRACE, which is 19 (capabilities(7)).
    assert_eq!(status(&[]), "Uid: 0 0 0 0\nCapEff: 00000000800c05fa\nSeccomp: 2\n");
    assert_eq!(status(&["--privileged"]), "Uid: 0 0 0 0\nCapEff: 000001ffffffffff\nSeccomp: 0\n");
    assert!(status(&["-u", "7:8"]).starts_with("Uid: 7 7 7 7\n"));
    let words =
        ["-e", "A=b", "-w", "/container/app", "patient", "sh", "-c", "echo $A; ls note; command -v busybox-none"];
    debug(&world, &words).run().stdout_is("b\nnote\n");
    debug(&world, &["--root", "patient", "pwd"]).ok().stdout_is("/container\n");
    world.sandbox.run(["pause", "patient"]).code(0);
    sh(&world, "true").code(125).one_line_error("is paused: coracle unpause");
    world.sandbox.run(["unpause", "patient"]).code(0);
    debug(&world, &["none-such"]).run().code(125).one_line_error("no container \"none-such\"");
    end(&world);
}

#[test]
fn the_machines_network_is_seen_where_it_is_the_containers() {
    requires!(root, busybox, subuid_user);
    for world in [World::root(), World::user()] {
        start(&world, &["--network=host"], SLEEP);
        let own = fs::read_link("/proc/self/ns/net").expect("our namespace");
        sh(&world, "readlink /proc/self/ns/net").code(0).stdout_is(&format!("{}\n", own.display()));
        end(&world);
    }
}

#[test]
fn at_a_terminal_it_is_a_shell() {
    requires!(root, busybox);
    let world = World::root();
    start(&world, &[], SLEEP);
    let mut pty = Pty::spawn(&debug(&world, &["patient"]));
    let attributes = pty.attributes();
    pty.expect("debug patient:/ # ");
    pty.send("cat /container/app/no*; tty\r").expect("the container's own");
    pty.expect("/dev/pts/0");
    pty.send("exit 5\r").wait().code(5);
    assert_eq!(pty.attributes(), attributes);
    end(&world);
}
