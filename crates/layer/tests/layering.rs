//! What a layer hides and shows of those below, as the kernel's overlay shows it.

mod tar;

use layer::{OverlayXattrs, Refusal};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use tar::{Header, Place, Tar};
use testkit::requires;

/// Applies tars as layers of their own, lowest first, and lists what an overlay of them shows: `path` or `path=content`.
/// With `alone`, no layer sees those below it.
fn shown(tars: &[Tar], alone: bool) -> (Vec<String>, Vec<Place>) {
    let mut places: Vec<Place> = Vec::new();
    let mut from = 0;
    for tar in tars {
        let place = Place::new();
        let paths: Vec<PathBuf> = places[from..].iter().map(|place| place.path("")).collect();
        let lowers: Vec<&Path> = if alone { Vec::new() } else { paths.iter().map(PathBuf::as_path).collect() };
        let applied = place.apply_on(&tar.clone().end(), &lowers).expect("applied");
        if applied.hides_lowers {
            from = places.len();
        }
        places.push(place);
    }
    let context = sys::mount::FsContext::open("overlay").expect("an overlay");
    for place in places[from..].iter().rev() {
        context.set("lowerdir+", place.path("")).expect("a layer");
    }
    // An overlay wants two layers.
    let empty = tempfile::tempdir().expect("a directory");
    context.set("lowerdir+", empty.path()).expect("a layer");
    let mount = context.mount(0).expect("a mount");
    let root = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&mount.as_fd())));
    let mut lines = Vec::new();
    list(&root, Path::new(""), &mut lines);
    lines.sort();
    (lines, places)
}

fn list(root: &Path, path: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(path)).expect("a directory") {
        let entry = entry.expect("an entry");
        let path = path.join(entry.file_name());
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            lines.push(format!("{}/", path.display()));
            list(root, &path, lines);
        } else if kind.is_file() {
            let content = fs::read_to_string(root.join(&path)).expect("a file");
            lines.push(format!("{}={content}", path.display()));
        } else {
            assert!(fs::symlink_metadata(root.join(&path)).is_ok(), "a whiteout shines through at {}", path.display());
            lines.push(path.display().to_string());
        }
    }
}

fn below() -> Tar {
    Tar::new().dir("d").file("d/a", "1").file("d/b", "1").dir("d/sub").file("d/sub/c", "1").file("e", "1")
}

#[test]
fn a_whiteout_hides_a_file_or_a_whole_directory() {
    requires!(root, kernel = (6, 5));
    let (lines, _) =
        shown(&[below(), Tar::new().dir("d").file("d/.wh.a", "").file(".wh.e", "").file("d/.wh.sub", "")], true);
    assert_eq!(lines, ["d/", "d/b=1"]);
}

#[test]
fn an_opaque_directory_shows_only_its_own() {
    requires!(root, kernel = (6, 5));
    for upper in [
        Tar::new().dir("d").file("d/.wh..wh..opq", "").file("d/new", "2"),
        Tar::new().dir("d").file("d/new", "2").file("d/.wh..wh..opq", ""),
        Tar::new().file("d/.wh..wh..opq", "").dir("d").file("d/.wh.a", "").file("d/new", "2"),
    ] {
        assert_eq!(shown(&[below(), upper], true).0, ["d/", "d/new=2", "e=1"]);
    }
}

#[test]
fn an_opaque_root_hides_every_layer_below() {
    requires!(root, kernel = (6, 5));
    let (lines, _) =
        shown(&[below(), Tar::new().file("x", "2").file(".wh..wh..opq", ""), Tar::new().file("y", "3")], true);
    assert_eq!(lines, ["x=2", "y=3"]);
}

#[test]
fn what_the_same_layer_has_stays_whichever_comes_first() {
    requires!(root, kernel = (6, 5));
    let first = Tar::new().file(".wh.e", "").file("e", "2").file(".wh.d", "").dir("d").file("d/new", "2");
    let last = Tar::new().file("e", "2").file(".wh.e", "").dir("d").file("d/new", "2").file(".wh.d", "");
    let implicit = Tar::new().file(".wh.d", "").file("d/new", "2").file("e", "2");
    for upper in [first, last, implicit] {
        assert_eq!(shown(&[below(), upper], true).0, ["d/", "d/new=2", "e=2"]);
    }
}

#[test]
fn a_directory_in_place_of_a_file_of_the_layer_shows_nothing_from_below() {
    requires!(root, kernel = (6, 5));
    let (lines, _) = shown(&[below(), Tar::new().dir("d").file("d", "flat").dir("d").file("d/new", "2")], true);
    assert_eq!(lines, ["d/", "d/new=2", "e=1"]);
}

#[test]
fn a_path_through_a_link_of_a_lower_layer_leads_where_the_link_leads() {
    requires!(root, kernel = (6, 5));
    let base =
        Tar::new().dir("usr").dir("usr/lib").symlink("lib", "usr/lib").symlink("abs", "/usr").file("usr/lib/a", "1");
    let upper =
        Tar::new().file("lib/b", "2").file("abs/lib/c", "2").file("lib/sub/../x".replace("sub/../", "").as_str(), "2");
    let (lines, places) = shown(&[base, upper], false);
    assert_eq!(lines, ["abs", "lib", "usr/", "usr/lib/", "usr/lib/a=1", "usr/lib/b=2", "usr/lib/c=2", "usr/lib/x=2"]);
    assert!(!places[1].path("lib").exists());
}

