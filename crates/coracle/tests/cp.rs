//! Files into and out of containers: which names they get, whose they become, and that no link of a container leads
//! anywhere but into it.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testkit::{Invocation, Outcome, Rootfs, requires};
use world::World;

/// A container of a tree of busybox, that runs or was made only, and its tree.
fn container(world: &World, name: &str, runs: bool) -> (String, Rootfs) {
    let rootfs = world.sandbox.rootfs(&format!("home/{name}"));
    let path = rootfs.path().display().to_string();
    let made = if runs {
        world.invocation(&["-d", "--network=none", "--rootfs", &path], &["sleep", "1000"]).ok()
    } else {
        world.sandbox.coracle(["create", "--network=none", "--rootfs", &path, "sleep", "1000"]).ok()
    };
    (made.stdout.trim_end().to_owned(), rootfs)
}

fn cp(world: &World, words: &[&str]) -> Invocation {
    world.sandbox.coracle(["cp"]).args(words)
}

#[track_caller]
fn remove(world: &World, id: &str) {
    world.sandbox.run(["rm", "-f", id]).code(0);
}

/// A tree of this machine.
fn tree(world: &World) -> PathBuf {
    let top = world.sandbox.join("home/source");
    fs::create_dir_all(top.join("sub/empty")).expect("directories");
    fs::write(top.join("file"), "content").expect("a file");
    fs::set_permissions(top.join("file"), fs::Permissions::from_mode(0o640)).expect("its mode");
    fs::write(top.join("sub/other"), "other").expect("a file");
    symlink("sub/other", top.join("link")).expect("a link");
    top
}

#[track_caller]
fn same(a: &Path, b: &Path) {
    Invocation::new("diff").args(["-r", "--no-dereference"]).args([a, b]).ok();
}

#[test]
fn names_are_those_that_docker_gives() {
    requires!(root, busybox);
    let world = World::root();
    let source = tree(&world);
    let source = source.display().to_string();
    for runs in [true, false] {
        let (id, rootfs) = container(&world, if runs { "runs" } else { "made" }, runs);
        fs::create_dir(rootfs.inside("there")).expect("a directory");
        let into = |from: &str, to: &str| cp(&world, &[from, &format!("{id}:{to}")]).run();
        into(&format!("{source}/file"), "/there").code(0);
        into(&format!("{source}/file"), "/there/named").code(0);
        into(&source, "/there").code(0);
        into(&source, "/new").code(0);
        into(&format!("{source}/."), "/there").code(0);
        same(Path::new(&source), &rootfs.inside("there/source"));
        same(Path::new(&source), &rootfs.inside("new"));
        assert_eq!(fs::read(rootfs.inside("there/sub/other")).expect("the file"), b"other");
        assert_eq!(fs::metadata(rootfs.inside("there/named")).expect("the file").mode() & 0o7777, 0o640);
        into(&format!("{source}/file"), "/none/").code(1).one_line_error("no such directory");
        into(&format!("{source}/file"), "/none/x").code(1).one_line_error("no such file or directory");
        into(&source, "/there/named").code(1).one_line_error("in the place of a file");
        into("/no/such", "/there").code(1).one_line_error("no such file or directory");

        let out = world.sandbox.join(format!("home/out-{runs}"));
        fs::create_dir(&out).expect("a directory");
        let from =
            |from: &str, to: &str| cp(&world, &[&format!("{id}:{from}"), &out.join(to).display().to_string()]).run();
        from("/new", "").code(0);
        from("/new", "named").code(0);
        from("/new/.", "").code(0);
        from("/new/file", "single").code(0);
        for copy in ["new", "named"] {
            same(Path::new(&source), &out.join(copy));
        }
        assert_eq!(fs::read_to_string(out.join("sub/other")).expect("the file"), "other");
        assert_eq!(fs::read_to_string(out.join("single")).expect("the file"), "content");
        from("/new/link", "as-link").code(0);
        assert_eq!(fs::read_link(out.join("as-link")).expect("a link"), Path::new("sub/other"));
        cp(&world, &["-L", &format!("{id}:/new/link"), &out.join("followed").display().to_string()]).ok();
        assert_eq!(fs::read_to_string(out.join("followed")).expect("the file"), "other");
        from("/no/such", "x").code(1).one_line_error("/no/such: no such file or directory");
        remove(&world, &id);
    }
}

#[test]
fn a_tar_goes_in_and_comes_out() {
    requires!(root, busybox);
    let world = World::root();
    let source = tree(&world);
    let (id, rootfs) = container(&world, "tree", true);
    let there = format!("{id}:/there");
    let tar = |script: &str| -> Outcome { cp(&world, &[]).under(["sh", "-c", script, "sh"]).ok() };
    fs::create_dir(rootfs.inside("there")).expect("a directory");
    tar(&format!("tar -C {}/.. -c source | \"$@\" - {there}", source.display()));
    same(&source, &rootfs.inside("there/source"));
    let listed = tar(&format!("\"$@\" {there}/source - | tar -t | sort"));
    let mut names = ["file", "link", "sub/", "sub/empty/", "sub/other"].map(|name| format!("source/{name}\n")).to_vec();
    names.insert(0, "source/\n".to_owned());
    listed.stdout_is(&names.concat());
    remove(&world, &id);
}

