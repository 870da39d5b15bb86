//! `cargo xtask test`: the whole gate, in the order of what is cheapest to know: format, lint, what comes from outside,
//! who names whom, unit tests, the released programs, their command lines, the rest as root, documentation, and once
//! more on kernels with pure cgroup v2 and with systemd. Every step runs, whatever happened to those before it, and the
//! end says how each of them went.

mod in_guest;
mod ledger;
mod step;
mod tally;

use std::time::{Duration, Instant};

use lexopt::prelude::*;
use step::{Context, STEPS, Step};
pub use step::{released, runner};
pub use tally::Tally;

use crate::error::{Error, Result};

const HELP: &str = "\
cargo xtask test [--ci] [STEP…]

  --ci   nothing may be left out: a missing tool or a skip that .ci/skips does not list is a failure

Without a step all of them run, in this order:";

/// How a step ended.
#[derive(Debug)]
pub enum Verdict {
    /// It found nothing wrong.
    Passed,
    /// It could not be done here, and need not be; the text says what is missing.
    LeftOut(String),
    /// It found something or could not be done; the text says what.
    Failed(String),
}

/// Runs the task with its arguments.
pub fn run(mut parser: lexopt::Parser) -> Result {
    let (mut ci, mut names) = (false, Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("ci") => ci = true,
            Long("help") | Short('h') => {
                println!("{HELP}");
                for step in STEPS {
                    println!("  {:8} {}", step.name, step.what);
                }
                return Ok(());
            }
            Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let steps = chosen(&names)?;
    let mut context = Context::new(ci, &steps)?;
    let mut done = Vec::new();
    for step in steps {
        println!("\n=== {}: {}", step.name, step.what);
        let start = Instant::now();
        let verdict = (step.run)(&mut context).unwrap_or_else(|error| Verdict::Failed(crate::with_sources(&error)));
        done.push((step.name, start.elapsed(), verdict));
    }
    conclude(&done, &context.tally, ci)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    if let Some(name) = names.iter().find(|name| !STEPS.iter().any(|step| step.name == name.as_str())) {
        return Err(Error::Usage(format!("there is no step {name:?}")));
    }
    Ok(STEPS.iter().filter(|step| names.iter().any(|name| name == step.name)).collect())
}

/// Says how it went; the error is for the exit code.
fn conclude(done: &[(&str, Duration, Verdict)], tally: &Tally, ci: bool) -> Result {
    println!("\n=== summary");
    let mut failures = 0;
    for (name, took, verdict) in done {
        let word = match verdict {
            Verdict::Passed => "passed".to_owned(),
            Verdict::LeftOut(why) if !ci => format!("left out: {why}"),
            Verdict::LeftOut(why) | Verdict::Failed(why) => {
                failures += 1;
                format!("FAILED: {why}")
            }
        };
        println!("{name:8} {:6.1} s  {word}", took.as_secs_f64());
    }
    if tally.total() > 0 {
        println!("\n{tally}");
    }
    match failures {
        0 => Ok(()),
        1 => Err(Error::Found("one step failed".to_owned())),
        count => Err(Error::Found(format!("{count} steps failed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_in_the_gates_order_whatever_order_they_are_named_in() {
        let steps = chosen(&["lint".to_owned(), "format".to_owned()]).unwrap();
        assert_eq!(steps.iter().map(|step| step.name).collect::<Vec<_>>(), ["format", "lint"]);
    }

    #[test]
    fn an_unknown_step_is_named() {
        let error = chosen(&["lint".to_owned(), "lnit".to_owned()]).err().unwrap();
        assert!(error.to_string().contains("lnit"));
    }

    #[test]
    fn what_is_left_out_fails_in_ci_alone() {
        let done = || [("deny", Duration::ZERO, Verdict::LeftOut("no cargo-deny".to_owned()))];
        assert!(conclude(&done(), &Tally::default(), false).is_ok());
        assert!(conclude(&done(), &Tally::default(), true).is_err());
    }

    #[test]
    fn one_failure_among_many_fails() {
        let done = [("a", Duration::ZERO, Verdict::Passed), ("b", Duration::ZERO, Verdict::Failed("x".to_owned()))];
        assert!(conclude(&done, &Tally::default(), false).is_err());
    }
}
