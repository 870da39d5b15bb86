//! From the flags of `run` to a [`ContainerConfig`]: what depends on several of them, or on where the command runs.

use super::given::{Given, MountWord, SdNotify};
use crate::cli::Failure;
use engine::DEFAULT_NETWORK;
use engine::config::{
    ContainerConfig, CpuTime, EnvVar, FilesConfig, Foreground, ImageRef, LimitsConfig, LogDriver, Mount, NetworkMode,
    Notify, Policy, Privileges, PrivilegesConfig, ProcessConfig, Protocol, Ready, RootAccess, SeccompChoice, StdinMode,
    TerminalMode, Unset, ViewConfig,
};
use engine::flags::{self, Invalid, SecurityOpt};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the command line is read against.
pub struct Surroundings<'a> {
    /// Working directory of the command.
    pub cwd: PathBuf,
    /// Looks up an environment variable of the caller.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// All of them that are UTF-8.
    pub all: &'a dyn Fn() -> Vec<(String, String)>,
    /// Reads a file of the caller's.
    pub read: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
}

impl Surroundings<'static> {
    /// What this process has.
    pub fn here(verb: &str) -> Result<Self, Failure> {
        Ok(Self {
            cwd: std::env::current_dir().map_err(|error| Failure::unreadable(verb, ".", error))?,
            env: &|name| std::env::var(name).ok(),
            all: &|| {
                let text = |word: std::ffi::OsString| word.into_string().ok().filter(|word| !word.is_empty());
                std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, value.into_string().ok()?))).collect()
            },
            read: &|path| std::fs::read(path),
        })
    }
}

/// What tells programs to go through a proxy.
const PROXIES: [&str; 8] =
    ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"];

/// The request that `given` and `words` (IMAGE, COMMAND and its arguments) make.
pub fn request(given: Given, words: Vec<String>, around: &Surroundings<'_>) -> Result<ContainerConfig, Failure> {
    let mut words = words.into_iter();
    let image = image(given.rootfs.as_deref(), &mut words, around)?;
    let (seccomp, privileges) = privileges(&given, around)?;
    let network = network(&given, around)?;
    if given.pass_ports && given.publish.iter().any(|port| port.protocol == Protocol::Sctp) {
        return Err(Failure::words(
            "--publish-policy host passes on TCP and UDP alone",
            "leave it out, or publish no ports of SCTP",
        ));
    }
    let mut config = ContainerConfig::new(image);
    config.pull = given.pull.unwrap_or_default();
    config.limits = limits(&given)?;
    config.files = files(&given, around)?;
    config.privileges = PrivilegesConfig { seccomp, ..privileges };
    config.labels = labels(&given, around)?;
    let annotations = given.annotations.iter().map(String::as_str);
    config.annotations = flags::annotations(annotations).map_err(of("--annotation"))?;
    config.process = process(&given, words.collect(), around)?;
    config.restart = given.restart.unwrap_or_default();
    if (given.rm || given.remove_image) && config.restart != Policy::No {
        return Err(Failure::words("--rm and --restart exclude each other", "leave out either of them"));
    }
    config.health = given.health;
    config.log.driver = given.log_driver.unwrap_or_default();
    for option in &given.log_opts {
        flags::log_option(&mut config.log, option).map_err(of("--log-opt"))?;
    }
    let passes = config.log.driver == LogDriver::Passthrough;
    if passes && (config.restart != Policy::No || config.process.terminal == TerminalMode::Pty) {
        let problem = "--log-driver passthrough excludes --tty and --restart";
        return Err(Failure::words(problem, "its streams are those of this command: leave them out"));
    }
    config.name = given.name;
    config.remove = given.rm || given.remove_image;
    let absolute = |file: String| flags::absolute(&file, &around.cwd);
    config.cidfile = given.cidfile.map(absolute);
    config.pidfile = given.pidfile.map(absolute);
    config.monitor_pidfile = given.conmon_pidfile.map(absolute);
    config.foreground = Foreground {
        proxy_signals: given.sig_proxy.unwrap_or(true),
        explain: if given.explain_file.is_some() { Some(true) } else { given.explain },
        notify: notify(given.sdnotify, around),
    };
    config.view = ViewConfig {
        pid: given.pid.unwrap_or_default(),
        ipc: given.ipc.unwrap_or_default(),
        uts: given.uts.unwrap_or_default(),
        cgroup: given.cgroupns.unwrap_or_default(),
        userns: given.userns,
        network,
        ports: given.publish,
        publish_all: given.publish_all,
        pass_ports: given.pass_ports,
        exposed: given.expose,
        hostname: given.hostname,
        domainname: given.domainname,
        hosts: given.add_host,
        no_hosts: given.no_hosts,
        time_zone: given.time_zone,
        dns: given.dns,
        dns_search: flags::search_domains(given.dns_search.iter().map(String::as_str)).map_err(of("--dns-search"))?,
        dns_options: given.dns_option,
        sysctls: given.sysctl,
    };
    Ok(config)
}

