//! Users, groups and their maps.

use crate::bundle::{Bundle, field};
use serde_json::json;
use testkit::{User, requires};

#[test]
fn user_group_and_additional_groups_are_the_kernels_numbers() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /proc/self/status");
    bundle.set("/process/user", json!({ "uid": 1234, "gid": 2345, "additionalGids": [10, 20, 4_000_000_000_u32] }));
    let outcome = bundle.ok();
    assert_eq!(field(&outcome.stdout, "Uid"), "1234\t1234\t1234\t1234");
    assert_eq!(field(&outcome.stdout, "Gid"), "2345\t2345\t2345\t2345");
    assert_eq!(field(&outcome.stdout, "Groups").trim(), "10 20 4000000000");
}

#[test]
fn the_callers_groups_do_not_come_along() {
    requires!(root, busybox);
    let bundle = Bundle::script("cat /proc/self/status");
    let outcome = bundle.run_as(bundle.invocation().under(["setpriv", "--groups", "42,43"]));
    assert_eq!(field(&outcome.code(0).stdout, "Groups").trim(), "");
}

#[test]
fn ids_out_of_range_are_refused_and_never_wrap_to_root() {
    requires!(root, busybox);
    for id in ["-1", "4294967296", "18446744073709551616", "\"1\"", "\"\"", "1.5", "1e3x", "null"] {
        let bundle = Bundle::new();
        let text = bundle.spec.to_string().replace(r#""gid":0,"uid":0"#, &format!(r#""gid":0,"uid":{id}"#));
        assert!(text.contains(id), "{text}");
        let invocation = bundle.invocation();
        bundle.sandbox.file("bundle/config.json", text);
        bundle.run_as(invocation).code(1).stderr_contains("config.json");
    }
    // −1 as an unsigned number means "leave it" to setresuid(2): it would stay root.
    let mut bundle = Bundle::script("id -u");
    bundle.set("/process/user/uid", u32::MAX);
    bundle.run().code(1).stdout_is("");
    bundle.set("/process/user", json!({ "uid": 1, "gid": u32::MAX }));
    bundle.run().code(1).stdout_is("");
}

#[test]
fn a_user_of_that_number_needs_no_entry_in_passwd() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("id -u");
    bundle.rootfs.file("etc/passwd", "1000:x:0:0:root:/root:/bin/sh\n");
    bundle.set("/process/user/uid", 1000);
    bundle.ok().stdout_is("1000\n");
}

#[test]
fn root_of_a_user_namespace_is_somebody_else_outside() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("id -u; cat /proc/self/uid_map; touch /made");
    bundle.user_namespace();
    let outcome = bundle.ok();
    assert_eq!(outcome.lines()[0], "0");
    assert_eq!(outcome.lines()[1].split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536"]);
    let made = std::fs::metadata(bundle.rootfs.inside("made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 100_000);
}

#[test]
fn maps_may_have_many_ranges_and_no_root() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("id -u; id -g; cat /proc/self/uid_map");
    bundle.user_namespace();
    let map = json!([
        { "containerID": 5, "hostID": 100_005, "size": 10 },
        { "containerID": 1000, "hostID": 101_000, "size": 1 },
        { "containerID": 2000, "hostID": 102_000, "size": 7 }
    ]);
    bundle.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    // Owners of devices and terminals are root's, whom this map does not know.
    let outcome = bundle.ok();
    assert_eq!(outcome.lines()[..2], ["1000", "1000"]);
    assert_eq!(outcome.lines().len(), 5);
}

#[test]
fn a_user_that_is_not_mapped_is_refused() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.user_namespace().set("/process/user/uid", 70_000);
    bundle.refused("become 70000:0");
}

#[test]
fn overlapping_and_endless_maps_are_refused() {
    requires!(root, busybox);
    for map in [
        json!([{ "containerID": 0, "hostID": 1000, "size": 10 }, { "containerID": 5, "hostID": 9000, "size": 1 }]),
        json!([{ "containerID": 0, "hostID": 1000, "size": 0 }]),
        json!([{ "containerID": 0, "hostID": u32::MAX, "size": 2 }]),
    ] {
        let mut bundle = Bundle::new();
        bundle.user_namespace().set("/linux/uidMappings", map);
        bundle.refused("uidMappings");
    }
}

#[test]
fn an_ordinary_user_runs_a_container_of_his_own() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    let mut bundle = Bundle::script("id -u; hostname; echo x > /dev/null; touch /made");
    testkit::Invocation::new("chown")
        .args(["-R", "-h"])
        .arg(format!("{}:{}", user.uid, user.gid))
        .arg(bundle.dir())
        .ok();
    bundle
        .namespace("user", None)
        .without_mount("/sys/fs/cgroup")
        .unset("/linux/resources")
        .unset("/linux/cgroupsPath");
    bundle.set("/linux/uidMappings", json!([{ "containerID": 0, "hostID": user.uid, "size": 1 }]));
    bundle.set("/linux/gidMappings", json!([{ "containerID": 0, "hostID": user.gid, "size": 1 }]));
    let program = bundle.sandbox.join("bin/corun");
    std::fs::copy(testkit::Program::Corun.path(), &program).unwrap();
    let _ = bundle.invocation();
    let corun = bundle.sandbox.command(program).arg("--root").arg(bundle.dir().join("state"));
    let corun = corun.args(["run", "--bundle"]).arg(bundle.dir()).arg(&bundle.id).user(&user);
    bundle.run_as(corun).code(0).stdout_is("0\nbox\n");
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(bundle.rootfs.inside("made")).unwrap()),
        user.uid
    );
}
