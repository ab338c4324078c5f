//! `fuzz`: searches for inputs that break what the parsers promise.
//!
//! The targets are in `fuzz/`, laid out as `cargo fuzz` has it, and run on libFuzzer. They are
//! built here by the stable compiler: coverage comes from a pass of LLVM, and the sanitizers, for
//! which `cargo fuzz` asks for a nightly one, have nothing to find in code without `unsafe`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;

/// How long each target runs unless told otherwise, in seconds.
const SECONDS: u64 = 30;

/// The instrumentation that libFuzzer is steered by; the same as `cargo fuzz` sets.
const FLAGS: [&str; 9] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Cdebug-assertions",
    "-Ccodegen-units=1",
];

/// An input that takes longer is a finding: parsers are linear, or nearly.
const TIMEOUT_SECONDS: u64 = 10;
/// So is one that takes more memory.
const MEMORY_MB: u64 = 2_048;
/// Long enough for nesting and repetition, short enough for many runs a second.
const LONGEST_INPUT: u64 = 4_096;

/// How much of its log is shown of a target that found something.
const LOG_LINES: usize = 40;

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// All of them if none is named.
    target: Option<String>,
    /// 0: only the inputs that are known, once.
    seconds: u64,
}

impl Options {
    /// Reads the arguments after `fuzz`; the error says what is wrong with them.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            target: None,
            seconds: SECONDS,
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seconds" => {
                    let seconds = args.next().ok_or("--seconds needs a number")?;
                    options.seconds = seconds.parse().map_err(|_no_number| {
                        format!("--seconds needs a number, got `{seconds}`")
                    })?;
                }
                flag if flag.starts_with('-') => return Err(format!("unknown flag `{flag}`")),
                _ if options.target.is_some() => {
                    return Err(format!("unexpected argument `{arg}`"));
                }
                _ => options.target = Some(arg),
            }
        }
        Ok(options)
    }
}

/// What became of one target.
struct Run {
    passed: bool,
    log: PathBuf,
}

/// Runs the targets one after the other, and fails if any found something.
pub(crate) fn run(options: &Options) -> Result<()> {
    let all = targets()?;
    let chosen = choose(&all, options.target.as_deref())?;
    println!("targets: {}", all.join(", "));
    let programs = build(&chosen)?;
    let mut findings = Vec::new();
    for target in &chosen {
        let run = hunt(&programs.join(target), target, options.seconds)?;
        let log = read(&run.log)?;
        let inputs = executed(&log);
        if run.passed {
            println!(
                "{target:<16} {:>4} s {inputs:>10} inputs, no finding",
                options.seconds
            );
            continue;
        }
        println!("{target:<16} {inputs:>10} inputs, FAILED");
        println!("{}", complaint(&log));
        let input = written(&log).map_or_else(
            || format!("no input was written, see {}", run.log.display()),
            |input| {
                let program = programs.join(target);
                format!("{input}\n    again: {} {input}", program.display())
            },
        );
        findings.push(format!("{target}: {input}"));
    }
    ensure!(
        findings.is_empty(),
        "found something:\n  {}",
        findings.join("\n  ")
    );
    Ok(())
}

