//! Images from files: loaded, run as their configuration says, layered as their layers say, shared, listed and removed.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it looks for a free port")]

#[path = "seed/archive.rs"]
mod archive;
#[path = "seed/registry.rs"]
mod served;
#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::path::PathBuf;

use archive::{docker_archive, layer, skopeo_copy, text};
use serde_json::{Value, json};
use served::registry;
use testkit::{Invocation, Sandbox, User, requires};
use world::World;

/// Two layers over busybox: the upper hides a file, empties a directory and changes another file.
fn layered(sandbox: &Sandbox) -> PathBuf {
    let base = sandbox.rootfs("home/base");
    base.file("etc/gone", "x").file("etc/changed", "old").file("full/old", "x").file("kept/old", "x");
    let upper = layer(
        sandbox,
        "upper",
        &[("etc/.wh.gone", ""), ("etc/changed", "new"), ("full/.wh..wh..opq", ""), ("full/new", "")],
    );
    docker_archive(sandbox, "layered", &[base.path().to_owned(), upper], &json!({"Cmd": ["sh"]}))
}

const SEEN: &str = "cat /etc/changed; echo; ls -d /etc/gone 2>/dev/null; ls /full /kept";

#[track_caller]
fn shows_both_layers(sandbox: &Sandbox, name: &str) {
    let seen = sandbox.run(["run", "--rm", name, "sh", "-c", SEEN]);
    seen.code(0).stdout_is("new\n/full:\nnew\n\n/kept:\nold\n");
}

#[test]
fn an_image_that_docker_saved_shows_its_upper_layer_over_the_lower() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let archive = layered(&sandbox);
    sandbox.run(["load", "-i", text(&archive)]).code(0).stdout_contains("layered:latest");
    shows_both_layers(&sandbox, "layered");
}

#[test]
fn an_ordinary_user_sees_the_layers_in_the_same_way() {
    // The sandbox is on a tmpfs in the guest, and such has user attributes since 6.6.
    requires!(subuid_user, user_namespaces, busybox, kernel = (6, 6));
    for user in [User::with_subuids(), User::without_subuids()] {
        let sandbox = Sandbox::of(&user);
        let archive = layered(&sandbox);
        sandbox.run(["load", "-i", text(&archive)]).code(0);
        shows_both_layers(&sandbox, "layered");
    }
}

#[test]
fn an_ordinary_user_runs_an_image() {
    requires!(subuid_user, user_namespaces, busybox);
    for world in [World::user(), World::single_id()] {
        let base = world.sandbox.rootfs("home/base");
        base.file("etc/gone", "x");
        let upper = layer(&world.sandbox, "upper", &[("etc/.wh.gone", ""), ("etc/new", "new")]);
        let archive =
            docker_archive(&world.sandbox, "plain", &[base.path().to_owned(), upper], &json!({"Cmd": ["sh"]}));
        world.sandbox.run(["load", "-i", text(&archive)]).code(0);
        let script = "cat /etc/new; test ! -e /etc/gone && touch /etc/own && rm /etc/passwd && stat -c %u / /etc/own";
        world.invocation(&[], &["plain", "sh", "-c", script]).ok().stdout_is("new0\n0\n");
        world.invocation(&[], &["plain", "test", "-e", "/etc/own"]).run().code(1);
    }
}

#[test]
fn ids_of_the_containers_own_see_the_layers_in_the_same_way() {
    requires!(root, busybox, kernel = (6, 3));
    let sandbox = Sandbox::new();
    let archive = layered(&sandbox);
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    let script = format!("{SEEN}; touch /etc/own; stat -c '%u %a' / /etc/changed /etc/own /tmp");
    let seen = sandbox.run(["run", "--rm", "--userns=auto", "layered", "sh", "-c", &script]);
    seen.code(0).stdout_is("new\n/full:\nnew\n\n/kept:\nold\n0 755\n0 644\n0 644\n0 1777\n");
}

#[test]
fn what_skopeo_copies_is_run_from_every_form() {
    requires!(root, busybox, package = "skopeo");
    let sandbox = Sandbox::new();
    let from = format!("docker-archive:{}", layered(&sandbox).display());
    let at = |name: &str| sandbox.join("home").join(name).display().to_string();
    let forms = [
        (format!("docker-archive:{}:saved:1", at("docker.tar")), at("docker.tar"), "saved:1", vec![]),
        (format!("oci-archive:{}:oci:1", at("oci.tar")), at("oci.tar"), "oci:1", vec![]),
        (format!("oci:{}:1", at("gzip")), at("gzip"), "gzip:1", vec!["--dest-compress-format=gzip"]),
        (format!("oci:{}:1", at("zstd")), at("zstd"), "zstd:1", vec!["--dest-compress-format=zstd"]),
    ];
    for (to, path, name, options) in forms {
        skopeo_copy(&from, &to, &options);
        sandbox.run(["load", "-i", &path]).code(0);
        shows_both_layers(&sandbox, name);
        // Nothing of the form before may have helped.
        sandbox.run(["rmi", name]).code(0);
        assert_eq!(fs::read_dir(sandbox.root().join("layers")).expect("layers").count(), 0);
    }
}

