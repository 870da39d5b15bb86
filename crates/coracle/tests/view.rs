//! Both sides of a container, held against what the kernel, and other programs, say of it.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;
#[path = "seed/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use archive::{docker_archive, layer, text};
use serde_json::{Value, json};
use testkit::{Leavings, Sandbox, Scope, requires, within};
use world::World;

const SOON: Duration = Duration::from_secs(20);

/// What is said of a container, for programs.
#[track_caller]
fn view(sandbox: &Sandbox, words: &[&str]) -> Value {
    let said = sandbox.run([&["view", "--format=json"], words].concat());
    serde_json::from_str(&said.code(0).stdout).expect("JSON")
}

/// An image `base` of busybox, with a layer on top of it.
fn with_base(sandbox: &Sandbox) {
    let base = sandbox.rootfs("home/base");
    base.file("etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:7:7::/:/bin/sh\n");
    base.file("etc/gone", "x").file("etc/changed", "old\n").file("full/old", "x");
    std::os::unix::fs::symlink("/etc/changed", base.inside("link")).expect("a link");
    let upper = layer(sandbox, "upper", &[("etc/above", "x\n"), ("etc/changed", "newer\n")]);
    let archive = docker_archive(sandbox, "base", &[base.path().to_owned(), upper], &json!({"Cmd": ["sh"]}));
    sandbox.run(["load", "-i", text(&archive)]).code(0);
}

/// Starts `sleep` in the background, and returns its pid as this machine has it.
#[track_caller]
fn sleeps(sandbox: &Sandbox, name: &str, options: &[&str]) -> String {
    let words = [&["run", "-d", "--name", name], options, &["base", "sleep", "1000"]].concat();
    sandbox.run(words).code(0);
    sandbox.run(["inspect", "--format={{.State.Pid}}", name]).code(0).stdout.trim().to_owned()
}

fn status(pid: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("the line");
    line.split_whitespace().map(str::to_owned).collect()
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn one<'a>(value: &'a Value, path: &str, key: &str, is: &str) -> &'a Value {
    list(value, path).iter().find(|item| item[key] == is).unwrap_or_else(|| panic!("no {is} in {}", value[path]))
}

#[track_caller]
fn sees_what_the_kernel_says(sandbox: &Sandbox, pid: &str, seen: &Value) {
    let process = &list(seen, "/sees/processes/list")[0];
    assert_eq!(process["outside"].to_string(), pid);
    assert_eq!(process["inside"].to_string(), *status(pid, "NSpid").last().expect("a number"));
    assert_eq!(process["owner"].to_string(), status(pid, "Uid")[1]);
    assert_eq!(process["command"], "sleep 1000");
    let lsns = sandbox.command("/usr/bin/lsns").args(["-n", "-r", "-o", "TYPE,NS", "-p", pid]).ok().stdout;
    let expected: BTreeSet<String> = lsns.lines().map(str::to_owned).collect();
    let told = list(seen, "/sees/namespaces").iter();
    let told: BTreeSet<_> =
        told.map(|one| format!("{} {}", one["kind"].as_str().unwrap_or_default(), one["inode"])).collect();
    assert_eq!(told, expected);
    let findmnt = sandbox.command("/usr/bin/findmnt").args(["-N", pid, "-n", "-l", "-o", "TARGET"]).ok().stdout;
    let mut expected: Vec<&str> = findmnt.lines().collect();
    let mut told: Vec<_> = list(seen, "/files/mounts/list").iter().filter_map(|one| one["at"].as_str()).collect();
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected);
    let bits = u64::from_str_radix(&status(pid, "CapEff")[0], 16).expect("a number");
    let told = list(seen, "/mayDo/capabilities").iter().filter(|one| one["effective"] == true).count();
    assert_eq!(told, bits.count_ones() as usize);
    assert_eq!(seen["mayDo"]["filter"]["effective"], status(pid, "Seccomp")[0] == "2");
    assert_eq!(seen["mayDo"]["noNewPrivileges"], status(pid, "NoNewPrivs")[0] == "1");
    let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).expect("the map");
    let expected: Vec<Vec<&str>> = map.lines().map(|line| line.split_whitespace().collect()).collect();
    let range = |range: &Value| ["inside", "outside", "count"].map(|key| range[key].to_string()).to_vec();
    let told: Vec<_> = list(seen, "/mayDo/ids/users").iter().map(range).collect();
    assert_eq!(told, expected);
    // Whoever comes later has the limits of the first process.
    let told = one(seen, "/uses/ulimits", "name", "nofile")["effective"].as_array().expect("a pair");
    let inside = sandbox.run(["exec", "con", "sh", "-c", "ulimit -Sn; ulimit -Hn"]).code(0).stdout.clone();
    assert_eq!(told.iter().map(Value::to_string).collect::<Vec<_>>(), inside.split_whitespace().collect::<Vec<_>>());
}

