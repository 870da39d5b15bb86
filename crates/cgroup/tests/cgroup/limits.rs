//! Limits that really limit, and statistics that tell.

use crate::lab::{Lab, has};
use cgroup::{Controller, Error, Version};
use oci::runtime::{BlockIo, Cpu, HugepageLimit, Memory, Pids, Resources, ThrottleDevice};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::requires;

const MIB: i64 = 1 << 20;

fn memory(limits: Memory) -> Resources {
    Resources { memory: Some(limits), ..Resources::default() }
}

fn cpu(limits: Cpu) -> Resources {
    Resources { cpu: Some(limits), ..Resources::default() }
}

#[test]
fn a_pids_limit_stops_forks() {
    requires!(root);
    if !has("limits::a_pids_limit_stops_forks", &[Controller::Pids]) {
        return;
    }
    let lab = Lab::new();
    lab.cgroup.apply(&Resources { pids: Some(Pids { limit: Some(6) }), ..Resources::default() }).unwrap();
    let outcome = lab.inside("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 30 & done; wait").run();
    assert_ne!(outcome.exit_code(), Some(0));
    let pids = lab.cgroup.stats().unwrap().pids.unwrap();
    assert_eq!(pids.limit, Some(6));
    assert!((1..=6).contains(&pids.current), "{pids:?}");
    lab.cgroup.apply(&Resources { pids: Some(Pids { limit: Some(-1) }), ..Resources::default() }).unwrap();
    assert_eq!(lab.cgroup.stats().unwrap().pids.unwrap().limit, None);
    lab.cgroup.apply(&Resources { pids: Some(Pids { limit: Some(0) }), ..Resources::default() }).unwrap();
    assert_eq!(lab.read(Controller::Pids, "pids.max", "pids.max"), "1");
}

#[test]
fn a_memory_hog_is_killed_at_its_limit_and_counted() {
    requires!(root);
    if !has("limits::a_memory_hog_is_killed_at_its_limit_and_counted", &[Controller::Memory]) {
        return;
    }
    let lab = Lab::new();
    let limits = Memory { limit: Some(24 * MIB), swap: Some(24 * MIB), ..Memory::default() };
    lab.cgroup.apply(&memory(limits)).unwrap();
    assert_eq!(lab.cgroup.oom_kills().unwrap(), 0);
    // tail keeps a last line that does not end. It is alone: a shell beside it could be killed while its memory is being freed.
    lab.inside("exec tail /dev/zero").run().signal(9);
    assert_eq!(lab.cgroup.oom_kills().unwrap(), 1);
    let stats = lab.cgroup.stats().unwrap().memory.unwrap();
    assert_eq!(stats.limit, Some(24 << 20));
    assert_eq!(stats.oom_kills, Some(1));
    // Recent v1 counts no hits of the limit of memory and swap together, which is charged first.
    assert!(stats.limit_hits.unwrap() > 0 || lab.version(Controller::Memory) == Version::V1);
    if let Some(peak) = stats.peak {
        assert!((20 << 20..=24 << 20).contains(&peak), "{peak}");
    }
}

#[test]
fn memory_and_swap_can_be_raised_and_lowered_in_one_step() {
    requires!(root);
    if !has("limits::memory_and_swap_can_be_raised_and_lowered_in_one_step", &[Controller::Memory]) {
        return;
    }
    let lab = Lab::new();
    let set = |limit: i64, swap: i64| {
        let limits = Memory { limit: Some(limit), swap: Some(swap), ..Memory::default() };
        lab.cgroup.apply(&memory(limits)).unwrap();
        lab.cgroup.stats().unwrap().memory.unwrap().limit
    };
    assert_eq!(set(64 * MIB, 64 * MIB), Some(64 << 20));
    assert_eq!(set(128 * MIB, 128 * MIB), Some(128 << 20));
    assert_eq!(set(32 * MIB, 32 * MIB), Some(32 << 20));
    assert_eq!(set(-1, -1), None);
}

#[test]
fn lifting_the_memory_limit_alone_lifts_swap_as_well() {
    requires!(root);
    if !has("limits::lifting_the_memory_limit_alone_lifts_swap_as_well", &[Controller::Memory]) {
        return;
    }
    let lab = Lab::new();
    let limits = Memory { limit: Some(64 * MIB), swap: Some(64 * MIB), ..Memory::default() };
    lab.cgroup.apply(&memory(limits)).unwrap();
    lab.cgroup.apply(&memory(Memory { limit: Some(-1), ..Memory::default() })).unwrap();
    let stats = lab.cgroup.stats().unwrap().memory.unwrap();
    assert_eq!((stats.limit, stats.swap_limit), (None, None));
}

