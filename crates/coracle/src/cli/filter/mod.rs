//! `--filter NAME=VALUE`, for every verb that has it: docker's and podman's words, one machinery.
//!
//! A verb has a table of the filters that it knows. Of several with one name any must fit, of several names all; but of
//! several labels all must fit, as under docker and podman. A filter for prune verbs and one for lists are the same.

mod containers;
mod events;
mod images;
mod networks;
mod pattern;
mod secrets;
mod volumes;

pub use containers::{CONTAINERS, networks, status_word};
pub use events::EVENTS;
pub use images::{IMAGES, PRUNED_IMAGES, created};
pub use networks::NETWORKS;
pub use secrets::SECRETS;
pub use volumes::VOLUMES;

use self::pattern::finds;
use super::Failure;
use crate::render;
use std::collections::BTreeMap;

/// What one filter says of a `T`.
pub type Test<T> = Box<dyn Fn(&T) -> bool>;

/// A filter that a verb knows; a `C` is what it can look things up in.
pub struct Filter<T, C> {
    name: &'static str,
    join: Join,
    read: fn(&str, &C) -> Result<Test<T>, Failure>,
}

/// How several filters of one name go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    Any,
    All,
}

impl<T, C> Filter<T, C> {
    const fn any(name: &'static str, read: fn(&str, &C) -> Result<Test<T>, Failure>) -> Self {
        Self { name, join: Join::Any, read }
    }

    const fn all(name: &'static str, read: fn(&str, &C) -> Result<Test<T>, Failure>) -> Self {
        Self { name, join: Join::All, read }
    }
}

/// The filters that were given, those of one name together.
pub struct Chosen<T> {
    tests: Vec<(&'static str, Join, Vec<Test<T>>)>,
}

impl<T> Chosen<T> {
    /// Reads them.
    pub fn read<C>(words: &[String], known: &[&[Filter<T, C>]], scope: &C) -> Result<Self, Failure> {
        let known = || known.iter().flat_map(|table| table.iter());
        let hint = || {
            let names: Vec<_> = known().map(|filter| format!("{}=", filter.name)).collect();
            format!("there are {}", names.join(", "))
        };
        let mut tests: Vec<(&'static str, Join, Vec<Test<T>>)> = Vec::new();
        for word in words {
            let refuse = |why: &str| Failure::words(format!("--filter {word:?}: {why}"), hint());
            let (name, value) = word.split_once('=').ok_or_else(|| refuse("no value"))?;
            let name = name.trim();
            let filter = known().find(|filter| filter.name == name).ok_or_else(|| refuse("no such filter"))?;
            let test = (filter.read)(value.trim(), scope)?;
            match tests.iter_mut().find(|(other, ..)| *other == filter.name) {
                Some((.., of_name)) => of_name.push(test),
                None => tests.push((filter.name, filter.join, vec![test])),
            }
        }
        Ok(Self { tests })
    }

    /// Whether one with this name was given.
    pub fn has(&self, name: &str) -> bool {
        self.tests.iter().any(|(other, ..)| *other == name)
    }

    /// Whether all that was asked is true of this.
    pub fn fits(&self, item: &T) -> bool {
        self.tests.iter().all(|(_, join, tests)| match join {
            Join::Any => tests.iter().any(|test| test(item)),
            Join::All => tests.iter().all(|test| test(item)),
        })
    }
}

/// A value of a filter that makes no sense, and what would.
fn wrong(name: &str, value: &str, why: &str, hint: &str) -> Failure {
    Failure::words(format!("--filter \"{name}={value}\": {why}"), hint)
}

/// `true` or `false`, as Go reads them.
fn truth(name: &str, value: &str) -> Result<bool, Failure> {
    match value {
        "true" | "TRUE" | "True" | "t" | "T" | "1" => Ok(true),
        "false" | "FALSE" | "False" | "f" | "F" | "0" => Ok(false),
        _ => Err(wrong(name, value, "neither true nor false", "give true or false")),
    }
}

/// Seconds since 1970 of `until=`: a moment, or a span before now.
fn until(value: &str) -> Result<u64, Failure> {
    let hint = "give a span before now (10m, 1h30m), a date (2026-01-31), a moment (RFC 3339), or seconds since 1970";
    render::moment(value, render::now()).ok_or_else(|| wrong("until", value, "no moment", hint))
}

/// Those whose name has a part that fits.
fn named<T: 'static>(value: &str, name: fn(&T) -> &str) -> Result<Test<T>, Failure> {
    if finds(value, "").is_none() {
        let hint = "give a part of it; ^ $ . * + ? mean what they do in regular expressions";
        return Err(wrong("name", value, "no pattern for a name", hint));
    }
    let value = value.to_owned();
    Ok(Box::new(move |item| finds(&value, name(item)) == Some(true)))
}

/// Whether `NAME` or `NAME=VALUE` is among the labels.
fn labelled(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|label| label == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: &[Filter<String, ()>] = &[
        Filter::any("is", |value, ()| {
            let value = value.to_owned();
            Ok(Box::new(move |item: &String| *item == value))
        }),
        Filter::all("has", |value, ()| {
            let value = value.to_owned();
            Ok(Box::new(move |item: &String| item.contains(&value)))
        }),
    ];

    fn fitting(words: &[&str]) -> Vec<&'static str> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let chosen = Chosen::read(&words, &[LENGTHS], &()).expect("filters");
        ["ab", "bc", "abc"].into_iter().filter(|item| chosen.fits(&(*item).to_owned())).collect()
    }

    #[test]
    fn any_of_one_name_and_all_of_several() {
        assert_eq!(fitting(&[]), ["ab", "bc", "abc"]);
        assert_eq!(fitting(&["is=ab", "is=bc"]), ["ab", "bc"]);
        assert_eq!(fitting(&["has=a", "has=c"]), ["abc"]);
        assert_eq!(fitting(&["is=ab", "is=bc", "has=a"]), ["ab"]);
    }

    #[test]
    fn a_filter_that_does_not_exist_is_refused_with_those_that_do() {
        for word in ["is", "it=x", "IS=x", ""] {
            let Err(refused) = Chosen::read(&[word.to_owned()], &[LENGTHS], &()) else { panic!("{word}") };
            assert!(format!("{refused:?}").contains("is=, has="), "{refused:?}");
        }
    }
}
