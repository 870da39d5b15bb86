//! `--name`.

use super::Invalid;
use crate::config::ContainerName;
use std::str::FromStr;

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; a leading `/`, which docker's API gives, is dropped.
impl FromStr for ContainerName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let mut bytes = name.bytes();
        let starts = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric());
        let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        // A name is a file name in the run directory: NAME_MAX, less what the engine adds to it.
        if starts && goes_on && (2..=200).contains(&name.len()) {
            return Ok(Self(name.to_owned()));
        }
        Err(Invalid::new(text, "not a container name")
            .hint("a letter or digit, then one or more letters, digits, _, . or -; at most 200"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dockers() {
        for (text, valid) in [
            ("web", true),
            ("0a", true),
            ("a_b.c-d", true),
            ("/web", true),
            ("a", false),
            ("", false),
            ("-web", false),
            (".web", false),
            ("we b", false),
            ("web/1", false),
            ("../web", false),
            ("wéb", false),
            ("web\n", false),
        ] {
            assert_eq!(text.parse::<ContainerName>().is_ok(), valid, "{text:?}");
        }
        assert!("x".repeat(201).parse::<ContainerName>().is_err());
    }
}
