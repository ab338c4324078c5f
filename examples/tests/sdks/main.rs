//! The vendors' own SDKs, unmodified, against the sandbox.
//!
//! Each test runs a script of an SDK and reads the one line of JSON that it prints. `cargo xtask test
//! --install` installs the SDKs, in the versions of the lock files here; where they are not installed
//! the tests are left out, and listed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod node;
mod python;

use std::process::Stdio;
use std::time::Duration;

use contexter_sandbox::{BrightDataConfig, Sandbox, SandboxConfig};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Long enough for an SDK to be loaded on a busy machine, short enough to notice that something hangs.
const PATIENCE: Duration = Duration::from_mins(3);

async fn sandbox() -> Sandbox {
    let quick = BrightDataConfig::new().job_time(Duration::from_millis(100));
    Sandbox::start(SandboxConfig::new().brightdata(quick))
        .await
        .unwrap()
}

/// What an installation was made from that is of use here: for this version of the interpreter, and from
/// the lock file as it is.
fn made_from(interpreter: &str, lock: &str) -> String {
    let asked = std::process::Command::new(interpreter)
        .arg("--version")
        .output();
    let version = asked.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    format!("{}\n{lock}", version.trim())
}

/// Runs a script, which is passed by the standard input, and returns what it said.
async fn run(mut interpreter: Command, script: &str, sandbox: &Sandbox) -> Value {
    let servers = serde_json::to_string(sandbox.addresses()).unwrap();
    let mut child = interpreter
        .env("SANDBOX", servers)
        .env("SERP_ZONE", sandbox.brightdata().serp_zone())
        // The servers are on this machine, whatever proxy leads out of it.
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let talk = async {
        stdin.write_all(script.as_bytes()).await.unwrap();
        drop(stdin);
        child.wait_with_output().await.unwrap()
    };
    let output = tokio::time::timeout(PATIENCE, talk)
        .await
        .expect("the script hangs");
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    let line = said.lines().last().unwrap_or_default();
    let read = serde_json::from_str::<Value>(line);
    assert!(read.is_ok(), "{read:?}: {said}{complained}");
    read.unwrap()
}
