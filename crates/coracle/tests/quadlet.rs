//! Containers as services of systemd: files of Quadlet, the generator, and word of being ready.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::{Invocation, Outcome, Program, Sandbox, requires, within};

/// A file among those that the generator is shown.
fn file(sandbox: &Sandbox, name: &str, text: &str) {
    let directory = sandbox.join("files");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join(name), text).expect("a file");
}

fn generate(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    sandbox.coracle(["system", "generator"]).args(words).env("QUADLET_UNIT_DIRS", sandbox.join("files")).run()
}

#[test]
fn a_dry_run_prints_the_services_and_names_what_is_wrong() {
    let sandbox = Sandbox::new();
    file(&sandbox, "web.container", "[Container]\nImage=a/b\nVolume=data.volume:/srv\n");
    file(&sandbox, "data.volume", "[Volume]\n");
    fs::create_dir_all(sandbox.join("files/web.container.d")).expect("a directory");
    file(&sandbox, "web.container.d/10.conf", "[Container]\nImage=c/d\n");
    let outcome = generate(&sandbox, &["--dry-run"]);
    outcome.code(0).stdout_contains("---web.service---").stdout_contains("---data-volume.service---");
    outcome.stdout_contains("--volume systemd-data:/srv c/d").stdout_contains("Requires=data-volume.service");
    file(&sandbox, "app.network", "[Network]\nSubnet=10.90.0.0/24\nInternal=true\nOptions=mtu=1400\n");
    file(&sandbox, "api.container", "[Container]\nImage=a/b\nNetwork=app.network:ip=10.90.0.9\nPublishPort=8080:80\n");
    let outcome = generate(&sandbox, &["--dry-run"]);
    outcome
        .code(0)
        .stdout_contains("network create --ignore --internal --opt mtu=1400 --subnet 10.90.0.0/24 systemd-app");
    outcome.stdout_contains("--network systemd-app:ip=10.90.0.9").stdout_contains("--publish 8080:80");
    outcome.stdout_contains("Requires=app-network.service");
    file(&sandbox, "bad.container", "[Container]\nImgae=a\n");
    file(&sandbox, "worse.container", "nonsense\n");
    let outcome = generate(&sandbox, &["--dry-run"]);
    outcome.code(1).stderr_contains("bad.container").stderr_contains("Imgae=").stderr_contains("line 1");
    // The others are services nevertheless.
    outcome.stdout_contains("---web.service---");
    generate(&sandbox, &[]).code(125).one_line_error("a directory");
}

#[test]
fn systemd_accepts_the_services_and_their_links() {
    requires!(root, package = "systemd-analyze");
    let sandbox = Sandbox::new();
    file(
        &sandbox,
        "web.container",
        "[Unit]\nDescription=The web\n[Container]\nImage=a/b\nEnvironment=A=1 'B=two words'\nExec=sh -c 'echo \"$HOME\" %n'\n\
         [Service]\nRestart=always\n[Install]\nWantedBy=default.target\n",
    );
    file(&sandbox, "data.volume", "[Volume]\n");
    let directory = sandbox.join("units");
    fs::create_dir_all(&directory).expect("a directory");
    generate(&sandbox, &[directory.to_str().expect("a path")]).code(0).stderr_is("");
    let link = fs::read_link(directory.join("default.target.wants/web.service")).expect("a link");
    assert_eq!(link, Path::new("../web.service"));
    let verified = Invocation::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args([directory.join("web.service"), directory.join("data-volume.service")])
        .run();
    verified.code(0).stderr_is("");
}

/// A service manager's socket, and a container that is run for it.
fn told(sandbox: &Sandbox, options: &[&str], script: &str) -> (Vec<String>, Outcome) {
    let path = sandbox.join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let done = AtomicBool::new(false);
    let listen = || {
        let (mut buffer, mut words) = ([0; 256], Vec::new());
        loop {
            match manager.recv(&mut buffer) {
                Ok(length) => words.push(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()),
                Err(_) if done.load(Ordering::Relaxed) => return words,
                Err(_) => {}
            }
        }
    };
    let run = sandbox.coracle(["run"]).args(options).args(["host:", "sh", "-c", script]).env("NOTIFY_SOCKET", &path);
    let (words, outcome) = std::thread::scope(|scope| {
        let listener = scope.spawn(listen);
        let outcome = run.run();
        done.store(true, Ordering::Relaxed);
        (listener.join().expect("what was heard"), outcome)
    });
    fs::remove_file(&path).expect("the socket");
    (words, outcome)
}

#[test]
fn a_service_manager_is_told_when_the_command_runs() {
    requires!(root);
    let sandbox = Sandbox::new();
    let (words, outcome) = told(&sandbox, &["--rm", "--sdnotify=conmon"], "echo runs; echo ${NOTIFY_SOCKET-none}");
    outcome.code(0).stdout_is("runs\nnone\n");
    assert_eq!((words[0].as_str(), words.len()), ("READY=1", 3), "{words:?}");
    let (words, outcome) = told(&sandbox, &["-d", "--name", "box", "--sdnotify=conmon"], "sleep 1000");
    let id = outcome.code(0).stdout.trim().to_owned();
    let state = fs::read_to_string(sandbox.runroot().join("containers").join(id).join("state.json")).expect("a state");
    let monitor = words[1].strip_prefix("MAINPID=").expect("a pid");
    assert!(state.contains(&format!("\"pid\":{monitor},")), "{monitor} in {state}");
    sandbox.run(["rm", "-f", "box"]).code(0);
    for options in [&["--rm"][..], &["--rm", "--sdnotify=ignore"]] {
        assert!(told(&sandbox, options, "true").0.is_empty());
    }
    // A command that cannot be started is not ready.
    let failing = ["--rm", "--sdnotify=conmon", "--entrypoint", "/nowhere"];
    let (words, outcome) = told(&sandbox, &failing, "true");
    outcome.code(127);
    assert!(words.is_empty(), "{words:?}");
}

