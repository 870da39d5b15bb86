//! What iperf3 gets through a bridge of ours, through docker's, and through one that was made by hand, past the same
//! rules as ours.

use super::shell;
use crate::engine::Engine;
use crate::error::Result;

/// Seconds of one time, and how often.
const SECONDS: u32 = 3;
const TIMES: usize = 5;

/// A median of rates in Gbit/s.
fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// One time, by a client that is started by these words.
fn once(client: &str, to: &str) -> Result<f64> {
    let (to, port) = to.split_once('@').unwrap_or((to, "5201"));
    let script = format!("{client} iperf3 -J -t {SECONDS} -p {port} -c {to} | jq .end.sum_received.bits_per_second");
    Ok(shell(&script)?.parse::<f64>().unwrap_or(0.0) / 1e9)
}

/// Each of these in turns, by a client each.
pub fn rates(all: &[(&str, &str)]) -> Result<Vec<f64>> {
    let mut rates = vec![Vec::new(); all.len()];
    for _ in 0..TIMES {
        for ((client, to), rates) in all.iter().zip(&mut rates) {
            rates.push(once(client, to)?);
        }
    }
    Ok(rates.into_iter().map(median).collect())
}

/// From the machine to containers.
pub fn run(coracle: &Engine, docker: Option<&Engine>) -> Result {
    let start = |engine: &Engine, port: &str, image: &[&str]| {
        let publish = format!("{port}:5201");
        engine
            .once(&[&["run", "-d", "--name", "iperf", "-p", &publish], image, &["/usr/bin/iperf3", "-s"]].concat())?;
        let words = engine.words(&["inspect", "--format", "'{{.NetworkSettings.IPAddress}}'", "iperf"]);
        shell(&words.join(" "))
    };
    let address = start(coracle, "5201", &["host:"])?;
    let tree = ["-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro", "--tmpfs", "/tmp", "bench:1"];
    let dockers = docker.map(|docker| start(docker, "5202", &tree)).transpose()?;
    shell(
        "ip netns add hand$PPID; ip link add hand0 type bridge; ip addr add 10.250.0.1/24 dev hand0; ip link set hand0 up
         ip link add hand1 type veth peer name eth0 netns hand$PPID; ip link set hand1 master hand0 up
         ip -n hand$PPID addr add 10.250.0.2/24 dev eth0; ip -n hand$PPID link set eth0 up
         ip -n hand$PPID route add default via 10.250.0.1
         table=$(nft list tables | grep 'inet coracle'); bridge=$(ip -br link | grep -o '^cor[0-9a-f]*')
         nft list $table | sed \"s/$table/table inet hand/; s/$bridge/hand0/g; s/10\\.64\\.0\\.0\\/16/10.250.0.0\\/24/g\" | nft -f -
         ip netns exec hand$PPID iperf3 -s -D; sleep 0.5",
    )?;
    let mut all = vec![("", &*address), ("", "10.250.0.2"), ("", "127.0.0.1@5201")];
    all.extend(dockers.iter().flat_map(|address| [("", &**address), ("", "127.0.0.1@5202")]));
    let rates = rates(&all)?;
    println!(
        "### Through a bridge, Gbit/s, median of {TIMES} times {SECONDS} s\n\n| | to a container | by a published port |\n|---|--:|--:|"
    );
    let rate = |number: usize| rates.get(number).copied().unwrap_or_default();
    println!("| coracle | {:.1} | {:.1} |", rate(0), rate(2));
    println!("| made by hand | {:.1} | |", rate(1));
    if dockers.is_some() {
        println!("| docker | {:.1} | {:.1} |", rate(3), rate(4));
    }
    println!("\ncoracle / made by hand: {:.2}\n", rate(0) / rate(1));
    let _ = shell("pkill -f 'iperf3 -s -D'; ip netns del hand$PPID");
    Ok(())
}
