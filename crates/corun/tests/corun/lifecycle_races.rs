//! Two commands on one container at once: one of them wins, the other is told why it did not, and nothing breaks.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP};
use testkit::{Invocation, Outcome, requires};

/// How many rounds; `CORACLE_LONG` asks for many.
fn rounds() -> usize {
    if std::env::var_os("CORACLE_LONG").is_some() { 300 } else { 10 }
}

/// Runs all of them at once.
fn together<const N: usize>(lines: [Invocation; N]) -> [Outcome; N] {
    let running = lines.map(Invocation::spawn);
    running.map(testkit::Running::wait)
}

fn successes(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.exit_code() == Some(0)).count()
}

#[test]
fn one_of_two_starts_wins() {
    requires!(root, busybox);
    for _ in 0..rounds() {
        let container = Container::created(Bundle::script("echo once; sleep 1000"));
        let outcomes = together([container.verb("start"), container.verb("start"), container.verb("start")]);
        assert_eq!(successes(&outcomes), 1, "{}\n{}\n{}", outcomes[0], outcomes[1], outcomes[2]);
        for outcome in outcomes.iter().filter(|outcome| outcome.exit_code() != Some(0)) {
            outcome.code(1).one_line_error("cannot start an already running container");
        }
        container.says("once");
        assert_eq!(container.output(), "once\n");
    }
}

#[test]
fn deletes_at_once_leave_nothing_and_no_riddle() {
    requires!(root, busybox);
    for round in 0..rounds() {
        let container = Container::sleeping();
        let force = || container.corun(&["delete", "--force", &container.bundle.id]);
        if round % 2 == 0 {
            for outcome in together([force(), force(), force()]) {
                outcome.code(0).stderr_is("");
            }
        } else {
            container.says("up").verb("kill").ok();
            container.becomes("stopped");
            let outcomes = together([container.verb("delete"), container.verb("delete")]);
            assert_eq!(successes(&outcomes), 1, "{}\n{}", outcomes[0], outcomes[1]);
            for outcome in outcomes.iter().filter(|outcome| outcome.exit_code() != Some(0)) {
                outcome.code(1).one_line_error("does not exist");
            }
        }
        container.verb("state").run().code(1).one_line_error("does not exist");
    }
}

#[test]
fn exec_beside_a_delete_runs_or_says_why_not() {
    requires!(root, busybox);
    for _ in 0..rounds() {
        let container = Container::sleeping();
        let exec = || container.exec(&["true"]);
        let delete = container.corun(&["delete", "--force", &container.bundle.id]);
        let [one, other, third, deleted] = together([exec(), exec(), exec(), delete]);
        deleted.code(0).stderr_is("");
        for outcome in [one, other, third] {
            match outcome.exit_code() {
                // It ran, or died as the container did.
                Some(0 | 137) => {}
                _ => {
                    outcome.code(255).one_line_error("corun: ");
                }
            }
        }
        container.gone();
    }
}

#[test]
fn one_of_two_creates_of_an_id_wins() {
    requires!(root, busybox);
    for _ in 0..rounds() {
        let container = Container::planned(Bundle::script(SLEEP));
        let create = || container.apart(container.create_with(&[]));
        let outcomes = together([create(), create(), create()]);
        assert_eq!(successes(&outcomes), 1, "{}", container.output());
        assert_eq!(container.output().matches("container with given ID already exists").count(), 2);
        assert_eq!(container.status(), "created");
        container.verb("start").ok();
        container.says("up");
    }
}

#[test]
fn create_beside_delete_of_the_same_id() {
    requires!(root, busybox);
    for _ in 0..rounds() {
        let container = Container::planned(Bundle::script(SLEEP));
        let delete = || container.corun(&["delete", "--force", &container.bundle.id]);
        let create = container.apart(container.create_with(&[]));
        for outcome in together([create, delete(), delete()]).iter().skip(1) {
            outcome.code(0).stderr_is("");
        }
        container.gone();
    }
}

#[test]
fn start_beside_a_kill_and_a_delete() {
    requires!(root, busybox);
    for round in 0..rounds() {
        let container = Container::created(Bundle::script(SLEEP));
        let other = match round % 2 {
            0 => container.corun(&["kill", &container.bundle.id, "KILL"]),
            _ => container.corun(&["delete", "--force", &container.bundle.id]),
        };
        let [start, other] = together([container.verb("start"), other]);
        other.code(0);
        if start.exit_code() != Some(0) {
            start.code(1).one_line_error("corun: ");
        }
        container.gone();
    }
}

#[test]
fn pauses_and_resumes_at_once_leave_one_that_can_be_resumed() {
    requires!(root, busybox, cgroups);
    let container = Container::sleeping();
    for _ in 0..rounds() {
        let verbs = ["pause", "resume", "pause", "resume"];
        together(verbs.map(|verb| container.verb(verb)));
        if container.status() == "paused" {
            container.verb("resume").ok();
        }
        assert_eq!(container.status(), "running");
    }
}
