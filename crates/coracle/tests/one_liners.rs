//! Lines of `docker inspect --format` that manuals, answers and scripts have, one by one.

#![forbid(unsafe_code)]

use std::fs;

use testkit::{Invocation, Sandbox, User, requires, within};

/// An image with something of everything, and a container of it that runs.
#[track_caller]
fn scene(sandbox: &Sandbox) {
    sandbox.file("content/data", "x");
    let (content, tar) = (sandbox.path().join("content"), sandbox.path().join("a.tar"));
    fs::copy(testkit::on_path("busybox").expect("busybox"), content.join("busybox")).expect("a copy");
    let words = ["-C", &content.to_string_lossy(), "-cf", &tar.to_string_lossy(), "."].map(str::to_owned);
    Invocation::new("tar").args(words).ok();
    let changes = [
        "ENV FROM=image",
        "LABEL of=image",
        "EXPOSE 8787/tcp",
        "WORKDIR /work",
        "ENTRYPOINT [\"/busybox\"]",
        "CMD [\"sleep\", \"1000\"]",
    ];
    let changes = changes.iter().flat_map(|change| ["--change", change]);
    sandbox.coracle(["import"]).args(changes).args([&*tar.to_string_lossy(), "localhost/a:1"]).run().code(0);
    let options = [
        "-d",
        "--name",
        "box",
        "--label",
        "tier=web",
        "-e",
        "B=2",
        "-v",
        "/usr:/host:ro",
        "--tmpfs",
        "/scratch",
        "--cap-add",
        "NET_RAW",
        "--restart",
        "on-failure:3",
        "--security-opt",
        "no-new-privileges",
        "--health-cmd",
        "[\"/busybox\", \"true\"]",
        "--health-interval",
        "100ms",
    ];
    sandbox.coracle(["run"]).args(options).arg("localhost/a:1").run().code(0);
}

#[test]
fn they_say_what_docker_says() {
    requires!(subuid_user, user_namespaces, busybox);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        scene(&sandbox);
        let of = |template: &str| {
            sandbox.run(["inspect", "--format", template, "box"]).code(0).stdout.trim_end_matches('\n').to_owned()
        };
        assert!(within(std::time::Duration::from_secs(20), || of("{{.State.Health.Status}}") == "healthy"));
        let id = of("{{.Id}}");
        let pid = of("{{.State.Pid}}");
        let image =
            sandbox.run(["image", "inspect", "--format", "{{.Id}}", "localhost/a:1"]).code(0).stdout.trim().to_owned();
        for (template, expected) in [
            ("{{.Name}}", "/box"),
            ("{{slice .Id 0 12}}", &id[..12]),
            ("{{printf \"%.12s\" .Id}}", &id[..12]),
            ("{{.State.Running}}", "true"),
            ("{{.State.Status}}", "running"),
            ("{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Dead}} [{{.State.Error}}]", "0 false false []"),
            ("{{.State.FinishedAt}}", "0001-01-01T00:00:00Z"),
            ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "healthy"),
            ("{{(index .State.Health.Log 0).ExitCode}}", "0"),
            ("{{.RestartCount}}", "0"),
            ("{{.Image}}", &image),
            ("{{.Config.Image}}", "localhost/a:1"),
            ("{{.Path}} {{join .Args \" \"}}", "/busybox sleep 1000"),
            ("{{json .Config.Cmd}}", "[\"sleep\",\"1000\"]"),
            ("{{json .Config.Entrypoint}}", "[\"/busybox\"]"),
            ("{{.Config.WorkingDir}}", "/work"),
            ("{{.Config.Hostname}}", &id[..12]),
            ("{{range .Config.Env}}{{println .}}{{end}}", "FROM=image\nB=2"),
            ("{{index .Config.Labels \"tier\"}} {{index .Config.Labels \"of\"}}", "web image"),
            ("[{{index .Config.Labels \"com.docker.compose.project\"}}]", "[]"),
            ("{{range $port, $_ := .Config.ExposedPorts}}{{$port}}{{end}}", "8787/tcp"),
            ("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", ""),
            ("{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}", ""),
            ("{{.NetworkSettings.IPAddress}}", ""),
            ("{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}", "none"),
            ("{{range $p, $conf := .NetworkSettings.Ports}} {{$p}} -> {{(index $conf 0).HostPort}} {{end}}", ""),
            ("{{json .NetworkSettings.Ports}}", "{}"),
            ("{{.HostConfig.NetworkMode}}", "none"),
            ("{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}", "on-failure:3"),
            ("{{.HostConfig.LogConfig.Type}}", "local"),
            (
                "{{.HostConfig.Privileged}} {{.HostConfig.AutoRemove}} {{.HostConfig.ReadonlyRootfs}}",
                "false false false",
            ),
            ("{{json .HostConfig.Binds}}", "[\"/usr:/host:ro\"]"),
            ("{{.HostConfig.SecurityOpt}}", "[no-new-privileges]"),
            ("{{.HostConfig.PidMode}}|{{.HostConfig.IpcMode}}|{{.HostConfig.UsernsMode}}", "|private|"),
            ("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}}", "0 0 0"),
            (
                "{{range .Mounts}}{{if eq .Type \"bind\"}}{{.Source}}:{{.Destination}}:{{.RW}}{{end}}{{end}}",
                "/usr:/host:false",
            ),
            ("{{range .Mounts}}{{.Type}} {{end}}", "bind tmpfs "),
            ("{{.GraphDriver.Name}}", "overlay"),
            ("{{.GraphDriver.Data.MergedDir}}", &format!("/proc/{pid}/root")),
            ("{{.NetworkSettings.SandboxKey}}", &format!("/proc/{pid}/ns/net")),
            ("{{.Platform}} {{.ExecIDs}}", "linux <no value>"),
        ] {
            assert_eq!(of(template), expected, "{template}");
        }
        for path in [
            "{{.HostnamePath}}",
            "{{.ResolvConfPath}}",
            "{{.HostsPath}}",
            "{{.LogPath}}",
            "{{.GraphDriver.Data.UpperDir}}",
        ] {
            assert!(fs::metadata(of(path)).is_ok(), "{path}: {}", of(path));
        }
        assert_eq!(fs::read_to_string(of("{{.HostnamePath}}")).expect("a file").trim(), &id[..12]);
        let monitor = of("{{.State.ConmonPid}}");
        assert!(fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process").contains(&format!(" {monitor} ")));
        let sized =
            sandbox.run(["inspect", "--size", "--format", "{{.SizeRw}} {{gt .SizeRootFs .SizeRw}}", "--latest"]);
        sized.code(0).stdout_is("0 true\n");
        sandbox.run(["inspect", "--format", "{{.SizeRw}}", "box"]).code(125);
        sandbox.run(["inspect", "--type", "image", "box"]).code(1);
        sandbox.run(["rm", "-f", "box"]).code(0);
    }
}
