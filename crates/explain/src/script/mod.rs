//! A start as a script that does the same by hand: with unshare, mount, ip and echo, as one would learn it.
//!
//! It runs itself once more for each stage. What is hard in it is the end: when the root has been exchanged, none of the
//! machine's tools can be had any more, and nothing of the image may run before the command has the rights that it is to
//! have. So the last stage is a shell that was started by the machine's tools with these rights, and waits; the root is
//! exchanged under its feet by somebody else, for pivot_root(2) changes that of every process that has the old one; and
//! then it executes the command by what it is itself.

mod cgroup;
mod mounts;
mod namespaces;
mod process;
mod words;

use engine::explanation::{Explanation, Root};
use oci::runtime::{NamespaceKind, Process};
use words::{Script, comment};

const FUNCTIONS: &str = include_str!("functions.sh");

/// A script for sh(1) of Debian that builds the container once more.
pub fn script(explanation: &Explanation) -> String {
    let mut script = Script::default();
    head(&mut script, explanation);
    script.line("\nset -eu\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport LC_ALL=C PATH\n");
    script.text.push_str(FUNCTIONS);
    let process = explanation.spec.process.clone().unwrap_or_default();
    script.line("\ncase ${1-outside} in");
    stage(&mut script, "start", "Enters the cgroup, and makes the namespaces.", |script| {
        cgroup::join(script, explanation);
        if mounts::is_prepared(explanation) {
            script.line("exec unshare --mount --propagation slave sh \"$script\" root");
        } else {
            namespaces::make(script, explanation);
        }
    });
    if mounts::is_prepared(explanation) {
        let what =
            "As root of the machine, in a mount namespace that is nobody else's: the root, before its ids are others.";
        stage(&mut script, "root", what, |script| {
            if let Some((uid, gid)) = namespaces::owner(explanation) {
                script.line(format!("owner={uid}:{gid}"));
            }
            mounts::prepare(script, explanation);
            namespaces::make(script, explanation);
        });
    }
    stage(&mut script, "others", "In the user namespace, if there is one.", |script| {
        namespaces::others(script, explanation);
    });
    stage(
        &mut script,
        "inside",
        "In the new namespaces, with the machine's files still there: builds the root at $root.",
        |script| {
            mounts::mounts(script, explanation);
            namespaces::inside(script, explanation);
            mounts::finish(script, explanation);
            process::become_user(script, explanation, &process, namespaces::single(explanation));
        },
    );
    script.line("esac");
    outside(&mut script, explanation, &process);
    script.text
}

fn head(script: &mut Script, explanation: &Explanation) {
    script.line("#!/bin/sh");
    script.line(format!("# The container {}, by hand.", comment(&explanation.name)));
    script.line("#");
    let root = match &explanation.root {
        Root::Host => "this machine's own files".to_owned(),
        Root::Directory(path) => path.to_string_lossy().into_owned(),
        Root::Layers(_) => explanation.around.image.clone().unwrap_or_default(),
    };
    let words = explanation.spec.process.as_ref().map(|process| process.args.join(" ")).unwrap_or_default();
    script.line(format!("# coracle made it of {} for: {}", comment(&root), comment(&words)));
    let whom = if explanation.around.user.is_some() { "as the ordinary user who ran it" } else { "as root" };
    script.line(format!("# This builds the same with unshare, mount, ip and echo. Run it {whom}: sh FILE"));
    script.line("# It needs util-linux, iproute2 and coreutils, and leaves nothing behind.");
    script.line("#");
    script.line("# Over each block stands which of four questions it answers (what the container sees, uses, its files, what it");
    script.line("# may do), what it is for, and in brackets who asked for it.");
}

fn stage(script: &mut Script, name: &str, what: &str, body: impl FnOnce(&mut Script)) {
    script.line(format!("\n# {} {what}", "-".repeat(20)));
    script.line(format!("{name})"));
    body(script);
    script.line(";;");
}

fn outside(script: &mut Script, explanation: &Explanation, process: &Process) {
    script.line(format!(
        "\n# {} Outside: prepares, maps ids, connects, exchanges the root, and clears away.",
        "-".repeat(20)
    ));
    script.line("[ $# -eq 0 ] || die \"it takes no words\"");
    script.line("script=$(realpath -- \"$0\") name=coracle-by-hand-$$ child='' bridge=''");
    script.line("dir=$(mktemp -d -- \"${TMPDIR:-/tmp}/coracle-by-hand.XXXXXX\")\nroot=$dir/root");
    script.line("export script name dir root");
    script.line("clear() {\n    code=$?\n    trap - EXIT\n    [ -z \"$child\" ] || kill -KILL \"$child\" 2>/dev/null || :\n    wait");
    cgroup::remove(script, explanation);
    script.line("    for one in $bridge; do ip link del \"$one\" || :; done");
    script.line("    rm -rf --one-file-system -- \"$dir\"\n    exit \"$code\"\n}");
    script.line("trap clear EXIT\ntrap 'exit 130' INT\ntrap 'exit 143' TERM HUP");
    script.line("mkdir \"$root\" \"$dir/scratch\"\nmkfifo \"$dir/down\" \"$dir/up\"");
    script.line(
        "# The machine's own copy, which every stage can read.\ncp -- \"$script\" \"$dir/script\"; script=$dir/script",
    );
    let mut last = Script::default();
    process::last(&mut last, explanation, process);
    let mut end = "LAST".to_owned();
    while last.text.lines().any(|line| line == end) {
        end.push('_');
    }
    script.block("runs", "the last stage, which waits in the finished container and becomes the command", None);
    script.line(format!("cat >\"$dir/last\" <<'{end}'"));
    script.text.push_str(&last.text);
    script.line(&end);
    cgroup::make(script, explanation);
    script.block("runs", "the first process", None);
    let input = if process.terminal { "exec 7<&0\n" } else { "exec 7</dev/null\n" };
    script.line(format!("{input}sh \"$script\" start <&7 7<&- 3<\"$dir/down\" 4>\"$dir/up\" &\nchild=$!"));
    script.line("exec 5>\"$dir/down\" 6<\"$dir/up\"");
    namespaces::map_ids(script, explanation);
    script.line("\nread -r _ <&6 || die \"the container was not built\"");
    namespaces::networks(script, explanation);
    if namespaces::is_new(explanation, NamespaceKind::Mount) {
        script.block("files", "the root becomes the root, also of who waits inside; this machine's goes", None);
        let user = match (namespaces::is_new(explanation, NamespaceKind::User), namespaces::single(explanation)) {
            (true, false) => " --user=\"/proc/$child/ns/user\" --setuid 0 --setgid 0",
            (true, true) => " --user=\"/proc/$child/ns/user\" --preserve-credentials",
            _ => "",
        };
        script.line(format!("set -- nsenter{user} --mount=\"/proc/$child/ns/mnt\""));
        script.line("\"$@\" sh -c 'cd \"$root\" && exec pivot_root . .'");
        script.line("\"$@\" umount --lazy --no-canonicalize /");
    }
    cgroup::limit(script, explanation);
    script.line("\n# The command runs.\necho go >&5\nexec 5>&- 6<&-\ncode=0\nwait \"$child\" || code=$?\nchild=''\nexit \"$code\"");
}

/// A map of a container's ids to this machine's, whoever's the engine was.
pub(crate) fn through_user(explanation: &Explanation, map: &[oci::runtime::IdMapping]) -> Vec<oci::runtime::IdMapping> {
    match &explanation.around.user {
        Some(user) => namespaces::through(map, &user[0]),
        None => map.to_vec(),
    }
}
