//! The steps of a start as a tree of text.

use engine::explanation::{Call, Explanation, Step};
use runtime::Heading;
use std::fmt::Write;

/// Below a first line that sums up, the steps in their order under the question that they answer, each with who asked for
/// it and what is different afterwards, and its system calls: how long after the beginning, by whom, with what result, how
/// long it took.
pub fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let calls: usize = explanation.steps.iter().map(|step| step.calls.len()).sum();
    let Explanation { id, name, steps, .. } = explanation;
    let short = id.get(..12).unwrap_or(id);
    let whole = micros(explanation.duration());
    _ = writeln!(text, "{name} ({short}): {whole} µs, {} steps, {calls} system calls", steps.len());
    for heading in [None].into_iter().chain(Heading::ALL.map(Some)) {
        let of_it: Vec<&Step> = steps.iter().filter(|step| step.heading == heading).collect();
        if of_it.is_empty() {
            continue;
        }
        let took = micros(of_it.iter().map(|step| step.duration).sum());
        _ = writeln!(text, "\n{}  ({took} µs)", heading.map_or("prepares", Heading::title));
        for (index, step) in of_it.iter().enumerate() {
            branch(&mut text, step, index + 1 == of_it.len());
        }
    }
    text
}

fn branch(text: &mut String, step: &Step, last: bool) {
    let (fork, stem) = if last { ("└─", "  ") } else { ("├─", "│ ") };
    let side = step.side();
    _ = write!(text, "{fork} {}  ({} µs)", step.intent, micros(step.duration));
    match &step.origin {
        Some(origin) => _ = writeln!(text, "  [{origin}]"),
        None => text.push('\n'),
    }
    if !step.effect.is_empty() {
        _ = writeln!(text, "{stem}   {}", step.effect);
    }
    for call in &step.calls {
        _ = writeln!(text, "{stem} {:>9} µs  {side}  {}", micros(call.start), line(call));
    }
    if step.calls.is_empty() {
        _ = writeln!(text, "{stem} {:>9} µs  {side}", micros(step.start));
    }
}

fn line(call: &Call) -> String {
    let result = call.error().map_or_else(|| call.result.to_string(), |error| error.to_string());
    format!("{} = {result}  ({} µs)", crate::call(call), micros(call.duration))
}

fn micros(nanoseconds: u64) -> String {
    format!("{}.{}", nanoseconds / 1000, nanoseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::explanation::{Asked, Root};

    fn step(heading: Option<Heading>, intent: &str, inside: bool, calls: Vec<Call>) -> Step {
        let (intent, effect) = (intent.to_owned(), String::new());
        Step { heading, intent, effect, origin: None, start: 0, duration: 2500, inside, calls }
    }

    fn explained(steps: Vec<Step>) -> String {
        let (id, name) = ("0123456789abcdef".to_owned(), "box".to_owned());
        text(&Explanation {
            id,
            name,
            root: Root::Host,
            spec: Box::default(),
            origins: Vec::new(),
            steps,
            around: engine::surroundings::Surroundings::default(),
        })
    }

    #[test]
    fn a_step_says_who_asked_for_it_and_what_it_did() {
        let mut step = step(Some(Heading::Sees), "set the host name", true, vec![]);
        step.origin = Some(Asked::Flag("--hostname".to_owned()));
        step.effect = "it has one".to_owned();
        let expected = "box (0123456789ab): 2.5 µs, 1 steps, 0 system calls\n\nsees  (2.5 µs)\n\
            └─ set the host name  (2.5 µs)  [--hostname]\n     it has one\n         0.0 µs  inside\n";
        assert_eq!(explained(vec![step]), expected);
    }

    #[test]
    fn steps_stand_under_their_headings_with_their_calls() {
        let call =
            |number, result, start| Call { number, args: [0; 6], captured: vec![], result, start, duration: 1500 };
        let steps = vec![
            step(Some(Heading::Files), "mount /proc", true, vec![call(sys::nr::fsopen, -1, 2100)]),
            step(None, "prepare", false, vec![call(sys::nr::close, 3, 0)]),
            step(Some(Heading::Files), "mount /sys", true, vec![]),
        ];
        let expected = "box (0123456789ab): 2.5 µs, 3 steps, 2 system calls\n\n\
            prepares  (2.5 µs)\n└─ prepare  (2.5 µs)\n         0.0 µs  engine  close(0) = 3  (1.5 µs)\n\n\
            files  (5.0 µs)\n├─ mount /proc  (2.5 µs)\n\
            │        2.1 µs  inside  fsopen(NULL, 0) = EPERM (operation not permitted)  (1.5 µs)\n\
            └─ mount /sys  (2.5 µs)\n         0.0 µs  inside\n";
        assert_eq!(explained(steps), expected);
    }
}
