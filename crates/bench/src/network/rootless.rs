//! An ordinary user's containers: what a start takes by pasta and in a network, and what passes, beside podman with
//! slirp4netns and crun. The machine is a network namespace with a neighbour at the end of a wire.

use super::shell;
use super::throughput::rates;
use crate::engine::Engine;
use crate::error::{Doing as _, Error, Result, text};
use crate::measure::{PATH, Samples};
use std::fs;
use std::path::Path;

/// With the programs of this user, who has subordinate ids, and his stores below a directory. Leaves the network
/// namespace that the process is in for another one.
pub fn run(coracle: &Path, user: &str, dir: &Path, runs: usize) -> Result {
    let system = |error: sys::Error| Error::Usage(error.to_string());
    sys::process::unshare(sys::process::namespace::NET | sys::process::namespace::MOUNT).map_err(system)?;
    // As udev makes it, everybody may open /dev/net/tun.
    shell(
        "mount --make-rprivate /; mount -t tmpfs -o mode=755 tmpfs /dev/net; mknod -m 666 /dev/net/tun c 10 200
         ip link set lo up; ip netns add far$PPID; ip link add wire type veth peer name other netns far$PPID
         ip addr add 192.0.2.1/24 dev wire; ip link set wire up; ip route add default via 192.0.2.2
         ip -n far$PPID addr add 192.0.2.2/24 dev other; ip -n far$PPID link set other up; ip -n far$PPID link set lo up
         ip netns exec far$PPID iperf3 -s -D; sleep 0.5",
    )?;
    let home = dir.join("home");
    fs::create_dir_all(home.join("run")).doing(|| "making a home".into())?;
    let (place, program) = (text(&home)?, home.join("coracle"));
    fs::copy(coracle, &program).doing(|| "copying the program".into())?;
    shell(&format!("chown -R {user} {place}; chmod 711 {}; chmod 755 {place}/coracle", text(dir)?))?;
    let engines = engines(user, place, text(&dir.join("rootfs.tar"))?)?;
    starts(&engines, runs)?;
    passes(&engines)?;
    for engine in &engines {
        let _ = engine.once(&["rm", "-f", "-a"]);
        let _ = engine.once(&["rmi", "-f", "bench:1"]);
    }
    let _ = shell("pkill -f 'iperf3 -s -D'; ip netns del far$PPID");
    Ok(())
}

fn engines(user: &str, home: &str, tar: &str) -> Result<Vec<Engine>> {
    let ids = |flag: &str| shell(&format!("id {flag} {user}"));
    let (uid, gid) = (ids("-u")?, ids("-g")?);
    let call = |before: &[&str], program: &[&str]| {
        let user = ["setpriv", "--reuid", &uid, "--regid", &gid, "--init-groups", "--inh-caps=-all", "env", "-i"];
        let env = [format!("HOME={home}"), format!("XDG_RUNTIME_DIR={home}/run"), format!("PATH={PATH}")];
        let words = before.iter().chain(&user).map(ToString::to_string).chain(env);
        words.chain(program.iter().map(ToString::to_string)).collect()
    };
    let of = |name, call| Engine { name, call, resident: String::new() };
    let mut all = vec![of("coracle", call(&[], &[&format!("{home}/coracle")]))];
    // crun, since runc wants cgroups; which refuses those of both versions at once.
    let podman = ["podman", "--runtime", "crun", "--cgroup-manager", "cgroupfs"];
    let one_version = ["unshare", "-m", "sh", "-c", "umount -l /sys/fs/cgroup/unified; exec \"$@\"", "sh"];
    if shell("command -v podman slirp4netns crun").is_ok() {
        all.push(of("podman", call(&one_version, &podman)));
    }
    for engine in &all {
        engine.once(&["import", tar, "bench:1"])?;
    }
    Ok(all)
}

/// The networks of each: none, its way for a single container, one that is shared.
fn networks(engine: &Engine) -> [&'static str; 3] {
    if engine.name == "coracle" { ["none", "pasta", "bridge"] } else { ["none", "slirp4netns", "bridge"] }
}

/// podman has no cgroups here.
fn options(engine: &Engine) -> &'static [&'static str] {
    if engine.name == "podman" { &["--cgroups=disabled"] } else { &[] }
}

fn starts(engines: &[Engine], runs: usize) -> Result {
    let one = |engine: &Engine, network: &str, port: &[&str]| {
        let words = [&["--rm", "--network", network], port, options(engine), &["bench:1", "true"]];
        engine.run(&words.concat())
    };
    let mut samples: Vec<[Samples; 4]> = engines.iter().map(|_| Default::default()).collect();
    // Somebody is there already, as is usual.
    for engine in engines {
        let words = [&["-d", "--network", "bridge"], options(engine), &["bench:1", "sleep", "100000"]];
        engine.run(&words.concat())?;
    }
    for _ in 0..runs {
        for (engine, samples) in engines.iter().zip(&mut samples) {
            let networks = networks(engine);
            for (network, samples) in networks.into_iter().zip(samples.iter_mut()) {
                samples.push(one(engine, network, &[])?);
            }
            samples[3].push(one(engine, "bridge", &["-p", "20000:80"])?);
        }
    }
    println!("### An ordinary user's run --rm, median ms of {runs} rounds\n");
    println!("| | none | pasta, slirp4netns | in a network | and a port |\n|---|--:|--:|--:|--:|");
    for (engine, samples) in engines.iter().zip(&samples) {
        let [none, alone, shared, port] = samples.each_ref().map(|samples| samples.wall(500).as_secs_f64() * 1e3);
        println!("| {} | {none:.1} | {alone:.1} | {shared:.1} | {port:.1} |", engine.name);
    }
    println!();
    Ok(())
}

/// From a container to the neighbour, and from him to a published port of one.
fn passes(engines: &[Engine]) -> Result {
    println!("### What passes between an ordinary user's container and a neighbour, Gbit/s\n");
    println!("| | network | out | in, by a published port |\n|---|---|--:|--:|");
    let far = shell("echo ip netns exec far$PPID")?;
    for engine in engines {
        for network in &networks(engine)[1..] {
            let tree = ["-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro", "--tmpfs", "/tmp"];
            let words = [
                &["-d", "--name", "iperf", "--network", network, "-p", "5201:5201"],
                options(engine),
                &tree,
                &["bench:1", "/usr/bin/iperf3", "-s"],
            ];
            engine.run(&words.concat())?;
            // What a shell would take for its own.
            let client: Vec<String> = engine.words(&["exec", "iperf"]).iter().map(|word| format!("'{word}'")).collect();
            let client = client.join(" ");
            let rates = rates(&[(&client, "192.0.2.2"), (&far, "192.0.2.1")])?;
            let rate = |number: usize| rates.get(number).copied().unwrap_or_default();
            println!("| {} | {network} | {:.1} | {:.1} |", engine.name, rate(0), rate(1));
            engine.once(&["rm", "-f", "iperf"])?;
        }
    }
    println!();
    Ok(())
}
