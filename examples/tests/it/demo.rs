//! The demonstration: the sandbox with its faults on, and the pipeline with the file that it writes.

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::program::{PATIENCE, beside, finish, remote};

const FAULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sandbox/faults.yaml");

/// A sandbox that runs, and whose pipes are read, so that it never waits for their reader.
struct Running {
    child: Child,
    /// Where it wrote its configuration.
    config: PathBuf,
    printed: JoinHandle<Vec<String>>,
    complained: JoinHandle<Vec<String>>,
}

/// Starts the sandbox with `args`.
async fn sandbox(folder: &Path, args: &[&str]) -> Running {
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
    let complained = lines_of(BufReader::new(child.stderr.take().unwrap()).lines());
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    line.unwrap().unwrap().expect("the sandbox prints a line");
    Running {
        child,
        config,
        printed: lines_of(lines),
        complained,
    }
}

/// Reads lines to the end of the pipe.
fn lines_of<R>(mut lines: Lines<R>) -> JoinHandle<Vec<String>>
where
    R: AsyncBufRead + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            read.push(line);
        }
        read
    })
}

impl Running {
    /// Interrupts it as Ctrl-C does; returns what it wrote to standard error.
    async fn interrupt(mut self) -> Vec<String> {
        let pid = self.child.id().unwrap().to_string();
        let ended = async {
            let sent = Command::new("kill").args(["-INT", &pid]).status().await;
            assert!(sent.unwrap().success());
            let status = self.child.wait().await.unwrap();
            let (printed, complained) =
                (self.printed.await.unwrap(), self.complained.await.unwrap());
            assert!(status.success(), "{status}: {printed:?} {complained:?}");
            complained
        };
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("the sandbox ends when it is interrupted")
    }
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
    let quiet = sandbox(calm, &[]).await;
    let expected = indexed(calm, &quiet.config).await;
    drop(quiet);

    let faulty = sandbox(stormy, &["--faults", FAULTS]).await;
    let found = indexed(stormy, &faulty.config).await;
    assert_eq!(found, expected);
    let libraries = found.as_object().unwrap();
    assert!(libraries.len() >= 5, "{found}");
    for (library, counts) in libraries {
        assert!(counts["documents"].as_u64() > Some(0), "{library}: {found}");
        assert_eq!(counts["chunks"], counts["embedded_chunks"], "{library}");
    }
    let args = ["search", "when does a breaker open", "--json"];
    let answer: Value = serde_json::from_str(&run(stormy, &faulty.config, &args).await).unwrap();
    assert_eq!(
        answer["hits"][0]["library"],
        "/contexter-rs/contexter-breaker"
    );

    let said = faulty.interrupt().await;
    let injected = said
        .iter()
        .find_map(|line| line.strip_suffix(" faults injected")?.parse::<u32>().ok());
    assert!(
        injected > Some(5),
        "{injected:?} faults were injected: {said:?}"
    );
}
