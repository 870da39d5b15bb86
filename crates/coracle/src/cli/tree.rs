//! `coracle image tree`: an image's layers, how large they are, and who shares them.

use super::output::print;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render;
use engine::Image;
use flag::{Flag, Help, Order, parse};
use oci::reference::Reference;
use std::fmt::Write as _;

const HELP: Help = Help {
    usage: &["image tree [OPTIONS] IMAGE"],
    about: "Show an image's layers, their sizes and who shares them",
    more: &["The lowest layer comes first."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "image tree", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    whatrequires: bool,
}

const FLAGS: &[Flag<Given>] = &[Flag::<Given>::switch(
    "whatrequires",
    |g, on| g.whatrequires = on,
    "Show the images that have all its layers and more",
)
.under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [name] = words.as_slice() else {
        return Err(Failure::words("one image is needed", "coracle image tree IMAGE"));
    };
    let engine = context.engine()?;
    let image = engine.image(name)?;
    let others: Vec<Image> = engine.images()?.into_iter().flatten().filter(|other| other.id != image.id).collect();
    let mut text = String::new();
    let names: Vec<_> = image.names.iter().map(Reference::familiar).collect();
    _ = writeln!(text, "Image ID: {}", image.id.0.short());
    _ = writeln!(text, "Tags:     [{}]", names.join(" "));
    _ = writeln!(text, "Size:     {}", render::size(engine.unpacked_size(&image)));
    let own = &image.config.rootfs.diff_ids;
    if given.whatrequires {
        text.push_str("Images on top\n");
        let above = others.iter().filter(|other| {
            let layers = &other.config.rootfs.diff_ids;
            layers.len() > own.len() && layers.starts_with(own)
        });
        branches(&mut text, above.map(|other| format!("{} {}", other.id.0.short(), called(other))));
    } else {
        text.push_str("Image Layers\n");
        let sizes = engine.layers_of(&image);
        let layers = own.iter().zip(sizes).enumerate().map(|(at, (diff_id, (size, _)))| {
            let shares = |other: &&Image| other.config.rootfs.diff_ids.contains(diff_id);
            let sharing: Vec<_> = others.iter().filter(shares).map(called).collect();
            let mut line = format!("ID: {} Size: {:>7}", diff_id.0.short(), render::size(size));
            if at + 1 == own.len() {
                _ = write!(line, " Top Layer of: [{}]", names.join(" "));
            }
            if !sharing.is_empty() {
                _ = write!(line, " Shared with: [{}]", sharing.join(" "));
            }
            line
        });
        branches(&mut text, layers);
    }
    print(&text)?;
    Ok(0)
}

fn called(image: &Image) -> String {
    image.names.first().map_or_else(|| image.id.0.short(), Reference::familiar)
}

/// Lines as branches of one trunk.
fn branches(text: &mut String, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        let branch = if lines.peek().is_some() { "├──" } else { "└──" };
        _ = writeln!(text, "{branch} {line}");
    }
}
