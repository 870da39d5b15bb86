//! A large image unpacked: by us into directories and into EROFS images, and by umoci; all three are the same tree to GNU
//! tar, in names, kinds, modes, owners, times, extended attributes, links and content. Umoci writes holes out, which tar
//! does not see here, and takes no time after 2037, which is why none stands here.

#![forbid(unsafe_code)]

#[path = "seed/archive.rs"]
mod archive;

use archive::{docker_archive, skopeo_copy, text};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Invocation, Sandbox, requires};

/// Names of this machine's own files; and of each kind what seldom stands in a distribution.
const BELOW: &str = r#"
set -eu
find /usr -xdev ! -type d ! -size +128k ! -path '*/target/*' | head -n 20500 > list
mkdir -p below && tar -C / --no-recursion -cf - -T list 2>/dev/null | tar --same-owner -xpf - -C below
cd below
mkdir -p odd/deep gone/inner covered/by/below turns
mkfifo odd/fifo
mknod odd/null c 1 3
mknod odd/loop b 7 300
ln -s /../absent odd/link
ln -s "$(printf 'l%.0s' $(seq 600))" odd/longlink
echo one > odd/a && ln odd/a odd/deep/b
truncate -s 64M odd/sparse && echo x | dd of=odd/sparse bs=1 seek=5000000 conv=notrunc status=none
touch "odd/$(printf 'n%.0s' $(seq 250))" "odd/$(printf 'caf\351')" 'odd/ blank
line'
touch -d '1969-12-31T23:59:58.25Z' odd/old && touch -d '2037-12-31T23:59:59.123456789Z' odd/new
chown 3000000:4000000 odd/new && chmod 4751 odd/new && chmod 1777 odd
python3 - <<'PY'
import os
os.setxattr('odd/a', 'user.colour', b'blue\0green')
os.setxattr('odd/new', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))
os.setxattr('odd/deep', 'trusted.mine', b'x' * 900)
PY
echo gone > gone/file && echo below > covered/by/below/file && echo file > turns/dir && mkdir turns/file && touch turns/file/in
"#;

/// Takes away, hides and turns what stands below.
const ABOVE: &str = r"
set -eu
mkdir -p above/covered/by above/turns/dir above/odd && cd above
touch .wh.gone covered/by/.wh..wh..opq covered/by/new odd/.wh.fifo
echo now > turns/file && echo in > turns/dir/in && chmod 700 covered && chmod 1777 odd
";

/// What is mounted for that ends with this shell's mount namespace. GNU tar's words for a tree are its bytes.
const TREE: &str = r#"
tar --format=posix --pax-option=delete=atime,delete=ctime,exthdr.name=x --sort=name --numeric-owner \
    --xattrs --xattrs-include='*' --xattrs-exclude='trusted.overlay.*' -C "$1" -cf "$2" .
"#;

/// Layers, highest first, as one tree at `$1`: each a directory or an EROFS image.
const MERGE: &str = r#"
set -eu
at=$1; out=$2; shift 2; lowers=
for layer; do
    if [ -f "$layer/layer.erofs" ]; then
        mkdir -p "$at/$(basename "$layer")" && mount -o loop,ro "$layer/layer.erofs" "$at/$(basename "$layer")"
        lowers=$lowers:$at/$(basename "$layer")
    else
        lowers=$lowers:$layer/fs
    fi
done
mkdir -p "$at/merged" && mount -t overlay -o "ro,xino=off,lowerdir=${lowers#:}" overlay "$at/merged"
set -- "$at/merged" "$out"
"#;

fn shell(sandbox: &Sandbox, script: &str, words: &[&str]) {
    sandbox.command("sh").current_dir(sandbox.join("home")).args(["-c", script, "sh"]).args(words).ok();
}

/// The directories of an image's layers, highest first.
fn layers(sandbox: &Sandbox, root: &Path, name: &str) -> Vec<PathBuf> {
    let inspected = sandbox.coracle(["--root", text(root), "image", "inspect", name]).ok();
    let image: Value = serde_json::from_str(&inspected.stdout).expect("JSON");
    let ids = image[0]["RootFS"]["Layers"].as_array().expect("layers").iter().rev();
    let hex = |id: &Value| id.as_str().and_then(|id| id.strip_prefix("sha256:")).expect("a digest").to_owned();
    ids.map(|id| root.join("layers").join(hex(id))).collect()
}

#[test]
fn what_we_and_umoci_unpack_are_the_same_trees() {
    requires!(root, package = "umoci", package = "skopeo");
    let sandbox = Sandbox::new();
    let at = |name: &str| sandbox.join("home").join(name);
    shell(&sandbox, BELOW, &[]);
    shell(&sandbox, ABOVE, &[]);
    let many = Invocation::new("sh").args(["-c", "find \"$1\" | wc -l", "sh", text(&at("below"))]).ok();
    assert!(many.stdout.trim().parse::<u32>().expect("a number") >= 20_000, "{}", many.stdout);
    let archive = docker_archive(&sandbox, "large", &[at("below"), at("above")], &json!({}));
    let layout = format!("oci:{}:docker.io/library/large:latest", at("layout").display());
    skopeo_copy(&format!("docker-archive:{}", archive.display()), &layout, &[]);
    sandbox
        .command("umoci")
        .args(["unpack", "--keep-dirlinks", "--image", layout.trim_start_matches("oci:"), text(&at("bundle"))])
        .ok();
    shell(&sandbox, TREE, &[text(&at("bundle/rootfs")), text(&at("umoci.tar"))]);
    for driver in ["overlay", "erofs"] {
        let root = at(driver);
        let loaded =
            sandbox.coracle(["--root", text(&root), "--storage-driver", driver, "load", "-i", text(&at("layout"))]);
        let loaded = loaded.timeout(Duration::from_mins(5)).run();
        if driver == "erofs" && loaded.stderr.contains("--storage-driver overlay") {
            println!("SKIP(erofs): this kernel or file system mounts no EROFS image from a file");
            continue;
        }
        loaded.code(0);
        let layers = layers(&sandbox, &root, "large");
        let ours = at(&format!("{driver}.tar"));
        let mut merge = vec![text(sandbox.path()), text(&ours)];
        let merged = at(&format!("{driver}-mounts"));
        merge[0] = text(&merged);
        merge.extend(layers.iter().map(|layer| text(layer)));
        let both = format!("{MERGE}{TREE}");
        sandbox.command("unshare").args(["-m", "sh", "-c", &both, "sh"]).args(&merge).ok();
        same(&sandbox, &at("umoci.tar"), &ours);
    }
}

/// Two archives have the same bytes, or else the first lines in which their lists differ.
fn same(sandbox: &Sandbox, theirs: &Path, ours: &Path) {
    let script = r"
import filecmp, hashlib, sys, tarfile, difflib
if filecmp.cmp(*sys.argv[1:], shallow=False): sys.exit()
def lines(path):
    with tarfile.open(path, errors='surrogateescape') as tar:
        for m in tar:
            digest = hashlib.sha256(tar.extractfile(m).read()).hexdigest() if m.isreg() else ''
            yield ascii((m.name, m.type, oct(m.mode), m.uid, m.gid, m.size, m.mtime, m.linkname, m.devmajor, m.devminor, m.pax_headers, digest))
for line in list(difflib.unified_diff(*map(list, map(lines, sys.argv[1:])), lineterm='', n=0))[:40]: print(line[:600])
sys.exit(1)
";
    sandbox.command("python3").args(["-c", script, text(theirs), text(ours)]).ok();
}
