//! `bench`: measures starts, interleaved, and prints the table. `cargo xtask bench` builds what is measured and calls it.

#![forbid(unsafe_code)]

use bench::bundle::Bundles;
use bench::error::{Error, Result};
use bench::life::{self, Columns, Mounts, Runtime};
use bench::measure::{self, Samples};
use bench::peer::{Kind, Peer};
use bench::report::{self, Row};
use bench::spec::Spec;
use bench::view::View;
use bench::{engine, floor, images, network, recording, view};
use lexopt::prelude::*;
use std::error::Error as _;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
bench start [--runs N] [--pause MS] [--spec empty|podman] [--peer NAME=PROGRAM]… [--only NAME]…
bench runtime [the same options]
bench images --help
bench engine --help
bench network --help
bench recording --help

Start to exit of a static /bin/true, each as a whole process, one after the other in an order that changes each round.
Beside the floor and what --peer names, whoever is installed: unshare, bwrap, crun, runc, podman. What a name begins with
says how it is called: coracle and podman are engines, bwrap is itself, everything else takes `run --bundle`.

runtime: the verbs of OCI runtimes, each as a whole process; containers a second, 200 one after the other and 16 at once;
and the sum of create, start and delete on a machine with a thousand mounts more.

--pause lets the kernel finish what a start leaves behind (a network namespace dies for some 40 ms) before the next one.
Without it each start carries some of the one before it, in the mean the same for all.";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(source) = cause {
                text = format!("{text}: {source}");
                cause = source.source();
            }
            eprintln!("bench: {text}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    runs: usize,
    pause: Duration,
    specs: Vec<Spec>,
    peers: Vec<Peer>,
    only: Vec<String>,
}

fn run() -> Result {
    let mut parser = lexopt::Parser::from_env();
    let usage = |error: lexopt::Error| Error::Usage(error.to_string());
    // These have options of their own.
    if let Some(word @ ("images" | "inflate" | "engine" | "network" | "recording")) = std::env::args().nth(1).as_deref()
    {
        parser.next().map_err(usage)?;
        return match word {
            "engine" => engine::run(parser),
            "network" => network::run(parser),
            "recording" => recording::run(parser),
            "images" => images::run(parser),
            _ => images::inflate(parser),
        };
    }
    let mut options =
        Options { runs: 200, pause: Duration::ZERO, specs: Vec::new(), peers: Vec::new(), only: Vec::new() };
    let mut task = None;
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(());
            }
            Long("runs") => options.runs = parser.value().and_then(|value| value.parse()).map_err(usage)?,
            Long("pause") => {
                options.pause = Duration::from_millis(parser.value().and_then(|value| value.parse()).map_err(usage)?);
            }
            Long("only") => options.only.push(parser.value().and_then(ValueExt::string).map_err(usage)?),
            Long("peer") => {
                let word = parser.value().and_then(ValueExt::string).map_err(usage)?;
                let peer = Peer::parse(&word).ok_or_else(|| Error::Usage(format!("--peer {word} is not NAME=PROGRAM")));
                options.peers.push(peer?);
            }
            Long("spec") => {
                let word = parser.value().and_then(ValueExt::string).map_err(usage)?;
                let spec = Spec::ALL.into_iter().find(|spec| spec.name() == word);
                options.specs.push(spec.ok_or_else(|| Error::Usage(format!("there is no specification {word}")))?);
            }
            Value(word) if task.is_none() => task = Some(word),
            other => return Err(usage(other.unexpected())),
        }
    }
    match task.as_ref().and_then(|task| task.to_str()) {
        Some("start") => start(options),
        Some("runtime") => runtime(options),
        Some("view") => view::serve(std::io::stdin().lock(), std::io::stdout().lock()),
        _ => Err(Error::Usage("the task is start, runtime or images".into())),
    }
}

fn start(mut options: Options) -> Result {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Usage("needs root".into()));
    }
    if options.specs.is_empty() {
        options.specs = Spec::ALL.to_vec();
    }
    let bundles = Bundles::new()?;
    let program = bundles.program("floor", floor::PROGRAM)?;
    let mut peers = vec![Peer { name: "floor".into(), program, kind: Kind::Floor }];
    peers.append(&mut options.peers);
    for peer in Peer::installed() {
        if !peers.iter().any(|known| known.name == peer.name) {
            peers.push(peer);
        }
    }
    peers.retain(|peer| options.only.is_empty() || peer.kind == Kind::Floor || options.only.contains(&peer.name));
    println!("{}\n", report::machine());
    for spec in &options.specs {
        let rows = measured(*spec, &peers, &bundles, &options)?;
        println!("{}", report::table(*spec, &rows));
    }
    println!("{}", std::env::args().skip(1).collect::<Vec<_>>().join(" "));
    Ok(())
}

/// How many containers the throughput is taken from.
const MANY: usize = 200;
/// How many of them at once.
const AT_ONCE: usize = 16;

