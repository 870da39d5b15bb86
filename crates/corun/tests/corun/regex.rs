//! `kill` and `delete` of all containers whose id an expression fits, as crun has it.

use crate::bundle::CLEARING;
use crate::live::Live;
use testkit::requires;

#[test]
fn an_expression_names_several_containers() {
    requires!(root, busybox, cgroups);
    let live = Live::sleeping();
    let other = format!("{}-2", live.bundle.id);
    let mut spec = live.bundle.spec.clone();
    spec["linux"]["cgroupsPath"] = format!("/{}/second", live.bundle.id).into();
    live.bundle.sandbox.file("bundle/config.json", spec.to_string());
    live.bundle.sandbox.corun(["run", "--detach", "--bundle"]).arg(live.bundle.dir()).arg(&other).ok();
    let states = || live.bundle.sandbox.corun(["list", "--format", "json"]).ok().stdout.clone();
    let count = |status: &str| states().matches(&format!("\"status\":\"{status}\"")).count();
    let corun = |words: &[&str]| live.bundle.sandbox.corun(words).run();
    assert_eq!(count("running"), 2, "{}", states());
    corun(&["kill", "--regex", "^nobody"]).code(0);
    corun(&["kill", "-r", ".2$", "KILL"]).code(0);
    assert!(testkit::within(CLEARING, || count("stopped") == 1 && count("running") == 1), "{}", states());
    corun(&["delete", "--regex", ".2$"]).code(0);
    corun(&["delete", "--regex", "("]).code(1).one_line_error("is no regular expression");
    // Without the option it is an id.
    corun(&["delete", "^coracle"]).code(1).one_line_error("container");
    corun(&["delete", "--regex", "^coracle"]).code(1).one_line_error("--force");
    corun(&["delete", "--force", "--regex", "^coracle"]).code(0);
    assert_eq!(states().matches("\"id\"").count(), 0, "{}", states());
}
