//! `coracle explain`: how a container was started, step by step.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::flags::Invalid;
use explain::Form;
use flag::{Flag, Help, Order, parse, put_word};
use std::path::{Path, PathBuf};

const HELP: Help = Help {
    usage: &["explain [OPTIONS] CONTAINER"],
    about: "Tell how a container was started, step by step",
    more: &[
        "What is told was recorded when it was started last: each step with what it was for, who asked for it, how long it \
         took, and its system calls. The start of one that is removed with its end is told by coracle run --explain.",
    ],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "explain",
    aliases: &["container explain"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    form: Option<Form>,
    output: Option<String>,
}

const FLAGS: &[Flag<Given>] = &[
    Flag::<Given>::takes("format", "FORM", form, "text, json, html, sh or trace, which Perfetto opens (text)")
        .under("Options"),
    Flag::<Given>::takes(
        "output",
        "FILE",
        |g, w| put_word(&mut g.output, w),
        "Write it to a file, whose end says the form where --format does not",
    )
    .short('o')
    .under("Options"),
];

fn form(given: &mut Given, word: &str) -> Result<(), Invalid> {
    let known = Form::named(word);
    given.form = Some(known.ok_or_else(|| Invalid::new(word, "no such form").hint("text, json, trace, html or sh"))?);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [container] = words.as_slice() else {
        return Err(Failure::words("one container is needed", "coracle explain CONTAINER; coracle ps -a lists them"));
    };
    let explanation = context.engine()?.explanation(container)?;
    let path = given.output.map(PathBuf::from);
    let form = given.form.unwrap_or_else(|| path.as_deref().map_or(Form::Text, Form::of_file));
    let text = form.of(&explanation);
    match path {
        Some(path) => write(&path, &text).map(|()| 0),
        None => print(&text).map(|()| 0),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::words(format!("write --output {}: {error}", path.display()), "name a file that can be written")
    })
}
