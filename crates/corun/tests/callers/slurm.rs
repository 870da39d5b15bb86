//! Slurm, as far as one node shows it: the daemon of a job step calls the runtime by the patterns of oci.conf, through a
//! shell, and takes its exit code for the task's. The patterns are those of docs/slurm, with other places in them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{Invocation, Running, User, requires, within};

use crate::place::Place;

/// How long what is on its way may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

const PATTERNS: &str = include_str!("../../../../docs/slurm/oci.conf");
const PROLOG: &str = include_str!("../../../../docs/slurm/prolog");

/// A cluster of one node, all of it on loopback, and an ordinary user's bundle.
struct Slurm {
    place: Place,
    settings: PathBuf,
    /// Where the runtime keeps the user's containers.
    containers: PathBuf,
    daemons: Vec<Running>,
}

impl Slurm {
    #[track_caller]
    fn new() -> Self {
        let user = User::with_subuids();
        let place = Place::of(&user);
        let at = |name: &str| place.sandbox.join(name).display().to_string();
        for dir in ["etc", "state", "spool"] {
            fs::create_dir(place.sandbox.join(dir)).expect("a directory of Slurm's");
        }
        let ours = |text: &str| {
            text.replace("/usr/local/bin/corun", &at("bin/corun")).replace("/run/slurm-corun", &at("etc/containers"))
        };
        let settings = place.sandbox.join("etc/slurm.conf");
        write(&settings, &slurm_conf(&at), 0o644);
        write(&place.sandbox.join("etc/oci.conf"), &ours(PATTERNS), 0o644);
        write(&place.sandbox.join("etc/prolog"), &ours(PROLOG), 0o755);
        // 1 KiB, as mungekey(8) makes it; nobody else uses it.
        write(&place.sandbox.join("etc/key"), &"secret for a test".repeat(60), 0o400);

        place.runtime("corun");
        let bundle = place.sandbox.join("bundle");
        fs::create_dir(&bundle).expect("a bundle");
        user.give(&bundle);
        place.sandbox.rootfs("bundle/rootfs");
        place.sandbox.corun(["spec", "--rootless", "--bundle"]).arg(&bundle).ok();

        let munged = Invocation::new("munged").args(["--foreground", "--force", "--num-threads=1"]).args([
            format!("--key-file={}", at("etc/key")),
            format!("--socket={}", at("munge.sock")),
            format!("--pid-file={}", at("etc/munge.pid")),
            format!("--log-file={}", at("etc/munge.log")),
            format!("--seed-file={}", at("etc/munge.seed")),
        ]);
        let daemon = |name: &str| Invocation::new(name).arg("-D").arg("-f").arg(&settings);
        let daemons = [munged, daemon("slurmctld"), daemon("slurmd")];
        let daemons = daemons.map(|daemon| daemon.timeout(Duration::from_mins(5)).spawn()).into();
        let containers = place.sandbox.join("etc/containers").join(&user.name);
        let slurm = Self { place, settings, containers, daemons };
        let idle = || slurm.command("sinfo").args(["--noheader", "--format=%t"]).run().stdout == "idle\n";
        assert!(within(SOON, idle), "the node is not idle");
        slurm
    }

    /// One of Slurm's commands, as the user.
    fn command(&self, name: &str) -> Invocation {
        self.place.sandbox.command(name).env("SLURM_CONF", &self.settings)
    }

    /// `srun`, in the user's bundle.
    fn run(&self, command: &[&str]) -> Invocation {
        self.command("srun").arg("--quiet").arg("--container").arg(self.place.sandbox.join("bundle")).args(command)
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        let count = || fs::read_dir(&self.containers).into_iter().flatten().flatten().filter(is_container).count();
        assert!(within(SOON, || count() == 0), "{} containers are left", count());
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for daemon in &mut self.daemons {
                eprintln!("a daemon of Slurm's said:\n{}", daemon.stderr());
            }
        }
    }
}

fn is_container(entry: &fs::DirEntry) -> bool {
    !entry.file_name().to_string_lossy().starts_with('.')
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("a file of Slurm's");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

/// Slurm's own settings: nothing in them is for the runtime.
fn slurm_conf(at: &dyn Fn(&str) -> String) -> String {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    let host = name.split('.').next().unwrap_or_default();
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port of its own"));
    let [controller, node] = ports.map(|port| port.local_addr().expect("its number").port());
    format!(
        "ClusterName=one\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
         AuthType=auth/munge\nAuthInfo=socket={munge}\nCredType=cred/munge\nMailProg=/bin/true\n\
         SlurmctldPort={controller}\nSlurmdPort={node}\nCommunicationParameters=NoCtldInAddrAny,NoInAddrAny\n\
         StateSaveLocation={state}\nSlurmdSpoolDir={spool}\nSlurmctldPidFile={etc}/ctld.pid\nSlurmdPidFile={etc}/d.pid\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
         SwitchType=switch/none\nMpiDefault=none\nProlog={etc}/prolog\nKillWait=1\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN\nPartitionName=p Nodes={host} Default=YES\n",
        munge = at("munge.sock"),
        state = at("state"),
        spool = at("spool"),
        etc = at("etc"),
    )
}

#[test]
fn steps_and_batches_run_in_containers_and_end_with_their_jobs() {
    requires!(subuid_user, user_namespaces, busybox, package = "munged", package = "slurmctld", package = "slurmd");
    requires!(package = "srun", package = "runuser", package = "pgrep");
    let slurm = Slurm::new();
    let script = "id -u; cat; echo $SLURM_STEP_ID; exit 7";
    slurm.run(&["sh", "-c", script]).stdin("typed\n").run().code(7).stdout_is("0\ntyped\n0\n");
    slurm.run(&["no-such-command"]).run().code(1).stderr_contains("executable file not found");
    let output = slurm.place.sandbox.join("home/output");
    let batch = slurm.command("sbatch").args(["--wait", "--wrap", "id -u; exit 3", "--container"]);
    batch.arg(slurm.place.sandbox.join("bundle")).arg("--output").arg(&output).run().code(3);
    assert_eq!(fs::read_to_string(&output).unwrap(), "0\n");
    slurm.nothing_is_left();

    let mut step = slurm.run(&["sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done"]).spawn();
    step.stdout_until("up\n");
    slurm.command("scancel").arg("--me").ok();
    step.wait().code(3);
    // A first process that takes no notice of SIGTERM is killed, but then srun's code may be anything.
    let mut step = slurm.run(&["sh", "-c", "echo up; exec sleep 64"]).spawn();
    step.stdout_until("up\n");
    slurm.command("scancel").arg("--me").ok();
    step.wait();
    assert!(within(SOON, || Invocation::new("pgrep").args(["-fx", "sleep 64"]).run().exit_code() == Some(1)));
    slurm.nothing_is_left();
}
