//! A machine that has run out of something, at whatever moment: space or names for the state, descriptors, procfs. One
//! line says of what, and nothing is left.

use crate::bundle::{Bundle, CLEARING};
use crate::container::{Container, SLEEP};
use serde_json::json;
use testkit::{Invocation, Leavings, Outcome, requires};

/// Runs it with a state directory of its own, a tmpfs with these options, and tells behind its standard error what was
/// left there.
fn with_state(container: &Container, options: &str, words: &[&str]) -> Outcome {
    let root = container.bundle.sandbox.join("small");
    let _ = std::fs::create_dir(&root);
    let script = format!(
        "mount -t tmpfs -o {options} state {0} || exit 77; shift; \"$@\"; code=$?
        find {0} -mindepth 1 ! -path '*/.seccomp*' >&2; corun=$1
        if [ $code = 0 ]; then $corun --root {0} state {1} >/dev/null && $corun --root {0} delete --force {1} || exit 78
        [ -z \"$(find {0} -mindepth 1 ! -path '*/.seccomp*')\" ] || exit 79; fi; exit $code",
        root.display(),
        container.bundle.id
    );
    let program = testkit::Program::Corun.path();
    let corun = Invocation::new(program).arg("--root").arg(&root).args(words);
    container.apart_with(corun.under(["unshare", "--mount", "sh", "-c", &script, "sh", "--"]))
}

impl Container {
    /// Runs it without output that the container could hold open; what it has written on standard error comes back.
    fn apart_with(&self, line: Invocation) -> Outcome {
        let errors = self.bundle.sandbox.join("errors");
        let script = format!("\"$@\" </dev/null >/dev/null 2>{0}; code=$?; cat {0} >&2; exit $code", errors.display());
        line.under(["sh", "-c", &script, "sh"]).run()
    }
}

fn made() -> Container {
    let mut bundle = Bundle::script(SLEEP);
    // The filter is a file of its own, and annotations make the record long.
    bundle.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_ERRNO" }] }),
    );
    bundle.set("/annotations", json!({ "long": "x".repeat(9000) }));
    Container::planned(bundle)
}

#[test]
fn no_space_or_no_names_for_the_state_at_any_write() {
    requires!(root, busybox);
    let container = made();
    let dir = container.bundle.dir().display().to_string();
    let (mut failed, mut succeeded) = (0, 0);
    let names = (1..14).map(|count| format!("nr_inodes={count}"));
    let pages = (1..9).map(|pages| format!("size={}k", pages * 4));
    for options in names.chain(pages) {
        for verb in [&["create"][..], &["run", "--detach"]] {
            let words = [verb, &["--bundle", &dir, &container.bundle.id]].concat();
            let outcome = with_state(&container, &options, &words);
            if outcome.exit_code() == Some(0) {
                succeeded += 1;
                continue;
            }
            outcome.code(1).one_line_error("o space left on device");
            failed += 1;
            container.gone();
        }
    }
    assert!(failed > 8 && succeeded > 4, "{failed} failed, {succeeded} did not");
}

#[test]
fn a_state_directory_that_is_read_only() {
    requires!(root, busybox);
    let container = made();
    let dir = container.bundle.dir().display().to_string();
    let outcome = with_state(&container, "ro", &["create", "--bundle", &dir, &container.bundle.id]);
    outcome.code(1).one_line_error("ead-only file system").stderr_contains("/small/");
    let file = container.bundle.sandbox.file("file", "");
    for root in [file.join("below"), file] {
        let line = Invocation::new(testkit::Program::Corun.path()).arg("--root").arg(&root);
        line.args(["create", "--bundle", &dir, "x"]).run().code(1).one_line_error("ot a directory");
    }
}

#[test]
fn few_descriptors() {
    requires!(root, busybox);
    // Its filter is kept beside it for others.
    let container = Container::planned(Bundle::script(SLEEP));
    let limited = |line: Invocation, count: u32| {
        let script = format!("ulimit -n {count}; exec \"$@\"");
        container.apart_with(line.under(["sh", "-c", &script, "sh"]))
    };
    let told = |outcome: &Outcome, code| {
        // The words of the system call layer, or of the C library that is linked in.
        let words = ["oo many open files", "No file descriptors available"];
        outcome.code(code).one_line_error("");
        assert!(words.iter().any(|words| outcome.stderr.contains(words)), "{outcome}");
    };
    let mut least = None;
    // With ten hierarchies of cgroups some forty are needed.
    for count in 4..64 {
        let outcome = limited(container.create_with(&[]), count);
        if outcome.exit_code() == Some(0) {
            least = least.or(Some(count));
            for verb in ["state", "start"] {
                let outcome = limited(container.verb(verb), 4);
                if outcome.exit_code() != Some(0) {
                    told(&outcome, 1);
                }
            }
        } else {
            told(&outcome, 1);
            container.verb("state").run().code(1).stderr_contains("does not exist");
        }
        container.gone();
    }
    assert!(least.is_some_and(|least| least > 6), "{least:?}");
    container.create().code(0);
    container.verb("start").ok();
    let mut ran = false;
    for count in 4..40 {
        let outcome = limited(container.exec(&["true"]), count);
        if outcome.exit_code() == Some(0) {
            ran = true;
        } else {
            told(&outcome, 255);
        }
    }
    assert!(ran);
    assert_eq!(container.status(), "running");
}

#[test]
fn no_procfs_at_all() {
    requires!(root, busybox);
    let bundle = Bundle::script("echo ran");
    let before = Leavings::count(&bundle.scope().dir(bundle.sandbox.runroot()));
    let without = ["unshare", "--mount", "sh", "-c", "umount -l /proc && exec \"$@\"", "sh"];
    let outcome = bundle.invocation().under(without).run();
    outcome.code(1).one_line_error("/proc").stdout_is("");
    before.assert_nothing_new(CLEARING);
    let container = Container::sleeping();
    container.exec(&["true"]).under(without).run().code(255).one_line_error("/proc");
    container.verb("state").under(without).run();
    assert_eq!(container.status(), "running");
}
