//! Words of a command line, by Go's pflag's rules.

use super::{Flag, Invalid, Value, nearest};

/// Where flags may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Before the first word that is none: what follows belongs to somebody else.
    First,
    /// Anywhere before `--`.
    Anywhere,
}

/// How a long name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dashes {
    /// `--name`; one dash is for letters.
    Two,
    /// `--name` or `-name`, as Go's older parsers have it and as callers of OCI runtimes write it.
    OneOrTwo,
}

/// A command line that cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Usage {
    /// No such flag.
    #[error("unknown option {word}")]
    Unknown {
        /// As it was written, without its value.
        word: String,
        /// A near one, with its dashes.
        near: Option<String>,
    },
    /// The words end where a value should be.
    #[error("{flag} needs a value: {name}")]
    NoValue {
        /// The flag as it was written.
        flag: String,
        /// What the help calls its value.
        name: &'static str,
    },
    /// A value that the flag does not take.
    #[error("{flag} {invalid}")]
    Value {
        /// The flag, `--long`.
        flag: String,
        /// The value, and why not.
        invalid: Invalid,
    },
    /// A switch with a value that is neither true nor false.
    #[error("{flag} {value:?}: neither true nor false")]
    NotBool {
        /// The flag, `--long`.
        flag: String,
        /// The value.
        value: String,
    },
    /// `--help`, which is no mistake.
    #[error("help was asked for")]
    Help,
}

/// Reads `words`, changes `target` flag by flag in their order, and returns the words that are no flags.
pub fn parse<T>(flags: &[Flag<T>], words: &[String], order: Order, target: &mut T) -> Result<Vec<String>, Usage> {
    parse_with(flags, words, order, Dashes::Two, target)
}

/// As [`parse`], where long names may be written in another way.
pub fn parse_with<T>(
    flags: &[Flag<T>],
    words: &[String],
    order: Order,
    dashes: Dashes,
    target: &mut T,
) -> Result<Vec<String>, Usage> {
    let mut others = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if word == "--" {
            others.extend(words[at..].iter().cloned());
            break;
        }
        let single = word.strip_prefix('-').filter(|text| dashes == Dashes::OneOrTwo && is_long(flags, text));
        if let Some(long) = word.strip_prefix("--").or(single) {
            at += one_long(flags, long, words.get(at), target)?;
        } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            at += one_cluster(flags, cluster, words.get(at), target)?;
        } else {
            others.push(word.clone());
            if order == Order::First {
                others.extend(words[at..].iter().cloned());
                break;
            }
        }
    }
    Ok(others)
}

/// Behind one dash stands the whole name of a flag, of more than one letter.
fn is_long<T>(flags: &[Flag<T>], text: &str) -> bool {
    let name = text.split('=').next().unwrap_or(text);
    name.len() > 1 && (name == "help" || flags.iter().any(|flag| flag.long == name || flag.alias == Some(name)))
}

/// `--name`, `--name=value` or `--name value`; returns how many of the next words were used.
fn one_long<T>(flags: &[Flag<T>], text: &str, next: Option<&String>, target: &mut T) -> Result<usize, Usage> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if name == "help" {
        return Err(Usage::Help);
    }
    let flag = flags
        .iter()
        .find(|flag| flag.long == name || flag.alias == Some(name))
        .ok_or_else(|| unknown(flags, &format!("--{name}"), name))?;
    set(flag, value, next, || format!("--{name}"), target)
}

/// `-abc`: letters, of which the last may have a value, attached, behind `=`, or in the next word.
fn one_cluster<T>(flags: &[Flag<T>], cluster: &str, next: Option<&String>, target: &mut T) -> Result<usize, Usage> {
    let mut rest = cluster;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let Some(flag) = flags.iter().find(|flag| flag.short == Some(letter)) else {
            if letter == 'h' {
                return Err(Usage::Help);
            }
            // A long name with one dash is the likeliest slip.
            let name = cluster.split('=').next().unwrap_or(cluster);
            let meant = flags.iter().find(|flag| flag.long == name && name.len() > 1);
            return Err(match meant {
                Some(flag) => Usage::Unknown { word: format!("-{name}"), near: Some(format!("--{}", flag.long)) },
                None if cluster.chars().count() > 1 => {
                    Usage::Unknown { word: format!("-{letter} in -{cluster}"), near: None }
                }
                None => Usage::Unknown { word: format!("-{letter}"), near: None },
            });
        };
        let attached = rest.strip_prefix('=');
        if let (Value::Switch(change), None) = (&flag.value, attached) {
            change(target, true);
            continue;
        }
        let value = attached.or(Some(rest).filter(|rest| !rest.is_empty()));
        return set(flag, value, next, || format!("-{letter}"), target);
    }
    Ok(0)
}