#[test]
fn a_reservation_is_set() {
    requires!(root);
    if !has("limits::a_reservation_is_set", &[Controller::Memory]) {
        return;
    }
    let lab = Lab::new();
    lab.cgroup.apply(&memory(Memory { reservation: Some(16 * MIB), ..Memory::default() })).unwrap();
    assert_eq!(lab.read(Controller::Memory, "memory.soft_limit_in_bytes", "memory.low"), (16 << 20).to_string());
}

#[test]
fn a_memory_limit_below_what_is_in_use_is_refused_with_both_numbers() {
    requires!(root);
    if !has("limits::a_memory_limit_below_what_is_in_use_is_refused_with_both_numbers", &[Controller::Memory]) {
        return;
    }
    let lab = Lab::new();
    // The shell's own variable: memory that cannot be given back.
    let script = "x=$(head -c 16000000 /dev/zero | tr \"\\0\" x); echo ready; read y; echo ${#x}";
    let running = lab.inside(script).start();
    let limits = Memory { limit: Some(4 * MIB), check_before_update: Some(true), ..Memory::default() };
    match lab.cgroup.apply(&memory(limits)) {
        Err(Error::MemoryInUse { what: "memory", limit, usage }) => {
            assert!(limit == 4 << 20 && usage > 16_000_000, "{usage}");
        }
        other => panic!("{other:?}"),
    }
    if lab.version(Controller::Memory) == Version::V1 {
        // Without swap to write to, the kernel itself says no.
        let limits = Memory { limit: Some(4 * MIB), ..Memory::default() };
        let swap = std::fs::read_to_string("/proc/swaps").unwrap().lines().count() > 1;
        let error = lab.cgroup.apply(&memory(limits)).err();
        assert!(swap || matches!(error, Some(Error::MemoryInUse { .. })), "{error:?}");
    }
    running.wait().code(0).stdout_contains("16000000");
}

#[test]
fn what_only_v1_knows_is_set_there_and_refused_on_v2() {
    requires!(root);
    if !has("limits::what_only_v1_knows_is_set_there_and_refused_on_v2", &[Controller::Memory]) {
        return;
    }
    let lab = Lab::new();
    let result = lab.cgroup.apply(&memory(Memory { swappiness: Some(10), ..Memory::default() }));
    match lab.version(Controller::Memory) {
        Version::V1 => {
            result.unwrap();
            assert_eq!(lab.read(Controller::Memory, "memory.swappiness", ""), "10");
            let limits = Memory { disable_oom_killer: Some(true), kernel_tcp: Some(4 * MIB), ..Memory::default() };
            lab.cgroup.apply(&memory(limits)).unwrap();
            assert!(lab.read(Controller::Memory, "memory.oom_control", "").starts_with("oom_kill_disable 1"));
            let bad = memory(Memory { swappiness: Some(101), ..Memory::default() });
            assert!(matches!(lab.cgroup.apply(&bad), Err(Error::Invalid { .. })));
        }
        Version::V2 => assert!(result.unwrap_err().to_string().starts_with("memory.swappiness 10: cgroup v2")),
    }
}

#[test]
fn a_cpu_quota_holds_and_throttling_is_counted() {
    requires!(root);
    if !has("limits::a_cpu_quota_holds_and_throttling_is_counted", &[Controller::Cpu]) {
        return;
    }
    let lab = Lab::new();
    lab.cgroup.apply(&cpu(Cpu { quota: Some(20_000), period: Some(100_000), ..Cpu::default() })).unwrap();
    let running = lab.inside("echo ready; while :; do :; done").start();
    let (before, start) = (lab.cgroup.stats().unwrap().cpu.unwrap(), Instant::now());
    std::thread::sleep(Duration::from_millis(1500));
    let (after, wall) = (lab.cgroup.stats().unwrap().cpu.unwrap(), start.elapsed());
    drop(running);
    let used = Duration::from_nanos(after.usage.unwrap() - before.usage.unwrap());
    // One period's quota more, since both ends may fall into the running part.
    let allowed = wall.mul_f64(0.2 * 1.1) + Duration::from_millis(20);
    assert!(used <= allowed, "{used:?} in {wall:?}");
    assert!(after.throttled_periods.unwrap() > 0 && after.throttled.unwrap() > 0, "{after:?}");
}

