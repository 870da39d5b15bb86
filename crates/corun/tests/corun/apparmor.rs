//! AppArmor profiles of the container and of what enters it, on a kernel that has AppArmor.

use crate::bundle::Bundle;
use crate::container::Container;
use crate::counting::{COUNTS, Counting, SOON, criu};
use std::path::PathBuf;
use testkit::requires::Need;
use testkit::{Invocation, requires, within};

/// A profile in the kernel that allows all but to read `/denied`.
struct Profile {
    name: String,
    file: PathBuf,
}

impl Profile {
    fn load(bundle: &Bundle, name: &str) -> Self {
        let name = format!("{}-{name}", bundle.id);
        let rules = "file, capability, network, mount, umount, pivot_root, signal, ptrace, unix, deny /denied r,";
        let text = format!("profile {name} flags=(attach_disconnected) {{ {rules} }}\n");
        let profile = Self { file: bundle.sandbox.file(&name, text), name };
        profile.parser("--replace").ok();
        profile
    }

    fn parser(&self, what: &str) -> Invocation {
        Invocation::new("apparmor_parser").args(["--skip-cache", what]).arg(&self.file)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = self.parser("--remove").run();
    }
}

fn apparmor() -> Need {
    let there = std::path::Path::new("/sys/kernel/security/apparmor").exists();
    if there { Ok(()) } else { Err("AppArmor (cargo xtask guest --emulated)".to_owned()) }
}

#[test]
fn a_profile_holds_for_the_container_and_for_what_enters_it() {
    requires!(root, busybox, that = apparmor(), package = "apparmor_parser");
    let look = "cat /proc/self/attr/current; cat /denied";
    let mut bundle = Bundle::script(&format!("{look}; sleep 1000"));
    bundle.rootfs.file("denied", "read all the same\n");
    let [first, second] = ["first", "second"].map(|name| Profile::load(&bundle, name));
    bundle.set("/process/apparmorProfile", first.name.clone());
    let container = Container::running(bundle);
    let confined = |profile: &Profile| format!("{} (enforce)\n", profile.name);
    let denied = "cat: can't open '/denied': Permission denied";
    container.says(denied);
    assert!(container.output().starts_with(&confined(&first)), "{}", container.output());
    for (options, profile) in [(&[][..], &first), (&["--apparmor", &second.name], &second)] {
        let outcome = container.exec_with(options, &["sh", "-c", look]).run();
        outcome.code(1).stdout_is(&confined(profile)).stderr_contains(denied);
    }
    let outcome = container.exec_with(&["--apparmor", "no-such-profile"], &["true"]).run();
    // Podman looks for such a path in such quotes.
    outcome.code(255).one_line_error("`/proc/self/attr/apparmor/exec`").stderr_contains("no such file or directory");
}

#[test]
fn a_restored_one_has_its_profile_again_or_another_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, that = apparmor(), package = "apparmor_parser", that = criu());
    let mut bundle = Bundle::script(COUNTS);
    let [first, second] = ["first", "second"].map(|name| Profile::load(&bundle, name));
    bundle.set("/process/apparmorProfile", first.name.clone());
    let counting = Counting::of(bundle);
    let label = || std::fs::read_to_string(format!("/proc/{}/attr/current", counting.pid())).unwrap();
    assert_eq!(label(), format!("{} (enforce)\n", first.name));
    counting.again(&[], &[]);
    assert_eq!(label(), format!("{} (enforce)\n", first.name));
    counting.again(&[], &["--lsm-profile", &format!("apparmor:{}", second.name)]);
    assert_eq!(label(), format!("{} (enforce)\n", second.name));
    counting.checkpoint(&[]).code(0);
    assert!(refused(&counting, "no-such-profile").contains("no-such-profile"), "{}", counting.errors());
}

/// What is said of a restore with this profile, which fails.
#[track_caller]
fn refused(counting: &Counting, profile: &str) -> String {
    let options = ["--detach", "--lsm-profile", &format!("apparmor:{profile}")];
    counting.quiet(counting.corun("restore", &options)).run().code(1);
    counting.corun("state", &[]).run().code(1).stderr_contains("does not exist");
    counting.errors()
}

#[test]
fn a_restored_one_that_would_be_unconfined_all_the_same_is_refused() {
    requires!(root, busybox, cgroups, that = apparmor(), package = "apparmor_parser", that = criu());
    let counting = Counting::new();
    let profile = Profile::load(&counting.bundle, "late");
    counting.checkpoint(&[]).code(0);
    let last = counting.count();
    assert!(refused(&counting, &profile.name).contains("AppArmor"), "{}", counting.errors());
    assert_eq!(counting.count(), last, "it has not gone on");
    counting.restore(&[]);
    assert!(within(SOON, || counting.count() > last), "nothing is lost");
}
