//! The page of a start, as a browser shows it.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{Invocation, Outcome, Sandbox, requires};

const HOSTILE: &str =
    "</script></style><img src=\"http://127.0.0.1:9/\" onerror=\"nosuch()\"><script>nosuch()</script>";

/// The same for what takes no colon.
const PLACE: &str = "</script><img src=x onerror=nosuch()><script>nosuch()</script>";

/// A page of a container whose names are as bad as can be, and in many places.
#[track_caller]
fn page(sandbox: &Sandbox, rest: &[&str]) -> PathBuf {
    let file = sandbox.join("home/start.html");
    let explain = format!("--explain-file={}", file.display());
    let variable = format!("A={HOSTILE}");
    let volume = format!("{}:/v/{PLACE}", sandbox.join("xdg").display());
    let words = ["run", "--rm", &explain, "-m", "64m", "-e", &variable, "-v", &volume, "--hostname", "box"];
    sandbox.coracle(words).args(["--name", "shop", "host:"]).args(rest).run().code(0);
    file
}

/// What a browser makes of a file: the tree, and what it says of it.
struct Shown {
    tree: String,
    said: String,
    /// Requests that the page has caused, by their initiators.
    requests: Vec<String>,
}

#[track_caller]
fn shown(sandbox: &Sandbox, file: &Path) -> Shown {
    let log = sandbox.join("home/net.json");
    let _ = fs::remove_file(&log);
    let outcome: Outcome = Invocation::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", sandbox.join("home/profile").display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}", file.display()))
        .timeout(Duration::from_mins(2))
        .run();
    outcome.code(0);
    let events = fs::read_to_string(log).expect("what it asked for");
    // The browser's own requests have none.
    let initiator = |rest: &str| rest.split('"').next().unwrap_or_default().to_owned();
    let requests = events.split("\"initiator\":\"").skip(1).map(initiator).filter(|by| by != "not an origin").collect();
    Shown { tree: outcome.stdout.clone(), said: outcome.stderr.clone(), requests }
}

#[test]
fn it_opens_without_an_error_and_asks_nobody_for_anything() {
    requires!(root, cgroups, package = "chromium");
    let sandbox = Sandbox::new();
    // What would be seen if it did not: a page that does both.
    let bad = sandbox.file("home/bad.html", HOSTILE.trim_start_matches("</script></style>"));
    let seen = shown(&sandbox, &bad);
    assert!(seen.said.contains("CONSOLE") && !seen.requests.is_empty(), "{}\n{:?}", seen.said, seen.requests);
    let file = page(&sandbox, &["true", HOSTILE]);
    let seen = shown(&sandbox, &file);
    assert!(!seen.said.contains("CONSOLE"), "{}", seen.said);
    assert_eq!(seen.requests, Vec::<String>::new());
    assert!(!seen.tree.contains("<script") && !seen.tree.contains("<img"), "names are text");
    for word in ["Where the time went", "What it is", "What it sees", "What it may use", "What it may do", "shop"] {
        assert!(seen.tree.contains(word), "{word}");
    }
}

/// The number behind a name in the tree.
#[track_caller]
fn number(tree: &str, name: &str) -> f64 {
    let rest = tree.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name}")).1;
    rest.split('"').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The page in a window of this width, with a script that measures it: whether anything sticks out, where the last bar of a
/// lane ends, and until when the bars say that they are.
fn measured(sandbox: &Sandbox, file: &Path, width: u32) -> PathBuf {
    let text = fs::read_to_string(file).expect("the page");
    let policy = text.lines().find(|line| line.contains("Content-Security-Policy")).expect("a policy");
    let script = "<script>const all = document.documentElement; let end = 0, sum = 0;\
         for (const bar of document.querySelectorAll('.lane a')) {\
           const lane = bar.parentElement.getBoundingClientRect(), box = bar.getBoundingClientRect();\
           end = Math.max(end, (box.right - lane.left) / lane.width);\
           sum = Math.max(sum, Number(bar.dataset.start) + Number(bar.dataset.duration)); }\
         const root = parent.document.documentElement;\
         root.setAttribute('data-wide', all.scrollWidth); root.setAttribute('data-window', innerWidth);\
         root.setAttribute('data-end', end); root.setAttribute('data-sum', sum);</script></body>";
    let inner = text.replace(policy, "").replace("</body>", script).replace('&', "&amp;").replace('"', "&quot;");
    sandbox.file(
        "home/measured.html",
        format!("<iframe width={width} height=900 style='border: 0' srcdoc=\"{inner}\"></iframe>"),
    )
}