#[test]
fn quota_period_and_burst_are_taken_in_any_order() {
    requires!(root);
    if !has("limits::quota_period_and_burst_are_taken_in_any_order", &[Controller::Cpu]) {
        return;
    }
    let lab = Lab::new();
    let set = |quota, period, burst| {
        lab.cgroup.apply(&cpu(Cpu { quota, period, burst, ..Cpu::default() })).unwrap();
        match lab.version(Controller::Cpu) {
            Version::V1 => ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us"]
                .map(|file| lab.read(Controller::Cpu, file, ""))
                .join(" "),
            Version::V2 => ["cpu.max", "cpu.max.burst"].map(|file| lab.read(Controller::Cpu, "", file)).join(" "),
        }
    };
    assert_eq!(set(Some(50_000), Some(100_000), Some(40_000)), "50000 100000 40000");
    assert_eq!(set(Some(20_000), None, Some(10_000)), "20000 100000 10000", "the burst has to go first");
    assert_eq!(set(Some(90_000), None, Some(80_000)), "90000 100000 80000", "the quota has to go first");
    assert_eq!(set(None, Some(200_000), None), "90000 200000 80000", "a period alone keeps the quota");
    let none = if lab.version(Controller::Cpu) == Version::V1 { "-1" } else { "max" };
    assert_eq!(set(Some(-1), None, Some(0)), format!("{none} 200000 0"));
    let tiny = cpu(Cpu { quota: Some(10), ..Cpu::default() });
    assert!(lab.cgroup.apply(&tiny).unwrap_err().to_string().contains("at least 1000 µs"));
}

#[test]
fn shares_become_the_weight_of_the_version() {
    requires!(root);
    if !has("limits::shares_become_the_weight_of_the_version", &[Controller::Cpu]) {
        return;
    }
    let lab = Lab::new();
    let set = |shares| {
        lab.cgroup.apply(&cpu(Cpu { shares: Some(shares), ..Cpu::default() })).unwrap();
        lab.read(Controller::Cpu, "cpu.shares", "cpu.weight")
    };
    let (few, usual, most) = (set(2), set(1024), set(262_144));
    match lab.version(Controller::Cpu) {
        Version::V1 => assert_eq!([few, usual, most], ["2", "1024", "262144"]),
        Version::V2 => assert_eq!([few, usual, most], ["1", "100", "10000"]),
    }
    if std::fs::exists(format!("{}/cpu.idle", lab.cgroup.paths().into_values().next().unwrap())).unwrap() {
        lab.cgroup.apply(&cpu(Cpu { idle: Some(1), shares: Some(500), ..Cpu::default() })).unwrap();
        assert_eq!(lab.read(Controller::Cpu, "cpu.idle", "cpu.idle"), "1");
        lab.cgroup.apply(&cpu(Cpu { idle: Some(0), shares: Some(1024), ..Cpu::default() })).unwrap();
        assert_eq!(
            lab.read(Controller::Cpu, "cpu.shares", "cpu.weight"),
            if lab.version(Controller::Cpu) == Version::V1 { "1024" } else { "100" }
        );
    }
}

#[test]
fn a_cpuset_holds_and_what_is_not_there_is_named() {
    requires!(root);
    if !has("limits::a_cpuset_holds_and_what_is_not_there_is_named", &[Controller::Cpuset]) {
        return;
    }
    let lab = Lab::new();
    let cpus = |list: &str| cpu(Cpu { cpus: Some(list.to_owned()), ..Cpu::default() });
    lab.cgroup.apply(&cpus("0")).unwrap();
    lab.inside("grep Cpus_allowed_list /proc/self/status").run().stdout_is("Cpus_allowed_list:\t0\n");
    let error = lab.cgroup.apply(&cpus("0,4000-4001")).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("cpu.cpus 0,4000-4001: 4000-4001 not available here; available: 0"), "{text}");
    assert!(matches!(lab.cgroup.apply(&cpus("all")), Err(Error::Invalid { .. })));
    let mems = cpu(Cpu { mems: Some("0-63".to_owned()), ..Cpu::default() });
    assert!(lab.cgroup.apply(&mems).unwrap_err().to_string().starts_with("cpu.mems 0-63: 1-63 not available"));
}

