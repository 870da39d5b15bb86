//! Layers are unpacked once, shared, kept apart where they must be, and survive the death of who unpacks them.

mod common;

use common::{Place, images, names, reference, tree};
use oci::digest::{ChainId, Digest};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use store::{Driver, Error, Import, Layers, Store};
use testkit::{requires, within};

fn layers(store: &Store, name: &str) -> Result<Layers, Error> {
    store.layers_for(&store.resolve(name)?, &store.lease()?)
}

#[test]
fn many_at_once_share_the_work() {
    requires!(root);
    let place = Place::new();
    place.import(&place.tar("t", "for i in $(seq 500); do echo $i >$i; done"), "t");
    let root = place.join("store");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::open(&root).expect("a store");
                assert_eq!(layers(&store, "t").expect("layers").lowest_first.len(), 1);
            });
        }
    });
    assert_eq!(names(place.join("store/layers")).len(), 1);
    assert!(names(place.join("store/tmp")).is_empty());
}

/// An image of these tars, lowest first, made by writing its documents.
fn image_of(place: &Place, name: &str, tars: &[PathBuf]) {
    let layout = place.join(name);
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("mkdir");
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).expect("write");
        format!(r#""digest":"{digest}","size":{}"#, bytes.len())
    };
    let tars: Vec<Vec<u8>> = tars.iter().map(|tar| fs::read(tar).expect("a tar")).collect();
    let diff_ids: Vec<_> = tars.iter().map(|tar| format!(r#""{}""#, Digest::of(tar))).collect();
    let layer = |tar: &Vec<u8>| format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar",{}}}"#, put(tar));
    let layers: Vec<_> = tars.iter().map(layer).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{}}},"layers":[{}]}}"#,
        put(config.as_bytes()),
        layers.join(",")
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{},
            "annotations":{{"org.opencontainers.image.ref.name":"localhost/{name}:1"}}}}]}}"#,
        put(manifest.as_bytes())
    );
    fs::write(layout.join("index.json"), index).expect("write");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("write");
    place.store.load(&layout).expect("load");
}

/// A tar with one file and no entry for its directory.
fn bare_file(place: &Place, name: &str, path: &str) -> PathBuf {
    let tar = place.tar(name, &format!("mkdir -p $(dirname {path}); echo {name} >{path}"));
    let tree = place.join(&format!("{name}.tree"));
    testkit::Invocation::new("/bin/tar").arg("-cf").arg(&tar).arg(path).current_dir(tree).ok();
    tar
}

#[test]
fn a_layer_that_needs_those_below_is_kept_for_its_chain_alone() {
    requires!(root);
    let place = Place::new();
    let merged = place.tar("merged", "mkdir -p usr/lib; ln -s usr/lib lib");
    let split = place.tar("split", "mkdir -m 750 lib");
    let upper = bare_file(&place, "upper", "lib/x");
    image_of(&place, "one", &[merged, upper.clone()]);
    image_of(&place, "two", &[split, upper.clone()]);
    image_of(&place, "three", &[upper]);
    let [one, two, three] = ["one:1", "two:1", "three:1"].map(|name| layers(&place.store, name).expect("layers"));
    let top = |layers: &Layers| tree(layers.lowest_first.last().expect("a layer"));
    assert!(top(&one).join("usr/lib/x").exists() && !top(&one).join("lib").exists());
    assert_eq!(fs::metadata(top(&two).join("lib")).expect("lib").mode() & 0o777, 0o750);
    assert_eq!(fs::metadata(top(&three).join("lib")).expect("lib").mode() & 0o777, 0o755);
    let image = place.store.resolve("one:1").expect("image");
    let chain = ChainId::of_layers(&image.config.rootfs.diff_ids)[1];
    assert_eq!(one.lowest_first[1].id.0, chain.0);
    // Found again, not unpacked again.
    let inode = fs::metadata(top(&one)).expect("metadata").ino();
    assert_eq!(fs::metadata(top(&layers(&place.store, "one:1").expect("layers"))).expect("metadata").ino(), inode);
}

