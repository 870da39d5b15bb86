//! Making, entering, re-opening and removing.

use crate::lab::{LIMIT, Lab, name};
use cgroup::{Cgroup, CgroupPath, Error, JoinBy, Layout, Mode, Namespace, Version, ViewStep};
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

/// Executes a view's steps below a directory of its own, inside the cgroup, and asks each mount who is in it.
fn seen(lab: &Lab, namespace: Namespace) {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().display();
    let steps = lab.layout.view(&lab.cgroup, namespace);
    assert!(!steps.is_empty());
    let asked = |at: &str| format!("grep -qx $$ {top}/{at}/cgroup.procs");
    let lines = steps.iter().map(|step| match step {
        ViewStep::Tmpfs => format!("mount -t tmpfs view {top}"),
        ViewStep::Fresh { at, version, options } => {
            let kind = if *version == Version::V1 { "cgroup" } else { "cgroup2" };
            let options = if options.is_empty() { String::new() } else { format!("-o {options}") };
            format!("mkdir -p {top}/{at}; mount -t {kind} {options} view {top}/{at}; {}", asked(at))
        }
        ViewStep::Bind { at, source } => {
            format!("mkdir -p {top}/{at}; mount --bind {source} {top}/{at}; {}", asked(at))
        }
        ViewStep::Link { at, target } => format!("ln -s {target} {top}/{at}; test -e {top}/{at}/tasks"),
    });
    let script = lines.collect::<Vec<_>>().join("; ");
    let own = if namespace == Namespace::Own { "-C" } else { "" };
    let script = format!("exec unshare -m {own} --propagation private sh -c 'set -e; {script}; echo seen'");
    lab.inside(&script).run().code(0).stdout_is("seen\n");
}

#[test]
fn a_container_sees_its_own_cgroup_as_the_root() {
    requires!(root);
    seen(&Lab::new(), Namespace::Own);
}

#[test]
fn without_a_cgroup_namespace_it_sees_its_own_subtree() {
    requires!(root);
    seen(&Lab::new(), Namespace::Shared);
}

#[test]
fn who_joins_later_follows_the_process_to_where_it_moved_if_it_has_to() {
    requires!(root);
    let lab = Lab::new();
    let unified = |path: &str| std::path::Path::new(path).join("cgroup.controllers").exists();
    let mut paths: Vec<_> = lab.cgroup.paths().into_iter().filter(|(key, _)| key != "cpuset").collect();
    paths.sort_by_key(|(_, path)| unified(path));
    let (key, path) = paths.swap_remove(0);
    fs::create_dir(format!("{path}/below")).unwrap();
    let mover = lab.inside(&format!("echo $$ >{path}/below/cgroup.procs && echo ready && exec sleep 60")).start();
    if unified(&path) {
        let followed = lab.cgroup.follow(&lab.layout, mover.pid()).unwrap();
        assert_eq!(followed.paths(), lab.cgroup.paths(), "who may still enter it does");
        // One that hands down a controller which is not for threads has no processes of its own (cgroups(7)).
        let controllers = fs::read_to_string(format!("{path}/cgroup.controllers")).unwrap();
        let domain = |name: &&str| !["cpu", "cpuset", "perf_event", "pids"].contains(name);
        let Some(domain) = controllers.split_whitespace().find(domain) else { return };
        fs::write(format!("{path}/cgroup.subtree_control"), format!("+{domain}")).unwrap();
    }
    let followed = lab.cgroup.follow(&lab.layout, mover.pid()).unwrap();
    assert_eq!(followed.paths()[&key], format!("{path}/below"));
    let elsewhere = |paths: std::collections::BTreeMap<String, String>| {
        paths.into_iter().filter(|(k, _)| *k != key).collect::<Vec<_>>()
    };
    assert_eq!(elsewhere(followed.paths()), elsewhere(lab.cgroup.paths()));
    let outside = lab.cgroup.follow(&lab.layout, std::process::id()).unwrap();
    assert_eq!(outside.paths(), lab.cgroup.paths(), "a process elsewhere leads nowhere");
    assert!(followed.join(JoinBy::Write).unwrap().directory.is_none());
}

#[test]
fn below_a_cgroup_with_processes_v2_hands_nothing_down_and_that_is_said() {
    const TEST: &str = "creating::below_a_cgroup_with_processes_v2_hands_nothing_down_and_that_is_said";
    requires!(root);
    let lab = Lab::new();
    let owned = lab.layout.unified().map_or(cgroup::Controllers::NONE, |hierarchy| hierarchy.controllers);
    let need =
        if owned.is_empty() { Err("a cgroup v2 hierarchy with controllers in this view".to_owned()) } else { Ok(()) };
    if !testkit::requires::met(&format!("cgroup/cgroup::{TEST}"), [need]) {
        return;
    }
    let sleeper = lab.inside("echo ready; exec sleep 60").start();
    let below = Cgroup::create(&lab.layout, &lab.path.join("below").unwrap()).unwrap();
    // Not even those that the kernel would hand down alone (cpu, pids): nobody could enter such a cgroup.
    let denied: cgroup::Controllers = below.denied().iter().map(|denied| denied.controller).collect();
    assert_eq!(denied, owned);
    let path = below.paths().remove("").unwrap();
    assert_eq!(fs::read_to_string(format!("{path}/cgroup.type")).unwrap(), "domain\n");
    let limits = oci::runtime::Resources {
        memory: Some(oci::runtime::Memory { limit: Some(1 << 26), ..oci::runtime::Memory::default() }),
        ..oci::runtime::Resources::default()
    };
    if denied.contains(cgroup::Controller::Memory) {
        let error = below.apply(&limits).unwrap_err().to_string();
        assert!(error.contains("the cgroup above holds processes of its own"), "{error}");
    } else {
        assert!(below.denied()[0].remedy().starts_with("the cgroup above holds processes of its own"));
    }
    below.remove(LIMIT).unwrap();
    drop(sleeper);
}

#[test]
fn a_path_below_a_threaded_cgroup_is_refused_and_leaves_nothing() {
    const TEST: &str = "creating::a_path_below_a_threaded_cgroup_is_refused_and_leaves_nothing";
    requires!(root);
    let lab = Lab::new();
    let owned = lab.layout.unified().map_or(cgroup::Controllers::NONE, |hierarchy| hierarchy.controllers);
    let need =
        if owned.is_empty() { Err("a cgroup v2 hierarchy with controllers in this view".to_owned()) } else { Ok(()) };
    if !testkit::requires::met(&format!("cgroup/cgroup::{TEST}"), [need]) {
        return;
    }
    let path = lab.cgroup.paths().remove("").unwrap();
    fs::create_dir(format!("{path}/threads")).unwrap();
    fs::write(format!("{path}/threads/cgroup.type"), "threaded").unwrap();
    let error = Cgroup::create(&lab.layout, &lab.path.join("below").unwrap()).unwrap_err();
    assert!(error.to_string().contains("lies below a threaded cgroup"), "{error}");
    assert!(lab.cgroup.paths().values().all(|path| !fs::exists(format!("{path}/below")).unwrap()));
}
