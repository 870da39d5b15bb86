//! What registries and archives send beside layers: manifests, indexes, configurations, names. What was read and can be
//! written is read back as the same.

#![no_main]

use oci::image::{ImageConfig, Index, Manifest, Platform};
use oci::reference::Reference;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let written = serde_json::to_vec(&manifest).expect("JSON");
        assert_eq!(Manifest::parse(&written).expect("our own manifest"), manifest);
    }
    if let Ok(index) = Index::parse(bytes) {
        let _ = index.for_platform(&Platform::host());
        let written = serde_json::to_vec(&index).expect("JSON");
        assert_eq!(Index::parse(&written).expect("our own index"), index);
    }
    if let Ok(config) = ImageConfig::parse(bytes) {
        let written = serde_json::to_vec(&config).expect("JSON");
        assert_eq!(ImageConfig::parse(&written).expect("our own configuration"), config);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        let again = |text: String| text.parse::<Reference>().expect("our own name");
        assert_eq!(again(reference.to_string()), reference);
        let familiar = reference.familiar();
        // docker's short form leaves out what is added again: the registry, and the tag of a name without a digest.
        assert_eq!(again(familiar.clone()).familiar(), familiar);
        let _ = reference.local();
    }
});
