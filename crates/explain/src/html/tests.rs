//! Pages of starts that never were, with the worst of names.

use super::html;
use engine::explanation::{Asked, Explanation, Root, Step};
use oci::runtime::{Mount, Process, Spec};
use runtime::Heading;

const HOSTILE: &str = "</script></style><img src=x onerror=alert(1)>\"'><script>alert(2)</script>";

fn hostile() -> Explanation {
    let text = || HOSTILE.to_owned();
    let mount = Mount { destination: text(), source: Some(text()), kind: Some("bind".to_owned()), ..Mount::default() };
    let process = Process { args: vec![text()], env: vec![text()], cwd: text(), ..Process::default() };
    let spec = Spec { hostname: Some(text()), mounts: vec![mount], process: Some(process), ..Spec::default() };
    let step = |heading, inside, start| Step {
        heading,
        intent: text(),
        effect: text(),
        origin: Some(Asked::Flag(text())),
        start,
        duration: 1_000_000,
        inside,
        calls: Vec::new(),
    };
    let around = engine::surroundings::Surroundings { image: Some(text()), ..Default::default() };
    Explanation {
        id: text(),
        name: text(),
        root: Root::Layers(vec![HOSTILE.into()]),
        spec: Box::new(spec),
        origins: vec![(format!("mounts[{HOSTILE}]"), Asked::Flag(text()))],
        steps: vec![step(Some(Heading::Sees), false, 0), step(None, true, 1_000_000)],
        around,
    }
}

#[test]
fn no_name_becomes_markup() {
    let page = html(&hostile());
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("onerror=alert(1)>"), "{page}");
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.matches("&lt;img src=x onerror=alert(1)&gt;").count() > 8);
}

#[test]
fn it_asks_nobody_for_anything() {
    let page = html(&hostile());
    for word in ["http:", "https:", "@import", "url(", "src=\"", "<link", "<base"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_bar_is_as_wide_as_its_step_took() {
    let page = html(&hostile());
    assert!(page.contains("data-total=\"2000000\""));
    assert!(
        page.contains("style=\"left:0.0000%;width:50.0000%\"")
            && page.contains("style=\"left:50.0000%;width:50.0000%\"")
    );
}

/// The contrast of two colours, WCAG 2 1.4.3.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |hex: &str| {
        let hex = hex.trim_start_matches('#');
        let hex = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
        let part = |at: usize| {
            let part = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("a colour")) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn what_is_written_can_be_read_in_both_schemes() {
    let blocks: Vec<&str> =
        super::STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().expect("a block")).collect();
    for scheme in &blocks[..2] {
        let colour = |name: &str| {
            let line = scheme.lines().find_map(|line| line.trim().strip_prefix(&format!("--{name}: ")));
            line.unwrap_or_else(|| panic!("{name} in {scheme}")).trim_end_matches(';')
        };
        for ground in ["page", "card", "well"] {
            for text in ["ink", "soft", "maydo"] {
                let contrast = contrast(colour(text), colour(ground));
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
        }
        for lane in ["sees", "uses", "files", "maydo", "runs", "prepares"] {
            let contrast = contrast(colour("on"), colour(lane));
            assert!(contrast >= 4.5, "on {lane}: {contrast:.2}");
        }
    }
}
