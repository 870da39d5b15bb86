//! `config.json`: read, and planned as far as no privilege is needed.

#![no_main]

use oci::runtime::Spec;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = runtime::planned(text);
    if let Ok(spec) = oci::runtime::read::<Spec>(text.as_bytes()) {
        let written = serde_json::to_vec(&spec).expect("what was read can be written");
        let again: Spec = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(spec, again);
    }
});
