//! Networks: what a bridge, published ports and names cost, beside podman with netavark, and what passes over a bridge
//! beside one that was made by hand and beside docker's. All of it in network namespaces of its own.

mod docker;
mod rootless;
mod throughput;

use crate::engine::{Engine, engines, options};
use crate::error::{Doing as _, Error, Result, text};
use crate::measure::Samples;
use crate::report;
use docker::Daemon;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

/// How it is called.
pub const HELP: &str = "\
bench network [--runs N] [--many N] [--dir DIR] [--only NAME]… [--user NAME]

Medians of run --rm without a network, in the default one, and with 1 and 200 ports published; of the same beside --many
(500) containers on the bridge; of a question for a name; and what iperf3 gets through a bridge of ours, through one made by
ip and nft with the same rules, through docker's, and by published ports. With --user, who has subordinate ids, also what an
ordinary user's containers take and what passes to them. Needs root, ip, nft, iperf3, jq and a static busybox; podman takes
part where it is installed, with netavark and slirp4netns, and a dockerd of the bench's own where that is.";

/// What is run in each round of those who take turns.
const CASES: [(&str, &[&str]); 4] = [
    ("none", &["--network", "none"]),
    ("bridge", &["--network", "bridge"]),
    ("1 port", &["--network", "bridge", "-p", "20000:20000"]),
    ("200 ports", &["--network", "bridge", "-p", "20000-20199:20000-20199"]),
];

