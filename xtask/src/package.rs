//! Packs every crate that is published, as `cargo publish` would.

use anyhow::Result;

use crate::cargo;
use crate::metadata;

/// Packs the crates, without building them a second time.
pub(crate) fn run() -> Result<()> {
    let mut command = cargo::cargo("package");
    command.args(["--workspace", "--no-verify", "--quiet"]);
    if !cargo::in_ci() {
        command.arg("--allow-dirty"); // half-done work may be checked too
    }
    for package in metadata::packages()? {
        if !package.published {
            command.args(["--exclude", &package.name]);
        }
    }
    cargo::run(&mut command)
}
