//! Mounts and devices.

use crate::facts::{composed, facts, host, linux, maps, mount, origin, refused, rootless, told, with};
use engine::config::{Mount, RootAccess};
use engine::flags;
use engine::spec::{Facts, UserNamespace, VolumeSource, devices};
use oci::runtime::Propagation;
use std::path::Path;

fn volume(text: &str) -> Mount {
    flags::volume(text, Path::new("/w")).unwrap()
}

fn tmpfs(text: &str) -> Mount {
    Mount::Tmpfs(flags::tmpfs(text).unwrap())
}

#[test]
fn the_kernels_file_systems_are_mounted_as_podman_mounts_them() {
    let composed = composed(&host(), &facts());
    for (destination, expected) in [
        ("/proc", "proc proc nosuid,noexec,nodev"),
        ("/dev", "tmpfs tmpfs nosuid,strictatime,mode=755,size=65536k"),
        ("/dev/pts", "devpts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        ("/dev/shm", "tmpfs shm nosuid,noexec,nodev,mode=1777,size=67108864"),
        ("/dev/mqueue", "mqueue mqueue nosuid,noexec,nodev"),
        ("/sys", "sysfs sysfs nosuid,noexec,nodev,ro"),
        ("/sys/fs/cgroup", "cgroup cgroup rprivate,nosuid,noexec,nodev,relatime,ro"),
        ("/etc/hosts", "bind /run/x/hosts bind,rprivate"),
        ("/etc/hostname", "bind /run/x/hostname bind,rprivate"),
        ("/etc/resolv.conf", "bind /run/x/resolv.conf bind,rprivate"),
    ] {
        assert_eq!(told(&composed, destination), expected, "{destination}");
    }
    assert_eq!(composed.spec.mounts.len(), 10);
}

#[test]
fn no_mount_covers_an_earlier_one() {
    let config =
        with(|config| config.files.mounts = vec![volume("/a:/x/y/z"), volume("/b:/x"), tmpfs("/dev/shm/deep")]);
    let composed = composed(&config, &facts());
    let places: Vec<&str> = composed.spec.mounts.iter().map(|mount| mount.destination.as_str()).collect();
    for (index, place) in places.iter().enumerate() {
        for later in &places[index + 1..] {
            assert!(!place.starts_with(&format!("{later}/")), "{later} would cover {place}: {places:?}");
        }
    }
}

#[test]
fn a_mount_of_the_users_takes_the_place_of_a_default_one() {
    let config = with(|config| config.files.mounts = vec![tmpfs("/dev/shm:size=1m"), volume("/my/hosts:/etc/hosts")]);
    let composed = composed(&config, &facts());
    assert_eq!(told(&composed, "/dev/shm"), "tmpfs tmpfs rw,nosuid,nodev,size=1048576,rprivate,tmpcopyup");
    assert_eq!(told(&composed, "/etc/hosts"), "bind /my/hosts rbind,rprivate");
    assert_eq!(origin(&composed, "mounts[/etc/hosts]"), "--volume");
}

#[test]
fn a_dev_of_the_users_takes_the_place_of_all_below_it() {
    let composed = composed(&with(|config| config.files.mounts = vec![volume("/dev:/dev")]), &facts());
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue"] {
        assert!(mount(&composed, destination).is_none(), "{destination}");
    }
}

#[test]
fn binds_say_what_was_asked() {
    for (asked, expected) in [
        ("/a:/x", "bind /a rbind,rprivate"),
        ("./a:/x:ro", "bind /w/./a rbind,rro,rprivate"),
        ("/a:/x:ro,bind", "bind /a bind,ro,private"),
        ("/a:/x:rslave,noexec,nosuid", "bind /a rbind,rslave,noexec,nosuid"),
        ("/a:/x:dev,exec", "bind /a rbind,rprivate,exec,dev"),
        ("/a:/x:z", "bind /a rbind,rprivate"),
        ("/a:/x:idmap", "bind /a rbind,rprivate"),
    ] {
        let composed = composed(&with(|config| config.files.mounts = vec![volume(asked)]), &facts());
        assert_eq!(told(&composed, "/x").replace("/w/a", "/w/./a"), expected, "{asked}");
    }
}

