//! The command line as a user meets it: mistakes in one sentence with what to do, help for everything, nothing done.

use testkit::{Outcome, Sandbox};

fn run(words: &str) -> Outcome {
    Sandbox::new().run(words.split_whitespace())
}

/// A mistake: exit code 125, nothing on standard output, the sentence and the hint on standard error.
#[track_caller]
fn mistake(words: &str, told: &str, hint: &str) {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(words.split_whitespace());
    outcome.code(125).stdout_is("").stderr_is(&format!("coracle: {told} ({hint})\n"));
    // What is not understood is not begun.
    assert!(std::fs::read_dir(sandbox.root()).unwrap().next().is_none(), "{words} has made something");
    assert!(std::fs::read_dir(sandbox.runroot()).unwrap().next().is_none(), "{words} has made something");
}

#[test]
fn a_mistyped_option_or_verb_gets_a_suggestion() {
    mistake("run --memroy 1g host:", "run: unknown option --memroy", "did you mean --memory?");
    mistake("run -rm host:", "run: unknown option -rm", "did you mean --rm?");
    mistake("rum host:", "unknown verb rum", "did you mean run?");
    mistake("--rout /x ps", "unknown option --rout", "did you mean --root?");
    mistake("ps --al", "ps: unknown option --al", "did you mean --all?");
    mistake("image lsit", "image: unknown verb lsit", "did you mean list?");
    mistake(
        "container",
        "container: no verb was given",
        "there are run, create, start, stop, restart, kill, pause, unpause, wait, attach, exec, debug, explain, top, view, \
         stats, cp, logs, ls, list, ps, port, rm, remove, rename, update, prune, diff, export, commit, inspect, exists",
    );
}

#[test]
fn a_value_that_cannot_be_is_named_with_what_can() {
    for (words, told, hint) in [
        (
            "run -m 12q host:",
            "--memory \"12q\": unknown unit \"q\"",
            "write a number with b, k, m, g, t or p, such as 512m or 1.5g",
        ),
        ("run --cap-add NET_ADMN host:", "--cap-add \"NET_ADMN\": not a capability", "did you mean NET_ADMIN?"),
        ("run --stop-signal SIGTREM host:", "--stop-signal \"SIGTREM\": not a signal", "did you mean TERM?"),
        ("run -u 4294967296 host:", "--user \"4294967296\": an id out of range", "ids are 0 to 4294967294"),
        ("run --ulimit nofiles=1 host:", "--ulimit \"nofiles\": not a resource limit", "did you mean nofile?"),
        (
            "run -v data/x:/d host:",
            "--volume \"data/x\": not the name of a volume",
            "for a directory of this machine, write ./data/x or its full path",
        ),
        ("run -v /d:d host:", "--volume \"d\": not an absolute path in the container", "begin it with /"),
        (
            "run --network web/x host:",
            "--network \"web/x\": no network can have this name",
            "give none, host, container:NAME, ns:PATH, or the name of a network",
        ),
        (
            "run --sysctl vm.swappiness=1 host:",
            "--sysctl \"vm.swappiness\": not a parameter of a namespace; it would change the whole machine",
            "net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* can be set",
        ),
        (
            "run --name -x host:",
            "--name \"-x\": not a container name",
            "a letter or digit, then one or more letters, digits, _, . or -; at most 200",
        ),
        ("run --rm=maybe host:", "--rm \"maybe\": neither true nor false", "--help lists the options"),
        ("run --userns keepid host:", "--userns \"keepid\": not a user namespace", "did you mean keep-id?"),
    ] {
        mistake(words, &format!("run: {told}"), hint);
    }
}

#[test]
fn what_is_to_come_is_refused_by_name() {
    mistake("run --pod=x host:", "run: --pod is not there yet", "it needs pods; leave it out");
    mistake("pod ps", "pod is not there yet", "coracle help lists what is");
}

#[test]
fn missing_words_are_asked_for() {
    mistake("run", "run: no image was given", "write an image, or host: for this machine's own files");
    mistake("run --name", "run: --name needs a value: NAME", "--help lists the options");
    mistake("rm", "rm: a container is needed", "--help tells the usage");
    mistake("rmi", "rmi: an image is needed", "--help tells the usage");
    mistake("inspect", "inspect: a name is needed", "--help tells the usage");
    mistake("ps web", "ps: \"web\" is too much", "--help lists the options");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    run("run --env-file none host:")
        .code(125)
        .one_line_error("coracle: run: --env-file none: No such file or directory");
    let sandbox = Sandbox::new();
    sandbox.file("env", "A=1\nexport B=2\n");
    let outcome = sandbox.run(["run", "--env-file", "env", "host:"]);
    outcome.code(125).stderr_contains("--env-file env: \"export B\": a name with blanks on line 2");
}

#[test]
fn the_source_of_a_bind_must_be_there() {
    let told = "run: --volume /none/such: no such file or directory: there is no /none/such on this machine";
    mistake("run -v /none/such:/x host: true", told, "make it first: mkdir -p /none/such");
}

#[test]
fn words_of_the_command_are_not_ours_to_read() {
    // Past IMAGE nothing is looked at, so that the mistake found is the one before it.
    mistake(
        "run --memory 1q host: --memroy -d --help",
        "run: --memory \"1q\": unknown unit \"q\"",
        "write a number with b, k, m, g, t or p, such as 512m or 1.5g",
    );
}

