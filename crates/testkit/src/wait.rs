//! Waiting for something to become true, with an end. The kernel clears up some things after the fact (a dead
//! namespace's mounts, a veth), so a test that looks once sees too early, and one that sleeps is slow and still wrong.

use std::time::{Duration, Instant};

/// How long to sleep between two looks.
const STEP: Duration = Duration::from_millis(10);

/// Looks until `seen` answers true, for at most `limit`; tells whether it ever did. It looks at least once, and once
/// more at the very end.
pub fn within(limit: Duration, mut seen: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        let last = Instant::now() >= end;
        if seen() {
            return true;
        }
        if last {
            return false;
        }
        std::thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_at_once_is_not_waited_for() {
        let start = Instant::now();
        assert!(within(Duration::from_mins(1), || true));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_becomes_true_later_is_seen() {
        let mut looks = 0;
        assert!(within(Duration::from_mins(1), || {
            looks += 1;
            looks == 3
        }));
    }

    #[test]
    fn what_never_comes_ends_the_wait() {
        assert!(!within(Duration::from_millis(30), || false));
    }
}
