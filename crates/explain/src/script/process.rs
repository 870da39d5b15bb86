//! What the process may do, and what it is: ids, capabilities, limits of its own, environment, the command.

use super::words::{Script, asked, asked_any, comment, quote};
use engine::explanation::Explanation;
use oci::runtime::{Capabilities, Process};
use std::fmt::Write;

/// The last stage: it waits in the finished container, as whom it is going to be, and runs the command.
pub fn last(script: &mut Script, explanation: &Explanation, process: &Process) {
    let umask = process.user.umask.unwrap_or(0o022);
    script.line("# Read as a whole before any of it is done, for its input becomes that of the command.");
    script.line("{\necho ready >&4");
    script.line("read -r _ <&3 || exit 1");
    script.line("exec 3<&- 4>&-");
    script.line("# The machine's root has been taken away meanwhile: \"/\" is the container's, and only what this shell is itself is left.");
    script.line(format!("umask {umask:04o}"));
    script.line(format!("cd {}", quote(&process.cwd)));
    script.line("unset PWD OLDPWD");
    for variable in &process.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        let valid =
            name.chars().enumerate().all(|(at, c)| c == '_' || c.is_ascii_alphabetic() || at > 0 && c.is_ascii_digit());
        if !valid || name.is_empty() {
            script.line(format!("# no shell can export {}", comment(name)));
        } else if explanation.around.secrets.iter().any(|secret| secret == name) {
            script.line(format!("# {name} is a secret, which is written down nowhere"));
        } else {
            script.line(format!("export {name}={}", quote(value)));
        }
    }
    let args: Vec<String> = process.args.iter().map(|arg| quote(arg)).collect();
    script.line("exec <&8 8<&-");
    script.line(format!("exec {}\n}}", args.join(" ")));
}

/// Becomes who the command runs as, and executes the last stage.
pub fn become_user(script: &mut Script, explanation: &Explanation, process: &Process, no_setgroups: bool) {
    let mut words = Vec::new();
    if !process.rlimits.is_empty() {
        script.block(
            "uses",
            "limits of the process itself",
            asked_any(explanation, &["process.rlimits[RLIMIT_NOFILE]"]),
        );
        let mut line = "set -- prlimit".to_owned();
        for limit in &process.rlimits {
            let number = |number: u64| if number == u64::MAX { "unlimited".to_owned() } else { number.to_string() };
            let name = limit.kind.trim_start_matches("RLIMIT_").to_ascii_lowercase();
            _ = write!(line, " --{}={}:{}", quote(&name), number(limit.soft), number(limit.hard));
        }
        script.line(line);
        words.push("\"$@\"");
    }
    if let Some(score) = process.oom_score_adj {
        script.block("uses", "who is killed first when memory is short", asked(explanation, "process.oomScoreAdj"));
        script.line(format!("echo {score} >/proc/self/oom_score_adj"));
    }
    let user = &process.user;
    script.block("may do", &format!("become {}:{}", user.uid, user.gid), asked(explanation, "process.user"));
    let groups = if no_setgroups {
        "--keep-groups".to_owned()
    } else if user.additional_gids.is_empty() {
        "--clear-groups".to_owned()
    } else {
        let groups: Vec<String> = user.additional_gids.iter().map(ToString::to_string).collect();
        format!("--groups {}", groups.join(","))
    };
    if words.is_empty() {
        script.line("set --");
    }
    script.line(format!("set -- \"$@\" setpriv --reuid {} --regid {} {groups}", user.uid, user.gid));
    if let Some(capabilities) = &process.capabilities {
        let asked = asked_any(explanation, &["process.capabilities", "process.capabilities.bounding"]);
        script.block("may do", "capabilities: these, and no others for good", asked);
        script.line(format!("set -- \"$@\" {}", sets(capabilities)));
    }
    if process.no_new_privileges {
        let asked = asked(explanation, "process.noNewPrivileges");
        script.block("may do", "no program gives more rights than it was started with", asked);
        script.line("set -- \"$@\" --no-new-privs");
    }
    if explanation.spec.linux.as_ref().is_some_and(|linux| linux.seccomp.is_some()) || has_filter(explanation) {
        script.block("may do", "a filter for system calls", asked(explanation, "linux.seccomp"));
        script.line("# It is a program for the kernel, which no shell can load: the command runs without it.");
    }
    let session = if process.terminal { "" } else { "setsid " };
    script.block("runs", "the last stage, with an empty environment", None);
    script.line("exec 8<&0 <\"$dir/last\"");
    script.line(format!("exec \"$@\" {session}env -i --default-signal=INT,QUIT sh -s"));
}

/// The default filter is compiled beside the specification, which does not have it then.
fn has_filter(explanation: &Explanation) -> bool {
    explanation.steps.iter().any(|step| step.intent == "install the system call filter")
}

fn sets(capabilities: &Capabilities) -> String {
    let set = |names: &[String]| {
        let mut list = "-all".to_owned();
        for name in names {
            _ = write!(list, ",+{}", name.trim_start_matches("CAP_").to_ascii_lowercase());
        }
        list
    };
    format!(
        "--bounding-set {} --inh-caps {} --ambient-caps {}",
        set(&capabilities.bounding),
        set(&capabilities.inheritable),
        set(&capabilities.ambient)
    )
}
