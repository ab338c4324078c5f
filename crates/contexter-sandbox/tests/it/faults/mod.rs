//! What faults do to replies.

mod early;
mod vendors;

use std::time::Duration;

use contexter_sandbox::{
    ContentTypeFault, CutFault, DripFault, Fault, FaultKind, FaultScript, OversizeFault,
    RateLimitFault, Rule, Sandbox, SandboxConfig, Server,
};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::client::{PATIENCE, Raw, hello, post, raw_hello, send_hello, start, voyage};

async fn with(fault: Fault) -> Sandbox {
    let script = FaultScript::new().rule(Rule::new(fault));
    start(SandboxConfig::new().faults(script)).await
}

async fn reply_under(fault: Fault) -> Raw {
    let sandbox = with(fault).await;
    let raw = raw_hello(&sandbox).await;
    assert_eq!(sandbox.faults().injected(), 1);
    raw
}

fn body(raw: &Raw) -> &str {
    raw.text.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn a_status_has_the_vendor_s_shape() {
    let raw = reply_under(Fault::status(403)).await;
    assert!(raw.text.starts_with("HTTP/1.1 403 "), "{}", raw.text);
    assert_eq!(body(&raw), r#"{"detail":"Forbidden"}"#);
}

#[tokio::test]
async fn a_rate_limit_comes_with_and_without_headers() {
    let with_headers = RateLimitFault {
        retry_after: Some(Duration::from_millis(1500)),
        body: None,
    };
    let raw = reply_under(Fault::RateLimit(with_headers)).await;
    assert!(raw.text.starts_with("HTTP/1.1 429 "), "{}", raw.text);
    assert!(raw.text.contains("retry-after: 2\r\n"), "{}", raw.text);
    let raw = reply_under(Fault::RateLimit(RateLimitFault::default())).await;
    assert!(raw.text.starts_with("HTTP/1.1 429 "), "{}", raw.text);
    assert!(!raw.text.contains("retry-after"), "{}", raw.text);
}

#[tokio::test]
async fn a_delay_changes_nothing_but_the_time() {
    let delay = Duration::from_millis(200);
    let started = Instant::now();
    let raw = reply_under(Fault::Delay(delay)).await;
    assert!(started.elapsed() >= delay);
    assert!(raw.text.starts_with("HTTP/1.1 200 "), "{}", raw.text);
}

#[tokio::test]
async fn a_disconnect_is_a_reset_before_the_first_byte() {
    let raw = reply_under(Fault::Disconnect).await;
    assert!(raw.reset);
    assert_eq!(raw.text, "");
}

#[tokio::test]
async fn a_reset_comes_within_the_body() {
    let cut = CutFault {
        after_bytes: Some(40),
    };
    let raw = reply_under(Fault::Reset(cut)).await;
    assert!(raw.reset);
    assert!(raw.text.starts_with("HTTP/1.1 200 "), "{}", raw.text);
    assert_eq!(body(&raw).len(), 40);
}

#[tokio::test]
async fn a_reply_that_is_cut_short_promised_more() {
    let raw = reply_under(Fault::CutShort(CutFault::default())).await;
    assert!(!raw.reset);
    let length = raw
        .text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let length: usize = length.parse().unwrap();
    assert_eq!(body(&raw).len(), length / 2);
}

#[tokio::test]
async fn a_truncated_reply_ends_as_if_it_were_whole() {
    let raw = reply_under(Fault::Truncate(CutFault::default())).await;
    assert!(!raw.text.contains("content-length"), "{}", raw.text);
    assert!(
        raw.text.contains("transfer-encoding: chunked"),
        "{}",
        raw.text
    );
    assert!(raw.text.ends_with("\r\n0\r\n\r\n"), "a proper end");
    assert!(!raw.text.contains("total_tokens"), "the end is missing");
}

#[tokio::test]
async fn another_content_type_may_bring_another_body() {
    let raw = reply_under(Fault::ContentType(ContentTypeFault::default())).await;
    assert!(
        raw.text.contains("content-type: text/html\r\n"),
        "{}",
        raw.text
    );
    assert!(body(&raw).contains("total_tokens"));
    let page = ContentTypeFault {
        value: "text/html; charset=utf-8".to_owned(),
        body: Some("<p>away</p>".to_owned()),
    };
    let raw = reply_under(Fault::ContentType(page)).await;
    assert_eq!(body(&raw), "<p>away</p>");
}

#[tokio::test]
async fn an_oversized_reply_is_json_for_who_reads_it_all() {
    let sandbox = with(Fault::Oversize(OversizeFault { bytes: 100_000 })).await;
    let reply = voyage(&sandbox)
        .post("embeddings")
        .json(&hello())
        .send()
        .await
        .unwrap();
    assert!(reply.bytes().len() > 100_000);
    let value: serde_json::Value = reply.json().unwrap();
    assert_eq!(value["object"], "list");
}

#[tokio::test]
async fn a_drip_takes_its_time_and_loses_nothing() {
    let drip = DripFault {
        chunk_bytes: 100,
        every: Duration::from_millis(10),
    };
    let sandbox = with(Fault::Drip(drip)).await;
    let started = Instant::now();
    let (status, value) = post(&voyage(&sandbox), "embeddings", &hello()).await;
    assert_eq!((status, &value["object"]), (200, &"list".into()));
    assert_eq!(value["data"][0]["embedding"].as_array().unwrap().len(), 256);
    // 256 floats are more than 1,200 characters.
    assert!(started.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_hanging_request_gets_nothing() {
    let sandbox = with(Fault::Hang).await;
    let mut stream = send_hello(&sandbox).await;
    while sandbox.faults().injected() == 0 {
        tokio::task::yield_now().await;
    }
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
    assert!(read.is_err(), "there was a byte or an end: {read:?}");
    assert_eq!(sandbox.voyage().requests(), 0, "the server did not see it");
}

#[tokio::test]
async fn rules_apply_to_the_calls_they_name() {
    let script = FaultScript::from_yaml(
        "rules:
           - { server: context7, fault: hang }
           - { path: /v1/rerank, fault: hang }
           - { method: GET, fault: hang }
           - { calls: [2, 3], fault: { status: { code: 500 } } }
           - { every: 2, times: 1, fault: { status: { code: 503 } } }",
    )
    .unwrap();
    let sandbox = start(SandboxConfig::new().faults(script)).await;
    let api = voyage(&sandbox);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let call = api.post("embeddings").json(&hello()).send();
        let reply = tokio::time::timeout(PATIENCE, call).await.unwrap();
        statuses.push(reply.unwrap().status());
    }
    // The last rule sees only what the one before let through: calls 1, 4, 5, …
    assert_eq!(statuses, [200, 500, 500, 503, 200, 200, 200]);
    let faults = sandbox.faults();
    assert_eq!(faults.requests(Server::Voyage), 7);
    assert_eq!(faults.injected_on(Server::Voyage, FaultKind::Status), 3);
    assert_eq!(sandbox.voyage().requests(), 4);
}

#[tokio::test]
async fn the_same_seed_draws_the_same_calls() {
    async fn drawn(seed: u64) -> Vec<bool> {
        let script = FaultScript::from_yaml(
            "rules: [{ probability: 0.3, fault: { status: { code: 500 } } }]",
        );
        let config = SandboxConfig::new().seed(seed).faults(script.unwrap());
        let sandbox = start(config).await;
        let api = voyage(&sandbox);
        let mut failed = Vec::new();
        for _ in 0..60 {
            failed.push(api.get("nothing").send().await.unwrap().status() == 500);
        }
        failed
    }
    let first = drawn(1).await;
    assert_eq!(first, drawn(1).await);
    assert_ne!(first, drawn(2).await);
    let share = first.iter().filter(|failed| **failed).count();
    assert!((8..=28).contains(&share), "{share} of 60 at 0.3");
}

#[tokio::test]
async fn a_script_can_be_replaced_and_cleared() {
    let sandbox = with(Fault::status(500)).await;
    let api = voyage(&sandbox);
    let status = async || post(&api, "embeddings", &hello()).await.0;
    assert_eq!(api.get("x").send().await.unwrap().status(), 500);
    let script = FaultScript::new().rule(Rule::new(Fault::status(418)).calls([1]));
    sandbox.faults().replace(script).unwrap();
    assert_eq!(status().await, 418);
    assert_eq!(status().await, 200);
    sandbox.faults().clear();
    assert_eq!(status().await, 200);
    assert_eq!(sandbox.faults().injected(), 2);
}
