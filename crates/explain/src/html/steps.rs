//! The steps under the four questions, each with its calls.

use super::{ALL, escape::escape, heading, time};
use engine::explanation::{Asked, Explanation, Step};
use runtime::Heading;
use std::fmt::Write;

/// What a heading asks.
fn question(heading: Option<Heading>) -> (&'static str, &'static str) {
    match heading {
        Some(Heading::Sees) => (
            "What it sees",
            "Namespaces, host name, network: the container has some of its own, and shares the others.",
        ),
        Some(Heading::Uses) => {
            ("What it may use", "A cgroup counts and limits all that it does; the process has limits of its own.")
        }
        Some(Heading::Files) => {
            ("What its files are", "A root of layers, and what is mounted in it, made read-only or hidden.")
        }
        Some(Heading::MayDo) => ("What it may do", "Ids, capabilities, and a filter for system calls keep it there."),
        Some(Heading::Runs) => ("What it runs", "The stub looks the command up, and becomes it."),
        None => ("What prepares and clears up", "Work around the container that nobody inside sees."),
    }
}

/// All of them.
pub fn steps(page: &mut String, explanation: &Explanation) {
    for one in ALL {
        let steps: Vec<(usize, &Step)> =
            explanation.steps.iter().enumerate().filter(|(_, step)| step.heading == one).collect();
        if steps.is_empty() {
            continue;
        }
        let (class, _) = heading(one);
        let (title, words) = question(one);
        _ = write!(page, "<section class=\"steps {class}\">\n<h2>{title}</h2>\n<p class=\"soft\">{words}</p>\n");
        for (number, step) in steps {
            step_of(page, number, step);
        }
        page.push_str("</section>\n");
    }
}

fn step_of(page: &mut String, number: usize, step: &Step) {
    _ = write!(
        page,
        "<details class=\"step\"><summary><span class=\"intent\">{}</span><span class=\"took\">{}</span><span class=\"more\">",
        escape(&step.intent),
        time(step.duration)
    );
    let asked = match &step.origin {
        Some(Asked::Default) => "<span>every container</span> · ".to_owned(),
        Some(Asked::Image) => "<span class=\"by\">image</span> · ".to_owned(),
        Some(Asked::Flag(flag)) => format!("<span class=\"by\">{}</span> · ", escape(flag)),
        None => String::new(),
    };
    let calls = match step.calls.len() {
        0 => "no recorded call".to_owned(),
        1 => "1 call".to_owned(),
        several => format!("{several} calls"),
    };
    _ = write!(page, "{asked}{} · {calls}", step.side());
    if !step.effect.is_empty() {
        _ = write!(page, "<br>{}", escape(&step.effect));
    }
    _ = write!(page, "</span></summary>\n<ol class=\"calls\" id=\"step{number}\">\n");
    if step.calls.is_empty() {
        page.push_str("<li class=\"alone\">It made no call of its own that changes something.</li>\n");
    }
    for call in &step.calls {
        let failed = if call.error().is_some() { " class=\"failed\"" } else { "" };
        let result = call.error().map_or_else(|| call.result.to_string(), |error| error.to_string());
        _ = writeln!(
            page,
            "<li{failed}><span class=\"at\">{}</span><span>{} = {} <span class=\"soft\">({})</span></span></li>",
            time(call.start),
            escape(&crate::call(call)).replace('|', "|<wbr>"),
            escape(&result),
            time(call.duration)
        );
    }
    page.push_str("</ol></details>\n");
}
