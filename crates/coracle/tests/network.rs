//! Networks as their users meet them. Each test has a machine of its own for it: a network namespace, in which there is
//! nothing but loopback.

#![forbid(unsafe_code)]

mod machine;

use machine::{Neighbour, SOON, World, devices, get, ip, said};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use testkit::{Invocation, Pty, requires, within};

#[test]
fn a_container_is_in_the_default_network_and_its_ports_are_published() {
    requires!(root, cgroups, package = "ip", package = "curl", package = "nft");
    let world = World::new();
    world.server("web", "-p 8080:80 -p 127.0.0.1:8081:80 --hostname www");
    let address = world.of("web", "{{.NetworkSettings.IPAddress}}");
    assert_eq!(address, "10.64.0.2");
    assert_eq!(get(&format!("http://{address}/")).as_deref(), Some("web"));
    for url in ["http://127.0.0.1:8080/", "http://[::1]:8080/", "http://127.0.0.1:8081/", "http://10.64.0.1:8080/"] {
        assert_eq!(get(url).as_deref(), Some("web"), "{url}");
    }
    assert_eq!(get("http://10.64.0.1:8081/"), None, "published at one address only");
    let six = world.of("web", "{{.NetworkSettings.GlobalIPv6Address}}");
    assert_eq!(get(&format!("http://[{six}]/")).as_deref(), Some("web"));
    world.run("port web").code(0).stdout_is("80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081\n80/tcp -> [::]:8080\n");
    world.run("port web 80").code(0).stdout_is("0.0.0.0:8080\n127.0.0.1:8081\n[::]:8080\n");
    world.run("port web 81").code(1);
    world.run("ps").code(0).stdout_contains("0.0.0.0:8080->80/tcp");
    assert_eq!(world.of("web", "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}"), "8080");
    assert_eq!(world.of("web", "{{.HostConfig.NetworkMode}}"), "bridge");
    assert_eq!(world.of("web", "{{.NetworkSettings.Networks.bridge.Gateway}}"), "10.64.0.1");
    let hosts = world.run("exec web cat /etc/hosts").code(0).stdout.clone();
    assert!(hosts.contains("10.64.0.2\twww web"), "{hosts}");
    assert!(hosts.contains("10.64.0.1\thost.containers.internal host.docker.internal"), "{hosts}");
    // Another one from within a container, by this machine's address.
    world.run("run --rm host: curl -s http://10.64.0.1:8080/").code(0).stdout_is("web");
    let taken = world.run("run --rm -p 8080:80 host: true");
    taken.code(125).stderr_contains("port 8080/tcp cannot be published: container web has it");
    world.run("rm -f -t 0 web").code(0);
    assert_eq!(get("http://127.0.0.1:8080/"), None);
    assert!(within(SOON, || get("http://[::1]:8080/").is_none()));
    let rules = Invocation::new("nft").args(["list", "ruleset"]).ok().stdout;
    assert!(!rules.contains("tcp . 8080"), "{rules}");
    assert!(within(SOON, || devices() == 0), "{}", ip("link"));
    let leases = world.sandbox.runroot().join("networks/bridge/leases");
    let left = std::fs::read_dir(leases).expect("leases").flatten().filter(|entry| entry.path().is_symlink()).count();
    assert_eq!(left, 0);
}

