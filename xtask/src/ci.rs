//! `ci`: everything that must hold beside the tests, what fails fastest first.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::cargo::{self, PROFILE, cargo};
use crate::examples;
use crate::layers;
use crate::package;
use crate::steps::Steps;

/// Runs all steps, up to the first that fails.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.run("format", || {
        cargo::run(cargo("fmt").args(["--all", "--check"]))
    })?;
    steps.run("layers", layers::run)?;
    steps.run("clippy", clippy)?;
    steps.run("docs", docs)?;
    // The first step that builds for running; tests and benchmarks reuse what it builds.
    steps.run("examples", examples::run)?;
    steps.run("doc tests", || {
        cargo::run(
            cargo("test")
                .args(PROFILE)
                .args(["--workspace", "--doc", "--quiet"]),
        )
    })?;
    steps.run("package", package::run)?;
    if has_cargo_deny() {
        steps.run("dependencies", || cargo::run(cargo("deny").arg("check")))?;
    } else {
        steps.skip("dependencies", "cargo-deny is not installed");
    }
    steps.print();
    Ok(())
}

fn clippy() -> Result<()> {
    let mut command = cargo("clippy");
    command
        .args(PROFILE)
        .args(["--workspace", "--all-targets", "--all-features", "--quiet"]);
    cargo::run(command.args(["--", "-D", "warnings"]))
}

/// Builds the documentation.
///
/// Examples are among the targets because they bring the dev-dependencies in: cargo then picks the
/// same features for the heavy crates as for clippy, and does not check them a second time.
fn docs() -> Result<()> {
    let mut command = cargo("doc");
    command
        .args(PROFILE)
        .args(["--workspace", "--no-deps", "--all-features", "--quiet"]);
    cargo::run(
        command
            .args(["--lib", "--bins", "--examples"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn has_cargo_deny() -> bool {
    let mut version = Command::new("cargo-deny");
    let status = version
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
