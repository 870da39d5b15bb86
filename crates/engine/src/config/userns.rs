//! `--userns`: which ids of the container are which of the host.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How ids are mapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UsernsMode {
    /// No mapping of its own: the host's user namespace, or rootless the one in which the user is root.
    Host,
    /// A private range of ids, different for each container.
    Auto {
        /// How many ids; absent lets the engine look at what the image needs.
        size: Option<u32>,
    },
    /// The calling user keeps its ids inside (or gets the ones given here); only of use rootless.
    KeepId {
        /// User id inside.
        uid: Option<u32>,
        /// Group id inside.
        gid: Option<u32>,
        /// How many ids at most.
        size: Option<u32>,
    },
    /// The calling user does not exist inside; rootless only.
    NoMap,
    /// `ns:PATH`: an existing user namespace.
    Path(PathBuf),
}
