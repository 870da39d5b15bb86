//! Making, entering, re-opening and removing.

use crate::lab::{LIMIT, Lab, name};
use cgroup::{Cgroup, CgroupPath, Error, Layout, Mode, Version};
use std::fs;
use testkit::requires;

#[test]
fn every_controller_that_the_kernel_has_bound_is_found() {
    requires!(root);
    let layout = Layout::detect().unwrap();
    assert_ne!(layout.mode(), Mode::None);
    for hierarchy in layout.hierarchies() {
        let procs = format!("{}/cgroup.procs", hierarchy.mount);
        assert!(fs::exists(&procs).unwrap(), "{procs}");
    }
}

#[test]
fn a_cgroup_is_made_in_every_hierarchy_and_removed_from_it() {
    requires!(root);
    let lab = Lab::new();
    let paths = lab.cgroup.paths();
    assert!(!paths.is_empty());
    for path in paths.values() {
        assert!(fs::metadata(path).unwrap().is_dir());
        assert!(path.ends_with(lab.path.as_inner()));
    }
    lab.cgroup.remove(LIMIT).unwrap();
    assert!(paths.values().all(|path| !fs::exists(path).unwrap()));
    lab.cgroup.remove(LIMIT).unwrap();
}

#[test]
fn a_process_is_in_all_of_them() {
    requires!(root);
    let lab = Lab::new();
    let outcome = lab.inside("cat /proc/self/cgroup").run();
    let own = format!("/{}", lab.path.as_inner());
    for path in lab.cgroup.paths().keys() {
        let name = if path.is_empty() { "0::" } else { path };
        let line = outcome.lines().into_iter().find(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            line.starts_with("0::") && path.is_empty() || fields.next().unwrap().split(',').any(|n| n == path)
        });
        assert!(line.unwrap().ends_with(&own), "{name}: {line:?}");
    }
}

#[test]
fn what_the_container_made_below_goes_with_it() {
    requires!(root);
    let lab = Lab::new();
    for path in lab.cgroup.paths().values() {
        fs::create_dir_all(format!("{path}/a/b/c")).unwrap();
        fs::create_dir_all(format!("{path}/a/d")).unwrap();
    }
    lab.cgroup.remove(LIMIT).unwrap();
}

#[test]
fn nesting_deeper_than_a_path_is_long_is_removed_too() {
    requires!(root);
    let lab = Lab::new();
    let top = lab.cgroup.paths().into_values().next_back().unwrap();
    // By steps, as a container would; a path of this length cannot be named at once.
    let script = "cd \"$0\" && for i in $(seq 40); do d=$(printf %0200d $i); mkdir $d && cd -P ./$d || exit 1; done";
    let outcome = testkit::Invocation::new("bash").args(["-c", script, &top]).run();
    outcome.code(0);
    lab.cgroup.remove(LIMIT).unwrap();
}

#[test]
fn parents_are_made_as_needed_and_have_what_cpusets_need() {
    requires!(root);
    let layout = Layout::detect().unwrap();
    let parent = name();
    let cgroup = Cgroup::create(&layout, &CgroupPath::new(&format!("/{parent}/a/b")).unwrap()).unwrap();
    let paths = cgroup.paths();
    if let Some(path) = paths.get("cpuset") {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let text = |path: &str| fs::read_to_string(format!("{path}/{file}")).unwrap();
            assert_eq!(text(path), text("/sys/fs/cgroup/cpuset"));
        }
    }
    cgroup.remove(LIMIT).unwrap();
    for path in paths.values() {
        let parent = path.trim_end_matches("/b");
        assert!(fs::exists(parent).unwrap(), "directories above are left");
        fs::remove_dir(parent).unwrap();
        fs::remove_dir(parent.trim_end_matches("/a")).unwrap();
    }
}