#[test]
fn on_an_old_kernel_read_only_is_for_the_top_or_refused() {
    let old = engine::spec::Facts { recursive_read_only: false, ..facts() };
    let ask = |text: &str| with(|config| config.files.mounts = vec![volume(text)]);
    assert_eq!(told(&composed(&ask("/a:/x:ro"), &old), "/x"), "bind /a rbind,ro,rprivate");
    assert!(refused(&ask("/a:/x:rro"), &old).contains("Linux 5.12"));
}

#[test]
fn an_idmapped_bind_carries_the_containers_maps() {
    let config = with(|config| config.files.mounts = vec![volume("/a:/x:idmap")]);
    let mapped = Facts { user_namespace: UserNamespace::New(maps(65536)), ..facts() };
    let composed = composed(&config, &mapped);
    let bind = mount(&composed, "/x").unwrap();
    assert_eq!((&bind.uid_mappings, &bind.gid_mappings), (&maps(65536).uids, &maps(65536).gids));
    assert_eq!(bind.options, ["rbind", "rprivate", "ridmap"]);
    assert!(refused(&config, &rootless()).contains("only root"));
}

#[test]
fn without_a_user_namespace_the_owner_of_the_source_changes_places_with_the_containers_user() {
    let config = with(|config| config.files.mounts = vec![volume("/a:/x:idmap")]);
    let Mount::Bind(bind) = &config.files.mounts[0] else { panic!("a bind") };
    let mut facts = Facts { owners: [(bind.destination.clone(), (1000, 0))].into(), ..facts() };
    (facts.user.uid, facts.user.gid) = (5, 0);
    let composed = composed(&config, &facts);
    let bind = mount(&composed, "/x").unwrap();
    let told = |map: &[oci::runtime::IdMapping]| -> Vec<_> {
        map.iter().map(|range| (range.container_id, range.host_id, range.size)).collect()
    };
    let rest = (1001, 1001, u32::MAX - 1001);
    assert_eq!(told(&bind.uid_mappings), [(0, 0, 5), (5, 1000, 1), (6, 6, 994), (1000, 5, 1), rest]);
    assert_eq!(told(&bind.gid_mappings), [(0, 0, 1), (1, 1, u32::MAX - 1)]);
}

#[test]
fn a_throw_away_bind_is_an_overlay_with_directories_of_its_own() {
    let config = with(|config| config.files.mounts = vec![volume("/a:/x:O"), volume("/b:/y:O")]);
    let composed = composed(&config, &facts());
    let expected = "overlay overlay lowerdir=/b,upperdir=/run/x/scratch/1/upper,workdir=/run/x/scratch/1/work,private";
    assert_eq!(told(&composed, "/y"), expected);
    let made: Vec<String> = composed.directories.iter().map(|path| path.display().to_string()).collect();
    assert_eq!(made, ["0/upper", "0/work", "1/upper", "1/work"].map(|name| format!("/run/x/scratch/{name}")));
}

#[test]
fn a_tree_changes_its_owner_to_the_containers_user_by_host_ids() {
    let config = with(|config| config.files.mounts = vec![volume("/a:/x:U")]);
    let mut user = rootless();
    user.user.uid = 5;
    user.user.gid = 0;
    let chowns = composed(&config, &user).chowns;
    let chown = chowns.first().unwrap();
    assert_eq!((chown.path.as_path(), chown.uid, chown.gid), (Path::new("/a"), 100_004, 1000));
    user.user.uid = 70_000;
    assert!(refused(&config, &user).contains("no such user"));
}

#[test]
fn a_propagating_bind_makes_the_root_propagate() {
    let ask = |texts: &[&str]| {
        let config = with(|config| config.files.mounts = texts.iter().map(|text| volume(text)).collect());
        linux(&composed(&config, &facts())).rootfs_propagation
    };
    assert_eq!(ask(&["/a:/x"]), None);
    assert_eq!(ask(&["/a:/x:rslave"]), Some(Propagation::Slave));
    assert_eq!(ask(&["/a:/x:rshared", "/b:/y:slave"]), Some(Propagation::Shared));
}

#[test]
fn tmpfs_options_reach_the_kernel() {
    let ask = "/x:ro,exec,suid,size=1m,mode=700,uid=5,gid=6,nr_inodes=9,noatime,notmpcopyup";
    let composed = composed(&with(|config| config.files.mounts = vec![tmpfs(ask)]), &facts());
    let expected = "tmpfs tmpfs ro,exec,suid,nodev,noatime,size=1048576,mode=700,nr_inodes=9,uid=5,gid=6,rprivate";
    assert_eq!(told(&composed, "/x"), expected);
}

