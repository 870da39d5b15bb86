//! The default profile's filter, ready made.
//!
//! A profile is 450 names in memory of their own and their compilation walks the whole table of calls: 100 µs of a
//! fresh process. Nearly every container gets one of two programs, though, for the profile looks at few capabilities;
//! the build script compiles those, and here they are but bytes of the binary.

use crate::compile::compile;
use crate::default::{default_profile, guards};
use crate::error::Error;
use crate::program::{Filter, Flags};

static PLAIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/default.bpf"));
static CHROOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/default_chroot.bpf"));

/// The same filter as that of [`default_profile`] for these capabilities (`CAP_…`, the bounding set), on this machine.
///
/// # Errors
/// As [`compile`]; the default profile gives no cause for any.
pub fn default_filter(capabilities: &[impl AsRef<str>]) -> Result<Filter, Error> {
    let mut held = guards().filter(|guard| capabilities.iter().any(|name| name.as_ref() == *guard));
    match (held.next(), held.next()) {
        (None, _) => Ok(Filter::precompiled(PLAIN, Flags::SPEC_ALLOW)),
        (Some("CAP_SYS_CHROOT"), None) => Ok(Filter::precompiled(CHROOT, Flags::SPEC_ALLOW)),
        _ => compile(&default_profile(capabilities)),
    }
}
