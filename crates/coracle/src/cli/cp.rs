//! `coracle cp`: files into and out of containers.

use super::{Context, Failure, Verb, refuse_terminal};
use crate::cli::output::help;
use engine::{Copy, Outside};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["cp [OPTIONS] CONTAINER:PATH DESTINATION|-", "cp [OPTIONS] SOURCE|- CONTAINER:PATH"],
    about: "Copy files into or out of a container",
    more: &[
        "It may run or not. DIRECTORY/. means what is in the directory. - is a tar, on standard output or input. A path \
         of this machine that has a colon begins with / or ./.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "cp", aliases: &["container cp"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    archive: bool,
    follow: bool,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("archive", |g, on| g.archive = on, "Keep owners, by number").short('a').under("Options"),
    F::switch("follow-link", |g, on| g.follow = on, "Copy what a link leads to, not the link")
        .short('L')
        .under("Options"),
    // docker's: there is no progress that could be told.
    F::switch("quiet", |g, on| g.quiet = on, "").short('q'),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [from, to] = words.as_slice() else {
        return Err(Failure::words("a source and a destination are needed", HELP.usage[0]));
    };
    let (into, (container, inside), outside) = match (in_container(from), in_container(to)) {
        (Some(inside), None) => (false, inside, to),
        (None, Some(inside)) => (true, inside, from),
        (Some(_), Some(_)) => {
            return Err(Failure::words("both are in containers", "copy to this machine first, or by way of a tar: -"));
        }
        (None, None) => return Err(Failure::words("neither is in a container", "write CONTAINER:PATH")),
    };
    let outside = match outside.as_str() {
        "-" => Outside::Stream,
        path if path.starts_with('/') => Outside::Path(path.to_owned()),
        path => {
            let here = std::env::current_dir().map_err(|error| Failure::unreadable("cp", ".", error))?;
            Outside::Path(format!("{}/{path}", here.display()))
        }
    };
    if outside == Outside::Stream && into {
        refuse_terminal("give a tar: < FILE.tar")?;
    }
    if inside.is_empty() {
        return Err(Failure::words("the path in the container is empty", "write CONTAINER:/PATH"));
    }
    let copy = Copy {
        container: container.to_owned(),
        inside: format!("/{}", inside.trim_start_matches('/')),
        outside,
        into,
        archive: given.archive,
        follow: given.follow,
    };
    Ok(context.engine()?.copy(&copy, |error| Failure::from(error).of_plain_verb().tell("cp"))?)
}

/// `CONTAINER:PATH`.
fn in_container(word: &str) -> Option<(&str, &str)> {
    word.split_once(':').filter(|(container, _)| !container.starts_with(['/', '.']) && !container.is_empty())
}