#[test]
fn under_a_read_only_root_three_places_are_memory() {
    let config = with(|config| {
        config.files.root = RootAccess::ReadOnlyWithTmpfs;
        config.files.mounts = vec![volume("/a:/var/tmp")];
    });
    let composed = composed(&config, &facts());
    assert!(composed.spec.root.as_ref().unwrap().readonly);
    for destination in ["/run", "/tmp"] {
        let expected = "tmpfs tmpfs rw,rprivate,nosuid,nodev,tmpcopyup";
        assert_eq!(told(&composed, destination), expected, "{destination}");
    }
    assert_eq!(told(&composed, "/var/tmp"), "bind /a rbind,rprivate");
    assert_eq!(told(&composed, "/etc/hosts"), "bind /run/x/hosts bind,rprivate,ro,nosuid,noexec,nodev");
}

#[test]
fn a_volume_is_a_bind_of_its_files_or_what_its_driver_mounts() {
    let asked = |options: &[(&str, &str)], facts: Facts| {
        let config = with(|config| config.files.mounts = vec![volume("data:/x:ro,nosuid")]);
        let Mount::Volume(mount) = &config.files.mounts[0] else { panic!("a volume") };
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let source = VolumeSource { path: "/store/data".into(), options };
        let facts = Facts { volumes: [(mount.destination.clone(), source)].into(), ..facts };
        told(&composed(&config, &facts), "/x")
    };
    assert_eq!(asked(&[], facts()), "bind /store/data rbind,rro,rprivate,nosuid");
    assert_eq!(asked(&[], rootless()), "bind /store/data rbind,rro,rprivate,nosuid");
    let mapped = Facts { user_namespace: UserNamespace::New(maps(0)), ..facts() };
    assert_eq!(asked(&[], mapped), "bind /store/data rbind,rro,rprivate,nosuid,ridmap");
    let tmpfs = [("type", "tmpfs"), ("o", "size=1m,mode=700")];
    assert_eq!(asked(&tmpfs, facts()), "tmpfs tmpfs size=1m,mode=700,ro,rprivate,nosuid");
    let bound = [("type", "none"), ("device", "/there"), ("o", "bind")];
    assert_eq!(asked(&bound, facts()), "none /there bind,ro,rprivate,nosuid");
    let share = [("type", "nfs"), ("device", ":/export"), ("o", "addr=10.0.0.1")];
    assert_eq!(asked(&share, facts()), "nfs :/export addr=10.0.0.1,ro,rprivate,nosuid");
}

#[test]
fn without_that_memory_dev_is_read_only_too() {
    let composed = composed(&with(|config| config.files.root = RootAccess::ReadOnly), &facts());
    assert!(told(&composed, "/dev").ends_with(",ro"));
    assert!(mount(&composed, "/run").is_none());
}

#[test]
fn where_the_tty_group_is_not_mapped_it_is_not_named() {
    let single = engine::spec::Facts { user_namespace: UserNamespace::New(maps(0)), ..rootless() };
    assert!(!told(&composed(&host(), &single), "/dev/pts").contains("gid="));
    assert!(told(&composed(&host(), &rootless()), "/dev/pts").ends_with("gid=5"));
}

#[test]
fn without_message_queues_in_the_kernel_none_are_mounted() {
    let old = engine::spec::Facts { mqueue: false, ..facts() };
    assert!(mount(&composed(&host(), &old), "/dev/mqueue").is_none());
}

#[test]
fn devices_are_nodes_for_root_and_binds_in_a_user_namespace() {
    let request = flags::device("/dev/null:/dev/nothing:r", Path::new("/")).unwrap();
    let found = devices(&[request]).unwrap();
    let root = engine::spec::Facts { devices: found.clone(), ..facts() };
    let composed_by_root = composed(&host(), &root);
    let [node] = linux(&composed_by_root).devices.as_slice() else { panic!("one node") };
    assert_eq!((node.path.as_str(), node.major, node.minor), ("/dev/nothing", 1, 3));
    let user = engine::spec::Facts { devices: found, ..rootless() };
    let composed_by_user = composed(&host(), &user);
    assert!(linux(&composed_by_user).devices.is_empty());
    assert_eq!(told(&composed_by_user, "/dev/nothing"), "bind /dev/null bind,private,nosuid,noexec,ro");
    assert_eq!(origin(&composed_by_user, "mounts[/dev/nothing]"), "--device");
}
