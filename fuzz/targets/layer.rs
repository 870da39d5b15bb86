//! Tars of layers: read to the end, and each entry with its data.

#![no_main]

use layer::Archive;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = layer::scan(bytes);
    let mut archive = Archive::new(bytes);
    while let Ok(Some(_)) = archive.next_entry() {
        while let Ok(data) = archive.data() {
            let length = data.len();
            if length == 0 {
                break;
            }
            archive.consume(length);
        }
    }
});