#[test]
fn huge_pages_are_limited_by_size_and_an_unknown_size_lists_those_there_are() {
    requires!(root);
    if !has("limits::huge_pages_are_limited_by_size_and_an_unknown_size_lists_those_there_are", &[Controller::Hugetlb])
    {
        return;
    }
    let lab = Lab::new();
    let set = |size: &str, limit| {
        let limits = vec![HugepageLimit { page_size: size.to_owned(), limit }];
        lab.cgroup.apply(&Resources { hugepage_limits: limits, ..Resources::default() })
    };
    set("2MB", 8 << 20).unwrap();
    assert_eq!(lab.read(Controller::Hugetlb, "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max"), (8 << 20).to_string());
    let rsvd = lab.read(Controller::Hugetlb, "hugetlb.2MB.rsvd.limit_in_bytes", "hugetlb.2MB.rsvd.max");
    assert_eq!(rsvd, (8 << 20).to_string());
    let stats = lab.cgroup.stats().unwrap().hugetlb;
    let two = stats.iter().find(|stats| stats.page_size == "2MB").unwrap();
    assert_eq!((two.usage, two.limit, two.limit_hits), (0, Some(8 << 20), 0));
    assert!(set("3MB", 0).unwrap_err().to_string().contains("2MB"));
    assert!(set("../2MB", 0).unwrap_err().to_string().contains("no page size"));
}

