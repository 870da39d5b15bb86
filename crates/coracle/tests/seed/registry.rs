//! docker-registry, on loopback.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use testkit::{Invocation, Running, Sandbox, within};

/// One on a port of its own, with these lines more in its configuration; its name comes back beside it.
pub fn registry(sandbox: &Sandbox, more: &str) -> (Running, String) {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port();
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
         http: {{addr: '127.0.0.1:{port}'}}\n{more}",
        sandbox.join("registry").display()
    );
    let running = Invocation::new("docker-registry").arg("serve").arg(sandbox.file("registry.yml", config)).spawn();
    let address = ([127, 0, 0, 1], port).into();
    let up = within(Duration::from_secs(20), || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok());
    assert!(up, "docker-registry listens");
    (running, format!("127.0.0.1:{port}"))
}