/// Devices with their addresses, and destinations of routes, as ip(8) tells them from within.
#[track_caller]
fn reaches_what_ip_says(sandbox: &Sandbox, enter: &[&str], seen: &Value) {
    let ip = |words: &[&str]| -> Vec<Value> {
        let said = sandbox.command("/usr/bin/nsenter").args(enter).arg("ip").arg("-j").args(words).ok().stdout;
        serde_json::from_str(&said).expect("JSON")
    };
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let address = |address: &Value| format!("{}/{}", string(&address["local"]), address["prefixlen"]);
    let devices = ip(&["addr"]).into_iter().map(|device| {
        let addresses: BTreeSet<_> = device["addr_info"].as_array().into_iter().flatten().map(address).collect();
        (string(&device["ifname"]), addresses)
    });
    let told = list(seen, "/sees/network/interfaces").iter();
    let told =
        told.map(|one| (string(&one["name"]), one["addresses"].as_array().into_iter().flatten().map(string).collect()));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), devices.collect::<BTreeMap<_, BTreeSet<_>>>());
    let expected: BTreeSet<_> = ip(&["route"]).iter().map(|route| string(&route["dst"])).collect();
    let told: Vec<_> = list(seen, "/sees/network/routes").iter().map(|route| string(&route["to"])).collect();
    let bare = |to: &String| to.trim_end_matches("/32").to_owned();
    assert!(expected.is_subset(&told.iter().map(bare).collect()), "{expected:?} {told:?}");
}

/// Held against the kernel with these options.
#[track_caller]
fn both_sides_are_right(options: &[&str]) {
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    let pid = sleeps(&sandbox, "con", options);
    let seen = view(&sandbox, &["con"]);
    sees_what_the_kernel_says(&sandbox, &pid, &seen);
    reaches_what_ip_says(&sandbox, &["-t", &pid, "-n"], &seen);
    sandbox.run(["rm", "-f", "con"]).code(0);
}

#[test]
fn both_sides_are_as_the_kernel_says() {
    requires!(root, cgroups, busybox);
    both_sides_are_right(&["-u", "web", "--ulimit", "nofile=100:200"]);
    both_sides_are_right(&["--privileged"]);
    both_sides_are_right(&["--network=host", "--pid=host", "--ipc=host", "--uts=host"]);
}

#[test]
fn both_sides_of_one_with_ids_of_its_own_are_as_the_kernel_says() {
    requires!(root, cgroups, busybox, kernel = (6, 3));
    both_sides_are_right(&["--userns=auto", "--cap-add=NET_ADMIN"]);
}

#[test]
fn an_ordinary_user_sees_both_sides_of_his_containers() {
    requires!(subuid_user, user_namespaces, busybox);
    let World { ref sandbox, .. } = World::user();
    with_base(sandbox);
    let user = sandbox.user().expect("a user");
    let pid = sleeps(sandbox, "con", &["--network=none", "-u", "web"]);
    sandbox
        .run(["exec", "-u", "0", "con", "sh", "-c", "dd if=/dev/zero of=/big bs=1k count=300; rm /etc/gone"])
        .code(0);
    let seen = view(sandbox, &["con", "/etc/gone"]);
    sees_what_the_kernel_says(sandbox, &pid, &seen);
    reaches_what_ip_says(sandbox, &["-t", &pid, "-U", "-n", "--preserve-credentials"], &seen);
    let process = &list(&seen, "/sees/processes/list")[0];
    assert_eq!((&process["userName"], &process["subordinateOf"]), (&json!("web"), &json!(user.name)));
    let ranges = list(&seen, "/mayDo/ids/users");
    assert_eq!(ranges[0]["owner"], user.name);
    assert_eq!(ranges[1]["owner"], format!("subordinate ids of {} (/etc/subuid)", user.name));
    assert_eq!(one(&seen, "/files/changes/list", "path", "/big")["size"], 300 << 10);
    assert_eq!(one(&seen, "/files/paths", "asked", "/etc/gone")["places"][0]["kind"], "whiteout");
    sandbox.run(["rm", "-f", "con"]).code(0);
}

