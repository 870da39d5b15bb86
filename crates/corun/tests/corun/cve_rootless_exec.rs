//! The attacks on the process that enters a container, where container and runtime are an ordinary user's: both run as
//! the same user of the host.

use crate::bundle::{Bundle, CLEARING, field};
use crate::cve_exec::USERS;
use crate::cve_exec_spy::{has_got_nothing, rounds, spy};
use crate::cve_rootless::{give, run};
use crate::rootless::{bundle_of, by};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use testkit::{Invocation, User, requires, within};

const WAITS: &str = "echo up; while :; do sleep 0.1; done";

/// A user's container that lives until the end of its test.
struct Own {
    bundle: Bundle,
    user: User,
}

impl Own {
    /// Made and started, and it has said that it is up.
    #[track_caller]
    fn running(bundle: Bundle, user: &User) -> Self {
        bundle.sandbox.file("out", "");
        give(&bundle, user);
        Invocation::new("chown").arg(user.uid.to_string()).arg(bundle.sandbox.join("out")).ok();
        let own = Self { bundle, user: user.clone() };
        let (dir, out) = (own.bundle.dir().display().to_string(), own.bundle.sandbox.join("out"));
        let script = format!("exec \"$@\" </dev/null >>{} 2>&1", out.display());
        let create = own.corun(&["create", "--bundle", &dir, &own.bundle.id]).under(["sh", "-c", &script, "sh"]);
        assert_eq!(create.run().exit_code(), Some(0), "{}", own.output());
        own.corun(&["start", &own.bundle.id]).ok();
        assert!(within(CLEARING, || own.output().contains("up")), "{}", own.output());
        own
    }

    fn sleeping(user: &User) -> Self {
        Self::running(bundle_of(user, WAITS), user)
    }

    fn corun(&self, words: &[&str]) -> Invocation {
        by(&self.bundle, &self.user, words)
    }

    fn exec(&self, options: &[&str], command: &[&str]) -> Invocation {
        self.corun(&["exec"]).args(options).arg(&self.bundle.id).args(command)
    }

    fn output(&self) -> String {
        fs::read_to_string(self.bundle.sandbox.join("out")).unwrap_or_default()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.corun(&["delete", "--force", &self.bundle.id]).run();
    }
}

/// Has root of a user's container grab for what enters it, with these capabilities and some that help.
fn spied(capabilities: &[&str]) {
    let user = User::with_subuids();
    let mut bundle = bundle_of(&user, "");
    spy(&mut bundle);
    bundle.capabilities(
        &[&["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN", "CAP_KILL"], capabilities].concat(),
    );
    let own = Own::running(bundle, &user);
    for _ in 0..rounds() {
        own.exec(&[], &["/bin/true"]).run().code(0);
    }
    has_got_nothing(&own.output());
}

#[test]
fn cve_2016_9962_by_root_of_an_ordinary_users_container() {
    requires!(root, busybox, subuid_user, user_namespaces, package = "python3");
    spied(&[]);
}

#[test]
fn cve_2016_9962_by_root_of_an_ordinary_users_container_who_may_trace() {
    requires!(root, busybox, subuid_user, user_namespaces, package = "python3");
    spied(&["CAP_SYS_PTRACE"]);
}

#[test]
fn cve_2016_9962_by_root_of_an_ordinary_users_container_whose_namespaces_another_joins() {
    requires!(root, busybox, subuid_user, user_namespaces, package = "python3");
    let user = User::with_subuids();
    let mut bundle = bundle_of(&user, "");
    spy(&mut bundle);
    bundle.capabilities(&["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN", "CAP_KILL"]);
    let own = Own::running(bundle, &user);
    let state: serde_json::Value = serde_json::from_str(&own.corun(&["state", &own.bundle.id]).ok().stdout).unwrap();
    let mut joining = bundle_of(&user, "");
    joining.command(&["/bin/true"]).unset("/linux/uidMappings").unset("/linux/gidMappings");
    for kind in ["user", "pid"] {
        joining.namespace(kind, Some(&format!("/proc/{}/ns/{kind}", state["pid"])));
    }
    // Its own root is another one, whose command is everybody's to look at.
    for _ in 0..rounds() / 4 {
        run(&joining, &user).code(0);
    }
    let seen = own.output();
    assert!(seen.contains("SAW 10"), "the attack is one: {seen}");
    for kept in ["GOT mem", "GOT environ", "GOT auxv", "GOT exe", "GOT fd", "Error"] {
        assert!(!seen.contains(kept), "{kept}: {seen}");
    }
}

