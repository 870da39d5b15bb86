//! The verbs, and the way to them: `coracle [--root DIR] [--runroot DIR] VERB …`.

mod attach;
mod commit;
mod confirm;
mod container_prune;
mod context;
mod cp;
mod debug;
mod diff;
mod doctor;
mod events;
mod exec;
mod exists;
mod explain;
mod export;
mod failure;
mod filter;
mod healthcheck;
mod history;
mod image_prune;
mod images;
mod import;
mod info;
mod inspect;
mod kill;
mod load;
mod login;
mod logout;
mod logs;
mod manifest;
mod network;
mod openness;
mod outgoing;
mod output;
mod particulars;
mod pause;
mod port;
mod ps;
mod pull;
mod push;
mod remote;
mod rename;
mod restart;
mod rm;
mod rmi;
mod run;
mod save;
mod search;
mod secret;
mod shown;
mod start;
mod stats;
mod stop;
mod system;
mod tag;
mod top;
mod tour;
mod tree;
mod untag;
mod update;
mod verify;
mod version;
mod view;
mod volume;
mod wait;
mod which;

/// Says which fields of a verb's flags have flags that stand elsewhere, such as [`remote`]'s.
macro_rules! parts {
    ($given:ident { $($field:ident: $part:ty),+ }) => {
        $(impl AsMut<$part> for $given {
            fn as_mut(&mut self) -> &mut $part {
                &mut self.$field
            }
        })+
    };
}
pub(crate) use parts;

pub use context::Context;
pub use failure::Failure;

use crate::cli::output::help;
use crate::render;
use flag::{Flag, Help, Invalid, Order, Usage, parse, put_word};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// One verb.
pub struct Verb {
    /// Its name; one with a blank is a noun and a verb, such as `image exists`, that cannot be said otherwise.
    pub name: &'static str,
    /// Other names; those with a blank are a noun and a verb, such as `image ls`.
    pub aliases: &'static [&'static str],
    /// One line for the list of verbs.
    pub about: &'static str,
    /// Does it, and returns the exit code.
    pub run: fn(&[String], &Context) -> Result<u8, Failure>,
    /// Its help, for a terminal of that width.
    pub help: fn(usize) -> String,
}

/// All of them, in the order of the list.
const VERBS: &[Verb] = &[
    run::VERB,
    run::CREATE,
    run::LEARN,
    start::VERB,
    stop::VERB,
    restart::VERB,
    kill::VERB,
    pause::VERB,
    pause::UNPAUSE,
    wait::VERB,
    attach::VERB,
    exec::VERB,
    debug::VERB,
    healthcheck::VERB,
    explain::VERB,
    top::VERB,
    view::VERB,
    stats::VERB,
    events::VERB,
    cp::VERB,
    logs::VERB,
    ps::VERB,
    port::VERB,
    rm::VERB,
    rename::VERB,
    update::VERB,
    container_prune::VERB,
    diff::VERB,
    export::VERB,
    commit::VERB,
    inspect::VERB,
    inspect::CONTAINER,
    inspect::IMAGE,
    images::VERB,
    rmi::VERB,
    tag::VERB,
    untag::VERB,
    history::VERB,
    exists::VERB,
    exists::CONTAINER,
    tree::VERB,
    diff::IMAGE,
    image_prune::VERB,
    pull::VERB,
    push::VERB,
    verify::VERB,
    manifest::create::VERB,
    manifest::add::VERB,
    manifest::annotate::VERB,
    manifest::inspect::VERB,
    manifest::push::VERB,
    manifest::remove::VERB,
    manifest::rm::VERB,
    manifest::exists::VERB,
    load::VERB,
    save::VERB,
    import::VERB,
    search::VERB,
    login::VERB,
    logout::VERB,
    secret::create::VERB,
    secret::list::VERB,
    secret::inspect::VERB,
    secret::exists::VERB,
    secret::remove::VERB,
    network::create::VERB,
    network::list::VERB,
    network::inspect::VERB,
    network::remove::VERB,
    network::prune::VERB,
    network::exists::VERB,
    network::connect::VERB,
    network::disconnect::VERB,
    network::reload::VERB,
    volume::create::VERB,
    volume::list::VERB,
    volume::inspect::VERB,
    volume::remove::VERB,
    volume::prune::VERB,
    volume::exists::VERB,
    volume::export::VERB,
    volume::import::VERB,
    system::df::VERB,
    system::prune::VERB,
    system::check::VERB,
    system::start_all::VERB,
    system::generator::VERB,
    tour::VERB,
    doctor::VERB,
    info::VERB,
    version::VERB,
];

/// What some verbs are said of, as docker does: `image ls`.
const NOUNS: [&str; 8] = ["image", "container", "healthcheck", "manifest", "network", "secret", "system", "volume"];

/// What stands before the verb.
#[derive(Debug, Default)]
struct Global {
    root: Option<String>,
    runroot: Option<String>,
    driver: Option<engine::Driver>,
    version: bool,
}

