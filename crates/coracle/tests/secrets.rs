//! Secrets, as a user meets them: kept, listed, shown to containers, and found nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use testkit::{Sandbox, User, requires};

/// A secret in the store.
fn keep(sandbox: &Sandbox, name: &str, data: &[u8]) -> String {
    let file = sandbox.join(format!("{name}.txt"));
    fs::write(&file, data).expect("a file");
    let outcome = sandbox.coracle(["secret", "create", name]).arg(&file).run();
    outcome.code(0).stdout.trim().to_owned()
}

#[test]
fn one_is_made_listed_replaced_and_removed() {
    let sandbox = Sandbox::new();
    let id = keep(&sandbox, "key", b"open sesame");
    assert!(id.len() == 25 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    sandbox.coracle(["secret", "create", "key", "-"]).stdin("other").run().code(1).one_line_error("key");
    let other = sandbox.coracle(["secret", "create", "--replace", "key", "-"]).stdin("other").run();
    assert_ne!(other.code(0).stdout.trim(), id);
    sandbox.run(["secret", "inspect", "key"]).code(0).stdout_lacks("other");
    sandbox
        .run(["secret", "inspect", "--pretty", "key"])
        .code(0)
        .stdout_contains("Name:         key\n")
        .stdout_lacks("other");
    let shown = ["secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", "key"];
    sandbox.run(shown).code(0).stdout_is("other\n");
    let made =
        sandbox.coracle(["secret", "create", "--env", "-l", "a=b", "from.env", "TOKEN"]).env("TOKEN", "t0k").run();
    let second = made.code(0).stdout.trim().to_owned();
    sandbox.run(["secret", "ls", "--format", "{{.Name}}"]).code(0).stdout_is("from.env\nkey\n");
    sandbox.run(["secret", "ls", "-q", "-f", "label=a=b"]).code(0).stdout_is(&format!("{second}\n"));
    sandbox.run(["secret", "ls"]).code(0).stdout_contains("NAME").stdout_contains("file");
    sandbox.run(["secret", "exists", "key"]).code(0);
    // By the first digits of its id, too.
    sandbox.run(["secret", "rm", &second[..6]]).code(0).stdout_is(&format!("{second}\n"));
    sandbox.run(["secret", "rm", "none"]).code(1).one_line_error("none");
    sandbox.run(["secret", "rm", "-i", "none"]).code(0).stdout_is("");
    sandbox.run(["secret", "rm", "-a"]).code(0);
    sandbox.run(["secret", "exists", "key"]).code(1);
    sandbox.run(["secret", "ls", "-q"]).code(0).stdout_is("");
}

#[test]
fn what_is_no_secret_is_refused() {
    let sandbox = Sandbox::new();
    let create = |name: &str, input: &str| sandbox.coracle(["secret", "create", name, "-"]).stdin(input).run();
    create("key", "").code(1).one_line_error("between 1 and 512000");
    create("key", &"x".repeat(512_001)).code(1).one_line_error("512001");
    for wrong in ["a/b", "../key", ".key", "a,b", ""] {
        create(wrong, "x").code(1).one_line_error("not a name for a secret");
    }
    sandbox.run(["secret", "create", "key", "/nowhere"]).code(125).one_line_error("/nowhere");
    sandbox.run(["secret", "create", "key"]).code(125).one_line_error("a source");
    sandbox.run(["secret", "create", "-d", "vault", "key", "-"]).code(125).one_line_error("vault");
    assert!(fs::read_dir(sandbox.root().join("secrets")).map_or(true, |mut entries| entries.next().is_none()));
}

fn is_shown(sandbox: &Sandbox) {
    keep(sandbox, "key", b"\0binary\xff");
    keep(sandbox, "token", b"t0k");
    let look = "od -An -c /run/secrets/key | tr -d ' '; stat -c '%u %g %a' /run/secrets/key /etc/token; \
                cat /etc/token; echo; echo $TOKEN $token; touch /run/secrets/key 2>&1 | grep -c Read-only";
    let options = ["--secret", "key", "--secret", "token,target=/etc/token,uid=7,gid=8,mode=0400"];
    let variables = ["--secret", "token,type=env,target=TOKEN", "--secret=source=token,type=env"];
    let outcome =
        sandbox.coracle(["run", "--rm"]).args(options).args(variables).args(["host:", "sh", "-c", look]).run();
    outcome.code(0).stdout_is("\\0binary377\n0 0 444\n7 8 400\nt0k\nt0k t0k\n1\n");
}

#[test]
fn a_container_sees_it_as_a_file_or_as_a_variable() {
    requires!(root);
    is_shown(&Sandbox::new());
}

#[test]
fn an_ordinary_users_container_sees_it_by_its_own_ids() {
    requires!(subuid_user, user_namespaces);
    is_shown(&Sandbox::of(&User::with_subuids()));
}

#[test]
fn with_ids_of_its_own_a_container_reads_it_as_its_owner() {
    requires!(root, subuid_user, user_namespaces);
    let sandbox = Sandbox::new();
    keep(&sandbox, "key", b"k");
    let user = ["run", "--rm", "--userns=auto", "-u", "7", "--secret", "key,uid=7,mode=0400", "host:"];
    sandbox.coracle(user).args(["cat", "/run/secrets/key"]).run().code(0).stdout_is("k");
    let other = ["run", "--rm", "--userns=auto", "-u", "8", "--secret", "key,uid=7,mode=0400", "host:"];
    sandbox.coracle(other).args(["cat", "/run/secrets/key"]).run().code(1).stderr_contains("Permission denied");
    let nobody = ["run", "--rm", "--userns=auto", "--secret", "key,uid=4000000", "host:", "true"];
    sandbox.run(nobody).code(125).one_line_error("4000000");
}

#[test]
fn a_start_finds_what_it_is_by_then_or_says_that_it_is_gone() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["create", "--secret", "key", "host:", "true"]).code(125).one_line_error("no secret \"key\"");
    keep(&sandbox, "key", b"one");
    sandbox.run(["create", "--name", "box", "--secret", "key", "host:", "cat", "/run/secrets/key"]).code(0);
    sandbox.run(["start", "-a", "box"]).code(0).stdout_is("one");
    sandbox.coracle(["secret", "create", "--replace", "key", "-"]).stdin("two").run().code(0);
    sandbox.run(["start", "-a", "box"]).code(0).stdout_is("two");
    sandbox.run(["secret", "rm", "key"]).code(0);
    sandbox.run(["start", "-a", "box"]).code(125).one_line_error("no secret \"key\"");
    sandbox.run(["rm", "box"]).code(0);
}