#[test]
fn it_fits_a_telephone_and_a_wide_window() {
    requires!(root, cgroups, package = "chromium");
    let sandbox = Sandbox::new();
    let file = page(&sandbox, &["true", HOSTILE]);
    for width in [360, 1600] {
        let tree = shown(&sandbox, &measured(&sandbox, &file, width)).tree;
        assert!(number(&tree, "data-wide") <= number(&tree, "data-window"), "nothing sticks out at {width}");
        assert!((number(&tree, "data-window") - f64::from(width)).abs() < 1.0, "{width}");
        // Bars of nothing are a pixel wide.
        assert!(
            (number(&tree, "data-end") - 1.0).abs() < 0.01,
            "the lanes end with the start: {}",
            number(&tree, "data-end")
        );
    }
}

/// From the last that is done before main to the command's execution, in nanoseconds, as strace sees it.
fn start(log: &str) -> f64 {
    let at = |line: &str| line.split_whitespace().nth(1).and_then(|time| time.parse::<f64>().ok()).expect("a time");
    let main = log.lines().find(|line| line.contains("sigaltstack({ss_sp=0x")).map(at).expect("main");
    let command = log.lines().rfind(|line| line.contains("execve(") && line.ends_with(" = 0"));
    (command.map(at).expect("a command") - main) * 1e9
}

#[test]
fn its_timeline_is_as_long_as_the_start() {
    requires!(root, cgroups, timing, package = "chromium", package = "strace");
    let sandbox = Sandbox::new();
    // Each stop of the tracer makes what it measures longer, and never shorter.
    let mut seen = Vec::new();
    for _ in 0..10 {
        let (file, log) = (sandbox.join("home/start.html"), sandbox.join("home/strace.log"));
        let explain = format!("--explain-file={}", file.display());
        let log_word = log.display().to_string();
        let wrapper = ["strace", "-f", "--seccomp-bpf", "-ttt", "-e", "trace=execve,sigaltstack", "-o", &log_word];
        sandbox.coracle(["run", "--rm", &explain, "host:", "true"]).under(wrapper).run().code(0);
        let real = start(&fs::read_to_string(&log).expect("what strace saw"));
        let sum = number(&shown(&sandbox, &measured(&sandbox, &file, 1280)).tree, "data-sum");
        seen.push((sum, real));
        if (sum - real).abs() <= real * 0.05 {
            return;
        }
    }
    panic!("what the page tells, and what strace has seen: {seen:?}");
}

#[test]
fn it_is_whole_without_a_browser() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let text = fs::read_to_string(page(&sandbox, &["true", HOSTILE])).expect("the page");
    assert!(text.starts_with("<!doctype html>\n<html lang=\"en\">") && text.ends_with("</html>\n"));
    for tag in
        ["html", "head", "body", "main", "section", "div", "ul", "ol", "li", "details", "summary", "table", "a", "span"]
    {
        let (opened, closed) = (
            text.matches(&format!("<{tag} ")).count() + text.matches(&format!("<{tag}>")).count(),
            text.matches(&format!("</{tag}>")).count(),
        );
        assert_eq!(opened, closed, "{tag}");
    }
    for word in ["--hostname", "--memory", "64 MiB", "sethostname(", "&lt;img src=&quot;http://127.0.0.1:9/&quot;"] {
        assert!(text.contains(word), "{word}");
    }
    assert!(!text.contains("<script") && !text.contains("<img"));
}
