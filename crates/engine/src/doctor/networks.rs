//! How containers reach others: the packet filter and forwarding for root, pasta for ordinary users.

use super::{Finding, Patient};
use crate::config::{ContainerConfig, ImageRef};
use crate::engine::Engine;
use crate::userns::Caller;
use rustix::fs::{Mode, OFlags};
use std::fs::read_to_string;

pub(super) fn examine(patient: &Patient, caller: &Caller) -> Vec<Finding> {
    if caller.is_root() {
        return [Some(filter()), Some(forwarding()), firewalls(patient)].into_iter().flatten().collect();
    }
    [pasta(patient), tun(), ports()].into_iter().collect()
}

fn filter() -> Finding {
    if network::can_bridge() {
        return Finding::ok("packet filter", "nf_tables answers");
    }
    Finding::warning(
        "packet filter",
        "nf_tables is not there, or this root may not touch it: containers get no network of their own",
        "load it: modprobe nf_tables; or give this root CAP_NET_ADMIN; --network host has the machine's network",
    )
}

fn forwarding() -> Finding {
    let path = "/proc/sys/net/ipv4/ip_forward";
    if read_to_string(path).is_ok_and(|text| text.trim() == "1") {
        return Finding::ok("forwarding", "net.ipv4.ip_forward is 1");
    }
    match sys::fs::open(path, OFlags::WRONLY, Mode::empty()) {
        Ok(_) => Finding::ok("forwarding", "net.ipv4.ip_forward is switched on with the first network"),
        Err(_) => Finding::warning(
            "forwarding",
            "net.ipv4.ip_forward is 0, and cannot be set here: containers reach nobody outside",
            "outside of this container, or sandbox: sysctl -w net.ipv4.ip_forward=1",
        ),
    }
}

/// Others' tables that drop what is forwarded.
fn firewalls(patient: &Patient) -> Option<Finding> {
    // Where nothing has run yet there is no network of ours; and a run root is not to be made by being looked for.
    if !patient.locations.root.exists() || !patient.locations.runroot.join("holders").exists() {
        return None;
    }
    let engine = Engine::open(patient.locations.clone(), None).ok()?;
    let mut config = ContainerConfig::new(ImageRef::Host);
    config.view.publish_all = true;
    let first = engine.obstacles(&config).into_iter().next();
    Some(first.map_or_else(
        || Finding::ok("other firewalls", "none drops what containers send"),
        |obstacle| {
            let text = obstacle.to_string();
            // Its text names what helps in brackets.
            let (seen, remedy) = text.split_once(" (").unwrap_or((&text, "let the bridge's packets pass there"));
            Finding::warning("other firewalls", seen, remedy.trim_end_matches(')'))
        },
    ))
}

fn pasta(patient: &Patient) -> Finding {
    if network::pasta::is_installed(&patient.path) {
        return Finding::ok("pasta", "it is installed");
    }
    let seen = "pasta is not in PATH: an ordinary user's containers reach no other machine";
    Finding::warning("pasta", seen, "install the package passt, or say --network host")
}

/// What pasta makes its device by.
fn tun() -> Finding {
    match sys::fs::open("/dev/net/tun", OFlags::RDWR, Mode::empty()) {
        Ok(_) => Finding::ok("tun", "/dev/net/tun can be opened"),
        Err(error) if error.errno == sys::Errno::NOENT => Finding::warning(
            "tun",
            "there is no /dev/net/tun, by which pasta passes packets on",
            "modprobe tun; or mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200",
        ),
        Err(_) => {
            Finding::warning("tun", "this user may not open /dev/net/tun, which pasta does", "chmod 666 /dev/net/tun")
        }
    }
}

fn ports() -> Finding {
    let first = read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    Finding::ok("ports", format!("this user may publish ports from {} on", first.trim()))
}
