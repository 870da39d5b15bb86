//! Specifications that are almost right: each part in turn becomes something else, and planning says so or does without.
//! No step of a plan is done here.

use super::planned::planned;
use proptest::prelude::*;
use serde_json::{Value, json};

/// One that is planned as it is, with something in each part.
fn whole() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": {
            "terminal": true, "consoleSize": { "height": 1, "width": 2 }, "cwd": "/", "args": ["sh", "-c", "true"],
            "user": { "uid": 1, "gid": 2, "umask": 18, "additionalGids": [5] }, "env": ["PATH=/bin", "A=b"],
            "capabilities": { "bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"] },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 10, "hard": 10 }], "noNewPrivileges": true,
            "oomScoreAdj": 5, "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 3 },
            "scheduler": { "policy": "SCHED_OTHER", "nice": 3 }, "execCPUAffinity": { "initial": "0", "final": "0-1" }
        },
        "root": { "path": "/usr", "readonly": true }, "hostname": "h", "domainname": "d",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"] },
            { "destination": "/mnt", "type": "bind", "source": "/etc", "options": ["rbind", "ro", "rslave"] },
            { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"] }
        ],
        "hooks": { "poststop": [{ "path": "/bin/true", "args": ["a"], "env": ["B=c"], "timeout": 1 }] },
        "annotations": { "k": "v" },
        "linux": {
            "namespaces": [{ "type": "pid" }, { "type": "mount" }, { "type": "uts" }, { "type": "ipc" },
                { "type": "network" }, { "type": "user" }, { "type": "cgroup" }, { "type": "time" }],
            "uidMappings": [{ "containerID": 0, "hostID": 1000, "size": 10 }],
            "gidMappings": [{ "containerID": 0, "hostID": 1000, "size": 10 }],
            "timeOffsets": { "monotonic": { "secs": 5, "nanosecs": 3 } },
            "devices": [{ "type": "c", "path": "/dev/x", "major": 1, "minor": 3, "fileMode": 438, "uid": 0, "gid": 0 }],
            "sysctl": { "net.ipv4.ip_forward": "1", "kernel.shmmni": "5" }, "cgroupsPath": "/a/b",
            "rootfsPropagation": "slave", "personality": { "domain": "LINUX" },
            "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"],
            "resources": { "memory": { "limit": 1 }, "cpu": { "shares": 2, "cpus": "0" }, "pids": { "limit": 3 } },
            "memoryPolicy": { "mode": "MPOL_BIND", "nodes": "0" },
            "seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5,
                    "args": [{ "index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ" }] }] }
        }
    })
}

/// What takes the place of a part.
fn odd() -> impl Strategy<Value = Value> {
    const TEXTS: [&str; 13] =
        ["", "/", "..", "/../../etc", "1x", "-1", "0-", "99999999999999999999", "a\u{0}b", "a\nb", "é", "=", ":"];
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!([])),
        Just(json!({})),
        Just(json!("x".repeat(70_000))),
        proptest::sample::select(&TEXTS[..]).prop_map(Value::from),
        proptest::sample::select(vec![0_i64, -1, 1, 255, i64::from(u32::MAX), 1 << 32, i64::MIN, i64::MAX])
            .prop_map(Value::from),
        Just(json!(u64::MAX)),
        Just(json!(1.5e300)),
        any::<u16>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
    ]
}

/// The paths of all parts.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    if !at.is_empty() {
        all.push(at.to_owned());
    }
    match value {
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), all)),
        Value::Object(map) => map.iter().for_each(|(k, v)| pointers(v, &format!("{at}/{}", k.replace('/', "~1")), all)),
        _ => {}
    }
}

/// How a part is changed: replaced, taken away, or there twice.
#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Remove,
    Twice,
}

fn change(value: &mut Value, pointer: &str, how: &Change) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    match (how, value.pointer_mut(parent)) {
        (Change::Remove, Some(Value::Object(map))) => drop(map.remove(&name.replace("~1", "/"))),
        (Change::Remove, Some(Value::Array(list))) => drop(list.pop()),
        (Change::Twice, Some(Value::Array(list))) => list.extend(list.first().cloned()),
        (Change::Replace(odd), Some(_)) => {
            if let Some(part) = value.pointer_mut(pointer) {
                *part = odd.clone();
            }
        }
        _ => {}
    }
}

#[test]
fn the_whole_one_is_planned() {
    assert!(planned(&whole().to_string()).unwrap() > 20);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(
        if std::env::var_os("CORACLE_LONG").is_some() { 50_000 } else { 400 }) })]

    #[test]
    fn parts_that_are_something_else(picks in proptest::collection::vec(
        (any::<proptest::sample::Index>(), prop_oneof![4 => odd().prop_map(Change::Replace), 1 => Just(Change::Remove),
            1 => Just(Change::Twice)]), 1..4))
    {
        let mut value = whole();
        for (index, how) in &picks {
            let mut all = Vec::new();
            pointers(&value, "", &mut all);
            if !all.is_empty() {
                let pointer = all[index.index(all.len())].clone();
                change(&mut value, &pointer, how);
            }
        }
        let _ = planned(&value.to_string());
    }

    #[test]
    fn texts_that_are_cut_or_have_other_bytes(at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = whole().to_string().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = planned(&String::from_utf8_lossy(&bytes));
    }
}
