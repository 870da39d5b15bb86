//! Device rules, judged by the kernel.

use crate::lab::Lab;
use cgroup::default_rules;
use oci::runtime::{DeviceRule, DeviceType, Resources};
use testkit::requires;

fn rule(allow: bool, major: i64, minor: i64, access: &str) -> DeviceRule {
    DeviceRule {
        allow,
        kind: Some(DeviceType::Char),
        major: Some(major),
        minor: Some(minor),
        access: Some(access.to_owned()),
    }
}

fn devices(rules: &[DeviceRule]) -> Resources {
    Resources { devices: rules.to_vec(), ..Resources::default() }
}

/// Which of a few attempts succeed: reading null, writing null, opening zero both ways, making a node of full, opening
/// random.
fn attempts(lab: &Lab) -> String {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "t() {{ if sh -c \"$2\" 2>&-; then printf %s \"$1 \"; fi; }}; \
         t null-r 'exec 9</dev/null'; t null-w 'exec 9>/dev/null'; t zero-rw 'exec 9<>/dev/zero'; \
         t full-m 'mknod {0}/full c 1 7'; t random-r 'exec 9</dev/random'; echo",
        dir.path().display()
    );
    // The shells themselves must not need a device: the harness's pipes are their standard streams.
    lab.inside(&script).run().code(0).stdout.trim().to_owned()
}

#[test]
fn without_rules_nothing_is_touched() {
    requires!(root);
    let lab = Lab::new();
    lab.cgroup.apply(&devices(&[])).unwrap();
    assert_eq!(attempts(&lab), "null-r null-w zero-rw full-m random-r");
}

#[test]
fn what_is_not_allowed_is_denied() {
    requires!(root);
    let lab = Lab::new();
    lab.cgroup.apply(&devices(&[rule(true, 1, 3, "rw")])).unwrap();
    assert_eq!(attempts(&lab), "null-r null-w");
}

#[test]
fn accesses_are_judged_one_by_one() {
    requires!(root);
    let lab = Lab::new();
    // Reading any memory device, making nodes of any; zero's writing comes by a rule of its own.
    lab.cgroup.apply(&devices(&[rule(true, 1, -1, "r"), rule(true, -1, -1, "m"), rule(true, 1, 5, "w")])).unwrap();
    assert_eq!(attempts(&lab), "null-r zero-rw full-m random-r");
}

#[test]
fn a_later_rule_wins() {
    requires!(root);
    let lab = Lab::new();
    let everything = DeviceRule { allow: true, ..DeviceRule::default() };
    lab.cgroup.apply(&devices(&[everything, rule(false, 1, 8, "rwm"), rule(false, 1, 3, "w")])).unwrap();
    assert_eq!(attempts(&lab), "null-r zero-rw full-m");
}

#[test]
fn rules_can_be_changed_while_in_use() {
    requires!(root);
    let lab = Lab::new();
    let mut rules = default_rules();
    lab.cgroup.apply(&devices(&rules)).unwrap();
    assert_eq!(attempts(&lab), "null-r null-w zero-rw full-m random-r");
    lab.cgroup.apply(&devices(&[rule(true, 1, 5, "rw")])).unwrap();
    assert_eq!(attempts(&lab), "zero-rw");
    let everything = DeviceRule { allow: true, ..DeviceRule::default() };
    lab.cgroup.apply(&devices(&[everything.clone(), rule(false, 1, 8, "r")])).unwrap();
    assert_eq!(attempts(&lab), "null-r null-w zero-rw full-m");
    lab.cgroup.apply(&devices(&[everything, rule(false, 1, 3, "r")])).unwrap();
    assert_eq!(attempts(&lab), "null-w zero-rw full-m random-r");
    // From here on as a later command sees it.
    let again = cgroup::Cgroup::from_paths(&lab.cgroup.paths());
    // Not the making of nodes: v1 cannot take that out of the rule that allows it for all.
    rules.push(rule(false, 1, 5, "rw"));
    again.apply(&devices(&rules)).unwrap();
    assert_eq!(attempts(&lab), "null-r null-w full-m random-r");
    again.apply(&devices(&[rule(true, 1, 8, "r")])).unwrap();
    assert_eq!(attempts(&lab), "random-r");
    again.apply(&devices(&[DeviceRule { allow: true, ..DeviceRule::default() }])).unwrap();
    assert_eq!(attempts(&lab), "null-r null-w zero-rw full-m random-r");
    again.apply(&devices(&[rule(true, 1, 3, "r")])).unwrap();
    assert_eq!(attempts(&lab), "null-r");
}

#[test]
fn a_block_device_is_not_the_character_device_of_the_same_number() {
    requires!(root);
    let lab = Lab::new();
    let block = DeviceRule { kind: Some(DeviceType::Block), ..rule(true, 1, 3, "rwm") };
    lab.cgroup.apply(&devices(&[block])).unwrap();
    assert_eq!(attempts(&lab), "");
}
