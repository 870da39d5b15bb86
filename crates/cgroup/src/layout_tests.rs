//! Layouts of machines that are not this one, from what their /proc files say.

use super::*;

fn layout(own: &str, mountinfo: &str) -> Layout {
    Layout { hierarchies: matched(own, &cgroup_mounts(mountinfo), |_| true) }
}

#[test]
fn pure_v1_with_controllers_mounted_together() {
    let layout = layout(
        "5:memory:/user.slice\n4:cpu,cpuacct:/\n3:net_cls,net_prio:/\n2:debug:/\n1:name=systemd:/user.slice/s\n",
        "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
         31 30 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd\n\
         34 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
         35 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         36 30 0:32 / /sys/fs/cgroup/net_cls,net_prio rw - cgroup cgroup rw,net_cls,net_prio\n\
         37 30 0:33 / /sys/fs/cgroup/debug rw - cgroup cgroup rw,debug\n",
    );
    assert_eq!(layout.mode(), Mode::V1);
    assert_eq!(layout.owner(Controller::Cpuacct).unwrap().mount, "/sys/fs/cgroup/cpu,cpuacct");
    assert_eq!(layout.owner(Controller::NetPrio).unwrap().key, "net_cls,net_prio");
    assert_eq!(layout.owner(Controller::Hugetlb), None);
    assert_eq!(layout.joined().count(), 5, "a controller that we have no name for is joined as well");
    let path = CgroupPath::new("box").unwrap();
    assert_eq!(layout.owner(Controller::Memory).unwrap().inner(&path).unwrap(), "user.slice/box");
}

#[test]
fn hybrid_in_an_unusual_place_and_order() {
    let mut layout = layout(
        "7:cpuset:/\n2:cpu:/a\n1:name=openrc:/\n0::/a\n",
        "40 23 0:35 / /cg/all rw,nosuid - cgroup2 none rw,nsdelegate\n\
         41 23 0:36 / /dev/cpuset rw - cgroup none rw,cpuset,noprefix\n\
         42 23 0:37 / /cg/time rw - cgroup none rw,cpu\n\
         43 23 0:38 / /cg/openrc rw - cgroup none rw,name=openrc\n",
    );
    assert_eq!(layout.mode(), Mode::Hybrid);
    assert_eq!(layout.unified().unwrap().mount, "/cg/all");
    assert_eq!(layout.owner(Controller::Cpuset).unwrap().mount, "/dev/cpuset");
    assert_eq!(layout.joined().count(), 2, "v2 without controllers and a strange init's hierarchy are left alone");
    layout.hierarchies[3].controllers = [Controller::Memory].into_iter().collect();
    assert_eq!(layout.joined().count(), 3);
}

