//! What the verbs of an OCI runtime cost, each as a whole process: an orchestrator calls them one by one.
//!
//! Two containers a round and runtime: one that waits, on which every verb is tried, and one around `/bin/true`, whose
//! making, start and removal are told as one sum. What the kernel needs until a killed process has ended is in nobody's
//! time.

use crate::bundle::{Bundles, cgroup};
use crate::error::{Doing as _, Error, Result, text};
use crate::measure::{self, Sample, Samples};
use crate::peer::{Kind, Peer};
use crate::spec::Spec;
use crate::view::View;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The columns of the table.
pub const COLUMNS: [&str; 7] = ["create", "start", "state", "exec", "kill", "delete", "create+start+delete"];

/// A runtime under test, with all that its commands name.
#[derive(Debug)]
pub struct Runtime<'a> {
    /// Who.
    pub peer: &'a Peer,
    program: String,
    state: String,
    /// Bundles whose commands are `/bin/pause` and `/bin/true`.
    waits: String,
    ends: String,
    pid_file: PathBuf,
    id: String,
    view: Option<View>,
}

impl<'a> Runtime<'a> {
    /// One that measures where the machine looks as `mounts` says; `worker` keeps those apart that run at once.
    pub fn new(peer: &'a Peer, spec: Spec, bundles: &Bundles, worker: usize, mounts: Mounts) -> Result<Self> {
        let name = format!("{}-{worker}", peer.name);
        let dir = bundles.path().join(format!("life-{name}"));
        let bundle = |command: &str| {
            let path = dir.join(command);
            std::fs::create_dir_all(&path).doing(|| format!("making {}", path.display()))?;
            let mut config = spec.config(&bundles.root(), &bundles.files(), &cgroup(&name));
            config["process"]["args"] = serde_json::json!([format!("/bin/{command}")]);
            let file = path.join("config.json");
            std::fs::write(&file, config.to_string()).doing(|| format!("writing {}", file.display()))?;
            Ok::<_, Error>(text(&path)?.to_owned())
        };
        let hybrid = ::cgroup::Layout::detect()?.mode() == ::cgroup::Mode::Hybrid;
        let apart = hybrid && peer.kind == Kind::RuntimeWithoutHybrid;
        let many = (mounts == Mounts::Thousand).then(|| dir.join("mounts"));
        Ok(Self {
            peer,
            program: text(&peer.program)?.to_owned(),
            state: text(&bundles.state(&name))?.to_owned(),
            waits: bundle("pause")?,
            ends: bundle("true")?,
            pid_file: bundles.state(&format!("{name}.pid")),
            id: format!("bench-{name}"),
            view: if apart || many.is_some() { Some(View::new(apart, many.as_deref())?) } else { None },
        })
    }

    fn once(&mut self, words: &[&str]) -> Result<Sample> {
        let words: Vec<String> = [&self.program, "--root", &self.state]
            .into_iter()
            .chain(words.iter().copied())
            .map(str::to_owned)
            .collect();
        match &mut self.view {
            None => measure::once(&self.peer.name, &words),
            Some(view) => view.once(&words),
        }
    }

    fn create(&mut self, bundle: &str) -> Result<Sample> {
        let (pid_file, id) = (text(&self.pid_file)?.to_owned(), self.id.clone());
        self.once(&["create", "--bundle", bundle, "--pid-file", &pid_file, &id])
    }

    /// Waits until the container's process has ended. Its parent is PID 1, who may leave it a zombie for a while.
    fn ended(&self) -> Result {
        let pid = std::fs::read_to_string(&self.pid_file).doing(|| "reading a pid file".into())?;
        let stat = format!("/proc/{}/stat", pid.trim());
        let begin = Instant::now();
        loop {
            let text = std::fs::read_to_string(&stat).unwrap_or_default();
            if text.is_empty() || text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')) {
                return Ok(());
            }
            if begin.elapsed() > Duration::from_secs(10) {
                return Err(Error::Usage(format!("{}: process {pid} does not end", self.peer.name)));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// One container from its making to its removal; the three commands in all.
    pub fn whole(&mut self) -> Result<Sample> {
        let (ends, id) = (self.ends.clone(), self.id.clone());
        let create = self.create(&ends)?;
        let start = self.once(&["start", &id])?;
        self.ended()?;
        let delete = self.once(&["delete", &id])?;
        Ok(Sample { wall: create.wall + start.wall + delete.wall, cpu: create.cpu + start.cpu + delete.cpu })
    }

    /// Every column once.
    pub fn round(&mut self) -> Result<[Sample; 7]> {
        let (waits, id) = (self.waits.clone(), self.id.clone());
        let create = self.create(&waits)?;
        let start = self.once(&["start", &id])?;
        let state = self.once(&["state", &id])?;
        let exec = self.once(&["exec", &id, "/bin/true"])?;
        let kill = self.once(&["kill", &id, "KILL"])?;
        self.ended()?;
        let delete = self.once(&["delete", &id])?;
        Ok([create, start, state, exec, kill, delete, self.whole()?])
    }
}

/// How many mounts the machine has besides its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// None.
    Own,
    /// A thousand.
    Thousand,
}

/// The samples of one runtime, by column.
#[derive(Debug, Default)]
pub struct Columns(pub [Samples; 7]);

impl Columns {
    /// Adds a round.
    pub fn push(&mut self, round: [Sample; 7]) {
        for (samples, sample) in self.0.iter_mut().zip(round) {
            samples.push(sample);
        }
    }
}

/// Containers a second with `workers` at once, `each` containers by each.
#[allow(clippy::cast_precision_loss, reason = "some hundreds")]
pub fn throughput(peer: &Peer, spec: Spec, bundles: &Bundles, workers: usize, each: usize) -> Result<f64> {
    let make = |worker| Runtime::new(peer, spec, bundles, worker, Mounts::Own);
    let mut runtimes = (1..=workers).map(make).collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let work = |runtime: &mut Runtime<'_>| (0..each).try_for_each(|_| runtime.whole().map(drop));
        let threads: Vec<_> = runtimes.iter_mut().map(|runtime| scope.spawn(move || work(runtime))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::View(String::new()))))
    })?;
    Ok((workers * each) as f64 / begin.elapsed().as_secs_f64())
}
