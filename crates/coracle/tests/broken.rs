//! Broken commands and files, each made for real: the one line that is said names the reason, and who follows its remedy
//! has a container that runs. What is wrong with the machine is in `broken_machine.rs`.

#![forbid(unsafe_code)]

#[path = "broken/followed.rs"]
mod followed;
#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use followed::Said;
use testkit::{Invocation, Outcome, Rootfs, requires};
use world::World;

// e_machine of an ELF header (elf.h).
const EM_AARCH64: u16 = 183;
const EM_X86_64: u16 = 62;

/// A busybox root, and who runs commands in it.
struct Root {
    world: World,
    rootfs: Rootfs,
}

impl Root {
    fn of(world: World) -> Self {
        let rootfs = world.sandbox.rootfs("home/root");
        Self { world, rootfs }
    }

    #[track_caller]
    fn run(&self, options: &[&str], command: &[&str]) -> Outcome {
        let path = self.rootfs.path().display().to_string();
        let options: Vec<&str> = options.iter().copied().chain(["--rootfs", &path]).collect();
        self.world.invocation(&options, command).run()
    }

    /// It fails with this code, and these words.
    #[track_caller]
    fn says(&self, options: &[&str], command: &[&str], code: i32, words: &[&str]) -> Said {
        Said::of(self.run(options, command), code, words)
    }

    /// It runs.
    #[track_caller]
    fn runs(&self, options: &[&str], command: &[&str]) -> Outcome {
        let outcome = self.run(options, command);
        outcome.code(0).stderr_is("");
        outcome
    }
}

/// Root, root with ids of the container's own, and a user: who runs it makes no difference to what is wrong.
fn everybody() -> [Root; 3] {
    [World::root(), World::root_auto(), World::user()].map(Root::of)
}

#[test]
fn a_script_without_its_interpreter_is_told_of_one_that_is_there() {
    requires!(root, busybox, subuid_user, user_namespaces);
    for root in everybody() {
        root.rootfs.file("bin/hello", "#!/usr/local/bin/ash -e\necho hello\n").mode("bin/hello", 0o755);
        let said = root.says(&[], &["hello"], 127, &["the interpreter /usr/local/bin/ash", "\"#!/usr/local/bin/ash\""]);
        let there = said.remedy().strip_prefix("there is ").and_then(|rest| rest.split(':').next()).expect("a path");
        root.rootfs.file("bin/hello", format!("#!{there} -e\necho hello\n"));
        root.runs(&[], &["hello"]).stdout_is("hello\n");
    }
}

#[test]
fn a_script_whose_interpreter_is_nowhere_is_told_what_to_put_there() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    root.rootfs.file("bin/hello", "#!/bin/bash\necho hello\n").mode("bin/hello", 0o755);
    let said = root.says(&[], &["hello"], 127, &["the interpreter /bin/bash of the script /bin/hello"]);
    assert!(said.remedy().starts_with("put bash into the image"), "{}", said.0);
    symlink("busybox", root.rootfs.inside("bin/bash")).expect("a link");
    // busybox goes by the name that it is called by.
    root.runs(&[], &["sh", "-c", "test -x /bin/bash"]);
    root.rootfs.file("bin/hello", "#!/bin/sh\necho hello\n");
    root.runs(&[], &["hello"]).stdout_is("hello\n");
}

#[test]
fn a_first_line_as_on_windows_is_mended_by_the_command_that_is_said() {
    requires!(root, busybox, subuid_user, user_namespaces);
    for root in everybody() {
        root.rootfs.file("bin/hello", "#!/bin/sh\r\necho hello\r\n").mode("bin/hello", 0o755);
        let said = root.says(&[], &["/bin/hello"], 127, &["carriage return", "\\r"]);
        said.follow();
        root.runs(&[], &["/bin/hello"]).stdout_is("hello\n");
    }
}

#[test]
fn text_without_a_first_line_runs_by_an_interpreter() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    root.rootfs.file("bin/hello", "echo hello\n").mode("bin/hello", 0o755);
    let said = root.says(&[], &["hello"], 126, &["exec format error", "#!"]);
    let command = said.remedy().rsplit(": ").next().expect("a command").to_owned();
    root.runs(&[], &command.split(' ').collect::<Vec<_>>()).stdout_is("hello\n");
    root.rootfs.file("bin/hello", "#!/bin/sh\necho hello\n");
    root.runs(&[], &["hello"]).stdout_is("hello\n");
}

