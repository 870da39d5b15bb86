//! Containers' directories, names and locks; what killed processes leave, and who removes it.

mod common;

use common::{Place, names};
use std::fs;
use std::sync::Arc;
use store::{Container, ContainerDir, ContainerId, Durability, Error, NewContainer, RootMeta, Store};

type Simple = Container<String>;

fn simple(name: &str) -> Simple {
    let (id, name) = (ContainerId::random().expect("an id"), name.parse().expect("a name"));
    Container {
        id,
        name,
        image: None,
        layers: Vec::new(),
        volumes: Vec::new(),
        own_volumes: Vec::new(),
        config: "anything".to_owned(),
    }
}

fn create(store: &Store, container: &Simple) -> Result<ContainerDir, Error> {
    let new = NewContainer { container, root: Some(RootMeta::default()), durability: Durability::Durable };
    store.create_container(&new, &store.lease().expect("a lease"))
}

/// Nothing is left of any container.
fn assert_empty(place: &Place) {
    for dir in ["containers", "names", "tmp", "trash"] {
        let left = names(place.join("store").join(dir));
        assert!(left.is_empty(), "{dir}: {left:?}");
    }
}

#[test]
fn a_container_is_written_found_changed_and_removed() {
    let place = Place::new();
    let mut container = simple("web");
    let dir = create(&place.store, &container).expect("a container");
    for way in ["web", container.id.as_str(), container.id.short()] {
        assert_eq!(place.store.find_container(way).expect("found"), container.id, "{way}");
    }
    assert_eq!(dir.read::<String>().expect("its record"), container);
    container.config = "changed".to_owned();
    dir.write(&container, Durability::Durable).expect("written");
    let listed = place.store.containers::<String>().expect("containers");
    assert_eq!(listed.into_iter().flatten().collect::<Vec<_>>(), [container]);
    dir.remove(&place.store).expect("removed");
    assert!(matches!(place.store.find_container("web"), Err(Error::NoSuchContainer(_))));
    assert_empty(&place);
}

#[test]
fn a_name_belongs_to_one_container_at_a_time() {
    let place = Place::new();
    let first = create(&place.store, &simple("web")).expect("the first");
    let holder = first.id().short().to_owned();
    match create(&place.store, &simple("web")) {
        Err(Error::NameTaken { name, holder: found }) => assert_eq!((name, found), ("web".to_owned(), holder)),
        other => panic!("{other:?}"),
    }
    assert_eq!(names(place.join("store/containers")).len(), 1, "nothing of the second");
    first.remove(&place.store).expect("removed");
    create(&place.store, &simple("web")).expect("free again").remove(&place.store).expect("removed");
    assert_empty(&place);
}

#[test]
fn of_many_who_want_a_name_at_once_one_gets_it() {
    let place = Arc::new(Place::new());
    for _ in 0..10 {
        let wanted = |_| {
            let place = Arc::clone(&place);
            std::thread::spawn(move || create(&place.store, &simple("web")).ok())
        };
        let threads: Vec<_> = (0..8).map(wanted).collect();
        let won: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(won.len(), 1);
        for dir in won {
            dir.remove(&place.store).expect("removed");
        }
    }
    assert_empty(&place);
}

#[test]
fn the_name_of_a_container_that_is_gone_is_free() {
    let place = Place::new();
    let dir = create(&place.store, &simple("web")).expect("a container");
    fs::remove_dir_all(place.join("store/containers").join(dir.id().as_str())).expect("gone by hand");
    create(&place.store, &simple("web")).expect("the name is free");
}

#[test]
fn a_damaged_record_hides_no_other_container() {
    let place = Place::new();
    let bad = create(&place.store, &simple("bad")).expect("a container");
    create(&place.store, &simple("good")).expect("a container");
    fs::write(place.join("store/containers").join(bad.id().as_str()).join("record.json"), "{").expect("write");
    let listed = place.store.containers::<String>().expect("containers");
    let broken: Vec<_> = listed.iter().filter_map(|one| one.as_ref().err()).collect();
    assert_eq!(broken.iter().map(|broken| &broken.id).collect::<Vec<_>>(), [bad.id()]);
    assert_eq!(listed.iter().flatten().count(), 1);
    bad.remove(&place.store).expect("it can be removed");
}

#[test]
fn a_lock_is_held_by_one_and_given_back() {
    let place = Place::new();
    let mut owner = create(&place.store, &simple("web")).expect("a container");
    let mut other = place.store.container(owner.id()).expect("opened");
    assert!(!other.try_lock().expect("asked"));
    owner.unlock();
    assert!(other.try_lock().expect("asked"));
    assert!(!owner.try_lock().expect("asked"));
}

#[test]
fn a_sweep_takes_what_nobody_holds_and_leaves_the_rest() {
    let place = Place::new();
    let kept = create(&place.store, &simple("kept")).expect("a container");
    let root = place.join("store");
    let id = ContainerId::random().expect("an id");
    fs::create_dir_all(root.join("containers").join(id.as_str()).join("upper/x")).expect("an unfinished one");
    fs::create_dir_all(root.join("tmp/dead/fs/x")).expect("an abandoned one");
    fs::create_dir_all(root.join("tmp/alive")).expect("one being made");
    fs::create_dir_all(root.join("trash/t/x")).expect("a half removed one");
    std::os::unix::fs::symlink(id.as_str(), root.join("names/unfinished")).expect("its name");
    let alive = fs::File::open(root.join("tmp/alive")).expect("open");
    alive.lock().expect("its maker's lock");
    let swept = place.store.sweep().expect("a sweep");
    assert_eq!((swept.removed, swept.failed.len()), (3, 0), "{:?}", swept.failed);
    assert_eq!(names(root.join("tmp")), ["alive"]);
    assert_eq!(names(root.join("containers")), [kept.id().as_str()]);
    assert_eq!(names(root.join("names")), ["kept"]);
    assert!(names(root.join("trash")).is_empty());
    assert_eq!(place.store.sweep().expect("another").removed, 0);
}

#[test]
fn nobody_else_may_look_into_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mode = |name: &str| fs::metadata(place.join(name)).expect("metadata").permissions().mode() & 0o777;
    for dir in ["store", "store/layers", "store/containers", "store/tmp", "store/trash"] {
        assert_eq!(mode(dir), 0o700, "{dir}");
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let place = Place::new();
    fs::write(place.join("store/store.json"), r#"{"version":99}"#).expect("write");
    assert!(matches!(Store::open(&place.join("store")), Err(Error::Format { found: 99, .. })));
    fs::write(place.join("store/store.json"), "nonsense").expect("write");
    assert!(matches!(Store::open(&place.join("store")), Err(Error::Damaged { .. })));
}

#[test]
fn a_store_that_cannot_be_made_says_why() {
    let place = Place::new();
    fs::write(place.join("file"), "").expect("write");
    let error = Store::open(&place.join("file/store")).expect_err("below a file").to_string();
    assert!(error.contains("ENOTDIR") && error.contains("file"), "{error}");
}
