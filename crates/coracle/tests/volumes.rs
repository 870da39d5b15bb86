//! Volumes: what is written into one outlives the container, what an image has for one is in it, and nothing of an image or
//! a container leads out of it.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;
#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use archive::{docker_archive, text};
use serde_json::json;
use testkit::{Invocation, Outcome, Sandbox, User, requires};
use world::World;

/// By root, by root with ids of the container's own, and by an ordinary user.
fn everybody() -> [World; 3] {
    [World::root(), World::root_auto(), World::user()]
}

/// Where the files of a volume lie.
fn data(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.root().join("volumes").join(name).join("data")
}

/// The names of all volumes.
fn all(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.root().join("volumes")).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// An image of busybox and this configuration, with `/data` of all kinds of files.
fn image(sandbox: &Sandbox, name: &str, config: &serde_json::Value) -> PathBuf {
    let base = sandbox.rootfs(&format!("home/{name}-base"));
    base.file("data/file", "content").file("data/sub/deep", "deep").mode("data/sub", 0o711).mode("data", 0o2750);
    base.file("data/.wh.odd", "not a whiteout here");
    base.mode("data/file", 0o4640);
    fs::hard_link(base.inside("data/file"), base.inside("data/sub/again")).expect("a hard link");
    symlink("/etc/passwd", base.inside("data/link")).expect("a link");
    Invocation::new("mkfifo").arg(base.inside("data/fifo")).ok();
    base.file("data/sparse", "");
    fs::File::options().write(true).open(base.inside("data/sparse")).expect("it").set_len(1 << 20).expect("a hole");
    if rustix::process::getuid().is_root() {
        Invocation::new("chown").args(["-hR", "0:0"]).arg(base.path()).ok();
        Invocation::new("chown").args(["-h", "33:34"]).arg(base.inside("data/file")).ok();
        Invocation::new("chown").args(["33:34"]).arg(base.inside("data")).ok();
        fs::set_permissions(base.inside("data/file"), fs::Permissions::from_mode(0o4640)).expect("its mode");
        fs::set_permissions(base.inside("data"), fs::Permissions::from_mode(0o2750)).expect("its mode");
    }
    // A tar has whole seconds.
    Invocation::new("find").arg(base.path()).args(["-exec", "touch", "-hd", "@1000000000", "{}", "+"]).ok();
    let archive = docker_archive(sandbox, name, &[base.path().to_owned()], config);
    // A tar of layers has no such name: it would be a whiteout.
    sandbox.run(["load", "-i", text(&archive)]).code(0);
    base.inside("data")
}

#[track_caller]
fn run(world: &World, options: &[&str], script: &str) -> Outcome {
    world.invocation(options, &["host:", "sh", "-c", script]).run()
}

#[test]
fn what_one_container_writes_the_next_one_reads() {
    requires!(root, subuid_user, user_namespaces, kernel = (6, 3));
    for world in everybody() {
        run(&world, &["-v", "kept:/v"], "umask 22; echo one > /v/file && chmod 700 /v").code(0);
        run(&world, &["-v", "kept:/v:ro"], "cat /v/file; stat -c '%u %a' /v /v/file; echo two > /v/file")
            .code(2)
            .stdout_is("one\n0 700\n0 644\n")
            .stderr_contains("Read-only file system");
        let options = ["--mount", "type=volume,src=kept,dst=/m,readonly"];
        run(&world, &options, "cat /m/file; ! touch /m/x 2>/dev/null").code(0).stdout_is("one\n");
        assert_eq!(all(&world.sandbox), ["kept"]);
    }
}

#[test]
fn a_volume_without_a_name_goes_with_its_container_where_that_is_wanted() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        sandbox.run(["run", "--rm", "-v", "/v", "host:", "touch", "/v/x"]).code(0);
        assert!(all(&sandbox).is_empty());
        sandbox.run(["run", "--name=box", "-v", "/v", "-v", "kept:/k", "host:", "touch", "/v/x"]).code(0);
        let names = all(&sandbox);
        assert_eq!((names.len(), names[0].len()), (2, 64), "{names:?}");
        sandbox.run(["run", "-d", "--rm", "--name=other", "--volumes-from=box", "host:", "sleep", "1000"]).code(0);
        sandbox.run(["rm", "-v", "box"]).code(0);
        assert_eq!(all(&sandbox), names, "somebody uses it");
        sandbox.run(["exec", "other", "test", "-e", "/v/x"]).code(0);
        sandbox.run(["rm", "-fv", "other"]).code(0);
        assert_eq!(all(&sandbox), ["kept"]);
        sandbox.run(["run", "--name=box", "-v", "/v", "host:", "true"]).code(0);
        sandbox.run(["rm", "box"]).code(0);
        assert_eq!(all(&sandbox).len(), 2, "docker keeps it without -v");
    }
}

