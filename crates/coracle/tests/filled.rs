//! An image's directory that becomes the first content of a volume: by somebody who is killed meanwhile, where who comes
//! next has all of it; and for who looks before the first start.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;
#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::symlink;

use archive::{docker_archive, text};
use serde_json::json;
use testkit::{Invocation, requires};
use world::World;

/// What copying a tree is made of; and the way from the copy into the volume.
const CALLS: &str = "mkdirat,linkat,symlinkat,renameat2,fchownat,fchmod,utimensat,unlinkat";

/// Everything in `/data`, with modes, times and contents.
const LOOK: &str = "cd /data && find . | sort | xargs stat -c '%n %a %h %s %Y' && find . -type f | sort | xargs cat";

fn image(world: &World) {
    let base = world.sandbox.rootfs("home/base");
    for number in 0..8 {
        base.file(&format!("data/{number}/file"), format!("content {number}\n"));
        fs::hard_link(base.inside(&format!("data/{number}/file")), base.inside(&format!("data/{number}/again")))
            .expect("a hard link");
        symlink("/etc", base.inside(&format!("data/link-{number}"))).expect("a link");
    }
    Invocation::new("find").arg(base.path()).args(["-exec", "touch", "-hd", "@1000000000", "{}", "+"]).ok();
    let archive = docker_archive(&world.sandbox, "filled", &[base.path().to_owned()], &json!({"Cmd": ["sh"]}));
    world.sandbox.run(["load", "-i", text(&archive)]).code(0);
}

#[test]
fn a_volume_is_never_taken_for_filled_that_is_filled_by_half() {
    requires!(root, busybox, subuid_user, user_namespaces, timing, package = "strace");
    for world in [World::root(), World::user()] {
        image(&world);
        let all = world.invocation(&["-v", "whole:/data"], &["filled", "sh", "-c", LOOK]).ok().stdout.clone();
        assert!(all.contains("./7/again 644 2 10 1000000000") && all.ends_with("content 7\n"), "{all}");
        let (data, tmp) = (world.sandbox.root().join("volumes/new"), world.sandbox.root().join("tmp"));
        let (mut killed, mut halves) = (0, 0);
        for call in CALLS.split(',') {
            for at in [1, 3, 8, 12, 17] {
                let inject = format!("inject={call}:signal=KILL:when={at}");
                let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
                let first = world.invocation(&["-v", "new:/data"], &["filled", "true"]).above(strace).run();
                killed += usize::from(first.exit_code() != Some(0));
                halves += usize::from(data.join("filling").exists());
                let next = world.invocation(&["-v", "new:/data"], &["filled", "sh", "-c", LOOK]).run();
                assert_eq!(next.code(0).stdout, all, "{inject}");
                assert!(!data.join("filling").exists(), "{inject}");
                world.sandbox.run(["ps"]).code(0);
                let left: Vec<_> = fs::read_dir(&tmp).into_iter().flatten().flatten().collect();
                assert!(left.is_empty(), "{inject} leaves {left:?}");
                world.sandbox.run(["volume", "rm", "-f", "new"]).code(0);
            }
        }
        assert!(killed > 20 && halves > 2, "{killed} were killed, {halves} between the names of the volume");
    }
}

#[test]
fn volumes_of_containers_that_do_not_run_have_what_the_image_has_there() {
    requires!(busybox, subuid_user, user_namespaces);
    for (world, options) in
        [(World::root(), &[][..]), (World::user(), &[]), (World::user(), &["--userns=keep-id", "-u0"])]
    {
        let sandbox = &world.sandbox;
        image(&world);
        let bind = sandbox.join("home/bind");
        fs::create_dir(&bind).expect("a directory");
        let uid = sandbox.user().map(|user| user.uid);
        std::os::unix::fs::chown(&bind, uid, None).expect("its owner");
        let bound = format!("{}:/data/0/bind", bind.display());
        let mounts = ["-v", "kept:/data", "-v", "kept:/ro:ro", "-v", "/made/own", "-v", &bound, "--tmpfs", "/data/tmp"];
        let look = "cat /data/in /made/own/in /data/0/bind/in; stat -c ' %u:%g' /data/in /made/own/in /made; ls -d /data/in /data/tmp /data/7";
        let create = ["create", "--name=box", "--network=none"].iter().chain(options).chain(&mounts).copied();
        sandbox.run(create.chain(["filled", "sh", "-c", look])).code(0);
        let source = sandbox.file("home/in", "content ");
        let out = sandbox.join("home/out");
        // Never started, and then stopped.
        for _ in 0..2 {
            for dir in ["/data", "/made/own", "/data/0/bind/in"] {
                sandbox.run(["cp", text(&source), &format!("box:{dir}")]).code(0);
            }
            let tar = ["sh", "-c", "\"$@\" box:/ro/0 - | tar -t | sort", "sh"];
            let listed = sandbox.coracle(["cp"]).under(tar).ok();
            listed.stdout_is("0/\n0/again\n0/bind/\n0/file\n");
            sandbox.run(["cp", text(&source), "box:/ro/in"]).code(1).one_line_error("read-only");
            let absent = sandbox.run(["cp", text(&source), "box:/data/tmp/in"]);
            absent.code(1).one_line_error("/data/tmp is mounted only while the container runs");
            sandbox.run(["cp", "box:/data/0/bind/in", text(&out)]).code(0);
            assert_eq!(fs::read_to_string(&out).expect("the copy"), "content ");
            assert_eq!(fs::read_to_string(bind.join("in")).expect("the file"), "content ");
            let seen = sandbox.run(["start", "-a", "box"]);
            let told = "content content content  0:0\n 0:0\n 0:0\n/data/7\n/data/in\n/data/tmp\n";
            // What the image has is there, too.
            seen.code(0).stdout_is(told);
        }
        sandbox.run(["rm", "-fv", "box"]).code(0);
    }
}
