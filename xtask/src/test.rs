//! `test`: the unit and integration tests of the whole workspace.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cargo;
use crate::examples;
use crate::programs::{self, Program};
use crate::report::Counts;
use crate::sdks;
use crate::steps::Steps;

/// Names to the tests the programs to do without; `contexter-testkit` reads it.
const WITHOUT: &str = "CONTEXTER_TEST_WITHOUT";

/// Names to the tests the file in which they list what they leave out.
const LEFT_OUT_LIST: &str = "CONTEXTER_TEST_LEFT_OUT";

/// How the tests are to be run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    install: bool,
    without_services: bool,
    /// Passed on to `cargo test`.
    cargo: Vec<String>,
}

impl Options {
    /// Reads the arguments after `test`; the error says what is wrong with them.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--install" => options.install = true,
                "--without-services" => options.without_services = true,
                "--" => options.cargo = args.by_ref().collect(),
                _ => return Err(format!("unknown flag `{arg}`; cargo's own go after `--`")),
            }
        }
        if options.install && options.without_services {
            return Err("--install and --without-services exclude each other".to_owned());
        }
        Ok(options)
    }

    /// Tells whether cargo's arguments pick single crates.
    fn picks_crates(&self) -> bool {
        self.cargo
            .iter()
            .take_while(|arg| *arg != "--")
            .any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
    }

    /// Tells whether the vendors' SDKs are to be installed: where their tests are run.
    fn needs_sdks(&self) -> bool {
        let picked = || self.cargo.iter().any(|arg| arg.contains(sdks::TESTED_BY));
        self.install && (!self.picks_crates() || picked())
    }

    /// Tells whether cargo's arguments pick single targets of crates.
    fn picks_targets(&self) -> bool {
        let picks = [
            "--lib",
            "--bin",
            "--test",
            "--example",
            "--bench",
            "--doc",
            "--all-targets",
        ];
        self.cargo
            .iter()
            .take_while(|arg| *arg != "--")
            .any(|arg| picks.iter().any(|pick| arg.starts_with(pick)))
    }
}

/// Runs the tests.
pub(crate) fn run(options: &Options) -> Result<()> {
    let without = provide(options)?;
    let mut steps = Steps::default();
    if options.needs_sdks() {
        steps.run("sdks", || {
            sdks::install();
            Ok(())
        })?;
    }
    if !options.picks_crates() {
        // Tests that kill a program start the one that users start.
        steps.run("build", || examples::build().map(|_paths| ()))?;
    }
    let list = cargo::target().join("left-out-tests");
    let _was_there = fs::remove_file(&list);

    let mut command = cargo::cargo("test");
    command.args(cargo::PROFILE).arg("--no-fail-fast");
    if !options.picks_crates() {
        command.arg("--workspace");
    }
    if !options.picks_targets() {
        command.arg("--tests"); // doc tests are a step of `ci`
    }
    command.args(&options.cargo);
    command
        .env(WITHOUT, without.join(","))
        .env(LEFT_OUT_LIST, &list);

    let mut counts = Counts::default();
    let passed = steps.run("tests", || {
        cargo::watch(&mut command, |line| counts.add(line))
    })?;
    let left_out = left_out(&list)?;
    steps.print();
    if !left_out.is_empty() {
        println!("\nleft out, {} tests:", left_out.len());
        for test in &left_out {
            println!("  {test}");
        }
    }
    // The harness counts a test that left itself out as passed.
    let (passed_count, skipped) = (
        counts.passed.saturating_sub(left_out.len()),
        counts.ignored + left_out.len(),
    );
    println!(
        "\n{passed_count} passed, {} failed, {skipped} skipped",
        counts.failed
    );
    if !passed {
        bail!("`{}` failed", cargo::show(&command));
    }
    Ok(())
}

/// Sees to it that the programs are here; returns the names of those to do without.
fn provide(options: &Options) -> Result<Vec<&'static str>> {
    let missing = programs::missing();
    if options.without_services {
        let (_services, others): (Vec<_>, Vec<&Program>) =
            missing.into_iter().partition(|program| program.service);
        if !others.is_empty() {
            bail!("{}", programs::advice(&others, programs::is_root()?));
        }
        let services = programs::NEEDED.iter().filter(|program| program.service);
        return Ok(services.map(Program::name).collect());
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    if !options.install {
        bail!("{}", programs::advice(&missing, programs::is_root()?));
    }
    programs::install(&missing)?;
    Ok(Vec::new())
}

/// Returns what the tests left out, each once.
fn left_out(list: &Path) -> Result<Vec<String>> {
    if !list.exists() {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    let mut tests: Vec<_> = text.lines().map(str::to_owned).collect();
    tests.sort_unstable();
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options::parse(line.split_whitespace().map(str::to_owned)).unwrap()
    }

    #[test]
    fn what_follows_two_dashes_is_cargos() {
        let options = options("--install -- -p contexter-retry backoff -- --nocapture");
        assert!(options.install);
        assert_eq!(
            options.cargo,
            ["-p", "contexter-retry", "backoff", "--", "--nocapture"]
        );
    }

    #[test]
    fn the_harness_own_arguments_pick_no_crates() {
        assert!(options("-- -p contexter-retry").picks_crates());
        assert!(options("-- --package=contexter-retry").picks_crates());
        assert!(!options("-- backoff -- -p").picks_crates());
        assert!(options("--install").needs_sdks());
        assert!(options("--install -- -p contexter-examples").needs_sdks());
        assert!(!options("--install -- -p contexter-retry").needs_sdks());
        assert!(!options("").needs_sdks());
        assert!(options("-- --lib").picks_targets());
        assert!(!options("-- backoff").picks_targets());
    }
}