fn shell(script: &str) -> Result<String> {
    let output = Command::new("/bin/sh").args(["-ec", script]).output().doing(|| script.to_owned())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(Error::Usage(format!("{script}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// `bench network …`.
pub fn run(parser: lexopt::Parser) -> Result {
    let Some(options) = options(parser, (20, 500))? else {
        println!("{HELP}");
        return Ok(());
    };
    let program = options.program()?;
    sys::process::unshare(sys::process::namespace::NET).map_err(|error| Error::Usage(error.to_string()))?;
    shell("ip link set lo up")?;
    let (dir, _passing) = options.place()?;
    let mut all = engines(&dir, program, &options.only)?;
    all.retain(|engine| engine.name != "docker");
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    if let Some(podman) = all.iter_mut().find(|engine| engine.name == "podman") {
        let conf = dir.join("containers.conf");
        fs::write(&conf, "[network]\nnetwork_backend = \"netavark\"\n").doing(|| "writing podman's conf".into())?;
        let networks = dir.join("podman/networks");
        fs::create_dir_all(&networks).doing(|| "making a directory".into())?;
        let more = ["--network-config-dir".to_owned(), text(&networks)?.to_owned()];
        podman.call.splice(0..1, ["env".to_owned(), format!("CONTAINERS_CONF={}", text(&conf)?), "podman".to_owned()]);
        podman.call.extend(more);
    }
    println!("{}\n", report::machine());
    rounds(&all, options.runs)?;
    // After the others, whom its daemon would disturb.
    let daemon = if wanted("docker") { Daemon::start(&dir)? } else { None };
    let docker = daemon.as_ref().map(Daemon::engine);
    if let Some(docker) = &docker {
        docker.once(&["import", text(&dir.join("rootfs.tar"))?, "bench:1"])?;
        rounds(std::slice::from_ref(docker), options.runs)?;
    }
    for engine in all.iter().filter(|engine| engine.name == "coracle") {
        beside(engine, options.many, options.runs)?;
        names(engine)?;
        throughput::run(engine, docker.as_ref())?;
        engine.once(&["rm", "-f", "-a"])?;
    }
    for engine in &all {
        let _ = engine.once(&["rmi", "-f", "bench:1"]);
    }
    drop(daemon);
    match &options.user {
        Some(user) if wanted("rootless") => rootless::run(program, user, &dir, options.runs),
        _ => Ok(()),
    }
}

fn milliseconds(samples: &Samples) -> f64 {
    samples.wall(500).as_secs_f64() * 1e3
}

fn one(engine: &Engine, options: &[&str]) -> Result<crate::measure::Sample> {
    engine.run(&[&["--rm"], options, &["bench:1", "true"]].concat())
}

fn rounds(engines: &[Engine], runs: usize) -> Result {
    let mut samples: Vec<[Samples; CASES.len()]> = engines.iter().map(|_| Default::default()).collect();
    // The first container of a network makes its bridge.
    for engine in engines {
        one(engine, CASES[1].1)?;
    }
    for round in 0..runs {
        for (engine, samples) in engines.iter().zip(&mut samples) {
            for ((name, options), samples) in CASES.iter().zip(samples) {
                // docker takes 16 s for 200.
                if engine.name != "docker" || *name != "200 ports" || round < 2 {
                    samples.push(one(engine, options)?);
                }
            }
        }
    }
    println!("### run --rm, median ms of {runs} rounds\n");
    println!("| | none | bridge | 1 port | 200 ports | a port, µs |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (engine, samples) in engines.iter().zip(&samples) {
        let [none, bridge, one, many] = samples.each_ref().map(milliseconds);
        let port = (many - one) / 199.0 * 1e3;
        println!("| {} | {none:.1} | {bridge:.1} | {one:.1} | {many:.1} | {port:.0} |", engine.name);
    }
    println!();
    Ok(())
}

/// The same with so many containers on the bridge.
fn beside(engine: &Engine, many: usize, runs: usize) -> Result {
    for _ in 0..many {
        engine.run(&["-d", "--network", "bridge", "bench:1", "sleep", "100000"])?;
    }
    let mut samples: [Samples; 2] = Default::default();
    for _ in 0..runs {
        for ((_, options), samples) in CASES[1..3].iter().zip(&mut samples) {
            samples.push(one(engine, options)?);
        }
    }
    let [bridge, port] = samples.each_ref().map(milliseconds);
    println!("### Beside {many} containers on the bridge\n");
    println!("| | bridge, ms | 1 port, ms |\n|---|--:|--:|");
    println!("| {} | {bridge:.1} | {port:.1} |\n", engine.name);
    Ok(())
}

/// A question for a name, from within a container, by a socket that is open.
fn names(engine: &Engine) -> Result {
    let count = 5000_u32;
    engine.run(&["-d", "--name", "asked", "--network", "bridge", "bench:1", "sleep", "100000"])?;
    let words = engine.words(&["inspect", "--format", "{{.State.Pid}}", "asked"]).join(" ");
    let pid = shell(&words)?;
    let own = fs::File::open("/proc/self/ns/net").doing(|| "opening a namespace".into())?;
    let there = fs::File::open(format!("/proc/{pid}/ns/net")).doing(|| "opening a namespace".into())?;
    let enter = |file: &fs::File| {
        sys::process::setns(file, sys::process::namespace::NET).map_err(|error| Error::Usage(error.to_string()))
    };
    enter(&there)?;
    #[allow(clippy::disallowed_methods, reason = "an address, no name")]
    let socket = UdpSocket::bind(SocketAddr::from(([0, 0, 0, 0], 0))).doing(|| "a socket".into())?;
    enter(&own)?;
    let asking = || "asking for a name".to_owned();
    socket.connect(SocketAddr::from(([169, 254, 11, 53], 53))).doing(asking)?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).doing(asking)?;
    let question = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05asked\x00\x00\x01\x00\x01";
    let (mut times, mut answer) = (Vec::with_capacity(count as usize), [0; 512]);
    let begin = Instant::now();
    for _ in 0..count {
        let start = Instant::now();
        socket.send(question).doing(asking)?;
        socket.recv(&mut answer).doing(asking)?;
        times.push(start.elapsed());
    }
    let rate = f64::from(count) / begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |thousandths: usize| times[count as usize * thousandths / 1000].as_secs_f64() * 1e6;
    println!(
        "### A name, asked for by a container\n\n| | median, µs | p99, µs | one after the other, a second |\n|---|--:|--:|--:|"
    );
    println!("| {} | {:.0} | {:.0} | {rate:.0} |\n", engine.name, at(500), at(990));
    Ok(())
}
