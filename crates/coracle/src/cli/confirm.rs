//! A question before something is lost, as docker asks it.

use super::Failure;
use std::io::Write as _;

/// Tells what is about to happen, and whether it may. Whoever says nothing has not agreed.
pub fn confirm(warning: &str) -> Result<bool, Failure> {
    let question = format!("WARNING! {warning}\nAre you sure you want to continue? [y/N] ");
    let mut out = std::io::stdout();
    out.write_all(question.as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Failure::unreadable("standard input", "", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