#[test]
fn an_image_fills_an_empty_volume_as_cp_would() {
    requires!(root, busybox);
    for world in [World::root(), World::user()] {
        let source = image(&world.sandbox, "filled", &json!({"Cmd": ["sh"]}));
        world.invocation(&["-v", "new:/data"], &["filled", "true"]).ok();
        // As the layer has it: a layer's tar cannot hold every name.
        fs::remove_file(source.join(".wh.odd")).expect("removing it");
        Invocation::new("touch").args(["-d", "@1000000000"]).arg(&source).ok();
        if world.sandbox.user().is_none() {
            same(&source, &data(&world.sandbox, "new"));
        }
        let script = "stat -c '%u:%g %a %h' /data /data/file /data/sub/again";
        let seen = world.invocation(&["-v", "new:/data"], &["filled", "sh", "-c", script]);
        seen.ok().stdout_is("33:34 2750 3\n33:34 4640 2\n33:34 4640 2\n");
        world.invocation(&["-v", "new:/data"], &["filled", "sh", "-c", "rm -r /data/sub; echo mine > /data/file"]).ok();
        let seen = world.invocation(&["-v", "new:/data"], &["filled", "sh", "-c", "cat /data/file; ls -d /data/sub"]);
        seen.run().stdout_is("mine\n");
        for option in ["empty:/data:nocopy", "src=empty,dst=/data,volume-nocopy"] {
            let flag = if option.starts_with("src") { "--mount" } else { "-v" };
            world.invocation(&[flag, option], &["filled", "ls", "-A", "/data"]).ok().stdout_is("");
        }
        // With something in it already it stays as it is.
        world.invocation(&["-v", "other:/elsewhere"], &["filled", "touch", "/elsewhere/x"]).ok();
        world.invocation(&["-v", "other:/data"], &["filled", "ls", "-A", "/data"]).ok().stdout_is("x\n");
    }
}