#[test]
fn networks_are_made_listed_looked_at_and_removed() {
    requires!(root, cgroups, package = "ip");
    let world = World::new();
    world
        .run("network create web --subnet 10.90.0.0/24 --ip-range 10.90.0.128/25 --label tier=front")
        .code(0)
        .stdout_is("web\n");
    world.run("network create back --internal --opt mtu=1400").code(0);
    world.run("network create web").code(1).one_line_error("network \"web\" is there already");
    world.run("network create web --ignore").code(0);
    world.run("network create other --subnet 10.90.0.64/26").code(1).one_line_error("overlaps that of network web");
    world.run("network create host").code(1);
    let names = world.words(&["network", "ls", "--format", "{{.Name}} {{.Internal}}"]).code(0).stdout.clone();
    assert_eq!(names, "back true\nbridge false\nweb false\n");
    world.words(&["network", "ls", "-q", "--filter", "label=tier=front"]).code(0);
    let whole: Value = serde_json::from_str(&world.run("network inspect web").code(0).stdout).expect("JSON");
    assert_eq!(whole[0]["IPAM"]["Config"][0]["Subnet"], "10.90.0.0/24");
    assert_eq!(whole[0]["IPAM"]["Config"][0]["Gateway"], "10.90.0.1");
    assert_eq!(whole[0]["Labels"]["tier"], "front");
    world.run("run -d --name box --network web host: sleep 1000").code(0);
    assert_eq!(world.of("box", "{{.NetworkSettings.Networks.web.IPAddress}}"), "10.90.0.129");
    let mtu = world.run("run --rm --network back host: cat /sys/class/net/eth0/mtu");
    mtu.code(0).stdout_is("1400\n");
    world.run("run --rm --network back host: ip route show default").code(0).stdout_is("");
    world.run("network rm web").code(1).one_line_error("network web is in use by box");
    world.run("network rm bridge").code(1);
    let inspected = world.words(&["network", "inspect", "-f", "{{range .Containers}}{{.Name}}{{end}}", "web"]);
    inspected.code(0).stdout_is("box\n");
    for (name, kind) in [("web", "network"), ("files", "volume"), ("key", "secret")] {
        if kind == "volume" {
            world.run("volume create files").code(0);
        }
        if kind == "secret" {
            let file = world.sandbox.file("home/key", "s");
            world.words(&["secret", "create", "key", &file.to_string_lossy()]).code(0);
        }
        let told = |words: &[&str]| world.words(words).code(0).stdout.clone();
        assert_eq!(told(&["inspect", name]), told(&["inspect", "--type", kind, name]));
        world.words(&["inspect", "--type", "image", name]).code(1);
    }
    // What is found is told, and what is not as well.
    let both = world.run("inspect --format {{.Name}} files nothing web");
    both.code(1)
        .stdout_is("files\nweb\n")
        .stderr_contains("no container, image, network, volume or secret \"nothing\"");
    world.run("network exists web").code(0);
    world.run("network exists nothing").code(1);
    world.run("network prune -f").code(0).stdout_is("back\n");
    world.run("network rm -f web").code(0);
    world.run("inspect box").code(1);
    assert!(!ip("link").contains("corw"), "{}", ip("link"));
    world.run("run --rm --network web host: true").code(125).one_line_error("no network \"web\"");
    let told = world.words(&["events", "--stream=false", "--filter", "type=network", "--format", "{{.Action}}"]);
    assert_eq!(told.lines(), ["create", "create", "connect", "connect", "connect", "destroy", "destroy"]);
}

#[test]
fn a_container_in_two_networks_comes_and_leaves_while_it_runs() {
    requires!(root, cgroups, package = "ip", package = "curl");
    let world = World::new();
    world.run("network create one --subnet 10.90.1.0/24").code(0);
    world.run("network create two --subnet 10.90.2.0/24").code(0);
    world.run("network create three --subnet 10.90.3.0/24").code(0);
    world.server("web", "--network one:ip=10.90.1.77,mac=92:d0:c6:0a:29:33 --network two:interface_name=second");
    let shown = world.run("exec web ip -br addr").code(0).stdout.clone();
    assert!(shown.contains("10.90.1.77/24") && shown.contains("second"), "{shown}");
    assert_eq!(world.of("web", "{{.NetworkSettings.Networks.one.MacAddress}}"), "92:d0:c6:0a:29:33");
    world.run("run --rm --network two host: curl -s http://10.90.2.2/").code(0).stdout_is("web");
    // One in another network does not reach it there.
    world.run("run --rm --network three host: curl -s --max-time 1 http://10.90.1.77/").code(28);
    world.run("network connect --ip 10.90.3.9 three web").code(0);
    world.run("run --rm --network three host: curl -s http://10.90.3.9/").code(0).stdout_is("web");
    world.run("network connect three web").code(1).one_line_error("container web is in network three already");
    world.run("network disconnect two web").code(0);
    assert!(!world.run("exec web ip link").code(0).stdout.contains("second"));
    world.run("run --rm --network two host: curl -s --max-time 1 http://10.90.2.2/").code(28);
    world.run("network disconnect two web").code(1).one_line_error("container web is not in network two");
    // What has changed is so at the next start, too.
    world.run("restart -t 0 web").code(0);
    let networks =
        world.of("web", "{{range $name, $n := .NetworkSettings.Networks}}{{$name}}={{$n.IPAddress}} {{end}}");
    assert_eq!(networks, "one=10.90.1.77 three=10.90.3.9");
    let alone = world.run("run -d --name alone --network none host: sleep 1000");
    alone.code(0);
    world.run("network connect one alone").code(0);
    let hears = || world.run("exec alone curl -s http://10.90.1.77/").stdout == "web";
    assert!(within(SOON, hears), "once the server has begun anew");
    world.run("network connect one nobody").code(1);
}

