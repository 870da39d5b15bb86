//! `cargo xtask verbs`: which verbs and flags of docker and podman ours has, as a table in Markdown. What the others have
//! their own help tells; what ours has is found out by giving it the flag.

mod notes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lexopt::prelude::*;

use crate::error::{Doing as _, Error, Result};
use crate::programs;
use notes::{ABSENT, ABSENT_VERBS, DIFFERENT};

const HELP: &str = "\
cargo xtask verbs --docker PATH --podman PATH

  --docker PATH   docker's command line
  --podman PATH   podman
  --coracle PATH  ours (target/dist/coracle, from cargo xtask build)

Prints docs/compat/verbs.md.";

/// Flags of one verb, and who has them.
type Flags = BTreeMap<String, BTreeSet<&'static str>>;

/// One of the others.
struct Peer {
    name: &'static str,
    program: PathBuf,
}

impl Peer {
    fn help(&self, words: &[&str]) -> Result<String> {
        let output = Command::new(&self.program).args(words).arg("--help").output();
        let output = output.doing(|| format!("asking {}", self.program.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn version(&self) -> Result<String> {
        let text = programs::read(Command::new(&self.program).arg("--version"))?;
        Ok(text.split([',', ' ']).find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or("?").to_owned())
    }
}

/// Prints the table.
pub fn run(mut parser: lexopt::Parser) -> Result {
    let (mut docker, mut podman, mut ours) = (None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("docker") => docker = Some(PathBuf::from(parser.value()?)),
            Long("podman") => podman = Some(PathBuf::from(parser.value()?)),
            Long("coracle") => ours = Some(PathBuf::from(parser.value()?)),
            Long("help") | Short('h') => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = |flag| Error::Usage(format!("{flag} is needed"));
    let ours = ours.map_or_else(|| Ok(programs::target_dir()?.join("dist/coracle")), Ok::<_, Error>)?;
    let peers = [
        Peer { name: "docker", program: docker.ok_or_else(|| missing("--docker"))? },
        Peer { name: "podman", program: podman.ok_or_else(|| missing("--podman"))? },
    ];
    print!("{}", table(&peers, &ours)?);
    Ok(())
}

fn table(peers: &[Peer], ours: &Path) -> Result<String> {
    let mut verbs: BTreeMap<String, Flags> = BTreeMap::new();
    let mut absent: Flags = BTreeMap::new();
    for peer in peers {
        for path in paths(peer)? {
            let words: Vec<&str> = path.split(' ').collect();
            let Some(verb) = own_name(ours, &words)? else {
                absent.entry(path).or_default().insert(peer.name);
                continue;
            };
            let known = verbs.entry(verb).or_default();
            for flag in flags(&peer.help(&words)?) {
                known.entry(flag).or_default().insert(peer.name);
            }
        }
    }
    let mut unexplained = Vec::new();
    let mut text = "# Verbs and flags of docker and podman\n\n".to_owned();
    let versions: Vec<_> =
        peers.iter().map(|peer| Ok(format!("{} {}", peer.name, peer.version()?))).collect::<Result<_>>()?;
    let _ = writeln!(
        text,
        "Made by `cargo xtask verbs`, beside {}. A verb is listed by its own name; docker's and podman's",
        versions.join(" and ")
    );
    text.push_str("others for it work, too. `documents.rs` what_the_table_of_verbs_says_is_so gives each of these flags to the program.\n\n");
    for (verb, known) in &verbs {
        one_verb(&mut text, verb, known, ours, &mut unexplained)?;
    }
    text.push_str("## Verbs that are absent\n\n| verb | of | why |\n|---|---|---|\n");
    for (verb, of) in &absent {
        let why = ABSENT_VERBS.iter().find(|(begin, _)| verb == begin || verb.starts_with(&format!("{begin} ")));
        let why = why.map_or("?", |(_, why)| *why);
        if why == "?" {
            unexplained.push(verb.clone());
        }
        let _ = writeln!(text, "| `{verb}` | {} | {why} |", names(of));
    }
    if unexplained.is_empty() {
        return Ok(text);
    }
    Err(Error::Found(format!("notes.rs does not say why these are absent: {}", unexplained.join(", "))))
}

fn one_verb(text: &mut String, verb: &str, known: &Flags, ours: &Path, unexplained: &mut Vec<String>) -> Result {
    let (mut works, mut rows) = (Vec::new(), String::new());
    for (flag, of) in known {
        let note = |notes: &[(&str, &str, &'static str)]| {
            let fits = |(verbs, flags, _): &&(&str, &str, &str)| {
                (*verbs == "*" || verbs.split(' ').any(|one| one.replace('-', " ") == verb || one == verb))
                    && flags.split(' ').any(|one| one == flag)
            };
            notes.iter().find(fits).map(|(.., note)| *note)
        };
        if takes(ours, verb, flag)? {
            match note(DIFFERENT) {
                Some(how) => _ = writeln!(rows, "| `--{flag}` | {} | differs: {how} |", names(of)),
                None => works.push(format!("`--{flag}`")),
            }
        } else {
            let why = note(ABSENT).unwrap_or_else(|| {
                unexplained.push(format!("{verb} --{flag}"));
                "?"
            });
            let _ = writeln!(rows, "| `--{flag}` | {} | absent: {why} |", names(of));
        }
    }
    let _ = writeln!(text, "## {verb}\n");
    if !works.is_empty() {
        let _ = writeln!(text, "Works: {}\n", works.join(", "));
    } else if rows.is_empty() {
        text.push_str("Works.\n\n");
    }
    if !rows.is_empty() {
        let _ = writeln!(text, "| flag | of | |\n|---|---|---|\n{rows}");
    }
    Ok(())
}

fn names(of: &BTreeSet<&'static str>) -> String {
    of.iter().copied().collect::<Vec<_>>().join(", ")
}

/// All verbs, those behind a noun with it.
fn paths(peer: &Peer) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for verb in verbs(&peer.help(&[])?) {
        let below = verbs(&peer.help(&[&verb])?);
        if below.is_empty() {
            paths.push(verb);
        } else {
            paths.extend(below.into_iter().map(|below| format!("{verb} {below}")));
        }
    }
    Ok(paths)
}

/// The verbs that a help of cobra's lists.
fn verbs(help: &str) -> Vec<String> {
    let mut listing = false;
    let mut verbs = Vec::new();
    for line in help.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            listing = line.ends_with("Commands:");
        } else if let Some(word) = line.strip_prefix("  ").filter(|_| listing).and_then(|line| line.split(' ').next()) {
            let word = word.trim_end_matches('*');
            if word.starts_with(|c: char| c.is_ascii_lowercase()) && word != "help" {
                verbs.push(word.to_owned());
            }
        }
    }
    verbs
}

/// The flags that it lists.
fn flags(help: &str) -> Vec<String> {
    let mut listing = false;
    let mut flags = Vec::new();
    for line in help.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            listing = ["Options:", "Flags:"].contains(&line);
        }
        let mut words = line.split_whitespace().take(2).filter(|_| listing);
        let flag = words.find_map(|word| word.strip_prefix("--"));
        flags.extend(flag.map(str::to_owned).filter(|flag| flag != "help" && line.starts_with("  ")));
    }
    flags
}

/// The name that ours has for a verb, as its help tells it.
fn own_name(ours: &Path, words: &[&str]) -> Result<Option<String>> {
    let output = Command::new(ours).args(words).arg("--help").output().doing(|| "asking coracle".to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let usage = text.split("coracle ").nth(1).filter(|_| output.status.success() && !text.contains("VERB ..."));
    let name = |usage: &str| {
        let words = usage.split_whitespace();
        words.take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')).collect::<Vec<_>>().join(" ")
    };
    Ok(usage.map(name).filter(|name| !name.is_empty()))
}

/// Whether ours takes a flag: one that it does not know, or not yet, it says so of.
fn takes(ours: &Path, verb: &str, flag: &str) -> Result<bool> {
    let mut command = Command::new(ours);
    command.args(verb.split(' ')).arg(format!("--{flag}=host")).arg("--help");
    let output = command.output().doing(|| "asking coracle".to_owned())?;
    let told = String::from_utf8_lossy(&output.stderr);
    Ok(!told.contains("unknown option") && !told.contains(&format!("--{flag} is not there yet")))
}
