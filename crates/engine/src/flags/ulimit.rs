//! `--ulimit nofile=1024:4096`.

use super::{Invalid, number};
use crate::config::{Resource, Ulimit};
use std::str::FromStr;

/// `NAME=SOFT[:HARD]`; −1 means as much as the caller may give.
impl FromStr for Ulimit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let form = "write NAME=SOFT or NAME=SOFT:HARD, such as nofile=1024:4096";
        let (name, limits) =
            text.split_once('=').ok_or_else(|| Invalid::new(text, "a limit without a value").hint(form))?;
        let resource = Resource::by_name(name).ok_or_else(|| {
            let names: Vec<String> = Resource::ALL.iter().map(|resource| resource.name()).collect();
            Invalid::new(name, "not a resource limit").suggest(
                name,
                names.iter().map(String::as_str),
                Some("getrlimit(2) lists them: nofile, nproc, core, memlock, stack and others"),
            )
        })?;
        let value = |part: &str| match part {
            "-1" | "unlimited" => Some(None),
            digits => number::decimal::<u64>(digits).map(Some),
        };
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let (Some(soft), Some(hard)) = (value(soft), value(hard)) else {
            return Err(Invalid::new(text, "not a limit").hint(form));
        };
        if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
            return Err(Invalid::new(text, "the soft limit is above the hard limit"));
        }
        Ok(Self { resource, soft, hard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let limit = |resource, soft, hard| Some(Ulimit { resource, soft, hard });
        for (text, expected) in [
            ("nofile=1024", limit(Resource::Nofile, Some(1024), Some(1024))),
            ("nofile=1024:4096", limit(Resource::Nofile, Some(1024), Some(4096))),
            ("core=0:-1", limit(Resource::Core, Some(0), None)),
            ("memlock=-1:-1", limit(Resource::Memlock, None, None)),
            ("RLIMIT_NPROC=5", limit(Resource::Nproc, Some(5), Some(5))),
            ("nofile=4096:1024", None),
            ("nofile=-1:1024", None),
            ("nofile", None),
            ("nofile=", None),
            ("nofile=1:2:3", None),
            ("nofile=-2", None),
            ("nofiles=18446744073709551616", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_mistyped_name_gets_a_suggestion() {
        let error = "nofiles=1".parse::<Ulimit>().unwrap_err();
        assert_eq!(error.remedy(), Some("did you mean nofile?"));
    }
}
