//! What a runtime says of a container: to hooks, to a seccomp agent, to who asks.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a container (runtime.md, "State").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification that this follows.
    pub oci_version: String,
    /// Container id.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// Its first process, as the runtime sees it; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Absolute path of its bundle.
    pub bundle: String,
    /// Free key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// How far a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made.
    Creating,
    /// It waits for its start.
    Created,
    /// Its command runs.
    Running,
    /// Its processes are frozen; a word that the specification leaves to runtimes.
    Paused,
    /// Its command has ended.
    Stopped,
}

/// What a seccomp agent gets beside the listener (config-linux.md, "The Container Process State").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState {
    /// The version of the specification that this follows.
    pub oci_version: String,
    /// Names of the fds that come along, in their order.
    pub fds: Vec<String>,
    /// The process that has the filter, as the runtime sees it.
    pub pid: i32,
    /// `linux.seccomp.listenerMetadata`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// Its container.
    pub state: State,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_of_a_process_state_is_ours() {
        // config-linux.md, "The Container Process State", in one line.
        let example = r#"{"ociVersion":"1.0.2","fds":["seccompFd"],"pid":4422,"metadata":"MKNOD=/dev/null,/dev/net/tun;BPF_MAP_TYPES=hash,array","state":{"ociVersion":"1.0.2","id":"oci-container1","status":"creating","pid":4422,"bundle":"/containers/redis","annotations":{"myKey":"myValue"}}}"#;
        let read: Result<ContainerProcessState, _> = serde_json::from_str(example);
        let written = read.and_then(|state| serde_json::to_string(&state));
        assert_eq!(written.ok().as_deref(), Some(example));
    }
}
