//! The demonstration: the sandbox with its faults on, and the pipeline with the file that it writes.

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::program::{PATIENCE, beside, finish, remote};

const FAULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sandbox/faults.yaml");

/// Starts the sandbox with `args`, and returns where it wrote its configuration.
async fn sandbox(folder: &Path, args: &[&str]) -> (Child, PathBuf) {
    let config = folder.join("sandbox.yaml");
    let mut child = Command::new(beside("sandbox"))
        .args(args)
        .args(["--embedder", "lexical", "--write-config"])
        .arg(&config)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    line.unwrap().unwrap().expect("the sandbox prints a line");
    (child, config)
}

/// Runs the pipeline with the file as it was written; returns what it printed.
async fn run(folder: &Path, config: &Path, args: &[&str]) -> String {
    let args = [args, &["--config", config.to_str().unwrap()]].concat();
    finish(remote(&folder.join("data"), &args)).await.success()
}

/// Indexes once, and returns what is indexed.
async fn indexed(folder: &Path, config: &Path) -> Value {
    run(folder, config, &["index"]).await;
    let libraries = run(folder, config, &["libraries", "--json"]).await;
    serde_json::from_str(&libraries).unwrap()
}

#[tokio::test]
async fn one_run_with_the_faults_on_loses_nothing() {
    let (calm, stormy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (calm, stormy) = (calm.path(), stormy.path());
    let (quiet, config) = sandbox(calm, &[]).await;
    let expected = indexed(calm, &config).await;
    drop(quiet);

    let (mut child, config) = sandbox(stormy, &["--faults", FAULTS]).await;
    let found = indexed(stormy, &config).await;
    assert_eq!(found, expected);
    let libraries = found.as_object().unwrap();
    assert!(libraries.len() >= 5, "{found}");
    for (library, counts) in libraries {
        assert!(counts["documents"].as_u64() > Some(0), "{library}: {found}");
        assert_eq!(counts["chunks"], counts["embedded_chunks"], "{library}");
    }
    let args = ["search", "when does a breaker open", "--json"];
    let answer: Value = serde_json::from_str(&run(stormy, &config, &args).await).unwrap();
    assert_eq!(
        answer["hits"][0]["library"],
        "/contexter-rs/contexter-breaker"
    );

    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(sent.unwrap().success());
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut injected = None;
    while let Some(line) = said.next_line().await.unwrap() {
        if let Some(count) = line.strip_suffix(" faults injected") {
            injected = count.parse::<u32>().ok();
        }
    }
    assert!(injected > Some(5), "{injected:?} faults were injected");
    assert!(child.wait().await.unwrap().success());
}
