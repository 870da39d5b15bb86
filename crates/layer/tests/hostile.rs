//! Tars that want out of their directory, or want the reader to see something else than what they show to others.
//! After each, what lies beside the directory is checked to be untouched (`Place::apply_with`).

mod tar;

use layer::{Error, Limits, Options, Refusal};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use tar::{Header, Place, Tar, options, refusal};
use testkit::requires;

#[test]
fn a_name_with_two_dots_is_refused() {
    for name in ["../outside/x", "a/../../outside/x", "..", "a/..", "./../x"] {
        assert_eq!(refusal(&Tar::new().file(name, "x").end()), Refusal::DotDot, "{name}");
        assert_eq!(refusal(&Tar::new().dir(name).end()), Refusal::DotDot, "{name}");
        assert!(layer::scan(&*Tar::new().dir(name).end()).is_err(), "{name}");
    }
}

#[test]
fn an_absolute_name_starts_at_the_layers_root() {
    let place = Place::new();
    place.apply(&Tar::new().file("/etc/motd", "hello").file("//tmp//x", "y").end()).expect("applied");
    assert_eq!((place.read("etc/motd"), place.read("tmp/x")), ("hello".to_owned(), "y".to_owned()));
}

#[test]
fn writing_through_a_link_to_outside_stays_inside() {
    for target in ["../outside", "/../outside", "../../../../../../outside", "x/../../outside"] {
        let place = Place::new();
        let tar = Tar::new().dir("x").symlink("link", target).file("link/canary", "dead").file("link/new", "x").end();
        place.apply(&tar).expect("applied, inside");
        assert_eq!(place.read("outside/canary"), "dead");
    }
}

#[test]
fn a_link_to_an_absolute_path_is_taken_within_the_root() {
    let place = Place::new();
    let outside = place.dir.path().join("outside");
    let outside = outside.to_str().expect("UTF-8");
    place.apply(&Tar::new().symlink("link", outside).file("link/canary", "dead").end()).expect("applied");
    assert_eq!(place.read(&format!("{}/canary", &outside[1..])), "dead");
    assert_eq!(fs::read_link(place.path("link")).expect("a link"), PathBuf::from(outside));
}

#[test]
fn a_file_replaces_a_link_and_is_not_written_through_it() {
    let place = Place::new();
    place.apply(&Tar::new().symlink("a", "../outside/canary").file("a", "mine").end()).expect("applied");
    assert!(fs::symlink_metadata(place.path("a")).expect("a").is_file());
    assert_eq!(place.read("a"), "mine");
}

#[test]
fn a_directory_swapped_for_a_link_is_not_followed_out() {
    let place = Place::new();
    let tar = Tar::new()
        .dir("d")
        .file("d/one", "1")
        .symlink("d", "../outside")
        .file("d/canary", "dead")
        .dir("d")
        .file("d/two", "2")
        .end();
    place.apply(&tar).expect("applied");
    assert_eq!(place.read("outside/canary"), "dead", "where the link led, inside");
    // The second `d/` replaces the link, as under docker.
    assert!(!place.path("d/one").exists());
    assert_eq!(place.read("d/two"), "2");
}

#[test]
fn links_that_lead_to_each_other_are_refused() {
    let tar = Tar::new().symlink("a", "b").symlink("b", "a").file("a/x", "x").end();
    assert_eq!(refusal(&tar), Refusal::LinkLoop);
}

#[test]
fn a_hard_link_to_outside_is_refused() {
    assert_eq!(refusal(&Tar::new().link("a", "../outside/canary").end()), Refusal::DotDot);
    let absolute = Tar::new().link("a", "/etc/passwd").end();
    assert_eq!(refusal(&absolute), Refusal::NoLinkTarget("etc/passwd".to_owned()));
}

#[test]
fn a_hard_link_through_a_link_to_outside_finds_nothing() {
    let tar = Tar::new().symlink("out", "../outside").link("a", "out/canary").end();
    assert!(matches!(refusal(&tar), Refusal::NoLinkTarget(_)));
}

#[test]
fn a_hard_link_to_a_link_is_another_name_of_the_link() {
    let place = Place::new();
    place.apply(&Tar::new().symlink("a", "../outside/canary").link("b", "a").end()).expect("applied");
    let [a, b] = ["a", "b"].map(|name| fs::symlink_metadata(place.path(name)).expect("a link"));
    assert!(b.is_symlink());
    assert_eq!(a.ino(), b.ino());
    // Writing to the second name replaces it too.
    let place = Place::new();
    place.apply(&Tar::new().symlink("a", "../outside/canary").link("b", "a").file("b", "x").end()).expect("applied");
    assert_eq!(place.read("b"), "x");
}

