//! What others answer: a bus, the kernel's netlink, criu. The first byte says which.

#![no_main]

use corun::netlink::{answers, attributes, refusal};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => {
            let _ = (dbus::Message::length(bytes), dbus::Message::parse(bytes));
        }
        1 => {
            for answer in answers(bytes) {
                let _ = (attributes(answer.payload, 16).count(), refusal(&answer));
            }
        }
        2 => {
            let _ = criu::Response::decode(bytes);
        }
        _ => {
            let text = String::from_utf8_lossy(bytes);
            let _ = dbus::Address::parse_list(&text);
            let _ = criu::errors(&text);
        }
    }
});