/// What `find` tells of everything in two trees.
#[track_caller]
fn same(source: &Path, copy: &Path) {
    // The size of a directory is the file system's.
    let what = "%P %y %m %U:%G %l %T@ %n\\n";
    let told = |path: &Path| {
        let find = Invocation::new("find")
            .arg(path)
            .args(["(", "-type", "f", "-printf", "%s ", "-o", "-true", ")", "-printf", what]);
        let mut lines: Vec<_> = find.ok().stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(told(source), told(copy));
    assert!(fs::metadata(copy.join("sparse")).expect("it").blocks() < 100, "its holes");
}

#[test]
fn ids_of_the_containers_own_are_not_in_the_volume() {
    requires!(root, busybox, kernel = (6, 3));
    let world = World::root_auto();
    image(&world.sandbox, "filled", &json!({"Cmd": ["sh"]}));
    let script = "stat -c '%u:%g %a' /data /data/file /data/sub; touch /data/mine";
    let seen = world.invocation(&["-v", "new:/data"], &["filled", "sh", "-c", script]);
    seen.ok().stdout_is("33:34 2750\n33:34 4640\n0:0 711\n");
    let owner = |name: &str| fs::metadata(data(&world.sandbox, "new").join(name)).map(|meta| (meta.uid(), meta.gid()));
    assert_eq!(owner("file").expect("it"), (33, 34));
    assert_eq!(owner("sub").expect("it"), (0, 0));
    assert_eq!(owner("mine").expect("it"), (0, 34), "the directory's group");
    assert_eq!(owner(".").expect("it"), (33, 34));
}

#[test]
fn the_places_that_an_image_names_are_volumes() {
    requires!(root, busybox);
    for world in [World::root(), World::user()] {
        image(&world.sandbox, "named", &json!({"Cmd": ["sh"], "Volumes": {"/data": {}, "/fresh": {}, "nonsense": {}}}));
        let seen =
            world.invocation(&["--read-only"], &["named", "sh", "-c", "cat /data/file && touch /data/x /fresh/x"]);
        seen.ok().stdout_is("content");
        assert!(all(&world.sandbox).is_empty());
        world.sandbox.run(["run", "--name=box", "-v", "mine:/fresh", "named", "touch", "/data/x", "/fresh/x"]).code(0);
        assert!(data(&world.sandbox, "mine").join("x").exists());
        let template = "{{range .Mounts}}{{.Type}} {{.Destination}};{{end}}";
        let mounts = world.sandbox.run(["inspect", "-f", template, "box"]);
        mounts.code(0).stdout_is("volume /fresh;volume /data;\n");
        world.sandbox.run(["start", "box"]).code(0);
        world.sandbox.run(["rm", "-fv", "box"]).code(0);
        assert_eq!(all(&world.sandbox), ["mine"]);
    }
}

/// CVE-2022-23648: containerd copied what a link of the image leads to on the machine.
#[test]
fn a_link_of_the_image_in_a_volumes_place_leads_nowhere_else() {
    requires!(root, busybox);
    for world in [World::root(), World::user()] {
        let secret = world.sandbox.join("home/secret");
        fs::create_dir(&secret).expect("a directory");
        fs::write(secret.join("key"), "of this machine").expect("a file");
        let base = world.sandbox.rootfs("home/hostile");
        symlink("/etc", base.inside("to-etc")).expect("a link");
        symlink(&secret, base.inside("out")).expect("a link");
        symlink("../../../../../../../..".to_owned() + text(&secret), base.inside("up")).expect("a link");
        symlink("/proc/1/root/etc", base.inside("magic")).expect("a link");
        base.file("etc/of-image", "x");
        let volumes = json!({"/to-etc": {}, "/out": {}, "/up": {}});
        let config = json!({"Cmd": ["sh"], "Volumes": volumes});
        let archive = docker_archive(&world.sandbox, "hostile", &[base.path().to_owned()], &config);
        world.sandbox.run(["load", "-i", text(&archive)]).code(0);
        let made = world.sandbox.run(["run", "--name=box", "hostile", "sh", "-c", "ls /etc; ls -R /out /up"]);
        assert!(!made.stdout.contains("key"), "{made}");
        for name in all(&world.sandbox) {
            let found = Invocation::new("find").arg(data(&world.sandbox, &name)).ok().stdout;
            assert!(!found.contains("key") && !found.contains("/shadow"), "{found}");
        }
        world.sandbox.run(["rm", "-v", "box"]).code(0);
        assert!(secret.join("key").exists() && all(&world.sandbox).is_empty());
        world.sandbox.run(["run", "-v", "/magic", "hostile", "true"]).code(125).one_line_error("/magic");
        assert!(all(&world.sandbox).is_empty(), "of a container that does not start nothing stays");
    }
}

#[test]
fn a_part_of_a_volume_is_looked_for_in_the_volume() {
    requires!(root, subuid_user, user_namespaces, kernel = (6, 3));
    for world in everybody() {
        let script = "mkdir -p /v/a/b; echo in > /v/a/b/file; ln -s / /v/out; ln -s /a/b /v/in";
        run(&world, &["-v", "kept:/v"], script).code(0);
        let part = |path: &str, script: &str| {
            run(&world, &["--mount", &format!("src=kept,dst=/m,volume-subpath={path}")], script)
        };
        part("a/b", "cat /m/file; echo more >> /m/file").code(0).stdout_is("in\n");
        part("a/b/file", "cat /m").code(0).stdout_is("in\nmore\n");
        part("in", "cat /m/file").code(0).stdout_is("in\nmore\n");
        part("out", "ls /m").code(0).stdout_is("a\nin\nout\n");
        part("none", "true").code(125).one_line_error("volume kept: there is no \"none\" in it");
    }
}

#[test]
fn what_the_driver_is_to_mount_is_mounted_instead() {
    requires!(root);
    let world = World::root();
    let options = "type=volume,dst=/v,volume-opt=type=tmpfs,\"volume-opt=o=size=1m,mode=700\"";
    let seen =
        run(&world, &["--mount", options], "stat -f -c %T /v; stat -c %a /v; df -k /v | tail -n1 | awk '{print $2}'");
    seen.code(0).stdout_is("tmpfs\n700\n1024\n");
    let dir = world.sandbox.file("home/dir/file", "content").parent().expect("its directory").to_owned();
    let options =
        format!("src=there,dst=/v,volume-opt=o=bind,volume-opt=device={},volume-opt=type=none", dir.display());
    run(&world, &["--mount", &options], "cat /v/file").code(0).stdout_is("content");
    run(&world, &["-v", "there:/v:ro"], "cat /v/file; ! touch /v/x").code(0).stdout_is("content");
}

#[test]
fn a_volume_is_made_listed_looked_at_and_removed() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        let volume = |words: &[&str]| sandbox.coracle(["volume"]).args(words).run();
        volume(&["ls"]).code(0).stdout_is("DRIVER   VOLUME NAME\n");
        volume(&["create", "--label", "of=me", "kept"]).code(0).stdout_is("kept\n");
        volume(&["create", "kept"]).code(0).stdout_is("kept\n");
        volume(&["create", "-o", "type=tmpfs", "kept"]).code(1).one_line_error("there is a volume \"kept\" already");
        volume(&["create", "--ignore", "-o", "type=tmpfs", "kept"]).code(0);
        let anonymous = volume(&["create"]).code(0).stdout.trim().to_owned();
        assert_eq!(anonymous.len(), 64);
        sandbox.run(["run", "--name=box", "-v", "kept:/v", "host:", "touch", "/v/x"]).code(0);
        volume(&["ls", "-q"]).code(0).stdout_is(&sorted([&anonymous, "kept"]));
        volume(&["ls", "-q", "--filter", "dangling=true"]).code(0).stdout_is(&format!("{anonymous}\n"));
        volume(&["ls", "-q", "--filter", "label=of=me"]).code(0).stdout_is("kept\n");
        volume(&["ls", "--filter", "name=ep", "--format", "{{.Name}} {{.Driver}} {{.Labels}} {{.Links}}"])
            .code(0)
            .stdout_is("kept local of=me 1\n");
        volume(&["ls", "-q", "--filter", "driver=nfs"]).code(0).stdout_is("");
        let place = data(&sandbox, "kept");
        volume(&["inspect", "-f", "{{.Mountpoint}} {{json .Labels}} {{json .Options}} {{.Scope}}", "kept"])
            .code(0)
            .stdout_is(&format!("{} {{\"of\":\"me\"}} null local\n", place.display()));
        volume(&["inspect", "none"]).code(1).stderr_contains("no volume \"none\"");
        volume(&["exists", "kept"]).code(0).stdout_is("");
        volume(&["exists", "none"]).code(1).stdout_is("");
        volume(&["rm", "kept"]).code(1).one_line_error("volume kept is used by container box");
        assert!(place.join("x").exists());
        sandbox.run(["rm", "-v", "box"]).code(0);
        assert!(place.join("x").exists(), "it has a name");
        volume(&["rm", "kept", &anonymous]).code(0).stdout_is(&format!("kept\n{anonymous}\n"));
        volume(&["rm", "kept"]).code(1).one_line_error("no volume \"kept\"");
        volume(&["rm", "-f", "kept", "../x"]).code(0);
        assert!(all(&sandbox).is_empty());
    }
}

