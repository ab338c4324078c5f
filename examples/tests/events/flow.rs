//! The event flow on each transport.

use std::net::TcpStream;

use contexter_testkit::{Nats, Redis, require};

use crate::program::{interrupt, run};

/// What a document goes through, in this order.
const STEPS: [&str; 6] = [
    "document.ingested",
    "embedding.requested",
    "embedding.completed",
    "vector.index_requested",
    "vector.indexed",
    "processing.completed",
];

fn shows_the_whole_flow(said: &str) {
    for document in ["breaker.md", "outbox.md", "retry.md"] {
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| line.contains(document))
            .collect();
        let places = STEPS.map(|step| lines.iter().position(|line| line.contains(step)));
        assert!(places.iter().all(Option::is_some), "{document}: {said}");
        assert!(places.is_sorted(), "{document}: {said}");
    }
    assert!(said.contains("document.processed"), "{said}");
    assert!(said.contains("3 documents, "), "{said}");
    assert!(said.contains("0 failed"), "{said}");
    assert!(said.contains("0 dead letters"), "{said}");
}

#[test]
fn in_this_process_every_event_and_its_settlement_is_shown() {
    let said = run("event_flow", &["--transport", "memory"]).success();
    shows_the_whole_flow(&said);
    assert!(
        said.contains("settlement of flow.announced by watch: Handled"),
        "{said}"
    );
}

#[test]
fn on_redis_every_event_and_the_brokers_confirmation_is_shown() {
    require!("redis-server");
    let server = Redis::start().unwrap();
    let args = ["--transport", "redis", "--url", &server.url()];
    // Twice: what an earlier run has left at the broker is no trouble.
    for _ in 0..2 {
        let said = run("event_flow", &args).success();
        shows_the_whole_flow(&said);
        assert!(said.contains("by the broker: stored as"), "{said}");
    }
}

#[test]
fn on_nats_every_event_and_the_brokers_confirmation_is_shown() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let args = ["--transport", "nats", "--url", &server.url()];
    for _ in 0..2 {
        let said = run("event_flow", &args).success();
        shows_the_whole_flow(&said);
        assert!(said.contains("by the broker: stored as"), "{said}");
    }
}

#[test]
fn without_a_url_the_usual_place_is_tried_and_the_command_that_starts_a_server_told() {
    for (transport, port, command) in [
        ("redis", 6_379, "redis-server --appendonly yes"),
        ("nats", 4_222, "nats-server --jetstream"),
    ] {
        let taken = TcpStream::connect(("127.0.0.1", port)).is_ok();
        let said = run("event_flow", &["--transport", transport]);
        if taken {
            // Whatever listens there is not ours.
            assert_ne!(said.code, 2, "{said:?}");
        } else {
            said.fails(1, command);
        }
    }
}

#[test]
fn ctrl_c_settles_what_is_under_way_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3_000 {
        let text = format!("# Number {number}\n\nA walrus of the name number {number}.\n");
        std::fs::write(folder.path().join(format!("{number}.md")), text).unwrap();
    }
    let documents = folder.path().to_str().unwrap();
    let said = interrupt(
        "event_flow",
        &["--documents", documents],
        "document.ingested",
    );
    said.fails(130, "interrupted");
    assert!(said.stdout.contains("settled: "), "{said:?}");
    assert!(!said.stdout.contains("document.processed"), "{said:?}");
}

#[test]
fn a_url_that_does_not_fit_is_refused_and_not_repeated() {
    let args = [
        "--transport",
        "nats",
        "--url",
        "redis://:hidden@127.0.0.1:1",
    ];
    let said = run("event_flow", &args);
    said.fails(2, "must begin with nats:// or tls://");
    assert!(!said.stderr.contains("hidden"));
    run("event_flow", &["--url", "redis://127.0.0.1:1"]).fails(2, "--url needs --transport");
    run("event_flow", &["--transport", "kafka"]).fails(2, "kafka");
}

#[test]
fn a_broker_that_is_not_there_is_told_in_one_line_without_the_password() {
    let args = [
        "--transport",
        "redis",
        "--url",
        "redis://:hidden@127.0.0.1:1",
    ];
    let said = run("event_flow", &args);
    said.fails(1, "cannot be reached: 127.0.0.1:1: Connection refused");
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    assert!(!said.stderr.contains("hidden"));
    let args = [
        "--transport",
        "nats",
        "--url",
        "nats://u:hidden@127.0.0.1:1",
    ];
    let said = run("event_flow", &args);
    said.fails(
        1,
        "nats server at 127.0.0.1:1 cannot be reached: Connection refused",
    );
    assert!(!said.stderr.contains("hidden"));
}
