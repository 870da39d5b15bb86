//! What a restored container has of the one that was written down, and what the flags of both verbs do.

use crate::bundle::Bundle;
use crate::counting::{COUNTS, Counting, SOON, criu, criu_with};
use serde_json::json;
use std::fs;
use testkit::{Invocation, requires, within};

/// The mounts of a process: root, place, attributes, and the file system's type. Peers of the host's have other numbers.
fn mounts(pid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let fields = |line: &str| {
        let (mount, file_system) = line.split_once(" - ").unwrap();
        let mount: Vec<&str> = mount.split(' ').skip(3).take(3).collect();
        format!("{} {}", mount.join(" "), file_system.split(' ').next().unwrap())
    };
    let mut mounts: Vec<String> = text.lines().map(fields).collect();
    mounts.sort();
    mounts
}

#[test]
fn mounts_and_their_attributes_are_those_from_before() {
    requires!(root, busybox, cgroups, that = criu());
    let mut bundle = Bundle::script(COUNTS);
    bundle.sandbox.file("outside/file", "from outside\n");
    let outside = bundle.sandbox.join("outside");
    bundle.mount("bind", &outside, "/mnt/first", &["bind", "rw"]);
    bundle.mount("bind", &outside, "/mnt/second", &["bind", "ro", "nosuid", "nodev", "noexec"]);
    bundle.mount("bind", outside.join("file"), "/etc/file", &["bind", "ro"]);
    bundle.set("/linux/maskedPaths", json!(["/proc/keys", "/proc/timer_list", "/proc/kcore", "/sys/firmware"]));
    bundle.set("/linux/readonlyPaths", json!(["/proc/bus", "/proc/irq", "/proc/sys"]));
    let counting = Counting::of(bundle);
    let before = mounts(counting.pid());
    counting.again(&[], &[]);
    assert_eq!(mounts(counting.pid()), before);
    assert_eq!(counting.says("cat /etc/file"), "from outside\n");
}

