//! What happens is told to whoever listens, or asks later.

#![forbid(unsafe_code)]

use std::time::Duration;

use testkit::{Sandbox, User, requires, within};

const SOON: Duration = Duration::from_secs(20);

/// What was told so far, by a template and filters.
#[track_caller]
fn told(sandbox: &Sandbox, template: &str, filters: &[&str]) -> Vec<String> {
    let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
    let outcome = sandbox.coracle(["events", "--stream=false", "--format", template]).args(filters).run();
    outcome.code(0).lines().iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn a_containers_life_is_told_in_order() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        sandbox.run(["create", "--name", "box", "--label", "tier=web", "host:", "sleep", "1000"]).code(0);
        sandbox.run(["start", "box"]).code(0);
        sandbox.run(["exec", "box", "sh", "-c", "exit 3"]).code(3);
        sandbox.run(["rename", "box", "case"]).code(0);
        sandbox.run(["stop", "-t", "0", "case"]).code(0);
        sandbox.run(["rm", "case"]).code(0);
        let expected = [
            "create",
            "start",
            "exec_start: sh -c exit 3",
            "exec_die",
            "rename",
            "kill",
            "kill",
            "die",
            "stop",
            "destroy",
        ];
        assert_eq!(told(&sandbox, "{{.Action}}", &["container=box", "container=case"]), expected);
        assert_eq!(told(&sandbox, "{{.Status}} {{.Actor.Attributes.exitCode}}", &["event=die"]), ["die 137"]);
        assert_eq!(told(&sandbox, "{{.Name}} {{.ContainerExitCode}}", &["event=exec_died"]), ["box 3"]);
        assert_eq!(told(&sandbox, "{{.Name}} was {{.Actor.Attributes.oldName}}", &["event=rename"]), ["case was box"]);
        assert_eq!(told(&sandbox, "{{.Actor.Attributes.signal}}", &["event=kill"]), ["15", "9"]);
    }
}

#[test]
fn volumes_and_secrets_are_told_of_too() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        sandbox.run(["volume", "create", "files"]).code(0);
        sandbox.run(["volume", "create", "files"]).code(0);
        let secret = sandbox.file("home/secret", "s");
        let id = sandbox.run(["secret", "create", "key", &secret.to_string_lossy()]).code(0).stdout.trim().to_owned();
        sandbox.run(["secret", "rm", "key"]).code(0);
        sandbox.run(["volume", "rm", "files"]).code(0);
        let all = told(&sandbox, "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}", &[]);
        assert_eq!(
            all,
            ["volume create files", "secret create key", "secret remove key", "volume destroy files"],
            "one that is there already is not made again"
        );
        assert_eq!(told(&sandbox, "{{.Action}}", &["volume=files", "event=create"]), ["create"]);
        assert_eq!(told(&sandbox, "{{.Action}}", &["type=secret"]), ["create", "remove"]);
        assert_eq!(told(&sandbox, "{{.ID}}", &["secret=key", "event=remove"]), [id]);
    }
}

#[test]
fn filters_choose_events() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["run", "--rm", "--name", "one", "--label", "tier=web", "host:", "true"]).code(0);
    sandbox.run(["run", "--rm", "--name", "two", "host:", "false"]).code(1);
    let names = |filters: &[&str]| told(&sandbox, "{{.Name}}:{{.Action}}", filters);
    assert_eq!(names(&["label=tier=web", "event=start"]), ["one:start"]);
    assert_eq!(names(&["label=tier=db"]), [""; 0]);
    assert_eq!(names(&["container=two", "event=die", "event=create"]), ["two:create", "two:die"]);
    assert_eq!(names(&["event=remove"]), ["one:destroy", "two:destroy"]);
    assert_eq!(names(&["event=start", "image=host:"]), ["one:start", "two:start"]);
    assert_eq!(names(&["type=image"]), [""; 0]);
    let since = told(&sandbox, "{{.TimeNano}}", &["container=two", "event=create"]).remove(0);
    let (seconds, nanos) = since.split_at(since.len() - 9);
    let moment = format!("{seconds}.{nanos}");
    let after = sandbox.run(["events", "--stream=false", "--since", &moment, "--format", "{{.Name}}:{{.Action}}"]);
    after.code(0).stdout_is("two:create\ntwo:start\ntwo:die\ntwo:destroy\n");
    let before = sandbox.run(["events", "--until", &moment, "--format", "{{.Name}}:{{.Action}}"]);
    before.code(0).stdout_is("one:create\none:start\none:die\none:destroy\n");
    sandbox
        .run(["events", "--filter", "colour=red"])
        .code(125)
        .one_line_error("container=, image=, network=, secret=, volume=, event=");
    sandbox.run(["events", "--since", "yesterday"]).code(125).one_line_error("yesterday");
}