fn sorted<const N: usize>(mut names: [&str; N]) -> String {
    names.sort_unstable();
    names.map(|name| format!("{name}\n")).concat()
}

#[test]
fn prune_takes_what_nobody_uses_and_df_and_check_count_it() {
    requires!(root);
    let sandbox = Sandbox::new();
    let volume = |words: &[&str]| sandbox.coracle(["volume"]).args(words).run();
    let anonymous = volume(&["create"]).code(0).stdout.trim().to_owned();
    volume(&["create", "free"]).code(0);
    let write = "dd if=/dev/zero of=/v/x bs=1k count=1000 2>/dev/null";
    sandbox.run(["run", "--name=box", "-v", "used:/v", "-v", "/own", "host:", "sh", "-c", write]).code(0);
    let row = sandbox.run(["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}"]);
    row.code(0).stdout_contains("Local Volumes 4 2 1.0");
    sandbox.run(["system", "df", "-v"]).code(0).stdout_contains("used");
    sandbox.run(["system", "check"]).code(0).stdout_contains(", 4 volumes: all is well");
    sandbox.coracle(["volume", "prune"]).stdin("n\n").ok().stdout_contains("without a name");
    sandbox
        .run(["system", "prune", "--volumes", "--dry-run", "--filter", "label=none"])
        .code(0)
        .stdout_is("Would reclaim 0B\n");
    volume(&["prune", "-f"]).code(0).stdout_contains(&format!("Deleted Volumes:\n{anonymous}\n\n"));
    assert_eq!(all(&sandbox).len(), 3);
    volume(&["prune", "-af", "--filter", "label!=none"]).code(0).stdout_contains("Deleted Volumes:\nfree\n\n");
    assert_eq!(all(&sandbox).len(), 2, "those of a container stay");
    sandbox.run(["system", "prune", "-f"]).code(0);
    assert_eq!(all(&sandbox).len(), 2);
    sandbox.run(["system", "prune", "-f", "--volumes"]).code(0).stdout_contains("Deleted Volumes:\n");
    assert_eq!(all(&sandbox), ["used"]);
    fs::write(sandbox.root().join("volumes/used/record.json"), "{").expect("damage");
    volume(&["ls"]).code(0).stderr_contains("volume used is damaged");
    sandbox.run(["system", "check"]).code(1).stdout_contains("volume used: ");
    sandbox.run(["system", "check", "--repair"]).code(0);
    run_in(&sandbox, "used", "ls /v").stdout_is("x\n");
}

