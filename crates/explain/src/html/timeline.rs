//! The timeline: a lane for each side, on which a step is as wide as it took.

use super::{ALL, escape::escape, heading, real, time, waits};
use engine::explanation::{Explanation, Step};
use std::fmt::Write;

/// A step gets its name where it is at least this part of the whole.
const NAMED: f64 = 0.1;

/// The section.
pub fn timeline(page: &mut String, explanation: &Explanation) {
    let total = explanation.duration().max(1);
    page.push_str(
        "<section aria-labelledby=\"time\">\n<h2 id=\"time\">Where the time went</h2>\n\
         <p class=\"soft\">The engine works on this machine’s side; inside, a small program of its own builds the view and then becomes \
         the command. Both work at the same time, and hatched is where one waits for the other. A bar leads to its step.</p>\n<div class=\"card\">\n\
         <div class=\"zoom\" role=\"radiogroup\" aria-label=\"Zoom\">Zoom",
    );
    for (number, id) in [(1, "zoom1"), (4, "zoom4"), (16, "zoom16"), (64, "zoom64")] {
        let checked = if number == 1 { " checked" } else { "" };
        _ = write!(
            page,
            "<label><input type=\"radio\" name=\"zoom\" id=\"{id}\"{checked}><span>×{number}</span></label>"
        );
    }
    _ = write!(
        page,
        "</div>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline\">\n<div class=\"lanes\" id=\"lanes\" data-total=\"{total}\">\n"
    );
    for (name, inside) in [("engine", false), ("inside", true)] {
        _ = write!(page, "<div class=\"lane-name\">{name}</div>\n<div class=\"lane\" data-lane=\"{name}\">\n");
        before(page, explanation, inside, total);
        for (number, step) in explanation.steps.iter().enumerate().filter(|(_, step)| step.inside == inside) {
            bar(page, number, step, total);
        }
        page.push_str("</div>\n");
    }
    axis(page, total);
    page.push_str("</div>\n</div>\n<ul class=\"legend\">\n");
    for one in ALL {
        let (class, title) = heading(one);
        let steps: Vec<&Step> = explanation.steps.iter().filter(|step| step.heading == one && !waits(step)).collect();
        if steps.is_empty() {
            continue;
        }
        let took: u64 = steps.iter().map(|step| step.duration).sum();
        _ = writeln!(
            page,
            "<li class=\"{class}\"><b>{title}</b><small>{} in {}</small></li>",
            time(took),
            count(steps.len())
        );
    }
    let waiting: Vec<&Step> = explanation.steps.iter().filter(|step| waits(step)).collect();
    if !waiting.is_empty() {
        let took: u64 = waiting.iter().map(|step| step.duration).sum();
        _ = writeln!(
            page,
            "<li class=\"waits\"><b>waits</b><small>{} in {}</small></li>",
            time(took),
            count(waiting.len())
        );
    }
    page.push_str("</ul>\n</div>\n</section>\n");
}

/// What is before the first step of a side is nobody's: the command reads its words, or there is no other side yet.
fn before(page: &mut String, explanation: &Explanation, inside: bool, total: u64) {
    let first = explanation.steps.iter().filter(|step| step.inside == inside).map(|step| step.start).min();
    let why = if inside { "nobody is there yet" } else { "the command reads its words" };
    if let Some(first) = first {
        let width = real(first) / real(total) * 100.0;
        _ = writeln!(page, "<span class=\"before\" style=\"width:{width:.4}%\" title=\"{why}\"></span>");
    }
}

fn count(steps: usize) -> String {
    if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") }
}

fn bar(page: &mut String, number: usize, step: &Step, total: u64) {
    let part = |nanoseconds: u64| real(nanoseconds) / real(total);
    let (class, title) = heading(step.heading);
    let waiting = if waits(step) { " waits" } else { "" };
    let (intent, width) = (escape(&step.intent), part(step.duration));
    let name = if width >= NAMED { format!("<b>{intent}</b>") } else { String::new() };
    _ = writeln!(
        page,
        "<a class=\"{class}{waiting}\" href=\"#step{number}\" style=\"left:{:.4}%;width:{:.4}%\" data-start=\"{}\" data-duration=\"{}\" \
         title=\"{title}: {intent}, {}\" aria-label=\"{intent}, {}\">{name}</a>",
        part(step.start) * 100.0,
        width * 100.0,
        step.start,
        step.duration,
        time(step.duration),
        time(step.duration),
    );
}

fn axis(page: &mut String, total: u64) {
    let mut step = 1_u64;
    // One, two, five and so on, so that there are at most five.
    while total / step > 5 {
        step = match step.to_string().as_bytes()[0] {
            b'2' => step / 2 * 5,
            _ => step * 2,
        };
    }
    page.push_str("<div class=\"axis\" aria-hidden=\"true\">");
    let mut at = 0;
    while at < total {
        let left = real(at) / real(total) * 100.0;
        if left < 94.0 {
            _ = write!(page, "<span style=\"left:{left:.3}%\">{}</span>", tick(at, step));
        }
        at += step;
    }
    page.push_str("</div>\n");
}

fn tick(at: u64, step: u64) -> String {
    match step {
        0..1_000_000 => format!("{} µs", at / 1000),
        1_000_000..1_000_000_000 => format!("{} ms", at / 1_000_000),
        _ => format!("{} s", at / 1_000_000_000),
    }
}
