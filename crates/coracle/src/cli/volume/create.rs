//! `coracle volume create`.

use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use engine::flags::{self, Invalid};
use engine::volume::NewVolume;
use flag::{Flag, Help, Order, parse, push_word};

const HELP: Help = Help {
    usage: &["volume create [OPTIONS] [NAME]"],
    about: "Make a volume",
    more: &[
        "Its name is printed; without one it gets 64 digits. run -v NAME:PATH makes one that is not there by itself.",
        "With --opt type= and device= something is mounted in its place, in each container that has it, as mount(8) \
         does: type=tmpfs, type=none with o=bind, type=nfs. Without them, o=uid=1000,gid=1000 says whose it is.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "volume create", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    ignore: bool,
    labels: Vec<String>,
    options: Vec<(String, String)>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("driver", "DRIVER", driver, "Who keeps it: local, the only one").short('d').under("Options"),
    F::switch("ignore", |g, on| g.ignore = on, "One that is there will do, whatever its options").under("Options"),
    F::takes("label", "NAME[=VALUE]", |g, w| push_word(&mut g.labels, w), "Add a label").short('l').under("Options"),
    F::takes("opt", "NAME=VALUE", option, "What is mounted: type=, o= and device=").short('o').under("Options"),
];

fn driver(_: &mut Given, word: &str) -> Result<(), Invalid> {
    if word == "local" { Ok(()) } else { Err(Invalid::new(word, "no such driver").hint("local")) }
}

fn option(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.options.push(flags::volume_option(word)?);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let name = match words.as_slice() {
        [] => None,
        [name] => Some(flags::volume_name(name).map_err(|invalid| Failure::value("NAME", &invalid))?),
        _ => return Err(Failure::words("more than one name", "coracle volume create --help")),
    };
    let labels = given.labels.iter().map(String::as_str);
    let labels = flags::labels([], labels).map_err(|invalid| Failure::value("--label", &invalid))?;
    let options = given.options.into_iter().collect();
    let new = NewVolume { name, labels, options, ignore: given.ignore };
    print(&format!("{}\n", context.engine()?.create_volume(new)?)).map(|()| 0)
}
