//! Annotations of crun's that callers use (crun(1), "EXTENSIONS"): what they ask for is done here, too.

use crate::hand_over::HandOver;
use oci::runtime::Spec;
use std::collections::BTreeMap;

/// Who writes annotations must be known to be allowed all that these ask for.
pub const PREFIX: &str = "run.oci.";

/// Takes what stands in annotations for what else is asked by a flag or by the specification.
pub fn heed(spec: &mut Spec, hand_over: &mut HandOver) {
    let annotation = |name: &str| spec.annotations.get(&format!("{PREFIX}{name}")).cloned();
    let (pidfd, listener) = (annotation("pidfd_receiver"), annotation("seccomp.receiver"));
    hand_over.pidfd_socket = hand_over.pidfd_socket.take().or(pidfd);
    if let Some(profile) = spec.linux.as_mut().and_then(|linux| linux.seccomp.as_mut()) {
        profile.listener_path = profile.listener_path.take().or(listener);
    }
}

/// The container's processes stay in the groups of their maker, as podman's `--group-add=keep-groups` asks for.
pub fn keeps_groups(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(&format!("{PREFIX}keep_original_groups")).is_some_and(|value| value != "0")
}
