//! `--stop-signal`.

use super::{Invalid, number};
use crate::config::Signal;
use std::str::FromStr;

/// A number or a name.
impl FromStr for Signal {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let signal = match number::decimal::<u32>(text) {
            Some(number) => Self::by_number(number),
            None => Self::by_name(text),
        };
        signal.ok_or_else(|| {
            let upper = text.to_ascii_uppercase();
            let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
            Invalid::new(text, "not a signal").suggest(
                bare,
                Self::names(),
                Some("write a name such as TERM, SIGRTMIN or RTMIN+3, or a number from 1 to 64"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read() {
        for (text, number) in [
            ("TERM", Some(15)),
            ("SIGTERM", Some(15)),
            ("sigterm", Some(15)),
            ("9", Some(9)),
            ("WINCH", Some(28)),
            ("SYS", Some(31)),
            ("CLD", Some(17)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX", Some(64)),
            ("SIGRTMAX-1", Some(63)),
            ("64", Some(64)),
            ("0", None),
            ("65", None),
            ("", None),
            ("SIG", None),
            ("RTMIN+31", None),
            ("RTMAX-31", None),
            ("RTMIN3", None),
            ("-9", None),
            ("RTMIN+300", None),
        ] {
            assert_eq!(text.parse::<Signal>().ok().map(Signal::number), number, "{text}");
        }
    }

    #[test]
    fn every_signal_reads_back_as_it_is_printed() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal::by_number(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn a_mistyped_name_gets_a_suggestion() {
        assert_eq!("SIGTREM".parse::<Signal>().unwrap_err().remedy(), Some("did you mean TERM?"));
    }
}
