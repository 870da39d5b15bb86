//! What podman, docker and containerd keep about registries: auth files, registries.conf, hosts.toml. The first byte says
//! which; helpers that a file names cannot be found, since nobody says where.

#![no_main]

use registry::{Client, Environment, Settings};
use std::fs;
use std::path::PathBuf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let dir = PathBuf::from(format!("/dev/shm/coracle-fuzz-settings-{}", std::process::id()));
    let hosts = dir.join("etc/containerd/certs.d/quay.io");
    fs::create_dir_all(&hosts).expect("a directory on a tmpfs");
    let files = [dir.join("auth.json"), dir.join("registries.conf"), hosts.join("hosts.toml")];
    for (at, file) in files.iter().enumerate() {
        let content = if usize::from(kind % 3) == at { bytes } else { b"" };
        if content.is_empty() {
            let _ = fs::remove_file(file);
        } else {
            fs::write(file, content).expect("a file on a tmpfs");
        }
    }
    let mut environment = Environment::new(|_| None, 1000);
    environment.etc = dir.join("etc");
    environment.home = Some(dir.clone());
    environment.auth_file = Some(files[0].clone());
    environment.registries_conf = Some(files[1].clone());
    let Ok(settings) = Settings::read(environment) else { return };
    let client = Client::new(settings);
    let _ = (client.searched(), client.candidates("debian"), client.candidates("quay.io/a/b:1"));
    for name in ["docker.io", "quay.io", "quay.io/a/b", "localhost:5000"] {
        let _ = client.logged_in(name);
    }
});
