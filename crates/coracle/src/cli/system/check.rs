//! `coracle system check`: whether what is kept is whole, and what to do where it is not.

use crate::cli::output::{help, lines, print};
use crate::cli::{Context, Failure, Verb};
use engine::{Checked, Depth, Repair};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["system check [OPTIONS]"],
    about: "Check that images, layers, containers and volumes are whole",
    more: &[
        "Every blob is hashed, and every layer is made once more from its blob and compared. Nothing is changed without \
         --repair, which makes again what can be made, and drops images that cannot.",
        "The exit code is 0 where all is well, or was made so, and 1 where something is not.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "system check", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    force: bool,
    quick: bool,
    repair: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("force", |g, on| g.force = on, "With --repair, also remove containers that cannot be saved")
        .short('f')
        .under("Options"),
    F::switch("quick", |g, on| g.quick = on, "Look at names, records and lengths only").short('q').under("Options"),
    F::switch("repair", |g, on| g.repair = on, "Mend what can be mended, drop images that cannot")
        .short('r')
        .under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    if given.force && !given.repair {
        return Err(Failure::words("--force without --repair", "give both, or neither"));
    }
    let depth = if given.quick { Depth::Quick } else { Depth::Whole };
    let repair = match (given.repair, given.force) {
        (false, _) => Repair::Nothing,
        (true, false) => Repair::Images,
        (true, true) => Repair::Containers,
    };
    let engine = context.engine()?;
    // What is made once more must not be left half by a signal.
    crate::cli::code_apart(&engine, VERB.name, || {
        let checked = engine.check(depth, repair)?;
        print(&told(&checked))?;
        Ok(u8::from(checked.left() > 0))
    })
}

fn told(checked: &Checked) -> String {
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let findings = checked.findings.iter().map(|finding| {
        let done = finding.done.as_ref().map_or_else(String::new, |done| format!(" ({done})"));
        let line = format!("{}: {}{done}", finding.what, finding.problem);
        line.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    });
    let seen = [
        (checked.images, "image"),
        (checked.layers, "layer"),
        (checked.blobs, "blob"),
        (checked.containers, "container"),
    ];
    // Many have none.
    let volumes = (checked.volumes > 0).then_some((checked.volumes, "volume"));
    let seen: Vec<_> = seen.into_iter().chain(volumes).map(|(count, what)| plural(count, what)).collect();
    let seen = seen.join(", ");
    let result = match (checked.findings.len(), checked.left()) {
        (0, _) => "all is well".to_owned(),
        (found, 0) => format!("{}, all mended", plural(found, "problem")),
        (found, left) if found == left => plural(found, "problem"),
        (found, left) => format!("{}, {left} left", plural(found, "problem")),
    };
    let unknown = "what nothing needs was not looked for: somebody pulls, or something cannot be read";
    let unknown = checked.orphans_unknown.then(|| unknown.to_owned());
    lines(findings.chain(unknown).chain([format!("{seen}: {result}")]))
}
