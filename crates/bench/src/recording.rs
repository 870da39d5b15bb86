//! What insight costs: the same start with and without it, in turns. Nobody else has it, so the peer is Coracle itself.

use crate::engine::{Engine, engines, options};
use crate::error::Result;
use crate::measure::Samples;
use crate::report;

/// How it is called.
pub const HELP: &str = "\
bench recording [--runs N] [--dir DIR]

Medians of run -d without and with what is recorded of it as a matter of course, and of run --rm without and with --explain-file
and --report-denied. --dir holds the store (a new one in /var/tmp). Needs root and a static busybox.";

/// What is compared: the verb with it, and the words without and with it.
const PAIRS: [(&str, &[&str], &[&str]); 3] = [
    ("run -d", &["-d", "--explain=false"], &["-d"]),
    ("run --rm --explain-file", &["--rm"], &["--rm", "--explain-file", "/dev/null"]),
    ("run --rm --report-denied", &["--rm"], &["--rm", "--report-denied"]),
];

/// `bench recording …`.
pub fn run(parser: lexopt::Parser) -> Result {
    let Some(options) = options(parser, (300, 0))? else {
        println!("{HELP}");
        return Ok(());
    };
    let (dir, _passing) = options.place()?;
    let engines = engines(&dir, options.program()?, &["coracle".to_owned()])?;
    println!(
        "{}\n\n| start, ms, {} in turns | without | with it | more |\n|---|--:|--:|--:|",
        report::machine(),
        options.runs
    );
    for engine in &engines {
        for (name, without, with) in PAIRS {
            compare(engine, name, [without, with], options.runs)?;
        }
        let _ = engine.once(&["rmi", "-f", "bench:1"]);
    }
    Ok(())
}

fn compare(engine: &Engine, name: &str, sides: [&[&str]; 2], runs: usize) -> Result {
    let mut samples: [Samples; 2] = Default::default();
    for round in 0..runs {
        // Who is first is not always the same.
        for side in [round % 2, 1 - round % 2] {
            let words = [sides[side], &["--network", "none", "bench:1", "true"]].concat();
            samples[side].push(engine.run(&words)?);
        }
        // Those in the background are gone before there are many.
        if round % 10 == 9 {
            engine.once(&["container", "prune", "-f"])?;
        }
    }
    let [without, with] = samples.map(|samples| samples.wall(500).as_secs_f64() * 1e3);
    println!("| {name} | {without:.2} | {with:.2} | {:.1} % |", (with / without - 1.0) * 100.0);
    Ok(())
}