#[test]
fn a_program_that_was_never_written_is_empty() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    root.rootfs.file("bin/busybox-app", "").mode("bin/busybox-app", 0o755);
    root.says(&[], &["busybox-app"], 126, &["/bin/busybox-app is empty", "copy it once more"]);
    fs::copy(root.rootfs.inside("bin/busybox"), root.rootfs.inside("bin/busybox-app")).expect("a copy");
    root.runs(&[], &["busybox-app", "true"]);
}

#[test]
fn a_program_of_another_c_library_needs_its_loader() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    fs::copy("/bin/true", root.rootfs.inside("bin/glibc")).expect("this machine's own");
    let said = root.says(&[], &["glibc"], 127, &["the loader /lib", "is not in the container", "glibc"]);
    assert!(said.remedy().contains("use an image that has it"), "{}", said.0);
    // This machine's root has it, as an image of Debian does.
    let bin = format!("{}:/mnt", root.rootfs.inside("bin").display());
    root.world.invocation(&["-v", &bin], &["host:", "/mnt/glibc"]).run().code(0);
}

#[test]
fn a_program_for_another_machine_names_both() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let (other, name, uname) = match std::env::consts::ARCH {
        "aarch64" => (EM_X86_64, "x86_64", "aarch64"),
        here => (EM_AARCH64, "aarch64", here),
    };
    for root in everybody() {
        let whole = fs::read(root.rootfs.inside("bin/busybox")).expect("busybox");
        let mut foreign = whole.clone();
        foreign[18..20].copy_from_slice(&other.to_le_bytes());
        // busybox goes by the name that it is called by.
        root.rootfs.file("bin/busybox-app", foreign).mode("bin/busybox-app", 0o755);
        let said = root.says(
            &[],
            &["busybox-app"],
            126,
            &[&format!("built for the architecture {name}"), &format!("this machine is {uname}")],
        );
        assert!(said.remedy().contains("built for this machine"), "{}", said.0);
        root.rootfs.file("bin/busybox-app", whole);
        root.runs(&[], &["/bin/busybox-app", "true"]);
    }
}

#[test]
fn a_mount_without_exec_is_named_with_the_option_that_says_so() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    let bind = format!("{}:/apps", root.rootfs.inside("bin").display());
    let said = root.says(&["-v", &format!("{bind}:noexec")], &["/apps/true"], 126, &["/apps with noexec"]);
    assert_eq!(said.remedy(), "leave out noexec of the mount at /apps");
    root.runs(&["-v", &bind], &["/apps/true"]);
}

#[test]
fn a_file_system_of_the_machine_without_exec_is_remounted_by_what_is_said() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    let dir = root.world.sandbox.join("apps");
    fs::create_dir(&dir).expect("a directory");
    Invocation::new("mount").args(["-t", "tmpfs", "-o", "noexec", "tmpfs"]).arg(&dir).ok();
    fs::copy(root.rootfs.inside("bin/busybox"), dir.join("true")).expect("a copy");
    let bind = format!("{}:/apps", dir.display());
    let said = root.says(&["-v", &bind], &["/apps/true"], 126, &["/apps with noexec"]);
    said.follow();
    root.runs(&["-v", &bind], &["/apps/true"]);
}

#[test]
fn a_missing_x_bit_is_given_by_what_is_said() {
    requires!(root, busybox, subuid_user, user_namespaces);
    for root in everybody() {
        root.rootfs.file("bin/hello", "#!/bin/sh\necho hello\n");
        let said = root.says(&[], &["hello"], 126, &["/bin/hello has mode 0644"]);
        said.follow();
        root.runs(&[], &["hello"]).stdout_is("hello\n");
    }
}

#[test]
fn a_slip_of_the_finger_is_answered_with_what_is_there() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    let said = root.says(&[], &["slepe", "0"], 127, &["slepe: executable file not found in $PATH"]);
    root.runs(&[], &[&said.meant(), "0"]);
    let said = root.says(&[], &["/bin/slepe", "0"], 127, &["there is no /bin/slepe in the container"]);
    root.runs(&[], &[&said.meant(), "0"]);
    let said = root.says(&["-e", "PATH=/nowhere"], &["true"], 127, &["in any directory of PATH, /nowhere"]);
    assert!(said.remedy().contains("set PATH by --env"), "{}", said.0);
    root.runs(&["-e", "PATH=/bin"], &["true"]);
}