/// The service manager that waits for word, if there is one and somebody is to tell it.
fn notify(who: Option<SdNotify>, around: &Surroundings<'_>) -> Option<Notify> {
    let ready = match who? {
        SdNotify::Ignore => return None,
        SdNotify::Conmon => Ready::Started,
        SdNotify::Container => Ready::Said,
    };
    (around.env)("NOTIFY_SOCKET").map(|manager| Notify { manager: manager.into(), ready })
}

/// The networks that the flags name, with what they ask for in the first of them; what CORACLE_NETWORK says where they
/// name none.
fn network(given: &Given, around: &Surroundings<'_>) -> Result<Option<NetworkMode>, Failure> {
    let mut mode = given.network.clone();
    if mode.is_none()
        && let Some(word) = (around.env)("CORACLE_NETWORK").filter(|word| !word.is_empty())
    {
        mode = Some(word.parse().map_err(of("CORACLE_NETWORK"))?);
    }
    if given.ip.is_empty() && given.mac.is_none() && given.aliases.is_empty() {
        return Ok(mode);
    }
    let mut mode = mode.unwrap_or_else(|| NetworkMode::of(DEFAULT_NETWORK));
    let NetworkMode::Networks(joined) = &mut mode else {
        let problem = "--ip, --ip6, --mac-address and --network-alias need a network";
        return Err(Failure::words(problem, "give one by --network NAME; coracle network ls lists them"));
    };
    let all = joined.len();
    for joined in joined.iter_mut() {
        joined.aliases.extend(given.aliases.iter().cloned());
    }
    let Some(first) = joined.first_mut().filter(|_| all == 1 || (given.ip.is_empty() && given.mac.is_none())) else {
        let problem = "--ip, --ip6 and --mac-address fit one network, and several are given";
        return Err(Failure::words(problem, "write --network NAME:ip=ADDRESS,mac=ADDRESS for each"));
    };
    first.addresses.extend(given.ip.iter().copied());
    first.mac = given.mac.or(first.mac);
    Ok(Some(mode))
}

/// An error of one flag's value.
fn of(flag: &'static str) -> impl Fn(Invalid) -> Failure {
    move |invalid| Failure::value(flag, &invalid)
}

/// IMAGE, or the directory of `--rootfs`, which stands behind the flag or, as podman has it, in IMAGE's place.
fn image(
    rootfs: Option<&str>,
    words: &mut impl Iterator<Item = String>,
    around: &Surroundings<'_>,
) -> Result<ImageRef, Failure> {
    let missing = || Failure::words("no image was given", "write an image, or host: for this machine's own files");
    match rootfs {
        None => flags::image(&words.next().ok_or_else(missing)?).map_err(of("IMAGE")),
        Some("") => {
            let path = words.next().ok_or_else(|| Failure::words("no directory was given", "write --rootfs PATH"))?;
            flags::rootfs(&path, &around.cwd).map(ImageRef::Rootfs).map_err(of("--rootfs"))
        }
        Some(path) => flags::rootfs(path, &around.cwd).map(ImageRef::Rootfs).map_err(of("--rootfs")),
    }
}

fn process(given: &Given, command: Vec<String>, around: &Surroundings<'_>) -> Result<ProcessConfig, Failure> {
    let mut env = Vec::new();
    if given.env_host {
        env.extend((around.all)().into_iter().map(|(name, value)| EnvVar { name, value }));
    } else if given.http_proxy {
        let proxy = |name: &&str| Some(EnvVar { name: (*name).to_owned(), value: (around.env)(name)? });
        env.extend(PROXIES.iter().filter_map(proxy));
    }
    env.extend(variables(&given.env_files, &given.env, around)?);
    let workdir = workdir(given.workdir.as_deref())?;
    Ok(ProcessConfig {
        command,
        entrypoint: given.entrypoint.clone(),
        env,
        unset: if given.unset_env_all { Unset::All } else { Unset::These(given.unset_env.clone()) },
        workdir,
        user: given.user.clone(),
        groups: given.group_add.clone(),
        terminal: if given.tty { TerminalMode::Pty } else { TerminalMode::Streams },
        stdin: if given.interactive { StdinMode::Open } else { StdinMode::Closed },
        init: given.init,
        stop_signal: given.stop_signal,
        stop_timeout: given.stop_timeout,
        timeout: given.timeout.filter(|seconds| *seconds > 0),
        umask: given.umask,
        ulimits: given.ulimits.clone(),
        oom_score_adj: given.oom_score_adj,
        preserve_fds: given.preserve_fds.unwrap_or(0),
    })
}

