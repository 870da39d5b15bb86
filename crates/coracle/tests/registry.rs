//! `login`, `logout` and `search` at a real registry.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it looks for a free port")]

#[path = "seed/registry.rs"]
mod served;

use served::guarded;
use testkit::{Pty, Sandbox, requires};

#[test]
fn a_login_is_kept_told_and_forgotten() {
    requires!(package = "docker-registry");
    let sandbox = Sandbox::new();
    let (_running, name) = guarded(&sandbox);
    let login = ["login", "-u", "someone", "--password-stdin", &name];
    sandbox.coracle(login).stdin("guess\n").run().code(1).stderr_contains("does not take this name and password");
    sandbox.run(["login", "--get-login", &name]).code(1).stderr_contains("not logged in");
    sandbox.coracle(login).stdin("an:open secret\n").ok().stdout_is("Login Succeeded\n");
    sandbox.run(["login", "--get-login", &name]).code(0).stdout_is("someone\n");
    assert!(sandbox.join("xdg/containers/auth.json").is_file());
    sandbox.run(["logout", &name]).code(0).stdout_is(&format!("Removed login credentials for {name}\n"));
    sandbox.run(["logout", &name]).code(1).stderr_contains("not logged in");
    let file = sandbox.join("own.json").display().to_string();
    let words = ["login", "-v", "--authfile", &file, "-u", "someone", "-p", "an:open secret", &name];
    sandbox.run(words).code(0).stdout_is(&format!("Used: {file}\nLogin Succeeded\n"));
    sandbox.run(["logout", "--all", "--authfile", &file]).code(0).stdout_contains(&name);
}

#[test]
fn a_terminal_is_asked_and_shows_no_password() {
    requires!(package = "docker-registry");
    let sandbox = Sandbox::new();
    let (_running, name) = guarded(&sandbox);
    let mut terminal = Pty::spawn(&sandbox.coracle(["login", &name]));
    terminal.expect("Username: ");
    terminal.send("someone\r");
    terminal.expect("Password: ");
    terminal.send("an:open secret\r");
    let shown = terminal.expect("Login Succeeded");
    assert!(!shown.contains("secret"), "{shown}");
    terminal.wait().code(0);
    sandbox.run(["login", &name]).code(125).stderr_contains("--password-stdin");
}

#[test]
fn podman_and_we_share_a_login() {
    requires!(package = "docker-registry", package = "podman");
    let sandbox = Sandbox::new();
    let (_running, name) = guarded(&sandbox);
    let words = ["login", "-u", "someone", "-p", "an:open secret", &name];
    sandbox.run(words).code(0);
    sandbox.command("podman").args(["login", "--get-login", &name]).ok().stdout_is("someone\n");
    sandbox.command("podman").args(["logout", &name]).ok();
    sandbox.run(["login", "--get-login", &name]).code(1);
}

#[test]
fn a_registry_is_searched_and_its_tags_are_listed() {
    requires!(package = "docker-registry", package = "skopeo", package = "umoci");
    let sandbox = Sandbox::new();
    let (_running, name) = guarded(&sandbox);
    let layout = sandbox.join("layout").display().to_string();
    sandbox.command("umoci").args(["init", "--layout", &layout]).ok();
    sandbox.command("umoci").args(["new", "--image", &format!("{layout}:1")]).ok();
    for image in ["tools/one:a", "tools/one:b", "other:a"] {
        let copy = sandbox.command("skopeo").args(["copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]);
        let copy = copy.args(["--dest-creds", "someone:an:open secret", &format!("oci:{layout}:1")]);
        copy.arg(format!("docker://{name}/{image}")).ok();
    }
    sandbox.run(["search", &format!("{name}/tool")]).code(1).stderr_contains(&format!("coracle login {name}"));
    sandbox.run(["login", "-u", "someone", "-p", "an:open secret", &name]).code(0);
    let found = sandbox.run(["search", "--format", "json", &format!("{name}/tool")]);
    found.code(0).stdout_contains(&format!("\"Name\":\"{name}/tools/one\""));
    assert_eq!(found.stdout.lines().count(), 1);
    sandbox.run(["search", "--filter", "stars=1", "--format", "json", &format!("{name}/tool")]).code(0).stdout_is("");
    let tags = sandbox.run(["search", "--list-tags", "--format", "json", &format!("{name}/tools/one")]);
    tags.code(0).stdout_contains("\"Tags\":[\"a\",\"b\"]");
}
