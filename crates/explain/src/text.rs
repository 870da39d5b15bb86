//! The steps of a start as lines of text.

use engine::explanation::{Call, Explanation, Step};
use std::fmt::Write;

/// A line for each step with who asked for it, under a heading where the question changes, and below it a line for each system call: how
/// long after the first it began, who made it, what it was, what it returned, how long it took.
pub fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut heading = None;
    for Step { heading: of_step, intent, origin, calls } in &explanation.steps {
        let title = of_step.map_or("prepares", runtime::Heading::title);
        if heading != Some(title) {
            _ = writeln!(text, "{title}");
            heading = Some(title);
        }
        match origin {
            Some(origin) => _ = writeln!(text, "  {intent}  [{origin}]"),
            None => _ = writeln!(text, "  {intent}"),
        }
        for call in calls {
            line(&mut text, call);
        }
    }
    text
}

fn line(text: &mut String, call: &Call) {
    _ = write!(text, "    {:>9} µs  {}  {}", micros(call.start), call.side(), call.name);
    match call.error() {
        Some(error) => _ = write!(text, " = {error}"),
        None => _ = write!(text, " = {}", call.result),
    }
    _ = writeln!(text, "  ({} µs)", micros(call.duration));
}

fn micros(nanoseconds: u64) -> String {
    format!("{}.{}", nanoseconds / 1000, nanoseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::Heading;

    #[test]
    fn a_step_says_who_asked_for_it() {
        let origin = Some(engine::spec::Origin::Flag("--hostname"));
        let step = Step { heading: Some(Heading::Sees), intent: "set the host name".to_owned(), origin, calls: vec![] };
        assert_eq!(text(&Explanation { steps: vec![step] }), "sees\n  set the host name  [--hostname]\n");
    }

    #[test]
    fn steps_stand_under_their_headings_with_their_calls() {
        let call = |name, result, start, inside| Call { name, result, start, duration: 1500, inside };
        let step = |heading, intent: &str, calls| Step { heading, intent: intent.to_owned(), origin: None, calls };
        let explanation = Explanation {
            steps: vec![
                step(None, "prepare", vec![call("openat", 3, 0, false)]),
                step(Some(Heading::Files), "mount /proc", vec![call("fsopen", -1, 2100, true)]),
                step(Some(Heading::Files), "mount /sys", vec![]),
            ],
        };
        let expected = "prepares\n  prepare\n          0.0 µs  engine  openat = 3  (1.5 µs)\n\
            files\n  mount /proc\n          2.1 µs  inside  fsopen = EPERM (operation not permitted)  (1.5 µs)\n  mount /sys\n";
        assert_eq!(text(&explanation), expected);
    }
}