fn runtime(mut options: Options) -> Result {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Usage("needs root".into()));
    }
    if options.specs.is_empty() {
        options.specs = Spec::ALL.to_vec();
    }
    let bundles = Bundles::new()?;
    let floor = Peer { name: "floor".into(), program: bundles.program("floor", floor::PROGRAM)?, kind: Kind::Floor };
    let mut peers = std::mem::take(&mut options.peers);
    for peer in Peer::installed() {
        if !peers.iter().any(|known| known.name == peer.name) {
            peers.push(peer);
        }
    }
    peers.retain(|peer| matches!(peer.kind, Kind::Runtime | Kind::RuntimeWithoutHybrid));
    peers.retain(|peer| options.only.is_empty() || options.only.contains(&peer.name));
    println!("{}\n", report::machine());
    for spec in &options.specs {
        println!("{}", verbs(*spec, &floor, &peers, &bundles, options.runs)?);
    }
    println!("{}", std::env::args().skip(1).collect::<Vec<_>>().join(" "));
    Ok(())
}

fn verbs(spec: Spec, floor: &Peer, peers: &[Peer], bundles: &Bundles, runs: usize) -> Result<String> {
    let mut taking_part: Vec<(&Peer, Runtime<'_>, Columns, Runtime<'_>, Samples)> = Vec::new();
    for peer in peers {
        let mut here = Runtime::new(peer, spec, bundles, 0, Mounts::Own)?;
        let mut crowded = Runtime::new(peer, spec, bundles, AT_ONCE + 1, Mounts::Thousand)?;
        match (0..WARM_UP).try_for_each(|_| here.round().and_then(|_| crowded.whole()).map(drop)) {
            Ok(()) => taking_part.push((peer, here, Columns::default(), crowded, Samples::default())),
            Err(error) => eprintln!("bench: {} does not take part in {}: {error}", peer.name, spec.name()),
        }
    }
    let command = floor.command(spec, bundles)?;
    let mut least = Samples::default();
    for round in 0..runs {
        least.push(measure::once("floor", &command)?);
        for (_, here, columns, crowded, samples) in &mut taking_part {
            columns.push(here.round()?);
            samples.push(crowded.whole()?);
        }
        if round % 50 == 49 {
            eprintln!("bench: {}, {} of {runs} rounds", spec.name(), round + 1);
        }
    }
    let mut lives = Vec::new();
    for (peer, _, columns, _, crowded) in taking_part {
        let one = life::throughput(peer, spec, bundles, 1, MANY)?;
        let many = life::throughput(peer, spec, bundles, AT_ONCE, MANY / AT_ONCE)?;
        lives.push(report::Life { name: peer.name.clone(), version: peer.version()?, columns, crowded, one, many });
    }
    Ok(report::verbs(spec, &least, &lives))
}

/// One who takes part.
struct Contender<'a> {
    peer: &'a Peer,
    command: Vec<String>,
    view: Option<View>,
    samples: Samples,
}

impl Contender<'_> {
    fn once(&mut self) -> Result<measure::Sample> {
        match &mut self.view {
            None => measure::once(&self.peer.name, &self.command),
            Some(view) => view.once(&self.command),
        }
    }
}

/// Rounds whose times do not count: caches fill.
const WARM_UP: usize = 5;

fn measured(spec: Spec, peers: &[Peer], bundles: &Bundles, options: &Options) -> Result<Vec<Row>> {
    let mut contenders = Vec::new();
    for peer in peers.iter().filter(|peer| peer.takes(spec)) {
        let command = peer.command(spec, bundles)?;
        let hybrid = cgroup::Layout::detect()?.mode() == cgroup::Mode::Hybrid;
        let view =
            if hybrid && peer.kind == Kind::RuntimeWithoutHybrid { Some(View::without_unified()?) } else { None };
        let mut contender = Contender { peer, command, view, samples: Samples::default() };
        let warm = (0..WARM_UP).try_for_each(|_| contender.once().map(drop));
        match warm {
            Ok(()) => contenders.push(contender),
            Err(error) if peer.kind == Kind::Floor => return Err(error),
            // Said aloud: a table without somebody must not look as if he had not been asked.
            Err(error) => eprintln!("bench: {} does not take part in {}: {error}", peer.name, spec.name()),
        }
    }
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut random = Random(std::process::id().into());
    let runs = options.runs;
    for round in 0..runs {
        random.shuffle(&mut order);
        for index in &order {
            std::thread::sleep(options.pause);
            let sample = contenders[*index].once()?;
            contenders[*index].samples.push(sample);
        }
        if round % 50 == 49 {
            eprintln!("bench: {}, {} of {runs} rounds", spec.name(), round + 1);
        }
    }
    let row = |contender: Contender<'_>| {
        let Contender { peer, command, samples, view } = contender;
        let calls = if view.is_none() { report::calls(&command)? } else { None };
        Ok(Row { name: peer.name.clone(), version: peer.version()?, samples, calls })
    };
    contenders.into_iter().map(row).collect()
}

/// Marsaglia's xorshift: an order that changes is enough.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 |= 1 << 40;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_all_and_not_always_in_the_same_order() {
        let mut random = Random(7);
        let mut orders: Vec<Vec<usize>> = Vec::new();
        for _ in 0..20 {
            let mut order = vec![0, 1, 2, 3, 4];
            random.shuffle(&mut order);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            orders.push(order);
        }
        orders.dedup();
        assert!(orders.len() > 10, "{orders:?}");
    }
}
