//! Images that other tools write are loaded, and what the store holds other tools read.

mod common;

use common::{Place, images, names, reference, skopeo, tree};
use std::fs;
use std::io::Write;
use std::path::Path;
use store::{Error, Store};
use testkit::{Invocation, requires};

/// The unpacked trees of the only image, each as `name content` lines.
fn unpacked(store: &Store) -> Vec<Vec<String>> {
    let [image] = &images(store)[..] else { panic!("one image") };
    let layers = store.layers_for(image, &store.lease().expect("a lease")).expect("layers");
    layers.lowest_first.iter().map(|layer| names(tree(layer).join("etc"))).collect()
}

fn both_layers() -> Vec<Vec<String>> {
    // The whiteout stands under the name that it hides.
    vec![vec!["both".to_owned(), "gone".to_owned()], vec!["both".to_owned(), "gone".to_owned()]]
}

#[test]
fn an_oci_layout_is_loaded_with_its_command_and_layers() {
    requires!(root, package = "umoci");
    let place = Place::new();
    let loaded = place.store.load(&place.umoci_layout()).expect("load");
    assert_eq!(loaded[0].names, [reference("localhost/layout:one")]);
    let image = place.store.resolve("layout:one").expect("found below localhost/");
    assert_eq!(image.config.config.cmd.as_deref(), Some(&["/bin/one".to_owned()][..]));
    assert_eq!(unpacked(&place.store), both_layers());
    let leftovers = names(place.join("store/tmp"));
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
fn archives_of_skopeo_are_loaded_whatever_their_form_and_compression() {
    requires!(root, package = "umoci", package = "skopeo");
    let place = Place::new();
    let layout = place.umoci_layout();
    let from = format!("oci:{}:one", layout.display());
    let forms: [(&str, &str, &[&str]); 4] = [
        ("docker.tar", "docker-archive:FILE:example.org/x:1", &[]),
        ("oci.tar", "oci-archive:FILE:example.org/x:1", &[]),
        ("zstd", "oci:FILE:example.org/x:1", &["--dest-compress", "--dest-compress-format", "zstd"]),
        ("plain", "oci:FILE:example.org/x:1", &["--dest-decompress"]),
    ];
    for (file, to, options) in forms {
        let path = place.join(file);
        let to = to.replace("FILE", &path.display().to_string());
        skopeo(&[&["copy"], options, &[&from, &to]].concat());
        let store = place.other(&format!("store-{file}"));
        let loaded = store.load(&path).unwrap_or_else(|error| panic!("{file}: {error:?}"));
        assert_eq!(loaded[0].names, [reference("example.org/x:1")], "{file}");
        assert_eq!(unpacked(&store), both_layers(), "{file}");
        let image = store.resolve("example.org/x:1").expect("the image");
        assert_eq!(image.config.config.env, ["A=1"], "{file}");
    }
}

#[test]
fn a_compressed_archive_comes_through_a_pipe() {
    requires!(root, package = "umoci", package = "skopeo");
    let place = Place::new();
    let archive = place.join("a.tar");
    let from = format!("oci:{}:one", place.umoci_layout().display());
    skopeo(&["copy", &from, &format!("docker-archive:{}:a/b:c", archive.display())]);
    for tool in ["gzip", "zstd"] {
        let Some(tool) = testkit::on_path(tool) else { continue };
        let mut child = std::process::Command::new(tool)
            .arg("-c")
            .arg(&archive)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the compressor");
        let store = place.other("piped");
        let stdout = child.stdout.take().expect("its output");
        let read = store.read_stream(stdout, "standard input").expect("read");
        let loaded = store.admit(read).expect("admitted");
        assert_eq!(loaded[0].names, [reference("a/b:c")]);
        assert!(child.wait().expect("its end").success());
    }
}

#[test]
fn an_archive_with_repositories_alone_is_loaded() {
    requires!(root, package = "umoci", package = "skopeo");
    let place = Place::new();
    let archive = place.join("a.tar");
    let from = format!("oci:{}:one", place.umoci_layout().display());
    skopeo(&["copy", &from, &format!("docker-archive:{}:a/b:c", archive.display())]);
    let whole = place.other("whole");
    whole.load(&archive).expect("load");
    Invocation::new("/bin/tar").args(["--delete", "-f"]).arg(&archive).arg("manifest.json").ok();
    let loaded = place.store.load(&archive).expect("load");
    assert_eq!(loaded[0].names, [reference("a/b:c")]);
    let (old, new) = (images(&place.store), images(&whole));
    assert_eq!(old[0].config.rootfs.diff_ids, new[0].config.rootfs.diff_ids);
    assert_eq!(old[0].config.config.cmd, new[0].config.config.cmd);
}

#[test]
fn the_store_is_a_layout_that_skopeo_reads() {
    requires!(root, package = "skopeo");
    let place = Place::new();
    place.import(&place.tar("t", "echo hello >file"), "example.org/t:1");
    let shown = skopeo(&["inspect", &place.oci("example.org/t:1")]);
    assert!(shown.contains("\"Layers\""), "{shown}");
    let copy = place.join("copy.tar");
    skopeo(&["copy", &place.oci("example.org/t:1"), &format!("oci-archive:{}:x", copy.display())]);
    let before = place.store.resolve("example.org/t:1").expect("the image");
    let other = place.other("other");
    other.load(&copy).expect("load");
    let after = &images(&other)[0];
    assert_eq!((before.id, &before.config.rootfs), (after.id, &after.config.rootfs));
    assert_eq!(after.names, [reference("localhost/copy:x")]);
}

#[test]
fn what_skopeo_puts_into_the_store_is_an_image() {
    requires!(root, package = "skopeo", package = "umoci");
    let place = Place::new();
    let from = format!("oci:{}:one", place.umoci_layout().display());
    skopeo(&["copy", &from, &place.oci("put:1")]);
    assert_eq!(images(&place.store)[0].names, [reference("put:1")]);
    assert_eq!(unpacked(&place.store), both_layers());
}

/// Damages a file of a layout and tells what loading says.
fn damaged(damage: impl FnOnce(&Path)) -> Error {
    let place = Place::new();
    let layout = place.umoci_layout();
    damage(&layout);
    let error = place.store.load(&layout).expect_err("a damaged layout");
    assert!(images(&place.store).is_empty());
    let blobs = names(place.join("store/tmp"));
    assert!(blobs.is_empty(), "{blobs:?}");
    error
}

/// The largest blob is a layer.
fn some_layer(layout: &Path) -> std::path::PathBuf {
    let blobs = layout.join("blobs/sha256");
    let size = |name: &String| fs::metadata(blobs.join(name)).expect("a blob").len();
    let name = names(&blobs).into_iter().max_by_key(size).expect("a blob");
    blobs.join(name)
}

#[test]
fn a_blob_with_other_content_is_refused() {
    requires!(root, package = "umoci");
    let error = damaged(|layout| {
        let path = some_layer(layout);
        let mut bytes = fs::read(&path).expect("read");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(&path, bytes).expect("write");
    });
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
}

#[test]
fn a_blob_that_is_cut_or_too_long_is_refused() {
    requires!(root, package = "umoci");
    let cut = damaged(|layout| {
        let path = some_layer(layout);
        let bytes = fs::read(&path).expect("read");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("write");
    });
    assert!(matches!(cut, Error::SizeMismatch { .. }), "{cut:?}");
    let long = damaged(|layout| {
        let mut file = fs::OpenOptions::new().append(true).open(some_layer(layout)).expect("open");
        file.write_all(b"x").expect("write");
    });
    assert!(matches!(long, Error::SizeMismatch { .. }), "{long:?}");
}

#[test]
fn a_missing_blob_is_said() {
    requires!(root, package = "umoci");
    let error = damaged(|layout| fs::remove_file(some_layer(layout)).expect("remove"));
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_digest_that_is_a_path_is_refused() {
    requires!(root, package = "umoci");
    let error = damaged(|layout| {
        let index = layout.join("index.json");
        let text = fs::read_to_string(&index).expect("read");
        let at = text.find("sha256:").expect("a digest");
        fs::write(&index, format!("{}sha256:../../x{}", &text[..at], &text[at + 71..])).expect("write");
    });
    assert!(matches!(error, Error::Document { .. }), "{error:?}");
}

#[test]
fn a_diff_id_that_lies_is_found_when_the_layer_is_unpacked() {
    requires!(root, package = "umoci");
    let place = Place::new();
    place.store.load(&place.umoci_layout()).expect("load");
    let mut image = images(&place.store).remove(0);
    image.config.rootfs.diff_ids[0] = image.config.rootfs.diff_ids[1];
    let error = place.store.layers_for(&image, &place.store.lease().expect("a lease")).expect_err("a lie");
    assert!(matches!(error, Error::DiffIdMismatch { .. }), "{error:?}");
    assert_eq!(names(place.join("store/layers")).len(), 0);
    assert_eq!(names(place.join("store/tmp")).len(), 0);
}

#[test]
fn what_is_no_archive_is_said_to_be_none() {
    let place = Place::new();
    let cases: [(&str, &[u8]); 4] =
        [("empty", b""), ("text", &[b'x'; 2000]), ("short", b"short"), ("xz", b"\xfd7zXZ\0rest")];
    for (name, bytes) in cases {
        let path = place.join(name);
        fs::write(&path, bytes).expect("write");
        let error = place.store.load(&path).expect_err(name);
        assert!(matches!(error, Error::Archive { .. } | Error::ArchiveTar { .. }), "{name}: {error:?}");
    }
    let rootfs = place.tar("rootfs", "mkdir etc");
    let error = place.store.load(&rootfs).expect_err("a root file system").to_string();
    assert!(error.contains("manifest.json"), "{error}");
}
