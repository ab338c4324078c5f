//! Runs an example program.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the program that cargo built beside this test.
fn binary(name: &str) -> PathBuf {
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

/// What a finished run said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end.
pub(crate) fn run(name: &str, args: &[&str]) -> Said {
    let output = Command::new(binary(name))
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        code: output
            .status
            .code()
            .expect("the program was killed by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a program until it prints a line that holds `moment`, and interrupts it then as Ctrl-C does.
pub(crate) fn interrupt(name: &str, args: &[&str], moment: &str) -> Said {
    let mut child = Command::new(binary(name))
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap());
    let mut stdout = String::new();
    while !stdout.contains(moment) {
        let read = printed.read_line(&mut stdout).unwrap();
        assert_ne!(read, 0, "it ended before {moment}: {stdout}");
    }
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .unwrap();
    assert!(sent.success());
    printed.read_to_string(&mut stdout).unwrap();
    let output = child.wait_with_output().unwrap();
    Said {
        code: output
            .status
            .code()
            .expect("the program was killed by a signal"),
        stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    /// Asserts success and returns what was printed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Asserts the exit code, and that the message on standard error names `what`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, what: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(
            self.stderr.contains(what),
            "expected {what:?} in: {}",
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}