/// Variables of files and of the command line.
pub fn variables(files: &[String], words: &[String], around: &Surroundings<'_>) -> Result<Vec<EnvVar>, Failure> {
    let mut env = Vec::new();
    // Files first, whatever the order of the flags: what stands on the command line wins, as docker has it.
    for file in files {
        let content = read(file, "--env-file", around)?;
        env.extend(
            flags::env_file(&content, around.env).map_err(|invalid| Failure::file("--env-file", file, &invalid))?,
        );
    }
    for word in words {
        env.extend(flags::env(word, around.env).map_err(of("--env"))?);
    }
    Ok(env)
}

/// A directory inside.
pub fn workdir(word: Option<&str>) -> Result<Option<PathBuf>, Failure> {
    match word {
        Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(Some(PathBuf::from(path))),
        Some(path) => Err(Failure::words(format!("--workdir {path:?}: not an absolute path"), "begin it with /")),
        None => Ok(None),
    }
}

fn limits(given: &Given) -> Result<LimitsConfig, Failure> {
    let period = given.cpu_period.filter(|period| *period != 0);
    let quota = given.cpu_quota.filter(|quota| *quota != 0);
    let cpu_time: CpuTime = flags::cpu_time(given.cpus, period, quota).map_err(of("--cpus"))?;
    let mut limits = LimitsConfig {
        cpu_time,
        cpu_shares: given.cpu_shares.filter(|shares| *shares != 0),
        cpuset_cpus: given.cpuset_cpus.clone(),
        cpuset_mems: given.cpuset_mems.clone(),
        pids: given.pids_limit,
        swappiness: given.swappiness,
        block_io: given.block_io.clone(),
        unified: flags::annotations(given.cgroup_conf.iter().map(String::as_str)).map_err(of("--cgroup-conf"))?,
        shm_size: given.shm_size.filter(|size| size.get() != 0),
        oom_kill_disable: given.oom_kill_disable,
        cgroup_parent: given.cgroup_parent.clone().filter(|parent| !parent.is_empty()),
        cgroups: given.cgroups.unwrap_or_default(),
        ..LimitsConfig::default()
    };
    flags::memory(given.memory, given.memory_swap, given.memory_reservation, &mut limits).map_err(of("--memory"))?;
    Ok(limits)
}

fn files(given: &Given, around: &Surroundings<'_>) -> Result<FilesConfig, Failure> {
    let cwd = &around.cwd;
    let mut mounts = Vec::with_capacity(given.mounts.len());
    for word in &given.mounts {
        mounts.push(match word {
            MountWord::Volume(word) => flags::volume(word, cwd).map_err(of("--volume"))?,
            MountWord::Mount(word) => flags::mount(word, cwd).map_err(of("--mount"))?,
            MountWord::Tmpfs(tmpfs) => Mount::Tmpfs(tmpfs.clone()),
        });
    }
    if let Some(duplicate) = flags::duplicate_destination(&mounts) {
        return Err(Failure::value("mounts", &duplicate));
    }
    let volumes_from = given.volumes_from.iter().map(|word| flags::volumes_from(word)).collect::<Result<_, _>>();
    let devices = given.devices.iter().map(|word| flags::device(word, cwd)).collect::<Result<_, _>>();
    Ok(FilesConfig {
        mounts,
        volumes_from: volumes_from.map_err(of("--volumes-from"))?,
        root: match (given.read_only, given.read_only_tmpfs.unwrap_or(true)) {
            (false, _) => RootAccess::ReadWrite,
            (true, true) => RootAccess::ReadOnlyWithTmpfs,
            (true, false) => RootAccess::ReadOnly,
        },
        devices: devices.map_err(of("--device"))?,
        device_rules: given.device_rules.clone(),
        secrets: given.secrets.clone(),
    })
}

