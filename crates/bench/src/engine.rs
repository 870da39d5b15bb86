//! Engines: the life of a container in the background, verb by verb, beside podman; and a thousand of them.
//!
//! Each verb is a whole process, from before its spawn until it is reaped. The image is one static busybox, the network
//! is none for all. Those who take part take turns within each round.

use crate::error::{Doing as _, Error, Result, text};
use crate::measure::{PATH, Samples, once};
use crate::report;
use lexopt::prelude::*;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How it is called.
pub const HELP: &str = "\
bench engine [--runs N] [--many N] [--dir DIR] [--only NAME]…

Medians of run --rm, run -d, exec, logs, stop, rm, and ps with 0 and 100 containers; 64 containers started 16 at a time;
memory of what stays resident for each; and --many (1000) of ours at once. --dir holds all stores (a new one in /var/tmp).
Needs root and a static busybox; podman takes part where it is installed, docker where DOCKER_HOST names its daemon.";

/// The verbs of one round, in their order.
const VERBS: [&str; 6] = ["run --rm", "run -d", "exec", "logs", "stop", "rm"];
/// Started at once, and so many of them at the same time.
const CROWD: u32 = 64;
const AT_ONCE: usize = 16;

pub(crate) struct Options {
    pub runs: usize,
    pub many: usize,
    dir: Option<PathBuf>,
    pub only: Vec<String>,
    /// An ordinary user, for what is measured without root.
    pub user: Option<String>,
    coracle: Option<PathBuf>,
}

impl Options {
    /// Where the stores are, and what of it goes at the end.
    pub fn place(&self) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
        if let Some(dir) = &self.dir {
            fs::create_dir_all(dir).doing(|| format!("making {}", dir.display()))?;
            return Ok((dir.clone(), None));
        }
        let passing = tempfile::tempdir_in("/var/tmp").doing(|| "making a directory".into())?;
        Ok((passing.path().to_owned(), Some(passing)))
    }

    /// The program that is measured; root alone can.
    pub fn program(&self) -> Result<&Path> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::Usage("needs root".into()));
        }
        self.coracle.as_deref().ok_or_else(|| Error::Usage("--peer coracle=PROGRAM is missing".into()))
    }
}

/// One who takes part.
pub(crate) struct Engine {
    pub name: &'static str,
    /// The program with the places of its store.
    pub call: Vec<String>,
    /// The processes that stay for each container, by the name of their program.
    pub resident: String,
}

impl Engine {
    pub fn words(&self, more: &[&str]) -> Vec<String> {
        self.call.iter().cloned().chain(more.iter().map(|word| (*word).to_owned())).collect()
    }

    pub fn once(&self, more: &[&str]) -> Result<crate::measure::Sample> {
        once(self.name, &self.words(more))
    }

    /// `run`. Without CAP_SYS_RESOURCE podman cannot raise its limits, and fails.
    pub fn run(&self, more: &[&str]) -> Result<crate::measure::Sample> {
        let own = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
        let limit: &[&str] = if self.name == "podman" { &own } else { &[] };
        self.once(&[&["run"], limit, more].concat())
    }

    fn start(&self, container: &str) -> Result<Duration> {
        let words = ["-d", "--network", "none", "--name", container, "bench:1", "sleep", "100000"];
        Ok(self.run(&words)?.wall)
    }

    /// Mean proportional memory of what stays for each container, in KiB (proc_pid_smaps(5)).
    fn memory(&self, containers: usize) -> u64 {
        let own = |dir: &Path| {
            let exe = fs::read_link(dir.join("exe")).ok()?;
            (exe.to_string_lossy() == self.resident.as_str()
                || exe.file_name().is_some_and(|name| name.to_string_lossy() == self.resident.as_str()))
            .then_some(())?;
            let rollup = fs::read_to_string(dir.join("smaps_rollup")).ok()?;
            let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| own(&entry.path())).sum::<u64>() / containers.max(1) as u64
    }
}

