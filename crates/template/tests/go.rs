//! Go's own package, which podman has in it, makes the same of a template as we do.

#![allow(clippy::disallowed_methods, reason = "tests run other programs by themselves")]

use std::process::Command;

use serde_json::Value;
use template::Template;
use testkit::requires;

/// Templates that need no data.
const SAME: &[&str] = &[
    r#"{{"plain"}} text {{/* a comment */}}after"#,
    "a {{- \" trimmed \" -}} b",
    "a {{- /* trimmed */ -}} b",
    "{{`raw \\x`}} {{'x'}} {{0x1F}} {{1_000}} {{-3}} {{1e3}} {{.5}} {{017}}",
    r#"{{"\u00e9\x41\t\"q\""}}"#,
    r"{{true}} {{false}} {{not true}} {{not 0}} {{not 1}}",
    r#"{{and 1 2}} {{and 0 2}} {{and "" 1}}- {{or 0 "x"}} {{or 0 ""}}- {{or 3 4}}"#,
    r#"{{eq 1 1}} {{eq 1 2 1}} {{ne "a" "b"}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}} {{lt "a" "b"}} {{eq 1.5 1.5}}"#,
    r#"{{len "abc"}} {{len "é"}} {{index "abc" 1}} {{slice "abcdef" 2}} {{slice "abcdef" 2 4}} {{slice "abc"}}"#,
    r#"{{print 1 2 "a" "b" 3}} {{println 1 "a"}}"#,
    r#"{{html "<a href='x'>&\"</a>"}} {{js "it's <b>\n\"x\" = \\"}} {{urlquery "a b/c?d=é&"}}"#,
    r#"{{printf "%d %5d|%-5d|%05d|%+d|% d|%x|%X|%o|%b|%#x|%c|%U" 1 2 3 4 5 6 255 255 8 5 255 65 233}}"#,
    r#"{{printf "%s|%8s|%-8s|%.2s|%q|%x|%v|%%" "abc" "abc" "abc" "abc" "a\"b" "hi" "v"}}"#,
    r#"{{printf "%v %v %v %t" 1 1.5 true false}} {{printf "%-05d|" 3}} {{printf "%05d" -3}}"#,
    r#"{{printf "%f|%.2f|%8.3f|%-8.1f|%+.1f|%e|%.1e|%g|%g|%g|%.3g" 1.5 2.345 3.14159 2.5 1.0 12345.678 0.00012 1e21 1.0 0.00001 1234.5678}}"#,
    r"{{1e21}} {{1e20}} {{0.0001}} {{0.00001}} {{1.50}} {{100.0}} {{123456.5}} {{1234567.0}}",
    r#"{{printf "%d" "text"}} {{printf "%s" 1}} {{printf "%d"}} {{printf "x" 1 "y"}} {{printf "%!"}} {{printf "%z" 1}} {{printf "%"}}"#,
    r#"{{"a" | printf "%s-%s" "b"}} {{"x" | len}} {{1 | eq 1 | not}} {{("abc" | len)}} {{3 | printf "%d" | len | printf "%03d"}}"#,
    r"{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}{{if true}}{{$x := 3}}{{$x}}{{$x = 4}}{{end}}{{$x}}",
    r#"{{$x := "out"}}{{with "in"}}{{.}}{{$x = "changed"}}{{end}}{{$x}}"#,
    r"{{if 0}}a{{else if 1}}b{{else}}c{{end}} {{if false}}a{{else if false}}b{{else}}c{{end}}",
    r#"{{with ""}}a{{else}}none{{end}} {{with $y := "v"}}{{$y}}{{.}}{{end}}"#,
    r#"{{define "t"}}<{{.}}>{{end}}{{template "t" 1}}{{template "t" "x"}}{{block "b" 5}}[{{.}}]{{end}}"#,
    r#"{{define "t"}}{{if gt (len .) 1}}{{template "t" (slice . 1)}}{{end}}{{.}} {{end}}{{template "t" "abc"}}"#,
    r#"{{range split "a,b,c" ","}}{{.}};{{end}}{{range $i, $e := split "a,b" ","}}{{$i}}={{$e}} {{end}}"#,
    r#"{{range $e := split "a,b,c,d" ","}}{{if eq $e "b"}}{{continue}}{{end}}{{if eq $e "d"}}{{break}}{{end}}{{$e}}{{end}}"#,
    r#"{{$n := 0}}{{range split "a,b,c" ","}}{{$n = len .}}{{$n}}{{end}}{{$n}}"#,
    r#"{{split "a,b" ","}} {{join (split "a,b,c" ",") "-"}} {{index (split "a,b" ",") 1}} {{len (split "a,b" ",")}}"#,
    r#"{{title "hello big world"}} {{lower "ABC"}} {{upper "abc"}} {{truncate "abcdef" 3}} {{pad "x" 2 3}}| {{pad "" 2 3}}|"#,
    r#"{{json "a\"b"}} {{json 1}} {{json (split "a,b" ",")}} {{json true}}"#,
    "{{  \"spaces\"  }}\n\n{{\"lines\"\n}}",
    r#"{{(index (split "a b" " ") 0) | printf "%s!"}}"#,
    r"{{if and (eq 1 1) (or false (not false))}}yes{{end}}",
    r#"{{or (eq 1 2) "x" | printf "%v"}}"#,
];

/// Templates that nobody takes, or that fail when they run.
const REFUSED: &[&str] = &[
    "{{",
    "{{}}",
    "{{if}}x{{end}}",
    "{{if 1}}x",
    "{{end}}",
    "{{else}}",
    "{{nosuch 1}}",
    "{{.}",
    r#"{{"x}}"#,
    "{{`x}}",
    "{{'ab'}}",
    "{{1 2}}",
    r#"{{"a" | 1}}"#,
    "{{(1}}",
    "{{1)}}",
    "{{$x}}",
    "{{$x = 1}}",
    "{{break}}",
    r#"{{template "none"}}"#,
    r#"{{define "t"}}{{template "t"}}{{end}}{{template "t"}}"#,
    "{{/* x }}",
    "{{1.2.3}}",
    "{{0x}}",
    r#"{{eq 1 "a"}}"#,
    "{{eq 1 1.0}}",
    "{{len 3}}",
    r#"{{index "abc" 3}}"#,
    r#"{{slice "abc" 2 5}}"#,
    "{{index 1 1}}",
    "{{range true}}{{end}}",
    r#"{{"a".B}}"#,
    "{{lt true false}}",
    "{{not}}",
    r#"{{range split "a" ","}}{{else if 1}}{{end}}"#,
];

fn by_podman(template: &str) -> Result<String, String> {
    let output = Command::new("podman").args(["version", "--format", template]).output().expect("podman runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn by_us(template: &str) -> Result<String, template::Error> {
    Template::parse(template)?.execute(&Value::Null)
}

#[test]
fn what_go_prints_is_what_we_print() {
    requires!(package = "podman");
    let mut differ = Vec::new();
    for template in SAME {
        let ours = by_us(template).unwrap_or_else(|error| panic!("{template}: {error}"));
        let theirs = by_podman(template).unwrap_or_else(|error| panic!("{template}: {error}"));
        // Podman ends the line if nothing else did.
        if ours != theirs && format!("{ours}\n") != theirs {
            differ.push(format!("{template}\n ours: {ours:?}\ntheirs: {theirs:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn what_go_refuses_we_refuse() {
    requires!(package = "podman");
    for template in REFUSED {
        assert!(by_podman(template).is_err(), "podman takes {template}");
        assert!(by_us(template).is_err(), "we take {template}");
    }
}
