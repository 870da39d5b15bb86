//! `coracle volume`: directories that outlive the containers that have them mounted.

pub mod create;
pub mod exists;
pub mod export;
pub mod import;
pub mod inspect;
pub mod list;
pub mod prune;
pub mod remove;

use engine::Volume;
use std::collections::BTreeMap;

/// The label by which docker tells volumes without a name.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// The labels of a volume as docker shows them.
pub fn labels(volume: &Volume) -> BTreeMap<String, String> {
    let anonymous = volume.anonymous.then(|| (ANONYMOUS.to_owned(), String::new()));
    volume.labels.clone().into_iter().chain(anonymous).collect()
}