#[test]
fn it_is_in_no_record_no_log_of_the_start_and_no_committed_image() {
    requires!(root);
    let sandbox = Sandbox::new();
    keep(&sandbox, "key", b"open-sesame");
    sandbox.run([
        "run",
        "-d",
        "--name",
        "box",
        "--secret",
        "key",
        "--secret",
        "key,type=env",
        "host:",
        "sleep",
        "1000",
    ]);
    sandbox.run(["inspect", "box"]).code(0).stdout_lacks("open-sesame");
    let inside = sandbox.run(["exec", "box", "sh", "-c", "cat /run/secrets/key; echo $key"]);
    inside.code(0).stdout_is("open-sesameopen-sesame\n");
    let found = |dir: &std::path::Path| {
        let grep = testkit::Invocation::new("grep").args(["-rlE", "open-sesame|b3Blbi1zZXNhbWU"]).arg(dir).run();
        grep.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // The store keeps it in one place, open to nobody else.
    let kept = found(&sandbox.root());
    assert_eq!(kept, [sandbox.root().join("secrets/key").display().to_string()]);
    assert_eq!(fs::metadata(&kept[0]).expect("the secret").permissions().mode() & 0o777, 0o600);
    sandbox.run(["rm", "-f", "box"]).code(0);
    assert!(found(&sandbox.runroot()).is_empty());
}