#[test]
fn one_that_leaves_under_load_takes_nobody_else_along() {
    requires!(root, cgroups, package = "ip", package = "curl");
    let world = World::new();
    for (name, subnet) in [("one", "10.90.1.0/24"), ("two", "10.90.2.0/24")] {
        world.run(&format!("network create {name} --subnet {subnet}")).code(0);
    }
    world.server("web", "--network one:ip=10.90.1.77 --network two:ip=10.90.2.77");
    // More than anybody takes while this test runs.
    let endless = std::fs::File::create(world.sandbox.join("www-web/endless")).expect("a file");
    endless.set_len(1 << 40).expect("a file with a hole");
    let load = |name: &str, network: &str, address: &str| {
        let options = format!("run -d --name {name} --network {network} host:");
        world.run(&format!("{options} curl -s -o /dev/null --limit-rate 100M http://{address}/endless")).code(0);
    };
    let taken = |name: &str| -> u64 {
        let count = world.run(&format!("exec {name} cat /sys/class/net/eth0/statistics/rx_bytes"));
        count.code(0).stdout.trim().parse().expect("a number of bytes")
    };
    let flows = |name: &str| {
        let before = taken(name);
        within(SOON, || taken(name) > before + (1 << 20))
    };
    load("stays", "one", "10.90.1.77");
    for round in 0..5 {
        load("left", "two", "10.90.2.77");
        assert!(flows("left") && flows("stays"), "round {round}");
        world.run("network disconnect two web").code(0);
        // One of each of the three; what those before have left goes with their namespaces, when the kernel comes to it.
        assert!(within(SOON, || devices() == 3), "{}", ip("link"));
        let before = taken("left");
        assert!(flows("stays"), "round {round}: the other network's packets still come");
        assert!(taken("left") < before + (1 << 16), "round {round}: what has left sends nothing any more");
        world.run("network connect --ip 10.90.2.77 two web").code(0);
        world.run("run --rm --network two host: curl -s http://10.90.2.77/").code(0).stdout_is("web");
        world.run("rm -f -t 0 left").code(0);
    }
    assert_eq!(world.of("stays", "{{.State.Status}}"), "running");
}

#[test]
fn the_network_of_another_container_is_shared() {
    requires!(root, cgroups, package = "ip", package = "curl");
    let world = World::new();
    world.server("web", "");
    world.run("run --rm --network container:web host: curl -s http://127.0.0.1/").code(0).stdout_is("web");
    world.run("run --rm --network container:nobody host: true").code(125);
    world.run("rm -f -t 0 web").code(0);
    world.run("run --rm --network container:web host: true").code(125);
}

#[test]
fn ports_are_chosen_and_ranges_are_taken_in_order() {
    requires!(root, cgroups, package = "ip");
    let world = World::new();
    world.run("run -d --name first -p 80 -p 9000-9001:90-91 --expose 70 -P host: sleep 1000").code(0);
    let ports = world.run("port first").code(0).stdout.clone();
    assert!(ports.contains("90/tcp -> 0.0.0.0:9000") && ports.contains("91/tcp -> 0.0.0.0:9001"), "{ports}");
    let chosen = |port: &str| {
        let outcome = world.run(&format!("port first {port}"));
        outcome.code(0).stdout.lines().next().and_then(|line| line.rsplit(':').next()?.parse::<u16>().ok())
    };
    assert!(chosen("80").is_some_and(|port| port >= 1024) && chosen("70").is_some_and(|port| port >= 1024), "{ports}");
    world.run("run -d --name second -p 9000-9010:90 host: sleep 1000").code(0);
    world.run("port second 90").code(0).stdout_contains("0.0.0.0:9002");
    world.run("stop -t 0 first").code(0);
    world.run("port first").code(0).stdout_is("");
    world.run("start first").code(0);
    assert!(chosen("91") == Some(9001));
}

