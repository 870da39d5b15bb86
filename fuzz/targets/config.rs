//! `config.json`: read, and planned as far as no privilege is needed.

#![no_main]

use oci::runtime::{Mount, Spec};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(spec) = oci::runtime::read::<Spec>(text.as_bytes()) {
        if !spec.mounts.iter().any(mapped) {
            let _ = runtime::planned(text);
        }
        let written = serde_json::to_vec(&spec).expect("what was read can be written");
        let again: Spec = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(spec, again);
    }
});

/// For its ids a process is made, which only one without other threads may.
fn mapped(mount: &Mount) -> bool {
    let maps = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
    maps || mount.options.iter().any(|word| word.contains("idmap"))
}
