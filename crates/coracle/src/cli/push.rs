//! `coracle push`: an image to a registry.

use super::output::print;
use super::remote::{self, Remote};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::Progress;
use engine::flags::Invalid;
use engine::{Compression, Engine, Format, Image, Repacking};
use flag::{Flag, Help, Order, parse, put_word};
use oci::digest::Digest;
use oci::reference::Reference;

const HELP: Help = Help {
    usage: &["push [OPTIONS] IMAGE [DESTINATION]"],
    about: "Push an image to a registry",
    more: &["Without DESTINATION it goes where its name says. What is stored compressed is sent as it is; what the \
             registry has already, in whatever repository, is not sent."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "push", aliases: &["image push"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    all_tags: bool,
    repacking: Repacking,
    digest_file: DigestFile,
    quiet: bool,
}

crate::cli::parts!(Given { remote: Remote, repacking: Repacking, digest_file: DigestFile });

/// Where the digest of what was pushed is written.
#[derive(Debug, Default)]
pub struct DigestFile(Option<String>);

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all-tags", |g, on| g.all_tags = on, "All images of the repository IMAGE").short('a').under("Options"),
    remote::auth_file(),
    remote::cert_dir(),
    compression_format(),
    compression_level(),
    remote::creds(),
    digest_file(),
    F::switch("disable-content-trust", |_, _| (), ""),
    F::switch("force-compression", |_, _| (), ""),
    format(),
    F::switch("quiet", |g, on| g.quiet = on, "Tell only the image's name").short('q').under("Options"),
    // There are none to be removed: they stand beside an image, not in it.
    F::switch("remove-signatures", |_, _| (), ""),
    remote::retry(),
    remote::retry_delay(),
    remote::tls_verify(),
];

/// `--compression-format`, of a verb whose flags have a [`Repacking`] among them.
pub const fn compression_format<G: AsMut<Repacking>>() -> Flag<G> {
    let put = |g: &mut G, word: &str| {
        g.as_mut().compression = Some(match word {
            "gzip" => Compression::Gzip,
            "zstd" => Compression::Zstd,
            _ => return Err(Invalid::new(word, "not a compression").hint("give gzip or zstd")),
        });
        Ok(())
    };
    Flag::takes("compression-format", "FORMAT", put, "Send all layers so: gzip or zstd").under("Options")
}

/// `--compression-level`.
pub const fn compression_level<G: AsMut<Repacking>>() -> Flag<G> {
    let put = |g: &mut G, word: &str| {
        let level: i32 = word.parse().map_err(|_| Invalid::new(word, "not a number"))?;
        if !(1..=22).contains(&level) {
            return Err(Invalid::new(word, "not a level").hint("gzip has 1 to 9, zstd 1 to 22"));
        }
        g.as_mut().level = Some(level);
        Ok(())
    };
    Flag::takes("compression-level", "LEVEL", put, "How well: gzip has 1 to 9 (6), zstd 1 to 22 (3)").under("Options")
}

/// `--format`.
pub const fn format<G: AsMut<Repacking>>() -> Flag<G> {
    let put = |g: &mut G, word: &str| {
        g.as_mut().format = Some(match word {
            "oci" => Format::Oci,
            "v2s2" | "docker" => Format::Docker,
            "v2s1" => return Err(Invalid::new(word, "no registry takes schema 1 any more").hint("give oci or v2s2")),
            _ => return Err(Invalid::new(word, "not a format").hint("give oci or v2s2")),
        });
        Ok(())
    };
    Flag::takes("format", "FORMAT", put, "The documents' format: oci or v2s2 (as it is)").short('f').under("Options")
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = context.engine()?;
    let pushes = match (words.as_slice(), given.all_tags) {
        ([name], true) => all_tags(&engine, name)?,
        ([_, _], true) => return Err(Failure::words("--all-tags goes where the names say", "leave out DESTINATION")),
        ([name], false) => {
            let image = engine.image(name)?;
            let to = own_name(&image, name)?;
            vec![(image, to)]
        }
        ([name, to], false) => vec![(engine.image(name)?, destination(to)?)],
        _ => return Err(Failure::words("an image and maybe a destination are needed", "--help tells the usage")),
    };
    let client = given.remote.client()?;
    for (image, to) in pushes {
        let progress = Progress::new(given.quiet);
        let pushed = engine.push(&client, &image, &to, given.repacking, &progress);
        progress.end();
        let pushed = pushed?;
        given.digest_file.write(&pushed.digest)?;
        print(&if given.quiet {
            format!("{to}\n")
        } else {
            format!("{}: digest: {} size: {}\n", to.tag().unwrap_or_default(), pushed.digest, pushed.size)
        })?;
    }
    Ok(0)
}

/// `--digestfile`, of a verb whose flags have a [`DigestFile`] among them.
pub const fn digest_file<G: AsMut<DigestFile>>() -> Flag<G> {
    let about = "Write the digest to this file";
    Flag::takes("digestfile", "FILE", |g: &mut G, w| put_word(&mut g.as_mut().0, w), about).under("Options")
}

impl DigestFile {
    /// Writes it, where one is wanted.
    pub fn write(&self, digest: &Digest) -> Result<(), Failure> {
        let Some(file) = &self.0 else { return Ok(()) };
        let failed = |error| Failure::unreadable("--digestfile", file, error);
        std::fs::write(file, digest.to_string()).map_err(failed)
    }
}

/// Where an image goes that was named without a destination: the name by which it was found.
fn own_name(image: &Image, name: &str) -> Result<Reference, Failure> {
    let wanted = name.parse::<Reference>().ok();
    let candidates = [wanted.as_ref().and_then(Reference::local), wanted.clone()];
    let own = candidates.into_iter().flatten().find(|name| image.names.contains(name));
    own.ok_or_else(|| Failure::words(format!("{name} does not say where to"), "name a destination: REGISTRY/NAME:TAG"))
}

/// DESTINATION.
pub fn destination(word: &str) -> Result<Reference, Failure> {
    const OTHERS: [&str; 7] =
        ["oci:", "oci-archive:", "docker-archive:", "dir:", "containers-storage:", "docker-daemon:", "ostree:"];
    if OTHERS.iter().any(|transport| word.starts_with(transport)) {
        return Err(Failure::words(format!("{word} is no registry"), "coracle save writes files and directories"));
    }
    let bare = word.strip_prefix("docker://").unwrap_or(word);
    bare.parse().map_err(|error| Failure::because("DESTINATION", error))
}

/// All images that have a name in a repository.
fn all_tags(engine: &Engine, name: &str) -> Result<Vec<(Image, Reference)>, Failure> {
    let repository: Reference = name.parse().map_err(|error| Failure::because("IMAGE", error))?;
    if name.rsplit('/').next().is_some_and(|last| last.contains([':', '@'])) {
        return Err(Failure::words(format!("{name} is one image, not all of them"), "leave out the tag, or -a"));
    }
    let mut found = Vec::new();
    for image in engine.images()?.into_iter().flatten() {
        let of = image.names.iter().filter(|own| own.repository() == repository.repository());
        found.extend(of.map(|own| (image.clone(), own.clone())));
    }
    if found.is_empty() {
        return Err(Failure::absent(format!("no image of {}", repository.repository()), "coracle images lists them"));
    }
    Ok(found)
}