#[test]
fn skopeo_reads_the_store() {
    requires!(root, busybox, package = "skopeo");
    let sandbox = Sandbox::new();
    let archive = layered(&sandbox);
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    let store = format!("oci:{}", sandbox.root().join("images").display());
    let back = format!("docker-archive:{}:back:1", sandbox.join("home/back.tar").display());
    skopeo_copy(&store, &back, &[]);
    let ours: Value = serde_json::from_str(&sandbox.run(["inspect", "layered"]).code(0).stdout).expect("JSON");
    let theirs = Invocation::new("skopeo").args(["inspect", "--config", "--raw"]).arg(&store).ok();
    let theirs: Value = serde_json::from_str(&theirs.stdout).expect("JSON");
    assert_eq!(ours[0]["RootFS"]["Layers"], theirs["rootfs"]["diff_ids"], "{ours}");
}

#[test]
fn the_images_environment_user_directory_and_words_are_honoured() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let base = sandbox.rootfs("home/base");
    base.file("work/here", "").script("/usr/bin/tell", "id -u; pwd; echo $FROM_IMAGE $#:$*");
    let config = json!({
        "Env": ["PATH=/usr/bin:/bin", "FROM_IMAGE=yes"], "User": "alice", "WorkingDir": "/work",
        "Entrypoint": ["tell"], "Cmd": ["a", "b"], "StopSignal": "SIGQUIT", "Labels": {"of": "image"},
    });
    let archive = docker_archive(&sandbox, "telling", &[base.path().to_owned()], &config);
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    sandbox.run(["run", "--rm", "telling"]).code(0).stdout_is("1000\n/work\nyes 2:a b\n");
    sandbox.run(["run", "--rm", "telling", "c"]).code(0).stdout_is("1000\n/work\nyes 1:c\n");
    let told = sandbox.run(["run", "--rm", "-u0", "-w/", "-eFROM_IMAGE=no", "--entrypoint", "tell", "telling"]);
    told.code(0).stdout_is("0\n/\nno 0:\n");
}

#[test]
fn a_tar_becomes_an_image_and_an_image_a_container() {
    requires!(root, busybox);
    let world = World::root();
    let base = world.sandbox.rootfs("home/base");
    base.file("etc/mark", "here");
    let tar = world.sandbox.join("home/root.tar.zst");
    Invocation::new("tar").arg("-C").arg(base.path()).arg("--zstd").arg("-cf").arg(&tar).arg(".").ok();
    let import = ["import", "-c", "CMD [\"cat\",\"/etc/mark\"]", text(&tar), "imported:1"];
    world.sandbox.run(import).code(0).stdout_contains("sha256:");
    world.sandbox.run(["run", "--rm", "imported:1"]).code(0).stdout_is("here");
    world.sandbox.run(["images", "-q"]).code(0).stdout_contains("\n");
}

#[test]
fn a_real_debian_runs() {
    requires!(root, package = "mmdebstrap", that = debian_answers());
    let sandbox = Sandbox::new();
    let tar = sandbox.join("home/debian.tar");
    // Unpacked, not configured: that takes a tenth of the time and leaves as real a tree.
    let made = Invocation::new("mmdebstrap").args(["--variant=extract", "--include=dash,coreutils,base-files"]);
    made.arg("bookworm").arg(&tar).timeout(std::time::Duration::from_mins(5)).ok();
    sandbox.run(["import", text(&tar), "debian"]).code(0);
    let script = ". /etc/os-release; echo $ID; ls -d /usr/lib/x86_64-linux-gnu; chroot --help | head -c 6";
    sandbox
        .run(["run", "--rm", "debian", "dash", "-c", script])
        .code(0)
        .stdout_is("debian\n/usr/lib/x86_64-linux-gnu\nUsage:");
}

/// Debian's packages can be had, and quickly enough for a test.
fn debian_answers() -> testkit::requires::Need {
    testkit::requires::timing()?;
    let sources = ["/etc/apt/sources.list", "/etc/apt/sources.list.d"];
    let some = sources.iter().any(|path| std::path::Path::new(path).exists());
    // What there is of packages is asked for, and nothing of it kept.
    let answered = || {
        let lists = tempfile::tempdir().expect("a directory");
        let place = format!("Dir::State::lists={}", lists.path().display());
        let ask = ["-qq", "update", "--error-on=any", "-o", "Acquire::Retries=0", "-o", &place];
        Invocation::new("apt-get").args(ask).timeout(std::time::Duration::from_mins(2)).run().exit_code() == Some(0)
    };
    if some && answered() { Ok(()) } else { Err("a mirror of Debian's packages that answers".to_owned()) }
}

