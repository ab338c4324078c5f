//! Ctrl-C while the program waits for its input.

#![cfg(target_os = "linux")]

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::corpus;
use crate::program::{PATIENCE, program, run};

#[tokio::test]
async fn a_query_that_does_not_come_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 1);
    let data = folder.path().join("data");
    let args = ["index", "--source", source.to_str().unwrap()];
    run(&data, &args).await.success();
    let mut search = program(&data, &["search", "-"]);
    search.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = search.spawn().unwrap();
    let pid = child.id().unwrap().to_string();
    let deadline = Instant::now() + PATIENCE;
    while !catches_interrupts(&pid) {
        assert!(Instant::now() < deadline, "Ctrl-C is not listened for");
        sleep(Duration::from_millis(10)).await;
    }
    let sent = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(sent.unwrap().success());
    // It stays open, or the query would have come to its end.
    let input = child.stdin.take();
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    drop(input);
    let ended = ended.expect("the program hangs").unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("interrupted"), "{said}");
}

/// Whether a process has a handler for SIGINT, which is signal 2.
fn catches_interrupts(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & 0b10 != 0
}
