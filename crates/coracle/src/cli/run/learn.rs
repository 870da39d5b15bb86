//! `coracle learn`: runs a workload, and writes down the least that it needs.

use super::flags::FLAGS;
use super::{Asked, needs_terminal, prepare, read, tell, tell_lines};
use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use crate::render::console_size;
use engine::config::{ContainerConfig, NetworkMode};
use engine::denied::Port;
use engine::learn::Learnt;
use engine::run::Outcome;
use engine::{Engine, Io};
use flag::{Flag, Help, Order, parse, put_word};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const HELP: Help = Help {
    usage: &["learn [--out DIR] [--replay] [OPTIONS] IMAGE [COMMAND [ARG...]]"],
    about: "Run a workload, and write down the least that it needs",
    more: &[
        "OPTIONS are those of coracle run. DIR gets flags (for coracle run), seccomp.json (for any engine) and NAME.container \
         (for systemd, by Quadlet); NAME is that of --name. Under --replay the exit code is 0 if the same run passes with that.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "learn", aliases: &[], about: HELP.about, run: learn, help: |width| help(&HELP, OWN, width) };

/// For the help; they are read among those of `run`.
#[derive(Default)]
struct Own {
    out: Option<String>,
}

const OWN: &[Flag<Own>] = &[
    Flag::takes("out", "DIR", |g: &mut Own, w| put_word(&mut g.out, w), "Where it is written (.)").under("Options"),
    Flag::switch("replay", |_, _| (), "Run it once more with what was learnt, and tell whether it passes")
        .under("Options"),
];

/// Options that say what is learnt, or that have no place where it is used: their names, and whether a value follows.
const LEARNT: &[(&str, bool)] = &[
    ("--cap-add", true),
    ("--cap-drop", true),
    ("--cidfile", true),
    ("--detach", false),
    ("-d", false),
    ("--memory", true),
    ("-m", true),
    ("--name", true),
    ("--out", true),
    ("--pids-limit", true),
    ("--privileged", false),
    ("--read-only", false),
    ("--read-only-tmpfs", false),
    ("--replace", false),
    ("--replay", false),
    ("--report-denied", false),
    ("--rm", false),
    ("--timeout", true),
];

/// What was learnt, as the words that ask for it.
struct Words {
    /// The options that were given and go on to hold.
    kept: Vec<String>,
    /// Those that were learnt.
    learnt: Vec<String>,
    /// The image and its command.
    rest: Vec<String>,
}

fn learn(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut asked = read(words)?;
    needs_terminal(&asked.config.process)?;
    let rest = parse(FLAGS, words, Order::First, &mut super::Given::default())?;
    let out = asked.out.clone().unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&out).map_err(|error| failed("make", &out, &error))?;
    let out = out.canonicalize().map_err(|error| failed("open", &out, &error))?;
    asked.config.privileges.learns = true;
    asked.config.remove = true;
    let name = asked.config.name.as_ref().map_or_else(|| "learnt".to_owned(), ToString::to_string);
    let replay = asked.replay;
    let engine = context.engine()?;
    let outcome = match once(&engine, &mut asked)? {
        Ok(outcome) => outcome,
        Err(code) => return Ok(code),
    };
    let Some(learnt) = &outcome.learnt else { return Ok(outcome.code) };
    let profile = out.join("seccomp.json");
    let options = words.get(..words.len().saturating_sub(rest.len())).unwrap_or_default();
    let mut words = Words { kept: kept(options), learnt: flags(learnt, &asked.config, &profile), rest };
    write(&profile, &json(learnt)?)?;
    write_words(&out, &name, &words)?;
    notes(learnt, &out, &name);
    if !replay {
        return Ok(outcome.code);
    }
    if learnt.capabilities.is_none() {
        without_capabilities(&engine, &mut words, outcome.code)?;
        write_words(&out, &name, &words)?;
    }
    again(&engine, &words, outcome.code)
}

/// Runs it in the foreground; else the exit code of what could not be got.
fn once(engine: &Engine, asked: &mut Asked) -> Result<Result<Outcome, u8>, Failure> {
    if let Some(code) = prepare(engine, asked)? {
        return Ok(Err(code));
    }
    Ok(Ok(engine::run::run(engine, &asked.config, Io { console_size: console_size() }, &mut |_| ())?))
}

/// The same run under what was learnt, and what it is refused. Nobody is to come by the ports that were learnt, which
/// somebody else may have by now.
fn replayed(engine: &Engine, words: &Words) -> Result<Result<Outcome, u8>, Failure> {
    let learnt = words.learnt.iter().filter(|word| !word.starts_with("--publish")).cloned();
    let how = ["--rm", "--report-denied"].map(str::to_owned);
    let all: Vec<String> =
        words.kept.iter().cloned().chain(learnt).chain(how).chain(words.rest.iter().cloned()).collect();
    let mut asked = read(&all)?;
    once(engine, &mut asked)
}

/// Whether the same run passes.
fn again(engine: &Engine, words: &Words, code: u8) -> Result<u8, Failure> {
    let outcome = match replayed(engine, words)? {
        Ok(outcome) => outcome,
        Err(code) => return Ok(code),
    };
    if let Some(report) = &outcome.denied {
        tell_lines("learn", &explain::denied(report));
    }
    if outcome.code == code {
        tell(&format!("coracle: learn: the same run passes with what was learnt (exit code {code})\n"));
        return Ok(0);
    }
    tell(&format!("coracle: learn: the same run does not pass: exit code {} instead of {code}\n", outcome.code));
    Ok(1)
}

/// Where nobody could see which capabilities it uses: each is left out that it can be run without.
fn without_capabilities(engine: &Engine, words: &mut Words, code: u8) -> Result<(), Failure> {
    let passes = |words: &Words| -> Result<bool, Failure> {
        Ok(replayed(engine, words)?.is_ok_and(|outcome| outcome.code == code))
    };
    let with = |words: &mut Words, capabilities: &[String]| {
        words.learnt.retain(|word| !word.starts_with("--cap-"));
        words.learnt.push("--cap-drop=all".to_owned());
        words.learnt.extend(capabilities.iter().map(|name| format!("--cap-add={name}")));
    };
    let before = words.learnt.clone();
    let mut needed: Vec<String> =
        engine::config::CapabilitySet::DEFAULT.iter().map(|one| one.short_name().to_owned()).collect();
    with(words, &[]);
    if passes(words)? {
        return Ok(());
    }
    with(words, &needed);
    if !passes(words)? {
        // Something else is in the way: nothing was learnt of them.
        words.learnt = before;
        return Ok(());
    }
    for name in needed.clone() {
        let fewer: Vec<String> = needed.iter().filter(|other| **other != name).cloned().collect();
        with(words, &fewer);
        if passes(words)? {
            needed = fewer;
        }
    }
    with(words, &needed);
    Ok(())
}

/// The options of the user that go on to hold.
fn kept(options: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = options.iter().peekable();
    while let Some(word) = words.next() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        let value = |words: &mut std::iter::Peekable<std::slice::Iter<'_, String>>| {
            word.split_once('=').map(|(_, value)| value.to_owned()).or_else(|| words.next().cloned())
        };
        if name == "--security-opt" {
            let option = value(&mut words).unwrap_or_default();
            if !option.starts_with("seccomp") {
                kept.push(format!("--security-opt={option}"));
            }
        } else if let Some((_, takes)) = LEARNT.iter().find(|(known, _)| *known == name) {
            if *takes {
                value(&mut words);
            }
        } else if word != "--" {
            kept.push(word.clone());
        }
    }
    kept
}

