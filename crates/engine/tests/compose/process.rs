//! The process's words, directory, environment, ids and limits.

use crate::facts::{composed, facts, host, maps, origin, process, refused, rootless, with};
use engine::config::{ContainerConfig, TerminalMode};
use engine::flags;
use engine::spec::{Facts, HostRlimits, ImageDefaults, Limit, User, UserNamespace, compose};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn image(entrypoint: &str, cmd: &str) -> Facts {
    Facts {
        image: ImageDefaults { entrypoint: words(entrypoint), cmd: words(cmd), ..ImageDefaults::default() },
        ..facts()
    }
}

#[test]
fn entrypoint_and_command_combine_as_docker_combines_them() {
    for (entrypoint, cmd, asked_entrypoint, asked_command, expected, by) in [
        ("", "sh", None, "", "sh", "image"),
        ("", "sh", None, "ls -l", "ls -l", "COMMAND"),
        ("init", "sh", None, "", "init sh", "image"),
        ("init", "sh", None, "ls", "init ls", "COMMAND"),
        ("init", "sh", Some("my"), "", "my", "--entrypoint"),
        ("init", "sh", Some("my"), "x", "my x", "--entrypoint"),
        ("init", "sh", Some(""), "x", "x", "--entrypoint"),
    ] {
        let config = with(|config| {
            config.process.entrypoint = asked_entrypoint.map(|word| flags::entrypoint(word).unwrap());
            config.process.command = words(asked_command);
        });
        let composed = composed(&config, &image(entrypoint, cmd));
        let told = format!("{entrypoint}|{cmd}|{asked_entrypoint:?}|{asked_command}");
        assert_eq!(process(&composed).args, words(expected), "{told}");
        assert_eq!(origin(&composed, "process.args"), by, "{told}");
    }
}

#[test]
fn something_must_be_run() {
    assert!(refused(&host(), &image("", "")).starts_with("no command"));
    let cleared = with(|config| config.process.entrypoint = Some(vec![]));
    assert!(refused(&cleared, &image("init", "sh")).starts_with("no command"));
    let mut hostile = image("", "");
    hostile.image.entrypoint = vec![String::new()];
    assert!(refused(&host(), &hostile).starts_with("no command"));
    hostile.image.cmd = vec!["a\0b".to_owned()];
    assert!(refused(&host(), &hostile).contains("NUL"));
}

#[test]
fn the_environment_is_defaults_then_the_images_then_the_users() {
    let mut facts = facts();
    facts.image.env = ["PATH=/image", "A=image", "B=image", "bare"].map(str::to_owned).to_vec();
    let config = with(|config| {
        config.process.terminal = TerminalMode::Pty;
        let set = ["B=user", "HOSTNAME=mine"].map(|word| flags::env(word, |_| None).unwrap().unwrap());
        config.process.env = set.to_vec();
    });
    let composed = composed(&config, &facts);
    let expected =
        ["PATH=/image", "HOSTNAME=mine", "container=coracle", "TERM=xterm", "A=image", "B=user", "HOME=/root"];
    assert_eq!(process(&composed).env, expected);
    for (name, by) in [("PATH", "image"), ("B", "--env"), ("HOME", "default")] {
        assert_eq!(origin(&composed, &format!("process.env[{name}]")), by);
    }
}

#[test]
fn without_a_terminal_there_is_no_term() {
    let composed = composed(&host(), &facts());
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(process(&composed).env, [path, "HOSTNAME=0123456789ab", "container=coracle", "HOME=/root"]);
}

#[test]
fn the_directory_is_the_users_the_images_or_the_root() {
    let cwd = |config: &ContainerConfig, image: &str| {
        let mut facts = facts();
        facts.image.workdir = image.to_owned();
        process(&composed(config, &facts)).cwd.clone()
    };
    assert_eq!(cwd(&host(), ""), "/");
    assert_eq!(cwd(&host(), "/srv"), "/srv");
    assert_eq!(cwd(&host(), "srv"), "/srv");
    assert_eq!(cwd(&with(|config| config.process.workdir = Some("/mine".into())), "/srv"), "/mine");
}

#[test]
fn the_first_group_stands_among_the_others() {
    let user = User { uid: 33, gid: 34, groups: vec![4, 27, 34], home: "/".to_owned() };
    let composed = composed(&host(), &Facts { user, ..facts() });
    let ids = &process(&composed).user;
    assert_eq!((ids.uid, ids.gid, ids.additional_gids.as_slice()), (33, 34, &[34, 4, 27][..]));
}

#[test]
fn groups_that_cannot_be_set_are_left_out() {
    let user = User { uid: 0, gid: 0, groups: vec![4, 70_000], home: "/".to_owned() };
    let groups =
        |facts: Facts| process(&composed(&host(), &Facts { user: user.clone(), ..facts })).user.additional_gids.clone();
    assert_eq!(groups(rootless()), [0, 4]);
    let single = UserNamespace::New(maps(0));
    assert_eq!(groups(Facts { user_namespace: single, setgroups: false, ..rootless() }), [0; 0]);
}