/// Returns the names of the targets, sorted.
fn targets() -> Result<Vec<String>> {
    let folder = cargo::root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut targets = Vec::new();
    for entry in entries {
        let path = entry.context("cannot list the targets")?.path();
        if path.extension() == Some(OsStr::new("rs"))
            && let Some(name) = path.file_stem()
        {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort_unstable();
    Ok(targets)
}

fn choose(all: &[String], named: Option<&str>) -> Result<Vec<String>> {
    match named {
        None => Ok(all.to_vec()),
        Some(name) if all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => bail!("unknown target `{name}`; known: {}", all.join(", ")),
    }
}

/// Builds the targets and returns the folder of their programs.
fn build(targets: &[String]) -> Result<PathBuf> {
    let host = cargo::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let host = host.trim();
    let folder = cargo::target().join("fuzz");
    let mut command = cargo::cargo("build");
    command
        .args(["--release", "--manifest-path", "fuzz/Cargo.toml"])
        // Named, so that build scripts and macros, which run on their own, are not instrumented.
        .args(["--target", host])
        .arg("--target-dir")
        .arg(&folder);
    for target in targets {
        command.args(["--bin", target]);
    }
    cargo::run(command.env("RUSTFLAGS", FLAGS.join(" ")))?;
    Ok(folder.join(host).join("release"))
}

/// Runs one target.
fn hunt(program: &Path, target: &str, seconds: u64) -> Result<Run> {
    let here = cargo::target().join("fuzz");
    let corpus = folder(&here.join("corpus").join(target))?;
    let findings = folder(&here.join("findings").join(target))?;
    let log = here.join(format!("{target}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(arguments(seconds, &findings));
    // What is found worth keeping goes to the first folder; the second has the seeds.
    command
        .arg(corpus)
        .arg(cargo::root().join("fuzz/seeds").join(target));
    let shown = cargo::show(&command);
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    Ok(Run {
        passed: status.success(),
        log,
    })
}

fn arguments(seconds: u64, findings: &Path) -> Vec<String> {
    let length = match seconds {
        // For libFuzzer no time would mean no limit.
        0 => "-runs=0".to_owned(),
        seconds => format!("-max_total_time={seconds}"),
    };
    vec![
        length,
        format!("-timeout={TIMEOUT_SECONDS}"),
        format!("-rss_limit_mb={MEMORY_MB}"),
        format!("-max_len={LONGEST_INPUT}"),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}/", findings.display()),
    ]
}

fn folder(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path.to_owned())
}

/// Reads a log, which repeats inputs and so may be no text.
fn read(log: &Path) -> Result<String> {
    let bytes = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns how many inputs were run, by the log.
fn executed(log: &str) -> u64 {
    log.lines()
        .filter_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .filter_map(|count| count.trim().parse().ok())
        .next_back()
        .unwrap_or(0)
}

/// Returns where the input of a finding was written, by the log.
fn written(log: &str) -> Option<&str> {
    log.lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, path)| path.trim())
}

/// Returns the part of the log that tells what was found: the panic, or the last lines.
fn complaint(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let from = panic.unwrap_or_else(|| lines.len().saturating_sub(LOG_LINES));
    let part = lines.iter().skip(from).take(LOG_LINES);
    part.copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn all_targets_run_for_half_a_minute_unless_told_otherwise() {
        let (all, half) = (None, 30);
        assert_eq!(
            options(""),
            Ok(Options {
                target: all,
                seconds: half
            })
        );
        assert_eq!(
            options("durations --seconds 5"),
            Ok(Options {
                target: Some("durations".to_owned()),
                seconds: 5
            })
        );
    }

    #[test]
    fn a_wrong_argument_is_named() {
        for (line, message) in [
            ("--seconds", "--seconds needs a number"),
            ("--seconds soon", "--seconds needs a number, got `soon`"),
            ("--fast", "unknown flag `--fast`"),
            ("a b", "unexpected argument `b`"),
        ] {
            assert_eq!(options(line), Err(message.to_owned()), "{line}");
        }
    }

    #[test]
    fn an_unknown_target_is_refused_and_the_known_ones_named() {
        let all = ["a".to_owned(), "b".to_owned()];
        assert_eq!(choose(&all, None).unwrap(), all);
        assert_eq!(choose(&all, Some("b")).unwrap(), ["b"]);
        let error = choose(&all, Some("c")).unwrap_err();
        assert_eq!(error.to_string(), "unknown target `c`; known: a, b");
    }

    #[test]
    fn every_target_is_declared_and_has_seeds() {
        let root = cargo::root().join("fuzz");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(
                manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")),
                "{target} is no [[bin]]"
            );
            let seeds = fs::read_dir(root.join("seeds").join(&target));
            assert!(seeds.unwrap().next().is_some(), "{target}");
        }
    }

    #[test]
    fn the_log_says_how_much_was_run_and_where_the_input_is() {
        let log = "thread 'main' panicked at x.rs:1:2:\n\
            artifact_prefix='/t/'; Test unit written to /t/crash-0a\nBase64: Kg==\n\
            stat::number_of_executed_units: 1234\n";
        assert_eq!(executed(log), 1234);
        assert_eq!(written(log), Some("/t/crash-0a"));
        assert_eq!(written("Done 5 runs in 1 second(s)"), None);
        assert!(complaint(log).starts_with("thread 'main' panicked at"));
        assert_eq!(
            complaint("==1== ERROR: out-of-memory"),
            "==1== ERROR: out-of-memory"
        );
    }

    #[test]
    fn no_time_means_the_known_inputs_once() {
        let folder = Path::new("/t");
        assert_eq!(arguments(0, folder)[0], "-runs=0");
        assert_eq!(arguments(7, folder)[0], "-max_total_time=7");
        assert!(arguments(7, folder).contains(&"-artifact_prefix=/t/".to_owned()));
    }
}
