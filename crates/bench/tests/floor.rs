//! The floor makes what the runtime makes, no more and no less.

use bench::bundle::{Bundles, cgroup};
use bench::spec::Spec;
use bench::trace::{self, difference};
use bench::{error::text, floor};
use testkit::requires;

fn both_make_the_same(spec: Spec) {
    // The same cgroup for both, one after the other, so that its name does not tell them apart.
    let name = format!("test-{}", spec.name());
    let bundles = Bundles::new().unwrap();
    let (root, files) = (bundles.root(), bundles.files());
    let program = bundles.program("floor", floor::PROGRAM).unwrap();
    let floor = floor::command(&program, spec, &root, &files, &cgroup(&name)).unwrap();
    let bundle = bundles.bundle(spec, &name).unwrap();
    let corun = testkit::Program::Corun.path();
    let state = bundles.state("floor-test");
    let (corun, bundle) = (text(&corun).unwrap(), text(&bundle).unwrap());
    let corun = [corun, "--root", text(&state).unwrap(), "run", "--bundle", bundle, &name].map(str::to_owned);
    let floor = trace::objects(&floor, &root, &state).unwrap();
    let corun = trace::objects(&corun, &root, &state).unwrap();
    assert!(floor.values().sum::<usize>() > 60, "{floor:#?}");
    let (padded, starved) = (difference(&floor, &corun), difference(&corun, &floor));
    assert!(padded.is_empty() && starved.is_empty(), "only the floor: {padded:#?}\nonly the runtime: {starved:#?}");
}

#[test]
fn the_empty_specification_costs_the_floor_the_same_objects() {
    requires!(root, cgroups, package = "strace");
    both_make_the_same(Spec::Empty);
}

#[test]
fn podmans_specification_costs_the_floor_the_same_objects() {
    requires!(root, cgroups, package = "strace");
    both_make_the_same(Spec::Podman);
}
