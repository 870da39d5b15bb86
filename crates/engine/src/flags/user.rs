//! `--user`, `--group-add` and the USER of an image.

use super::Invalid;
use super::number::is_digits;
use crate::config::{IdOrName, UserSpec};
use std::str::FromStr;

/// Digits are a number in range, everything else a name that passwd(5) could hold.
impl FromStr for IdOrName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if is_digits(text) {
            return match text.parse() {
                Ok(id) if id != u32::MAX => Ok(Self::Id(id)),
                _ => Err(Invalid::new(text, "an id out of range").hint("ids are 0 to 4294967294")),
            };
        }
        // A sign makes a number that other tools would take apart differently; no file of users holds such a name.
        let number_like = text.strip_prefix(['-', '+']).is_some_and(is_digits);
        let ill_formed = text.is_empty() || text.contains([':', '\0', '\n', '/']) || text.starts_with('-');
        if number_like || ill_formed {
            return Err(Invalid::new(text, "neither an id nor a name"));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

/// `[USER][:[GROUP]]`, as docker reads it.
impl FromStr for UserSpec {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let part = |part: &str| -> Result<Option<IdOrName>, Invalid> {
            if part.is_empty() {
                return Ok(None);
            }
            let named = |error: Invalid| error.hint("write USER, USER:GROUP or :GROUP, each an id or a name");
            part.parse().map(Some).map_err(|error: Invalid| if error.remedy().is_some() { error } else { named(error) })
        };
        Ok(Self { user: part(user)?, group: part(group)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read<'a> = Option<(Option<&'a str>, Option<&'a str>)>;

    /// Numbers are written as themselves, names with a `@`.
    fn told(part: Option<IdOrName>) -> Option<String> {
        part.map(|part| match part {
            IdOrName::Id(id) => id.to_string(),
            IdOrName::Name(name) => format!("@{name}"),
        })
    }

    #[test]
    fn users_and_groups_are_read_strictly() {
        let cases: [(&str, Read); 22] = [
            ("1", Some((Some("1"), None))),
            ("1:2", Some((Some("1"), Some("2")))),
            ("0:5", Some((Some("0"), Some("5")))),
            ("4294967294", Some((Some("4294967294"), None))),
            ("4294967295", None),
            ("4294967296", None),
            ("18446744073709551616", None),
            ("-1", None),
            ("+1", None),
            ("1:-1", None),
            ("1:4294967296", None),
            ("1x", Some((Some("@1x"), None))),
            ("", Some((None, None))),
            (":3", Some((None, Some("3")))),
            ("1:", Some((Some("1"), None))),
            (":", Some((None, None))),
            ("1:2:3", None),
            ("www-data:adm", Some((Some("@www-data"), Some("@adm")))),
            ("user@domain", Some((Some("@user@domain"), None))),
            ("-rf", None),
            ("a\nb", None),
            ("../x", None),
        ];
        for (text, expected) in cases {
            let read = text.parse::<UserSpec>().ok().map(|spec| (told(spec.user), told(spec.group)));
            let read = read.as_ref().map(|(user, group)| (user.as_deref(), group.as_deref()));
            assert_eq!(read, expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn digits_are_never_a_name(digits in "[0-9]{1,30}") {
            let read = digits.parse::<IdOrName>();
            prop_assert!(!matches!(read, Ok(IdOrName::Name(_))));
        }

        #[test]
        fn a_number_is_itself_or_an_error(number in any::<u64>()) {
            match number.to_string().parse::<IdOrName>() {
                Ok(IdOrName::Id(id)) => prop_assert_eq!(u64::from(id), number),
                other => prop_assert!(other.is_err() && number >= u64::from(u32::MAX)),
            }
        }

        #[test]
        fn what_is_printed_reads_back(text in "([a-z][a-z0-9_-]{0,8}|[0-9]{1,9})?(:([a-z][a-z0-9_-]{0,8}|[0-9]{1,9}))?") {
            let spec: UserSpec = text.parse().unwrap();
            prop_assert_eq!(spec.to_string().parse::<UserSpec>().unwrap(), spec);
        }
    }
}