#[track_caller]
fn run_in(sandbox: &Sandbox, volume: &str, script: &str) -> Outcome {
    let outcome = sandbox.run(["run", "--rm", "-v", &format!("{volume}:/v"), "host:", "sh", "-c", script]);
    outcome.code(0);
    outcome
}

#[test]
fn a_tar_of_a_volume_fills_another() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        let script = "umask 22; echo content > /v/file; chown 7:8 /v/file; chmod 4711 /v/file; mkdir /v/.wh.odd; ln -s file /v/link; ln /v/file /v/again";
        run_in(&sandbox, "from", script);
        let tar = sandbox.join("home/from.tar");
        sandbox.run(["volume", "export", "-o", text(&tar), "from"]).code(0);
        sandbox.run(["volume", "create", "to"]).code(0);
        run_in(&sandbox, "to", "echo old > /v/file; echo stays > /v/other");
        sandbox.run(["volume", "import", "to", text(&tar)]).code(0);
        let told = "cd /v; cat file other; stat -c '%n %u:%g %a %h %F' .wh.odd again file link";
        run_in(&sandbox, "to", told).stdout_is(
            "content\nstays\n.wh.odd 0:0 755 2 directory\nagain 7:8 4711 2 regular file\n\
             file 7:8 4711 2 regular file\nlink 0:0 777 1 symbolic link\n",
        );
        let pipe = "gzip < \"$0\" | \"$@\" volume import to -";
        let gzip = sandbox.coracle([] as [&str; 0]).under(["sh", "-c", pipe, text(&tar)]);
        gzip.ok();
        sandbox.run(["volume", "import", "none", text(&tar)]).code(1).one_line_error("no volume \"none\"");
        sandbox.run(["volume", "export", "none"]).code(1).one_line_error("no volume \"none\"");
    }
}

#[test]
fn a_volume_may_belong_to_somebody_from_its_start() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        sandbox.run(["volume", "create", "-o", "o=uid=7,gid=8", "theirs"]).code(0);
        run_in(&sandbox, "theirs", "stat -c %u:%g /v").stdout_is("7:8\n");
    }
}

/// moby#2259: files of the user who works outside are those of whoever runs in the container, and what that one writes is
/// the user's.
#[test]
fn files_of_an_idmapped_bind_are_those_of_who_runs_in_the_container() {
    requires!(root, kernel = (6, 3));
    let world = World::root();
    let source = world.sandbox.file("home/work/file", "mine").parent().expect("its directory").to_owned();
    Invocation::new("chown").args(["-R", "4321:4322"]).arg(&source).ok();
    Invocation::new("chmod").arg("700").arg(&source).ok();
    let bind = format!("{}:/w:idmap", source.display());
    let script = "stat -c %u:%g /w /w/file; cat /w/file; echo new > /w/new";
    run(&world, &["-u", "1234:1235", "-v", &bind], script).code(0).stdout_is("1234:1235\n1234:1235\nmine");
    let meta = fs::metadata(source.join("new")).expect("what was written");
    assert_eq!((meta.uid(), meta.gid()), (4321, 4322));
    let mount = format!("type=bind,src={},dst=/w,idmap,ro", source.display());
    run(&world, &["-u", "1234", "--mount", &mount], "cat /w/file; ! touch /w/x 2>/dev/null").code(0).stdout_is("mine");
    let user = World::user();
    let refused = user.invocation(&["-v", "/etc:/w:idmap"], &["host:", "true"]).run();
    refused.code(125).one_line_error("--userns=keep-id");
}