/// What was learnt as options.
fn flags(learnt: &Learnt, config: &ContainerConfig, profile: &Path) -> Vec<String> {
    const MIB: u64 = 1 << 20;
    let mut words = Vec::new();
    if let Some(capabilities) = &learnt.capabilities {
        words.push("--cap-drop=all".to_owned());
        words.extend(capabilities.iter().map(|name| format!("--cap-add={}", name.trim_start_matches("CAP_"))));
    }
    words.push(format!("--security-opt=seccomp={}", profile.display()));
    if !learnt.writes.iter().any(|path| path == "/") {
        words.push("--read-only".to_owned());
        words.extend(learnt.writes.iter().map(|path| tmpfs(path)));
    }
    if let Some(memory) = learnt.memory {
        // Half as much again, for another run is never quite the same; what it writes to memory counts, too.
        let limit = (memory + memory / 2).div_ceil(MIB).max(16);
        words.push(format!("--memory={limit}m"));
    }
    if let Some(pids) = learnt.pids {
        words.push(format!("--pids-limit={}", pids + (pids / 2).max(2)));
    }
    let own = !matches!(config.view.network, Some(NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_)));
    if own && config.view.ports.is_empty() {
        words.extend(learnt.ports.iter().map(|port| match port {
            Port::Tcp(port) => format!("--publish={port}:{port}"),
            Port::Udp(port) => format!("--publish={port}:{port}/udp"),
        }));
    }
    words
}