#[test]
fn a_relative_path_starts_at_the_own_cgroup() {
    requires!(root);
    let layout = Layout::detect().unwrap();
    let name = name();
    let cgroup = match Cgroup::create(&layout, &CgroupPath::new(&name).unwrap()) {
        Ok(cgroup) => cgroup,
        Err(error) => panic!("{error}"),
    };
    for hierarchy in layout.hierarchies() {
        let key = hierarchy.key.split(',').next().unwrap();
        if let Some(path) = cgroup.paths().get(key) {
            let own = hierarchy.own_inner().unwrap();
            let own = if own.is_empty() { String::new() } else { format!("/{own}") };
            assert_eq!(*path, format!("{}{own}/{name}", hierarchy.mount));
        }
    }
    cgroup.remove(LIMIT).unwrap();
}

#[test]
fn an_empty_cgroup_that_exists_is_taken_and_one_in_use_is_refused() {
    requires!(root);
    let lab = Lab::new();
    let again = Cgroup::create(&lab.layout, &lab.path).unwrap();
    assert_eq!(again.paths(), lab.cgroup.paths());
    let mut sleeper = lab.inside("echo ready; exec sleep 60").start();
    match Cgroup::create(&lab.layout, &lab.path) {
        Err(Error::Occupied { pid, .. }) => assert_eq!(pid, sleeper.pid()),
        other => panic!("{other:?}"),
    }
    let _ = sleeper.stdout();
}

#[test]
fn a_frozen_cgroup_is_refused() {
    requires!(root);
    let lab = Lab::new();
    lab.cgroup.freeze(LIMIT).unwrap();
    assert!(matches!(Cgroup::create(&lab.layout, &lab.path), Err(Error::Frozen { .. })));
    lab.cgroup.thaw().unwrap();
}

#[test]
fn what_was_made_is_removed_again_when_the_rest_fails() {
    requires!(root);
    let layout = Layout::detect().unwrap();
    // The last hierarchy holds a process; the others are new.
    let name = name();
    let last = layout.hierarchies().iter().rfind(|h| h.version == Version::V2 || h.key == "name=systemd").unwrap();
    let busy = format!("{}/{name}", last.mount);
    fs::create_dir(&busy).unwrap();
    let script = format!("echo $$ >{busy}/cgroup.procs; echo ready; exec sleep 60");
    let mut sleeper = testkit::Invocation::new("sh").args(["-c", &script]).spawn();
    sleeper.stdout_until("ready\n");
    let result = Cgroup::create(&layout, &CgroupPath::new(&format!("/{name}")).unwrap());
    drop(sleeper);
    let left = layout.hierarchies().iter().map(|h| format!("{}/{name}", h.mount)).filter(|p| fs::exists(p).unwrap());
    let left: Vec<_> = left.collect();
    assert!(testkit::within(LIMIT, || fs::remove_dir(&busy).is_ok()));
    assert!(matches!(result, Err(Error::Occupied { .. })), "{result:?}");
    assert_eq!(left, [busy]);
}

#[test]
fn a_cgroup_read_back_from_its_paths_is_the_same() {
    requires!(root);
    let lab = Lab::new();
    let again = Cgroup::from_paths(&lab.cgroup.paths());
    let sleeper = lab.inside("echo ready; exec sleep 60").start();
    assert_eq!(again.procs().unwrap(), [sleeper.pid()]);
    again.kill(LIMIT).unwrap();
    sleeper.wait().signal(9);
    again.remove(LIMIT).unwrap();
}

#[test]
fn a_directory_that_cannot_be_removed_is_named_and_the_rest_goes_on() {
    requires!(root);
    let lab = Lab::new();
    let sleeper = lab.inside("echo ready; exec sleep 60").start();
    let error = lab.cgroup.remove(std::time::Duration::from_millis(20)).unwrap_err();
    assert!(error.to_string().contains("EBUSY"), "{error}");
    let Error::Remove { failures } = error else { panic!("{error:?}") };
    assert_eq!(failures.len(), lab.cgroup.paths().values().collect::<std::collections::BTreeSet<_>>().len());
    drop(sleeper);
}
