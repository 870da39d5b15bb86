//! `--restart`: what is done when a container has ended.

use super::Invalid;
use monitor::Policy;

const HINT: &str = "no, on-failure[:TIMES], always or unless-stopped";

/// docker's words for it.
pub fn restart(text: &str) -> Result<Policy, Invalid> {
    let wrong = || Invalid::new(text, "no such policy").hint(HINT);
    match text.split_once(':').map_or((text, None), |(name, times)| (name, Some(times))) {
        ("no" | "", None) => Ok(Policy::No),
        ("on-failure", None) => Ok(Policy::OnFailure(0)),
        ("on-failure", Some(times)) => {
            let digits = !times.is_empty() && times.bytes().all(|byte| byte.is_ascii_digit());
            let times = times.parse().ok().filter(|_| digits);
            times.map(Policy::OnFailure).ok_or_else(|| Invalid::new(text, "not a number of times").hint(HINT))
        }
        ("always", None) => Ok(Policy::Always),
        ("unless-stopped", None) => Ok(Policy::UnlessStopped),
        ("always" | "unless-stopped" | "no", Some(_)) => {
            Err(Invalid::new(text, "only on-failure takes a number of times").hint(HINT))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_dockers() {
        assert_eq!(restart("no"), Ok(Policy::No));
        assert_eq!(restart("on-failure"), Ok(Policy::OnFailure(0)));
        assert_eq!(restart("on-failure:5"), Ok(Policy::OnFailure(5)));
        assert_eq!(restart("always"), Ok(Policy::Always));
        assert_eq!(restart("unless-stopped"), Ok(Policy::UnlessStopped));
        for wrong in ["always:1", "on-failure:", "on-failure:-1", "on-failure:+1", "never", "on-failure:99999999999"] {
            assert!(restart(wrong).is_err(), "{wrong}");
        }
    }
}