const FLAGS: &[Flag<Global>] = &[
    Flag::<Global>::takes(
        "root",
        "DIR",
        |g, w| put_word(&mut g.root, w),
        "Where images and containers lie (CORACLE_ROOT; /var/lib/coracle)",
    )
    .under("Options"),
    Flag::<Global>::takes(
        "runroot",
        "DIR",
        |g, w| put_word(&mut g.runroot, w),
        "Where the state of running containers lies (CORACLE_RUNROOT; /run/coracle)",
    )
    .under("Options"),
    Flag::<Global>::takes(
        "storage-driver",
        "DRIVER",
        put_driver,
        "How layers are unpacked from now on: overlay or erofs (overlay)",
    )
    .under("Options"),
    Flag::<Global>::switch("version", |g, on| g.version = on, "Tell the version").short('v').under("Options"),
];

fn put_driver(global: &mut Global, word: &str) -> Result<(), Invalid> {
    let known = engine::Driver::named(word);
    global.driver = Some(known.ok_or_else(|| Invalid::new(word, "no such driver").hint("overlay or erofs"))?);
    Ok(())
}

const HELP: Help = Help {
    usage: &["[OPTIONS] VERB ..."],
    about: "Containers: Linux processes with a restricted view",
    more: &["A first container, without any image: coracle run --rm -it host: sh"],
};

/// The words that this program's own name stands for: systemd calls a generator by a link to it.
pub fn words_of_name(name: Option<OsString>) -> Vec<OsString> {
    let name = name.map(std::path::PathBuf::from);
    let words: &[&str] = match name.as_ref().and_then(|name| name.file_name()?.to_str()) {
        Some("coracle-system-generator") => &["system", "generator"],
        Some("coracle-user-generator") => &["system", "generator", "--user"],
        _ => &[],
    };
    words.iter().map(OsString::from).collect()
}

/// Runs what the words of the command line, without the program's name, ask for.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let mut utf8 = Vec::new();
    for word in words {
        match word.into_string() {
            Ok(word) => utf8.push(word),
            Err(word) => {
                let failure = Failure::words(format!("{:?} is not UTF-8", word.to_string_lossy()), "write it in UTF-8");
                return failure.report("");
            }
        }
    }
    let mut global = Global::default();
    let words = match parse(FLAGS, &utf8, Order::First, &mut global) {
        Ok(words) => words,
        Err(Usage::Help) => return print(&overview()),
        Err(usage) => return Failure::from(usage).report(""),
    };
    if global.version {
        return print(&format!("coracle version {}\n", env!("CARGO_PKG_VERSION")));
    }
    let Some((verb, rest)) = find(&words) else {
        return match words.first().map(String::as_str) {
            None => print(&overview()),
            Some("help") => help_of(&words[1..]),
            Some(noun)
                if NOUNS.contains(&noun) && matches!(words.get(1).map(String::as_str), Some("--help" | "-h")) =>
            {
                print(&verbs_of(noun))
            }
            Some(word) => unknown_verb(&words, word).report(""),
        };
    };
    let context = Context::new(global.root, global.runroot, global.driver);
    match (verb.run)(rest, &context) {
        Ok(code) => ExitCode::from(code),
        Err(failure) if failure.is_help() => print(&(verb.help)(render::width())),
        Err(failure) if starts(verb) => failure.report(verb.name),
        Err(failure) => failure.of_plain_verb().report(verb.name),
    }
}

/// Verbs whose exit code may be a command's: ours are told from it.
fn starts(verb: &Verb) -> bool {
    ["run", "create", "start", "attach", "exec"].contains(&verb.name)
}

/// The verb that the first one or two words name, and the words behind it.
fn find(words: &[String]) -> Option<(&'static Verb, &[String])> {
    let first = words.first()?;
    let two = words.get(1).map(|second| format!("{first} {second}"));
    for verb in VERBS {
        if two.as_ref().is_some_and(|two| verb.name == two || verb.aliases.contains(&two.as_str())) {
            return Some((verb, &words[2..]));
        }
    }
    let named = |verb: &&Verb| verb.name == first || verb.aliases.contains(&first.as_str());
    VERBS.iter().find(named).map(|verb| (verb, &words[1..]))
}

/// `coracle help [VERB]`.
fn help_of(words: &[String]) -> ExitCode {
    match (words.first(), find(words)) {
        (None, _) => print(&overview()),
        (Some(_), Some((verb, _))) => print(&(verb.help)(render::width())),
        (Some(noun), None) if NOUNS.contains(&noun.as_str()) && words.len() == 1 => print(&verbs_of(noun)),
        (Some(word), None) => unknown_verb(words, word).report("help"),
    }
}