#[test]
fn pure_v2() {
    let layout = layout(
        "0::/user.slice/user-1000.slice/session-3.scope\n",
        "29 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    );
    assert_eq!(layout.mode(), Mode::V2);
    assert_eq!(layout.joined().count(), 1, "v2 alone is joined whatever it owns");
    let absolute = CgroupPath::new("/box").unwrap();
    assert_eq!(layout.unified().unwrap().inner(&absolute).unwrap(), "box");
}

#[test]
fn docker_in_docker_without_a_cgroup_namespace() {
    let layout = layout(
        "4:memory:/docker/abc\n3:pids:/docker/abc/job\n1:name=systemd:/elsewhere\n",
        "700 600 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
         701 600 0:32 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n\
         702 600 0:27 /docker/abc /sys/fs/cgroup/systemd ro - cgroup cgroup rw,name=systemd\n",
    );
    let relative = CgroupPath::new("in").unwrap();
    assert_eq!(layout.owner(Controller::Memory).unwrap().inner(&relative).unwrap(), "in");
    assert_eq!(layout.owner(Controller::Pids).unwrap().inner(&relative).unwrap(), "job/in");
    assert!(layout.hierarchies()[2].inner(&relative).is_err(), "our own cgroup is out of sight");
    assert_eq!(layout.hierarchies()[2].inner(&CgroupPath::new("/in").unwrap()).unwrap(), "in");
}

#[test]
fn of_several_mounts_the_one_that_shows_our_cgroup_is_taken() {
    let mounts = "1 0 0:31 /other /a rw - cgroup c rw,memory\n2 0 0:31 /own/x /b rw - cgroup c rw,memory\n\
                  3 0 0:31 / /c rw - cgroup c rw,memory\n4 0 0:31 / /d rw - cgroup c rw,memory\n";
    assert_eq!(layout("4:memory:/own/x/y\n", mounts).hierarchies()[0].mount, "/c");
    assert_eq!(layout("4:memory:/../..\n", mounts).hierarchies()[0].mount, "/c", "the one that shows most");
}

#[test]
fn hidden_mounts_are_passed_over() {
    let mounts = cgroup_mounts("1 0 0:31 / /a rw - cgroup c rw,memory\n");
    assert!(matched("4:memory:/\n", &mounts, |_| false).is_empty());
}

#[test]
fn no_cgroups_at_all() {
    let layout = layout("", "23 1 0:20 / /proc rw - proc proc rw\n");
    assert_eq!(layout.mode(), Mode::None);
    assert_eq!(layout.joined().count(), 0);
}

#[test]
fn this_machine_is_seen_alike_by_the_short_and_the_long_way() {
    let own = file::read("/proc/self/cgroup").unwrap();
    let mounts = cgroup_mounts(&file::read("/proc/self/mountinfo").unwrap());
    if let Some(short) = well_known(&own) {
        assert_eq!(short, matched(&own, &mounts, in_sight));
    }
}

mod views {
    use super::*;
    use crate::{Cgroup, Namespace, ViewStep};
    use std::collections::BTreeMap;

    fn paths(pairs: &[(&str, &str)]) -> Cgroup {
        let pairs = pairs.iter().map(|(key, path)| ((*key).to_owned(), (*path).to_owned()));
        Cgroup::from_paths(&pairs.collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn on_v2_one_mount_at_the_top() {
        let layout = layout("0::/\n", "29 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        let cgroup = paths(&[("", "/sys/fs/cgroup/box")]);
        let fresh = ViewStep::Fresh { at: String::new(), version: Version::V2, options: String::new() };
        assert_eq!(layout.view(&cgroup, Namespace::Own), [fresh]);
        let bind = ViewStep::Bind { at: String::new(), source: "/sys/fs/cgroup/box".to_owned() };
        assert_eq!(layout.view(&cgroup, Namespace::Shared), [bind]);
        assert!(layout.view(&Cgroup::default(), Namespace::Shared).is_empty(), "never the machine's own");
    }

    #[test]
    fn on_v1_one_directory_a_hierarchy_and_links_for_each_controller() {
        let layout = layout(
            "2:cpu,cpuacct:/\n1:name=systemd:/\n",
            "1 0 0:1 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup c rw,cpu,cpuacct\n\
             2 0 0:2 / /sys/fs/cgroup/systemd rw - cgroup c rw,name=systemd\n",
        );
        let link = |at: &str| ViewStep::Link { at: at.to_owned(), target: "cpu,cpuacct".to_owned() };
        let fresh = |at: &str, options: &str| ViewStep::Fresh {
            at: at.to_owned(),
            version: Version::V1,
            options: options.to_owned(),
        };
        let expected = [
            ViewStep::Tmpfs,
            fresh("cpu,cpuacct", "cpu,cpuacct"),
            link("cpu"),
            link("cpuacct"),
            fresh("systemd", "name=systemd"),
        ];
        assert_eq!(layout.view(&Cgroup::default(), Namespace::Own), expected);
        let cgroup = paths(&[("cpuacct", "/c/box"), ("cpu", "/c/box")]);
        let bind = ViewStep::Bind { at: "cpu,cpuacct".to_owned(), source: "/c/box".to_owned() };
        assert_eq!(layout.view(&cgroup, Namespace::Shared), [ViewStep::Tmpfs, bind, link("cpu"), link("cpuacct")]);
    }
}