#[test]
fn owners_are_roots_unless_they_are_kept() {
    requires!(root, busybox);
    let world = World::root();
    let file = world.sandbox.file("home/owned", "x");
    std::os::unix::fs::chown(&file, Some(1234), Some(4321)).expect("its owner");
    let (id, rootfs) = container(&world, "tree", true);
    let owner = |path: &Path| fs::metadata(path).map(|meta| (meta.uid(), meta.gid())).expect("the file");
    let file = file.display().to_string();
    cp(&world, &[&file, &format!("{id}:/plain")]).ok();
    cp(&world, &["-a", &file, &format!("{id}:/kept")]).ok();
    assert_eq!([owner(&rootfs.inside("plain")), owner(&rootfs.inside("kept"))], [(0, 0), (1234, 4321)]);
    // A program that takes its owner's rights is to have no owner of this machine's.
    fs::set_permissions(rootfs.inside("kept"), fs::Permissions::from_mode(0o6755)).expect("its mode");
    let out = world.sandbox.join("home/out").display().to_string();
    cp(&world, &[&format!("{id}:/kept"), &out]).ok();
    let meta = fs::metadata(&out).expect("the file");
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o755));
    remove(&world, &id);
}

#[test]
fn links_of_the_container_lead_nowhere_else() {
    requires!(root, busybox);
    let world = World::root();
    let (id, rootfs) = container(&world, "tree", true);
    let canary = world.sandbox.file("home/canary", "the machine's");
    let file = world.sandbox.file("home/file", "mine").display().to_string();
    fs::create_dir_all(rootfs.inside("run/inner")).expect("a directory");
    fs::create_dir_all(rootfs.inside("var")).expect("a directory");
    symlink("/run", rootfs.inside("var/run")).expect("a link");
    symlink(canary.parent().expect("its directory"), rootfs.inside("escape")).expect("a link");
    symlink(&canary, rootfs.inside("leak")).expect("a link");
    // An absolute link is one of the container's.
    cp(&world, &[&file, &format!("{id}:/var/run/inner")]).ok();
    assert!(rootfs.inside("run/inner/file").exists());
    cp(&world, &[&file, &format!("{id}:/escape/canary")]).run().code(1);
    cp(&world, &["-L", &format!("{id}:/leak"), &world.sandbox.join("home/leaked").display().to_string()]).run().code(1);
    assert_eq!(fs::read_to_string(&canary).expect("the canary"), "the machine's");
    // One in the place of a file is taken away, not followed.
    cp(&world, &[&file, &format!("{id}:/leak")]).ok();
    assert_eq!(fs::read_to_string(&canary).expect("the canary"), "the machine's");
    // A tar that says where it goes does not.
    let evil = world.sandbox.join("home/evil");
    fs::create_dir(&evil).expect("a directory");
    let script = format!(
        "cd {} && ln -s {} d && tar -cf e.tar d && rm d && mkdir d && echo evil >d/canary && \
        tar -rf e.tar d/canary && tar -Pcf up.tar --transform 's,^d/canary,../../canary,' d/canary",
        evil.display(),
        canary.parent().expect("its directory").display()
    );
    Invocation::new("sh").args(["-c", &script]).ok();
    for tar in ["e.tar", "up.tar"] {
        let input = fs::read(evil.join(tar)).expect("the tar");
        cp(&world, &["-", &format!("{id}:/run")]).stdin(input).run().code(1);
    }
    assert_eq!(fs::read_to_string(&canary).expect("the canary"), "the machine's");
    remove(&world, &id);
}

