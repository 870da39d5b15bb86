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

/// An ordinary user on a machine that has a neighbour.
fn world() -> (World, Neighbour) {
    let user = testkit::User::with_subuids();
    open_tun();
    let world = World::with(Sandbox::of(&user));
    (world, Neighbour::new())
}

#[test]
fn an_ordinary_users_containers_share_networks() {
    requires!(subuid_user, user_namespaces, package = "ip", package = "curl", package = "pasta");
    let (world, neighbour) = world();
    world.run("network create shop").code(0);
    world.run("network create other").code(0);
    world.server("web", "--network shop --network-alias www -p 8080:80");
    for name in ["web", "www"] {
        world.run(&format!("run --rm --network shop host: curl -s http://{name}/")).code(0).stdout_is("web");
    }
    for url in ["http://127.0.0.1:8080/", "http://192.0.2.1:8080/", "http://[::1]:8080/"] {
        assert_eq!(get(url).as_deref(), Some("web"), "{url}");
    }
    // Who speaks to it is seen as who he is.
    for (url, from) in [("http://192.0.2.1:8080/", "192.0.2.2"), ("http://[2001:db8::1]:8080/", "2001:db8::2")] {
        neighbour.run(&format!("curl -s -g --max-time 2 {url}")).code(0).stdout_is("web");
        let seen = || world.run("logs web").stderr.contains(&format!("{from} - - "));
        assert!(within(SOON, seen), "{:?}", world.run("logs web"));
    }
    // It goes out.
    std::fs::write(world.sandbox.join("index.html"), "next door").expect("a file");
    let root = world.sandbox.path().display().to_string();
    let _server = neighbour.start(&format!("python3 -m http.server -d {root} --bind :: 8000"));
    let serves = || neighbour.run("curl -s http://127.0.0.1:8000/").exit_code() == Some(0);
    assert!(within(SOON, serves));
    for url in ["http://192.0.2.2:8000/", "http://[2001:db8::2]:8000/"] {
        let words = format!("run --rm --network shop host: curl -s -g --max-time 3 {url}");
        world.run(&words).code(0).stdout_is("next door");
    }
    // One network's containers are nobody's in another.
    let address = world.of("web", "{{.NetworkSettings.Networks.shop.IPAddress}}");
    world.run(&format!("run --rm --network other host: curl -s --max-time 1 http://{address}/")).code(28);
    world.run("run --rm --network other host: curl -s --max-time 1 http://web/").code(6);
    world.run("restart -t 0 web").code(0);
    assert!(within(SOON, || get("http://127.0.0.1:8080/").is_some()));
    let taken = world.run("run --rm -p 8080:80 host: true");
    taken.code(125).stderr_contains("port 8080/tcp cannot be published: container web has it");
    world.run("rm -f -t 0 web").code(0);
    assert!(within(SOON, || get("http://127.0.0.1:8080/").is_none()));
    world.run("network rm shop other").code(0);
}