pub(crate) fn options(mut parser: lexopt::Parser, (runs, many): (usize, usize)) -> Result<Option<Options>> {
    let usage = |error: lexopt::Error| Error::Usage(error.to_string());
    let mut options = Options { runs, many, dir: None, only: Vec::new(), user: None, coracle: None };
    while let Some(argument) = parser.next().map_err(usage)? {
        let name = match argument {
            Short('h') => return Ok(None),
            Long(name) => name.to_owned(),
            other => return Err(usage(other.unexpected())),
        };
        if name == "help" {
            return Ok(None);
        }
        let word = parser.value().and_then(ValueExt::string).map_err(usage)?;
        let number = || word.parse().map_err(|_| Error::Usage(format!("--{name} {word}")));
        match name.as_str() {
            "runs" => options.runs = number()?,
            "many" => options.many = number()?,
            "dir" => options.dir = Some(word.into()),
            "only" => options.only.push(word),
            "user" => options.user = Some(word),
            "peer" => {
                if let Some(("coracle", path)) = word.split_once('=') {
                    options.coracle = Some(path.into());
                }
            }
            _ => return Err(Error::Usage(format!("there is no --{name}"))),
        }
    }
    Ok(Some(options))
}

/// `bench engine …`.
pub fn run(parser: lexopt::Parser) -> Result {
    let Some(options) = options(parser, (30, 1000))? else {
        println!("{HELP}");
        return Ok(());
    };
    let (dir, _passing) = options.place()?;
    let engines = engines(&dir, options.program()?, &options.only)?;
    println!("{}\n", report::machine());
    rounds(&engines, options.runs)?;
    crowd(&engines)?;
    for engine in engines.iter().filter(|engine| engine.name == "coracle" && options.many > 0) {
        many(engine, options.many)?;
    }
    for engine in &engines {
        // The store goes with the directory; mounts and processes are gone by now.
        let _ = engine.once(&["rmi", "-f", "bench:1"]);
    }
    Ok(())
}

pub(crate) fn engines(dir: &Path, coracle: &Path, only: &[String]) -> Result<Vec<Engine>> {
    let place = |engine: &str, name: &str| text(&dir.join(engine).join(name)).map(str::to_owned);
    let call = |program: &str, engine: &str| -> Result<Vec<String>> {
        let (root, run) = (place(engine, "root")?, place(engine, "run")?);
        Ok([program, "--root", &root, "--runroot", &run].map(str::to_owned).to_vec())
    };
    let mut all =
        vec![Engine { name: "coracle", call: call(text(coracle)?, "coracle")?, resident: text(coracle)?.into() }];
    if PATH.split(':').any(|dir| Path::new(dir).join("podman").is_file()) {
        let mut words = call("podman", "podman")?;
        words.extend(
            ["--storage-driver", "overlay", "--runtime", "runc", "--cgroup-manager", "cgroupfs"].map(str::to_owned),
        );
        all.push(Engine { name: "podman", call: words, resident: "conmon".into() });
    }
    // Its daemon is whoever starts this one's business.
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        all.push(Engine {
            name: "docker",
            call: vec!["docker".to_owned(), "-H".to_owned(), host],
            resident: "containerd-shim-runc-v2".into(),
        });
    }
    all.retain(|engine| only.is_empty() || only.iter().any(|name| name == engine.name));
    let rootfs = dir.join("rootfs");
    let shell = |script: &str| once("sh", &["/bin/sh", "-ec", script, "sh", text(&rootfs)?].map(str::to_owned));
    shell(
        "mkdir -p \"$1/bin\"; cp \"$(command -v busybox)\" \"$1/bin/busybox\"; for name in sh sleep true; do ln -sf busybox \"$1/bin/$name\"; done; tar -C \"$1\" -cf \"$1.tar\" .",
    )?;
    let tar = rootfs.with_extension("tar");
    for engine in &all {
        engine.once(&["import", text(&tar)?, "bench:1"])?;
    }
    Ok(all)
}

