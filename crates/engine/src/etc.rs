//! The generated files: /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, in its run directory.

use crate::config::{ContainerConfig, NetworkMode};
use crate::error::{Error, Result};
use crate::spec::{EtcFiles, files};
use monitor::RunDir;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where this machine has the rules of time zones.
const ZONES: &str = "/usr/share/zoneinfo";

/// Writes them, as far as the container has names of its own.
pub fn write(
    run_dir: &RunDir,
    config: &ContainerConfig,
    host_name: &str,
    name: &str,
    resolver: Option<IpAddr>,
) -> Result<EtcFiles> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let host_network = config.view.network == Some(NetworkMode::Host);
    // The host's own hosts file holds only where the host's network does.
    let base = if host_network { read("/etc/hosts") } else { String::new() };
    if !config.view.no_hosts {
        run_dir.add("hosts", files::hosts(&config.view, host_name, name, &base).as_bytes(), 0o644)?;
    }
    run_dir.add("hostname", files::hostname(host_name).as_bytes(), 0o644)?;
    let upstream = std::fs::read_to_string("/run/systemd/resolve/resolv.conf").ok();
    let resolv = files::resolv_conf(&config.view, &read("/etc/resolv.conf"), upstream.as_deref(), resolver);
    run_dir.add("resolv.conf", resolv.as_bytes(), 0o644)?;
    let path = |name: &str| Some(run_dir.path().join(name));
    let mut files = EtcFiles {
        hosts: path("hosts").filter(|_| !config.view.no_hosts),
        hostname: path("hostname"),
        resolv_conf: path("resolv.conf"),
        localtime: None,
    };
    if let Some(zone) = &config.view.time_zone {
        let zone = if zone == "local" { PathBuf::from("/etc/localtime") } else { Path::new(ZONES).join(zone) };
        let rules = std::fs::read(&zone).map_err(|_| Error::TimeZone(zone))?;
        run_dir.add("localtime", &rules, 0o644)?;
        files.localtime = path("localtime");
    }
    Ok(files)
}

/// The host name that a container will have; [`crate::spec::compose`] decides in the same way.
pub fn host_name(config: &ContainerConfig, host: &str, id: &str) -> String {
    match &config.view.hostname {
        Some(name) => name.as_str().to_owned(),
        None if config.view.uts.is_host() || config.view.network == Some(NetworkMode::Host) => host.to_owned(),
        None => id.chars().take(12).collect(),
    }
}