#[test]
fn what_is_mounted_below_a_bind_is_as_read_only_as_is_asked_for() {
    requires!(root);
    let world = World::root();
    let dir = world.sandbox.join("home/top");
    fs::create_dir_all(dir.join("below")).expect("directories");
    // In a mount namespace of its own, so that nothing of it stays.
    let script = "mount --make-rprivate / && mount -t tmpfs below \"$0/below\" && exec \"$@\"";
    let told = |mount: &str| {
        let mount = format!("type=bind,src={},dst=/w,{mount}", dir.display());
        let look =
            "touch /w/x 2>/dev/null; echo $?; touch /w/below/x 2>/dev/null; echo $?; ls -d /w/below/x 2>/dev/null";
        let under = ["unshare", "-m", "sh", "-c", script, text(&dir)];
        world.invocation(&["--mount", &mount], &["host:", "sh", "-c", look]).under(under).run().stdout
    };
    assert_eq!(told("bind-recursive=enabled"), "0\n0\n/w/below/x\n");
    assert_eq!(told("ro"), "1\n1\n");
    assert_eq!(told("ro,bind-recursive=readonly"), "1\n1\n");
    assert_eq!(told("ro,bind-recursive=writable"), "1\n0\n/w/below/x\n");
    assert_eq!(told("bind-recursive=disabled"), "0\n0\n/w/below/x\n", "the directory, not the mount");
    assert!(dir.join("below/x").exists());
}

#[test]
fn files_are_copied_into_and_out_of_volumes() {
    requires!(subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        let source = sandbox.file("home/source", "content");
        sandbox.run(["run", "-d", "--name=box", "-v", "kept:/v", "-v", "/v/own", "host:", "sleep", "1000"]).code(0);
        sandbox.run(["cp", text(&source), "box:/v/file"]).code(0);
        sandbox.run(["cp", text(&source), "box:/v/own/file"]).code(0);
        assert_eq!(fs::read_to_string(data(&sandbox, "kept").join("file")).expect("the file"), "content");
        let out = sandbox.join("home/out");
        sandbox.run(["cp", "box:/v/file", text(&out)]).code(0);
        assert_eq!(fs::read_to_string(&out).expect("the file"), "content");
        let tree = sandbox.join("home/tree");
        sandbox.run(["cp", "box:/v", text(&tree)]).code(0);
        assert_eq!(fs::read_to_string(tree.join("own/file")).expect("the file"), "content");
        sandbox.run(["kill", "box"]).code(0);
        sandbox.run(["wait", "box"]).code(0);
        // The machine's own files as a root are there only while it runs.
        sandbox.run(["cp", "box:/v/own/file", "-"]).code(1);
        sandbox.run(["rm", "-fv", "box"]).code(0);
    }
}