fn rounds(engines: &[Engine], runs: usize) -> Result {
    let mut samples: Vec<[Samples; VERBS.len()]> = engines.iter().map(|_| Default::default()).collect();
    for round in 0..runs {
        for (engine, samples) in engines.iter().zip(&mut samples) {
            let name = format!("bench{round}");
            let verbs: [&[&str]; VERBS.len()] = [
                &["--rm", "--network", "none", "bench:1", "true"],
                &["-d", "--network", "none", "--name", &name, "bench:1", "sleep", "100000"],
                &["exec", &name, "true"],
                &["logs", &name],
                &["stop", "-t", "0", &name],
                &["rm", &name],
            ];
            for ((words, samples), verb) in verbs.into_iter().zip(samples).zip(VERBS) {
                samples.push(if verb.starts_with("run") { engine.run(words)? } else { engine.once(words)? });
            }
        }
    }
    let mut table = format!("### Verbs, median ms of {runs} rounds\n\n| |");
    for verb in VERBS {
        let _ = write!(table, " {verb} |");
    }
    let _ = writeln!(table, "\n|---|{}", "--:|".repeat(VERBS.len()));
    for (engine, samples) in engines.iter().zip(&samples) {
        let _ = write!(table, "| {} |", engine.name);
        for samples in samples {
            let _ = write!(table, " {:.1} |", samples.wall(500).as_secs_f64() * 1e3);
        }
        table.push('\n');
    }
    println!("{table}");
    Ok(())
}

/// So many containers, some at the same time: how long each start took.
fn start_all(engine: &Engine, count: usize) -> Result<Vec<Duration>> {
    let next = AtomicUsize::new(0);
    let times = std::sync::Mutex::new(vec![Duration::ZERO; count]);
    let worker = || -> Result {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let time = engine.start(&format!("crowd{number}"))?;
            if let Some(slot) = times.lock().ok().as_mut().and_then(|times| times.get_mut(number)) {
                *slot = time;
            }
        }
    };
    let failed = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        let mut ended = workers.into_iter().map(|worker| worker.join().unwrap_or(Ok(())));
        ended.find_map(Result::err)
    });
    failed.map_or(Ok(()), Err)?;
    Ok(times.into_inner().unwrap_or_default())
}

fn listing(engine: &Engine) -> Result<f64> {
    let mut samples = Samples::default();
    for _ in 0..10 {
        samples.push(engine.once(&["ps"])?);
    }
    Ok(samples.wall(500).as_secs_f64() * 1e3)
}

fn remove_all(engine: &Engine) -> Result<Duration> {
    // Without its own flag podman gives each ten seconds; docker has none for all.
    let crowd: Vec<String> = (0..CROWD).map(|number| format!("crowd{number}")).collect();
    let words: Vec<&str> = match engine.name {
        "podman" => vec!["rm", "-f", "-a", "-t", "0"],
        "docker" => ["rm", "-f"].into_iter().chain(crowd.iter().map(String::as_str)).collect(),
        _ => vec!["rm", "-f", "-a"],
    };
    Ok(engine.once(&words)?.wall)
}

fn crowd(engines: &[Engine]) -> Result {
    println!("### {CROWD} in the background, {AT_ONCE} at a time\n");
    println!("| | starts a second | KiB resident for each (PSS) | ps with 0, ms | ps with {CROWD}, ms |");
    println!("|---|--:|--:|--:|--:|");
    for engine in engines {
        let none = listing(engine)?;
        let begin = Instant::now();
        start_all(engine, CROWD as usize)?;
        let rate = f64::from(CROWD) / begin.elapsed().as_secs_f64();
        let (memory, full) = (engine.memory(CROWD as usize), listing(engine)?);
        println!("| {} | {rate:.0} | {memory} | {none:.1} | {full:.1} |", engine.name);
        remove_all(engine)?;
    }
    println!();
    Ok(())
}

fn many(engine: &Engine, count: usize) -> Result {
    let begin = Instant::now();
    let times = start_all(engine, count)?;
    let all = begin.elapsed();
    let median = |times: &[Duration]| {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    let edge = 50.min(count);
    let (first, last) = (median(&times[..edge]), median(&times[count - edge..]));
    let (memory, full) = (engine.memory(count), listing(engine)?);
    let removed = remove_all(engine)?;
    println!("### {count} at once\n");
    println!(
        "| all started, s | first {edge}, median ms | last {edge} | ratio | KiB resident for each (PSS) | ps, ms | rm -f -a, s |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    println!(
        "| {:.1} | {first:.1} | {last:.1} | {:.2} | {memory} | {full:.1} | {:.1} |\n",
        all.as_secs_f64(),
        last / first,
        removed.as_secs_f64()
    );
    Ok(())
}
