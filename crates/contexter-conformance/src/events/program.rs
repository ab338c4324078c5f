//! A test program that runs the suite: `harness = false`.

use std::io::{self, Write};
use std::process::ExitCode;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::suite::{Findings, Suite};
use crate::{Entry, Rule, Verdict};

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
/// The verdict on each scenario is printed as soon as it is there, and what failed once more at the
/// end, with its name and in one line.
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

/// Names each scenario that failed, and says in one line what was seen.
fn failures(suite: &Suite, found: &Findings) -> Vec<String> {
    let failed = found.report.entries().iter();
    let failed = failed.filter(|entry| entry.verdict.is_fail());
    let line = |entry: &Entry| {
        let note = entry.verdict.note().unwrap_or_default();
        let note = note.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{}: {}: {note}", name(suite, &entry.rule), entry.rule.text)
    };
    failed.map(line).collect()
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
    let wanted = |rule: &Rule| arguments.wants(&name(suite, rule));
    let many = suite.rules().filter(|rule| wanted(rule)).count();
    writeln!(out, "\nrunning {many} tests")?;
    let start = Instant::now();
    let told = Mutex::new(&mut *out);
    let found = suite
        .run_telling(
            wanted,
            // At once, so that something is there even of a run that is broken off.
            |rule, verdict, took| {
                let (name, took) = (name(suite, rule), took.as_secs_f64());
                let word = match verdict {
                    Verdict::Pass => "ok",
                    Verdict::Fail(_) => "FAILED",
                    Verdict::NotApplicable(_) => "ignored",
                };
                let _unheard = writeln!(told.lock(), "test {name} ... {word} <{took:.1}s>");
            },
        )
        .await;
    let (passed, failed, ignored) = found.report.counts();
    let ran = found.report.entries().len();
    if ran > 0 {
        writeln!(out, "\n{}", found.capability_table())?;
        writeln!(out, "{}", found.to_markdown())?;
    }
    let failures = failures(suite, &found);
    if !failures.is_empty() {
        writeln!(out, "\nfailures:")?;
    }
    for failure in failures {
        writeln!(out, "    {failure}")?;
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
