//! Images are found by every name that they have, and removed without taking what others need.

mod common;

use common::{Place, images, names, reference};
use oci::image::ImageId;
use store::{Container, ContainerId, Durability, Error, Import, NewContainer};
use testkit::requires;

#[test]
fn an_image_is_found_by_name_id_prefix_and_digest() {
    let place = Place::new();
    let loaded = place.import(&place.tar("t", "echo hello >file"), "debian:12");
    let image = place.store.resolve("debian:12").expect("by name");
    let ways = [
        "docker.io/library/debian:12".to_owned(),
        loaded.id.to_string(),
        loaded.id.0.hex(),
        loaded.id.0.short(),
        image.descriptor.digest.to_string(),
        format!("debian@{}", image.descriptor.digest),
    ];
    for way in ways {
        assert_eq!(place.store.resolve(&way).expect("a way").id, loaded.id, "{way}");
    }
    assert!(matches!(place.store.resolve("debian"), Err(Error::NoSuchImage(_))));
    assert!(matches!(place.store.resolve("Debian"), Err(Error::Reference(_))));
}

#[test]
fn a_name_moves_to_the_image_that_took_it_last() {
    let place = Place::new();
    let one = place.import(&place.tar("one", "echo 1 >file"), "x");
    let two = place.import(&place.tar("two", "echo 2 >file"), "x");
    assert_eq!(place.store.resolve("x").expect("an image").id, two.id);
    let nameless = place.store.resolve(&one.id.0.hex()).expect("still there");
    assert!(nameless.names.is_empty());
    assert_eq!(images(&place.store).len(), 2);
}

#[test]
fn a_removed_image_leaves_nothing_but_what_others_share() {
    requires!(root);
    let place = Place::new();
    let tar = place.tar("one", "echo 1 >file");
    let import = |name: &str, change: &str| {
        let changes = vec![change.to_owned()];
        let import = Import { name: Some(reference(name)), changes, ..Import::default() };
        place.store.import(std::fs::File::open(&tar).expect("tar"), &import).expect("import")
    };
    let (a, b) = (import("a", "CMD a"), import("b", "CMD b"));
    let lease = place.store.lease().expect("a lease");
    for name in ["a", "b"] {
        place.store.layers_for(&place.store.resolve(name).expect("image"), &lease).expect("layers");
    }
    drop(lease);
    assert_eq!(names(place.join("store/layers")).len(), 1, "the layer is shared");
    let removed = place.store.remove_image("a", false).expect("removal");
    assert_eq!((removed.image, removed.untagged, removed.layers.len()), (Some(a.id), vec![reference("a")], 0));
    assert_eq!(removed.blobs.len(), 2, "configuration and manifest");
    let removed = place.store.remove_image(&b.id.to_string(), false).expect("removal");
    assert_eq!((removed.blobs.len(), removed.layers.len()), (3, 1));
    for dir in ["store/images/blobs/sha256", "store/layers", "store/trash", "store/tmp"] {
        assert!(names(place.join(dir)).is_empty(), "{dir}");
    }
}

#[test]
fn an_image_with_several_names_loses_one_at_a_time() {
    let place = Place::new();
    let tar = place.tar("one", "echo 1 >file");
    let one = place.import(&tar, "a");
    // The same file again is the same image only if it was made in the same instant; so a second name by loading.
    let loaded = place.store.load(&place.store.image_layout());
    assert_eq!(loaded.expect("the store is a layout")[0].id, one.id);
    let archive = place.join("two");
    std::fs::create_dir(&archive).expect("mkdir");
    testkit::Invocation::new("/bin/cp").args(["-a", "."]).arg(&archive).current_dir(place.store.image_layout()).ok();
    let index = std::fs::read_to_string(archive.join("index.json")).expect("index");
    std::fs::write(archive.join("index.json"), index.replace("docker.io/library/a:latest", "b:2")).expect("write");
    place.store.load(&archive).expect("load");
    assert_eq!(images(&place.store)[0].names, [reference("a"), reference("b:2")]);
    assert!(matches!(place.store.remove_image(&one.id.to_string(), false), Err(Error::SeveralNames { .. })));
    let removed = place.store.remove_image("a", false).expect("removal");
    assert_eq!((removed.image, removed.untagged), (None, vec![reference("a")]));
    assert!(place.store.remove_image("b:2", false).expect("removal").image.is_some());
    assert!(images(&place.store).is_empty());
}

#[test]
fn an_image_that_a_container_uses_stays_unless_forced() {
    requires!(root);
    let place = Place::new();
    let loaded = place.import(&place.tar("one", "echo 1 >file"), "a");
    let lease = place.store.lease().expect("a lease");
    let layers = place.store.layers_for(&place.store.resolve("a").expect("image"), &lease).expect("layers");
    let container = container("web", Some(loaded.id), layers.ids());
    let new = NewContainer { container: &container, root: Some(layers.root), durability: Durability::Ephemeral };
    let dir = place.store.create_container(&new, &lease).expect("a container");
    drop(lease);
    let error = place.store.remove_image("a", false).expect_err("in use");
    assert!(matches!(&error, Error::ImageInUse { containers, .. } if containers == &["web"]), "{error:?}");
    let removed = place.store.remove_image("a", true).expect("removal");
    assert_eq!((removed.image, removed.layers.len()), (Some(loaded.id), 0));
    assert_eq!(names(place.join("store/layers")).len(), 1, "the container's");
    dir.remove(&place.store).expect("removal");
    place.import(&place.tar("two", "echo 2 >file"), "b");
    assert_eq!(place.store.remove_image("b", false).expect("removal").layers.len(), 1, "nobody's any more");
}

#[test]
fn a_damaged_image_hides_no_other_and_can_be_removed() {
    let place = Place::new();
    place.import(&place.tar("one", "echo 1 >file"), "bad");
    let bad = place.store.resolve("bad").expect("image");
    place.import(&place.tar("two", "echo 2 >file"), "good");
    let blob = place.join("store/images/blobs/sha256").join(bad.manifest.config.digest.hex());
    std::fs::write(&blob, "garbage").expect("write");
    let listed = place.store.images().expect("images");
    assert_eq!(listed.iter().filter(|image| image.is_ok()).count(), 1);
    assert_eq!(listed.iter().filter(|image| image.is_err()).count(), 1);
    place.store.remove_image("bad", false).expect("removal");
    assert_eq!(images(&place.store)[0].names, [reference("good")]);
    assert_eq!(names(place.join("store/images/blobs/sha256")).len(), 3);
}

fn container(name: &str, image: Option<ImageId>, layers: Vec<store::LayerId>) -> Container<String> {
    let name = name.parse().expect("a name");
    let id = ContainerId::random().expect("an id");
    Container { id, name, image, layers, volumes: Vec::new(), own_volumes: Vec::new(), config: String::new() }
}

#[test]
fn a_removal_does_not_wait_for_a_pull_which_makes_the_room_when_it_ends() {
    let place = Place::new();
    place.import(&place.tar("t", "echo x >file"), "t");
    let blobs = place.join("store/images/blobs/sha256");
    let pull = place.store.expect().expect("a pull");
    let removed = place.store.remove_image("t", false).expect("removed");
    assert!(removed.image.is_some() && removed.blobs.is_empty());
    assert!(images(&place.store).is_empty());
    assert_eq!(names(&blobs).len(), 3, "the pull may need them");
    place.store.tidy().expect("nothing to do yet");
    assert_eq!(names(&blobs).len(), 3);
    drop(pull);
    place.store.tidy().expect("tidied");
    assert!(names(&blobs).is_empty() && names(place.join("store/trash")).is_empty());
}
