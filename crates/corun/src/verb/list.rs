//! `list`: all containers of a state directory.

use super::state::View;
use super::{Verb, print, read};
use crate::container::{Container, ids};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Invalid, Order};
use std::fmt::Write as _;

#[derive(Debug, Default)]
struct Given {
    json: bool,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 2] = [
    F::takes("format", "FORMAT", |g, w| json(&mut g.json, w), "table (the default) or json")
        .short('f')
        .under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Ids only").short('q').under("Options"),
];

pub const VERB: Verb = Verb {
    name: "list",
    help: Help { usage: &["list [OPTIONS]"], about: "List containers", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

/// `table` or `json`.
pub fn json(slot: &mut bool, word: &str) -> std::result::Result<(), Invalid> {
    match word {
        "table" => *slot = false,
        "json" => *slot = true,
        _ => return Err(Invalid::new(word, "invalid format option").hint("give table or json")),
    }
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::Anywhere)?;
    if let Some(more) = others.first() {
        return Err(Error::Arguments(format!("one word too many: {more}")));
    }
    let views: Vec<View> = ids(context)?.iter().filter_map(|id| look(context, id)).collect();
    if given.quiet {
        return print(&views.iter().fold(String::new(), |text, view| text + &view.id + "\n"));
    }
    if given.json {
        // runc's encoder of an empty list; callers take both.
        let text = if views.is_empty() { "null".to_owned() } else { to_json(&views)? };
        return print(&(text + "\n"));
    }
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let row = |view: View| [view.id, view.pid.to_string(), view.status, view.bundle, view.created, view.owner];
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(views.into_iter().map(row)).collect();
    print(&table(&rows))
}

/// A broken container does not hide the others.
fn look(context: &Context, id: &str) -> Option<View> {
    match Container::find(context, id) {
        Ok(container) => Some(View::of(&container)),
        Err(Error::NoContainer { .. }) => None,
        Err(error) => {
            eprintln!("{}: container {id}: {}", context.face.name, error.told());
            None
        }
    }
}

fn to_json(views: &[View]) -> Result<String> {
    serde_json::to_string(views).map_err(|source| Error::Parse { path: "list".into(), source })
}

/// Columns of at least twelve characters, three apart; nothing follows the last.
fn table(rows: &[[String; 6]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count() + 3).max().unwrap_or(0).max(12);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "{cell:<width$}");
        }
        let _ = writeln!(text, "{}", row[5]);
    }
    text
}
