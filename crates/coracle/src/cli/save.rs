//! `coracle save`: images into a file, for other engines and other machines.

use super::outgoing::Outgoing;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::flags::Invalid;
use engine::save::{DirectoryForm, Form, Layers};
use flag::{Flag, Help, Order, parse, put, put_word};
use std::path::Path;
use std::str::FromStr;

const HELP: Help = Help {
    usage: &["save [OPTIONS] IMAGE..."],
    about: "Save images to an archive",
    more: &[
        "Formats: docker-archive (for docker load, podman load and coracle load), oci-archive, and the directories oci-dir \
             and docker-dir. An image keeps the name by which it was called; layers are saved as they are stored.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "save", aliases: &["image save"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
    output: Option<String>,
    quiet: bool,
    uncompressed: bool,
    several: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy)]
enum Format {
    Archive(Form),
    Directory(DirectoryForm),
}

impl FromStr for Format {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        Ok(match word {
            "docker-archive" => Self::Archive(Form::DockerArchive),
            "oci-archive" => Self::Archive(Form::OciArchive),
            "oci-dir" => Self::Directory(DirectoryForm::Oci),
            "docker-dir" => Self::Directory(DirectoryForm::Docker),
            _ => {
                let hint = "docker-archive, oci-archive, oci-dir or docker-dir";
                return Err(Invalid::new(word, "no such format").hint(hint));
            }
        })
    }
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes(
        "format",
        "FORMAT",
        |g, w| put(&mut g.format, w),
        "docker-archive (what is meant without), oci-archive, \
         oci-dir or docker-dir",
    )
    .under("Options"),
    // Podman asks for several images in one archive to be allowed first.
    F::switch("multi-image-archive", |g, on| g.several = on, "").short('m'),
    F::takes("output", "FILE", |g, w| put_word(&mut g.output, w), "File or directory, instead of standard output")
        .short('o')
        .under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Say nothing; nothing is said anyway").short('q').under("Options"),
    F::switch("uncompressed", |g, on| g.uncompressed = on, "Inflate the layers").under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let images = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    super::some_words(&images, "an image")?;
    let layers = if given.uncompressed { Layers::Inflated } else { Layers::AsStored };
    let output = given.output.as_deref();
    match given.format.unwrap_or(Format::Archive(Form::DockerArchive)) {
        Format::Archive(form) => {
            let mut out = Outgoing::open(output, VERB.name)?;
            context.engine()?.save(&images, form, layers, &mut out)?;
            out.finish()?;
        }
        Format::Directory(form) => {
            let Some(path) = output.filter(|path| *path != "-") else {
                return Err(Failure::words("a directory is needed", "coracle save --format oci-dir -o DIR IMAGE"));
            };
            context.engine()?.save_directory(&images, form, layers, Path::new(path))?;
        }
    }
    Ok(0)
}
