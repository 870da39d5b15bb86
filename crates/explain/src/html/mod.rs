//! A start as a page of HTML: one file that asks nobody for anything, for reading without a network, on paper, and in
//! whichever colours the reader likes.
//!
//! There is no script in it, and a policy that lets none run: names come from images and from whoever made them. What
//! folds is `<details>`, what zooms are radio buttons.

mod escape;
mod picture;
mod steps;
mod timeline;

use engine::explanation::{Call, Explanation, Root, Step};
use escape::escape;
use runtime::Heading;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn html(explanation: &Explanation) -> String {
    let mut page = String::new();
    let name = escape(&explanation.name);
    _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"coracle\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{name}: how its container started</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    head(&mut page, explanation);
    page.push_str("<main>\n");
    timeline::timeline(&mut page, explanation);
    picture::picture(&mut page, explanation);
    steps::steps(&mut page, explanation);
    page.push_str("</main>\n");
    _ = write!(
        page,
        "<footer><p>Written by <code>coracle run --explain-file</code> from what was recorded while container <code>{}</code> \
         started. Times are of that one start.</p></footer>\n</body>\n</html>\n",
        escape(&explanation.id)
    );
    page
}

fn head(page: &mut String, explanation: &Explanation) {
    let image = match &explanation.root {
        Root::Host => "this machine’s own files".to_owned(),
        Root::Directory(path) => format!("<code>{}</code>", escape(&path.to_string_lossy())),
        Root::Layers(_) => {
            format!("<code>{}</code>", escape(explanation.around.image.as_deref().unwrap_or("an image")))
        }
    };
    let process = explanation.spec.process.as_ref();
    let words: Vec<String> = process.into_iter().flat_map(|process| &process.args).map(|word| shown(word)).collect();
    let calls: usize = explanation.steps.iter().map(|step| step.calls.len()).sum();
    _ = write!(
        page,
        "<header>\n<h1>{}</h1>\n<p class=\"soft\">A container of {image}, from the first instruction of the command that \
         asked for it to the last before its own program. It runs:</p>\n<code class=\"command\">{}</code>\n\
         <ul class=\"facts\"><li><b>{}</b><span>from start to program</span></li>\
         <li><b>{}</b><span>steps</span></li><li><b>{calls}</b><span>system calls that changed something</span></li></ul>\n</header>\n",
        escape(&explanation.name),
        escape(&words.join(" ")),
        time(explanation.duration()),
        explanation.steps.len(),
    );
}

/// A word as one would type it.
fn shown(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:=@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A number as one of a scale: what is longer than three months in nanoseconds loses its end.
#[allow(clippy::cast_precision_loss, reason = "for people, who read three digits of it")]
fn real(number: u64) -> f64 {
    number as f64
}

/// A time that people read.
fn time(nanoseconds: u64) -> String {
    let number = real(nanoseconds);
    match nanoseconds {
        0..1_000_000 => format!("{:.1} µs", number / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", number / 1e6),
        _ => format!("{:.2} s", number / 1e9),
    }
}

/// The class and the title of a heading; what has none prepares, or clears away.
fn heading(heading: Option<Heading>) -> (&'static str, &'static str) {
    match heading {
        Some(Heading::MayDo) => ("maydo", "may do"),
        Some(heading) => (heading.title(), heading.title()),
        None => ("prepares", "prepares"),
    }
}

/// All headings, in the order in which people read of them.
const ALL: [Option<Heading>; 6] =
    [Some(Heading::Sees), Some(Heading::Uses), Some(Heading::Files), Some(Heading::MayDo), Some(Heading::Runs), None];

/// Most of a step was waiting for the other side.
fn waits(step: &Step) -> bool {
    let waiting =
        |call: &&Call| matches!(call.name(), "recvmsg" | "recvfrom" | "read" | "poll" | "ppoll" | "wait4" | "waitid");
    let waited: u64 = step.calls.iter().filter(waiting).map(|call| call.duration).sum();
    step.duration > 0 && waited * 2 > step.duration || step.intent.starts_with("hear ")
}

#[cfg(test)]
mod tests;