#[test]
fn a_firewall_of_somebody_elses_in_the_way_is_named_with_what_helps() {
    requires!(root, cgroups, package = "ip", package = "nft");
    let world = World::new();
    world.run("run --rm -p 8080:80 host: true").code(0).stderr_is("");
    // As docker leaves its table: nothing is passed on that it has not let through.
    for words in [
        "add table ip filter",
        "add chain ip filter DOCKER-USER",
        "add chain ip filter FORWARD { type filter hook forward priority 0 ; policy drop ; }",
        "add rule ip filter FORWARD jump DOCKER-USER",
    ] {
        Invocation::new("nft").args(words.split(' ')).ok();
    }
    let told = world.run("run --rm -p 8080:80 host: true");
    told.code(0)
        .stderr_contains("chain FORWARD of table ip filter drops")
        .stderr_contains("iptables -I DOCKER-USER -i cor");
    world.run("run --rm --network none host: true").code(0).stderr_is("");
}

#[test]
fn the_machines_own_firewall_decides_who_reaches_a_port_where_that_is_wanted() {
    requires!(root, cgroups, package = "ip", package = "curl", package = "nft");
    let world = World::new();
    world.server("open", "-p 8080:80");
    world.server("kept", "-p 8081:80 --publish-policy host");
    world.run("port kept").code(0).stdout_contains("0.0.0.0:8081");
    let urls = |port: u16| [format!("http://10.64.0.1:{port}/"), format!("http://[::1]:{port}/")];
    for (port, name) in [(8080, "open"), (8081, "kept")] {
        assert!(urls(port).iter().all(|url| get(url).as_deref() == Some(name)), "{name}");
    }
    for words in [
        "add table inet mine",
        "add chain inet mine in { type filter hook input priority 0 ; policy accept ; }",
        "add rule inet mine in tcp dport { 8080, 8081 } drop",
    ] {
        Invocation::new("nft").args(words.split(' ')).ok();
    }
    assert_eq!(get("http://10.64.0.1:8080/").as_deref(), Some("open"), "led on before those rules");
    assert!(urls(8081).iter().all(|url| get(url).is_none()));
    world.run("run -p 53:53/sctp --publish-policy host host: true").code(125).stderr_contains("TCP and UDP alone");
}

/// What must not be reached: by a neighbour, from another network, and from an internal one.
fn leaks(world: &World, neighbour: &Neighbour) -> Vec<String> {
    let web = world.of("web", "{{.NetworkSettings.Networks.one.IPAddress}}");
    let from =
        |container: &str, url: &str| world.run(&format!("exec {container} curl -s --max-time 1 {url}")).stdout.clone();
    let near = |url: &str| neighbour.run(&format!("curl -s --max-time 1 {url}")).stdout.clone();
    let tries = [
        ("a port that is published for loopback", near("http://192.0.2.1:8081/")),
        ("a port that is not published", near(&format!("http://{web}/"))),
        ("another network", from("two", &format!("http://{web}/"))),
        ("the machine, from within", from("inner", "http://10.93.0.1:8080/")),
        ("outside, from within", from("inner", "http://192.0.2.2:8000/")),
    ];
    tries.into_iter().filter(|(_, got)| !got.is_empty()).map(|(what, got)| format!("{what}: {got}")).collect()
}

