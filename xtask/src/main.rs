//! The tasks of this repository: `cargo xtask TASK`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to the one who called it"
)]

mod bench;
mod cargo;
mod ci;
mod examples;
mod faults;
mod fuzz;
mod layers;
mod loom;
mod metadata;
mod package;
mod programs;
mod report;
mod sdks;
mod steps;
mod test;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
The tasks of this repository.

Usage: cargo xtask TASK

Tasks:
  test [--install] [--without-services] [-- CARGO_TEST_ARGS]
                 runs the unit and integration tests; servers are started on free ports
                   --install           first installs the programs that are missing, and the
                                       vendors' SDKs that the sandbox is tested with
                   --without-services  leaves out the tests that need a server, and lists them
  ci             everything else that must hold: format, layers, lints, docs, doc tests,
                 examples, packages, dependencies
  check-layers   which crate may depend on which
  bench NAME     measures against the peers; NAME is one of: adapters, rag, events, resilience
  faults [--events N] [--broker redis|nats]
                 sends N numbered events (100,000 unless set) through real brokers that are killed,
                 stopped and cut off, beside their plain clients; fails when something is lost
  loom           explores every interleaving of the models that crates have of their shared state;
                 LOOM_MAX_PREEMPTIONS (3 unless set) bounds the time
  fuzz [TARGET] [--seconds N]
                 searches for inputs that break what the parsers promise, each target for N
                 seconds (30 unless set; 0: only the inputs that are known)
  help           prints this
";

/// What one call asks for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Test(test::Options),
    Ci,
    CheckLayers,
    Bench(bench::Suite),
    Faults(faults::Options),
    Loom,
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let task = match parse(env::args().skip(1)) {
        Ok(task) => task,
        Err(wrong) => {
            eprintln!("error: {wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let outcome = match task {
        Task::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Task::Test(options) => test::run(&options),
        Task::Ci => ci::run(),
        Task::CheckLayers => layers::run(),
        Task::Bench(suite) => bench::run(suite),
        Task::Faults(options) => faults::run(&options),
        Task::Loom => loom::run(),
        Task::Fuzz(options) => fuzz::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the arguments; the error says what is wrong with them.
fn parse(args: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut args = args;
    let task = args.next().ok_or("no task given")?;
    let mut rest = args;
    let task = match task.as_str() {
        "help" | "--help" | "-h" => Task::Help,
        "test" => return test::Options::parse(rest).map(Task::Test),
        "ci" => Task::Ci,
        "check-layers" => Task::CheckLayers,
        "faults" => return faults::Options::parse(rest).map(Task::Faults),
        "loom" => Task::Loom,
        "fuzz" => return fuzz::Options::parse(rest).map(Task::Fuzz),
        "bench" => {
            let name = rest.next().ok_or("bench needs a name")?;
            Task::Bench(bench::Suite::named(&name)?)
        }
        unknown => return Err(format!("unknown task `{unknown}`")),
    };
    match rest.next() {
        Some(unknown) => Err(format!("unexpected argument `{unknown}`")),
        None => Ok(task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task, String> {
        super::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_task_is_found_by_its_name() {
        assert_eq!(parse("ci"), Ok(Task::Ci));
        assert_eq!(parse("check-layers"), Ok(Task::CheckLayers));
        assert_eq!(parse("--help"), Ok(Task::Help));
        assert!(matches!(parse("test"), Ok(Task::Test(_))));
        assert_eq!(parse("loom"), Ok(Task::Loom));
        assert!(matches!(parse("faults --events 5000"), Ok(Task::Faults(_))));
        assert!(matches!(parse("bench rag"), Ok(Task::Bench(_))));
        assert!(matches!(parse("bench resilience"), Ok(Task::Bench(_))));
        assert!(matches!(parse("fuzz durations"), Ok(Task::Fuzz(_))));
    }

    #[test]
    fn the_usage_names_every_benchmark() {
        assert!(USAGE.contains(&format!("NAME is one of: {}\n", bench::names())));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (line, message) in [
            ("", "no task given"),
            ("tset", "unknown task `tset`"),
            ("ci --fast", "unexpected argument `--fast`"),
            ("bench", "bench needs a name"),
            (
                "bench speed",
                "unknown benchmark `speed`; known: adapters, rag, events, resilience",
            ),
            ("loom --fast", "unexpected argument `--fast`"),
            ("faults --fast", "unknown flag `--fast`"),
            ("faults --events", "--events needs a value"),
            ("fuzz --fast", "unknown flag `--fast`"),
            (
                "test --fast",
                "unknown flag `--fast`; cargo's own go after `--`",
            ),
            (
                "test --install --without-services",
                "--install and --without-services exclude each other",
            ),
        ] {
            assert_eq!(parse(line), Err(message.to_owned()), "{line}");
        }
    }
}