#[test]
fn every_mount_says_where_it_comes_from() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    let dir = sandbox.join("home/dir");
    fs::create_dir(&dir).expect("a directory");
    let bind = format!("{}:/bound:ro", dir.display());
    let options =
        ["--network=none", "-v", "vol:/data", "-v", &bind, "--tmpfs", "/memory", "--shm-size=1m", "--hostname=h"];
    let options = [&options[..], &["--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"]].concat();
    sleeps(&sandbox, "con", &options);
    sandbox.run(["exec", "con", "mount", "-t", "tmpfs", "later", "/mnt"]).code(0);
    let seen = view(&sandbox, &["con", "/bound/x/y", "/data/z", "/mnt/a"]);
    let told = |at: &str| {
        let mount = one(&seen, "/files/mounts/list", "at", at);
        ["origin", "from", "by"].map(|key| mount[key].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(told("/data"), ["volume", "volume vol", "--volume"]);
    assert_eq!(told("/bound"), ["bind", text(&dir), "--volume"]);
    assert_eq!(told("/memory"), ["tmpfs", "-", "--tmpfs"]);
    assert_eq!(told("/dev/shm"), ["default", "-", "--shm-size"]);
    assert_eq!(told("/etc/hostname"), ["generated", "-", "--hostname"]);
    assert_eq!(told("/proc"), ["default", "-", "default"]);
    assert_eq!(told("/mnt"), ["since", "-", "-"]);
    let bound = one(&seen, "/files/mounts/list", "at", "/bound");
    assert!(bound["effective"].as_str().is_some_and(|options| options.starts_with("ro")), "{bound}");
    assert_eq!(one(&seen, "/files/paths", "asked", "/bound/x/y")["host"], text(&dir.join("x/y")));
    assert_eq!(one(&seen, "/files/paths", "asked", "/data/z")["mount"]["at"], "/data");
    assert_eq!(one(&seen, "/files/paths", "asked", "/mnt/a")["mount"]["origin"], "since");
    // What is hidden, is: nothing can be read there.
    for path in list(&seen, "/files/mounts/hidden/masked") {
        let path = path.as_str().expect("a path");
        let script = format!("test -d {path} && ls {path} || cat {path}");
        sandbox.run(["exec", "con", "sh", "-c", &script]).code(0).stdout_is("");
    }
    sandbox.run(["exec", "con", "umount", "/proc/keys"]).code(0);
    assert!(list(&view(&sandbox, &["con"]), "/files/mounts/hidden/open").contains(&json!("/proc/keys")));
    sandbox.run(["rm", "-f", "con"]).code(0);
}

/// A file of the memory controller in a process's cgroup: v1's name or v2's.
fn memory_file(pid: &str, v1: &str, v2: &str) -> std::path::PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its cgroups");
    let of =
        |controller: &str| text.lines().find_map(|line| line.split_once(controller).map(|(_, path)| path.to_owned()));
    match of(":memory:/") {
        Some(path) => Path::new("/sys/fs/cgroup/memory").join(path).join(v1),
        None => Path::new("/sys/fs/cgroup").join(of("0::/").expect("v2")).join(v2),
    }
}

