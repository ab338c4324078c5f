//! The sandbox as a user runs it: one line of JSON, the file that it writes, and its end.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Long enough for a slow machine, short enough to notice that something hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Returns the program that cargo built beside this test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.join("examples").join("sandbox")
}

fn sandbox(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .args(["--embedder", "lexical"])
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts the program and reads its line.
async fn started(args: &[&str]) -> (Child, Value) {
    let mut child = sandbox(args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line.unwrap().unwrap().unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

/// Sends a signal and returns the exit code and what was said on the standard error stream.
async fn stopped(child: Child, signal: &str) -> (Option<i32>, String) {
    let kill = format!("kill {signal} {}", child.id().unwrap());
    let sent = Command::new("sh").args(["-c", &kill]).status().await;
    assert!(sent.unwrap().success());
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output());
    let output = output.await.unwrap().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr)
}

async fn refused(args: &[&str]) -> String {
    let output = tokio::time::timeout(PATIENCE, sandbox(args).output());
    let output = output.await.unwrap().unwrap();
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn it_prints_one_line_serves_and_ends_at_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sandbox.yaml");
    let (child, addresses) = started(&["--write-config", file.to_str().unwrap()]).await;
    let certificate = folder.path().join("sandbox.brightdata-ca.pem");
    let certificate = std::fs::read_to_string(certificate).unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"));
    let mut keys: Vec<&str> = addresses
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "brightdata_api_key",
            "brightdata_base_url",
            "brightdata_proxy",
            "brightdata_zone",
            "context7_api_key",
            "context7_base_url",
            "qdrant_api_key",
            "qdrant_url",
            "voyage_api_key",
            "voyage_base_url",
        ]
    );
    let of = |key: &str| addresses[key].as_str().unwrap();
    assert!(of("voyage_base_url").ends_with("/v1"));
    assert!(of("context7_base_url").ends_with("/api"));
    for key in [
        "voyage_base_url",
        "context7_base_url",
        "brightdata_base_url",
        "qdrant_url",
    ] {
        let host = of(key).trim_start_matches("http://");
        let host = host.split('/').next().unwrap();
        TcpStream::connect(host).await.unwrap();
    }
    let config = std::fs::read_to_string(&file).unwrap();
    for key in [
        "voyage_base_url",
        "voyage_api_key",
        "qdrant_url",
        "brightdata_zone",
    ] {
        assert!(config.contains(of(key)), "{key} is missing: {config}");
    }
    let (code, said) = stopped(child, "-INT").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 faults injected"), "{said}");
}

#[tokio::test]
async fn the_script_that_comes_with_it_works() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/sandbox/faults.yaml");
    let (child, _) = started(&["--faults", script, "--seed", "3"]).await;
    assert_eq!(stopped(child, "-TERM").await.0, Some(0));
}

#[tokio::test]
async fn a_configuration_of_before_is_replaced_and_one_of_somebody_else_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sandbox.yaml");
    let name = file.to_str().unwrap();
    for _ in 0..2 {
        let (child, addresses) = started(&["--write-config", name]).await;
        let url = addresses["qdrant_url"].as_str().unwrap();
        let config = std::fs::read_to_string(&file).unwrap();
        assert!(config.contains(url), "{url} is missing: {config}");
        assert_eq!(stopped(child, "-INT").await.0, Some(0));
    }
    std::fs::write(&file, "services: {}\n").unwrap();
    let said = refused(&["--write-config", name]).await;
    assert!(said.contains("not written by the sandbox"), "{said}");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(kept, "services: {}\n");
}

#[tokio::test]
async fn what_cannot_be_is_said_and_nothing_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("faults.yaml");
    std::fs::write(&script, "rules:\n  - { fautl: hang }\n").unwrap();
    let said = refused(&["--faults", script.to_str().unwrap()]).await;
    assert!(said.contains("faults.yaml:2:7"), "{said}");
    assert!(said.contains("fautl"), "{said}");
    assert_eq!(said.lines().count(), 1, "one line says all: {said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("voyage={}", taken.local_addr().unwrap().port());
    let said = refused(&["--port", &port]).await;
    assert!(said.contains("--port voyage=PORT"), "{said}");
    let said = refused(&["--port", "google=1"]).await;
    assert!(said.contains("brightdata_proxy"), "{said}");
    let said = refused(&["--faults", "/nonexistent.yaml"]).await;
    assert!(said.contains("/nonexistent.yaml"), "{said}");
    let said = refused(&["--write-config", "/nonexistent/sandbox.yaml"]).await;
    assert!(said.contains("/nonexistent is no folder"), "{said}");
}

#[tokio::test]
async fn a_rest_client_of_qdrant_is_told_that_grpc_is_spoken_there() {
    let (child, addresses) = started(&[]).await;
    let host = addresses["qdrant_url"].as_str().unwrap();
    let host = host.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /collections HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut reply));
    read.await.unwrap().unwrap();
    assert!(reply.starts_with("HTTP/1.1 415"), "{reply}");
    assert!(reply.contains("speaks gRPC"), "{reply}");
    assert_eq!(stopped(child, "-INT").await.0, Some(0));
}