/// Verbs of docker and podman that are to come are not slips of the finger.
fn unknown_verb(words: &[String], word: &str) -> Failure {
    const LATER: &[&str] = &["build", "pod"];
    if let Some(noun) = NOUNS.into_iter().find(|noun| *noun == word) {
        let known: Vec<&str> = VERBS.iter().flat_map(|verb| names_under(verb, noun)).collect();
        let list = format!("there are {}", known.join(", "));
        return match words.get(1) {
            None => Failure::words(format!("{noun}: no verb was given"), list),
            Some(verb) => {
                let near = engine::flags::nearest(verb, known.iter().copied());
                let hint = near.map_or(list, |near| format!("did you mean {near}?"));
                Failure::words(format!("{noun}: unknown verb {verb}"), hint)
            }
        };
    }
    if LATER.contains(&word) {
        return Failure::words(format!("{word} is not there yet"), "coracle help lists what is");
    }
    let names = VERBS.iter().flat_map(|verb| std::iter::once(verb.name).chain(verb.aliases.iter().copied()));
    match engine::flags::nearest(word, names.chain(["help"])) {
        Some(near) => Failure::words(format!("unknown verb {word}"), format!("did you mean {near}?")),
        None => Failure::words(format!("unknown verb {word}"), "coracle help lists the verbs"),
    }
}

/// The names that a verb has behind a noun.
fn names_under(verb: &'static Verb, noun: &str) -> impl Iterator<Item = &'static str> {
    let names = std::iter::once(verb.name).chain(verb.aliases.iter().copied());
    names.filter_map(move |name| name.strip_prefix(noun)?.strip_prefix(' '))
}

/// The list of verbs.
fn overview() -> String {
    let mut text = help(&HELP, FLAGS, render::width());
    text.push_str("\nVerbs:\n");
    for verb in VERBS.iter().filter(|verb| !verb.name.contains(' ')) {
        _ = writeln!(text, "  {:<12}{}", verb.name, verb.about);
    }
    _ = writeln!(text, "\nNouns, with verbs of their own: {}", NOUNS.join(", "));
    text.push_str("\ncoracle VERB --help tells more of one, and so does coracle NOUN --help.\n");
    text
}

/// The verbs that go with a noun.
fn verbs_of(noun: &str) -> String {
    let mut text = format!("Usage: coracle {noun} VERB ...\n\nVerbs:\n");
    for verb in VERBS {
        let names: Vec<&str> = names_under(verb, noun).collect();
        if !names.is_empty() {
            _ = writeln!(text, "  {:<14}{}", names.join(", "), verb.about);
        }
    }
    text
}

/// Prints to standard output; whoever closed it does not want to hear more.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::output(error).report(""),
    }
}

/// A verb that takes no words.
fn no_words(words: &[String]) -> Result<(), Failure> {
    match words.first() {
        None => Ok(()),
        Some(word) => Err(Failure::words(format!("{word:?} is too much"), "--help lists the options")),
    }
}

/// A verb that takes at least one.
fn some_words(words: &[String], what: &str) -> Result<(), Failure> {
    if words.is_empty() {
        return Err(Failure::words(format!("{what} is needed"), "--help tells the usage"));
    }
    Ok(())
}

/// The same for one that takes all instead; nothing is opened before this is known to make sense.
fn some_words_or_all(words: &[String], all: bool, what: &str) -> Result<(), Failure> {
    match all {
        true if words.is_empty() => Ok(()),
        true => Err(Failure::words("--all and names exclude each other", "leave out either of them")),
        false => some_words(words, what),
    }
}

/// Does what a signal must not leave half done, see [`engine::Engine::apart`], and tells of its failure there.
fn apart(engine: &engine::Engine, verb: &str, work: impl FnOnce() -> Result<(), Failure>) -> Result<u8, Failure> {
    code_apart(engine, verb, || work().map(|()| 0))
}

/// The same for a verb with an exit code of its own.
fn code_apart(engine: &engine::Engine, verb: &str, work: impl FnOnce() -> Result<u8, Failure>) -> Result<u8, Failure> {
    let told = || {
        let failure = match work() {
            Ok(code) => return code,
            Err(failure) => failure.of_plain_verb(),
        };
        let code = failure.code();
        _ = failure.report(verb);
        code
    };
    Ok(engine.apart(told)?)
}

/// Does something for each word; the failures are told as they come, and the last is returned.
fn each(words: &[String], verb: &str, mut act: impl FnMut(&str) -> Result<(), Failure>) -> Result<u8, Failure> {
    let mut last = None;
    for word in words {
        if let Err(failure) = act(word)
            && let Some(before) = last.replace(failure)
        {
            _ = before.report(verb);
        }
    }
    last.map_or(Ok(0), Err)
}

/// So many containers are begun with at once; each takes two open files.
const AT_ONCE: usize = 100;

/// The same where something is to begin with the next ones before it is waited for with the first.
fn each_begun<T>(
    words: &[String],
    verb: &str,
    mut begin: impl FnMut(&str) -> T,
    mut act: impl FnMut(&str, T) -> Result<(), Failure>,
) -> Result<u8, Failure> {
    let mut begun = std::collections::VecDeque::new();
    let mut left = words.iter();
    each(words, verb, |word| {
        if begun.is_empty() {
            begun.extend(left.by_ref().take(AT_ONCE).map(|word| begin(word)));
        }
        begun.pop_front().map_or(Ok(()), |begun| act(word, begun))
    })
}

/// An archive is nothing that anybody types.
fn refuse_terminal(hint: &str) -> Result<(), Failure> {
    if rustix::termios::isatty(rustix::stdio::stdin()) {
        return Err(Failure::words("standard input is a terminal", hint));
    }
    Ok(())
}