#[test]
fn two_containers_share_their_layers() {
    requires!(root, busybox);
    let world = World::root();
    let archive = layered(&world.sandbox);
    world.sandbox.run(["load", "-i", text(&archive)]).code(0);
    let layers = || fs::read_dir(world.sandbox.root().join("layers")).expect("layers").count();
    let run = |script: &str| world.sandbox.coracle(["run", "--rm", "layered", "sh", "-c", script]);
    let mut first = run("echo mine >/etc/mine; echo started; cat").spawn();
    first.stdout_until("started");
    assert_eq!(layers(), 2);
    run("cat /etc/mine").run().code(1);
    run("stat -c %i /bin/busybox >/dev/null; echo other >/etc/changed").ok();
    assert_eq!(layers(), 2);
    first.kill(rustix::process::Signal::KILL);
    first.wait();
    shows_both_layers(&world.sandbox, "layered");
}

#[test]
fn an_image_that_is_in_use_is_not_removed_unless_forced() {
    requires!(root, busybox);
    let sandbox = Sandbox::new();
    let archive = layered(&sandbox);
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    sandbox.run(["run", "--name", "user", "layered", "true"]).code(0);
    sandbox.run(["rmi", "layered"]).code(1).one_line_error("user");
    sandbox.run(["rm", "user"]).code(0);
    sandbox.run(["rmi", "layered"]).code(0);
    sandbox.run(["images", "-q"]).code(0).stdout_is("");
    sandbox.run(["run", "--rm", "--pull=never", "layered", "true"]).code(125).one_line_error("layered");
}

/// Puts the layered image into the registry; returns its name there.
fn pushed(sandbox: &Sandbox, server: &str) -> String {
    let archive = format!("docker-archive:{}", layered(sandbox).display());
    let name = format!("{server}/some/layered:1");
    let copy = Invocation::new("skopeo").args(["copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]);
    copy.arg(archive).arg(format!("docker://{name}")).ok();
    name
}

#[test]
fn an_image_is_pulled_once_and_runs() {
    requires!(root, busybox, package = "docker-registry", package = "skopeo");
    let sandbox = Sandbox::new();
    let (running, server) = registry(&sandbox, "");
    let name = pushed(&sandbox, &server);
    let pulled = sandbox.run(["pull", &name]);
    let config = Invocation::new("skopeo").args(["inspect", "--raw", "--tls-verify=false"]);
    let manifest: Value =
        serde_json::from_str(&config.arg(format!("docker://{name}")).ok().stdout).expect("a manifest");
    let id = manifest["config"]["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:")).expect("an id");
    pulled.code(0).stdout_is(&format!("{id}\n")).stderr_contains("layer ");
    shows_both_layers(&sandbox, &name);
    // What is there is asked for by its digest alone.
    sandbox.run(["pull", &name]).code(0).stdout_is(&format!("{id}\n")).stderr_is("");
    sandbox.run(["pull", "-q", &format!("{server}/some/none")]).code(1).stderr_contains("some/none");
    drop(running);
    sandbox.run(["rmi", &name]).code(0);
    sandbox.run(["images", "-q"]).code(0).stdout_is("");
}

#[test]
fn an_ordinary_user_pulls_too() {
    requires!(subuid_user, user_namespaces, busybox, package = "docker-registry", package = "skopeo", kernel = (6, 6));
    let user = User::with_subuids();
    let (host, sandbox) = (Sandbox::new(), Sandbox::of(&user));
    let (_running, server) = registry(&host, "");
    let name = pushed(&host, &server);
    sandbox.run(["pull", "-q", &name]).code(0);
    shows_both_layers(&sandbox, &name);
}

#[test]
fn each_driver_shows_the_same_and_what_is_impossible_is_said() {
    requires!(root, busybox);
    for driver in ["overlay", "erofs"] {
        let sandbox = Sandbox::new();
        let archive = layered(&sandbox);
        let loaded = sandbox.run(["--storage-driver", driver, "load", "-i", text(&archive)]);
        if loaded.exit_code() == Some(0) {
            shows_both_layers(&sandbox, "layered");
            sandbox.run(["info", "--format", "{{.Driver}}"]).code(0).stdout_is(&format!("{driver}\n"));
        } else {
            // Linux before 6.15, or a store on an overlay.
            assert_eq!(driver, "erofs");
            loaded.code(1).stderr_contains("--storage-driver overlay");
        }
    }
    Sandbox::new().run(["--storage-driver", "zfs", "info"]).code(125).stderr_contains("overlay or erofs");
}