#[test]
fn files_are_copied_into_and_out_of_volumes_of_containers_that_do_not_run() {
    requires!(subuid_user, user_namespaces, busybox);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        let rootfs = sandbox.rootfs("home/rootfs");
        let (root, source) = (rootfs.path().to_owned(), sandbox.file("home/source", "content"));
        std::os::unix::fs::symlink("/v/own", root.join("way")).expect("a link");
        std::os::unix::fs::symlink("/../../../../../../..", root.join("out")).expect("a link");
        let bound = sandbox.file("home/bound/there", "bound");
        if let Some(user) = sandbox.user() {
            let dir = bound.parent().expect("its directory");
            std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid)).expect("his directory");
        }
        let bind = format!("{}:/b", text(bound.parent().expect("its directory")));
        let read_only = format!("{}:/r/only:ro", text(bound.parent().expect("its directory")));
        let mounts = ["-v", "kept:/v", "-v", "/v/own", "-v", &bind, "-v", &read_only, "--tmpfs", "/t"];
        let make = ["create", "--name=box"].into_iter().chain(mounts).chain(["--rootfs", text(&root), "sh"]);
        let make = make.chain(["-c", "cat /v/file /v/own/file"]);
        sandbox.run(make).code(0);
        for place in ["/v/file", "/v/own/file", "/b/file", "/way/linked"] {
            sandbox.run(["cp", text(&source), &format!("box:{place}")]).code(0);
            let out = sandbox.run(["cp", &format!("box:{place}"), "-"]).code(0).stdout.clone();
            assert!(out.contains("content"), "{place}");
        }
        assert_eq!(fs::read_to_string(data(&sandbox, "kept").join("file")).expect("the file"), "content");
        assert_eq!(fs::read_to_string(bound.with_file_name("file")).expect("the file"), "content");
        assert!(!root.join("v/file").exists(), "what is mounted there is not written under");
        // A link that would lead out of everything leads to the container's own root.
        sandbox.run(["cp", text(&source), "box:/out/v/outside"]).code(0);
        assert!(data(&sandbox, "kept").join("outside").exists());
        let out = sandbox.join("home/tree");
        sandbox.run(["cp", "box:/v", text(&out)]).code(0);
        assert_eq!(fs::read_to_string(out.join("own/linked")).expect("the file"), "content");
        let refused = sandbox.run(["cp", text(&source), "box:/r/only/file"]);
        refused.code(1).one_line_error("the file system is read-only");
        let refused = sandbox.run(["cp", text(&source), "box:/t/file"]);
        refused.code(1).one_line_error("/t is mounted only while the container runs");
        sandbox.run(["start", "-a", "box"]).code(0).stdout_is("contentcontent");
        sandbox.run(["rm", "-fv", "box"]).code(0);
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
        assert!(!mounts.contains(text(sandbox.path())), "{mounts}");
    }
}

#[test]
fn whoever_makes_a_volume_and_is_killed_leaves_none_that_no_container_has() {
    requires!(root, cgroups, timing, package = "strace");
    let sandbox = Sandbox::new();
    sandbox.run(["ps"]).code(0);
    let mut killed = 0;
    for verb in ["run --rm", "create"] {
        for at in 1..=24 {
            let calls = "mkdirat,renameat2,symlinkat,unlinkat";
            let inject = format!("inject={calls}:signal=KILL:when={at}");
            let trace =
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=mkdirat,renameat2,symlinkat,unlinkat", "-e"];
            let words = verb.split(' ').chain(["-v", "/own", "-v", "/other", "host:", "true"]);
            let outcome = sandbox.coracle(words).under(trace.into_iter().chain([inject.as_str()])).run();
            killed += usize::from(outcome.exit_code() != Some(0));
            for id in sandbox.run(["ps", "-aq"]).code(0).stdout.lines() {
                sandbox.run(["rm", "-fv", id]).code(0);
            }
            assert!(all(&sandbox).is_empty(), "{inject} of {verb}: {outcome}");
        }
    }
    assert!(killed > 20, "{killed}");
}

#[test]
fn an_ordinary_users_volume_is_his_under_every_map() {
    requires!(subuid_user, user_namespaces);
    let user = User::with_subuids();
    let sandbox = Sandbox::of(&user);
    for (userns, owner) in [("keep-id", user.uid), ("nomap", 0)] {
        let run = |script: &str| {
            let (userns, volume) = (format!("--userns={userns}"), format!("{userns}:/v"));
            sandbox.run(["run", "--rm", &userns, "-v", &volume, "host:", "sh", "-c", script])
        };
        run("stat -c %u /v && touch /v/x").code(0).stdout_is(&format!("{owner}\n"));
        run("test -w /v/x").code(0);
    }
    sandbox.run(["volume", "rm", "keep-id", "nomap"]).code(0);
}

#[test]
fn a_tar_writes_nothing_outside_of_the_volume() {
    requires!(root);
    let sandbox = Sandbox::new();
    let out = sandbox.join("home/out");
    let make = "mkdir -p \"$0/a\" \"$1\"; cd \"$0/a\"; ln -s \"$1\" link; tar -cf ../evil.tar link; rm link; mkdir link; \
                echo x > link/file; tar -rf ../evil.tar link/file";
    let parts = sandbox.join("home/parts");
    Invocation::new("sh").args(["-c", make, text(&parts), text(&out)]).ok();
    sandbox.run(["volume", "create", "kept"]).code(0);
    let evil = parts.join("evil.tar");
    sandbox.run(["volume", "import", "kept", text(&evil)]).code(1).one_line_error("link");
    assert!(fs::read_dir(&out).expect("the directory").next().is_none());
}
