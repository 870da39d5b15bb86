//! What criu answers: `criu_resp` of its rpc.proto.

use crate::request::{Features, Kind};
use crate::wire::fields;
use std::fmt;

/// An answer, or a notification on the way to one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// What was asked; none for a kind that we never ask for.
    pub kind: Option<Kind>,
    /// It was done.
    pub success: bool,
    /// The restored process.
    pub pid: Option<i32>,
    /// What happens right now.
    pub notice: Option<Notice>,
    /// Why it was not done.
    pub errno: i32,
    /// The same in words.
    pub text: String,
    /// What can be had.
    pub features: Features,
    /// Which criu it is.
    pub version: Version,
}

/// A version of criu's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(pub i32, pub i32, pub i32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, sublevel) = self;
        write!(f, "{major}.{minor}")?;
        if *sublevel == 0 { Ok(()) } else { write!(f, ".{sublevel}") }
    }
}

/// Something happens, and criu waits until it may go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notice {
    /// What: the names of criu's action scripts (criu(8)).
    pub script: String,
    /// Of which process.
    pub pid: i32,
}

impl Response {
    /// Reads a message; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut response = Self::default();
        for (field, value) in fields(bytes)? {
            match field {
                1 => response.kind = Kind::from_number(value.int() as u64),
                2 => response.success = value.truth(),
                4 => {
                    let inner = fields(value.bytes())?;
                    response.pid = inner.iter().find(|(field, _)| *field == 1).map(|(_, pid)| pid.int());
                }
                5 => {
                    let notice = response.notice.get_or_insert_default();
                    for (field, value) in fields(value.bytes())? {
                        match field {
                            1 => notice.script = value.text(),
                            2 => notice.pid = value.int(),
                            _ => {}
                        }
                    }
                }
                7 => response.errno = value.int(),
                8 => {
                    for (field, value) in fields(value.bytes())? {
                        match field {
                            1 => response.features.mem_track = value.truth(),
                            2 => response.features.lazy_pages = value.truth(),
                            _ => {}
                        }
                    }
                }
                9 => response.text = value.text(),
                10 => {
                    for (field, value) in fields(value.bytes())? {
                        match field {
                            1 => response.version.0 = value.int(),
                            2 => response.version.1 = value.int(),
                            4 => response.version.2 = value.int(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(response)
    }
}
