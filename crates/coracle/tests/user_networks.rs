//! Networks of ordinary users, who may change nothing of the machine's.

#![forbid(unsafe_code)]

mod machine;

use machine::{Neighbour, SOON, World, get, open_tun, said};
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
    let among = world.run("run --rm --network bridge host: ls /sys/class/net");
    among.code(0).stdout_is("eth0\nlo\n").stderr_contains("networks reach no other machine");
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
    // In the foreground, too, where signals are the container's.
    let begun = std::time::Instant::now();
    world.run("run --rm --network pasta -p 8080:80 host: true").code(0);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
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

#[test]
fn datagrams_come_with_the_address_of_who_has_sent_them() {
    requires!(subuid_user, user_namespaces, package = "ip", package = "pasta");
    let (world, neighbour) = world();
    world.echo("echo", "--network bridge -p 5000:53/udp");
    for at in ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1"] {
        assert_eq!(said(at, 5000, "hello").as_deref(), Some("hello"), "{at}");
    }
    for (at, from) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        let script = format!(
            "import socket; f = socket.getaddrinfo('{at}', 5000)[0][0]; s = socket.socket(f, socket.SOCK_DGRAM); \
             s.settimeout(2); s.connect(('{at}', 5000)); s.send(b'hi'); print(s.recv(9).decode())"
        );
        neighbour.words(&["python3", "-c", &script]).code(0).stdout_is("hi\n");
        let logs = world.run("logs echo").stdout.clone();
        assert!(logs.lines().any(|line| line.ends_with(from)), "{logs}");
    }
    // Large ones go out whole; pasta knows no fragments.
    let script = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('192.0.2.2', 6000))\n\
                  while True: b, a = s.recvfrom(65536); s.sendto(str(len(b)).encode(), a)";
    let _server = neighbour.start_words(&["python3", "-c", script]);
    let ask = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); \
               s.sendto(bytes(4000), ('192.0.2.2', 6000)); print(s.recv(9).decode())";
    let heard = || world.words(&["exec", "echo", "python3", "-c", ask]).stdout == "4000\n";
    assert!(within(SOON, heard));
    world.run("run -p 80:80/sctp --network bridge host: true").code(125).stderr_contains("TCP and UDP alone");
}

#[test]
fn other_names_are_asked_for_by_pasta_and_those_of_internal_networks_stay_there() {
    requires!(subuid_user, user_namespaces, package = "ip", package = "pasta", package = "dig");
    let (world, neighbour) = world();
    // This machine asks its neighbour.
    let resolv = world.sandbox.file("resolv.conf", "nameserver 192.0.2.2\n");
    Invocation::new("mount").args(["--bind", &resolv.display().to_string(), "/etc/resolv.conf"]).ok();
    let (_server, heard) = neighbour.serve_names(&world.sandbox);
    world.run("network create app").code(0);
    world.run("network create inner --internal").code(0);
    let dig = |network: &str, words: &str| {
        world.run(&format!("run --rm --network {network} host: dig +time=2 +tries=2 {words}")).code(0).stdout.clone()
    };
    assert_eq!(dig("app", "+short outside.test"), "198.51.100.7\n");
    assert_eq!(dig("app", "+tcp +short alone"), "");
    world.server("db", "--network inner");
    assert!(dig("inner", "secret.test").contains("NXDOMAIN"));
    assert_eq!(dig("inner", "+short db A"), world.of("db", "{{.NetworkSettings.Networks.inner.IPAddress}}") + "\n");
    world.run("run --rm --network inner host: curl -s --max-time 1 http://192.0.2.2/").code(7);
    let heard = String::from_utf8_lossy(&std::fs::read(heard).expect("what was heard")).into_owned();
    assert!(heard.contains("outside") && !heard.contains("secret"), "{heard}");
}

