//! Images: pulled, saved, pushed, loaded, committed and removed, by us and by others, from the same registry on
//! loopback; beside the floor of an unpacking.
//!
//! Everyone begins each round with an empty store on a new file system. The registry's files are in memory for all. Everyone's time is told twice: until the command returned, and until all that it wrote is on disk (syncfs(2)
//! right after it), since who has synced by himself has nothing left to wait for, and the others have.

mod contender;
mod daemon;
mod disk;
mod floor;
mod made;
mod registry;
mod table;
mod tree;

use crate::error::{Doing as _, Error, Result, text};
use crate::report;
use contender::{Contender, Names, Step, Storage};
use disk::Disk;
use lexopt::prelude::*;
use made::{Made, Sort};
use registry::{Packing, Registry};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use table::Row;
use tree::Cost;

/// How it is called.
pub const HELP: &str = "\
bench images [--runs N] [--dir DIR] [--rootfs minbase|tools=DIR]… [--image minbase|tools|many]…
             [--packing gzip|zstd]… [--step STEP]… [--only NAME]…

Steps: pull again save push commit rmi load; pull and again always come along with those that need a pulled image.
--dir keeps root file systems and the registry there for the next time, and holds all stores meanwhile: it must lie on a
real file system, with 30 GB free. Root file systems that are not given come from mmdebstrap. Needs root, docker-registry
and skopeo; of podman, umoci, containerd and docker those take part that are installed.";

struct Options {
    runs: usize,
    dir: Option<PathBuf>,
    given: Vec<(String, PathBuf)>,
    sorts: Vec<Sort>,
    packings: Vec<Packing>,
    steps: Vec<Step>,
    only: Vec<String>,
    coracle: Option<PathBuf>,
}

/// One of those that have names, by its name.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &str) -> Result<T> {
    let found = all.iter().copied().find(|one| name(*one) == word);
    found.ok_or_else(|| Error::Usage(format!("there is no {word}")))
}

fn options(mut parser: lexopt::Parser) -> Result<Option<Options>> {
    let usage = |error: lexopt::Error| Error::Usage(error.to_string());
    let mut options = Options {
        runs: 1,
        dir: None,
        given: Vec::new(),
        sorts: Vec::new(),
        packings: Vec::new(),
        steps: Vec::new(),
        only: Vec::new(),
        coracle: None,
    };
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
        let pair = || word.split_once('=').ok_or_else(|| Error::Usage(format!("--{name} {word} is not NAME=PATH")));
        match name.as_str() {
            "runs" => options.runs = word.parse().map_err(|_| Error::Usage(format!("--runs {word}")))?,
            "dir" => options.dir = Some(word.into()),
            "rootfs" => options.given.push(pair().map(|(name, path)| (name.to_owned(), path.into()))?),
            "image" => options.sorts.push(named(&Sort::ALL, Sort::name, &word)?),
            "packing" => options.packings.push(named(&Packing::ALL, Packing::name, &word)?),
            "step" => options.steps.push(named(&Step::ALL, Step::name, &word)?),
            "only" => options.only.push(word),
            "peer" => {
                options.coracle =
                    pair().map(|(name, path)| (name == "coracle").then(|| path.into()))?.or(options.coracle);
            }
            _ => return Err(Error::Usage(format!("there is no --{name}"))),
        }
    }
    if options.sorts.is_empty() {
        options.sorts = Sort::ALL.to_vec();
    }
    if options.packings.is_empty() {
        options.packings = Packing::ALL.to_vec();
    }
    if options.steps.is_empty() {
        options.steps = Step::ALL.to_vec();
    }
    Ok(Some(options))
}