#[test]
fn a_user_that_is_not_mapped_is_refused() {
    let of = |uid, gid, more| {
        let user = User { uid, gid, groups: vec![], home: "/".to_owned() };
        Facts { user, user_namespace: UserNamespace::New(maps(more)), ..rootless() }
    };
    composed(&host(), &of(65_536, 65_536, 65_536));
    let told = |uid, gid, more| {
        let error = compose(&host(), &of(uid, gid, more)).unwrap_err();
        format!("{error} ({})", error.remedy().unwrap_or_default())
    };
    let user = "--user \"65537\": the container's user namespace has no such user (it has 0, 1-65536)";
    assert_eq!(told(65_537, 0, 65_536), user);
    assert_eq!(told(0, 5, 0), "--user \"5\": the container's user namespace has no such group (it has 0)");
    let mut image = of(7, 0, 0);
    image.image.user = "7".to_owned();
    assert!(refused(&host(), &image).starts_with("the image's User \"7\""));
}

fn limits(config: &ContainerConfig, hard: u64, may_raise: bool) -> Vec<(String, u64, u64)> {
    let rlimits = HostRlimits { limits: [Limit { soft: 100, hard }; 16], may_raise };
    let composed = composed(config, &Facts { rlimits, ..facts() });
    process(&composed).rlimits.iter().map(|limit| (limit.kind.clone(), limit.soft, limit.hard)).collect()
}

#[test]
fn files_and_processes_have_default_limits_never_above_our_own() {
    let both = |value| vec![("RLIMIT_NOFILE".to_owned(), value, value), ("RLIMIT_NPROC".to_owned(), value, value)];
    assert_eq!(limits(&host(), u64::MAX, true), both(1_048_576));
    assert_eq!(limits(&host(), 4096, true), both(1_048_576));
    assert_eq!(limits(&host(), u64::MAX, false), both(1_048_576));
    assert_eq!(limits(&host(), 4096, false), both(4096));
}

#[test]
fn a_limit_above_our_own_is_refused_and_all_there_is_means_our_own() {
    let ask = |texts: &[&str]| {
        with(|config| config.process.ulimits = texts.iter().map(|text| text.parse().unwrap()).collect())
    };
    let of = |config: &ContainerConfig, resource: &str, hard, may_raise| {
        let limits = limits(config, hard, may_raise);
        limits.into_iter().filter(|(kind, ..)| kind == resource).map(|(_, soft, hard)| (soft, hard)).collect::<Vec<_>>()
    };
    assert_eq!(of(&ask(&["core=0:-1"]), "RLIMIT_CORE", 4096, false), [(0, 4096)]);
    assert_eq!(of(&ask(&["core=-1"]), "RLIMIT_CORE", 4096, true), [(u64::MAX, u64::MAX)]);
    assert_eq!(of(&ask(&["nofile=5", "nofile=7:9"]), "RLIMIT_NOFILE", 4096, false), [(7, 9)]);
    let rlimits = HostRlimits { limits: [Limit { soft: 1, hard: 4096 }; 16], may_raise: false };
    let error = compose(&ask(&["nofile=1:4097"]), &Facts { rlimits, ..facts() }).unwrap_err();
    assert_eq!(error.to_string(), "--ulimit \"nofile=4097\": above the engine's own ceiling of 4096");
}

#[test]
fn the_signal_that_stops_is_the_users_the_images_or_term() {
    let mut facts = facts();
    assert_eq!(composed(&host(), &facts).stop_signal.to_string(), "SIGTERM");
    facts.image.stop_signal = "SIGRTMIN+3".to_owned();
    assert_eq!(composed(&host(), &facts).stop_signal.to_string(), "SIGRTMIN+3");
    let asked = with(|config| config.process.stop_signal = "INT".parse().ok());
    assert_eq!(composed(&asked, &facts).stop_signal.to_string(), "SIGINT");
    facts.image.stop_signal = "NONSENSE".to_owned();
    assert!(refused(&host(), &facts).starts_with("the image's StopSignal"));
}

#[test]
fn whom_it_runs_as_is_chosen_in_turn() {
    use engine::spec::user::choose;
    let chosen = |config: &ContainerConfig, image: &str| {
        choose(config, image, (1000, 1001)).map(|spec| spec.to_string()).map_err(|error| error.to_string())
    };
    let keep = with(|config| config.view.userns = "keep-id".parse().ok());
    assert_eq!(chosen(&host(), "").as_deref(), Ok(""));
    assert_eq!(chosen(&host(), "www:adm").as_deref(), Ok("www:adm"));
    assert_eq!(chosen(&keep, "").as_deref(), Ok("1000:1001"));
    assert_eq!(chosen(&keep, "www").as_deref(), Ok("www"));
    assert_eq!(chosen(&with(|config| config.process.user = "5".parse().ok()), "www").as_deref(), Ok("5"));
    for hostile in ["4294967296", "-1", "0x0", "a:b:c"] {
        let told = chosen(&host(), hostile);
        if hostile == "0x0" {
            // A name, if a strange one: it will not be found, and is never 0.
            assert_eq!(told.as_deref(), Ok(hostile));
        } else {
            assert!(told.unwrap_err().starts_with("the image's User"), "{hostile}");
        }
    }
}

#[test]
fn a_specification_reads_back_as_it_was_written() {
    for facts in [facts(), rootless()] {
        let spec = composed(&host(), &facts).spec;
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<oci::runtime::Spec>(&text).unwrap(), spec);
    }
}
