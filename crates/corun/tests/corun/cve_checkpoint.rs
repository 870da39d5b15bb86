//! Archives of checkpoints that somebody has prepared: what they say of annotations, devices and names is not heard.

use crate::bundle::Bundle;
use crate::counting::{COUNTS, Counting, criu};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use testkit::{Invocation, requires};

impl Counting {
    fn images(&self) -> PathBuf {
        self.bundle.dir().join("checkpoint")
    }

    /// Puts this into the archive under each name by which engines and runtimes keep what belongs to a checkpoint.
    fn smuggle(&self, what: &Value) {
        for name in ["config.json", "config.dump", "spec.dump", "state.json", "status.dump", "bundle.json"] {
            fs::write(self.images().join(name), what.to_string()).unwrap();
        }
    }

    fn state(&self, id: &str) -> Value {
        serde_json::from_str(&self.verb("state", &[], id).ok().stdout).unwrap()
    }
}

#[test]
fn cve_2026_53492_annotations_devices_and_hooks_of_an_archive_reach_nobody() {
    requires!(root, busybox, cgroups, that = criu());
    let mut bundle = Bundle::script(COUNTS);
    bundle.set("/annotations", json!({ "its": "own" }));
    let mut counting = Counting::of(bundle);
    counting.checkpoint(&[]).code(0);
    let mark = counting.bundle.sandbox.join("mark");
    let program = counting.bundle.sandbox.file("program", format!("#!/bin/sh\necho > {}\n", mark.display()));
    Invocation::new("chmod").arg("755").arg(&program).ok();
    let program = program.to_string_lossy();
    // criu does what its configuration says, as root.
    let (configuration, log) = (counting.images().join("criu.conf"), counting.images().join("smuggled.log"));
    fs::write(&configuration, "log-file=smuggled.log\n").unwrap();
    let annotations = json!({ "cdi.k8s.io/gpu": "vendor.com/gpu=all", "org.criu.config": configuration });
    counting.smuggle(&json!({
        "annotations": annotations,
        "hooks": { "prestart": [{ "path": program }], "createRuntime": [{ "path": program }] },
        "mounts": [{ "type": "bind", "source": "/", "destination": "/smuggled", "options": ["rbind"] }],
        "linux": { "devices": [{ "path": "/dev/smuggled", "type": "b", "major": 7, "minor": 0 }], "maskedPaths": [] },
    }));
    counting.restore(&[]);
    assert_eq!(counting.state(&counting.bundle.id)["annotations"], json!({ "its": "own" }));
    assert_eq!(counting.says("ls -d /dev/smuggled /smuggled 2>/dev/null; head -c 1 /proc/timer_list"), "");
    assert!(!mark.exists(), "what the archive names has run");
    assert!(!log.exists(), "criu has read the archive's configuration");
    // The bundle is its maker's: said there it is read, so it would have been.
    counting.checkpoint(&[]).code(0);
    counting.bundle.set("/annotations", annotations);
    counting.configure();
    counting.restore(&[]);
    assert!(log.exists());
}

#[test]
fn cve_2026_50195_an_archive_comes_by_no_name_of_somebody_elses() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    let own = counting.bundle.id.clone();
    // Of the same length, so that it fits wherever the images have the attacker's.
    let victim = own.replace("coracle-", "vic-tim-");
    let mut spec = counting.bundle.spec.clone();
    spec["process"]["args"] = json!(["sleep", "1000"]);
    spec["linux"]["cgroupsPath"] = json!(format!("/{victim}"));
    counting.bundle.sandbox.rootfs("victim/rootfs");
    counting.bundle.sandbox.file("victim/config.json", spec.to_string());
    let dir = counting.bundle.sandbox.join("victim");
    counting.quiet(counting.verb("run", &["--detach", "--bundle", &dir.to_string_lossy()], &victim)).ok();
    let record = || fs::read(counting.bundle.sandbox.runroot().join(&victim).join("state.json")).unwrap();
    let (before, state) = (record(), counting.state(&victim));

    counting.checkpoint(&[]).code(0);
    counting.smuggle(&json!({ "id": victim, "name": victim, "rootfs": dir, "linux": { "cgroupsPath": victim } }));
    let mut changed = 0;
    for entry in fs::read_dir(counting.images()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|end| end == "img") {
            let mut bytes = fs::read(&entry).unwrap();
            for at in 0..bytes.len().saturating_sub(own.len()) {
                if bytes[at..].starts_with(own.as_bytes()) {
                    bytes[at..at + own.len()].copy_from_slice(victim.as_bytes());
                    changed += 1;
                }
            }
            fs::write(&entry, bytes).unwrap();
        }
    }
    assert!(changed > 0, "no image names the container");
    counting.quiet(counting.verb("restore", &["--detach"], &victim)).run().code(1);
    assert!(counting.errors().contains("exists"), "{}", counting.errors());
    counting.restore(&[]);
    let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", counting.pid())).unwrap();
    assert!(cgroup.contains(&own) && !cgroup.contains(&victim), "{cgroup}");
    assert_eq!((record(), counting.state(&victim)), (before, state));
    counting.verb("delete", &["--force"], &victim).ok();
}