#[test]
fn a_hard_link_to_a_directory_or_to_itself_makes_no_harm() {
    assert!(matches!(refusal(&Tar::new().dir("d").link("a", "d").end()), Refusal::LinkToDirectory(_)));
    assert!(matches!(refusal(&Tar::new().link("a", ".").end()), Refusal::LinkToDirectory(_)));
    let place = Place::new();
    place.apply(&Tar::new().file("a", "x").link("a", "a").link("./a", "a").end()).expect("applied");
    assert_eq!(place.read("a"), "x");
    assert!(matches!(refusal(&Tar::new().file("d/a", "x").link("d", "d/a").end()), Refusal::NoLinkTarget(_)));
}

#[test]
fn names_with_zeroes_are_refused_and_other_bytes_kept() {
    let zero = Tar::new().pax(&[("path", b"a\0b")]).file("short", "x").end();
    assert_eq!(refusal(&zero), Refusal::Nul);
    let zero = Tar::new().pax(&[("linkpath", b"a\0b")]).symlink("l", "t").end();
    assert_eq!(refusal(&zero), Refusal::Nul);
    let place = Place::new();
    let name = b"new\nline\xff\x1b[2J";
    let tar = Tar::new().header(Header::new(b'0', name)).end();
    place.apply(&tar).expect("applied");
    assert!(place.path("").join(std::ffi::OsStr::from_bytes(name)).exists());
}

#[test]
fn entries_that_change_their_type_leave_the_last_one() {
    let place = Place::new();
    let tar = Tar::new()
        .file("x", "one")
        .dir("x")
        .file("x/inner", "i")
        .symlink("x", "y")
        .header(Header::new(b'6', b"x"))
        .file("x", "two")
        .dir("d")
        .file("d/a/b/c", "deep")
        .file("d", "flat")
        .file("d2/x", "1")
        .dir("d2")
        .file("d2/y", "2")
        .end();
    place.apply(&tar).expect("applied");
    assert_eq!((place.read("x"), place.read("d")), ("two".to_owned(), "flat".to_owned()));
    assert_eq!((place.read("d2/x"), place.read("d2/y")), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn a_file_is_no_directory() {
    let tar = Tar::new().file("a", "x").file("a/b", "y").end();
    assert_eq!(refusal(&tar), Refusal::NotADirectory("a".to_owned()));
}

#[test]
fn the_root_can_be_described_and_nothing_else() {
    requires!(root);
    let place = Place::new();
    let tar = Tar::new().header(Header::new(b'5', b"./").mode(0o1711).owner(7, 8)).end();
    let applied = place.apply(&tar).expect("applied");
    assert_eq!(applied.root.map(|root| (root.mode, root.uid, root.gid)), Some((0o1711, 7, 8)));
    let root = fs::metadata(place.path("")).expect("the root");
    assert_eq!((root.mode() & 0o7777, root.uid(), root.gid()), (0o1711, 7, 8));
    for kind in [b'0', b'2', b'3', b'6'] {
        assert_eq!(refusal(&Tar::new().header(Header::new(kind, b"./")).end()), Refusal::Root);
    }
}

#[test]
fn whiteouts_of_nothing_of_the_directory_and_of_what_is_above_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh..."] {
        assert_eq!(refusal(&Tar::new().dir("a").file(name, "").end()), Refusal::Whiteout, "{name}");
    }
    assert_eq!(refusal(&Tar::new().file(".wh.a/b", "x").end()), Refusal::WhiteoutDirectory);
    assert_eq!(refusal(&Tar::new().file("../.wh.outside", "").end()), Refusal::DotDot);
}

#[test]
fn a_whiteout_through_a_link_to_outside_stays_inside() {
    requires!(root);
    let place = Place::new();
    place.apply(&Tar::new().symlink("l", "../outside").file("l/.wh.canary", "").end()).expect("applied");
    assert!(fs::symlink_metadata(place.path("outside/canary")).expect("a whiteout").file_type().is_char_device());
}

#[test]
fn devices_are_made_only_where_they_may_be_and_never_a_forged_whiteout() {
    requires!(root);
    let device = Tar::new().header(Header::new(b'3', b"null").device(1, 3).mode(0o666)).end();
    let place = Place::new();
    place.apply(&device).expect("applied");
    let null = fs::metadata(place.path("null")).expect("the device");
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o777), (rustix::fs::makedev(1, 3), 0o666));
    let place = Place::new();
    let skip = Options { devices: layer::Devices::Skip, ..options() };
    assert_eq!(place.apply_with(&device, &skip).expect("applied").skipped_devices, 1);
    assert!(!place.path("null").exists());
    let forged = Tar::new().header(Header::new(b'3', b"x").device(0, 0)).end();
    assert_eq!(refusal(&forged), Refusal::WhiteoutDevice);
}

