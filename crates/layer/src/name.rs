//! Names of entries: split, checked, and told apart from whiteouts (image spec, layer.md, "Whiteouts").

use crate::error::Refusal;

/// As long as paths can be (PATH_MAX, without its zero byte).
const LONGEST: usize = 4095;
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names of the file system that whiteouts stem from; all but the opaque marker mean nothing any more.
const AUFS: &[u8] = b".wh..wh.";

/// What a name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// The root directory itself.
    Root,
    /// An entry in a directory.
    Entry(Place<'a>),
    /// Nothing of that name shall be seen of the layers below.
    Whiteout(Place<'a>),
    /// Nothing of the directory shall be seen of the layers below; `place.name` is the marker's own.
    Opaque(Place<'a>),
    /// Metadata of another file system.
    Ignored,
}

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The directory's path as in the tar; empty for the root.
    pub parent: &'a [u8],
    /// The name in it.
    pub name: &'a [u8],
}

/// The components of a path without empty ones and `.`.
pub fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, [] | b"."))
}

/// Splits a path into directory and name; `None` for the root. Absolute paths start at the root too.
pub fn place(path: &[u8]) -> Result<Option<Place<'_>>, Refusal> {
    if path.is_empty() {
        return Err(Refusal::NoName);
    }
    if path.len() > LONGEST {
        return Err(Refusal::TooLong(path.len()));
    }
    if path.contains(&0) {
        return Err(Refusal::Nul);
    }
    if components(path).any(|part| part == b"..") {
        return Err(Refusal::DotDot);
    }
    let mut end = path.len();
    loop {
        let start = path[..end].iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        match &path[start..end] {
            [] | b"." if start == 0 => return Ok(None),
            [] | b"." => end = start - 1,
            name => return Ok(Some(Place { parent: &path[..start], name })),
        }
    }
}

/// Judges an entry's name.
pub fn parse(path: &[u8]) -> Result<Name<'_>, Refusal> {
    let Some(place) = place(path)? else { return Ok(Name::Root) };
    if components(place.parent).any(|part| part.starts_with(AUFS)) {
        return Ok(Name::Ignored);
    }
    if components(place.parent).any(|part| part.starts_with(WHITEOUT)) {
        return Err(Refusal::WhiteoutDirectory);
    }
    if place.name == OPAQUE {
        return Ok(Name::Opaque(place));
    }
    if place.name.starts_with(AUFS) {
        return Ok(Name::Ignored);
    }
    match place.name.strip_prefix(WHITEOUT) {
        None => Ok(Name::Entry(place)),
        Some(b"" | b"." | b"..") => Err(Refusal::Whiteout),
        Some(name) => Ok(Name::Whiteout(Place { name, ..place })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(parent: &'a [u8], name: &'a [u8]) -> Name<'a> {
        Name::Entry(Place { parent, name })
    }

    #[test]
    fn paths_are_split_whatever_dots_and_slashes_they_have() {
        assert_eq!(parse(b"a"), Ok(entry(b"", b"a")));
        assert_eq!(parse(b"./a/b/"), Ok(entry(b"./a/", b"b")));
        assert_eq!(parse(b"/etc//passwd"), Ok(entry(b"/etc//", b"passwd")));
        assert_eq!(parse(b"a/./"), Ok(entry(b"", b"a")));
        assert_eq!(parse(b"..a"), Ok(entry(b"", b"..a")));
        for root in [&b"."[..], b"./", b"/", b"//./"] {
            assert_eq!(parse(root), Ok(Name::Root));
        }
    }

    #[test]
    fn what_could_lead_out_is_refused() {
        for path in [&b".."[..], b"../a", b"a/../b", b"a/..", b"/.."] {
            assert_eq!(parse(path), Err(Refusal::DotDot));
        }
        assert_eq!(parse(b""), Err(Refusal::NoName));
        assert_eq!(parse(b"a\0b"), Err(Refusal::Nul));
        assert_eq!(parse(&[b'a'; 4096]), Err(Refusal::TooLong(4096)));
    }

    #[test]
    fn whiteouts_are_told_apart() {
        assert_eq!(parse(b"a/.wh.b"), Ok(Name::Whiteout(Place { parent: b"a/", name: b"b" })));
        assert_eq!(parse(b".wh..wh..opq"), Ok(Name::Opaque(Place { parent: b"", name: OPAQUE })));
        assert_eq!(parse(b".wh..wh.plnk/1.2"), Ok(Name::Ignored));
        for nothing in [&b".wh."[..], b"a/.wh..", b".wh..."] {
            assert_eq!(parse(nothing), Err(Refusal::Whiteout));
        }
        assert_eq!(parse(b".wh.a/b"), Err(Refusal::WhiteoutDirectory));
    }
}
