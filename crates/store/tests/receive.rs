//! Layers that arrive: whole, cut off, wrong, and by two at once.

mod common;

use common::{Place, names};
use oci::digest::{DiffId, Digest};
use oci::image::{Descriptor, media_type};
use std::fs;
use std::io::{Read, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use store::{Error, Expected, Store};
use testkit::requires;

/// A layer as a registry has it.
struct Layer {
    blob: Vec<u8>,
    descriptor: Descriptor,
    expected: Expected,
}

impl Layer {
    fn new(place: &Place) -> Self {
        // Random bytes, so that the blob is long enough to be cut.
        let tar = fs::read(place.tar("t", "head -c 900000 /dev/urandom >big; mkdir d; echo x >d/file")).expect("a tar");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&tar).expect("in memory");
        let blob = encoder.finish().expect("in memory");
        let descriptor = Descriptor::new(media_type::LAYER_GZIP, Digest::of(&blob), blob.len() as u64);
        let expected = Expected { diff_id: DiffId(Digest::of(&tar)), lowest: true };
        Self { blob, descriptor, expected }
    }

    /// Receives what `fetch` gives.
    fn receive<R: Read + Send>(&self, store: &Store, mut fetch: impl FnMut(u64) -> (R, u64)) -> Result<(), Error> {
        let lease = store.lease().expect("a lease");
        store.receive(&self.descriptor, Some(self.expected), &lease, |from| Ok(fetch(from)), &|_| ())
    }

    /// It is there, blob and tree, and nothing else is.
    fn is_there(&self, place: &Place) {
        let blob = fs::read(place.join("store/images/blobs/sha256").join(self.descriptor.digest.hex()));
        assert!(blob.expect("the blob") == self.blob);
        assert_eq!(names(place.join("store/layers")), [self.expected.diff_id.0.hex()]);
        assert!(names(place.join("store/partial")).is_empty());
    }

    fn is_not_there(place: &Place) {
        assert!(names(place.join("store/images/blobs/sha256")).is_empty());
        assert!(names(place.join("store/layers")).is_empty());
        assert!(names(place.join("store/tmp")).is_empty());
    }
}

#[test]
fn one_pass_leaves_blob_and_layer() {
    requires!(root);
    let place = Place::new();
    let layer = Layer::new(&place);
    let arrived = AtomicU64::new(0);
    let lease = place.store.lease().expect("a lease");
    let note = |bytes| arrived.store(bytes, Ordering::Relaxed);
    let fetch = |from| Ok((&layer.blob[from as usize..], from));
    place.store.receive(&layer.descriptor, Some(layer.expected), &lease, fetch, &note).expect("received");
    assert_eq!(arrived.into_inner(), layer.descriptor.size);
    layer.is_there(&place);
    // What is there is not fetched.
    layer.receive(&place.store, |_| -> (&[u8], u64) { panic!("it was fetched again") }).expect("received");
}

#[test]
fn one_that_was_cut_off_goes_on_where_it_was() {
    requires!(root);
    let place = Place::new();
    let layer = Layer::new(&place);
    for cut in [0, 1, 500_000] {
        let error = layer.receive(&place.store, |from| (&layer.blob[from as usize..cut], from)).expect_err("cut off");
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        Layer::is_not_there(&place);
        // Of nothing nothing is kept.
        let kept = fs::metadata(place.join("store/partial").join(layer.descriptor.digest.hex()));
        assert_eq!(kept.ok().map(|kept| kept.len()), (cut > 0).then_some(cut as u64));
    }
    layer
        .receive(&place.store, |from| {
            assert_eq!(from, 500_000);
            (&layer.blob[500_000..], from)
        })
        .expect("received");
    layer.is_there(&place);
}

#[test]
fn a_registry_that_knows_no_ranges_is_taken_from_the_start() {
    requires!(root);
    let place = Place::new();
    let layer = Layer::new(&place);
    layer.receive(&place.store, |_| (&layer.blob[..700_000], 0)).expect_err("cut off");
    layer.receive(&place.store, |_| (&layer.blob[..], 0)).expect("received");
    layer.is_there(&place);
}

#[test]
fn what_is_wrong_is_named_and_not_kept() {
    requires!(root);
    let place = Place::new();
    let layer = Layer::new(&place);
    let mut other = layer.blob.clone();
    other[600_000] ^= 1;
    let error = layer.receive(&place.store, |_| (&other[..], 0)).expect_err("other bytes");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
    let error = layer.receive(&place.store, |_| (std::io::repeat(0), 0)).expect_err("no end");
    assert!(matches!(error, Error::SizeMismatch { .. }), "{error:?}");
    Layer::is_not_there(&place);
    assert!(names(place.join("store/partial")).is_empty());

    let expected = Expected { diff_id: DiffId(Digest::of(b"other")), lowest: true };
    let lying = Layer { expected, ..Layer::new(&Place::new()) };
    let error = lying.receive(&place.store, |_| (&lying.blob[..], 0)).expect_err("another tar");
    assert!(matches!(error, Error::DiffIdMismatch { .. }), "{error:?}");
    assert!(names(place.join("store/layers")).is_empty());
}

#[test]
fn two_at_once_share_the_work() {
    requires!(root);
    let place = Place::new();
    let layer = Layer::new(&place);
    let fetched = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::open(&place.join("store")).expect("a store");
                let fetch = |from| {
                    fetched.fetch_add(1, Ordering::Relaxed);
                    (&layer.blob[from as usize..], from)
                };
                layer.receive(&store, fetch).expect("received");
            });
        }
    });
    assert_eq!(fetched.into_inner(), 1);
    layer.is_there(&place);
}

#[test]
fn what_was_kept_can_be_thrown_away() {
    requires!(root);
    let place = Place::new();
    let layer = Layer::new(&place);
    layer.receive(&place.store, |_| (&layer.blob[..1000], 0)).expect_err("cut off");
    assert_eq!(place.store.forget_partial().expect("forgotten"), 1000);
    assert!(names(place.join("store/partial")).is_empty());
}