#[test]
fn attributes_of_overlayfs_cannot_be_forged() {
    requires!(root);
    let place = Place::new();
    let forged: [(&str, &[u8]); 6] = [
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc/shadow"),
        ("SCHILY.xattr.trusted.overlay.metacopy", b""),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.security.selinux", b"label"),
        ("SCHILY.xattr.user.kept", b"a\nb\0c"),
    ];
    let applied = place.apply(&Tar::new().pax(&forged).file("f", "x").pax(&forged).dir("d").end()).expect("applied");
    assert_eq!(applied.dropped_xattrs, 10);
    for name in ["f", "d"] {
        let file = fs::File::open(place.path(name)).expect("open");
        let mut names = [0; 1000];
        let length = rustix::fs::flistxattr(&file, &mut names).expect("list");
        assert_eq!(&names[..length], b"user.kept\0", "{name}");
        let mut value = [0; 10];
        let length = rustix::fs::fgetxattr(&file, "user.kept", &mut value).expect("value");
        assert_eq!(&value[..length], b"a\nb\0c");
    }
}

#[test]
fn set_id_bits_and_capabilities_survive_the_change_of_owner() {
    requires!(root);
    let place = Place::new();
    // cap_net_raw+ep, revision 2 (linux/capability.h).
    let capability: &[u8] = &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::new()
        .header(Header::new(b'0', b"suid").mode(0o4755).owner(1000, 50))
        .pax(&[("SCHILY.xattr.security.capability", capability)])
        .header(Header::new(b'0', b"ping").mode(0o755).owner(1000, 50))
        .header(Header::new(b'5', b"sgid").mode(0o2775).owner(0, 50))
        .file("sgid/inner", "x")
        .end();
    place.apply(&tar).expect("applied");
    let of = |name: &str| {
        let meta = fs::metadata(place.path(name)).expect("metadata");
        (meta.mode() & 0o7777, meta.uid(), meta.gid())
    };
    assert_eq!(of("suid"), (0o4755, 1000, 50));
    assert_eq!(of("sgid"), (0o2775, 0, 50));
    assert_eq!(of("sgid/inner"), (0o644, 0, 0), "the tar says so, not the directory");
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(place.path("ping"), "security.capability", &mut value).expect("capability");
    assert_eq!(&value[..length], capability);
}

#[test]
fn ids_that_are_none_are_refused() {
    requires!(root);
    for id in [u64::from(u32::MAX), 1 << 32, 1 << 40] {
        let text = id.to_string();
        let tar = Tar::new().pax(&[("uid", text.as_bytes())]).file("a", "x").end();
        assert!(matches!(refusal(&tar), Refusal::Id { .. }), "{id}");
    }
}

#[test]
fn deep_trees_are_made_as_far_as_paths_reach() {
    let place = Place::new();
    let path = "d/".repeat(2000) + "file";
    place.apply(&Tar::new().pax(&[("path", path.as_bytes())]).file("x", "deep").end()).expect("applied");
    assert_eq!(place.read(&path), "deep");
    let path = "d/".repeat(2100) + "file";
    let tar = Tar::new().pax(&[("path", path.as_bytes())]).file("x", "too deep").end();
    assert!(matches!(refusal(&tar), Refusal::TooLong(_)));
    // The removal of what has got so deep.
    layer::remove_tree(fs::File::open(place.dir.path()).expect("open"), "layer").expect("removal");
}

#[test]
fn a_name_too_long_for_the_file_system_is_an_error_that_names_it() {
    let name = "n".repeat(300);
    let error = Place::new().apply(&Tar::new().pax(&[("path", name.as_bytes())]).file("x", "").end());
    let text = error.expect_err("too long").to_string();
    assert!(text.contains("nnnn") && text.contains("byte 1024"), "{text}");
}

#[test]
fn more_than_the_limits_allow_is_refused() {
    let limited = |limits: Limits, tar: &[u8]| Place::new().apply_with(tar, &Options { limits, ..options() });
    let three = Tar::new().dir("a").dir("b").dir("c").end();
    let limits = Limits { entries: 2, ..Limits::default() };
    assert!(matches!(limited(limits, &three), Err(Error::Limit { what: "entries", .. })));
    let limits = Limits { bytes: 2000, ..Limits::default() };
    let large = Tar::new().file("a", &"x".repeat(3000)).end();
    assert!(matches!(limited(limits, &large), Err(Error::Limit { what: "bytes", .. })));
    let limits = Limits { held: 2, ..Limits::default() };
    let named = Tar::new().dir("abc").dir("b").end();
    assert!(matches!(limited(limits, &named), Err(Error::Limit { .. })));
}

#[test]
fn an_unknown_type_of_entry_is_refused() {
    for kind in [b'V', b'M', b'D', b'Z', 0xff] {
        assert_eq!(refusal(&Tar::new().header(Header::new(kind, b"x")).end()), Refusal::Kind(char::from(kind)));
    }
}