#[test]
fn who_listens_hears_of_it_at_once_and_not_of_what_was_before() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["run", "--rm", "--name", "before", "host:", "true"]).code(0);
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs() + 3;
    // Half of it lies in the future: it is waited for.
    let now = (until - 3).to_string();
    let listening = sandbox
        .coracle(["events", "--since", &now, "--until", &until.to_string(), "--filter", "container=after"])
        .args(["--format", "json"])
        .spawn();
    std::thread::sleep(Duration::from_millis(300));
    sandbox.run(["run", "--rm", "--name", "after", "host:", "true"]).code(0);
    let outcome = listening.wait();
    let actions: Vec<String> = outcome
        .code(0)
        .lines()
        .iter()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!((&event["Type"], &event["scope"]), (&"container".into(), &"local".into()));
            assert_eq!(event["Actor"]["Attributes"]["image"], event["from"]);
            event["status"].as_str().expect("a word").to_owned()
        })
        .collect();
    assert_eq!(actions, ["create", "start", "die", "destroy"]);
}

#[test]
fn what_its_monitor_sees_is_told_too() {
    requires!(root);
    let sandbox = Sandbox::new();
    let run = |options: &[&str], script: &str| {
        sandbox.coracle(["run", "-d"]).args(options).args(["host:", "sh", "-c", script]).run().code(0);
    };
    run(&["--name", "fails", "--restart", "on-failure:1"], "exit 5");
    let actions = |name: &str| told(&sandbox, "{{.Action}}", &[&format!("container={name}")]);
    let expected = ["create", "start", "die", "start", "restart", "die"];
    assert!(within(SOON, || actions("fails") == expected), "{:?}", actions("fails"));
    run(
        &["--name", "ill", "--health-cmd", "test ! -e /ill", "--health-interval", "100ms", "--health-retries", "1"],
        "sleep 0.5; touch /ill; sleep 1000",
    );
    let health = || told(&sandbox, "{{.HealthStatus}}", &["container=ill", "event=health_status"]);
    assert!(within(SOON, || health() == ["healthy", "unhealthy"]), "{:?}", health());
    sandbox.run(["rm", "-f", "ill"]).code(0);
}

#[test]
fn images_that_come_and_go_are_told() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.file("a", "a");
    sandbox.command("tar").args(["-cf", "a.tar", "a"]).run().code(0);
    sandbox.run(["import", "a.tar", "localhost/a:1"]).code(0);
    sandbox.run(["tag", "localhost/a:1", "localhost/b:2"]).code(0);
    sandbox.run(["save", "-o", "b.tar", "localhost/b:2"]).code(0);
    sandbox.run(["untag", "localhost/b:2", "localhost/b:2"]).code(0);
    sandbox.run(["rmi", "localhost/a:1"]).code(0);
    sandbox.run(["load", "-i", "b.tar"]).code(0);
    let words = told(&sandbox, "{{.Action}} {{.Name}}", &["type=image", "event=import", "event=tag", "event=save"]);
    assert_eq!(words, ["import localhost/a:1", "tag localhost/b:2", "save localhost/b:2"]);
    let words = told(&sandbox, "{{.Action}}", &["type=image"]);
    assert!(words.ends_with(&["delete".to_owned(), "load".to_owned()]), "{words:?}");
}