/// A copy of the program that belongs to the user, who may write to it.
fn writable(own: &Own) -> (PathBuf, Vec<u8>) {
    let path = own.bundle.sandbox.join("bin/corun");
    Invocation::new("chown").arg(own.user.uid.to_string()).arg(&path).ok();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn cve_2019_5736_a_program_that_is_the_users_own_stays_as_it_is() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    // Who is root in the container is the program's owner on the host.
    let mut bundle = bundle_of(
        &user,
        "echo up; while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] && continue
        ( echo pwned >> $p/exe ) 2>/dev/null && echo WROTE $(readlink $p/exe); done; done",
    );
    let rootfs = &bundle.rootfs;
    rootfs.file("entry", "#!/proc/self/exe\n").mode("entry", 0o755).file("two", "#!/entry\n").mode("two", 0o755);
    symlink("/proc/self/exe", rootfs.inside("exe")).unwrap();
    bundle.capabilities(&["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"]);
    let own = Own::running(bundle, &user);
    let (program, before) = writable(&own);
    for _ in 0..rounds() {
        own.exec(&[], &["true"]).run().code(0);
    }
    for command in ["/entry", "/two", "/exe", "/proc/self/exe"] {
        let outcome = own.exec(&[], &[command, "--version"]).run();
        outcome.stdout_lacks("corun version");
        assert_ne!(outcome.exit_code(), Some(0), "{outcome}");
    }
    assert!(!own.output().contains("WROTE"), "{}", own.output());
    assert!(fs::read(&program).unwrap() == before, "the installed program has changed");
    let mut bundle = bundle_of(&user, "");
    bundle.rootfs.file("entry", "#!/proc/self/exe\n").mode("entry", 0o755);
    for command in ["/entry", "/proc/self/exe"] {
        bundle.command(&[command, "--version"]);
        assert_ne!(run(&bundle, &user).exit_code(), Some(0));
    }
    let program = bundle.sandbox.join("bin/corun");
    assert!(fs::read(program).unwrap() == before, "the installed program has changed");
}

#[test]
fn cve_2022_29162_no_process_of_a_users_container_has_inheritable_capabilities() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let own = Own::sleeping(&User::with_subuids());
    for options in [&[][..], &["--cap", "CAP_NET_RAW"], &["--cap", "CAP_NET_RAW", "--user", "5:5"]] {
        let status = own.exec(options, &["cat", "/proc/self/status"]).ok().stdout;
        assert_eq!(field(&status, "CapInh"), "0000000000000000", "{options:?}");
        assert_eq!(field(&status, "CapAmb"), "0000000000000000", "{options:?}");
    }
}

#[test]
fn cve_2024_21626_a_users_exec_leads_out_by_no_descriptor() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let own = Own::sleeping(&User::with_subuids());
    let open = |line: Invocation| line.under(["sh", "-c", "exec \"$@\" </ 3</ 4</etc/passwd 8</proc", "sh"]);
    open(own.exec(&[], &["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"])).run().code(0).stdout_is("0 1 2 3 ");
    for n in 0..32 {
        for cwd in [format!("/proc/self/fd/{n}"), format!("/proc/self/fd/{n}/../../..")] {
            open(own.exec(&["--cwd", &cwd], &["sh", "-c", "pwd; cat etc/passwd"])).run().code(255).stdout_is("");
        }
        open(own.exec(&[], &[&format!("/proc/self/fd/{n}"), "--version"])).run().code(255).stdout_is("");
    }
}

#[test]
fn cve_2025_52881_what_a_users_exec_writes_to_procfs_goes_to_the_hosts_own() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    let mut bundle = bundle_of(
        &user,
        "mount -t tmpfs fake /proc && mkdir -p /proc/self/attr /proc/1 && echo fake > /proc/self/oom_score_adj && echo up
        while :; do sleep 0.1; done",
    );
    bundle.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    bundle.capabilities(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]);
    let own = Own::running(bundle, &user);
    let process = json!({ "args": ["sleep", "1000"], "cwd": "/", "env": ["PATH=/bin"], "oomScoreAdj": 321 });
    let json = own.bundle.sandbox.file("process.json", process.to_string());
    let file = own.bundle.dir().join("pid");
    let words = ["exec", "--detach", "--pid-file", &file.to_string_lossy(), "--process", &json.to_string_lossy()];
    let quiet = ["sh", "-c", "exec \"$@\" </dev/null >/dev/null 2>&1", "sh"];
    own.corun(&words).arg(&own.bundle.id).under(quiet).run().code(0);
    let pid = fs::read_to_string(file).unwrap();
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap(), "321\n");
    own.exec(&[], &["cat", "/proc/self/oom_score_adj"]).ok().stdout_is("fake\n");
}

#[test]
fn cve_2026_30892_and_40635_what_is_no_id_is_nobody_in_a_users_container() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let own = Own::sleeping(&User::with_subuids());
    for (word, expected) in USERS {
        let outcome = own.exec(&["--user", word], &["sh", "-c", "id -u; id -g"]).run();
        match expected {
            // His ids end at 1000.
            Some(ids) if !word.starts_with('4') => {
                assert_eq!(outcome.lines().join(" "), ids, "{word}: {outcome}");
            }
            _ => {
                outcome.code(255).stdout_is("");
            }
        }
    }
}
