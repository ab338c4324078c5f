//! The fault runs with few events, so that they take a minute; `cargo xtask faults` has many.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Stdio};

use contexter_testkit::require;

/// Enough that something is under way at each of the faults.
const EVENTS: &str = "5000";

fn run(broker: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_faults"))
        .args(["--events", EVENTS, "--broker", broker])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}{errors}");
    assert!(
        said.contains("broker killed 4 times, stopped 2 times"),
        "{said}"
    );
    assert!(said.contains("of others not handled: 0"), "{said}");
}

#[test]
fn redis_loses_doubles_and_disorders_nothing_across_the_faults() {
    require!("redis-server");
    run("redis");
}

#[test]
fn nats_loses_doubles_and_disorders_nothing_across_the_faults() {
    require!("nats-server");
    run("nats");
}

#[test]
fn wrong_usage_is_told() {
    for args in [&["--events", "10"][..], &["--broker", "kafka"], &["--fast"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_faults"))
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
}
