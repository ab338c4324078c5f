//! A real Redis.

use std::time::Duration;

use contexter_testkit::{Error, Redis, require};

use crate::wire::Client;

#[test]
fn answers_as_soon_as_start_returns() {
    require!("redis-server");
    let redis = Redis::start().unwrap();
    assert_eq!(redis.url(), format!("redis://{}", redis.address()));
    assert_eq!(
        Client::connect(&redis).unwrap().ask("PING").unwrap(),
        "+PONG"
    );
}

#[test]
fn keeps_what_it_acknowledged_over_a_kill_and_restart() {
    require!("redis-server");
    let mut redis = Redis::start().unwrap();
    let before = redis.address();
    assert_eq!(
        Client::connect(&redis)
            .unwrap()
            .ask("SET colour blue")
            .unwrap(),
        "+OK"
    );

    redis.kill().unwrap();
    assert!(
        Client::connect(&redis).is_err(),
        "a killed server still listens"
    );
    assert_eq!(redis.pid(), None);
    redis.restart().unwrap();

    assert_eq!(redis.address(), before);
    let mut client = Client::connect(&redis).unwrap();
    assert_eq!(client.ask("GET colour").unwrap(), "$4");
    assert_eq!(client.line().unwrap(), "blue");
}

#[test]
fn restarts_a_server_that_still_runs() {
    require!("redis-server");
    let mut redis = Redis::start().unwrap();
    let first = redis.pid();
    redis.restart().unwrap();
    assert_ne!(redis.pid(), first);
    assert_eq!(
        Client::connect(&redis).unwrap().ask("PING").unwrap(),
        "+PONG"
    );
}

#[test]
fn two_servers_share_neither_port_nor_data() {
    require!("redis-server");
    let (one, two) = (Redis::start().unwrap(), Redis::start().unwrap());
    assert_ne!(one.address(), two.address());
    assert_eq!(
        Client::connect(&one)
            .unwrap()
            .ask("SET colour blue")
            .unwrap(),
        "+OK"
    );
    assert_eq!(
        Client::connect(&two).unwrap().ask("GET colour").unwrap(),
        "$-1"
    );
}

#[test]
fn a_paused_server_answers_once_it_is_resumed() {
    require!("redis-server");
    let redis = Redis::start().unwrap();
    let mut client = Client::connect(&redis).unwrap();
    redis.pause().unwrap();
    client.patience(Duration::from_millis(200)).unwrap();
    assert!(client.ask("PING").is_err(), "a paused server answered");
    redis.resume().unwrap();
    client.patience(Duration::from_secs(5)).unwrap();
    assert_eq!(client.line().unwrap(), "+PONG");
}

#[test]
fn a_dropped_server_leaves_nothing_behind_even_when_paused() {
    require!("redis-server");
    let redis = Redis::start().unwrap();
    let (address, data) = (redis.address(), redis.data());
    assert!(data.is_dir());
    redis.pause().unwrap();
    drop(redis);
    assert!(!data.exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn arguments_can_be_added() {
    require!("redis-server");
    let redis = Redis::builder()
        .args(["--requirepass", "sesame"])
        .ready(b"PING\r\n", ["NOAUTH"]);
    let redis = redis.start().unwrap();
    let answer = Client::connect(&redis).unwrap().ask("PING").unwrap();
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
}

#[test]
fn a_killed_server_cannot_be_signalled() {
    require!("redis-server");
    let mut redis = Redis::start().unwrap();
    redis.kill().unwrap();
    assert!(matches!(redis.kill(), Err(Error::NotRunning { .. })));
    assert!(matches!(redis.pause(), Err(Error::NotRunning { .. })));
    assert!(redis.log().unwrap().contains("Ready to accept connections"));
}
