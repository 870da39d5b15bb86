//! Ids: the user namespace that an ordinary user's containers are in, or that root may give one.

use super::{Finding, Grade};
use crate::diagnosis;
use crate::userns::Caller;
use oci::runtime::IdMapping;

pub(super) fn examine(caller: &Caller) -> Vec<Finding> {
    let mut findings = vec![namespace(caller)];
    if !caller.is_root() {
        findings.push(ids(caller));
        findings.extend(linger(caller));
    }
    findings
}

/// Makes one, in a child.
fn namespace(caller: &Caller) -> Finding {
    let check = "user namespaces";
    let (uid, gid) = caller.ids();
    let one = |id| vec![IdMapping { container_id: 0, host_id: id, size: 1 }];
    let made = sys::process::fork(|| i32::from(runtime::idmap::enter(&one(uid), &one(gid)).is_err()));
    let made = made.and_then(|child| sys::process::wait(&child.pidfd));
    if made.is_ok_and(|exit| exit.code() == 0) {
        return Finding::ok(check, "one was made");
    }
    let (seen, remedy) = match diagnosis::refused_namespaces() {
        Some(cause) => (cause.to_string(), cause.remedy()),
        None => (
            "none can be made".to_owned(),
            "see that neither a seccomp filter nor a security module around this process refuses them".to_owned(),
        ),
    };
    // Root needs one only where it asks for it.
    let grade = if caller.is_root() { Grade::Warning } else { Grade::Broken };
    Finding { check, grade, seen, remedy: Some(remedy) }
}

/// The subordinate ids, with all of them mapped in a namespace that is made for it.
fn ids(caller: &Caller) -> Finding {
    let check = "subordinate ids";
    let problem =
        |cause: diagnosis::Ids, grade| Finding { check, grade, remedy: Some(cause.remedy()), seen: cause.to_string() };
    if let Some(cause) = diagnosis::ranges_overlap(caller) {
        return problem(cause, Grade::Broken);
    }
    if let Some(cause) = diagnosis::helper_problem() {
        // Without helpers there is one id; with helpers that cannot work there is nothing.
        let grade = if matches!(cause, diagnosis::Ids::NoHelper(_)) { Grade::Warning } else { Grade::Broken };
        return problem(cause, grade);
    }
    if let Some(cause) = diagnosis::lacking_ids(caller) {
        return problem(cause, Grade::Warning);
    }
    let maps = caller.base_maps();
    let count: u64 = maps.uids.iter().map(|range| u64::from(range.size)).sum();
    Finding::ok(check, format!("{count} user ids are {}'s to give", caller.name()))
}

/// What systemd ends with the last session.
fn linger(caller: &Caller) -> Option<Finding> {
    let name = caller.name();
    let lingers = std::path::Path::new("/var/lib/systemd/linger").join(&name).exists();
    (diagnosis::has_systemd() && !lingers).then(|| {
        let seen = "systemd ends this user's containers with the last session";
        Finding::warning("lingering", seen, format!("loginctl enable-linger {name}"))
    })
}
