//! Nothing is read without an end.

use std::time::Duration;

use contexter_http::{Api, Auth, Client, Config};
use contexter_model::{Error, ErrorKind};
use contexter_service::Verdict;
use contexter_testkit::{Scripted, ScriptedServer};

const LIMIT: u64 = 1_000;

/// 100,000 spaces, compressed by gzip into 133 bytes.
const BOMB: &[u8] = include_bytes!("bomb.gz");

async fn ask(script: Scripted) -> Result<bytes::Bytes, Error> {
    let server = ScriptedServer::start(vec![script]).await;
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None)
        .unwrap()
        .with_max_body(LIMIT);
    Ok(api.get("x").send().await?.into_bytes())
}

fn body(bytes: usize) -> Vec<u8> {
    vec![b'x'; bytes]
}

fn assert_too_large(outcome: Result<bytes::Bytes, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(
        error
            .message()
            .ends_with("more than the limit of 1000 bytes"),
        "{error}"
    );
    assert!(error.sent());
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let read = ask(Scripted::status(200).body(body(1_000))).await.unwrap();
    assert_eq!(read, body(1_000));
}

#[tokio::test]
async fn an_announced_body_above_the_limit_is_not_awaited() {
    // It would stall: the answer comes by the announcement alone.
    assert_too_large(ask(Scripted::status(200).body(body(1_001)).stall_after(0)).await);
}

#[tokio::test]
async fn an_unannounced_body_is_cut_off_at_the_limit() {
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    assert_too_large(ask(Scripted::raw([head, body(5_000)].concat())).await);
}

#[tokio::test]
async fn the_limit_counts_what_was_unpacked() {
    assert!(BOMB.len() < 1_000);
    let packed = Scripted::status(200)
        .header("content-encoding", "gzip")
        .body(BOMB);
    assert_too_large(ask(packed).await);
}

#[tokio::test]
async fn a_request_can_have_a_limit_of_its_own() {
    let server = ScriptedServer::start(vec![Scripted::status(200).body(body(11))]).await;
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None).unwrap();
    let error = api.get("x").max_body(10).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(api.get("x").max_body(11).send().await.is_ok());
}

#[tokio::test]
async fn a_body_in_pieces_arrives_whole_and_in_order() {
    let numbers: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    let text = numbers.join(",");
    let script = Scripted::status(200)
        .body(text.clone())
        .drip(7, Duration::from_millis(1));
    assert_eq!(ask(script).await.unwrap(), text);
}

async fn timeout(config: Config, script: Scripted) -> Error {
    let server = ScriptedServer::start(vec![script]).await;
    let api = Api::new(
        &Client::new(&config).unwrap(),
        &server.base_url(),
        Auth::None,
    )
    .unwrap();
    let error = api.get("x").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.sent(), "{error}");
    error
}

#[tokio::test]
async fn silence_before_and_within_the_body_meets_the_read_timeout() {
    for script in [
        Scripted::hang(),
        Scripted::text(200, "0123456789").stall_after(4),
    ] {
        timeout(
            Config::default().read_timeout(Duration::from_millis(300)),
            script,
        )
        .await;
    }
}

#[tokio::test]
async fn a_trickle_meets_the_total_timeout() {
    let drip = Scripted::status(200)
        .body(body(100_000))
        .drip(1, Duration::from_millis(20));
    let config = Config::default()
        .read_timeout(Duration::from_secs(30))
        .total_timeout(Duration::from_millis(500));
    timeout(config, drip).await;
}

#[tokio::test]
async fn a_large_reply_can_be_taken_piece_by_piece_within_the_limit() {
    let server = ScriptedServer::start(vec![
        Scripted::status(200).body(body(300_000)),
        Scripted::status(200).body(body(300_000)),
        Scripted::status(404).body("no such file"),
        Scripted::status(200)
            .body(body(300_000))
            .reset_after(100_000),
    ])
    .await;
    let client = Client::new(&Config::default()).unwrap();
    let api = Api::new(&client, &server.base_url(), Auth::None).unwrap();
    let open = |limit| api.get("x").operation("take").max_body(limit).open();
    let mut reply = open(300_000).await.unwrap();
    assert!(reply.is_success());
    let (mut bytes, mut pieces) = (0, 0);
    while let Some(piece) = reply.chunk().await.unwrap() {
        (bytes, pieces) = (bytes + piece.len(), pieces + 1);
    }
    assert_eq!(bytes, 300_000);
    assert!(pieces > 1);

    // Its length was announced, so that nothing is taken of it.
    let mut reply = open(299_999).await.unwrap();
    let error = reply.chunk().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);

    let reply = open(u64::MAX).await.unwrap();
    assert_eq!(reply.status(), 404);
    assert_eq!(
        reply.max_body(12).whole().await.unwrap().text().unwrap(),
        "no such file"
    );

    let mut reply = open(300_000).await.unwrap();
    let error = loop {
        match reply.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was not whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.operation(), Some("take"));
}