#[test]
fn a_limit_tells_what_was_asked_what_holds_and_who_set_it() {
    requires!(root, cgroups, controller = "memory", controller = "pids", busybox);
    let world = World::root();
    let sandbox = &world.sandbox;
    with_base(sandbox);
    let parent = format!("--cgroup-parent=/{}", sandbox.path().file_name().expect("a name").to_string_lossy());
    let pid = sleeps(sandbox, "con", &["--network=none", &parent, "-m", "64m", "--cpus=0.5"]);
    let limit = memory_file(&pid, "memory.limit_in_bytes", "memory.max");
    let number = |path: &Path| fs::read_to_string(path).expect("a file").trim().parse::<u64>().expect("a number");
    let seen = view(sandbox, &["con"]);
    let memory = one(&seen, "/uses/limits", "name", "memory");
    assert_eq!(memory["effective"].as_u64(), Some(number(&limit)));
    assert_eq!(
        (&memory["asked"], &memory["by"], &memory["tighter"]),
        (&json!(64 << 20), &json!("--memory"), &Value::Null)
    );
    let used = number(&memory_file(&pid, "memory.usage_in_bytes", "memory.current"));
    assert!(memory["used"].as_u64().is_some_and(|told| told.abs_diff(used) < 2 << 20), "{memory} {used}");
    let tasks = one(&seen, "/uses/limits", "name", "tasks");
    assert_eq!((&tasks["asked"], &tasks["used"], &tasks["by"]), (&json!(2048), &json!(1), &json!("default")));
    assert_eq!(one(&seen, "/uses/limits", "name", "cpu")["effective"], 500);
    // What is changed while it runs, and a cgroup above that gives less.
    sandbox.run(["update", "-m", "48m", "con"]).code(0);
    let above = limit.parent().and_then(Path::parent).expect("a cgroup above").join(limit.file_name().expect("a name"));
    fs::write(&above, "33554432").expect("a limit above");
    let seen = view(sandbox, &["con"]);
    let memory = one(&seen, "/uses/limits", "name", "memory");
    assert_eq!((&memory["asked"], &memory["effective"]), (&json!(48 << 20), &json!(48 << 20)));
    assert_eq!(memory["tighter"]["amount"], 32 << 20);
    assert_eq!(memory["tighter"]["cgroup"], text(above.parent().expect("its directory")));
    sandbox.run(["view", "con"]).code(0).stdout_contains("no more than 32MiB all the same");
    sandbox.run(["rm", "-f", "con"]).code(0);
}

#[test]
fn a_shared_namespace_says_with_whom() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    sleeps(&sandbox, "one", &["--network=none"]);
    sleeps(&sandbox, "two", &["--network=container:one", "--pid=host"]);
    let shared = |of: &str, kind: &str| one(&view(&sandbox, &[of]), "/sees/namespaces", "kind", kind)["shared"].clone();
    assert_eq!(shared("one", "net"), json!({"with": ["two"]}));
    assert_eq!(shared("two", "net"), json!({"with": ["one"]}));
    assert_eq!(shared("two", "pid"), "host");
    assert_eq!(shared("one", "ipc"), "own");
    for name in ["one", "two"] {
        sandbox.run(["rm", "-f", name]).code(0);
    }
}

#[test]
fn a_path_names_its_layer_and_those_that_it_hides() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    sleeps(&sandbox, "con", &["--network=none"]);
    let change = "rm /etc/gone; echo own > /etc/above; rm -r /full; mkdir /full; ln -s /link /again";
    sandbox.run(["exec", "con", "sh", "-c", change]).code(0);
    let paths = [
        "/etc/changed",
        "/etc/gone",
        "etc//above",
        "/full/old",
        "/full",
        "/again",
        "/etc/../bin/busybox",
        "/nowhere/x",
    ];
    let seen = view(&sandbox, &[&["con"], &paths[..]].concat());
    let inspected =
        sandbox.run(["image", "inspect", "--format={{json .RootFS.Layers}}", "base"]).code(0).stdout.clone();
    let layers: Vec<String> = serde_json::from_str(&inspected).expect("JSON");
    let told = |asked: &str| -> Vec<(String, String, bool)> {
        let place = |place: &Value| {
            let digest = place["layer"]["digest"].as_str();
            let name = digest.and_then(|digest| layers.iter().position(|layer| layer == digest));
            let name = name.map_or("own".to_owned(), |number| number.to_string());
            (name, place["kind"].as_str().unwrap_or_default().to_owned(), place["seen"] == true)
        };
        one(&seen, "/files/paths", "asked", asked)["places"].as_array().into_iter().flatten().map(place).collect()
    };
    let is = |all: &[(&str, &str, bool)]| -> Vec<_> {
        all.iter().map(|(name, kind, seen)| ((*name).to_owned(), (*kind).to_owned(), *seen)).collect()
    };
    assert_eq!(told("/etc/changed"), is(&[("1", "file", true), ("0", "file", false)]));
    assert_eq!(told("/etc/gone"), is(&[("own", "whiteout", false), ("0", "file", false)]));
    assert_eq!(told("etc//above"), is(&[("own", "file", true), ("1", "file", false)]));
    assert_eq!(told("/full"), is(&[("own", "opaque directory", true), ("0", "directory", false)]));
    assert_eq!(told("/full/old"), is(&[("0", "file", false)]));
    assert_eq!(told("/again"), is(&[("1", "file", true), ("0", "file", false)]));
    let again = one(&seen, "/files/paths", "asked", "/again");
    assert_eq!(again["links"], json!([["/again", "/link"], ["/link", "/etc/changed"]]));
    assert_eq!(told("/etc/../bin/busybox").len(), 1);
    assert!(told("/nowhere/x").is_empty());
    let place = &one(&seen, "/files/paths", "asked", "/etc/changed")["places"][0];
    assert_eq!((&place["layer"]["createdBy"], &place["size"]), (&json!("a test"), &json!(6)));
    // What is seen is what the container reads.
    for path in ["/etc/changed", "/etc/above", "/again"] {
        let size =
            sandbox.run(["exec", "con", "sh", "-c", &format!("wc -c < {path}")]).code(0).stdout.trim().to_owned();
        let seen = view(&sandbox, &["con", path]);
        let place = &seen["files"]["paths"][0]["places"][0];
        assert_eq!((place["size"].to_string(), &place["seen"]), (size, &json!(true)), "{path}");
    }
    let said = sandbox.run(["view", "con", "/etc/changed", "/full/old"]).code(0).stdout.clone();
    assert!(said.contains("layer 2") && said.contains("seen") && said.contains("is not there"), "{said}");
    sandbox.run(["rm", "-f", "con"]).code(0);
}

