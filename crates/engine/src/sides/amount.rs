//! How much of something: a number in some unit, no limit, or a list.

use serde::Serialize;

/// A number, or a text such as `max` or `0-3`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// A number.
    Number(u64),
    /// A text; `max` is no limit.
    Text(String),
}

/// What numbers stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// How many.
    #[default]
    Count,
    /// Bytes.
    Bytes,
    /// Thousandths of a processor; what is used of it is in nanoseconds.
    MilliCpus,
}

/// A cgroup above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tighter {
    /// Its directory.
    pub cgroup: String,
    /// What it allows.
    pub amount: Amount,
}

impl Amount {
    /// Without a limit.
    pub fn is_open(&self) -> bool {
        *self == Self::open()
    }

    pub(super) fn open() -> Self {
        Self::Text("max".to_owned())
    }

    /// v1 writes "no limit" as −1, or as the largest number of whole pages.
    pub(super) fn read(text: &str) -> Self {
        const V1_OPEN: u64 = 1 << 62;
        match text.trim() {
            "max" | "-1" => Self::open(),
            text => text.parse().ok().filter(|number| *number < V1_OPEN).map_or_else(
                || if text.parse::<u64>().is_ok() { Self::open() } else { Self::Text(text.to_owned()) },
                Self::Number,
            ),
        }
    }

    pub(super) fn of(number: i64) -> Self {
        u64::try_from(number).map_or_else(|_| Self::open(), Self::Number)
    }

    pub(super) fn is_below(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(this), Self::Number(other)) => this < other,
            (Self::Number(_), other) => other.is_open(),
            _ => false,
        }
    }
}
