//! `coracle export`: a container's root file system as a tar.

use super::outgoing::Outgoing;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse, put_word};

const HELP: Help = Help {
    usage: &["export [OPTIONS] CONTAINER"],
    about: "Write a container's root file system as a tar",
    more: &["What lies in volumes and binds is not part of it. coracle import makes an image of it."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "export",
    aliases: &["container export"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    output: Option<String>,
    pause: Option<bool>,
}

const FLAGS: &[Flag<Given>] = &[
    Flag::<Given>::takes("output", "FILE", |g, w| put_word(&mut g.output, w), "File, instead of standard output")
        .short('o')
        .under("Options"),
    Flag::<Given>::switch(
        "pause",
        |g, on| g.pause = Some(on),
        "Stop its processes meanwhile (true, where that can be)",
    )
    .short('p')
    .under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [container] = words.as_slice() else {
        return Err(Failure::words("one container is needed", "coracle export CONTAINER"));
    };
    let engine = context.engine()?;
    // A file that was opened in another mount namespace cannot be given a name.
    engine.enter()?;
    let mut out = Outgoing::open(given.output.as_deref(), VERB.name)?;
    let mut export = || engine.export(container, &mut out).map_err(Failure::from);
    match given.pause {
        Some(false) => export()?,
        asked => match engine.paused(container, &mut export) {
            // Not everybody has a cgroup that can be stopped.
            Err(engine::Error::Pause { .. }) if asked.is_none() => export()?,
            done => done??,
        },
    }
    out.finish()?;
    Ok(0)
}