#[test]
fn the_biggest_change_comes_first_and_the_rest_is_counted() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    sleeps(&sandbox, "con", &["--network=none"]);
    let change = "dd if=/dev/zero of=/big bs=1k count=400 2>/dev/null; dd if=/dev/zero of=/small bs=1k count=40 2>/dev/null
        mkdir /many; i=0; while [ $i -lt 30 ]; do touch /many/$i; i=$((i+1)); done; rm /etc/gone; echo 1 >> /etc/changed";
    sandbox.run(["exec", "con", "sh", "-c", change]).code(0);
    let seen = view(&sandbox, &["con"]);
    let changes = &seen["files"]["changes"];
    assert_eq!((&changes["list"][0]["path"], &changes["list"][1]["path"]), (&json!("/big"), &json!("/small")));
    let upper = Path::new(seen["files"]["root"]["upper"].as_str().expect("its own layer"));
    let big = fs::metadata(upper.join("big")).expect("the file");
    assert_eq!(
        (&changes["list"][0]["size"], &changes["list"][0]["disk"]),
        (&json!(big.len()), &json!(big.blocks() * 512))
    );
    // 30 files, their directory, two big ones; /etc and what was added to; what is gone.
    assert_eq!(changes["counts"], json!([33, 2, 1]));
    let text = sandbox.run(["view", "con"]).code(0).stdout.clone();
    assert!(text.contains("33 added, 2 changed, 1 deleted") && text.contains("and 24 more paths"), "{text}");
    sandbox.run(["rm", "-f", "con"]).code(0);
}