#[test]
fn what_is_hidden_or_read_only_stays_so() {
    requires!(root, busybox, cgroups, that = criu());
    let mut bundle = Bundle::script(COUNTS);
    bundle.capabilities(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_CHOWN"]);
    bundle.set("/linux/maskedPaths", json!(["/proc/keys", "/proc/timer_list", "/proc/kcore", "/sys/firmware"]));
    bundle.set("/linux/readonlyPaths", json!(["/proc/bus", "/proc/irq", "/proc/sys"]));
    let counting = Counting::of(bundle);
    counting.again(&[], &[]);
    // To what the host's /dev/null is already: it would be that which changes.
    let attack = "for file in /proc/keys /proc/timer_list /proc/kcore; do
            head -c 1 $file; for do in 'chmod 666' 'chown 0:0'; do $do $file 2>/dev/null && echo $do $file; done
        done
        ls -A /sys/firmware; touch /sys/firmware/x 2>/dev/null && echo /sys/firmware/x
        for file in /proc/sys/kernel/domainname /proc/irq/default_smp_affinity; do
            (cat $file > $file) 2>/dev/null && echo $file
        done; echo ends";
    assert_eq!(counting.says(attack), "ends\n");
}

#[test]
fn a_restore_in_the_foreground_ends_as_the_container_does() {
    requires!(root, busybox, cgroups, that = criu());
    let script = "i=0; while [ ! -e /go ]; do i=$((i+1)); echo $i > /count; sleep 0.1; done; exit 7";
    let counting = Counting::of(Bundle::script(script));
    counting.checkpoint(&[]).code(0);
    fs::write(counting.bundle.rootfs.inside("go"), "").unwrap();
    counting.quiet(counting.corun("restore", &[])).run().code(7);
    counting.corun("state", &[]).run().code(1).stderr_contains("does not exist");
}

#[test]
fn one_with_as_many_tasks_as_it_may_have_comes_back() {
    requires!(root, busybox, controller = "pids", that = criu());
    let mut bundle = Bundle::script(COUNTS);
    bundle.set("/linux/resources/pids/limit", 2);
    let counting = Counting::of(bundle);
    counting.again(&[], &[]);
    let cgroup = testkit::requires::pids_hierarchy().unwrap().join(&counting.bundle.id);
    let read = |file| fs::read_to_string(cgroup.join(file)).unwrap();
    assert_eq!((read("pids.max"), read("pids.events")), ("2\n".to_owned(), "max 0\n".to_owned()));
}

#[test]
fn a_stream_that_is_at_another_descriptor_meanwhile_is_that_of_the_restore() {
    requires!(root, busybox, cgroups, that = criu());
    let script = "exec 3>&2 2>/dev/null; i=0
        while :; do i=$((i+1)); echo $i > /count; [ -e /go ] && rm /go && echo went >&3; sleep 0.1; done";
    let counting = Counting::of(Bundle::script(script));
    counting.again(&[], &[]);
    fs::write(counting.bundle.rootfs.inside("go"), "").unwrap();
    assert!(within(SOON, || counting.errors() == "went\n"), "{}", counting.errors());
}

#[test]
fn a_network_namespace_from_outside_is_joined_again() {
    requires!(root, busybox, cgroups, package = "unshare", that = criu());
    let outside = Invocation::new("unshare").args(["--net", "sleep", "600"]).spawn();
    let path = format!("/proc/{}/ns/net", outside.pid());
    let namespace = |path: &str| fs::read_link(path).unwrap();
    assert!(within(SOON, || namespace(&path) != namespace("/proc/self/ns/net")));
    let mut bundle = Bundle::script(COUNTS);
    bundle.namespace("network", Some(&path));
    let counting = Counting::of(bundle);
    let file = counting.bundle.sandbox.join("pid");
    counting.again(&[], &["--pid-file", &file.to_string_lossy()]);
    assert_eq!(namespace(&format!("/proc/{}/ns/net", counting.pid())), namespace(&path));
    assert_eq!(fs::read_to_string(file).unwrap(), counting.pid().to_string());
}

#[test]
fn memory_goes_to_a_page_server() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    let dir = counting.bundle.dir().join("checkpoint");
    fs::create_dir(&dir).unwrap();
    let serve = |port: u16| {
        let server = Invocation::new("criu").args(["page-server", "--address", "127.0.0.1", "--port"]);
        server.arg(port.to_string()).arg("--images-dir").arg(&dir).spawn()
    };
    let port = free_port();
    let server = serve(port);
    assert!(within(SOON, || listens(port)), "the page server listens");
    counting.checkpoint(&["--page-server", &format!("127.0.0.1:{port}")]).code(0);
    server.wait().code(0);
    let last = counting.count();
    counting.restore(&[]);
    assert!(within(SOON, || counting.count() > last), "it goes on with the memory that was sent");
}

/// A port of the loopback device that nobody listens at.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether somebody listens there, without a connection, which would be taken for the one that is awaited.
fn listens(port: u16) -> bool {
    let wanted = format!(":{port:04X} 00000000:0000 0A");
    fs::read_to_string("/proc/net/tcp").unwrap().contains(&wanted)
}

#[test]
fn what_a_pre_dump_has_written_the_checkpoint_need_not() {
    requires!(root, busybox, cgroups, that = criu_with("mem_dirty_track"));
    let counting = Counting::new();
    counting.checkpoint(&["--pre-dump", "--image-path", "before"]).code(0);
    counting.corun("state", &[]).ok().stdout_contains("\"running\"");
    counting.again(&["--image-path", "after", "--parent-path", "../before"], &["--image-path", "after"]);
    let pages = |dir: &str| fs::metadata(counting.bundle.dir().join(dir).join("pages-1.img")).unwrap().len();
    assert!(pages("after") < pages("before"), "{} of {}", pages("after"), pages("before"));
}

