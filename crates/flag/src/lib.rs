//! Flags as data: one table a verb, from which words are parsed and the help is written.
//!
//! A table and not clap, because `coracle run` is measured in hundreds of microseconds: building and running clap for
//! its some eighty flags took 0.4 ms of CPU time of a 0.5 ms process, this takes a few microseconds. It also reads words
//! exactly as docker and podman (Go's pflag) do, where clap differs: `-it`, `-i=false`, `--tty=false`, `-eNAME=x`, a
//! value that begins with `-`, and an end of the flags at the first word that is none.

#![forbid(unsafe_code)]

mod help;
mod invalid;
mod nearest;
mod parse;

pub use help::{Help, help};
pub use invalid::Invalid;
pub use nearest::nearest;
pub use parse::{Dashes, Order, Usage, parse, parse_with};

use std::str::FromStr;

/// One flag, which changes a `T`.
pub struct Flag<T> {
    /// Name, behind `--`.
    pub long: &'static str,
    /// A second name.
    pub alias: Option<&'static str>,
    /// Letter, behind `-`.
    pub short: Option<char>,
    /// Whether a value follows.
    pub value: Value<T>,
    /// Under which heading the help shows it; `None` hides it.
    pub heading: Option<&'static str>,
    /// What the help says.
    pub help: &'static str,
}

/// What a flag takes.
pub enum Value<T> {
    /// Nothing, or `=true` and `=false`.
    Switch(fn(&mut T, bool)),
    /// A value; its name for the help, and what to do with it.
    Takes(&'static str, fn(&mut T, &str) -> Result<(), Invalid>),
    /// A value if the next word is none that begins with `-`; the empty word stands for its absence.
    May(&'static str, fn(&mut T, &str) -> Result<(), Invalid>),
}

impl<T> Clone for Flag<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Flag<T> {}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Value<T> {}

impl<T> Flag<T> {
    /// A flag without a value.
    pub const fn switch(long: &'static str, set: fn(&mut T, bool), help: &'static str) -> Self {
        Self { long, alias: None, short: None, value: Value::Switch(set), heading: None, help }
    }

    /// A flag with a value, which the help calls `name`.
    pub const fn takes(
        long: &'static str,
        name: &'static str,
        set: fn(&mut T, &str) -> Result<(), Invalid>,
        help: &'static str,
    ) -> Self {
        Self { long, alias: None, short: None, value: Value::Takes(name, set), heading: None, help }
    }

    /// A flag that may have a value.
    pub const fn may(
        long: &'static str,
        name: &'static str,
        set: fn(&mut T, &str) -> Result<(), Invalid>,
        help: &'static str,
    ) -> Self {
        Self { long, alias: None, short: None, value: Value::May(name, set), heading: None, help }
    }

    /// With a letter.
    #[must_use]
    pub const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    /// With a second name.
    #[must_use]
    pub const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// Shown under a heading.
    #[must_use]
    pub const fn under(mut self, heading: &'static str) -> Self {
        self.heading = Some(heading);
        self
    }
}

/// Puts a parsed value into `slot`; of several, the last counts.
pub fn put<V: FromStr<Err = Invalid>>(slot: &mut Option<V>, word: &str) -> Result<(), Invalid> {
    *slot = Some(word.parse()?);
    Ok(())
}

/// Adds a parsed value to `list`.
pub fn push<V: FromStr<Err = Invalid>>(list: &mut Vec<V>, word: &str) -> Result<(), Invalid> {
    list.push(word.parse()?);
    Ok(())
}

/// Puts a word as it is into `slot`.
#[allow(clippy::unnecessary_wraps, reason = "the shape of a setter")]
pub fn put_word(slot: &mut Option<String>, word: &str) -> Result<(), Invalid> {
    *slot = Some(word.to_owned());
    Ok(())
}

/// Adds a word as it is to `list`.
#[allow(clippy::unnecessary_wraps, reason = "the shape of a setter")]
pub fn push_word(list: &mut Vec<String>, word: &str) -> Result<(), Invalid> {
    list.push(word.to_owned());
    Ok(())
}