fn privileges(given: &Given, around: &Surroundings<'_>) -> Result<(SeccompChoice, PrivilegesConfig), Failure> {
    let set = |words: &[String], flag| flags::capabilities(words.iter().map(String::as_str)).map_err(of(flag));
    let mut privileges = PrivilegesConfig {
        level: if given.privileged { Privileges::Privileged } else { Privileges::Confined },
        cap_add: set(&given.cap_add, "--cap-add")?,
        cap_drop: set(&given.cap_drop, "--cap-drop")?,
        report_denied: given.report_denied,
        ..PrivilegesConfig::default()
    };
    let mut seccomp = SeccompChoice::Default;
    for option in &given.security_opt {
        match option {
            SecurityOpt::NoNewPrivileges(on) => privileges.no_new_privileges = *on,
            SecurityOpt::SeccompUnconfined => seccomp = SeccompChoice::Unconfined,
            SecurityOpt::SeccompFile(file) => {
                let content = read(file, "--security-opt seccomp", around)?;
                let json = String::from_utf8(content).map_err(|_| {
                    Failure::words(
                        format!("--security-opt seccomp={file}: not UTF-8"),
                        "give a seccomp profile in JSON",
                    )
                })?;
                seccomp = SeccompChoice::Profile { path: flags::absolute(file, &around.cwd), json };
            }
            SecurityOpt::AppArmor(profile) => privileges.apparmor = profile.clone(),
            SecurityOpt::Label(label) => privileges.selinux.push(label.clone()),
            SecurityOpt::Paths(masks) => privileges.paths.merge(masks.clone()),
        }
    }
    Ok((seccomp, privileges))
}

fn labels(given: &Given, around: &Surroundings<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    for file in &given.label_files {
        let content = read(file, "--label-file", around)?;
        let read = flags::labels([content.as_slice()], []);
        labels.extend(read.map_err(|invalid| Failure::file("--label-file", file, &invalid))?);
    }
    labels.extend(flags::labels([], given.labels.iter().map(String::as_str)).map_err(of("--label"))?);
    Ok(labels)
}

fn read(file: &str, flag: &'static str, around: &Surroundings<'_>) -> Result<Vec<u8>, Failure> {
    let path = flags::absolute(file, &around.cwd);
    (around.read)(&path).map_err(|error| Failure::unreadable(flag, file, error))
}

#[cfg(test)]
mod tests {
    use super::super::flags::FLAGS;
    use super::*;
    use engine::config::{Changes, Rootfs};
    use flag::{Order, parse};

    fn read_line(line: &str) -> Result<ContainerConfig, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut given = Given::default();
        let words = parse(FLAGS, &words, Order::First, &mut given).map_err(|error| error.to_string())?;
        let around = Surroundings {
            cwd: "/w".into(),
            env: &|name| (name == "HERE").then(|| "here".to_owned()),
            all: &|| vec![("ALL".to_owned(), "all".to_owned())],
            read: &|path| match path.to_str() {
                Some("/w/env") => Ok(b"A=file\nB=file\n".to_vec()),
                Some("/w/bad") => Ok(b"A=1\nB C=2\n".to_vec()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            },
        };
        request(given, words, &around).map_err(|failure| failure.to_string())
    }

