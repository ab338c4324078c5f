//! A server dies with the process that started it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use contexter_testkit::{Redis, require};

/// Set in the child process: it starts a server and waits to be killed.
const CHILD: &str = "CONTEXTER_TESTKIT_CHILD";

#[test]
fn a_server_dies_with_its_parent_even_by_sigkill() {
    require!("redis-server");
    if env::var_os(CHILD).is_some() {
        return wait_for_death();
    }
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "parent::a_server_dies_with_its_parent_even_by_sigkill",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let started = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find_map(|line| {
            line.split_once("started ")
                .map(|(_, facts)| facts.to_owned())
        })
        .unwrap();
    let (pid, data) = started.split_once(' ').unwrap();
    assert!(is_running(pid));

    child.kill().unwrap(); // SIGKILL: no destructor runs
    child.wait().unwrap();

    eventually("the server is gone", || !is_running(pid));
    eventually("its data is gone", || !Path::new(data).exists());
}

fn wait_for_death() {
    let redis = Redis::start().unwrap();
    println!(
        "started {} {}",
        redis.pid().unwrap(),
        redis.data().display()
    );
    // The parent never writes: this ends by the parent's kill, or with the parent.
    let _ended = std::io::stdin().read(&mut [0]);
}

pub(crate) fn is_running(pid: &str) -> bool {
    // A zombie answers signals, so the state is read instead.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[expect(clippy::disallowed_methods, reason = "processes end in real time")]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "not within 10 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