#[test]
fn a_layer_with_an_opaque_root_hides_those_below_it() {
    requires!(root);
    let place = Place::new();
    let tars = [
        place.tar("low", "echo 1 >a"),
        place.tar("mid", "echo 2 >b; touch .wh..wh..opq; chmod 711 ."),
        bare_file(&place, "top", "c"),
    ];
    image_of(&place, "x", &tars);
    let layers = layers(&place.store, "x:1").expect("layers");
    assert_eq!(layers.lowest_first.len(), 2);
    assert_eq!(layers.root.mode, 0o711, "of the topmost layer that says it");
}

#[test]
fn layers_that_overlay_are_mounted_and_written_to() {
    requires!(root);
    let place = Place::new();
    let tars = [
        place.tar("low", "echo low >both; echo low >low; echo x >gone"),
        place.tar("up", "echo up >both; touch .wh.gone"),
    ];
    image_of(&place, "x", &tars);
    let layers = layers(&place.store, "x:1").expect("layers");
    let upper = place.join("c");
    for name in [store::UPPER, store::WORK] {
        fs::create_dir_all(upper.join(name)).expect("mkdir");
    }
    let dir = fs::File::open(&upper).expect("open");
    let mount = mounted(&layers, Some(&dir.into()));
    let root = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
    assert_eq!(names(&root), ["both", "low"]);
    assert_eq!(fs::read_to_string(root.join("both")).expect("read"), "up\n");
    fs::write(root.join("low"), "changed").expect("write");
    fs::remove_file(root.join("both")).expect("remove");
    assert_eq!(names(&root), ["low"]);
    let read_only = mounted(&layers, None);
    let root = PathBuf::from(format!("/proc/self/fd/{}", read_only.as_raw_fd()));
    assert_eq!(fs::read_to_string(root.join("low")).expect("read"), "low\n", "the layer is as it was");
    let error = fs::write(root.join("new"), "").expect_err("read-only");
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

fn mounted(layers: &Layers, upper: Option<&OwnedFd>) -> OwnedFd {
    use std::os::fd::AsFd;
    let trusted = rustix::fs::stat("/proc/self/ns/user").expect("stat").st_ino == 0xEFFF_FFFD;
    let xattrs = if trusted { store::XattrStyle::Trusted } else { store::XattrStyle::User };
    let options = store::overlay::Options { xattrs, volatile: true, attributes: sys::mount::attr::NODEV };
    store::overlay::mount(&layers.lowest_first, upper.map(AsFd::as_fd), &options).expect("a mount")
}

/// What [`in_a_user_namespace_files_have_its_ids`] does inside.
fn inside(root: &str) {
    let store = Store::open(root.as_ref()).expect("a store");
    let tar = fs::File::open(format!("{root}/../t.tar")).expect("the tar");
    let import = Import { name: Some(reference("t")), ..Import::default() };
    store.import(tar, &import).expect("import");
    let layers = layers(&store, "t").expect("layers");
    let path = tree(&layers.lowest_first[0]);
    let owner =
        |name: &str| fs::symlink_metadata(path.join(name)).map(|meta| (meta.uid(), meta.gid())).expect("metadata");
    assert_eq!((owner("a"), owner("b")), ((7, 8), (0, 0)));
    assert!(!path.join("null").exists(), "a device is left out");
    assert_eq!(fs::symlink_metadata(path.join("gone")).expect("a whiteout").rdev(), 0);
    let upper = PathBuf::from(format!("{root}/../upper"));
    for name in [store::UPPER, store::WORK] {
        fs::create_dir_all(upper.join(name)).expect("mkdir");
    }
    let mount = mounted(&layers, Some(&fs::File::open(&upper).expect("open").into()));
    let shown = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
    assert_eq!(names(&shown), ["a", "b", "d"]);
    let mut value = [0; 4];
    assert_eq!(rustix::fs::getxattr(path.join("d"), "user.overlay.opaque", &mut value), Ok(1));
    drop(mount);
    store.remove_image("t", false).expect("removal");
    assert!(names(format!("{root}/layers")).is_empty());
}

const INSIDE: &str = "CORACLE_STORE_TEST_INSIDE";

#[test]
fn in_a_user_namespace_files_have_its_ids() {
    if let Ok(root) = std::env::var(INSIDE) {
        return inside(&root);
    }
    requires!(subuid_user);
    let place = Place::new();
    let script = "echo 1 >a; chown 7:8 a; echo 2 >b; mknod null c 1 3; touch .wh.gone; mkdir d; touch d/.wh..wh..opq";
    let tar = place.tar("t", script);
    let user = testkit::User::with_subuids();
    let home = place.join("home");
    fs::create_dir(&home).expect("mkdir");
    let program = home.join("test");
    fs::copy(std::env::current_exe().expect("ourselves"), &program).expect("copy");
    fs::copy(&tar, home.join("t.tar")).expect("copy");
    fs::set_permissions(place.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    user.give(&home);
    let root = home.join("store");
    testkit::Invocation::new(&program)
        .args(["--exact", "in_a_user_namespace_files_have_its_ids", "--nocapture"])
        .env(INSIDE, &root)
        .under(["unshare", "--user", "--map-root-user", "--map-auto", "--mount"])
        .user(&user)
        .ok()
        .stdout_contains("1 passed");
    // From outside, and for another range of ids, the layers are out of reach.
    let error = Store::open(&root).expect("a store").layer_mode().expect_err("another mode").to_string();
    assert!(error.contains("user ids 0="), "{error}");
}

#[test]
fn an_ordinary_user_outside_any_namespace_is_told_so() {
    if let Ok(root) = std::env::var(INSIDE) {
        let error = Store::open(root.as_ref()).expect("a store").layer_mode().expect_err("not root");
        assert!(matches!(error, Error::NotRoot));
        return;
    }
    requires!(subuid_user);
    let place = Place::new();
    let user = testkit::User::with_subuids();
    let program = place.join("test");
    fs::copy(std::env::current_exe().expect("ourselves"), &program).expect("copy");
    fs::set_permissions(place.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("chmod");
    testkit::Invocation::new(&program)
        .args(["--exact", "an_ordinary_user_outside_any_namespace_is_told_so"])
        .env(INSIDE, place.join("users"))
        .user(&user)
        .ok()
        .stdout_contains("1 passed");
}

#[test]
fn what_a_killed_unpacker_left_is_swept_and_the_layer_made_anew() {
    if let Ok(root) = std::env::var(INSIDE) {
        layers(&Store::open(root.as_ref()).expect("a store"), "t").expect("layers");
        return;
    }
    requires!(root);
    // The first file of a directory; some part of an image.
    for (driver, seen) in [(Driver::Overlay, "fs/100"), (Driver::Erofs, "layer.erofs")] {
        let place = Place::new();
        if driver == Driver::Erofs && !place.store.mounts_images() {
            continue;
        }
        place.store.use_driver(driver).expect("a driver");
        let tar = place.tar("t", "i=0; while [ $i -lt 3000 ]; do head -c 1000 /dev/zero >$i; i=$((i+1)); done");
        place.import(&tar, "t");
        let mut child = Command::new(std::env::current_exe().expect("ourselves"))
            .args(["--exact", "what_a_killed_unpacker_left_is_swept_and_the_layer_made_anew"])
            .env(INSIDE, place.join("store"))
            .spawn()
            .expect("a child");
        let tmp = place.join("store/tmp");
        let begun = within(Duration::from_secs(20), || {
            // A directory of its own was there before, for what is tried.
            names(&tmp).iter().any(|name| tmp.join(name).join(seen).exists())
        });
        child.kill().expect("kill");
        child.wait().expect("its end");
        assert!(begun);
        assert!(names(place.join("store/layers")).is_empty(), "killed too late for this test to mean anything");
        let swept = place.store.sweep().expect("a sweep");
        assert_eq!((swept.removed, swept.failed.len()), (1, 0));
        assert!(names(&tmp).is_empty());
        let layers = layers(&place.store, "t").expect("layers");
        assert_eq!(names(tree(&layers.lowest_first[0])).len(), 3000);
    }
}

#[test]
fn a_directory_of_another_boot_is_made_again_unless_it_was_settled() {
    requires!(root);
    let place = Place::new();
    place.store.use_driver(Driver::Overlay).expect("a driver");
    place.import(&place.tar("t", "echo x >file"), "t");
    let id = layers(&place.store, "t").expect("layers").lowest_first[0].id.0.hex();
    let record = place.join("store/layers").join(&id).join("record.json");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("an id");
    let as_if_rebooted = || {
        let text = fs::read_to_string(&record).expect("a record");
        fs::write(&record, text.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).expect("write");
        // What a power cut may leave of a file that was never synced.
        fs::write(place.join("store/layers").join(&id).join("fs/file"), "").expect("write");
    };
    let content = || {
        let layers = layers(&place.store, "t").expect("layers");
        fs::read_to_string(tree(&layers.lowest_first[0]).join("file")).expect("a file")
    };
    as_if_rebooted();
    assert_eq!(content(), "x\n");
    place.store.settle().expect("settled");
    assert!(!fs::read_to_string(&record).expect("a record").contains("boot"));
    as_if_rebooted();
    assert_eq!(content(), "", "this one was on disk, so nobody looks again");
    assert!(place.store.sweep().expect("a sweep").failed.is_empty());
    assert!(names(place.join("store/trash")).is_empty());
}

#[test]
fn layers_of_both_kinds_stand_side_by_side() {
    requires!(root, kernel = (6, 15));
    let place = Place::new();
    if !place.store.mounts_images() {
        return;
    }
    let tars = [("low", "echo 1 >d/a; echo low >both"), ("high", "echo 2 >d/b; echo high >both; touch d/.wh.a")];
    let tars = tars.map(|(name, script)| place.tar(name, &format!("mkdir -p d; {script}")));
    place.store.use_driver(Driver::Overlay).expect("a driver");
    image_of(&place, "lower", &tars[..1]);
    drop(layers(&place.store, "lower:1").expect("layers"));
    place.store.use_driver(Driver::Erofs).expect("a driver");
    image_of(&place, "two", &tars);
    let two = layers(&place.store, "two:1").expect("layers");
    let form = |at: usize| names(place.join("store/layers").join(two.lowest_first[at].id.0.hex()));
    assert_eq!(form(0), ["fs", "record.json"]);
    assert_eq!(form(1), ["layer.erofs", "record.json"]);
    let options = store::overlay::Options { xattrs: store::XattrStyle::Trusted, volatile: false, attributes: 0 };
    let mount = store::overlay::mount(&two.lowest_first, None, &options).expect("an overlay");
    let root = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
    assert_eq!(names(root.join("d")), ["b"]);
    assert_eq!(fs::read_to_string(root.join("both")).expect("a file"), "high\n");
    // An image is removed by one unlink, mounted or not.
    drop((mount, two));
    let removed = place.store.remove_image("two:1", false).expect("removed");
    assert_eq!(removed.layers.len(), 1, "the lower one is the other image's too");
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    requires!(root);
    let place = Place::new();
    let tar = place.tar("t", "head -c 3000000 /dev/urandom >big");
    let context = sys::mount::FsContext::open("tmpfs").expect("tmpfs");
    let small = context.set("size", "4m").expect("a size").set("mode", "755").map(drop);
    small.expect("a mode");
    let small = context.mount(0).expect("a mount");
    let root = PathBuf::from(format!("/proc/self/fd/{}/store", small.as_raw_fd()));
    let store = Store::open(&root).expect("a store");
    let import = Import { name: Some(reference("t")), ..Import::default() };
    store.import(fs::File::open(&tar).expect("the tar"), &import).expect("the blob fits");
    let error = layers(&store, "t").expect_err("the layer does not fit");
    let text = format!("{error}: {}", std::error::Error::source(&error).expect("a source"));
    assert!(text.contains("big"), "{text}");
    let error = store.import(fs::File::open(&tar).expect("the tar"), &import).expect_err("no room");
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error:?}"
    );
    for dir in ["tmp", "layers", "trash"] {
        assert!(names(root.join(dir)).is_empty(), "{dir}");
    }
    assert_eq!(names(root.join("images/blobs/sha256")).len(), 3);
    assert_eq!(images(&store).len(), 1);
}

#[test]
fn a_broken_layer_is_named_with_its_place() {
    requires!(root);
    let place = Place::new();
    let tar = place.tar("t", "echo x >file");
    let mut bytes = fs::read(&tar).expect("read");
    let header = bytes.windows(7).position(|name| name == b"./file\0").expect("its header");
    bytes[header + 100] ^= 1;
    fs::write(&tar, &bytes).expect("write");
    image_of(&place, "bad", &[tar]);
    let error = layers(&place.store, "bad:1").expect_err("a broken tar");
    let Error::Layer { layer, source } = &error else { panic!("{error:?}") };
    assert_eq!(layer, &Digest::of(&bytes).to_string());
    assert!(source.to_string().contains(&format!("byte {header}")), "{source}");
    assert!(names(place.join("store/tmp")).is_empty());
}
