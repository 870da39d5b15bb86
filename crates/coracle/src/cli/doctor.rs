//! `coracle doctor`: what this machine lacks for containers, and how it gets it.

use super::output::{Format, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::doctor::{Grade, Patient, examine};
use engine::registry::Environment;
use flag::{Flag, Help, Order, parse, put};
use serde_json::json;

const HELP: Help = Help {
    usage: &["doctor [OPTIONS]"],
    about: "Examine this machine, and tell what it lacks for containers",
    more: &[
        "A line for each thing that was looked at: ok, warning or broken, what was seen, and in brackets what to do about \
         it. Nothing stays of what is made for it; a container is run, too.",
        "The exit code is 0 where containers can run, and 1 where something is broken.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "doctor",
    aliases: &["system doctor"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template")
    .short('f')
    .under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let patient = Patient {
        locations: context.locations()?,
        path: std::env::var("PATH").unwrap_or_default(),
        registries: Environment::new(|name| std::env::var_os(name), rustix::process::geteuid().as_raw()),
    };
    let findings = examine(&patient);
    let broken = findings.iter().any(|finding| finding.grade == Grade::Broken);
    let objects = || {
        findings.iter().map(|finding| {
            json!({
                "Check": finding.check, "Grade": finding.grade.name(), "Seen": finding.seen,
                "Remedy": finding.remedy.as_deref().unwrap_or_default(),
            })
        })
    };
    print(&match given.format.unwrap_or_default() {
        Format::Json => lines(objects().map(|object| object.to_string())),
        Format::Template(layout) => layout.lines(&objects().collect::<Vec<_>>(), HEADINGS)?,
        Format::Table => lines(findings.iter().map(|finding| {
            let remedy = finding.remedy.as_ref().map_or(String::new(), |remedy| format!(" ({remedy})"));
            let seen = super::failure::plain(&format!("{}{remedy}", finding.seen));
            format!("{:<8} {:<18} {seen}", finding.grade.name(), finding.check)
        })),
    })?;
    Ok(u8::from(broken))
}

const HEADINGS: &[(&str, &str)] = &[("Check", "CHECK"), ("Grade", "GRADE"), ("Seen", "SEEN"), ("Remedy", "REMEDY")];
