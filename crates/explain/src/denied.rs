//! What a container was refused, as lines of text.
//!
//! Names and texts come from the container: what could mean something to a terminal is told as its number.

use engine::denied::{Argument, Lack, Refusal, Report};
use std::fmt::Write;

/// A line for each kind of refused call, with what would allow it, and one for each capability that was missing.
pub fn denied(report: &Report) -> String {
    let mut text = String::new();
    if report.witness_lost {
        text.push_str(
            "who noted it was killed: refused calls failed with ENOSYS from then on, and nobody noted them\n",
        );
    }
    if report.is_empty() && !report.witness_lost {
        text.push_str("nothing was refused\n");
    }
    let calls = report.calls();
    if calls > 0 {
        _ = writeln!(text, "refused by the seccomp profile: {}", number(calls, "call"));
    }
    for refusal in &report.refused {
        refused(&mut text, refusal);
    }
    if !report.more.is_empty() {
        let more: Vec<String> = report.more.iter().map(|(call, count)| format!("{call} {count}")).collect();
        _ = writeln!(text, "  of more kinds, not told each: {}", more.join(", "));
    }
    if !report.lacking.is_empty() {
        text.push_str("capabilities that the kernel found missing\n");
    }
    for lack in &report.lacking {
        lacking(&mut text, lack);
    }
    if report.lost > 0 {
        _ = writeln!(text, "  {} came faster than they were read", number(report.lost, "check"));
    }
    if report.refused.iter().flat_map(|refusal| &refusal.arguments).any(|argument| argument.unreliable) {
        text.push_str("≈ was read from the program's memory, which may have said something else a moment before\n");
    }
    if let Some(why) = &report.untraced {
        _ = writeln!(text, "capabilities are inferred from refused calls alone: {}", plain(why));
    }
    text
}

fn refused(text: &mut String, refusal: &Refusal) {
    let Refusal { call, errno, program, pid, count, .. } = refusal;
    let arguments: Vec<String> = refusal.arguments.iter().map(argument).collect();
    let name = error(*errno);
    let of = if *pid > 0 { format!(" (pid {pid})") } else { String::new() };
    _ = writeln!(text, "  {call}({}) = {name}, {} by {}{of}", arguments.join(", "), times(*count), plain(program));
    _ = writeln!(text, "    {}", remedy(refusal));
}

/// What a call got; 0 is success without anything being done.
fn error(errno: u16) -> String {
    let code = (errno > 0).then(|| sys::Errno::from_raw_os_error(errno.into()));
    match code.and_then(sys::text) {
        Some((name, _)) => name.to_owned(),
        None if errno == 0 => "0".to_owned(),
        None => format!("errno {errno}"),
    }
}

/// What would allow a call.
fn remedy(refusal: &Refusal) -> String {
    const ENOSYS: u16 = 38;
    match &refusal.inferred_capability {
        Some(capability) => {
            format!("needs --cap-add {} (inferred from the profile)", capability.trim_start_matches("CAP_"))
        }
        None if refusal.errno == ENOSYS => {
            "told that there is no such call, for which most programs have another way".to_owned()
        }
        None => format!("needs --security-opt seccomp=FILE with a profile that has {}", refusal.call),
    }
}

fn argument(argument: &Argument) -> String {
    if argument.unreliable {
        return format!("{}≈\"{}\"", argument.name, plain(&argument.value));
    }
    format!("{}={}", argument.name, argument.value)
}

fn lacking(text: &mut String, lack: &Lack) {
    let call = lack.call.as_ref().map(|call| format!(" in {}", plain(call))).unwrap_or_default();
    let name = lack.capability.trim_start_matches("CAP_");
    _ = writeln!(text, "  {}, {} by {}{call}", lack.capability, times(lack.count), plain(&lack.program));
    _ = writeln!(text, "    needs --cap-add {name}");
}

fn number(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// A text of the container's, harmless to a terminal.
fn plain(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_what_and_what_would_help() {
        let argument =
            |name: &str, value: &str, unreliable| Argument { name: name.into(), value: value.into(), unreliable };
        let refusal = Refusal {
            call: "mount".into(),
            arguments: vec![argument("source", "/a\u{1b}[2J", true), argument("mountflags", "MS_BIND", false)],
            errno: 1,
            program: "mount".into(),
            pid: 7,
            count: 2,
            inferred_capability: Some("CAP_SYS_ADMIN".into()),
            ..Refusal::default()
        };
        let lack = Lack { capability: "CAP_SYS_TIME".into(), program: "date".into(), call: None, count: 1 };
        let report = Report { refused: vec![refusal], lacking: vec![lack], ..Report::default() };
        let expected = "refused by the seccomp profile: 2 calls\n  \
            mount(source≈\"/a\\u{1b}[2J\", mountflags=MS_BIND) = EPERM, 2 times by mount (pid 7)\n    \
            needs --cap-add SYS_ADMIN (inferred from the profile)\ncapabilities that the kernel found missing\n  \
            CAP_SYS_TIME, once by date\n    needs --cap-add SYS_TIME\n\
            ≈ was read from the program's memory, which may have said something else a moment before\n";
        assert_eq!(denied(&report), expected);
    }
}