#[test]
fn nothing_leaks_before_and_after_the_filter_was_flushed_cve_2025_54388_cve_2025_54410() {
    requires!(root, cgroups, package = "ip", package = "curl", package = "nft");
    let world = World::new();
    let neighbour = Neighbour::new();
    for (name, options) in [("one", "10.91.0.0/24"), ("two", "10.92.0.0/24"), ("inner", "10.93.0.0/24 --internal")] {
        world.run(&format!("network create {name} --subnet {options}")).code(0);
    }
    world.server("web", "--network one -p 8080:80 -p 127.0.0.1:8081:80");
    for name in ["two", "inner"] {
        world.run(&format!("run -d --name {name} --network {name} host: sleep 1000")).code(0);
    }
    // A neighbour who knows the way.
    neighbour.run("ip route add 10.0.0.0/8 via 192.0.2.1").code(0);
    let root = world.sandbox.path().display().to_string();
    std::fs::write(world.sandbox.join("index.html"), "next door").expect("a file");
    let _server = neighbour.start(&format!("python3 -m http.server -d {root} 8000"));
    let serves = || get("http://192.0.2.2:8000/").as_deref() == Some("next door");
    assert!(within(SOON, serves));
    let open = |told: &str| {
        neighbour.run("curl -s --max-time 2 http://192.0.2.1:8080/").code(0).stdout_is("web");
        assert_eq!(get("http://127.0.0.1:8081/").as_deref(), Some("web"), "{told}");
        world.run("exec two curl -s --max-time 2 http://192.0.2.2:8000/").code(0).stdout_is("next door");
    };
    open("before");
    assert_eq!(leaks(&world, &neighbour), [""; 0]);
    for round in 0..2 {
        Invocation::new("nft").args(["flush", "ruleset"]).ok();
        // By hand, or by the next container that starts.
        world.run(if round == 0 { "network reload" } else { "run --rm --network one host: true" }).code(0);
        open("after");
        assert_eq!(leaks(&world, &neighbour), [""; 0], "round {round}");
    }
}

#[test]
fn who_has_the_machines_network_finds_no_socket_of_ours_in_it_cve_2020_15257() {
    requires!(root, cgroups, package = "ip");
    let world = World::new();
    world.run("run -d -t --name web -p 8080:80 --health-cmd true host: sleep 1000").code(0);
    world.run("run -d --name beside host: sleep 1000").code(0);
    // Those in the file system are out of reach; those without a place in it would be everybody's who has this network.
    let script = "grep -c @ /proc/net/unix; test -e /proc/net/unix";
    world.words(&["run", "--rm", "--network", "host", "host:", "sh", "-c", script]).code(0).stdout_is("0\n");
}

#[test]
fn who_publishes_at_a_terminal_is_told_who_can_reach_it() {
    requires!(root, cgroups, package = "ip");
    let world = World::new();
    world.run("run -d --rm -p 8080:80 host: sleep 1000").code(0).stderr_is("");
    let words = ["run", "--rm", "-p", "8081:80", "-p", "127.0.0.1:8082:80", "host:", "echo", "done"];
    let mut pty = Pty::spawn(&world.sandbox.coracle(words).env("CORACLE_NETWORK", ""));
    let said = pty.expect("done");
    assert!(said.contains("open to everybody who reaches this machine: port 8081/tcp"), "{said}");
    assert!(said.contains("open to this machine alone: port 8082/tcp"), "{said}");
}

#[test]
fn datagrams_are_led_on_and_passed_on_and_answered_from_where_they_were_sent_to() {
    requires!(root, cgroups, package = "ip");
    let world = World::new();
    world.echo("led", "-p 5000:53/udp");
    world.echo("passed", "-p 5001:53/udp --publish-policy host");
    ip("addr add 192.0.2.1/24 dev lo");
    ip("addr add 192.0.2.9/24 dev lo");
    for port in [5000, 5001] {
        for at in ["127.0.0.1", "::1", "192.0.2.1", "192.0.2.9", "10.64.0.1"] {
            assert_eq!(said(at, port, "hello").as_deref(), Some("hello"), "{at} {port}");
        }
    }
    // Who comes back at once after an end is not led to where it was.
    for _ in 0..3 {
        world.run("restart -t 0 led passed").code(0);
        for (port, at) in [(5000, "127.0.0.1"), (5000, "::1"), (5001, "127.0.0.1"), (5001, "::1")] {
            assert!(within(SOON, || said(at, port, "again").as_deref() == Some("again")), "{at} {port}");
        }
    }
}

