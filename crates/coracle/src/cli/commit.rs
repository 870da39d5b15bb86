//! `coracle commit`: an image out of a container.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::Commit;
use engine::flags::Invalid;
use flag::{Flag, Help, Order, parse, push_word, put_word};

const HELP: Help = Help {
    usage: &["commit [OPTIONS] CONTAINER [NAME]"],
    about: "Make an image of what a container has changed",
    more: &[
        "The new image has one layer more, and starts as the container did. What lies in volumes and binds is not part of it.",
        "--change takes CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "commit",
    aliases: &["container commit"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug)]
struct Given {
    commit: Commit,
    id_file: Option<String>,
    pause: bool,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("author", "TEXT", |g, w| put_word(&mut g.commit.author, w), "Who made it").short('a').under("Options"),
    F::takes("change", "INSTRUCTION", |g, w| push_word(&mut g.commit.changes, w), "Apply an instruction to it")
        .short('c')
        .under("Options"),
    F::takes("format", "FORMAT", format, "oci (what is meant without) or docker").short('f').under("Options"),
    F::takes("iidfile", "FILE", |g, w| put_word(&mut g.id_file, w), "Write the image's id to a file").under("Options"),
    F::takes("message", "TEXT", |g, w| put_word(&mut g.commit.message, w), "Comment in its history")
        .short('m')
        .under("Options"),
    F::switch("pause", |g, on| g.pause = on, "Stop its processes meanwhile (true)").short('p').under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Print the id and nothing else, as always").short('q').under("Options"),
    F::switch("squash", |g, on| g.commit.squash = on, "One layer of all").short('s').under("Options"),
];

fn format(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.commit.docker = match word {
        "oci" => false,
        "docker" => true,
        _ => return Err(Invalid::new(word, "no such format").hint("oci or docker")),
    };
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given { commit: Commit::default(), id_file: None, pause: true, quiet: false };
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let (container, name) = match words.as_slice() {
        [container] => (container, None),
        [container, name] => (container, Some(name)),
        _ => {
            return Err(Failure::words(
                "a container, and perhaps a name, are needed",
                "coracle commit CONTAINER [NAME]",
            ));
        }
    };
    given.commit.name = name.map(|name| name.parse()).transpose().map_err(|error| Failure::because("NAME", error))?;
    let engine = context.engine()?;
    let work = || {
        super::apart(&engine, VERB.name, || {
            let image = engine.commit(container, &given.commit)?;
            if let Some(file) = &given.id_file {
                std::fs::write(file, image.id.to_string()).map_err(|e| Failure::unreadable("--iidfile", file, e))?;
            }
            print(&format!("{}\n", image.id))
        })
    };
    if given.pause { engine.paused(container, work)? } else { work() }
}