/// Memory in the place of a directory. What is there is copied into it, but where nobody expects to find anything.
fn tmpfs(path: &str) -> String {
    let empty = ["/tmp", "/var/tmp", "/run"].contains(&path);
    let mode = if path.ends_with("tmp") && empty { ",mode=1777" } else { "" };
    if empty { format!("--tmpfs={path}:notmpcopyup{mode}") } else { format!("--tmpfs={path}") }
}

fn json(learnt: &Learnt) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(&learnt.profile);
    text.map(|text| text + "\n").map_err(|error| Failure::words(error.to_string(), "this is an error of ours"))
}

fn write_words(out: &Path, name: &str, words: &Words) -> Result<(), Failure> {
    let flags: Vec<String> = words.kept.iter().chain(&words.learnt).map(|word| shell(word)).collect();
    write(&out.join("flags"), &format!("{}\n", flags.join(" ")))?;
    write(&out.join(format!("{name}.container")), &unit(name, words))
}

/// A `.container` file of Quadlet's.
fn unit(name: &str, words: &Words) -> String {
    let mut text = format!("[Unit]\nDescription={name}, with the least that it was seen to need\n\n[Container]\n");
    let (image, command) =
        words.rest.split_first().map_or((String::new(), &[][..]), |(image, rest)| (image.clone(), rest));
    _ = writeln!(text, "Image={image}");
    // What % and $ mean in a unit they are not to mean in a command.
    let quoted = |word: &String| quadlet::quote(word).replace('%', "%%").replace('$', "$$");
    if !command.is_empty() {
        _ = writeln!(text, "Exec={}", command.iter().map(quoted).collect::<Vec<_>>().join(" "));
    }
    for word in &words.learnt {
        let (name, value) = word.split_once('=').unwrap_or((word, "true"));
        let (key, value) = match name {
            "--cap-drop" => ("DropCapability", value),
            "--cap-add" => ("AddCapability", value),
            "--security-opt" => ("SeccompProfile", value.trim_start_matches("seccomp=")),
            "--read-only" => ("ReadOnly", value),
            "--tmpfs" => ("Tmpfs", value),
            "--memory" => ("Memory", value),
            "--pids-limit" => ("PidsLimit", value),
            "--publish" => ("PublishPort", value),
            _ => continue,
        };
        _ = writeln!(text, "{key}={value}");
    }
    for word in &words.kept {
        _ = writeln!(text, "PodmanArgs={}", quoted(word));
    }
    text + "\n[Install]\nWantedBy=default.target\n"
}

/// What the user should know of it.
fn notes(learnt: &Learnt, out: &Path, name: &str) {
    let mut text = format!("coracle: learn: {0}/flags, {0}/seccomp.json, {0}/{name}.container\n", out.display());
    if let Some(why) = learnt.untraced.as_ref().filter(|_| learnt.capabilities.is_none()) {
        _ = writeln!(
            text,
            "coracle: learn: the capabilities are those of every container, for {why}; --replay tries which it needs"
        );
    }
    if learnt.lost > 0 {
        _ = writeln!(text, "coracle: learn: {} checks of capabilities came faster than they were read", learnt.lost);
    }
    if learnt.writes.iter().any(|path| path == "/") {
        text.push_str("coracle: learn: it writes to /, which cannot be read-only therefore\n");
    }
    tell(&text);
}

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| failed("write", path, &error))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::words(format!("{what} {}: {error}", path.display()), "name a directory that can be written with --out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learnt_replaces_what_was_given() {
        let words = "-e A=b --cap-add NET_RAW --memory=5g -m 4m --rm --name x --security-opt seccomp=f --security-opt label=a -v /a:/b --out o --replay";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        assert_eq!(kept(&words), ["-e", "A=b", "--security-opt=label=a", "-v", "/a:/b"]);
    }

    #[test]
    fn words_reach_a_shell_and_a_unit_as_they_are() {
        assert_eq!(shell("a b'c"), "'a b'\\''c'");
        let rest = ["host:", "sh", "-c", "echo $HOME 100%"].map(str::to_owned).to_vec();
        let words = Words { kept: vec![], learnt: vec!["--cap-drop=all".into(), "--tmpfs=/tmp".into()], rest };
        let text = unit("web", &words);
        assert!(text.contains("Exec=sh -c \"echo $$HOME 100%%\"\nDropCapability=all\nTmpfs=/tmp\n"), "{text}");
    }
}
