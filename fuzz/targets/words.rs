//! The flags of every verb of `corun`: the first line is the verb, each further one a word.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let verb = lines.next().unwrap_or_default();
    // A word before the verb is one of the flags that stand there; the same lines, read as those.
    if !verb.starts_with('-') {
        corun::read_words(verb, lines);
    } else {
        corun::read_words("--help", text.split('\n'));
    }
});