#[test]
fn what_is_passed_on_arrives_whole_and_in_order_however_many_speak() {
    requires!(root, cgroups, package = "ip");
    let world = World::new();
    // Says back what it hears until there is no more, a connection a thread; at port 81 it ends at once, without a word.
    let script = "import socket, threading\n\
                  def echo(c):\n\
                  \x20   while (b := c.recv(65536)): c.sendall(b)\n\
                  \x20   c.shutdown(socket.SHUT_WR); c.close()\n\
                  def end(s):\n\
                  \x20   while True: s.accept()[0].close()\n\
                  def serve(port): s = socket.create_server(('0.0.0.0', port), backlog=500); return s\n\
                  threading.Thread(target=end, args=[serve(81)]).start()\n\
                  s = serve(80); print('ready', flush=True)\n\
                  while True: threading.Thread(target=echo, args=[s.accept()[0]]).start()";
    let ports = "-p 8080:80 -p 8081:81 -p 8082:82 --publish-policy host --ulimit nofile=1024:1024";
    let mut words: Vec<&str> = "run -d --name echo".split(' ').chain(ports.split(' ')).collect();
    words.extend(["host:", "python3", "-c", script]);
    world.words(&words).code(0);
    assert!(within(SOON, || world.run("logs echo").stdout.contains("ready")));
    let connect = |port: u16| TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), SOON);
    let bytes: Vec<u8> = (0..700_001_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    // All are open at once before anybody says a thing.
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(8080).expect("a connection")).collect();
    let many = streams.split_off(4);
    std::thread::scope(|scope| {
        for stream in &streams {
            let bytes = &bytes;
            scope.spawn(move || {
                let mut stream = stream;
                stream.write_all(bytes).expect("it takes all");
                stream.shutdown(std::net::Shutdown::Write).expect("an end");
            });
            scope.spawn(move || {
                let (mut stream, mut heard) = (stream, Vec::new());
                stream.read_to_end(&mut heard).expect("an end");
                assert!(heard == *bytes, "{} of {}", heard.len(), bytes.len());
            });
        }
    });
    for (number, mut stream) in many.into_iter().enumerate() {
        let word = format!("number {number}");
        stream.write_all(word.as_bytes()).expect("it takes all");
        stream.shutdown(std::net::Shutdown::Write).expect("an end");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).expect("an end");
        assert_eq!(heard, word);
    }
    // Who ends at once, and who is not there at all: neither leaves anybody waiting.
    for (port, refused) in [(8081, false), (8082, true)] {
        // A reset may come before the connection is there.
        let heard = connect(port).and_then(|mut stream| {
            stream.set_read_timeout(Some(SOON))?;
            stream.read(&mut [0; 1])
        });
        assert!(if refused { heard.is_err() } else { heard.is_ok_and(|length| length == 0) }, "{port}");
    }
}

#[test]
fn where_there_are_no_descriptors_left_clients_wait_for_their_turn() {
    requires!(root, cgroups, package = "ip", package = "prlimit");
    let world = World::new();
    let script = "import socket, threading\n\
                  def echo(c): c.sendall(c.recv(100)); c.close()\n\
                  s = socket.create_server(('0.0.0.0', 80), backlog=100); print('ready', flush=True)\n\
                  while True: threading.Thread(target=echo, args=[s.accept()[0]]).start()";
    let words = "run -d --name echo -p 8080:80 --publish-policy host --ulimit nofile=64:64 host: python3 -c";
    let words: Vec<&str> = words.split(' ').chain([script]).collect();
    let few = world.sandbox.coracle(words).env("CORACLE_NETWORK", "").above(["prlimit", "--nofile=64:64"]);
    few.run().code(0);
    assert!(within(SOON, || world.run("logs echo").stdout.contains("ready")));
    let to = SocketAddr::from(([127, 0, 0, 1], 8080));
    let streams: Vec<_> = (0..100).map(|_| TcpStream::connect_timeout(&to, SOON).expect("a connection")).collect();
    for (number, mut stream) in streams.into_iter().enumerate() {
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        stream.write_all(b"hello").expect("it takes all");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(heard, "hello");
    }
}

