//! Flags of `run` that change one thing each, by what the container sees of it.

use std::fs;
use testkit::{Outcome, Sandbox, requires};

fn shown(sandbox: &Sandbox, options: &[&str], script: &str) -> Outcome {
    sandbox.coracle(["run", "--rm"]).args(options).args(["host:", "sh", "-c", script]).run()
}

#[test]
fn variables_are_passed_on_and_left_out() {
    requires!(root);
    let sandbox = Sandbox::new();
    let run = |options: &[&str], script: &str| {
        let run = sandbox.coracle(["run", "--rm"]).args(options).args(["host:", "/usr/bin/env", "sh", "-c", script]);
        run.env("OWN", "yes").env("https_proxy", "http://proxy").run()
    };
    run(&[], "echo $OWN $https_proxy.").code(0).stdout_is(".\n");
    run(&["--env-host"], "echo $OWN $https_proxy").code(0).stdout_is("yes http://proxy\n");
    run(&["--http-proxy"], "echo $OWN.$https_proxy").code(0).stdout_is(".http://proxy\n");
    run(&["--env-host", "-e", "OWN=no"], "echo $OWN").code(0).stdout_is("no\n");
    run(&["--unsetenv", "container"], "echo $container.").code(0).stdout_is(".\n");
    run(&["--unsetenv-all", "-e", "PATH=/usr/bin:/bin", "-e", "A=b"], "env | grep -v PWD | sort")
        .code(0)
        .stdout_contains("A=b\n")
        .stdout_lacks("HOSTNAME=");
}

#[test]
fn hosts_and_the_time_zone_are_chosen() {
    requires!(root);
    let sandbox = Sandbox::new();
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    shown(&sandbox, &["--no-hosts"], "cat /etc/hosts").code(0).stdout_is(&hosts);
    shown(&sandbox, &["--tz", "UTC"], "cmp /etc/localtime /usr/share/zoneinfo/UTC && date +%Z")
        .code(0)
        .stdout_is("UTC\n");
    shown(&sandbox, &["--tz", "local"], "cmp /etc/localtime /proc/1/root/etc/localtime").code(0);
    shown(&sandbox, &["--tz", "Nowhere/None"], "true").code(125).one_line_error("/usr/share/zoneinfo/Nowhere/None");
    shown(&sandbox, &["--tz", "../passwd"], "true").code(125).one_line_error("--tz");
}

#[test]
fn pids_are_written_to_files() {
    requires!(root);
    let sandbox = Sandbox::new();
    let (pid, monitor) = (sandbox.join("pid"), sandbox.join("monitor"));
    let run =
        sandbox.coracle(["run", "-d", "--name", "box", "--pidfile"]).arg(&pid).arg("--conmon-pidfile").arg(&monitor);
    run.args(["host:", "sleep", "1000"]).run().code(0);
    let read = |path| fs::read_to_string(path).expect("a pid").trim().to_owned();
    sandbox.run(["inspect", "-f", "{{.State.Pid}}", "box"]).code(0).stdout_is(&format!("{}\n", read(&pid)));
    let stat = fs::read_to_string(format!("/proc/{}/stat", read(&pid))).expect("the container's process");
    let parent = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2)).expect("its parent");
    assert_eq!(parent, read(&monitor));
    let nowhere = sandbox.coracle(["run", "-d", "--pidfile", "/nowhere/pid", "host:", "true"]).run();
    nowhere.code(125).one_line_error("/nowhere/pid");
    sandbox.run(["rm", "-f", "box"]).code(0);
    sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
}

#[test]
fn limits_of_v1_and_of_block_devices_reach_the_cgroup() {
    requires!(root, cgroup_v1);
    let sandbox = Sandbox::new();
    let file = |controller: &str, name: &str| format!("cat /sys/fs/cgroup/{controller}/{name}");
    let swappiness = shown(&sandbox, &["--memory-swappiness", "7"], &file("memory", "memory.swappiness"));
    swappiness.code(0).stdout_is("7\n");
    let device = fs::read_dir("/sys/block").expect("devices").flatten().map(|entry| entry.file_name());
    let Some(name) = device.map(|name| name.to_string_lossy().into_owned()).find(|name| name.starts_with("loop"))
    else {
        return;
    };
    let node = format!("/dev/{name}");
    let numbers = fs::read_to_string(format!("/sys/block/{name}/dev")).expect("its numbers");
    let limit = format!("{node}:1m");
    let read = shown(&sandbox, &["--device-read-bps", &limit], &file("blkio", "blkio.throttle.read_bps_device"));
    read.code(0).stdout_is(&format!("{} 1048576\n", numbers.trim()));
    shown(&sandbox, &["--device-write-iops", "/dev/null:1"], "true").code(125).one_line_error("not a block device");
    shown(&sandbox, &["--cgroup-conf", "memory.high=1m"], "true").code(125).one_line_error("--cgroup-conf");
}

#[test]
fn files_of_v2_are_written() {
    requires!(root, cgroup_v2);
    let sandbox = Sandbox::new();
    let conf = ["--cgroup-conf", "memory.high=67108864"];
    shown(&sandbox, &conf, "cat /sys/fs/cgroup/memory.high").code(0).stdout_is("67108864\n");
    shown(&sandbox, &["--memory-swappiness", "7"], "true").code(125).one_line_error("cgroup v1");
}

#[test]
fn a_rule_allows_devices_whose_nodes_come_later() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let read = "mknod /dev/loops c 10 237 && head -c 0 /dev/loops && echo opened";
    assert_ne!(shown(&sandbox, &["--cap-add", "MKNOD"], read).exit_code(), Some(0));
    let rule = ["--cap-add", "MKNOD", "--device-cgroup-rule", "c 10:237 rm"];
    shown(&sandbox, &rule, read).code(0).stdout_is("opened\n");
    sandbox.coracle(["create", "--name", "box"]).args(&rule[2..]).args(["host:", "true"]).run().code(0);
    sandbox.run(["inspect", "-f", "{{json .HostConfig.DeviceCgroupRules}}", "box"]).stdout_is("[\"c 10:237 rm\"]\n");
}

#[test]
fn single_streams_are_attached() {
    requires!(root);
    let sandbox = Sandbox::new();
    let write = "cat; echo out; echo err >&2; exit 3";
    shown(&sandbox, &["-a", "stdout"], write).code(3).stdout_is("out\n").stderr_is("");
    shown(&sandbox, &["-a", "STDERR"], write).code(3).stdout_is("").stderr_is("err\n");
    let both = sandbox.coracle(["run", "--rm", "-i", "-a", "stdin", "-a", "stdout", "host:", "sh", "-c", write]);
    both.stdin("in\n").run().code(3).stdout_is("in\nout\n").stderr_is("");
    shown(&sandbox, &["-a", "all"], "true").code(125).one_line_error("stdin, stdout or stderr");
    shown(&sandbox, &["-d", "-a", "stdout"], "true").code(125).one_line_error("--attach and --detach");
}
