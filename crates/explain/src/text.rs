//! The steps of a start as lines of text.

use engine::explanation::{Call, Explanation, Step};
use std::fmt::Write;

/// A line for each step with who asked for it, under a heading where the question changes, and below it a line for each
/// system call: how long after the beginning it began, who made it, what it was, what it returned, how long it took.
pub fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut heading = None;
    for step in &explanation.steps {
        let title = step.heading.map_or("prepares", runtime::Heading::title);
        if heading != Some(title) {
            _ = writeln!(text, "{title}");
            heading = Some(title);
        }
        _ = write!(text, "  {}  ({} µs)", step.intent, micros(step.duration));
        match &step.origin {
            Some(origin) => _ = writeln!(text, "  [{origin}]"),
            None => text.push('\n'),
        }
        for call in &step.calls {
            line(&mut text, step, call);
        }
    }
    text
}

fn line(text: &mut String, step: &Step, call: &Call) {
    _ = write!(text, "    {:>9} µs  {}  {}", micros(call.start), step.side(), crate::call(call));
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
    use engine::explanation::{Asked, Root};
    use runtime::Heading;

    fn step(heading: Option<Heading>, intent: &str, inside: bool, calls: Vec<Call>) -> Step {
        let intent = intent.to_owned();
        Step { heading, intent, effect: String::new(), origin: None, start: 0, duration: 2500, inside, calls }
    }

    fn explained(steps: Vec<Step>) -> String {
        let (id, name) = (String::new(), String::new());
        text(&Explanation { id, name, root: Root::Host, spec: Box::default(), origins: Vec::new(), steps })
    }

    #[test]
    fn a_step_says_who_asked_for_it() {
        let mut step = step(Some(Heading::Sees), "set the host name", true, vec![]);
        step.origin = Some(Asked::Flag("--hostname".to_owned()));
        assert_eq!(explained(vec![step]), "sees\n  set the host name  (2.5 µs)  [--hostname]\n");
    }

    #[test]
    fn steps_stand_under_their_headings_with_their_calls() {
        let call =
            |number, result, start| Call { number, args: [0; 6], captured: vec![], result, start, duration: 1500 };
        let steps = vec![
            step(None, "prepare", false, vec![call(sys::nr::close, 3, 0)]),
            step(Some(Heading::Files), "mount /proc", true, vec![call(sys::nr::fsopen, -1, 2100)]),
            step(Some(Heading::Files), "mount /sys", true, vec![]),
        ];
        let expected = "prepares\n  prepare  (2.5 µs)\n          0.0 µs  engine  close(0) = 3  (1.5 µs)\n\
            files\n  mount /proc  (2.5 µs)\n          2.1 µs  inside  fsopen(\"\", 0) = EPERM (operation not permitted)  (1.5 µs)\n  mount /sys  (2.5 µs)\n";
        assert_eq!(explained(steps), expected);
    }
}
