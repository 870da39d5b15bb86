//! The container's files: its root, what is mounted in it, its devices, what is hidden.

use super::words::{Script, asked, asked_any, comment, quote};
use engine::explanation::{Explanation, Root};
use oci::runtime::{DeviceType, Mount, NamespaceKind, Propagation, Spec};
use std::collections::BTreeSet;
use std::path::Path;

const OVERLAY: &str = "index=off,redirect_dir=nofollow,metacopy=off";

/// The nodes that every container has, with their numbers.
const NODES: [(&str, i64, i64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The links in /dev.
const LINKS: [(&str, &str); 6] = [
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// Whether the container has a user namespace of its own: nobody may make device nodes there.
pub fn own_users(spec: &Spec) -> bool {
    spec.linux.iter().flat_map(|linux| &linux.namespaces).any(|one| one.kind == NamespaceKind::User)
}

/// Root of the machine makes the root and /dev of a container with ids of its own before it has them: in a user namespace
/// nobody mounts what has others mounted below it, and nobody makes nodes.
pub fn is_prepared(explanation: &Explanation) -> bool {
    own_users(&explanation.spec) && explanation.around.user.is_none()
}

/// The root, and /dev, as root of the machine.
pub fn prepare(script: &mut Script, explanation: &Explanation) {
    root(script, explanation);
    let dev = explanation.spec.mounts.iter().enumerate().find(|(_, mount)| is_own_dev(mount));
    if let Some((index, mount)) = dev {
        one(script, explanation, index, mount);
        devices(script, explanation);
        script.line("find \"$at\" -exec chown -h \"$owner\" {} +");
    }
    script.line("# The files of this machine and of images are nobody's in there: to show them with other owners takes util-linux");
    script.line("# 2.39 and its X-mount.idmap.");
}

/// All of it, from the root to the last mask.
pub fn mounts(script: &mut Script, explanation: &Explanation) {
    let prepared = is_prepared(explanation);
    if prepared {
        script.block(
            "files",
            "the root that was prepared: bound once more, for what came from outside cannot be taken apart",
            None,
        );
        script.line("mount --rbind \"$root\" \"$root\"");
        cover(script, explanation);
    } else {
        root(script, explanation);
    }
    let spec = &explanation.spec;
    for (index, mount) in spec.mounts.iter().enumerate().filter(|(_, mount)| !(prepared && is_own_dev(mount))) {
        one(script, explanation, index, mount);
        if is_own_dev(mount) {
            devices(script, explanation);
        }
    }
    if !spec.mounts.iter().any(is_dev) {
        devices(script, explanation);
    }
    let Some(linux) = &spec.linux else { return };
    if !linux.readonly_paths.is_empty() {
        script.block("files", "what nobody inside may write", asked(explanation, "linux.readonlyPaths"));
        linux.readonly_paths.iter().for_each(|path| script.line(format!("protect {}", quote(path))));
    }
    if !linux.masked_paths.is_empty() {
        script.block("files", "what nobody inside may see", asked(explanation, "linux.maskedPaths"));
        let all: BTreeSet<&String> = linux.masked_paths.iter().collect();
        let in_order = linux.masked_paths.iter().filter(|path| all.contains(path));
        let mut seen = BTreeSet::new();
        in_order.filter(|path| seen.insert(*path)).for_each(|path| script.line(format!("hide {}", quote(path))));
    }
}

fn is_own_dev(mount: &Mount) -> bool {
    is_dev(mount) && mount.kind.as_deref() == Some("tmpfs")
}

fn is_dev(mount: &Mount) -> bool {
    mount.destination.trim_end_matches('/') == "/dev"
}

fn root(script: &mut Script, explanation: &Explanation) {
    let style = if explanation.around.user.is_some() { ",userxattr" } else { "" };
    match &explanation.root {
        Root::Host => host(script, explanation, &format!("volatile,{OVERLAY}{style}")),
        Root::Directory(path) => {
            script.block("files", "the root: a directory of this machine", Some("--rootfs".to_owned()));
            script.line(format!("mount --rbind {} \"$root\"", quote(&path.to_string_lossy())));
            script.line("mount --make-rprivate \"$root\"");
        }
        Root::Layers(layers) => {
            let image = explanation.around.image.as_deref().unwrap_or("its image");
            script.block("files", &format!("the root: the layers of {image}, and on top one of its own"), None);
            script.line("mount -t tmpfs -o mode=755 scratch \"$dir/scratch\"");
            script.line("mkdir \"$dir/scratch/upper\" \"$dir/scratch/work\"");
            let mut lower = String::new();
            for (number, layer) in layers.iter().enumerate() {
                let path = quote(&layer.to_string_lossy());
                let at = format!("\"$dir/scratch/{number}\"");
                if layer.extension().is_some_and(|extension| extension == "erofs") {
                    script.line(format!("mkdir {at} && mount -t erofs -o ro,loop {path} {at}"));
                } else {
                    script.line(format!("ln -s {path} {at}"));
                }
                lower = format!("$dir/scratch/{number}{}{lower}", if lower.is_empty() { "" } else { ":" });
            }
            script.line("# The upper's own directory is what the root looks like: as in the topmost layer.");
            let top = layers.len().saturating_sub(1);
            script.line(format!("chmod --reference \"$dir/scratch/{top}/.\" \"$dir/scratch/upper\""));
            let owner = if is_prepared(explanation) {
                "\"$owner\"".to_owned()
            } else {
                format!("--reference \"$dir/scratch/{top}/.\"")
            };
            script.line(format!("chown {owner} \"$dir/scratch/upper\" 2>/dev/null || :"));
            script.line(format!(
                "mount -t overlay -o \"nodev,lowerdir={lower},upperdir=$dir/scratch/upper,workdir=$dir/scratch/work,volatile,{OVERLAY}{style}\" overlay \"$root\""
            ));
        }
    }
}

fn host(script: &mut Script, explanation: &Explanation, options: &str) {
    let Some(pieces) = &explanation.around.host else { return };
    script.block("files", "the root: this machine's own directories, each under a layer that is thrown away", None);
    script.line("mount -t tmpfs -o nodev,mode=755 host: \"$root\"");
    script.line("mount -t tmpfs -o mode=755 scratch \"$dir/scratch\"");
    for (path, mode) in &pieces.directories {
        script.line(format!("mkdir -m {mode:o} \"$root\"{}", quote(&path.to_string_lossy())));
    }
    let maps = explanation.spec.linux.iter().flat_map(|linux| &linux.uid_mappings);
    if explanation.around.user.is_some() && maps.clone().any(|range| range.container_id == 0 && range.host_id != 0) {
        script.line("# Most of the machine's directories belong to ids that are none here: in the container they are root's.\nowner=0:0");
    }
    if is_prepared(explanation) {
        script.line("find \"$root\" -exec chown \"$owner\" {} +");
    }
    for (path, target) in &pieces.links {
        let (path, target) = (path.to_string_lossy(), target.to_string_lossy());
        script.line(format!("ln -s -- {} \"$root\"{}", quote(&target), quote(&path)));
    }
    for (number, path) in pieces.overlays.iter().enumerate() {
        script.line(format!("overlay {number} {} {options}", quote(&path.to_string_lossy())));
    }
    for path in &pieces.files {
        let path = quote(&path.to_string_lossy());
        script.line(format!("file {path}; mount --bind {path} \"$at\"; attributes \"$at\" ro"));
    }
    if !is_prepared(explanation) {
        cover(script, explanation);
    }
}

/// What the container is not to see of this machine.
fn cover(script: &mut Script, explanation: &Explanation) {
    for path in explanation.around.host.iter().flat_map(|pieces| &pieces.covered) {
        let mode = if path == Path::new("/var/tmp") { "1777" } else { "755" };
        let path = quote(&path.to_string_lossy());
        script.line(format!("directory {path}; mount -t tmpfs -o nosuid,nodev,mode={mode} none \"$at\""));
        if explanation.spec.root.as_ref().is_some_and(|root| root.readonly) {
            // Now, for something else may be mounted over it.
            script.line("attributes \"$at\" ro");
        }
    }
}

/// What the words of a mount are.
#[derive(Debug, Default)]
struct Words {
    bind: Option<&'static str>,
    propagation: Option<String>,
    attributes: Vec<String>,
    recursive: Vec<String>,
    parameters: Vec<String>,
    copy_up: bool,
    mapped: bool,
}

fn words(mount: &Mount) -> Words {
    let mut all = Words::default();
    for word in &mount.options {
        match word.as_str() {
            "bind" => all.bind = Some("--bind"),
            "rbind" => all.bind = Some("--rbind"),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "unbindable" | "runbindable" => {
                all.propagation = Some(word.clone());
            }
            "ro" | "rw" | "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" | "noatime" | "relatime"
            | "strictatime" | "nodiratime" | "atime" | "diratime" | "nosymfollow" => all.attributes.push(word.clone()),
            "rro" | "rnosuid" | "rnodev" | "rnoexec" => all.recursive.push(word[1..].to_owned()),
            "tmpcopyup" => all.copy_up = true,
            _ if word.starts_with("idmap") || word.starts_with("ridmap") => all.mapped = true,
            "copy-symlink" | "src-nofollow" | "dest-nofollow" | "defaults" => {}
            _ => all.parameters.push(word.clone()),
        }
    }
    if mount.kind.as_deref() == Some("bind") {
        all.bind = all.bind.or(Some("--bind"));
    }
    all.mapped |= !mount.uid_mappings.is_empty();
    all
}

fn one(script: &mut Script, explanation: &Explanation, index: usize, mount: &Mount) {
    let path = format!("mounts[{}]", mount.destination);
    let kind = mount.kind.as_deref().unwrap_or("bind");
    let words = words(mount);
    let intent = match &mount.source {
        Some(source) if explanation.around.files.contains_key(Path::new(source)) => {
            format!("{}, written for it alone", mount.destination)
        }
        Some(source) if words.bind.is_some() => format!("{source} at {}", mount.destination),
        _ => format!("{kind} at {}", mount.destination),
    };
    script.block("files", &intent, asked(explanation, &path));
    if words.mapped {
        script.line("# Its ids are mapped for the container: util-linux 2.39 has X-mount.idmap for that, and here they are not.");
    }
    let at = quote(&mount.destination);
    if words.bind.is_some() {
        bind(script, explanation, index, mount, &words);
        return;
    }
    if matches!(kind, "cgroup" | "cgroup2") {
        cgroup(script, explanation, &at, &words);
        return;
    }
    let takes_mode = kind == "tmpfs" && !words.parameters.iter().any(|word| word.starts_with("mode="));
    if takes_mode {
        script.line(format!("beneath {at}"));
        script.line("mode=$(stat -c %a -- \"$at\" 2>/dev/null || echo 1777)");
    }
    script.line(format!("directory {at}"));
    let mut options = words.attributes.clone();
    options.extend(words.recursive.clone());
    let mut mode = String::new();
    for word in &words.parameters {
        // A group that is not mapped cannot own a terminal.
        if kind == "devpts" && word.starts_with("gid=") && !maps_group(&explanation.spec, &word[4..]) {
            continue;
        }
        options.push(word.clone());
    }
    if takes_mode {
        ",mode=$mode".clone_into(&mut mode);
        if options.is_empty() {
            mode.remove(0);
        }
    }
    let source = mount.source.as_deref().filter(|source| !source.is_empty()).unwrap_or("none");
    // The mount is read-only, not the file system, which others may have too.
    let read_only = options.iter().any(|word| word == "ro");
    options.retain(|word| word != "ro");
    let options = options.join(",");
    let options = match (options.is_empty(), mode.is_empty()) {
        (true, true) => String::new(),
        (_, true) => format!("-o {} ", quote(&options)),
        (true, false) => format!("-o \"{mode}\" "),
        (false, false) => format!("-o {}\"{mode}\" ", quote(&options)),
    };
    if words.copy_up {
        script.line("# What the image has there is copied into it.");
        script.line("cp -a -- \"$at\" \"$dir/copied\"");
    }
    script.line(format!("mount -t {} {options}{} \"$at\"", quote(kind), quote(source)));
    if words.copy_up {
        script.line("cp -a -- \"$dir/copied/.\" \"$at/\" && rm -rf -- \"$dir/copied\"");
    }
    if read_only {
        script.line("attributes \"$at\" ro");
    }
    propagate(script, &words);
}

fn maps_group(spec: &Spec, gid: &str) -> bool {
    let Some(linux) = spec.linux.as_ref().filter(|_| own_users(spec)) else { return true };
    let Ok(gid) = gid.parse::<u32>() else { return true };
    linux.gid_mappings.iter().any(|range| gid >= range.container_id && gid - range.container_id < range.size)
}

fn propagate(script: &mut Script, words: &Words) {
    if let Some(kind) = &words.propagation {
        script.line(format!("mount --make-{kind} \"$at\""));
    }
}

fn bind(script: &mut Script, explanation: &Explanation, index: usize, mount: &Mount, words: &Words) {
    let source = mount.source.as_deref().unwrap_or_default();
    let how = words.bind.unwrap_or("--bind");
    let (at, from) = (quote(&mount.destination), format!("\"$dir/file{index}\""));
    let source = if let Some(text) = explanation.around.files.get(Path::new(source)) {
        script.line(format!("printf %s {} >{from}", quote(text)));
        script.line(format!("file {at}"));
        from
    } else if Path::new(source).file_name().is_some_and(|name| name.to_string_lossy().starts_with("secret-")) {
        script.line("# A secret, which is written down nowhere: here it is empty.");
        script.line(format!(": >{from}"));
        script.line(format!("file {at}"));
        from
    } else {
        let source = quote(source);
        script.line(format!("if [ -d {source} ]; then directory {at}; else file {at}; fi"));
        source
    };
    script.line(format!("mount {how} {source} \"$at\""));
    script.line(format!("mount --make-{} \"$at\"", words.propagation.as_deref().unwrap_or("rprivate")));
    if !words.attributes.is_empty() {
        if own_users(&explanation.spec) {
            script.line(format!("attributes \"$at\" {}", quote(&words.attributes.join(","))));
        } else {
            script.line(format!(
                "mount -o {} -- \"$at\"",
                quote(&format!("remount,bind,{}", words.attributes.join(",")))
            ));
        }
    }
    if !words.recursive.is_empty() {
        script.line("# The same for all that is mounted below it.");
        script.line("findmnt -nro TARGET --submounts --mountpoint \"$at\" | while read -r below; do");
        script.line(format!("    attributes \"$below\" {}\ndone", quote(&words.recursive.join(","))));
    }
}

/// What the container sees of the cgroups: in a namespace of its own, its own as the root.
fn cgroup(script: &mut Script, explanation: &Explanation, at: &str, words: &Words) {
    let flags: Vec<&str> =
        words.attributes.iter().map(String::as_str).filter(|word| !matches!(*word, "ro" | "rw")).collect();
    let flags = flags.join(",");
    let read_only = words.attributes.iter().any(|word| word == "ro");
    let own = explanation.spec.linux.iter().flat_map(|l| &l.namespaces).any(|n| n.kind == NamespaceKind::Cgroup);
    let hierarchies = &explanation.around.hierarchies;
    script.line(format!("directory {at}"));
    if let [only] = hierarchies.as_slice()
        && only.is_empty()
        && own
    {
        script.line(format!("mount -t cgroup2 -o {} cgroup \"$at\"", quote(&flags)));
        if read_only {
            script.line("attributes \"$at\" ro");
        }
        return;
    }
    script.line(format!("mount -t tmpfs -o {} tmpfs \"$at\"", quote(&format!("{flags},mode=755"))));
    script.line("groups=$at");
    for key in hierarchies {
        let name = if key.is_empty() { "unified" } else { key.trim_start_matches("name=") };
        let place = format!("\"$groups/\"{}", quote(name));
        script.line(format!("mkdir {place}"));
        let own_path = explanation.around.cgroup.get(key).filter(|_| !own);
        match (own_path, key.as_str()) {
            (Some(path), _) => {
                let above = path.rsplit_once('/').map_or("", |(above, _)| above);
                script.line(format!("mount --bind {}/\"$name\" {place}", quote(above)));
            }
            (None, "") => script.line(format!("mount -t cgroup2 -o {} cgroup {place}", quote(&flags))),
            (None, key) => {
                let key = if key.starts_with("name=") { format!("none,{key}") } else { key.to_owned() };
                script.line(format!("mount -t cgroup -o {} cgroup {place}", quote(&format!("{flags},{key}"))));
            }
        }
        if read_only {
            script.line(format!("attributes {place} ro"));
        }
        for part in name.split(',').filter(|part| *part != name) {
            script.line(format!("ln -s {} \"$groups/\"{}", quote(name), quote(part)));
        }
    }
    if read_only {
        script.line("attributes \"$groups\" ro");
    }
}

fn devices(script: &mut Script, explanation: &Explanation) {
    let spec = &explanation.spec;
    let own = own_users(spec) && !is_prepared(explanation);
    let intent = if own {
        "device nodes: in a user namespace nobody makes any, so this machine's are bound"
    } else {
        "device nodes and links"
    };
    script.block("files", intent, asked_any(explanation, &["linux.devices"]));
    script.line("directory /dev/pts; directory /dev/shm; directory /dev/mqueue");
    let listed = spec.linux.as_ref().map_or(&[][..], |linux| &linux.devices);
    let defaults = NODES.iter().map(|(name, major, minor)| (format!("/dev/{name}"), 'c', *major, *minor, 0o666, 0, 0));
    let mut nodes: Vec<_> = defaults.filter(|node| !listed.iter().any(|device| device.path == node.0)).collect();
    for device in listed.iter().filter(|device| !LINKS.iter().any(|(name, _)| device.path == format!("/dev/{name}"))) {
        let kind = match device.kind {
            DeviceType::Block => 'b',
            DeviceType::Fifo => 'p',
            _ => 'c',
        };
        let (uid, gid) = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
        let mode = device.file_mode.unwrap_or(0o666) & 0o7777;
        nodes.push((device.path.clone(), kind, device.major, device.minor, mode, uid, gid));
    }
    for (path, kind, major, minor, mode, uid, gid) in nodes {
        let who = asked(explanation, &format!("linux.devices[{path}]")).map(|who| format!("  # {}", comment(&who)));
        let (at, who) = (quote(&path), who.unwrap_or_default());
        if own {
            script.line(format!("file {at}; mount --bind {at} \"$at\"{who}"));
            continue;
        }
        let numbers = if kind == 'p' { String::new() } else { format!(" {major} {minor}") };
        let owner = if (uid, gid) == (0, 0) { String::new() } else { format!(" && chown {uid}:{gid} \"$at\"") };
        let parents = if path.matches('/').count() > 2 { "mkdir -p -- \"${at%/*}\"; " } else { "" };
        script.line(format!("beneath {at}; {parents}mknod -m {mode:o} \"$at\" {kind}{numbers}{owner}{who}"));
    }
    for (name, target) in LINKS {
        script.line(format!("beneath /dev; ln -sf {target} \"$at/{name}\""));
    }
}

/// The root's last changes before it becomes the root.
pub fn finish(script: &mut Script, explanation: &Explanation) {
    let spec = &explanation.spec;
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        script.block("files", "the root becomes read-only", asked(explanation, "root.readonly"));
        script.line("attributes \"$root\" ro");
        if let Some(pieces) = &explanation.around.host {
            for path in &pieces.overlays {
                script.line(format!("beneath {}; attributes \"$at\" ro", quote(&path.to_string_lossy())));
            }
        }
    }
    let kind = spec.linux.as_ref().and_then(|linux| linux.rootfs_propagation).map(|kind| match kind {
        Propagation::Shared => "shared",
        Propagation::Slave => "slave",
        Propagation::Private => "private",
        Propagation::Unbindable => "unbindable",
    });
    if let Some(kind) = kind {
        script.block("files", "how mounts in the root and below it pass on", None);
        script.line(format!("mount --make-r{kind} \"$root\""));
    }
}
