//! Sockets that the service manager has opened for the container (sd_listen_fds(3)): fds from 3 on, which its first
//! process gets, with the two variables that tell it of them.

use crate::process::Holding;
use oci::runtime::Spec;

/// How many fds were passed to this process, by the values of `LISTEN_FDS` and `LISTEN_PID` in its environment. What is
/// for another process, or is no number, is none.
pub fn passed(listen_fds: Option<&str>, listen_pid: Option<&str>, own_pid: u32) -> u32 {
    const FIRST: u32 = 3;
    let ours = listen_pid.and_then(|pid| pid.parse().ok()) == Some(own_pid);
    let count = listen_fds.filter(|_| ours).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    if count.checked_add(FIRST).is_some_and(|end| i32::try_from(end).is_ok()) { count } else { 0 }
}

/// Passes them on: kept before the fds that are kept anyway, told as those of PID 1, which the first process is in a PID
/// namespace of its own.
pub fn pass_on(count: u32, spec: &mut Spec, holding: &mut Holding) {
    let Some(process) = spec.process.as_mut().filter(|_| count > 0) else { return };
    process.env.extend([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()]);
    holding.preserve_fds = holding.preserve_fds.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::runtime::Process;

    #[test]
    fn only_what_is_for_this_process_counts() {
        for (fds, pid, count) in [
            (Some("2"), Some("77"), 2),
            (Some("2"), Some("78"), 0),
            (Some("2"), None, 0),
            (None, Some("77"), 0),
            (Some("x"), Some("77"), 0),
            (Some("-1"), Some("77"), 0),
            (Some("4294967295"), Some("77"), 0),
        ] {
            assert_eq!(passed(fds, pid, 77), count, "{fds:?} {pid:?}");
        }
    }

    #[test]
    fn the_first_process_is_told_in_its_environment() {
        let mut spec = Spec { process: Some(Process::default()), ..Spec::default() };
        let mut holding = Holding { preserve_fds: 1, ..Holding::default() };
        pass_on(0, &mut spec, &mut holding);
        assert_eq!(spec.process.as_ref().map(|process| process.env.len()), Some(0));
        pass_on(2, &mut spec, &mut holding);
        assert_eq!(holding.preserve_fds, 3);
        assert_eq!(spec.process.map(|process| process.env), Some(vec!["LISTEN_FDS=2".into(), "LISTEN_PID=1".into()]));
    }
}
