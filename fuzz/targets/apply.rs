//! Tars of layers, applied: as a directory on a tmpfs, and as an EROFS image, whose structure is then looked at. Neither
//! may leave its place, and both say the same of the tar.

#![no_main]

#[path = "../src/image.rs"]
mod image;

use layer::{Devices, Limits, Options, OverlayXattrs, Ownership};
use rustix::fs::{Mode, OFlags};
use std::fs::File;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { entries: 200, bytes: 1 << 20, held: 1 << 20 };
    let options = Options {
        ownership: Ownership::Squash,
        xattrs: OverlayXattrs::User,
        devices: Devices::Skip,
        lowers: &[],
        limits,
    };
    // A place in a place: what gets out of the inner one is seen.
    let tmpfs = sys::fs::open("/dev/shm", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).expect("a tmpfs");
    let outer = format!("coracle-fuzz-{}", std::process::id());
    let _ = layer::remove_tree(&tmpfs, &outer);
    sys::fs::mkdirat(&tmpfs, &outer, Mode::RWXU).expect("a directory on it");
    let inner = format!("{outer}/in");
    sys::fs::mkdirat(&tmpfs, &inner, Mode::RWXU).expect("a directory in it");
    let inner = sys::fs::open_beneath(&tmpfs, &inner, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
    let applied = layer::apply(bytes, inner.expect("the inner one"), &options);
    let names = std::fs::read_dir(format!("/dev/shm/{outer}")).expect("its names").count();
    assert_eq!(names, 1, "something got out");

    let memory = rustix::fs::memfd_create("image", rustix::fs::MemfdFlags::CLOEXEC).expect("memory");
    let written = layer::write_image(bytes, File::from(memory), &options);
    if let Ok((mut file, length, of_image)) = written {
        image::check(&mut file, length);
        if let Ok(of_tree) = applied {
            assert_eq!((of_tree.diff_id, of_tree.entries), (of_image.diff_id, of_image.entries));
        }
    }
    layer::remove_tree(&tmpfs, &outer).expect("all of it can be removed");
});