/// `bench images …`.
pub fn run(parser: lexopt::Parser) -> Result {
    let Some(options) = options(parser)? else {
        println!("{HELP}");
        return Ok(());
    };
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Usage("needs root".into()));
    }
    let coracle = options.coracle.clone().ok_or_else(|| Error::Usage("--peer coracle=PROGRAM is missing".into()))?;
    let mut contenders = Contender::all(&coracle)?;
    contenders.retain(|who| options.only.is_empty() || options.only.iter().any(|name| who.name.starts_with(name)));
    let passing;
    let dir = if let Some(dir) = &options.dir {
        fs::create_dir_all(dir).doing(|| format!("making {}", dir.display()))?;
        fs::canonicalize(dir).doing(|| format!("finding {}", dir.display()))?
    } else {
        let here = std::env::current_dir().doing(|| "finding the current directory".into())?.join("target");
        passing = tempfile::Builder::new().prefix("bench-").tempdir_in(&here).doing(|| "making a directory".into())?;
        passing.path().to_owned()
    };
    disk::apart()?;
    println!("{}\n", report::machine());
    let registry = |packing: &Packing| Registry::start(&dir.join(format!("registry-{}", packing.name())), *packing);
    let registries = options.packings.iter().map(registry).collect::<Result<Vec<_>>>()?;
    let bench = Bench { dir, contenders };
    for &sort in &options.sorts {
        for registry in &registries {
            bench.table(sort, registry, &options)?;
        }
    }
    println!("{}", std::env::args().skip(1).collect::<Vec<_>>().join(" "));
    Ok(())
}

/// All that stands ready for the rounds.
struct Bench {
    dir: PathBuf,
    contenders: Vec<Contender>,
}

impl Bench {
    fn table(&self, sort: Sort, registry: &Registry, options: &Options) -> Result {
        let made = self.image(sort, registry, options)?;
        let packing = registry.packing.name();
        let image = format!("{}/{}:{packing}", registry.name, sort.name());
        let names =
            Names { archive: self.archive(sort, &image)?, image, pushed: String::new(), change: self.change()? };
        let mut rows: Vec<Row> = self
            .contenders
            .iter()
            .map(|who| Row { name: who.name.clone(), version: who.version(), ..Row::default() })
            .collect();
        let mut left_out = BTreeMap::new();
        let (mut floor, mut on_one_core) = (Vec::new(), Vec::new());
        let blobs = registry.blobs(sort.name())?;
        for round in 0..options.runs {
            registry.warm()?;
            floor.push(self.floor(&blobs.largest, &[])?);
            on_one_core.push(self.floor(&blobs.largest, &["taskset", "-c", "0"])?);
            for (who, row) in self.contenders.iter().zip(&mut rows) {
                for steps in [&Step::ALL[..6], &Step::ALL[6..]] {
                    self.steps(who, row, steps, &names, options, &mut left_out)?;
                }
            }
            eprintln!("bench: {} {}, {} of {} rounds", sort.name(), packing, round + 1, options.runs);
        }
        for ((who, step), error) in left_out {
            eprintln!("bench: {who} has no figure for {step}: {error}");
        }
        let Made { layers, bytes, files, .. } = made;
        let mb = |bytes: u64| bytes / 1_000_000;
        println!(
            "### {}, {}: {layers} layers, {files} files, {} MB packed, {} MB unpacked\n",
            sort.name(),
            packing,
            mb(blobs.bytes),
            mb(bytes)
        );
        println!("{}", table::times(&rows, &options.steps));
        println!("{}", table::resources(&rows, &options.steps));
        let told = |costs: &mut Vec<Cost>| {
            costs.sort_unstable_by_key(|cost| cost.on_disk);
            let Cost { on_disk, cpu, peak, .. } =
                costs.get(costs.len().saturating_sub(1) / 2).copied().unwrap_or_default();
            format!("{:.2} s ({:.2} s on a CPU, {} MB)", on_disk.as_secs_f64(), cpu.as_secs_f64(), mb(peak))
        };
        println!(
            "Floor, the largest layer inflated, hashed and written: {}; on one core {}.\n",
            told(&mut floor),
            told(&mut on_one_core)
        );
        Ok(())
    }