#[test]
fn links_lead_into_volumes_of_a_stopped_container_and_out_of_none() {
    requires!(root, busybox);
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/tree");
    let canary = world.sandbox.file("home/canaries/file", "the machine's");
    let canaries = canary.parent().expect("its directory");
    // The place of a mount is a link that would lead out of the container.
    symlink(canaries, rootfs.inside("evil")).expect("a link");
    fs::create_dir_all(rootfs.inside(canaries.to_str().expect("text").trim_start_matches('/'))).expect("its place");
    symlink("vol/sub", rootfs.inside("way")).expect("a link");
    let (bind, path) = (world.sandbox.join("home/bind"), rootfs.path().display().to_string());
    fs::create_dir_all(bind.join("sub")).expect("a directory");
    symlink(&canary, bind.join("leak")).expect("a link");
    symlink("../../../../../..", bind.join("up")).expect("a link");
    symlink(format!("../../../../../..{}", canaries.display()), bind.join("escape")).expect("a link");
    let bound = |at: &str| format!("{}:{at}", bind.display());
    let create = ["create", "--name=box", "--network=none", "-v", &bound("/vol"), "-v", &bound("/evil"), "--rootfs"];
    world.sandbox.run(create.into_iter().chain([path.as_str(), "sh"])).code(0);
    let (mine, out) = (world.sandbox.file("home/mine", "mine").display().to_string(), world.sandbox.join("home/out"));
    let mounts = || fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    let before = mounts();
    cp(&world, &[&mine, "box:/way/by-link"]).ok();
    cp(&world, &[&mine, "box:/evil/sub/by-place"]).ok();
    for name in ["by-link", "by-place"] {
        assert_eq!(fs::read_to_string(bind.join("sub").join(name)).expect("the file"), "mine");
    }
    cp(&world, &[&mine, "box:/vol/up/in-root"]).ok();
    assert!(rootfs.inside("in-root").exists(), "up from a volume is the container's root");
    cp(&world, &["-L", "box:/vol/leak", &out.display().to_string()]).run().code(1);
    cp(&world, &[&mine, "box:/vol/escape/file"]).ok();
    let tree = fs::read_dir(canaries).expect("the directory").count();
    assert_eq!((fs::read_to_string(&canary).expect("the canary").as_str(), tree), ("the machine's", 1));
    assert_eq!(mounts(), before);
    remove(&world, "box");
}

#[test]
fn an_attacker_who_changes_links_meanwhile_gets_nowhere() {
    requires!(root, busybox);
    // CVE-2018-15664: a directory that is a link by the time it is used.
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/tree");
    let canary = world.sandbox.file("home/canaries/file", "the machine's");
    let canaries = canary.parent().expect("its directory");
    let race = format!(
        "mkdir /flip /flop; echo theirs >/flip/file; ln -s {} /link; while :; do mv /flip /flop/x; \
        mv /link /flip; mv /flip /link; mv /flop/x /flip; done",
        canaries.display()
    );
    let path = rootfs.path().display().to_string();
    let id = world.invocation(&["-d", "--network=none", "--rootfs", &path], &["sh", "-c", &race]).ok().stdout;
    let id = id.trim_end();
    let mine = world.sandbox.join("home/mine");
    fs::create_dir(&mine).expect("a directory");
    fs::write(mine.join("file"), "mine").expect("a file");
    let mine = format!("{}/.", mine.display());
    let start = Instant::now();
    let (mut copied, mut refused) = (0, 0);
    while start.elapsed() < Duration::from_secs(4) {
        let out = world.sandbox.join("home/out");
        for words in
            [[mine.as_str(), &format!("{id}:/flip")], [&format!("{id}:/flip/file"), &out.display().to_string()]]
        {
            match cp(&world, &words).run().exit_code() {
                Some(0) => copied += 1,
                _ => refused += 1,
            }
        }
        let read = fs::read_to_string(&out).unwrap_or_default();
        assert_ne!(read, "the machine's");
        assert_eq!(fs::read_to_string(&canary).expect("the canary"), "the machine's");
    }
    assert!(copied > 0, "{copied} copied, {refused} refused");
    remove(&world, id);
}

#[test]
fn users_copy_to_and_from_their_containers_with_the_containers_ids() {
    requires!(subuid_user, user_namespaces);
    for (world, options) in
        [(World::user(), &[][..]), (World::user(), &["--userns=keep-id"]), (World::single_id(), &[])]
    {
        let options: Vec<&str> = ["-d", "--network=none"].into_iter().chain(options.iter().copied()).collect();
        let id = world.invocation(&options, &["host:", "sleep", "1000"]).ok().stdout.trim_end().to_owned();
        let file = world.sandbox.file("home/file", "mine").display().to_string();
        cp(&world, &[&file, &format!("{id}:/root/file")]).ok();
        let seen =
            world.sandbox.run(["exec", "-u", "0", &id, "sh", "-c", "cat /root/file; stat -c ' %u:%g' /root/file"]);
        seen.code(0).stdout_is("mine 0:0\n");
        let out = world.sandbox.join("home/out");
        cp(&world, &[&format!("{id}:/root/file"), &out.display().to_string()]).ok();
        let meta = fs::metadata(&out).expect("the copy");
        assert_eq!(Some(meta.uid()), world.sandbox.user().map(|user| user.uid));
        remove(&world, &id);
    }
    let world = World::root();
    let id = world.invocation(&["-d", "--network=none", "--userns=auto"], &["host:", "sleep", "1000"]).ok().stdout;
    let file = world.sandbox.file("home/file", "mine").display().to_string();
    cp(&world, &[&file, &format!("{}:/root/file", id.trim_end())]).ok();
    let seen = world.sandbox.run(["exec", id.trim_end(), "stat", "-c", "%u:%g", "/root/file"]);
    seen.code(0).stdout_is("0:0\n");
    remove(&world, id.trim_end());
}
