//! What callers look for in the words of a failure, where no other test has the situation. docs/compat.md lists all.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP};
use serde_json::Value;
use testkit::requires;

#[test]
fn a_command_that_is_no_program() {
    requires!(root, busybox);
    let waits = Container::created(Bundle::script(SLEEP));
    // dockerd makes 126 of either; podman of the second.
    for words in ["is a directory", "permission denied"] {
        waits.exec(&["/bin"]).run().code(255).one_line_error(words);
        let mut bundle = Bundle::new();
        bundle.set("/process/args", serde_json::json!(["/bin"]));
        bundle.refused(words);
    }
}

#[test]
fn a_file_mounted_on_a_directory_and_a_directory_on_a_file() {
    requires!(root, busybox);
    for (kind, target) in [("file", "/bin"), ("directory", "/bin/busybox")] {
        let mut bundle = Bundle::new();
        bundle.sandbox.file("directory/file", "");
        let source = bundle.sandbox.join(if kind == "file" { "directory/file" } else { "directory" });
        bundle.mount("bind", &source, target, &["bind"]);
        bundle.refused("not a directory");
    }
}

#[test]
fn each_failure_is_one_error_in_the_log() {
    requires!(root, busybox);
    let mut bundle = Bundle::script(SLEEP);
    bundle.set("/process/args", serde_json::json!(["no-such-command"]));
    let refused = Container::planned(bundle);
    let waits = Container::created(Bundle::script(SLEEP));
    let dir = refused.bundle.dir();
    let (id, taken) = (refused.bundle.id.as_str(), waits.bundle.id.as_str());
    for (code, words) in [
        (1, vec!["create", "-b", dir.to_str().unwrap(), id]),
        (1, vec!["run", "-b", dir.to_str().unwrap(), id]),
        (255, vec!["exec", taken, "no-such-command"]),
        (1, vec!["kill", id]),
        (1, vec!["resume", taken]),
    ] {
        let log = refused.bundle.sandbox.join("log.json");
        let sandbox =
            if words[0] == "exec" || words[0] == "resume" { &waits.bundle.sandbox } else { &refused.bundle.sandbox };
        let outcome = sandbox.corun(["--log-format", "json", "--log"]).arg(&log).args(&words).run();
        // podman reads the whole file as one object, containerd the last line whose level is "error".
        let told: Value = serde_json::from_str(&std::fs::read_to_string(&log).unwrap()).unwrap();
        assert_eq!(told["level"], "error");
        outcome.code(code).one_line_error(told["msg"].as_str().unwrap());
        std::fs::remove_file(&log).unwrap();
    }
}