    /// Some steps of a round, in an empty store.
    fn steps(
        &self,
        who: &Contender,
        row: &mut Row,
        steps: &[Step],
        names: &Names,
        options: &Options,
        left_out: &mut BTreeMap<(String, &'static str), String>,
    ) -> Result {
        let last = steps.iter().rposition(|step| options.steps.contains(step));
        let Some(last) = last else { return Ok(()) };
        let storage = Storage::new(who, Disk::new(&self.dir)?)?;
        for &step in steps.iter().take(last + 1).filter(|step| **step == Step::Pull || options.steps.contains(step)) {
            let mut names = names.clone();
            let sink;
            if step == Step::Push {
                let dir = self.dir.join("sink");
                let _ = fs::remove_dir_all(&dir);
                sink = Registry::start(&dir, Packing::Gzip)?;
                names.pushed = format!("{}/pushed:bench", sink.name);
            }
            // So short that one time says little.
            for _ in 0..if step == Step::Again { 5 } else { 1 } {
                match storage.step(step, &names) {
                    Ok(Some(cost)) => row.costs[step as usize].push(cost),
                    Ok(None) => {}
                    Err(error) => {
                        left_out.insert((who.name.clone(), step.name()), error.to_string());
                        if step == Step::Pull {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The image, in the registry.
    fn image(&self, sort: Sort, registry: &Registry, options: &Options) -> Result<Made> {
        let layout = self.dir.join(format!("layout-{}", sort.name()));
        let told = layout.join("made.json");
        let known = fs::read(&told).ok().and_then(|bytes| serde_json::from_slice::<(usize, u64, usize)>(&bytes).ok());
        let made = if let Some((layers, bytes, files)) = known {
            Made { layout: layout.clone(), layers, bytes, files }
        } else {
            let root = made::root(sort, &options.given, &self.dir)?;
            let made = made::image(sort, &root, &layout)?;
            let text = serde_json::json!([made.layers, made.bytes, made.files]).to_string();
            fs::write(&told, text).doing(|| format!("writing {}", told.display()))?;
            made
        };
        if !registry.has(sort.name()) {
            registry.fill(&made.layout, sort.name())?;
        }
        Ok(made)
    }

    /// The image as docker saves it, by skopeo.
    fn archive(&self, sort: Sort, name: &str) -> Result<PathBuf> {
        let archive = self.dir.join("archive.tar");
        let _ = fs::remove_file(&archive);
        let from = format!("oci:{}:t", self.dir.join(format!("layout-{}", sort.name())).display());
        let to = format!("docker-archive:{}:{name}", archive.display());
        let words: Vec<String> =
            ["skopeo", "copy", "--quiet"].into_iter().map(str::to_owned).chain([from, to]).collect();
        let status = tree::command(&words, &self.dir)?.status().doing(|| "starting skopeo".into())?;
        if status.success() { Ok(archive) } else { Err(Error::Usage(format!("{} fails", words.join(" ")))) }
    }

    /// 100 MB that cannot be compressed.
    fn change(&self) -> Result<PathBuf> {
        let path = self.dir.join("change");
        let doing = || format!("making {}", path.display());
        if !path.is_file() {
            let mut random = std::io::Read::take(fs::File::open("/dev/urandom").doing(doing)?, 100_000_000);
            std::io::copy(&mut random, &mut fs::File::create(&path).doing(doing)?).doing(doing)?;
        }
        Ok(path)
    }

    /// The floor as a process of its own, like all others.
    fn floor(&self, blob: &Path, before: &[&str]) -> Result<Cost> {
        let own = std::env::current_exe().doing(|| "finding this program".into())?;
        let disk = Disk::new(&self.dir)?;
        let output = disk.path().join("inflated");
        let words = [text(&own)?, "inflate", text(blob)?, text(&output)?];
        let words: Vec<String> = before.iter().copied().chain(words).map(str::to_owned).collect();
        tree::measured("floor", &words, &[], disk.path())
    }
}

/// `bench inflate BLOB FILE`: the floor.
pub fn inflate(mut parser: lexopt::Parser) -> Result {
    let usage = |error: lexopt::Error| Error::Usage(error.to_string());
    let (blob, output) = (parser.value().map_err(usage)?, parser.value().map_err(usage)?);
    println!("{}", floor::inflate(Path::new(&blob), Path::new(&output))?);
    Ok(())
}
