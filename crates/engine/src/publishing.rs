//! Ports of this machine that lead to containers: which ones a container wants, and the process that holds them.

use crate::config::{NetworkMode, PortRequest, Protocol};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::update::Update;
use monitor::{Holder, RunDir};
use network::Published;
use network::ports::{self, Taken, Target, Wanted};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use store::Container;

/// Takes all that a container wants.
pub(crate) fn take(engine: &Engine, record: &Container<Record>) -> Result<Taken> {
    let view = &record.config.config.view;
    let asked = view.ports.iter().map(wanted).chain(exposed(engine, record)?);
    let passed = passes(engine, record);
    let all: Vec<_> = asked.map(|wanted| Wanted { passed, ..wanted }).collect();
    let sctp = all.iter().find(|wanted| wanted.protocol == Protocol::Sctp);
    if let Some(wanted) = sctp.filter(|_| !engine.caller().is_root()) {
        return Err(network::Error::Unpassed(wanted.inside).into());
    }
    Ok(ports::take(&engine.networks(), &all)?)
}

/// Publishes ports of a container that runs, and takes others away.
pub(crate) fn republish(engine: &Engine, record: &Container<Record>, update: &Update) -> Result<()> {
    let id = record.id.as_str();
    if engine.has_gone_to_networks() {
        // Ports are taken outside, and there is no way back.
        return Err(Error::OneAtATime(record.name.to_string()));
    }
    let Some(first) = record.config.config.networks().first() else {
        let mode = NetworkMode::text(record.config.config.view.network.as_ref());
        return Err(Error::NotJoinable(record.name.to_string(), mode));
    };
    let networks = engine.networks();
    let process = engine.held(id)?.process().ok_or_else(|| Error::NotRunning(record.name.to_string()))?;
    let run_dir = RunDir::open(&engine.run_dir(id))?;
    let place = networks.endpoint(&first.network, id).ok_or_else(|| Error::NotRunning(record.name.to_string()))?;
    let mut all: Vec<_> = place.published.iter().map(held).collect();
    all.dedup();
    let before = all.clone();
    all.retain(|port| !update.withdraw.contains(&(port.inside, port.protocol)));
    let passed = passes(engine, record);
    all.extend(update.publish.iter().map(|port| Wanted { passed, ..wanted(port) }));
    let pidfd = sys::process::pidfd_open(process.pid).map_err(Error::system("hold the published ports"))?;
    // One process holds all of them; another one takes its place.
    let_go(&run_dir);
    let (taken, failed) = match ports::take(&networks, &all) {
        Ok(taken) => (taken, None),
        Err(error) => (ports::take(&networks, &before)?, Some(error)),
    };
    engine.go_to_networks()?;
    let place = if failed.is_none() { networks.republish(&first.network, id, &taken.ports)? } else { place };
    guard(engine, &run_dir, taken, &pidfd, place.hosts())?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// What comes is passed on by the process that holds the ports: where that is asked for, and where the packet filter of
/// the machine is not ours to change.
fn passes(engine: &Engine, record: &Container<Record>) -> bool {
    record.config.config.view.pass_ports || !engine.caller().is_root()
}

/// A port as it was taken.
fn held(port: &Published) -> Wanted {
    Wanted {
        at: port.at,
        protocol: port.protocol,
        host: Some((port.port, port.port)),
        inside: port.to.port(),
        passed: port.passed,
    }
}

/// In a run directory: the process that holds the published ports.
const PORTS: &str = "ports";

/// Leaves ports to a process of their own, which can be found again.
pub(crate) fn guard(
    engine: &Engine,
    run_dir: &RunDir,
    taken: Taken,
    pidfd: &OwnedFd,
    addresses: Vec<IpAddr>,
) -> Result<()> {
    // An ordinary user's are in a network namespace of his own, which has what that takes.
    let target = Target { addresses, sees_clients: !engine.caller().is_root() };
    if let Some(pid) = taken.guard(pidfd, target)? {
        run_dir.put(PORTS, Holder::of(pid).to_string().as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Ends that process.
fn let_go(run_dir: &RunDir) {
    let text = run_dir.read(PORTS).and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(holder) = text.and_then(|text| text.parse::<Holder>().ok()).filter(Holder::lives) else { return };
    let Ok(pidfd) = sys::process::pidfd_open(holder.pid) else { return };
    if holder.lives() && sys::process::pidfd_send_signal(&pidfd, 9).is_ok() {
        sys::process::wait_readable(&pidfd, Duration::from_secs(1));
    }
}

/// What `--publish-all` asks for: a port for each that the image and `--expose` name, and nobody has asked for.
fn exposed(engine: &Engine, record: &Container<Record>) -> Result<Vec<Wanted>> {
    let view = &record.config.config.view;
    if !view.publish_all {
        return Ok(Vec::new());
    }
    let mut all = view.exposed.clone();
    if let Some(id) = record.image {
        let image = engine.store()?.resolve(&id.to_string())?;
        let ports = image.config.config.exposed_ports;
        all.extend(ports.keys().filter_map(|port| {
            let (port, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            Some((port.parse().ok()?, protocol.parse().ok()?))
        }));
    }
    all.sort_unstable();
    all.dedup();
    let free = |(inside, protocol): &(u16, Protocol)| {
        !view.ports.iter().any(|port| (port.inside, port.protocol) == (*inside, *protocol))
    };
    let any = |(inside, protocol)| Wanted { at: None, protocol, host: None, inside, passed: false };
    Ok(all.into_iter().filter(free).map(any).collect())
}

fn wanted(port: &PortRequest) -> Wanted {
    Wanted { at: port.at, protocol: port.protocol, host: port.host, inside: port.inside, passed: false }
}
