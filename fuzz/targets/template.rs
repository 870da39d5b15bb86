//! `--format`: a template of anybody's, over an object as our verbs show them.

#![no_main]

use serde_json::json;
use template::Template;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse(text) else { return };
    let object = json!({
        "ID": "0123456789ab", "Names": ["one", "two"], "Size": 12, "Free": 1.5, "Whole": true, "None": null,
        "Config": {"Env": ["A=1", "B=2"], "Labels": {"a.b": "c", "": "d"}},
    });
    let _ = template.execute(&object);
});
