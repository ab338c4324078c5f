//! `loom`: every interleaving of the small models that crates have of their shared state.
//!
//! A crate keeps its models in modules called `models` anywhere in `src`, compiled only under
//! `--cfg contexter_loom`. They need no feature of the crate.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cargo;
use crate::metadata::{self, Package};
use crate::report::Counts;
use crate::steps::Steps;

/// How often a thread may be interrupted where it need not be; loom reads it.
///
/// It bounds the time: with two threads the interleavings grow with a power of the steps whose
/// exponent is this number. Almost all faults of lock-free code show with two or three.
const MAX_PREEMPTIONS: &str = "LOOM_MAX_PREEMPTIONS";
const DEFAULT_PREEMPTIONS: &str = "3";

/// What the models are compiled with. Loom explores for long, so that they are optimised; what
/// their arithmetic asserts must hold all the same.
const FLAGS: &str = "--cfg contexter_loom -C debug-assertions -C overflow-checks";

/// Runs the models of all crates.
pub(crate) fn run() -> Result<()> {
    let packages = metadata::packages()?
        .into_iter()
        .filter_map(|package| match has_models(&package.folder.join("src")) {
            Ok(found) => found.then_some(Ok(package)),
            Err(error) => Some(Err(error)),
        })
        .collect::<Result<Vec<_>>>()?;
    ensure!(!packages.is_empty(), "no crate has a module `models`");
    let mut steps = Steps::default();
    let programs = steps.run("build", || build(&packages))?;
    let mut table = Vec::new();
    for package in &packages {
        let program = programs
            .get(&package.name)
            .with_context(|| format!("cargo built no tests of `{}`", package.name))?;
        let counts = steps.run(short(&package.name), || explore(package, program))?;
        table.push((short(&package.name), counts.passed));
    }
    steps.print();
    println!("\n{:<14} {:>8}", "crate", "models");
    for (name, models) in &table {
        println!("{name:<14} {models:>8}");
    }
    let all: usize = table.iter().map(|(_, models)| models).sum();
    println!("{:<14} {all:>8}", "all");
    Ok(())
}

/// Tells whether a module `models` is in the folder or below it.
fn has_models(folder: &Path) -> Result<bool> {
    if !folder.is_dir() {
        return Ok(false);
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .path();
        let is_models = path.file_stem() == Some(OsStr::new("models"));
        if is_models || path.is_dir() && has_models(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The name of a crate as it stands in a table.
fn short(name: &str) -> &str {
    name.strip_prefix("contexter-").unwrap_or(name)
}

/// Builds the unit tests of the crates; returns the program of each by the crate's name.
fn build(packages: &[Package]) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo::cargo("test");
    command
        .args([
            cargo::RELEASE,
            "--lib",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ])
        .arg("--target-dir")
        .arg(cargo::target().join("loom"));
    for package in packages {
        command.args(["--package", &package.name]);
    }
    let messages = cargo::output(command.env("RUSTFLAGS", flags()))?;
    let mut programs = BTreeMap::new();
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).context("cannot read a message of cargo")?;
        let name = message.get("package_id").and_then(Value::as_str);
        let program = message.get("executable").and_then(Value::as_str);
        if let (Some(id), Some(program)) = (name, program)
            && let Some(package) = packages.iter().find(|package| is_of(id, package))
        {
            programs.insert(package.name.clone(), PathBuf::from(program));
        }
    }
    Ok(programs)
}

/// Adds what the models need to the flags that the caller set.
fn flags() -> String {
    let set = env::var_os("RUSTFLAGS").unwrap_or_default();
    let set = set.to_string_lossy();
    [&set, FLAGS].join(" ").trim_start().to_owned()
}

/// Tells whether cargo's package id, `path+file:///…/FOLDER#VERSION`, is the package's.
fn is_of(id: &str, package: &Package) -> bool {
    let folder = id.split_once('#').map_or(id, |(folder, _version)| folder);
    folder
        .split_once("file://")
        .is_some_and(|(_kind, folder)| Path::new(folder) == package.folder)
}

/// Runs the models of one crate.
fn explore(package: &Package, program: &Path) -> Result<Counts> {
    let mut command = Command::new(program);
    command.arg("models::").current_dir(&package.folder);
    if env::var_os(MAX_PREEMPTIONS).is_none() {
        command.env(MAX_PREEMPTIONS, DEFAULT_PREEMPTIONS);
    }
    let mut counts = Counts::default();
    let passed = cargo::watch(&mut command, |line| counts.add(line))?;
    judge(counts, passed).with_context(|| format!("the models of `{}`", package.name))?;
    Ok(counts)
}

fn judge(counts: Counts, passed: bool) -> Result<()> {
    ensure!(passed && counts.failed == 0, "{} failed", counts.failed);
    ensure!(counts.ignored == 0, "{} are ignored", counts.ignored);
    ensure!(
        counts.passed > 0,
        "none ran: they are tests of the module `models`, and need no feature"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: usize, failed: usize, ignored: usize) -> Counts {
        Counts {
            passed,
            failed,
            ignored,
        }
    }

    #[test]
    fn models_that_fail_or_do_not_run_are_no_success() {
        assert!(judge(counts(4, 0, 0), true).is_ok());
        for (counts, passed) in [
            (counts(3, 1, 0), false),
            // Aborted before the harness could count.
            (counts(0, 0, 0), false),
            (counts(0, 0, 0), true),
            (counts(3, 0, 1), true),
        ] {
            assert!(judge(counts, passed).is_err(), "{counts:?}");
        }
    }

    #[test]
    fn models_are_found_wherever_they_are() {
        let found = |name: &str| {
            let source = cargo::root().join("crates").join(name).join("src");
            has_models(&source).unwrap()
        };
        assert!(found("contexter-breaker"));
        assert!(!found("contexter-protocol"));
        assert!(!found("no-such-crate"));
    }

    #[test]
    fn the_package_of_a_message_is_known_by_its_folder() {
        let package = Package {
            name: "contexter-retry".to_owned(),
            folder: PathBuf::from("/w/crates/contexter-retry"),
            published: true,
            dependencies: Vec::new(),
            targets: Vec::new(),
        };
        assert!(is_of(
            "path+file:///w/crates/contexter-retry#0.1.0",
            &package
        ));
        assert!(!is_of(
            "path+file:///w/crates/contexter-ret#0.1.0",
            &package
        ));
        assert!(!is_of("registry+https://example.org#loom@0.7.2", &package));
    }
}
