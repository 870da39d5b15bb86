//! `coracle secret create`: from a file, from standard input, or from a variable.

use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use engine::flags::{self, Invalid};
use flag::{Flag, Help, Order, parse, push_word};
use std::io::Read as _;

const HELP: Help = Help {
    usage: &["secret create [OPTIONS] NAME FILE|-", "secret create [OPTIONS] --env NAME VARIABLE"],
    about: "Keep a secret for containers",
    more: &["run --secret NAME shows it to a container. - is standard input."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "secret create", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    env: bool,
    labels: Vec<String>,
    replace: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("driver", "DRIVER", driver, "Who keeps it: file, the only one").short('d').under("Options"),
    F::switch("env", |g, on| g.env = on, "It is the value of a variable of yours").under("Options"),
    F::takes("label", "NAME[=VALUE]", |g, w| push_word(&mut g.labels, w), "Add a label").short('l').under("Options"),
    F::switch("replace", |g, on| g.replace = on, "One that has the name gives way").under("Options"),
];

fn driver(_: &mut Given, word: &str) -> Result<(), Invalid> {
    if word == "file" { Ok(()) } else { Err(Invalid::new(word, "no such driver").hint("file")) }
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [name, source] = words.as_slice() else {
        return Err(Failure::words(
            "a name and a source are needed",
            "coracle secret create NAME FILE, or - for input",
        ));
    };
    let labels = given.labels.iter().map(String::as_str);
    let labels = flags::labels([], labels).map_err(|invalid| Failure::value("--label", &invalid))?;
    let data = if given.env { variable(source)? } else { content(source)? };
    let id = context.engine()?.create_secret(name, labels, data, given.replace)?;
    print(&format!("{id}\n")).map(|()| 0)
}

fn variable(name: &str) -> Result<Vec<u8>, Failure> {
    let value = std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec);
    value.ok_or_else(|| Failure::words(format!("{name} is not set"), "--env takes the name of a variable of yours"))
}

/// A file to its end, but no more than a byte beyond what a secret may have: the store says that it is too long.
fn content(source: &str) -> Result<Vec<u8>, Failure> {
    let mut data = Vec::new();
    let most = engine::secrets::LARGEST_SECRET as u64 + 1;
    let read = if source == "-" {
        crate::cli::refuse_terminal("give a file, or a pipe")?;
        std::io::stdin().take(most).read_to_end(&mut data)
    } else {
        std::fs::File::open(source).and_then(|file| file.take(most).read_to_end(&mut data))
    };
    read.map_err(|error| Failure::unreadable("FILE", source, error))?;
    Ok(data)
}
