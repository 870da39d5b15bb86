//! `state.json`, the container written down.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| corun::read_state(bytes));