#[test]
fn a_directory_without_an_entry_looks_as_it_does_below() {
    requires!(root, kernel = (6, 5));
    let base = Tar::new().header(Header::new(b'5', b"tmp").mode(0o1777).owner(3, 4));
    let (_, places) = shown(&[base, Tar::new().file("tmp/x", "2").file("new/y", "2")], false);
    let meta = fs::metadata(places[1].path("tmp")).expect("metadata");
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.mtime()), (0o1777, 3, 4, 1_000_000_000));
    let meta = fs::metadata(places[1].path("new")).expect("metadata");
    assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o755, 0));
}

#[test]
fn only_what_looked_below_depends_on_it() {
    let place = || Place::new();
    let depends = |tar: Tar| place().apply(&tar.end()).expect("applied").depends_on_lowers;
    assert!(!depends(Tar::new().dir("a").file("a/b", "x").file("c", "y")));
    assert!(depends(Tar::new().file("a/b", "x")));
    assert!(!depends(Tar::new().dir("a").file("a/.wh..wh..opq", "").file("a/b/c", "x")), "nothing below is seen");
}

#[test]
fn a_hard_link_to_a_file_of_a_lower_layer_brings_the_file() {
    requires!(root, kernel = (6, 5));
    let base = Tar::new()
        .dir("d")
        .pax(&[("SCHILY.xattr.user.x", b"y"), ("mtime", b"7.5")])
        .header(Header::new(b'0', b"d/a").mode(0o4711).owner(5, 6).size(3))
        .data(b"low")
        .symlink("d/l", "a");
    let (lines, places) = shown(&[base, Tar::new().link("b", "d/a").link("m", "d/l")], false);
    assert_eq!(lines, ["b=low", "d/", "d/a=low", "d/l", "m"]);
    let [a, b] = ["d/a", "b"].map(|name| fs::metadata(places[1].path(name)).expect("metadata"));
    assert_eq!(a.ino(), b.ino());
    assert_eq!((a.mode() & 0o7777, a.uid(), a.gid(), a.mtime(), a.mtime_nsec()), (0o4711, 5, 6, 7, 500_000_000));
    let mut value = [0; 8];
    assert_eq!(rustix::fs::getxattr(places[1].path("b"), "user.x", &mut value), Ok(1));
}

#[test]
fn a_hard_link_finds_nothing_behind_a_whiteout_or_an_opaque_directory() {
    requires!(root);
    let base = Place::new();
    base.apply(&below().end()).expect("applied");
    for upper in [
        Tar::new().dir("d").file("d/.wh.a", "").link("x", "d/a"),
        Tar::new().dir("d").file("d/.wh..wh..opq", "").link("x", "d/a"),
        Tar::new().file(".wh.d", "").link("x", "d/a"),
        Tar::new().dir("d").link("x", "d/none"),
    ] {
        match Place::new().apply_on(&upper.end(), &[&base.path("")]) {
            Err(layer::Error::Refused { reason: Refusal::NoLinkTarget(_), .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lower_layers_are_seen_through_their_own_whiteouts_and_opaque_directories() {
    requires!(root);
    let (base, middle) = (Place::new(), Place::new());
    base.apply(&below().symlink("s", "d").end()).expect("applied");
    let tar = Tar::new().dir("d").file("d/.wh.a", "").dir("d/sub").file("d/sub/.wh..wh..opq", "").file(".wh.s", "");
    middle.apply(&tar.end()).expect("applied");
    let lowers = [base.path(""), middle.path("")];
    let lowers: Vec<&Path> = lowers.iter().map(PathBuf::as_path).collect();
    let link = |target: &str| Place::new().apply_on(&Tar::new().link("x", target).end(), &lowers);
    assert!(link("d/b").is_ok());
    assert!(link("d/a").is_err(), "whited out");
    assert!(link("d/sub/c").is_err(), "opaque");
    let place = Place::new();
    place.apply_on(&Tar::new().file("s/x", "2").end(), &lowers).expect("applied");
    assert!(fs::symlink_metadata(place.path("s")).expect("s").is_dir(), "the link is gone below");
}

#[test]
fn aufs_leavings_are_ignored() {
    requires!(root);
    let place = Place::new();
    let tar = Tar::new().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file(".wh..wh.aufs", "").file("a", "1");
    place.apply(&tar.end()).expect("applied");
    assert_eq!(fs::read_dir(place.path("")).expect("list").count(), 1);
}

#[test]
fn each_kind_of_overlay_gets_its_own_attribute() {
    requires!(root);
    for (xattrs, name) in
        [(OverlayXattrs::Trusted, "trusted.overlay.opaque"), (OverlayXattrs::User, "user.overlay.opaque")]
    {
        let place = Place::new();
        let tar = Tar::new().dir("d").file("d/.wh..wh..opq", "").file(".wh.x", "").end();
        place.apply_with(&tar, &layer::Options { xattrs, ..tar::options() }).expect("applied");
        let mut value = [0; 8];
        assert_eq!(rustix::fs::getxattr(place.path("d"), name, &mut value), Ok(1));
        assert!(fs::symlink_metadata(place.path("x")).expect("x").file_type().is_char_device());
    }
}
