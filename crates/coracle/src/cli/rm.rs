//! `coracle rm`: containers away.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::containers::Volumes;
use flag::{Flag, Help, Order, parse};

const HELP: Help =
    Help { usage: &["rm [OPTIONS] CONTAINER...", "rm [OPTIONS] --all"], about: "Remove containers", more: &[] };

/// The verb.
pub const VERB: Verb = Verb {
    name: "rm",
    aliases: &["container rm", "container remove"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    force: bool,
    all: bool,
    volumes: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "All containers").short('a').under("Options"),
    F::switch("force", |g, on| g.force = on, "Kill those that run; no word about those that are gone")
        .short('f')
        .under("Options"),
    F::switch("volumes", |g, on| g.volumes = on, "And their volumes that have no name and nobody else uses")
        .short('v')
        .under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let mut names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    if given.all && !names.is_empty() {
        return Err(Failure::words("--all and names exclude each other", "leave out either of them"));
    }
    if !given.all {
        super::some_words(&names, "a container")?;
    }
    let engine = context.engine()?;
    if given.all {
        // One whose record is damaged goes as well, by its id.
        for container in engine.containers()? {
            names.push(container.map_or_else(|broken| broken.id.to_string(), |listed| listed.container.id.to_string()));
        }
    }
    // What cannot be killed the removal tells.
    let kill = |name: &str| {
        if given.force {
            let _ = engine.doom(name);
        }
    };
    let volumes = if given.volumes { Volumes::Anonymous } else { Volumes::Kept };
    super::each_begun(&names, "rm", kill, |name, ()| match engine.remove_container(name, given.force, volumes) {
        Ok(_) => print(&format!("{name}\n")),
        // docker and podman: with force, what is not there is no failure.
        Err(error) if given.force && error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    })
}
