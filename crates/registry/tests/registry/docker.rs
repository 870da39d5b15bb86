//! Debian's docker-registry on a port of its own, with or without logins and TLS.

use crate::client::World;
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;
use testkit::{Invocation, Running, within};

/// `USER:PASSWORD` as docker-registry wants them, hashed by bcrypt: `htpasswd -nbB someone 'an:open secret'`.
pub const HTPASSWD: &str = "someone:$2y$05$0eN2Mb7Pj8xcj3Xn1Qv3QeWsHeFxG43jowrTlyJR0WZziGoIVYLiq\n";

/// What kind of registry.
#[derive(Clone, Copy, Default)]
pub struct With {
    pub login: bool,
    pub tls: bool,
    /// Clients have to show a certificate.
    pub client_certificates: bool,
}

/// A running registry; it ends with the test.
pub struct Registry {
    pub world: World,
    pub port: u16,
    running: Option<Running>,
}

impl Registry {
    pub fn plain() -> Self {
        Self::with(With::default())
    }

    pub fn with(with: With) -> Self {
        let world = World::new();
        let port = free_port();
        let mut config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n",
            world.join("data").display()
        );
        let mut http = format!("addr: '127.0.0.1:{port}'");
        if with.tls {
            certificates(&world);
            let (certificate, key) = (world.join("server.crt"), world.join("server.key"));
            _ = write!(http, ", tls: {{certificate: {}, key: {}", certificate.display(), key.display());
            if with.client_certificates {
                _ = write!(http, ", clientcas: [{}]", world.join("ca.crt").display());
            }
            http.push('}');
        }
        _ = writeln!(config, "http: {{{http}}}");
        if with.login {
            let file = world.file("htpasswd", HTPASSWD);
            _ = writeln!(config, "auth: {{htpasswd: {{realm: here, path: {}}}}}", file.display());
        }
        world.file("config.yml", config);
        let mut registry = Self { world, port, running: None };
        registry.start();
        registry
    }

    /// `127.0.0.1:PORT`.
    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, or starts it again.
    pub fn start(&mut self) {
        self.stop();
        let serve = Invocation::new("docker-registry").arg("serve").arg(self.world.join("config.yml"));
        self.running = Some(serve.timeout(Duration::from_mins(5)).spawn());
        let address = ([127, 0, 0, 1], self.port).into();
        let up =
            within(Duration::from_secs(20), || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok());
        assert!(up, "docker-registry listens");
    }

    /// Kills it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// `skopeo copy`, which checks no certificates.
    pub fn skopeo(&self, from: &str, to: &str, options: &[&str]) {
        let copy = Invocation::new("skopeo").args(["copy", "--insecure-policy", "-q", "--src-tls-verify=false"]);
        copy.args(["--dest-tls-verify=false"]).args(options).args([from, to]).env("HOME", self.world.join("home")).ok();
    }

    /// `docker://127.0.0.1:PORT/NAME`.
    pub fn url(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.name())
    }

    /// An OCI layout with an image that is made of these files, its name being `1`.
    pub fn layout(&self, blob: &[u8]) -> PathBuf {
        let tree = self.world.join("tree");
        self.world.file("tree/etc/hello", "hello\n");
        self.world.file("tree/blob", blob);
        let tar = self.world.join("layer.tar");
        Invocation::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&tar).arg(".").ok();
        let layout = self.world.join("layout");
        if layout.exists() {
            return layout;
        }
        Invocation::new("umoci").arg("init").arg("--layout").arg(&layout).ok();
        let image = format!("{}:1", layout.display());
        Invocation::new("umoci").args(["new", "--image", &image]).ok();
        Invocation::new("umoci").args(["raw", "add-layer", "--image", &image]).arg(&tar).ok();
        layout
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

/// An authority, a server's certificate for this machine and a client's, all of that authority.
fn certificates(world: &World) {
    let openssl = |words: &[&str]| drop(Invocation::new("openssl").args(words).current_dir(world.join("")).ok());
    world.file("server.ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n");
    world.file("client.ext", "extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n");
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let ca = [&new[..], &["-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt"]];
    openssl(&ca.concat());
    for name in ["server", "client"] {
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        openssl(&[&new[..], &["-subj", "/CN=it", "-keyout", &key, "-out", &request]].concat());
        let (extensions, certificate) = (format!("{name}.ext"), format!("{name}.crt"));
        let sign = ["x509", "-req", "-days", "2", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
        openssl(&[&sign[..], &["-in", &request, "-out", &certificate, "-extfile", &extensions]].concat());
    }
}
