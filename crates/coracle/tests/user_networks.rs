//! Networks of ordinary users, who may change nothing of the machine's.

#![forbid(unsafe_code)]

mod machine;

use machine::{Neighbour, SOON, World, get, open_tun};
use testkit::{Invocation, Sandbox, requires, within};

#[test]
fn an_ordinary_users_container_reaches_the_network_and_is_reached() {
    requires!(subuid_user, user_namespaces, package = "ip", package = "curl", package = "pasta", package = "fuser");
    let user = testkit::User::with_subuids();
    open_tun();
    let world = World::with(Sandbox::of(&user));
    // Without a way out there is nothing that pasta could do, and a container that has asked for nothing runs all the same.
    let offline = world.run("run --rm host: ls /sys/class/net");
    offline.code(0).stdout_is("lo\n").stderr_contains("this machine has no way to others");
    let neighbour = Neighbour::new();
    let there = |words: &str| neighbour.run(words);
    world.server("web", "-p 8080:80 -p 127.0.0.1:8081:80");
    for url in ["http://127.0.0.1:8080/", "http://192.0.2.1:8080/", "http://127.0.0.1:8081/", "http://[::1]:8080/"] {
        assert_eq!(get(url).as_deref(), Some("web"), "{url}");
    }
    assert_eq!(get("http://192.0.2.1:8081/"), None, "published at one address only");
    // Who speaks to it is seen as who he is (CVE-2021-20199).
    there("curl -s --max-time 2 http://192.0.2.1:8080/").code(0).stdout_is("web");
    assert!(within(SOON, || world.run("logs web").stderr.contains("192.0.2.2 - - ")), "{:?}", world.run("logs web"));
    world.run("port web 80").code(0).stdout_contains("0.0.0.0:8080");
    assert_eq!(world.of("web", "{{.HostConfig.NetworkMode}}"), "pasta");
    // It goes out; but this machine's loopback is not its own.
    let script = "import socket; s = socket.create_server(('127.0.0.1', 4000)); print('up', flush=True); s.accept()";
    let _server = Invocation::new("timeout").args(["20", "python3", "-c", script]).spawn();
    let listens = || Invocation::new("ss").args(["-ltn"]).ok().stdout.contains("127.0.0.1:4000");
    assert!(within(SOON, listens));
    world.run("exec web curl -s --max-time 1 http://127.0.0.1:4000/").code(7);
    let taken = world.run("run --rm -p 8080:80 host: true");
    taken.code(125).stderr_contains("port 8080/tcp cannot be published: container web has it");
    world.run("restart -t 0 web").code(0);
    assert!(within(SOON, || get("http://127.0.0.1:8080/").is_some()));
    world.run("rm -f -t 0 web").code(0);
    assert!(within(SOON, || get("http://127.0.0.1:8080/").is_none()));
    let place = world.sandbox.path().display().to_string();
    let pasta = || Invocation::new("pgrep").args(["-f", &format!("^pasta .*{place}")]).run().stdout.clone();
    assert!(within(SOON, || pasta().is_empty()), "{}", pasta());
    // Without pasta it is said what is missing.
    let tools = world.sandbox.join("home/tools");
    std::fs::create_dir_all(&tools).expect("a directory");
    for tool in ["newuidmap", "newgidmap"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), tools.join(tool)).expect("a link");
    }
    let bare = |words: &[&str]| world.sandbox.coracle(words).env("CORACLE_NETWORK", "").env("PATH", &tools).run();
    bare(&["run", "--rm", "host:", "/bin/true"]).code(0).stderr_contains("install the package passt");
    bare(&["run", "--rm", "--network", "pasta", "host:", "/bin/true"])
        .code(125)
        .stderr_contains("install the package passt");
}

#[test]
fn an_ordinary_users_containers_share_networks() {
    requires!(subuid_user, user_namespaces, package = "ip", package = "curl", package = "pasta", package = "nft");
    let user = testkit::User::with_subuids();
    open_tun();
    let world = World::with(Sandbox::of(&user));
    let neighbour = Neighbour::new();
    world.run("network create shop").code(0);
    world.server("web", "--network shop --network-alias www -p 8080:80");
    world.run("run --rm --network shop host: curl -s http://web/").code(0).stdout_is("web");
    world.run("run --rm --network shop host: curl -s http://www/").code(0).stdout_is("web");
    for url in ["http://127.0.0.1:8080/", "http://192.0.2.1:8080/", "http://[::1]:8080/"] {
        assert_eq!(get(url).as_deref(), Some("web"), "{url}");
    }
    neighbour.run("curl -s --max-time 2 http://192.0.2.1:8080/").code(0).stdout_is("web");
}