#[test]
fn pages_come_when_they_are_touched() {
    requires!(root, busybox, cgroups, that = criu_with("uffd-noncoop"), that = criu_with("mem_dirty_track"));
    let mut bundle = Bundle::script(COUNTS);
    // Both are there for a while, each in a cgroup of its own.
    bundle.unset("/linux/cgroupsPath");
    let counting = Counting::of(bundle);
    let port = free_port();
    let server = format!("127.0.0.1:{port}");
    let dir = counting.bundle.dir().join("checkpoint");
    let ignored = ["--lazy-pages", "--manage-cgroups-mode", "ignore"];
    let dump = counting.quiet(counting.corun("checkpoint", &["--page-server", &server]).args(ignored)).spawn();
    assert!(within(SOON, || listens(port)), "it waits for who wants the pages");
    let daemon = Invocation::new("criu").args(["lazy-pages", "--page-server", "--address", "127.0.0.1", "--port"]);
    let daemon = daemon.arg(port.to_string()).arg("--images-dir").arg(&dir).spawn();
    assert!(within(SOON, || dir.join("lazy-pages.socket").exists()), "the daemon listens");
    let last = counting.count();
    let other = format!("{}-again", counting.bundle.id);
    let restore = counting.verb("restore", &["--detach", "--lazy-pages", "--manage-cgroups-mode", "ignore"], &other);
    let restored = counting.quiet(restore).run().exit_code();
    let goes_on = restored == Some(0) && within(SOON, || counting.count() > last + 2);
    let log = format!("{}{:?}", counting.errors(), fs::read_to_string(dir.join("restore.log")));
    counting.verb("delete", &["--force"], &other).run();
    assert!(goes_on, "{log}");
    dump.wait().code(0);
    daemon.wait().code(0);
}

#[test]
fn a_byte_tells_that_pages_can_be_had() {
    requires!(root, busybox, cgroups, that = criu_with("uffd-noncoop"));
    let counting = Counting::new();
    let port = free_port();
    let options = ["--lazy-pages", "--page-server", &format!("127.0.0.1:{port}"), "--status-fd", "9"];
    let status = counting.bundle.sandbox.join("status");
    let dump = counting.corun("checkpoint", &options).env("STATUS", &status);
    let dump = counting.quiet(dump.under(["sh", "-c", "exec \"$@\" 9>\"$STATUS\"", "sh"])).spawn();
    assert!(within(SOON, || fs::read(&status).is_ok_and(|bytes| !bytes.is_empty())), "{}", counting.errors());
    assert_eq!(fs::read(&status).unwrap(), [0]);
    assert!(listens(port), "it waits for who wants the pages");
    // Somebody who wants none after all.
    drop(std::net::TcpStream::connect(("127.0.0.1", port)));
    dump.wait();
}

#[test]
fn locks_of_files_are_kept_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, package = "flock", that = criu());
    let bundle = Bundle::script(&format!("exec /usr/bin/flock /lock sh -c '{COUNTS}'"));
    // Its own, since criu waits for nobody who waits for a slow disk of the host's.
    let copy = "ldd $(command -v flock) | grep -o '/[^ ]*' | xargs cp --parents -t $0 $(command -v flock)";
    Invocation::new("sh").args(["-c", copy]).arg(bundle.rootfs.path()).ok();
    let counting = Counting::of(bundle);
    counting.again(&["--file-locks"], &["--file-locks"]);
    assert_eq!(counting.says("flock -n /lock true || echo held"), "held\n");
    counting.checkpoint(&[]).code(1).stderr_contains("lock");
}

#[test]
fn a_file_that_lost_its_name_gets_one_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, that = criu());
    let script = format!("echo kept >/one; ln /one /two; exec 9<>/one; rm /one; {COUNTS}");
    let counting = Counting::of(Bundle::script(&script));
    counting.again(&["--link-remap"], &[]);
    assert_eq!(counting.says("cat /proc/1/fd/9; ls /"), counting.says("echo kept; ls /"));
    counting.checkpoint(&[]).code(1).stderr_contains("link");
}
