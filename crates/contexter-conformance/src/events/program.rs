//! A test program that runs the suite: `harness = false`.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::time::Instant;

use super::suite::{Suite, code};
use crate::Rule;

/// Flags of the standard harness that are followed by a value.
const WITH_VALUE: [&str; 6] = [
    "--format",
    "--color",
    "--test-threads",
    "--logfile",
    "--shuffle-seed",
    "-Z",
];

/// Which scenarios are wanted.
#[derive(Debug, Default)]
struct Arguments {
    list: bool,
    exact: bool,
    ignored: bool,
    names: Vec<String>,
    skipped: Vec<String>,
}

impl Arguments {
    /// Reads them; those that change nothing here are passed over.
    fn read(mut args: impl Iterator<Item = String>) -> Self {
        let mut read = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => read.list = true,
                "--exact" => read.exact = true,
                "--ignored" => read.ignored = true,
                "--skip" => read.skipped.extend(args.next()),
                flag if WITH_VALUE.contains(&flag) => drop(args.next()),
                flag if flag.starts_with('-') => {}
                _ => read.names.push(arg),
            }
        }
        read
    }

    fn wants(&self, name: &str) -> bool {
        let matches = |wanted: &String| {
            if self.exact {
                wanted == name
            } else {
                name.contains(wanted.as_str())
            }
        };
        !self.ignored
            && (self.names.is_empty() || self.names.iter().any(matches))
            && !self.skipped.iter().any(matches)
    }
}

/// Runs a suite as a test program, by the arguments of the process, and prints what it found: the
/// table of capabilities with every scenario that was left out, and the verdicts.
///
/// It takes the arguments of the standard harness: names to run, `--exact`, `--skip`, `--list`. A
/// scenario is called `TRANSPORT::W04`. Make the target with `harness = false` and call this in a
/// `main` of your own, on a Tokio runtime with several threads.
pub async fn main(suite: Suite) -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    match run(&suite, &arguments, &mut io::stdout()).await {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn name(suite: &Suite, rule: &Rule) -> String {
    format!("{}::{}{:02}", suite.name(), rule.mechanism, rule.number)
}

async fn run(suite: &Suite, arguments: &Arguments, out: &mut impl Write) -> io::Result<bool> {
    let all = suite.rules().count();
    if arguments.list {
        for rule in suite.rules() {
            let name = name(suite, rule);
            if arguments.wants(&name) {
                writeln!(out, "{name}: test")?;
            }
        }
        return Ok(true);
    }
    let start = Instant::now();
    let found = suite
        .run_where(|rule| arguments.wants(&name(suite, rule)))
        .await;
    let (passed, failed, ignored) = found.report.counts();
    let ran = found.report.entries().len();
    writeln!(out, "\nrunning {ran} tests")?;
    if ran > 0 {
        writeln!(out, "\n{}", found.capability_table())?;
        writeln!(out, "{}", found.to_markdown())?;
    }
    for entry in found.report.entries() {
        if entry.verdict.is_fail() {
            writeln!(
                out,
                "test {} ... FAILED: {}: {}",
                name(suite, &entry.rule),
                code(&entry.rule),
                entry.verdict.note().unwrap_or_default()
            )?;
        }
    }
    writeln!(
        out,
        "\ntest result: {}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {} \
         filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        all - ran,
        start.elapsed().as_secs_f64()
    )?;
    Ok(failed == 0)
}