#[test]
fn ports_are_published_and_taken_away_while_it_runs() {
    requires!(root, cgroups, package = "ip", package = "curl");
    let world = World::new();
    world.server("web", "-p 8080:80");
    world.run("update --publish-add 8081:80 --publish-add 127.0.0.1:8082:80 web").code(0);
    for port in [8080, 8081, 8082] {
        assert_eq!(get(&format!("http://127.0.0.1:{port}/")).as_deref(), Some("web"), "{port}");
    }
    world.run("update --publish-add 8080:80 web").code(1).stderr_contains("container web has it");
    world.run("update --publish-rm 80 --publish-add 9090:80 web").code(0);
    assert_eq!(get("http://127.0.0.1:8081/"), None);
    assert_eq!(get("http://127.0.0.1:9090/").as_deref(), Some("web"));
    world.run("port web").code(0).stdout_is("80/tcp -> 0.0.0.0:9090\n80/tcp -> [::]:9090\n");
    // So it is at the next start, too.
    world.run("restart -t 0 web").code(0);
    assert!(within(SOON, || get("http://127.0.0.1:9090/").is_some()) && get("http://127.0.0.1:8080/").is_none());
    world.run("run -d --name bare --network none host: sleep 1000").code(0);
    world.run("update --publish-add 80 bare").code(1).one_line_error("made with --network none");
}

#[test]
fn what_somebody_has_flushed_is_there_again_with_the_next_container() {
    requires!(root, cgroups, package = "ip", package = "curl", package = "nft");
    let world = World::new();
    world.server("web", "-p 8080:80");
    let flush = || Invocation::new("nft").args(["flush", "ruleset"]).ok();
    flush();
    assert_eq!(get("http://127.0.0.1:8080/"), None);
    world.run("network reload").code(0);
    assert_eq!(get("http://127.0.0.1:8080/").as_deref(), Some("web"));
    flush();
    world.run("run --rm host: true").code(0);
    assert_eq!(get("http://127.0.0.1:8080/").as_deref(), Some("web"));
}

#[test]
fn nothing_is_left_of_what_was_killed() {
    requires!(root, cgroups, package = "ip", package = "nft");
    let world = World::new();
    world.run("run -d --name web -p 8080:80 --init host: sleep 1000").code(0);
    let pid = |template: &str| world.of("web", template).parse::<i32>().expect("a pid");
    let (monitor, first) = (pid("{{.State.ConmonPid}}"), pid("{{.State.Pid}}"));
    for pid in [monitor, first] {
        sys::process::kill(pid, 9).expect("killed");
    }
    // Whoever was killed is dead when his parent has heard of it.
    let gone = || {
        world.words(&["ps", "-q"]).code(0);
        !Invocation::new("nft").args(["list", "ruleset"]).ok().stdout.contains("tcp . 8080")
    };
    assert!(within(SOON, gone));
    let networks = world.sandbox.runroot().join("networks/bridge");
    let left = std::fs::read_dir(networks.join("endpoints")).expect("endpoints").count();
    let links = std::fs::read_dir(networks.join("leases")).expect("leases").flatten();
    assert_eq!((left, links.filter(|entry| entry.path().is_symlink()).count()), (0, 0));
    assert!(within(SOON, || devices() == 0), "{}", ip("link"));
    // The port is free, too.
    world.run("run --rm -p 8080:80 host: true").code(0);
}

#[test]
fn who_has_raw_sockets_is_kept_to_his_own_addresses_at_the_bridge() {
    requires!(root, cgroups, package = "ip", package = "nft");
    let world = World::new();
    let seats = || Invocation::new("nft").args(["list", "ruleset"]).ok().stdout.matches(" . 10.64.0.").count();
    for (options, seated) in [("", 0), ("--cap-add NET_RAW", 1), ("--cap-add NET_RAW --cap-add NET_ADMIN", 0)] {
        world.run(&format!("run -d --name one {options} host: sleep 1000")).code(0);
        assert_eq!(seats(), seated, "{options}");
        world.run("rm -f -t 0 one").code(0);
        assert_eq!(seats(), 0, "{options}");
    }
}
