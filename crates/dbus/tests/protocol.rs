//! Any value comes back as it was sent, nothing that comes makes the parser panic, and real buses understand us.

use dbus::{Address, Call, Connection, Error, Message, Value};
use proptest::prelude::*;
use std::time::{Duration, Instant};
use testkit::requires;

const LIMIT: Duration = Duration::from_secs(20);

/// Values of all types; `signature` of an array is that of its first element, so that all fit.
fn value() -> impl Strategy<Value = Value> {
    let basic = prop_oneof![
        any::<u8>().prop_map(Value::Byte),
        any::<bool>().prop_map(Value::Bool),
        any::<i16>().prop_map(Value::Int16),
        any::<u16>().prop_map(Value::Uint16),
        any::<i32>().prop_map(Value::Int32),
        any::<u32>().prop_map(Value::Uint32),
        any::<i64>().prop_map(Value::Int64),
        any::<u64>().prop_map(Value::Uint64),
        proptest::num::f64::NORMAL.prop_map(Value::Double),
        any::<u32>().prop_map(Value::Fd),
        "[^\0]{0,20}".prop_map(Value::Text),
        "(/[A-Za-z0-9_]{1,5}){1,3}".prop_map(Value::Path),
        Just(Value::Signature("a{sv}(ii)".to_owned())),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ];
    basic.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            inner.clone().prop_map(|held| Value::Variant(Box::new(held))),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Value::Struct),
            // An array of bytes has a form of its own.
            (inner.clone().prop_filter("bytes", |held| held.signature() != "y"), 0..4_usize)
                .prop_map(|(held, count)| Value::Array(held.signature(), vec![held; count])),
            (any::<u16>(), inner).prop_map(|(key, held)| {
                let entry = Value::Entry(Box::new(Value::Uint16(key)), Box::new(held));
                Value::Array(entry.signature(), vec![entry])
            }),
        ]
    })
}

fn call(body: Vec<Value>) -> Call<'static> {
    Call { destination: "a.b", path: "/a", interface: "a.b", member: "C", body }
}

/// A message as a peer reads it.
fn bytes(body: Vec<Value>) -> Vec<u8> {
    dbus::encode(&call(body), 7).unwrap()
}

proptest! {
    #[test]
    fn what_is_sent_is_what_comes(body in proptest::collection::vec(value(), 0..5)) {
        let bytes = bytes(body.clone());
        prop_assert_eq!(Message::length(&bytes).unwrap(), Some(bytes.len()));
        let message = Message::parse(&bytes).unwrap();
        prop_assert_eq!(message.body, body);
        prop_assert_eq!(message.member.as_deref(), Some("C"));
    }

    #[test]
    fn garbage_is_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes);
    }

    #[test]
    fn a_spoilt_message_is_no_panic(
        body in proptest::collection::vec(value(), 1..5),
        spots in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = bytes(body);
        for (spot, byte) in spots {
            *spot.get_mut(&mut bytes) = byte;
        }
        let _ = Message::parse(&bytes);
        let _ = Message::parse(&bytes[..cut.index(bytes.len())]);
    }
}

#[test]
fn what_breaks_the_protocol_is_not_sent() {
    let mixed = Value::Array("s".to_owned(), vec![Value::Byte(1)]);
    let bodies = [
        Value::Text("a\0b".to_owned()),
        Value::Path("a/b".to_owned()),
        Value::Signature("a".to_owned()),
        Value::Struct(Vec::new()),
        Value::Variant(Box::new(Value::Entry(Box::new(1_u64.into()), Box::new(1_u64.into())))),
        mixed,
    ];
    for body in bodies {
        assert!(matches!(dbus::encode(&call(vec![body.clone()]), 1), Err(Error::Message { .. })), "{body:?}");
    }
}

/// The bus's own daemon, for one test.
struct Daemon {
    child: std::process::Child,
    address: Address,
    _directory: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("bus").display().to_string();
        let mut child = std::process::Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1", &format!("--address=unix:path={socket}")])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let address = Address::parse_list(line.trim()).unwrap().remove(0);
        Self { child, address, _directory: directory }
    }

    fn signal(&self, signal: i32) {
        sys::process::kill(self.child.id() as i32, signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bus(member: &str, body: Vec<Value>) -> Call<'_> {
    let name = "org.freedesktop.DBus";
    Call { destination: name, path: "/org/freedesktop/DBus", interface: name, member, body }
}

#[test]
fn a_real_bus_lets_us_in_answers_and_says_no() {
    requires!(package = "dbus-daemon");
    let daemon = Daemon::start();
    let mut connection = Connection::bus(&daemon.address, LIMIT).unwrap();
    let names = connection.call(&bus("ListNames", Vec::new())).unwrap();
    assert!(matches!(&names[..], [Value::Array(_, names)] if names.contains(&"org.freedesktop.DBus".into())));
    let error = connection.call(&bus("GetNameOwner", vec!["no.such.name".into()])).unwrap_err();
    assert!(error.is("org.freedesktop.DBus.Error.NameHasNoOwner"), "{error}");
}

#[test]
fn a_signal_of_a_real_bus_comes_also_when_an_answer_is_waited_for() {
    requires!(package = "dbus-daemon");
    let daemon = Daemon::start();
    let mut connection = Connection::bus(&daemon.address, LIMIT).unwrap();
    connection.watch("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged").unwrap();
    connection.call(&bus("RequestName", vec!["a.b".into(), Value::Uint32(0)])).unwrap();
    connection.call(&bus("GetId", Vec::new())).unwrap();
    let of = |message: &Message| message.body.first() == Some(&"a.b".into());
    assert_eq!(connection.signal("the news", of).unwrap().member.as_deref(), Some("NameOwnerChanged"));
}

#[test]
fn a_stopped_bus_costs_its_time_and_no_more() {
    requires!(package = "dbus-daemon");
    let daemon = Daemon::start();
    let mut connection = Connection::bus(&daemon.address, LIMIT).unwrap();
    daemon.signal(19);
    let limit = Duration::from_millis(300);
    connection.renew(limit);
    let begun = Instant::now();
    let error = connection.call(&bus("ListNames", Vec::new())).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    // A new connection is not even greeted.
    let error = Connection::bus(&daemon.address, limit).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let took = begun.elapsed();
    assert!(took >= limit * 2 && took < limit * 2 + Duration::from_secs(10), "{took:?}");
    daemon.signal(18);
}

#[test]
fn nobody_there_is_told() {
    let error = Connection::bus(&Address::path("/nonexistent/bus"), LIMIT).unwrap_err();
    assert_eq!(error.to_string(), "cannot reach the bus at /nonexistent/bus");
}
