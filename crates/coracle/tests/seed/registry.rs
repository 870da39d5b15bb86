//! docker-registry, on loopback.

#![allow(dead_code, reason = "each file of tests takes what it needs")]

use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use testkit::{Invocation, Running, Sandbox, within};

/// One on a port of its own, with these lines more in its configuration; its name comes back beside it.
pub fn registry(sandbox: &Sandbox, more: &str) -> (Running, String) {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port();
    // Nobody reads what it says: thousands of lines would fill its pipe, and it would wait for ever.
    let config = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
         http: {{addr: '127.0.0.1:{port}'}}\n{more}",
        sandbox.join("registry").display()
    );
    let running = Invocation::new("docker-registry").arg("serve").arg(sandbox.file("registry.yml", config)).spawn();
    let address = ([127, 0, 0, 1], port).into();
    let up = within(Duration::from_secs(20), || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok());
    assert!(up, "docker-registry listens");
    (running, format!("127.0.0.1:{port}"))
}

/// One that lets in `someone` with `an:open secret`, who was made by `htpasswd -nbB someone 'an:open secret'`.
pub fn guarded(sandbox: &Sandbox) -> (Running, String) {
    let logins = sandbox.file("htpasswd", "someone:$2y$05$0eN2Mb7Pj8xcj3Xn1Qv3QeWsHeFxG43jowrTlyJR0WZziGoIVYLiq\n");
    registry(sandbox, &format!("auth: {{htpasswd: {{realm: here, path: {}}}}}\n", logins.display()))
}