#[test]
fn a_container_says_itself_that_it_is_ready() {
    requires!(root);
    let sandbox = Sandbox::new();
    let say = "python3 -c 'import os,socket; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); \
               s.sendto(b\"STATUS=up\\nREADY=1\\nMAINPID=1\", os.environ[\"NOTIFY_SOCKET\"])'";
    let (words, outcome) = told(&sandbox, &["--rm", "--sdnotify=container"], say);
    outcome.code(0);
    assert_eq!((words[0].as_str(), words.len()), ("READY=1", 3), "{words:?}");
    assert_ne!(words[1], "MAINPID=1");
    let (words, outcome) = told(&sandbox, &["-d", "--sdnotify=container"], "true");
    outcome.code(125).one_line_error("--sdnotify=container");
    assert!(words.is_empty());
    assert_eq!(fs::read_dir(sandbox.runroot().join("containers")).expect("the run directories").count(), 0);
}

/// systemd's word for it.
fn systemctl(words: &[&str]) -> Outcome {
    Invocation::new("systemctl").args(words).run()
}

/// The generator among systemd's, shown these files, until it is dropped.
struct Installed {
    sandbox: Sandbox,
    files: Vec<std::path::PathBuf>,
}

impl Installed {
    fn new(files: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new();
        let generators = Path::new("/run/systemd/system-generators");
        let place = Path::new("/run/containers/systemd");
        let global =
            format!("GlobalArgs=--root {} --runroot {}", sandbox.root().display(), sandbox.runroot().display());
        let mut made = vec![generators.join("coracle-system-generator")];
        for directory in [generators, place] {
            fs::create_dir_all(directory).expect("a directory");
        }
        let _ = symlink(Program::Coracle.path(), &made[0]);
        for (name, text) in files {
            fs::write(place.join(name), text.replace("GLOBAL", &global)).expect("a file");
            made.push(place.join(name));
        }
        systemctl(&["daemon-reload"]).code(0);
        Self { sandbox, files: made }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        for file in self.files.iter().skip(1) {
            let name = format!("{}.service", file.file_stem().unwrap_or_default().to_string_lossy());
            let _ = systemctl(&["stop", &name]);
            let _ = fs::remove_file(file);
        }
    }
}

#[test]
fn a_file_is_a_service_that_starts_stops_and_fails_as_any() {
    requires!(root, systemd);
    let installed = Installed::new(&[
        (
            "quad-web.container",
            "[Container]\nGLOBAL\nImage=host:\nMemory=64m\nContainerName=web\nStopTimeout=1\nExec=sh -c 'echo hello; exec sleep 1000'\n",
        ),
        ("quad-bad.container", "[Container]\nGLOBAL\nImage=host:\nContainerName=bad\nExec=sh -c 'exit 7'\n"),
        ("quad-none.container", "[Container]\nGLOBAL\nImage=host:\nContainerName=none\nExec=/nowhere\n"),
        (
            "quad-ready.container",
            "[Container]\nGLOBAL\nImage=host:\nContainerName=ready\nStopTimeout=1\nNotify=true\nExec=sh -c 'sleep 1; systemd-notify --ready; exec sleep 1000'\n",
        ),
    ]);
    let sandbox = &installed.sandbox;
    systemctl(&["start", "quad-web.service"]).code(0);
    systemctl(&["is-active", "quad-web.service"]).code(0).stdout_is("active\n");
    let pid = sandbox.run(["inspect", "-f", "{{.State.Pid}}", "web"]).code(0).stdout.trim().to_owned();
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("a cgroup");
    assert!(cgroup.contains("quad-web.service/coracle-"), "{cgroup}");
    let path = format!("/sys/fs/cgroup{}/memory.max", cgroup.trim().trim_start_matches("0::"));
    assert_eq!(fs::read_to_string(path).expect("a limit"), "67108864\n");
    systemctl(&["stop", "quad-web.service"]).code(0);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
    assert!(!Path::new("/sys/fs/cgroup/system.slice/quad-web.service").exists());
    // What fails has failed, by its own exit code.
    let _ = systemctl(&["start", "quad-bad.service"]);
    assert!(within(Duration::from_secs(10), || systemctl(&["is-failed", "quad-bad.service"]).exit_code() == Some(0)));
    systemctl(&["show", "-p", "ExecMainStatus", "--value", "quad-bad.service"]).code(0).stdout_is("7\n");
    assert_ne!(systemctl(&["start", "quad-none.service"]).exit_code(), Some(0));
    // One that says itself when it is ready is waited for.
    let outcome = systemctl(&["start", "quad-ready.service"]);
    outcome.code(0);
    assert!(outcome.took >= Duration::from_secs(1), "{outcome}");
    systemctl(&["stop", "quad-ready.service"]).code(0);
}