#[test]
fn containers_come_and_leave_while_they_run() {
    requires!(subuid_user, user_namespaces, package = "ip", package = "curl", package = "pasta");
    let (world, _neighbour) = world();
    world.run("network create one").code(0);
    world.run("network create two").code(0);
    let macvlan = "network create wire --driver macvlan --opt parent=wire --subnet 192.0.2.0/24";
    world.run(macvlan).code(1).one_line_error("only root");
    for name in ["alone", "other"] {
        world.run(&format!("run -d --name {name} --network none host: sleep 1000")).code(0);
    }
    world.server("web", "--network one --userns keep-id --cap-add NET_RAW");
    world.run("network connect two web").code(0);
    world.run("run --rm --network two host: curl -s http://web/").code(0).stdout_is("web");
    world.run("network disconnect one web").code(0);
    world.run("run --rm --network one host: curl -s --max-time 1 http://web/").code(6);
    world.run("run --rm --network two host: curl -s http://web/").code(0).stdout_is("web");
    world.run("update --publish-add 8080:80 web").code(0);
    assert_eq!(get("http://127.0.0.1:8080/").as_deref(), Some("web"));
    world.run("run -d --name beside --network two host: sleep 1000").code(0);
    let both = world.run("update --publish-add 8081:80 web beside");
    both.code(1).stdout_is("web\n").stderr_contains("container beside is left as it was");
    world.run("port beside").code(0).stdout_is("");
    world.run("rm -f -t 0 beside").code(0);
    world.run("update --publish-rm 80 web").code(0);
    assert_eq!(get("http://127.0.0.1:8080/"), None);
    // Who was born before there were networks has to be born again.
    world.run("network connect two alone").code(1).one_line_error("stop it, connect it, and start it again");
    world.run("stop -t 0 alone").code(0);
    world.run("network connect two alone").code(0);
    world.run("start alone").code(0);
    world.run("exec alone curl -s http://web/").code(0).stdout_is("web");
    world.run("run --userns ns:/proc/self/ns/user --network one host: true").code(125).stderr_contains("leave out one");
}

/// The processes of this user's commons: who keeps them, and pasta.
fn commons(world: &World) -> [Option<i32>; 2] {
    let read = |name: &str| std::fs::read_to_string(world.sandbox.runroot().join(name)).ok();
    let pid = |text: String| text.trim().split('-').next().and_then(|pid| pid.parse().ok());
    ["commons", "commons.pasta"].map(|name| read(name).and_then(pid).filter(|pid| sys::process::kill(*pid, 0).is_ok()))
}

#[test]
fn the_namespaces_of_networks_outlive_who_keeps_them_and_nobody_else() {
    requires!(subuid_user, user_namespaces, package = "ip", package = "curl", package = "pasta");
    let (world, _neighbour) = world();
    world.run("network create shop").code(0);
    world.server("web", "--network shop -p 8080:80");
    for victim in [0, 1] {
        let before = commons(&world);
        sys::process::kill(before[victim].expect("a process"), 9).expect("killed");
        assert!(within(SOON, || commons(&world)[victim].is_none()));
        world.run("run --rm --network shop host: curl -s http://web/").code(0).stdout_is("web");
        let after = commons(&world);
        assert!(after[victim].is_some() && after[victim] != before[victim] && after[1 - victim] == before[1 - victim]);
        assert_eq!(get("http://127.0.0.1:8080/").as_deref(), Some("web"));
    }
    // Everything of ours at once; the container stays, and is found again.
    let program = format!("^{}/bin/coracle ", world.sandbox.path().display());
    for pid in Invocation::new("pgrep").args(["-f", &program]).ok().stdout.lines() {
        sys::process::kill(pid.parse().expect("a pid"), 9).expect("killed");
    }
    assert_eq!(world.of("web", "{{.State.Status}}"), "running");
    world.run("rm -f -t 0 web").code(0);
    world.run("run --rm --network shop host: true").code(0);
    let gone = || commons(&world) == [None, None];
    assert!(within(std::time::Duration::from_secs(40), gone), "{:?}", commons(&world));
    world.run("network rm shop").code(0);
    assert!(!world.sandbox.runroot().join("networks/shop").exists());
}
