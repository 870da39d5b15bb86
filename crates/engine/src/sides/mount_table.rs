//! `/proc/PID/mountinfo`, proc_pid_mountinfo(5): every mount that a process can reach, and which one a path leads to.

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub id: u32,
    pub parent: u32,
    /// What of the file system is mounted.
    pub root: String,
    /// Where.
    pub point: String,
    /// Options of this mount.
    pub options: String,
    /// `shared:N`, `master:N` and the like.
    pub propagation: String,
    pub kind: String,
    pub source: String,
    /// Options of the file system.
    pub own_options: String,
}

impl Line {
    fn read(line: &str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ');
        let (id, parent) = (front.next()?.parse().ok()?, front.next()?.parse().ok()?);
        let (root, point, options) = (front.nth(1)?, front.next()?, front.next()?);
        let propagation = front.collect::<Vec<_>>().join(",");
        let mut back = back.splitn(3, ' ');
        Some(Self {
            id,
            parent,
            root: unescape(root),
            point: unescape(point),
            options: options.to_owned(),
            propagation,
            kind: unescape(back.next()?),
            source: unescape(back.next()?),
            own_options: unescape(back.next().unwrap_or_default()),
        })
    }

    /// Nothing can be written through it.
    pub fn is_read_only(&self) -> bool {
        self.options.split(',').any(|option| option == "ro")
    }
}

/// Reads the file; lines that are none are passed over.
pub(super) fn read(text: &str) -> Vec<Line> {
    text.lines().filter_map(Line::read).collect()
}

/// The mount that a path without links leads to. One that another covers is not found.
pub(super) fn at<'a>(lines: &'a [Line], path: &str) -> Option<&'a Line> {
    // What is mounted over the root is a child of it, and not its own.
    let mut here = lines.iter().find(|line| line.point == "/" && !lines.iter().any(|other| other.id == line.parent))?;
    let mut left = lines.len();
    loop {
        let children = lines.iter().filter(|line| line.parent == here.id && line.id != line.parent);
        let on_the_way = children.filter(|line| is_within(path, &line.point));
        match on_the_way.min_by_key(|line| line.point.len()) {
            // A table that leads in circles is none.
            Some(next) if left > 0 => (here, left) = (next, left - 1),
            _ => return Some(here),
        }
    }
}

/// `path` is `dir`, or lies in it.
pub(super) fn is_within(path: &str, dir: &str) -> bool {
    dir == "/" || path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "46 54 0:39 / / rw,nodev,relatime - overlay overlay rw,lowerdir+=/x\n\
        48 46 254:0 /vol\\040one /data rw,relatime shared:3 master:4 - ext4 /dev/vda rw\n\
        nonsense\n\
        49 48 0:45 / /data/deep ro - tmpfs tmpfs rw,size=4k\n\
        50 46 0:46 / /data ro - tmpfs over rw\n";

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let lines = read(TEXT);
        assert_eq!(lines.len(), 4);
        assert_eq!((lines[1].root.as_str(), lines[1].propagation.as_str()), ("/vol one", "shared:3,master:4"));
        assert_eq!(unescape("a\\134b\\303\\251\\"), "a\\b\u{e9}\\");
        assert!(lines[2].is_read_only() && !lines[1].is_read_only());
    }

    #[test]
    fn a_path_leads_to_the_mount_on_top() {
        let lines = read(TEXT);
        let to = |path| at(&lines, path).map(|line| line.id);
        assert_eq!((to("/"), to("/etc"), to("/database")), (Some(46), Some(46), Some(46)));
        // Two mounts of one place beside each other do not come to be; what lies deeper is passed on the way.
        let stacked = read(
            "1 0 0:1 / / rw - a a rw\n2 1 0:2 / /d rw - b b rw\n3 2 0:3 / /d rw - c c rw\n4 2 0:4 / /d/e rw - d d rw\n",
        );
        assert_eq!(at(&stacked, "/d/e").map(|line| line.id), Some(3), "what covers /d hides /d/e");
    }
}
