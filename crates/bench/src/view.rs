//! Another view of the machine, for who cannot live in this one: crun before 1.9 refuses hybrid cgroups.
//!
//! A process that measures sits in a mount namespace of its own without the v2 hierarchy, made once and outside of what
//! is measured. It reads a command a line and answers with its times.

use crate::error::{Doing as _, Error, Result};
use crate::measure::{self, Sample};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The process that measures there.
#[derive(Debug)]
pub struct View {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Between the words of a command; in none of them.
const SEPARATOR: char = '\u{1f}';

impl View {
    /// A view in which there is no v2 hierarchy beside v1's.
    pub fn without_unified() -> Result<Self> {
        Self::new(true, None)
    }

    /// A view without the v2 hierarchy beside v1's, or with a thousand mounts more, below this directory.
    pub fn new(without_unified: bool, mounts: Option<&Path>) -> Result<Self> {
        const MANY: &str = "mkdir -p \"$1\" && mount -t tmpfs none \"$1\" && i=0 && while [ $i -lt 1000 ]; do \
            mkdir \"$1/$i\" && mount --bind \"$1/$i\" \"$1/$i\" || exit 1; i=$((i + 1)); done && ";
        let doing = || "starting a measuring process in another view".to_owned();
        let own = std::env::current_exe().doing(doing)?;
        let unmount = if without_unified { "umount -l /sys/fs/cgroup/unified && " } else { "" };
        let many = if mounts.is_some() { MANY } else { "" };
        let mut child = Command::new("unshare")
            .args(["-m", "sh", "-c"])
            .arg(format!("{unmount}{many}exec \"$0\" view"))
            .arg(own)
            .args(mounts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(doing)?;
        let (commands, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.ok_or_else(|| Error::View(String::new()))?;
        Ok(Self { child, commands, answers: BufReader::new(answers) })
    }

    /// Runs a command once, there.
    pub fn once(&mut self, words: &[String]) -> Result<Sample> {
        let doing = || "talking to another view".to_owned();
        let commands = self.commands.as_mut().ok_or_else(|| Error::View(String::new()))?;
        writeln!(commands, "{}", words.join(&SEPARATOR.to_string())).doing(doing)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).doing(doing)?;
        let mut numbers = answer.split_whitespace().map(|word| word.parse().map(Duration::from_nanos));
        match (numbers.next(), numbers.next()) {
            (Some(Ok(wall)), Some(Ok(cpu))) => Ok(Sample { wall, cpu }),
            _ => Err(Error::View(answer)),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

/// The other side: answers until the input ends.
pub fn serve(input: impl BufRead, mut output: impl Write) -> Result {
    let doing = || "serving a view".to_owned();
    for line in input.lines() {
        let words: Vec<String> = line.doing(doing)?.split(SEPARATOR).map(str::to_owned).collect();
        let sample = measure::once("a command in another view", &words)?;
        writeln!(output, "{} {}", sample.wall.as_nanos(), sample.cpu.as_nanos()).doing(doing)?;
        output.flush().doing(doing)?;
    }
    Ok(())
}
