//! The verbs, and the way to them: `corun [OPTIONS] VERB …`.

mod checkpoint;
mod completion;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod mounts;
mod pause;
mod ps;
mod restore;
mod run;
mod spec;
mod start;
mod state;
mod update;

use crate::container::ids;
use crate::error::{Error, Result};
use crate::face::Face;
use crate::global::{self, Context, Given};
use crate::pattern::Pattern;
use flag::{Dashes, Flag, Help, Order, Usage, nearest, parse_with};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

/// One verb.
pub struct Verb {
    /// Its name.
    pub name: &'static str,
    /// What the help says.
    pub help: Help,
    /// Its flags for the help, written for a program of this name.
    pub flags: fn(&str, &Help, usize) -> String,
    /// Does it, and returns the exit code.
    pub run: fn(&[String], &Context) -> Result<u8>,
    /// The exit code of a failure.
    pub failure: u8,
}

impl Verb {
    /// Its help, under this name.
    fn help_for(&self, face: Face) -> String {
        named(&format!("{} {}", face.name, self.name), &(self.flags)(face.name, &self.help, WIDTH))
    }
}

/// A help whose first line, what it is about, has the name before it, under the heading that readers of runc's look for.
fn named(name: &str, help: &str) -> String {
    format!("NAME:\n   {name} - {help}")
}

/// All of them, in the order of the list.
const VERBS: &[&Verb] = &[
    &create::VERB,
    &start::VERB,
    &run::VERB,
    &exec::VERB,
    &kill::VERB,
    &delete::VERB,
    &state::VERB,
    &list::VERB,
    &ps::VERB,
    &pause::PAUSE,
    &pause::RESUME,
    &update::VERB,
    &events::VERB,
    &features::VERB,
    &completion::VERB,
    &spec::VERB,
    &mounts::VERB,
    &checkpoint::VERB,
    &restore::VERB,
];

const HELP: Help = Help {
    usage: &["[OPTIONS] COMMAND [ARG...]"],
    about: "Open Container Initiative runtime: makes containers from bundles, a directory with config.json and a root \
            file system each",
    more: &[],
};

/// Reads the words and does what they say; the exit code.
pub fn run(face: Face, words: impl Iterator<Item = OsString>) -> u8 {
    let mut given = Given::default();
    let mut verb = None;
    let result = words_of(words).and_then(|words| dispatch(face, &words, &mut given, &mut verb));
    match result {
        Ok(code) => code,
        Err(error) => {
            let of_the_command = error.of_the_command();
            let told = of_the_command.is_none();
            let mut text = of_the_command.unwrap_or_else(|| error.told());
            if let Some(verb) = verb.filter(|_| told && face.name == "runc" && error.is_of_a_start()) {
                // Who calls us by this name looks for its words.
                text = format!(
                    "runc {} failed: unable to start container process: error during container init: {text}",
                    verb.name
                );
            }
            if told {
                eprint!("{}: ", face.name);
            }
            eprintln!("{text}");
            given.log().error(&text);
            verb.map_or(1, |verb| verb.failure)
        }
    }
}

fn words_of(words: impl Iterator<Item = OsString>) -> Result<Vec<String>> {
    let text = |word: OsString| {
        word.into_string().map_err(|word| Error::Arguments(format!("{} is not UTF-8", word.display())))
    };
    words.map(text).collect()
}

fn dispatch(face: Face, words: &[String], given: &mut Given, chosen: &mut Option<&'static Verb>) -> Result<u8> {
    let others = match parse_with(global::FLAGS, words, Order::First, Dashes::OneOrTwo, given) {
        Err(Usage::Help) => return print(&list_of_verbs(face)),
        other => other?,
    };
    if given.version {
        return print(&face.version());
    }
    let Some((name, words)) = others.split_first() else { return print(&list_of_verbs(face)) };
    if name == "help" {
        let verb = words.first().and_then(|name| find(name));
        return print(&verb.map_or_else(|| list_of_verbs(face), |verb| verb.help_for(face)));
    }
    let Some(verb) = find(name) else {
        let near = nearest(name, VERBS.iter().map(|verb| verb.name)).map(|near| format!(", did you mean {near}?"));
        // These words are runc's.
        let near = near.unwrap_or_default();
        return Err(Error::Arguments(format!("No help topic for '{name}', for there is no such command{near}")));
    };
    *chosen = Some(verb);
    match (verb.run)(words, &given.context(face)?) {
        Err(Error::Usage(Usage::Help)) => print(&verb.help_for(face)),
        other => other,
    }
}

/// The width of a help; who reads it in a narrower terminal has it wrapped by that.
const WIDTH: usize = 100;

fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().copied().find(|verb| verb.name == name)
}

fn list_of_verbs(face: Face) -> String {
    let mut text = named(face.name, &flag::help(face.name, &HELP, global::FLAGS, WIDTH));
    text.push_str("\nCommands:\n");
    for verb in VERBS {
        let _ = writeln!(text, "  {:<12}{}", verb.name, verb.help.about);
    }
    text
}

/// Prints to standard output; a reader who has left is no error.
fn print(text: &str) -> Result<u8> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::file("standard output", error)),
        _ => Ok(0),
    }
}

/// Reads a verb's words; what stands after its last positional word belongs to it all the same.
fn read<T: Default>(flags: &[Flag<T>], words: &[String], order: Order) -> Result<(T, Vec<String>)> {
    let mut given = T::default();
    let others = parse_with(flags, words, order, Dashes::OneOrTwo, &mut given)?;
    Ok((given, others))
}

/// Does something with every container whose id an expression fits, and goes on after a failure; the first is told.
fn each(context: &Context, expression: &str, mut run: impl FnMut(&str) -> Result<()>) -> Result<u8> {
    let wrong = |why| Error::Arguments(format!("{expression:?} is no regular expression: {why}"));
    let pattern = Pattern::new(expression).map_err(wrong)?;
    let ids = ids(context)?.into_iter().filter(|id| pattern.matches(id));
    let results: Vec<Result<()>> = ids.map(|id| run(&id)).collect();
    results.into_iter().collect::<Result<Vec<()>>>().map(|_| 0)
}

/// The only word of a verb that takes a container's id.
fn only_id(words: &[String]) -> Result<&str> {
    match words {
        [id] => Ok(id),
        [] => Err(Error::Arguments("the container's id is missing".to_owned())),
        [_, more, ..] => Err(Error::Arguments(format!("one word too many: {more}"))),
    }
}
