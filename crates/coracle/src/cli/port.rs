//! `coracle port`: which ports of a container are reached at which of the machine's.

use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::{help, lines, print};
use engine::Engine;
use engine::containers::Listed;
use flag::{Flag, Help, Order, parse};
use std::net::SocketAddr;

const HELP: Help = Help {
    usage: &["port [OPTIONS] CONTAINER [PORT[/PROTOCOL]]"],
    about: "Tell the ports that a container has published",
    more: &["A line for each, with the machine's address: 0.0.0.0 and [::] stand for every one."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "port",
    aliases: &["container port"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    which: Which,
}

super::parts!(Given { which: Which });

const FLAGS: &[Flag<Given>] = &[Flag { short: Some('a'), ..which::all("All containers") }, which::latest()];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = context.engine()?;
    let (names, port) = if given.which.is_named() {
        match words.as_slice() {
            [name] => (vec![name.clone()], None),
            [name, port] => (vec![name.clone()], Some(port)),
            _ => return Err(Failure::words("one container, and perhaps a port, are needed", HELP.usage[0])),
        }
    } else {
        (given.which.names(Vec::new(), &engine, |_| true)?, words.first())
    };
    super::each(&names, VERB.name, |name| {
        let listed = engine.container(name)?;
        let all = published(&engine, &listed);
        let Some(port) = port else {
            return print(&lines(all.iter().map(|(inside, at)| format!("{inside} -> {at}"))));
        };
        let port = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
        let found: Vec<_> = all.iter().filter(|(inside, _)| *inside == port).map(|(_, at)| at.to_string()).collect();
        if found.is_empty() {
            return Err(Failure::absent(format!("no port {port} of {name} is published"), "run -p publishes one"));
        }
        print(&lines(found))
    })
}

/// The published ports of a container that runs, in order: `80/tcp`, and where on this machine.
pub fn published(engine: &Engine, listed: &Listed) -> Vec<(String, SocketAddr)> {
    engine::sides::published(engine, listed).into_iter().map(|port| (port.inside, port.outside)).collect()
}