/// A whole disk of this machine, as its device number.
fn disk() -> Option<(i64, i64)> {
    let names = std::fs::read_dir("/sys/block").ok()?.flatten();
    names.filter_map(|entry| std::fs::read_to_string(entry.path().join("dev")).ok()).find_map(|dev| {
        let (major, minor) = dev.trim().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

#[test]
fn a_disk_is_throttled_and_a_missing_one_is_refused() {
    const TEST: &str = "limits::a_disk_is_throttled_and_a_missing_one_is_refused";
    requires!(root);
    let need = disk().map(drop).ok_or_else(|| "a disk".to_owned());
    if !has(TEST, &[Controller::Io]) || !testkit::requires::met(&format!("cgroup/cgroup::{TEST}"), [need]) {
        return;
    }
    let lab = Lab::new();
    let throttle = |major, minor, rate| {
        let device = vec![ThrottleDevice { major, minor, rate }];
        let block_io = BlockIo {
            throttle_read_bps_device: device.clone(),
            throttle_write_iops_device: device,
            ..BlockIo::default()
        };
        lab.cgroup.apply(&Resources { block_io: Some(block_io), ..Resources::default() })
    };
    let error = throttle(4000, 1, 1).unwrap_err().to_string();
    assert!(error.contains("there is no such device"), "{error}");
    let (major, minor) = disk().expect("a machine with a disk");
    throttle(major, minor, 1 << 20).unwrap();
    match lab.version(Controller::Io) {
        Version::V1 => {
            let expected = format!("{major}:{minor} {}", 1 << 20);
            assert_eq!(lab.read(Controller::Io, "blkio.throttle.read_bps_device", ""), expected);
            assert_eq!(lab.read(Controller::Io, "blkio.throttle.write_iops_device", ""), expected);
        }
        Version::V2 => {
            let expected = format!("{major}:{minor} rbps={} wbps=max riops=max wiops={0}", 1 << 20);
            assert_eq!(lab.read(Controller::Io, "", "io.max"), expected);
        }
    }
    throttle(major, minor, 0).unwrap();
    assert_eq!(lab.read(Controller::Io, "blkio.throttle.read_bps_device", "io.max"), "");
}

#[test]
fn an_io_weight_is_set_or_its_absence_is_explained() {
    requires!(root);
    if !has("limits::an_io_weight_is_set_or_its_absence_is_explained", &[Controller::Io]) {
        return;
    }
    let lab = Lab::new();
    let set = |weight| {
        let block_io = BlockIo { weight: Some(weight), ..BlockIo::default() };
        lab.cgroup.apply(&Resources { block_io: Some(block_io), ..Resources::default() })
    };
    assert!(set(5).unwrap_err().to_string().contains("is not in 10 to 1000"));
    match set(200) {
        Ok(()) => {
            let files = lab.cgroup.paths().into_values().flat_map(|path| {
                ["io.bfq.weight", "io.weight", "blkio.bfq.weight", "blkio.weight"].map(|name| format!("{path}/{name}"))
            });
            let set: Vec<_> = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
            assert!(set.iter().any(|text| text.contains("200") || text.contains("1920")), "{set:?}");
        }
        Err(error) => assert!(error.to_string().contains("modprobe bfq"), "{error}"),
    }
}

#[test]
fn raw_v2_files_are_written_line_by_line_and_unknown_ones_refused() {
    requires!(root);
    let lab = Lab::new();
    let set = |name: &str, value: &str| {
        let unified = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        lab.cgroup.apply(&Resources { unified, ..Resources::default() })
    };
    let Some(top) = lab.cgroup.paths().remove("") else {
        let error = set("memory.high", "max").unwrap_err().to_string();
        assert!(error.contains("no cgroup v2 directory"), "{error}");
        return;
    };
    set("cgroup.max.depth", "3\n7\n").unwrap();
    assert_eq!(std::fs::read_to_string(format!("{top}/cgroup.max.depth")).unwrap(), "7\n");
    for bad in ["../x", "cgroup.procs/x", "plain", ".", ""] {
        assert!(matches!(set(bad, "1"), Err(Error::Invalid { .. })), "{bad}");
    }
    assert!(set("cgroup.nonsense", "1").unwrap_err().to_string().contains("does not offer it"));
    let error = set("memory.nonsense", "1").unwrap_err().to_string();
    let reason = match lab.layout.owner(Controller::Memory).map(|hierarchy| hierarchy.version) {
        Some(Version::V1) => "belongs to cgroup v1",
        Some(Version::V2) => "this kernel has no memory.nonsense",
        None => "unified.memory.nonsense cannot be set",
    };
    assert!(error.contains(reason), "{error}");
}

#[test]
fn a_controller_that_is_nowhere_is_said_to_be() {
    requires!(root);
    let lab = Lab::new();
    let network = oci::runtime::Network { class_id: Some(1), ..oci::runtime::Network::default() };
    let result = lab.cgroup.apply(&Resources { network: Some(network), ..Resources::default() });
    if lab.layout.owner(Controller::NetCls).is_some() {
        result.unwrap();
    } else {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("network.classID cannot be set: ") && error.contains("net_cls"), "{error}");
    }
}

#[test]
fn nothing_asked_writes_nothing() {
    requires!(root);
    let lab = Lab::new();
    let empty = Resources {
        memory: Some(Memory { disable_oom_killer: Some(false), ..Memory::default() }),
        cpu: Some(Cpu::default()),
        pids: Some(Pids::default()),
        block_io: Some(BlockIo { weight: Some(0), ..BlockIo::default() }),
        ..Resources::default()
    };
    lab.cgroup.apply(&empty).unwrap();
    assert!(within_default(&lab));
}

fn within_default(lab: &Lab) -> bool {
    let stats = lab.cgroup.stats().unwrap();
    stats.memory.is_none_or(|memory| memory.limit.is_none()) && stats.pids.is_none_or(|pids| pids.limit.is_none())
}

#[test]
fn io_is_counted_by_device() {
    const TEST: &str = "limits::io_is_counted_by_device";
    requires!(root);
    if !has(TEST, &[Controller::Io]) {
        return;
    }
    let file = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
    let device = rustix::fs::stat(file.path()).unwrap().st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let block = format!("/sys/dev/block/{major}:{minor}");
    let whole = std::fs::exists(&block).unwrap() && !std::fs::exists(format!("{block}/partition")).unwrap();
    let need = if whole { Ok(()) } else { Err("/var/tmp on a whole disk".to_owned()) };
    if !testkit::requires::met(&format!("cgroup/cgroup::{TEST}"), [need]) {
        return;
    }
    let lab = Lab::new();
    // v1 counts on a disk that something throttles, and only what does not go through the page cache.
    let device = vec![ThrottleDevice { major: major.into(), minor: minor.into(), rate: 1 << 40 }];
    let block_io = BlockIo { throttle_write_bps_device: device, ..BlockIo::default() };
    lab.cgroup.apply(&Resources { block_io: Some(block_io), ..Resources::default() }).unwrap();
    let script = format!("dd if=/dev/zero of={} bs=1M count=4 oflag=direct 2>&1", file.path().display());
    lab.inside(&script).run().code(0);
    let stats = lab.cgroup.stats().unwrap().io;
    let disk = stats.iter().find(|stats| stats.device == (major, minor)).unwrap();
    assert!((4 << 20..16 << 20).contains(&disk.write_bytes) && disk.writes > 0, "{disk:?}");
}
