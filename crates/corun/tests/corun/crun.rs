//! What callers of crun ask for by annotations of its own.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP};
use serde_json::json;
use testkit::requires;

#[test]
fn the_groups_of_its_maker_are_kept_where_that_is_asked() {
    requires!(root, busybox, package = "setpriv");
    let groups = ["setpriv", "--groups", "1234,4321"];
    for (value, kept) in [("1", "0 1234 4321\n"), ("0", "0 77\n")] {
        let mut bundle = Bundle::script(SLEEP);
        bundle.set("/process/user/additionalGids", json!([77]));
        bundle.set("/annotations", json!({ "run.oci.keep_original_groups": value }));
        let container = Container::planned(bundle);
        container.apart(container.create_with(&[])).under(groups).run().code(0);
        container.verb("start").ok();
        let first = container.pid();
        let status = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
        let told = crate::bundle::field(&status, "Groups").trim().to_owned();
        assert_eq!(format!("0 {told}\n"), kept, "{value}");
        container.exec(&["id", "-G"]).under(groups).ok().stdout_is(kept);
    }
}