#[test]
fn a_directory_is_no_command_and_a_link_to_nothing_none_either() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    root.says(&[], &["/bin"], 126, &["/bin is a directory", "name a file in it"]);
    root.runs(&[], &["/bin/true"]);
    symlink("/opt/app/bin/busybox-app", root.rootfs.inside("bin/app")).expect("a link");
    let said = root.says(&[], &["app"], 127, &["/bin/app is a link to /opt/app/bin/busybox-app, which is not there"]);
    assert!(said.remedy().starts_with("give what it points to"), "{}", said.0);
    let bind = format!("{}:/opt/app/bin/busybox-app", root.rootfs.inside("bin/busybox").display());
    root.runs(&["-v", &bind], &["/opt/app/bin/busybox-app", "true"]);
    root.runs(&["-v", &bind], &["sh", "-c", "test -x /bin/app"]);
}

#[test]
fn a_directory_on_the_way_that_is_closed_is_named_and_opened() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    root.rootfs.script("opt/app/bin/hello", "echo hello").mode("opt/app", 0o700);
    let said =
        root.says(&["-u", "1000"], &["/opt/app/bin/hello"], 126, &["user 1000", "/opt/app, which has mode 0700"]);
    said.follow();
    root.runs(&["-u", "1000"], &["/opt/app/bin/hello"]).stdout_is("hello\n");
}

#[test]
fn what_belongs_to_somebody_whom_the_container_does_not_have_is_opened_by_its_owner() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let root = Root::of(World::user());
    let dir = root.world.sandbox.join("roots");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("hello"), "#!/bin/sh\necho hello\n").expect("a script");
    fs::set_permissions(dir.join("hello"), fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("a mode");
    let bind = format!("{}:/data", dir.display());
    let why = "belongs to an id that the container's user namespace does not have";
    root.says(&["-v", &bind, "-w", "/data"], &["true"], 126, &["change to /data", why]);
    let said = root.says(&["-v", &bind], &["/data/hello"], 126, &["/data", why]);
    let command = said.remedy().split("; ").next().and_then(|first| first.rsplit(": ").next()).expect("a command");
    Invocation::new("sh").args(["-ec", command]).ok();
    root.runs(&["-v", &bind, "-w", "/data"], &["/data/hello"]).stdout_is("hello\n");
}

#[test]
fn a_working_directory_that_is_a_file_is_told() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    root.says(&["-w", "/etc/passwd"], &["true"], 126, &["/etc/passwd is no directory", "name a directory"]);
    root.runs(&["-w", "/etc"], &["true"]);
}

#[test]
fn a_source_that_is_not_there_is_made_or_was_meant_otherwise() {
    requires!(root, busybox, subuid_user, user_namespaces);
    for root in everybody() {
        let (dir, slip) = (root.world.sandbox.join("home/content"), root.world.sandbox.join("home/contnet"));
        let bind = format!("{}:/data", slip.display());
        // What is made by whom it is for.
        let said = root.says(&["-v", &bind], &["true"], 125, &["there is no", "home/contnet on this machine"]);
        let command = said.remedy().rsplit(": ").next().expect("a command").to_owned();
        root.world.sandbox.command("sh").args(["-ec", &command]).ok();
        root.runs(&["-v", &bind], &["true"]);
        fs::rename(&slip, &dir).expect("another name");
        let said = root.says(&["-v", &bind], &["true"], 125, &["there is no"]);
        root.runs(&["-v", &format!("{}:/data", said.meant())], &["true"]);
    }
}

#[test]
fn a_source_behind_a_closed_directory_is_reached_once_that_is_open() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let root = Root::of(World::user());
    let dir = root.world.sandbox.join("closed");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("file"), "content").expect("a file");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("a mode");
    let bind = format!("{}:/file", dir.join("file").display());
    let said = root.says(&["-v", &bind], &["cat", "/file"], 125, &["may not search the directory", "user 0", "0700"]);
    said.follow();
    root.runs(&["-v", &bind], &["cat", "/file"]).stdout_is("content");
}

#[test]
fn a_file_over_a_directory_and_a_directory_over_a_file_are_told_apart() {
    requires!(root, busybox, subuid_user, user_namespaces);
    for root in everybody() {
        let file = root.world.sandbox.file("home/motd", "hello\n").display().to_string();
        let said =
            root.says(&["-v", &format!("{file}:/etc")], &["true"], 125, &["is a file, and /etc", "is a directory"]);
        let bind = said.remedy().rsplit(": ").next().expect("a bind").to_owned();
        root.runs(&["-v", &bind], &["cat", "/etc/motd"]).stdout_is("hello\n");
        let bin = root.rootfs.inside("bin").display().to_string();
        let bind = format!("{bin}:/etc/passwd");
        let said = root.says(&["-v", &bind], &["true"], 125, &["is a directory, and /etc/passwd", "is a file"]);
        let elsewhere = said.remedy().rsplit(" at ").next().expect("a path");
        root.runs(&["-v", &format!("{bin}:{elsewhere}")], &[&format!("{elsewhere}/true")]);
    }
}

