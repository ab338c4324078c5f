//! Runs the example program.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// Long enough for a slow machine, short enough to notice that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Returns the program that cargo built beside this test.
pub(crate) fn beside(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let binary = folder.join("examples").join(name);
    assert!(
        binary.is_file(),
        "{} is not built: run the tests of the whole package",
        binary.display()
    );
    binary
}

/// Prepares a run over the data folder `data`, with the embedder that needs no download.
pub(crate) fn program(data: &Path, args: &[&str]) -> Command {
    let mut command = remote(data, args);
    command.args(["--embedder", "lexical", "--offline"]);
    command
}

/// Prepares a run over the data folder `data`, with whatever embedder the arguments choose.
pub(crate) fn remote(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(beside("rag_pipeline"));
    command
        .args(args)
        .arg("--data")
        .arg(data)
        .env_remove("CONTEXTER_MODEL")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// What a finished run said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program to its end.
pub(crate) async fn run(data: &Path, args: &[&str]) -> Said {
    finish(program(data, args)).await
}

pub(crate) async fn finish(mut command: Command) -> Said {
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the program hangs").unwrap();
    Said {
        code: status.code().expect("the program was killed by a signal"),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

impl Said {
    /// Asserts success and returns what was printed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// Asserts the exit code, and that the message on standard error names `what`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, what: &str) {
        assert_eq!(self.code, code, "stderr: {}", self.stderr);
        assert!(
            self.stderr.contains(what),
            "expected {what:?} in: {}",
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}