#[test]
fn a_terminal_is_only_given_where_there_is_one() {
    mistake("run -it host: sh", "run: -t: standard input is not a terminal", "leave out -t, or -i");
}

#[test]
fn what_is_not_utf_8_is_refused_and_cannot_reach_the_terminal() {
    use std::os::unix::ffi::OsStrExt;
    let word = std::ffi::OsStr::from_bytes(b"a\xff\x1b[31m");
    let outcome = Sandbox::new().run([std::ffi::OsStr::new("run"), word]);
    outcome.code(125).stderr_contains("is not UTF-8").stderr_lacks("\x1b");
    run("run --user \u{1b}[31m host:").code(125).stderr_lacks("\x1b");
}

#[test]
fn help_tells_of_every_verb_and_fits_a_terminal() {
    let overview = run("help");
    overview.code(0).stderr_is("");
    for verb in ["run", "ps", "rm", "inspect", "images", "rmi", "load", "import", "info", "version"] {
        assert!(overview.stdout.lines().any(|line| line.starts_with(&format!("  {verb} "))), "{verb}");
        let help = run(&format!("{verb} --help"));
        help.code(0).stderr_is("").stdout_contains(&format!("Usage: coracle {verb}"));
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 80), "{}", help.stdout);
        assert_eq!(run(&format!("help {verb}")).stdout, help.stdout, "{verb}");
    }
    assert_eq!(run("").stdout, overview.stdout);
    assert_eq!(run("--help").stdout, overview.stdout);
    assert_eq!(run("image ls --help").stdout, run("images --help").stdout);
}

#[test]
fn the_help_of_run_is_grouped_by_the_questions_that_make_a_container() {
    let help = run("run --help");
    let mut heading = "";
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for line in help.stdout.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            heading = name;
        } else if let Some(at) = line.find("--").filter(|at| *at == 6) {
            groups.push((heading, line[at + 2..].split(' ').next().unwrap_or("")));
        }
    }
    let of = |flag: &str| groups.iter().find(|(_, known)| *known == flag).map(|(heading, _)| *heading);
    for (flag, heading) in [
        ("env", "Process"),
        ("user", "Process"),
        ("ulimit", "Process"),
        ("init", "Process"),
        ("network", "Sees"),
        ("hostname", "Sees"),
        ("pid", "Sees"),
        ("userns", "Sees"),
        ("sysctl", "Sees"),
        ("memory", "Uses"),
        ("cpus", "Uses"),
        ("pids-limit", "Uses"),
        ("shm-size", "Uses"),
        ("volume", "Files"),
        ("mount", "Files"),
        ("rootfs", "Files"),
        ("device", "Files"),
        ("read-only", "Files"),
        ("cap-add", "May do"),
        ("security-opt", "May do"),
        ("privileged", "May do"),
        ("name", "Other"),
        ("rm", "Other"),
        ("explain", "Other"),
    ] {
        assert_eq!(of(flag), Some(heading), "--{flag}");
    }
    help.stdout_contains("none, host, container:NAME or");
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_shout() {
    let sandbox = Sandbox::new();
    let closed =
        sandbox.command("/bin/sh").arg("-c").arg("\"$0\" run --help | true").arg(testkit::Program::Coracle.path());
    closed.run().stderr_is("");
}

#[test]
fn an_empty_store_is_empty_in_every_form() {
    let sandbox = Sandbox::new();
    let headings = "CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES\n";
    sandbox.run(["ps", "-a"]).code(0).stdout_is(headings);
    sandbox.run(["ps", "-aq"]).code(0).stdout_is("");
    sandbox.run(["ps", "--all=true", "--format=json"]).code(0).stdout_is("");
    sandbox.run(["images"]).code(0).stdout_is("REPOSITORY   TAG   IMAGE ID   CREATED   SIZE\n");
    sandbox.run(["image", "ls", "-q"]).code(0).stdout_is("");
}

#[test]
fn what_is_not_there_fails_with_one() {
    let sandbox = Sandbox::new();
    sandbox.run(["rm", "web"]).code(1).one_line_error("coracle: rm: no container \"web\"");
    sandbox.run(["rm", "-f", "web"]).code(0).stderr_is("");
    sandbox.run(["rmi", "web"]).code(1).stderr_contains("coracle: rmi: no image \"web\"");
    sandbox.run(["inspect", "web"]).code(1).stdout_is("[]\n").stderr_contains("secret \"web\"");
    sandbox.run(["inspect", "--type", "image", "web"]).code(1).stderr_contains("no image");
    sandbox.run(["load", "-i", "none.tar"]).code(1).stderr_contains("none.tar");
    let two = sandbox.run(["rm", "one", "two"]);
    two.code(1).stderr_is("coracle: rm: no container \"one\"\ncoracle: rm: no container \"two\"\n");
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = env!("CARGO_PKG_VERSION");
    run("version").code(0).stdout_contains(version);
    run("--version").code(0).stdout_is(&format!("coracle version {version}\n"));
    let json = run("version --format json");
    let object: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(object["Version"], version);
    run("version --format {{.Version}}").code(0).stdout_is(&format!("{version}\n"));
    run("version --format {{.Vresion}}").code(125).stderr_contains("Vresion").stderr_contains("--format json");
    run("version --format {{.Version").code(125).stderr_contains("without its end");
}