/// Sets one flag; returns 1 if it took the next word.
fn set<T>(
    flag: &Flag<T>,
    value: Option<&str>,
    next: Option<&String>,
    written: impl Fn() -> String,
    target: &mut T,
) -> Result<usize, Usage> {
    let wrong = |invalid| Usage::Value { flag: format!("--{}", flag.long), invalid };
    match (&flag.value, value) {
        (Value::Switch(change), None) => change(target, true),
        (Value::Switch(change), Some(value)) => {
            let not_bool = || Usage::NotBool { flag: format!("--{}", flag.long), value: value.to_owned() };
            change(target, truth(value).ok_or_else(not_bool)?);
        }
        (Value::Takes(_, change) | Value::May(_, change), Some(value)) => change(target, value).map_err(wrong)?,
        (Value::Takes(name, change), None) => {
            let value = next.ok_or_else(|| Usage::NoValue { flag: written(), name })?;
            change(target, value).map_err(wrong)?;
            return Ok(1);
        }
        (Value::May(_, change), None) => {
            let value = next.filter(|next| !next.starts_with('-'));
            change(target, value.map_or("", String::as_str)).map_err(wrong)?;
            return Ok(usize::from(value.is_some()));
        }
    }
    Ok(0)
}

/// The words that Go's parser of booleans takes.
fn truth(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn unknown<T>(flags: &[Flag<T>], word: &str, name: &str) -> Usage {
    let known = flags.iter().flat_map(|flag| std::iter::once(flag.long).chain(flag.alias));
    Usage::Unknown { word: word.to_owned(), near: nearest(name, known).map(|near| format!("--{near}")) }
}

#[cfg(test)]
mod tests {
    use super::super::{push_word, put, put_word};
    use super::*;

    /// A size: a number, and `k` for 1024.
    #[derive(Debug, PartialEq)]
    struct Bytes(u64);

    impl std::str::FromStr for Bytes {
        type Err = Invalid;

        fn from_str(word: &str) -> Result<Self, Invalid> {
            let (digits, factor) = word.strip_suffix('k').map_or((word, 1), |digits| (digits, 1024));
            digits.parse().map(|number: u64| Self(number * factor)).map_err(|_| Invalid::new(word, "not a size"))
        }
    }

    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        tty: bool,
        stdin: bool,
        memory: Option<Bytes>,
        env: Vec<String>,
        rootfs: Option<String>,
    }

    type F = Flag<Seen>;

    const FLAGS: [F; 5] = [
        F::switch("tty", |seen, on| seen.tty = on, "").short('t'),
        F::switch("interactive", |seen, on| seen.stdin = on, "").short('i'),
        F::takes("memory", "SIZE", |seen, word| put(&mut seen.memory, word), "").short('m').alias("mem"),
        F::takes("env", "NAME", |seen, word| push_word(&mut seen.env, word), "").short('e'),
        F::may("rootfs", "PATH", |seen, word| put_word(&mut seen.rootfs, word), ""),
    ];

    fn read(words: &str, order: Order) -> Result<(Seen, Vec<String>), Usage> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let mut seen = Seen::default();
        parse(&FLAGS, &words, order, &mut seen).map(|others| (seen, others))
    }

    fn first(words: &str) -> (Seen, String) {
        let (seen, others) = read(words, Order::First).unwrap_or_else(|error| panic!("{words}: {error}"));
        (seen, others.join(" "))
    }

    #[test]
    fn letters_cluster_and_switches_take_a_truth() {
        for words in ["-it", "-ti", "-i -t", "--interactive --tty", "-i=true --tty=1", "-it=true"] {
            let (seen, others) = first(words);
            assert!(seen.tty && seen.stdin && others.is_empty(), "{words}");
        }
        for words in ["-it -t=false", "-i --tty=false", "-it=0"] {
            let (seen, _) = first(words);
            assert!(!seen.tty && seen.stdin, "{words}");
        }
    }

    #[test]
    fn values_stand_attached_behind_an_equals_sign_or_next() {
        for words in
            ["-m1k", "-m=1k", "-m 1k", "--memory=1k", "--memory 1k", "--mem 1k", "-tm1k", "-tm 1k", "-m 2k -m 1k"]
        {
            assert_eq!(first(words).0.memory, Some(Bytes(1024)), "{words}");
        }
        assert_eq!(first("-eA=b=c -e -x --env --rm -e=D").0.env, ["A=b=c", "-x", "--rm", "D"]);
    }

    #[test]
    fn what_follows_the_first_word_belongs_to_the_command() {
        let (seen, others) = first("-t host: sh -i --tty=false -- -e");
        assert!(seen.tty && !seen.stdin);
        assert_eq!(others, "host: sh -i --tty=false -- -e");
        assert_eq!(first("-t -- -i").1, "-i");
        assert_eq!(first("- -i").1, "- -i");
        let (seen, others) = read("a -t b -- -i", Order::Anywhere).unwrap();
        assert!(seen.tty && !seen.stdin);
        assert_eq!(others, ["a", "b", "-i"]);
    }

    #[test]
    fn a_value_that_may_be_absent_is_no_flag() {
        for (words, rootfs, others) in [
            ("--rootfs /r sh -t", "/r", "sh -t"),
            ("--rootfs -t /r sh", "", "/r sh"),
            ("--rootfs=/r -t sh", "/r", "sh"),
            ("--rootfs", "", ""),
        ] {
            let (seen, rest) = first(words);
            assert_eq!((seen.rootfs.as_deref(), rest.as_str()), (Some(rootfs), others), "{words}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, told) in [
            ("--memroy 1k", "unknown option --memroy"),
            ("--memroy=1k", "unknown option --memroy"),
            ("-tz", "unknown option -z in -tz"),
            ("-z", "unknown option -z"),
            ("-memory 1k", "--memory \"emory\": not a size"),
            ("-rootfs /r", "unknown option -rootfs"),
            ("--memory", "--memory needs a value: SIZE"),
            ("-m", "-m needs a value: SIZE"),
            ("--tty=maybe", "--tty \"maybe\": neither true nor false"),
            ("--memory 1q", "--memory \"1q\": not a size"),
        ] {
            assert_eq!(read(words, Order::First).unwrap_err().to_string(), told, "{words}");
        }
        let near = |words| match read(words, Order::First) {
            Err(Usage::Unknown { near, .. }) => near,
            other => panic!("{words}: {other:?}"),
        };
        assert_eq!(near("--memroy 1k").as_deref(), Some("--memory"));
        assert_eq!(near("-rootfs /r").as_deref(), Some("--rootfs"));
        assert_eq!(near("--zzzzzz"), None);
    }

    #[test]
    fn one_dash_may_do_where_go_programs_are_replaced() {
        let read = |words: &str, dashes| {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let mut seen = Seen::default();
            parse_with(&FLAGS, &words, Order::First, dashes, &mut seen).map(|_| seen)
        };
        for words in ["-memory 1k -tty", "-memory=1k -it", "--memory=1k --tty", "-mem 1k -t"] {
            let seen = read(words, Dashes::OneOrTwo).unwrap();
            assert!(seen.tty && seen.memory == Some(Bytes(1024)), "{words}");
        }
        assert!(read("-tty", Dashes::Two).is_err());
        assert_eq!(read("-help", Dashes::OneOrTwo), Err(Usage::Help));
    }

    #[test]
    fn help_is_asked_for_by_name_or_by_a_free_letter() {
        for words in ["--help", "-h", "-th", "-m 1k --help"] {
            assert_eq!(read(words, Order::First), Err(Usage::Help), "{words}");
        }
        assert!(read("img --help", Order::First).is_ok());
    }
}
