//! The vendors' own SDKs, which must work with the sandbox as they are.
//!
//! They come from PyPI and npm into a folder below the target folder, in the versions that lie beside
//! the tests. Nobody needs them to work on this project: where they cannot be had, their tests are left
//! out and listed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

use crate::cargo;

/// Where the scripts and their lock files are.
const SCRIPTS: &str = "examples/tests/sdks";

/// The crate with the tests.
pub(crate) const TESTED_BY: &str = "contexter-examples";

/// The file in which an installation keeps what it was made with and from: a line with the version of
/// the interpreter, and the lock file. `contexter-testkit` reads it.
const INSTALLED: &str = ".installed";

/// SDKs of one language.
struct Sdks {
    /// The name of the folder, here and below the target folder.
    name: &'static str,
    /// What runs them; what is compiled is for one version of it.
    interpreter: &'static str,
    /// What pins all versions.
    lock: &'static str,
    /// Beside it, what the installer reads as well.
    manifest: Option<&'static str>,
    /// The installer and its arguments, run in the folder that is filled.
    installer: &'static [&'static str],
}

const ALL: [Sdks; 2] = [
    Sdks {
        name: "python",
        interpreter: "python3",
        lock: "requirements.txt",
        manifest: None,
        // Into a folder instead of an environment, for which Debian has a package of its own.
        installer: &[
            "python3",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            "--no-compile",
            "--retries=1",
            "--target=.",
            "--requirement=requirements.txt",
        ],
    },
    Sdks {
        name: "node",
        interpreter: "node",
        lock: "package-lock.json",
        manifest: Some("package.json"),
        installer: &[
            "npm",
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--fetch-retries=1",
            "--loglevel=error",
        ],
    },
];

/// Installs those that are not there, side by side; says so where they cannot be had.
pub(crate) fn install() {
    thread::scope(|scope| {
        for sdks in &ALL {
            scope.spawn(|| {
                if let Err(error) = sdks.install() {
                    eprintln!(
                        "the SDKs for {} are not installed, and their tests left out: {error:#}",
                        sdks.name
                    );
                }
            });
        }
    });
}

impl Sdks {
    fn install(&self) -> Result<()> {
        let scripts = cargo::root().join(SCRIPTS).join(self.name);
        let folder = cargo::target().join("sdks").join(self.name);
        let lock = read(&scripts.join(self.lock))?;
        let version = cargo::output(Command::new(self.interpreter).arg("--version"))?;
        let made_from = format!("{}\n{lock}", version.trim());
        let mark = folder.join(INSTALLED);
        if fs::read_to_string(&mark).is_ok_and(|there| there == made_from) {
            return Ok(());
        }
        println!("installing the SDKs for {}", self.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        write(&folder.join(self.lock), &lock)?;
        if let Some(manifest) = self.manifest {
            write(&folder.join(manifest), &read(&scripts.join(manifest))?)?;
        }
        let (program, args) = self.installer.split_first().context("no installer")?;
        cargo::run(Command::new(program).args(args).current_dir(&folder))?;
        // Last, so that half an installation is none.
        write(&mark, &made_from)
    }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(name: &str) -> String {
        let sdks = ALL.iter().find(|sdks| sdks.name == name).unwrap();
        read(&cargo::root().join(SCRIPTS).join(name).join(sdks.lock)).unwrap()
    }

    #[test]
    fn every_version_of_python_s_packages_is_pinned_with_what_its_files_hash_to() {
        let lock = lock("python").replace("\\\n", " ");
        let packages = lock
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for package in packages {
            let (name, hashes) = package.split_once(' ').unwrap_or((package, ""));
            assert!(name.contains("=="), "{package}");
            assert!(hashes.trim().starts_with("--hash=sha256:"), "{package}");
        }
    }

    #[test]
    fn every_version_of_node_s_packages_is_pinned_with_what_its_files_hash_to() {
        let lock: serde_json::Value = serde_json::from_str(&lock("node")).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].is_string(), "{name}");
        }
    }
}
