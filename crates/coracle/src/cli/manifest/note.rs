//! What `add` and `annotate` say of an entry.

use engine::Note;
use engine::flags::Invalid;
use flag::{Flag, put_word};

/// `--annotation NAME=VALUE`.
pub const fn annotation<G: AsMut<Note>>() -> Flag<G> {
    let put = |g: &mut G, word: &str| {
        let wrong = || Invalid::new(word, "not an annotation").hint("give NAME=VALUE");
        let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        g.as_mut().annotations.insert(name.to_owned(), value.to_owned());
        Ok(())
    };
    Flag::takes("annotation", "NAME=VALUE", put, "Say this of it, too").under("Options")
}

/// `--arch`.
pub const fn arch<G: AsMut<Note>>() -> Flag<G> {
    Flag::takes("arch", "ARCH", |g: &mut G, w| put_word(&mut g.as_mut().arch, w), "Its architecture").under("Options")
}

/// `--features`, which no specification tells the values of.
pub const fn features<G: AsMut<Note>>() -> Flag<G> {
    let put = |g: &mut G, word: &str| {
        g.as_mut().features.extend(word.split(',').map(str::to_owned));
        Ok(())
    };
    Flag::takes("features", "LIST", put, "What it needs of the processor").under("Options")
}

/// `--os`.
pub const fn os<G: AsMut<Note>>() -> Flag<G> {
    Flag::takes("os", "OS", |g: &mut G, w| put_word(&mut g.as_mut().os, w), "Its operating system").under("Options")
}

/// `--os-features`.
pub const fn os_features<G: AsMut<Note>>() -> Flag<G> {
    let put = |g: &mut G, word: &str| {
        g.as_mut().os_features.extend(word.split(',').map(str::to_owned));
        Ok(())
    };
    Flag::takes("os-features", "LIST", put, "What it needs of the operating system").under("Options")
}

/// `--os-version`.
pub const fn os_version<G: AsMut<Note>>() -> Flag<G> {
    let about = "The version of its operating system";
    Flag::takes("os-version", "VERSION", |g: &mut G, w| put_word(&mut g.as_mut().os_version, w), about).under("Options")
}

/// `--variant`.
pub const fn variant<G: AsMut<Note>>() -> Flag<G> {
    let about = "Its architecture's variant";
    Flag::takes("variant", "VARIANT", |g: &mut G, w| put_word(&mut g.as_mut().variant, w), about).under("Options")
}