#[test]
fn a_mount_point_that_a_read_only_root_lacks_is_had_by_an_overlay() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    let dir = root.world.sandbox.join("image");
    fs::create_dir(&dir).expect("a directory");
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&dir).ok();
    Invocation::new("cp").arg("-a").arg(root.rootfs.inside(".")).arg(&dir).ok();
    Invocation::new("mount").args(["-o", "remount,ro"]).arg(&dir).ok();
    let (path, bind) = (dir.display().to_string(), format!("{}:/data", root.rootfs.inside("etc").display()));
    let run = |rootfs: &str| root.world.invocation(&["-v", &bind, "--rootfs", rootfs], &["true"]).run();
    let said = Said::of(run(&path), 125, &["/data is not there to mount on", "read-only"]);
    let overlay = said.remedy().rsplit("--rootfs ").next().expect("a root");
    run(overlay).code(0).stderr_is("");
}

#[test]
fn a_name_that_the_image_does_not_have_is_answered_with_one_that_it_has() {
    requires!(root, busybox, subuid_user, user_namespaces);
    for root in everybody() {
        let said = root.says(&["-u", "alcie"], &["true"], 125, &["no \"alcie\" in the container's /etc/passwd"]);
        root.runs(&["-u", &said.meant()], &["id", "-un"]).stdout_is("alice\n");
        let said = root.says(&["--group-add", "adio"], &["true"], 125, &["no \"adio\" in the container's /etc/group"]);
        root.runs(&["--group-add", &said.meant()], &["true"]);
    }
}

#[test]
fn a_filter_that_refuses_what_starts_the_command_is_named() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    let profile = |names: &str, action: &str| {
        let rule = format!(r#"{{"names":["{names}"],"action":"SCMP_ACT_{action}"}}"#);
        let text = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#);
        root.world.sandbox.file("home/filter.json", text)
    };
    let option = format!("seccomp={}", profile("execve", "ERRNO").display());
    let said = root.says(&["--security-opt", &option], &["true"], 126, &["filter.json refuses execve"]);
    assert_eq!(said.remedy(), "allow execve in it");
    profile("execve", "ALLOW");
    root.runs(&["--security-opt", &option], &["true"]);
    // One that kills leaves nobody to tell of an error: the end says it.
    profile("execve", "KILL_PROCESS");
    let said = root.says(&["--security-opt", &option], &["true"], 159, &["killed by its seccomp filter (SIGSYS)"]);
    let unconfined = said.remedy().rsplit("--security-opt ").next().expect("an option");
    root.runs(&["--security-opt", unconfined], &["true"]);
}

#[test]
fn made_first_and_started_later_the_reason_is_the_same() {
    requires!(root, busybox, subuid_user, user_namespaces);
    for root in everybody() {
        root.rootfs.file("bin/hello", "#!/bin/sh\r\necho hello\r\n").mode("bin/hello", 0o755);
        let path = root.rootfs.path().display().to_string();
        let sandbox = &root.world.sandbox;
        sandbox.run(["create", "--name", "made", "--rootfs", &path, "hello"]).code(0);
        let said = Said::of(sandbox.run(["start", "made"]), 127, &["coracle: start: ", "carriage return"]);
        let detached = Said::of(sandbox.run(["run", "-d", "--rootfs", &path, "hello"]), 127, &["carriage return"]);
        assert_eq!(said.remedy(), detached.remedy());
        said.follow();
        sandbox.run(["start", "-a", "made"]).code(0).stdout_is("hello\n");
    }
}

#[test]
fn what_an_image_calls_its_files_does_not_reach_the_terminal() {
    requires!(root, busybox);
    let root = Root::of(World::root());
    root.rootfs.file("bin/hello", "#!/bin/\x1b[31mred\n").mode("bin/hello", 0o755);
    let said = root.says(&[], &["hello"], 127, &["the interpreter /bin/"]);
    assert!(!said.0.stderr.contains('\x1b'), "{:?}", said.0.stderr);
    // Links that lead out lead nowhere: what lies there on this machine is not told.
    let secret = root.world.sandbox.file("secret", "#!/secret/interpreter\n");
    symlink(&secret, root.rootfs.inside("bin/out")).expect("a link");
    let said = root.says(&[], &["/bin/out"], 127, &["is a link to", "which is not there"]);
    said.0.stderr_lacks("interpreter");
}
