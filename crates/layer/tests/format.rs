//! The formats that tars come in, and damage.

mod tar;

use layer::{Error, Options, Ownership, scan};
use oci::runtime::IdMapping;
use std::fs;
use std::os::unix::fs::MetadataExt;
use tar::{Header, Place, Tar};
use testkit::requires;

#[test]
fn a_pax_size_says_where_the_next_header_is() {
    // CVE-2025-62518: who takes the header's own size of 0 sees a second entry inside the data.
    let hidden = Tar::new().file("hidden", "evil").bytes;
    let size = hidden.len().to_string();
    let mut tar = Tar::new().pax(&[("size", size.as_bytes())]).header(Header::new(b'0', b"outer")).data(&hidden);
    tar = tar.file("after", "good");
    let place = Place::new();
    place.apply(&tar.end()).expect("applied");
    assert!(!place.path("hidden").exists());
    assert_eq!(fs::read(place.path("outer")).expect("outer"), hidden);
    assert_eq!(place.read("after"), "good");
}

#[test]
fn a_pax_size_before_a_long_name_belongs_to_the_file() {
    // The extension header in between has its own size.
    let name = "long/".repeat(30) + "name";
    let tar = Tar::new()
        .pax(&[("size", b"3")])
        .header(Header::new(b'L', b"././@LongLink").gnu().size(name.len() as u64 + 1))
        .data(&[name.as_bytes(), b"\0"].concat())
        .header(Header::new(b'0', b"cut"))
        .data(b"abc")
        .file("after", "good");
    let place = Place::new();
    place.apply(&tar.end()).expect("applied");
    assert_eq!((place.read(&name), place.read("after")), ("abc".to_owned(), "good".to_owned()));
}

#[test]
fn entries_other_than_files_have_no_data_whatever_their_size() {
    let sized = |kind: u8, name: &[u8]| Header::new(kind, name).size(512).mode(0o755);
    let tar = Tar::new().header(sized(b'5', b"d")).header(sized(b'2', b"l").link(b"t")).file("after", "good");
    let place = Place::new();
    place.apply(&tar.end()).expect("applied");
    assert_eq!(place.read("after"), "good");
    assert!(place.path("d").is_dir());
}