#[test]
fn a_hostile_name_stays_on_its_line_and_thousands_are_cut() {
    requires!(root, cgroups, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    let pid = sleeps(
        &sandbox,
        "con",
        &["--network=none", "--pids-limit=-1", "--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"],
    );
    let name = "\u{1b}[2J\u{9b}31m\nroot\u{202e}";
    let script = format!("touch '/tmp/{}'; sleep 1001; true", "\u{1b}]0;x\u{7}");
    sandbox.run(["exec", "-d", "con", "sh", "-c", &script, name]).code(0);
    let many = "i=0; while [ $i -lt 400 ]; do sleep 1002 & mount -t tmpfs t /mnt; i=$((i+1)); done";
    sandbox.run(["exec", "con", "sh", "-c", many]).code(0);
    let shown = || sandbox.run(["view", "con"]).code(0).stdout.clone();
    assert!(within(SOON, || shown().contains(" 1001")), "{}", shown());
    let text = shown();
    let harmless = |c: char| !c.is_control() && c != '\u{202e}' || c == '\n';
    assert!(text.chars().all(harmless), "{text:?}");
    assert!(text.lines().any(|line| line.contains("?[2J?31m?root?")), "{text}");
    assert!(text.lines().count() < 150 && text.contains("more processes"), "{text}");
    let seen = view(&sandbox, &["con"]);
    let processes = &seen["sees"]["processes"];
    let told = list(processes, "/list").len() as u64 + processes["more"].as_u64().unwrap_or(0);
    // The first, the shell with its child, and the crowd.
    assert_eq!(told, 403);
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("its mounts").lines().count() as u64;
    let told = list(&seen, "/files/mounts/list").len() as u64 + seen["files"]["mounts"]["more"].as_u64().unwrap_or(0);
    assert_eq!(told, mounts);
    sandbox.run(["rm", "-f", "con"]).code(0);
}

#[test]
fn one_that_has_ended_says_so_and_what_it_has_left() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    let words = [
        "run",
        "--name=con",
        "-m=32m",
        "--cap-drop=KILL",
        "-v=vol:/data",
        "base",
        "sh",
        "-c",
        "echo 1 > /made; exit 3",
    ];
    sandbox.run(words).code(3);
    let seen = view(&sandbox, &["con", "/made"]);
    assert_eq!((&seen["runs"], &seen["exitCode"], &seen["pid"]), (&json!(false), &json!(3), &Value::Null));
    let memory = one(&seen, "/uses/limits", "name", "memory");
    assert_eq!((&memory["asked"], &memory["effective"]), (&json!(32 << 20), &Value::Null));
    assert_eq!(one(&seen, "/files/mounts/list", "at", "/data")["by"], "--volume");
    assert_eq!(one(&seen, "/mayDo/capabilities", "name", "CAP_KILL")["by"], "--cap-drop");
    // What was composed for its last start is known still, where that was recorded.
    assert_eq!(one(&seen, "/files/mounts/list", "at", "/proc")["asked"], json!(["nosuid", "noexec", "nodev"]));
    assert_eq!(one(&seen, "/uses/ulimits", "name", "nofile")["by"], "default");
    assert_eq!(seen["files"]["paths"][0]["places"][0]["size"], 2);
    sandbox.run(["view", "con"]).code(0).stdout_contains("does not run: it ended with exit code 3");
    sandbox.run(["create", "--name=new", "base", "true"]).code(0);
    sandbox.run(["view", "new"]).code(0).stdout_contains("does not run: it was never started");
    sandbox.run(["view", "none"]).code(1).one_line_error("no container");
    sandbox.run(["view"]).code(125).one_line_error("a container is needed");
    sandbox.run(["view", "--format={{.name}} {{.runs}}", "con"]).code(0).stdout_is("con false\n");
}

#[test]
fn nothing_is_executed_to_see_both_sides_and_nothing_is_left() {
    requires!(root, busybox, package = "strace");
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    sleeps(&sandbox, "con", &["--network=none"]);
    let trace = sandbox.join("home/trace");
    fs::write(&trace, "").expect("a file");
    let before = Leavings::count(&Scope::new().dir(sandbox.path()));
    let strace = ["strace", "-f", "-e", "trace=execve,execveat", "-o", text(&trace)];
    sandbox.coracle(["view", "con"]).under(strace).ok();
    let calls = fs::read_to_string(&trace).expect("the trace");
    assert_eq!(calls.matches("execve").count(), 1, "{calls}");
    before.assert_nothing_new(SOON);
    sandbox.run(["rm", "-f", "con"]).code(0);
}

#[test]
fn lines_fit_the_terminal() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    with_base(&sandbox);
    let long = format!("{}:/bound", sandbox.path().display());
    sleeps(&sandbox, "con", &["--network=none", "-v", &long]);
    let mut pty = testkit::Pty::spawn_sized(&sandbox.coracle(["view", "con"]), 24, 80);
    let shown = pty.wait().code(0).stdout.clone();
    assert!(shown.contains("may do"), "{shown}");
    // The cgroup's path is told whole, whatever that takes.
    let wide = |line: &&str| line.chars().count() > 80 && !line.contains("/coracle-");
    assert_eq!(shown.lines().find(wide), None, "{shown}");
    sandbox.run(["rm", "-f", "con"]).code(0);
}
