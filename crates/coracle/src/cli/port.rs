//! `coracle port`: which ports of a container are reached at which of the machine's.

use super::which::{self, Which};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["port [OPTIONS] CONTAINER [PORT[/PROTOCOL]]"],
    about: "Tell the ports that a container has published",
    more: &["None has, until there are networks: then nothing is printed, and asking for one port is a failure."],
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
        engine.container(name)?;
        match port {
            None => Ok(()),
            Some(port) => {
                let port = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
                Err(Failure::absent(format!("no port {port} of {name} is published"), "networks are to come"))
            }
        }
    })
}