#[test]
fn global_headers_change_nothing() {
    let mut tar = Tar::new().pax(&[("path", b"evil"), ("size", b"1024")]);
    tar.bytes[156] = b'g';
    let summed = Header(tar.bytes[..512].try_into().expect("a header")).summed();
    tar.bytes[..512].copy_from_slice(&summed);
    let place = Place::new();
    place.apply(&tar.file("a", "1").file("b", "2").end()).expect("applied");
    assert_eq!((place.read("a"), place.read("b")), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn impossible_sizes_are_refused() {
    let base_256 = |bytes: [u8; 12]| {
        let mut header = Header::new(b'0', b"x");
        header.0[124..136].copy_from_slice(&bytes);
        Tar::new().header(header).end()
    };
    let negative = base_256([0xff; 12]);
    let huge = base_256([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let huger = base_256([0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    for tar in [negative, huge, huger] {
        assert!(matches!(Place::new().apply(&tar), Err(Error::Header { offset: 0, .. })));
    }
    let pax = Tar::new().pax(&[("size", b"99999999999999999999")]).file("x", "").end();
    assert!(matches!(Place::new().apply(&pax), Err(Error::Header { offset: 0, .. })));
    let pax = Tar::new().pax(&[("size", b"-1")]).file("x", "").end();
    assert!(matches!(Place::new().apply(&pax), Err(Error::Header { .. })));
}

#[test]
fn times_are_kept_to_the_nanosecond_on_directories_too() {
    let tar = Tar::new()
        .pax(&[("mtime", b"1234567890.987654321")])
        .dir("d")
        .pax(&[("mtime", b"-5.5")])
        .file("d/f", "x")
        .pax(&[("mtime", b"1.5")])
        .symlink("d/l", "f");
    let place = Place::new();
    place.apply(&tar.end()).expect("applied");
    let time = |name: &str| {
        let meta = fs::symlink_metadata(place.path(name)).expect("metadata");
        (meta.mtime(), meta.mtime_nsec())
    };
    assert_eq!(time("d"), (1_234_567_890, 987_654_321));
    assert_eq!(time("d/f"), (-6, 500_000_000));
    assert_eq!(time("d/l"), (1, 500_000_000));
}

#[test]
fn ten_gigabytes_of_zeroes_take_no_room() {
    const SIZE: u64 = 10 << 30;
    let map = format!("{},1", SIZE - 1);
    let size = SIZE.to_string();
    let records: [(&str, &[u8]); 3] =
        [("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.name", b"sparse")];
    let tar = Tar::new().pax(&records).file("x", "!");
    let place = Place::new();
    place.apply(&tar.end()).expect("applied");
    let meta = fs::metadata(place.path("sparse")).expect("metadata");
    assert_eq!(meta.len(), SIZE);
    assert!(meta.blocks() < 100, "{} blocks", meta.blocks());
}

#[test]
fn zeroes_that_are_written_out_become_holes_too() {
    const SIZE: usize = 64 << 20;
    let mut data = vec![0; SIZE];
    data[5_000_000] = 1;
    let place = Place::new();
    let tar = Tar::new().header(Header::new(b'0', b"zeroes").size(SIZE as u64)).data(&data);
    place.apply(&tar.end()).expect("applied");
    assert!(fs::metadata(place.path("zeroes")).expect("metadata").blocks() < 1000);
    assert!(fs::read(place.path("zeroes")).expect("read") == data);
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    for (map, size) in [("5,1,0,1", "10"), ("0,3", "10"), ("0,1,9,1", "5"), ("0,1,x,1", "10"), ("0", "1")] {
        let records: [(&str, &[u8]); 2] = [("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", size.as_bytes())];
        let tar = Tar::new().pax(&records).file("x", "ab").end();
        assert!(matches!(Place::new().apply(&tar), Err(Error::Header { .. })), "{map}");
    }
}

#[test]
fn a_cut_tar_says_where_it_ends() {
    let tar = Tar::new().file("a", &"x".repeat(1000)).file("b", "y").end();
    for (length, within) in [(100, "a header"), (700, "a file"), (1536 + 100, "a header")] {
        match Place::new().apply(&tar[..length]) {
            Err(Error::Truncated { offset, within: found }) => {
                assert_eq!((offset, found), (length as u64, within));
            }
            other => panic!("{length}: {other:?}"),
        }
    }
    // Between two entries it may end; its digest says whether that is all.
    Place::new().apply(&tar[..2560]).expect("applied");
}

#[test]
fn what_follows_the_end_is_refused() {
    let mut tar = Tar::new().file("a", "x").end();
    tar.extend(Tar::new().file("b", "y").end());
    assert!(matches!(Place::new().apply(&tar), Err(Error::Trailing { .. })));
    let mut padded = Tar::new().file("a", "x").end();
    padded.resize(10240, 0);
    Place::new().apply(&padded).expect("padding is no content");
}

#[test]
fn a_wrong_checksum_is_refused_with_its_place() {
    let mut tar = Tar::new().file("a", "x").file("b", "y").end();
    tar[1024] ^= 1;
    assert!(matches!(Place::new().apply(&tar), Err(Error::Header { offset: 1024, .. })));
    assert!(matches!(Place::new().apply(&[b'x'; 2048]), Err(Error::Header { offset: 0, .. })));
}

#[test]
fn a_pax_header_without_an_entry_is_refused() {
    let dangling = Tar::new().pax(&[("path", b"x")]).end();
    assert!(matches!(Place::new().apply(&dangling), Err(Error::Header { .. })));
    let malformed = Tar::new().header(Header::new(b'x', b"p").size(5)).data(b"99 a=").file("x", "").end();
    assert!(matches!(Place::new().apply(&malformed), Err(Error::Header { .. })));
    let huge = Tar::new().header(Header::new(b'x', b"p").size(2 << 20)).end();
    assert!(matches!(Place::new().apply(&huge), Err(Error::Header { .. })));
}

#[test]
fn the_digest_is_of_the_whole_uncompressed_tar() {
    let mut tar = Tar::new().file("a", "x").end();
    tar.resize(10240, 0);
    let zipped = zstd::encode_all(&*tar, 3).expect("in memory");
    let expected = oci::digest::DiffId(oci::digest::Digest::of(&tar));
    for bytes in [&tar, &zipped] {
        assert_eq!(Place::new().apply(bytes).expect("applied").diff_id, expected);
        let scanned = scan(&**bytes).expect("scanned");
        assert_eq!((scanned.diff_id, scanned.size, scanned.entries), (expected, 10240, 1));
    }
}

#[test]
fn an_error_of_the_source_is_told() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the wire is cut"))
        }
    }
    let start = Tar::new().file("a", &"x".repeat(100_000)).bytes;
    let error = scan(std::io::Read::chain(&start[..50_000], Broken)).expect_err("broken");
    assert!(matches!(&error, Error::Read { source, .. } if source.to_string() == "the wire is cut"), "{error:?}");
}

#[test]
fn owners_go_through_a_map_also_where_no_entry_says_whose_a_directory_is() {
    requires!(root);
    let map =
        [IdMapping { container_id: 0, host_id: 700_000, size: 5 }, IdMapping { container_id: 5, host_id: 0, size: 1 }];
    let ownership = Ownership::Mapped { uids: &map, gids: &map };
    let place = Place::new();
    let tar = Tar::new().file("a/b/file", "x").end();
    let applied = place.apply_with(&tar, &Options { ownership, ..tar::options() }).expect("applied");
    for name in ["a", "a/b", "a/b/file"] {
        let meta = fs::symlink_metadata(place.path(name)).expect("made");
        assert_eq!((meta.uid(), meta.gid()), (700_000, 700_000), "{name}");
    }
    assert_eq!(applied.diff_id, Place::new().apply(&tar).expect("applied").diff_id, "the same layer");
}