    fn config(line: &str) -> ContainerConfig {
        read_line(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_shortest_line_leaves_everything_open() {
        let mut expected = ContainerConfig::new(ImageRef::Host);
        assert_eq!(config("host:"), expected);
        expected.process.command = vec!["sh".to_owned(), "-c".to_owned(), "--rm".to_owned()];
        assert_eq!(config("host: sh -c --rm"), expected);
    }

    #[test]
    fn a_directory_stands_behind_its_flag_or_in_the_images_place() {
        let expected = ImageRef::Rootfs(Rootfs { path: "/r".into(), changes: Changes::ThrownAway });
        for line in ["--rootfs /r:O sh", "--rootfs=/r:O sh", "--rootfs -t /r:O sh", "-t --rootfs /r:O -i sh"] {
            let config = config(line);
            assert_eq!(
                (&config.image, config.process.command.as_slice()),
                (&expected, &["sh".to_owned()][..]),
                "{line}"
            );
        }
    }

    #[test]
    fn variables_of_the_command_line_win_over_files() {
        let env: Vec<String> = config("-e B=flag --env-file env -e HERE -e GONE host:")
            .process
            .env
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(env, ["A=file", "B=file", "B=flag", "HERE=here"]);
    }

    #[test]
    fn relative_paths_are_taken_from_the_working_directory() {
        let config = config("-v ./src:/src --cidfile id --device ./node host:");
        let Some(Mount::Bind(bind)) = config.files.mounts.first() else { panic!("a bind") };
        assert_eq!(bind.source, Path::new("/w/src"));
        assert_eq!(config.cidfile.as_deref(), Some(Path::new("/w/id")));
        assert_eq!(config.files.devices.first().map(|device| device.host.as_path()), Some(Path::new("/w/node")));
    }

    #[test]
    fn what_is_wrong_says_what_and_why() {
        for (line, told) in [
            ("", "no image was given"),
            ("--rootfs", "no directory was given"),
            ("--env-file none host:", "--env-file none: entity not found"),
            ("--env-file bad host:", "--env-file bad: \"B C\": a name with blanks on line 2"),
            ("-w here host:", "--workdir \"here\": not an absolute path"),
            ("-v d:/d host:", "--volume \"d\": not the name of a volume"),
            ("-v /a:/x --tmpfs /x host:", "mounts \"/x\": two mounts at one place, by --volume and --tmpfs"),
            ("--cpus 1 --cpu-quota 5000 host:", "--cpus \"1\": --cpus sets period and quota already"),
            ("-m 1m host:", "--memory \"1m\": less memory than any process needs"),
            ("--security-opt seccomp=none host:", "--security-opt seccomp none: entity not found"),
            ("--rm --restart always host:", "--rm and --restart exclude each other"),
            ("--log-opt max-size=1 host:", "--log-opt \"max-size=1\": less than 64k"),
            ("--label =x host:", "--label \"=x\": not a label"),
            ("hots:x", ""),
        ] {
            match read_line(line) {
                Err(error) => assert_eq!(error, told, "{line}"),
                Ok(config) => assert!(told.is_empty(), "{line}: {config:?}"),
            }
        }
    }

    #[test]
    fn every_flag_can_be_given_with_the_value_that_its_help_names() {
        let line = "-i -t -d -a stdout --detach-keys a --replace --health-cmd a --health-interval 1s --health-timeout 1s --health-retries 1 \
            --health-start-period 1s --health-start-interval 1s --health-on-failure stop --no-healthcheck --restart no --log-driver none --log-opt max-size=1m -e A=b --env-file env --env-host --http-proxy --unsetenv a --unsetenv-all --no-hosts --tz UTC --pidfile a --conmon-pidfile a --rmi --arch a --os a --variant a -w /x -u 1:2 --group-add adm --entrypoint x --init --stop-signal INT \
            --stop-timeout 3 --timeout 4 --umask 022 --ulimit nofile=1:2 --oom-score-adj -5 --preserve-fds 1 --sdnotify conmon \
            --sig-proxy=false --network web --ip 10.64.0.9 --ip6 fd00::9 --mac-address 92:d0:c6:0a:29:33 --network-alias a -p 80:80 -P --expose 81 --publish-policy host -h web --domainname d --add-host a:10.0.0.1 --dns 10.0.0.2 \
            --dns-search x.example --dns-option ndots:1 --pid host --ipc host --uts host --cgroupns host --userns auto \
            --sysctl net.ipv4.ip_forward=1 -m 64m --memory-swap -1 --memory-reservation 32m --cpus 1 -c 512 \
            --cpu-period 0 --cpu-quota 0 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 5 --shm-size 1m --memory-swappiness 9 \
            --blkio-weight 10 --blkio-weight-device /dev/a:10 --device-read-bps /dev/a:1 --device-write-bps /dev/a:1 --device-read-iops /dev/a:1 --device-write-iops /dev/a:1 --cgroup-conf memory.high=1 \
            --oom-kill-disable --cgroup-parent p --cgroups enabled -v /a:/b --mount type=tmpfs,dst=/c --tmpfs /d --volumes-from web:ro \
            --rootfs /r --read-only --read-only-tmpfs=false --device /dev/null --secret key --cap-add NET_RAW --cap-drop chown \
            --security-opt no-new-privileges --privileged --report-denied --name web --rm -l a=b \
            --annotation c=d --cidfile id --pull never -q --platform linux/amd64 --authfile a --cert-dir b --creds c --retry 1 --retry-delay 1s --tls-verify=false --explain --explain-file f --timings --out d --replay cmd";
        let given = config(line);
        let open = ContainerConfig::new(given.image.clone());
        assert_ne!(given.process, open.process);
        assert_eq!(given.process.command, ["cmd"]);
        for flag in FLAGS
            .iter()
            .filter(|flag| flag.heading.is_some() && !["label-file", "device-cgroup-rule"].contains(&flag.long))
        {
            let named = line.contains(&format!("--{} ", flag.long))
                || line.contains(&format!("--{}=", flag.long))
                || flag.short.is_some_and(|short| line.contains(&format!("-{short} ")));
            assert!(named, "--{} is not in the test", flag.long);
        }
    }
}
