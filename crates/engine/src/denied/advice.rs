//! With which capability a profile would have let a call through.
//!
//! Nothing is guessed: the profile is made once more for a container that has one capability more, and asked what it says
//! of the very same call.

use crate::config::{Capability, SeccompChoice};
use crate::gather;
use seccomp::{Data, Decision};

/// Whom to ask.
#[derive(Debug)]
pub struct Advisor {
    choice: SeccompChoice,
    held: Vec<String>,
}

impl Advisor {
    /// For a container with these capabilities.
    pub fn new(choice: &SeccompChoice, held: Vec<String>) -> Self {
        Self { choice: choice.clone(), held }
    }

    /// The container has it.
    pub fn holds(&self, capability: &str) -> bool {
        self.held.iter().any(|held| held == capability)
    }

    /// The one capability that would do, the narrowest where there are several; none where no capability does.
    pub fn capability(&self, data: &Data) -> Option<String> {
        let candidates: Vec<String> = match self.choice {
            SeccompChoice::Unconfined => Vec::new(),
            // The first of them is CAP_SYS_ADMIN, which stands for much.
            SeccompChoice::Default => seccomp::guards().map(str::to_owned).collect(),
            SeccompChoice::Profile { .. } => Capability::all().map(|capability| capability.to_string()).collect(),
        };
        let (wide, narrow): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|name| name == "CAP_SYS_ADMIN");
        narrow.into_iter().chain(wide).find(|name| !self.held.contains(name) && self.allows_with(name, data))
    }

    fn allows_with(&self, capability: &str, data: &Data) -> bool {
        let held: Vec<String> = self.held.iter().cloned().chain([capability.to_owned()]).collect();
        let profile = match &self.choice {
            SeccompChoice::Unconfined => return false,
            SeccompChoice::Default => seccomp::default_profile(&held),
            SeccompChoice::Profile { json, .. } => {
                match seccomp::docker::from_json(json.as_bytes(), &held, gather::kernel()) {
                    Ok(profile) => profile,
                    Err(_) => return false,
                }
            }
        };
        seccomp::compile(&profile).is_ok_and(|filter| filter.decide(data) == Decision::Allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_itself_says_which_capability_would_do() {
        let advisor = Advisor::new(&SeccompChoice::Default, vec!["CAP_CHOWN".to_owned()]);
        let abi = seccomp::Machine::NATIVE.abi();
        let of = |name: &str| {
            let number = seccomp::syscalls::number(name, abi).expect("a call");
            advisor.capability(&Data { number, arch: abi.audit_arch(), ..Data::default() })
        };
        assert_eq!(of("mount").as_deref(), Some("CAP_SYS_ADMIN"));
        assert_eq!(of("perf_event_open").as_deref(), Some("CAP_PERFMON"));
        assert_eq!(of("chroot").as_deref(), Some("CAP_SYS_CHROOT"));
        assert_eq!(of("keyctl"), None);
    }
}
