//! A machine of a test's own: a network namespace, in which there is nothing but loopback, and the engine on it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::time::Duration;

use testkit::{Invocation, Outcome, Running, Sandbox, within};

pub const SOON: Duration = Duration::from_secs(10);

/// A machine, and the engine on it.
pub struct World {
    pub sandbox: Sandbox,
}

impl World {
    pub fn new() -> Self {
        Self::with(Sandbox::new())
    }

    /// With the engine of another user.
    pub fn with(sandbox: Sandbox) -> Self {
        sys::process::unshare(sys::process::namespace::NET).expect("a network namespace");
        Invocation::new("ip").args(["link", "set", "lo", "up"]).ok();
        testkit::reap_orphans();
        Self { sandbox }
    }

    #[track_caller]
    pub fn run(&self, words: &str) -> Outcome {
        self.words(&words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
    }

    #[track_caller]
    pub fn words(&self, words: &[&str]) -> Outcome {
        self.sandbox.coracle(words).env("CORACLE_NETWORK", "").run()
    }

    /// What a template says of a container.
    #[track_caller]
    pub fn of(&self, container: &str, template: &str) -> String {
        self.words(&["inspect", "--format", template, container]).code(0).stdout.trim().to_owned()
    }

    /// A server of HTTP in the background, which says who it is.
    #[track_caller]
    pub fn server(&self, name: &str, options: &str) {
        let root = self.sandbox.join(format!("www-{name}"));
        std::fs::create_dir_all(&root).expect("a directory");
        std::fs::write(root.join("index.html"), name).expect("a file");
        let bind = format!("{}:/www:ro", root.display());
        let mut words = vec!["run", "-d", "--name", name, "-v", &bind];
        words.extend(options.split(' ').filter(|word| !word.is_empty()));
        words.extend(["host:", "python3", "-m", "http.server", "-d", "/www", "--bind", "::", "80"]);
        self.words(&words).code(0);
        let ready = || self.run(&format!("exec {name} curl -s http://127.0.0.1/")).exit_code() == Some(0);
        assert!(within(SOON, ready), "{name} serves");
    }

    /// A server in the background that says back what is said to it at its port 53 of UDP, over either family.
    #[track_caller]
    pub fn echo(&self, name: &str, options: &str) {
        let script = "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', 53))\n\
                      print('ready', flush=True)\n\
                      while True: b, a = s.recvfrom(2000); s.sendto(b, a); print(a[0], flush=True)";
        let mut words = vec!["run", "-d", "--name", name];
        words.extend(options.split(' ').filter(|word| !word.is_empty()));
        words.extend(["host:", "python3", "-c", script]);
        self.words(&words).code(0);
        assert!(within(SOON, || self.run(&format!("logs {name}")).stdout.contains("ready")), "{name} hears");
    }
}

/// What is answered to a datagram.
pub fn said(at: &str, port: u16, words: &str) -> Option<String> {
    let at: std::net::IpAddr = at.parse().expect("an address");
    #[allow(clippy::disallowed_methods, reason = "an address, no name")]
    let socket = std::net::UdpSocket::bind(if at.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }).ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    socket.connect((at, port)).ok()?;
    socket.send(words.as_bytes()).ok()?;
    let mut bytes = [0; 1024];
    let length = socket.recv(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// A program in Python that answers every question for a name with 198.51.100.7, and writes down what it was asked.
fn name_server(at: &str, heard: &std::path::Path) -> String {
    format!(
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.setsockopt(socket.SOL_IP, 15, 1)\n\
         s.bind(('{at}', 53))\n\
         while True:\n\
         \x20   q, who = s.recvfrom(512)\n\
         \x20   open('{}', 'ab').write(q)\n\
         \x20   end = q.index(0, 12) + 5\n\
         \x20   s.sendto(q[:2] + bytes([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]) + q[12:end]\n\
         \x20            + bytes([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7]), who)\n",
        heard.display()
    )
}

/// What a URL gives, from this machine.
pub fn get(url: &str) -> Option<String> {
    let outcome = Invocation::new("curl").args(["-s", "-g", "--max-time", "2", url]).run();
    (outcome.exit_code() == Some(0)).then(|| outcome.stdout.clone())
}

pub fn ip(words: &str) -> String {
    Invocation::new("ip").args(words.split(' ')).ok().stdout
}

/// This machine's ends of containers' devices.
pub fn devices() -> usize {
    ip("-o link").lines().filter(|line| line.contains(": cov") && !line.contains("resolver")).count()
}

/// Who is at the other end of a wire from this machine, which has its address and its way out by it.
pub struct Neighbour {
    namespace: Running,
}

impl Neighbour {
    /// At 192.0.2.2 and 2001:db8::2; this machine is 1.
    pub fn new() -> Self {
        let namespace = Invocation::new("unshare").args(["-n", "sleep", "1000"]).spawn();
        let neighbour = Self { namespace };
        let pid = neighbour.namespace.pid();
        let own = std::fs::read_link("/proc/self/ns/net").expect("our namespace");
        let apart = || std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|its| its != own);
        assert!(within(SOON, apart));
        for words in [
            "link add wire type veth peer name other",
            &format!("link set other netns {pid}"),
            "addr add 192.0.2.1/24 dev wire",
            "link set wire up",
            "route add default via 192.0.2.2",
            "addr add 2001:db8::1/64 dev wire nodad",
            "-6 route add default via 2001:db8::2",
        ] {
            ip(words);
        }
        for words in [
            "ip link set lo up",
            "ip addr add 192.0.2.2/24 dev other",
            "ip addr add 2001:db8::2/64 dev other nodad",
            "ip link set other up",
        ] {
            neighbour.run(words).code(0);
        }
        neighbour
    }

    /// There.
    #[track_caller]
    pub fn run(&self, words: &str) -> Outcome {
        self.words(&words.split(' ').collect::<Vec<_>>())
    }

    #[track_caller]
    pub fn words(&self, words: &[&str]) -> Outcome {
        let pid = self.namespace.pid().to_string();
        Invocation::new("nsenter").args(["-t", &pid, "-n"]).args(words).run()
    }

    /// A server of names there, which answers; and the file of what it was asked.
    pub fn serve_names(&self, sandbox: &Sandbox) -> (Running, std::path::PathBuf) {
        let heard = sandbox.join("heard");
        let program = sandbox.file("upstream.py", name_server("192.0.2.2", &heard));
        let server = self.start(&format!("python3 {}", program.display()));
        let answers = || Invocation::new("dig").args(["+short", "+time=1", "+tries=1", "@192.0.2.2", "x.test"]).run();
        assert!(within(SOON, || answers().stdout == "198.51.100.7\n"));
        (server, heard)
    }

    /// The same in the background.
    pub fn start(&self, words: &str) -> Running {
        self.start_words(&words.split(' ').collect::<Vec<_>>())
    }

    pub fn start_words(&self, words: &[&str]) -> Running {
        let pid = self.namespace.pid().to_string();
        Invocation::new("nsenter").args(["-t", &pid, "-n"]).args(words).spawn()
    }
}

/// Lets everybody open /dev/net/tun, as udev does, for this test alone.
pub fn open_tun() {
    sys::process::unshare(sys::process::namespace::MOUNT).expect("a mount namespace");
    Invocation::new("mount").args(["--make-rprivate", "/"]).ok();
    Invocation::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev/net"]).ok();
    Invocation::new("mknod").args(["-m", "666", "/dev/net/tun", "c", "10", "200"]).ok();
}

/// Directories of this machine that look as they are, for this test alone: what is changed in them lies in memory, over a
/// directory that no test uses, so that nothing of a sandbox is a mount point when it is removed.
#[track_caller]
pub fn own_copies_of(dirs: &[&str]) {
    let scratch = std::path::Path::new("/mnt");
    sys::process::unshare(sys::process::namespace::MOUNT).expect("a mount namespace");
    Invocation::new("mount").args(["--make-rprivate", "/"]).ok();
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(scratch).ok();
    for (index, dir) in dirs.iter().enumerate() {
        let own = |name: &str| {
            let path = scratch.join(format!("{index}-{name}"));
            std::fs::create_dir(&path).expect("a directory");
            path.display().to_string()
        };
        let options = format!("lowerdir={dir},upperdir={},workdir={}", own("upper"), own("work"));
        Invocation::new("mount").args(["-t", "overlay", "overlay", "-o", &options, dir]).ok();
    }
}
