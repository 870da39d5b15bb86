//! Templates on data, by the rules of pkg.go.dev/text/template.

use proptest::prelude::*;
use serde_json::{Value, json};
use template::Template;

fn made(template: &str, data: &Value) -> Result<String, String> {
    let template = Template::parse(template).map_err(|error| error.to_string())?;
    template.execute(data).map_err(|error| error.to_string())
}

fn container() -> Value {
    json!({
        "Id": "c1",
        "State": {"Running": true, "Pid": 42, "Health": null},
        "Mounts": [{"Source": "/a", "Destination": "/b"}, {"Source": "/c", "Destination": "/d"}],
        "Labels": {"z": "last", "a.b": "dotted"},
        "Ratio": 0.5,
    })
}

#[test]
fn fields_are_reached_by_name_and_by_index() {
    for (template, wanted) in [
        ("{{.Id}} {{.State.Pid}} {{.State.Running}}", "c1 42 true"),
        (r#"{{index .Labels "a.b"}} {{(index .Mounts 1).Destination}}"#, "dotted /d"),
        (r#"{{index .Labels "none"}}"#, ""),
        ("{{.State.Health}} {{.Labels}} {{.Ratio}}", "<no value> map[a.b:dotted z:last] 0.5"),
        ("{{with .State}}{{.Pid}} {{$.Id}}{{end}}", "42 c1"),
        ("{{$m := index .Mounts 0}}{{$m.Source}}", "/a"),
        ("{{range .Mounts}}{{.Source}}:{{.Destination}} {{end}}", "/a:/b /c:/d "),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a.b=dotted;z=last;"),
        ("{{range .State.Health}}x{{else}}healthless{{end}}", "healthless"),
        ("{{json .State}}", r#"{"Health":null,"Pid":42,"Running":true}"#),
        ("{{len .Mounts}} {{if .State.Health}}a{{else}}b{{end}}", "2 b"),
    ] {
        assert_eq!(made(template, &container()).as_deref(), Ok(wanted), "{template}");
    }
}

#[test]
fn what_is_not_there_is_an_error_that_names_it() {
    for (template, named) in [
        ("{{.Nmae}}", "Nmae"),
        ("{{.Id.Short}}", "Short"),
        ("{{.State.Health.Status}}", "Status"),
        ("{{range .Mounts}}{{.Typo}}{{end}}", "Typo"),
        ("{{index .Mounts 2}}", "out of range"),
        ("{{.Id | nosuch}}", "nosuch"),
    ] {
        let error = made(template, &container()).expect_err(template);
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn deep_nesting_ends_in_an_error_and_not_on_the_stack() {
    for (open, close) in [("{{if 1}}", "{{end}}"), ("{{range .Mounts}}", "{{end}}")] {
        let text = open.repeat(10_000) + &close.repeat(10_000);
        assert!(made(&text, &container()).is_err_and(|error| error.contains("deeply")));
    }
    let text = format!("{{{{{}1{}}}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(made(&text, &container()).is_err_and(|error| error.contains("deeply")));
    let chain = format!("{}{}", "{{if 0}}".to_owned() + &"{{else if 0}}".repeat(10_000), "{{end}}");
    assert!(made(&chain, &container()).is_err());
}

#[test]
fn no_width_and_no_precision_is_too_much() {
    for verb in ["d", "x", "f", "e", "g", "s", "v", "q"] {
        for (value, flags) in [("1.5", ""), ("7", ""), (r#""a""#, ""), ("0.00001", "#+"), ("1e300", "-")] {
            for size in ["65535", "65536", "99999999999999999999", "59999"] {
                let text = format!(r#"{{{{printf "%{flags}{size}.{size}{verb}" {value}}}}}"#);
                made(&text, &container()).unwrap_or_else(|error| panic!("{text}: {error}"));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r#"(\{\{-? ?|-?\}\}|if|range|with|end|else|\.|\.A|\$x|:=|=|\||\(|\)|"a"|1| |printf|"%d%s%-9.3f"|index|slice|len|[a-z{}'`"\\%-]|é){0,40}"#) {
        let _ = made(&text, &container());
    }
}
