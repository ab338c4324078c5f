//! What counts as refused for too many requests, and what is sent again after it.

use contexter_brightdata::{ProxyConfig, ProxyUser, SubmitPage, TriggerDataset, Unlock};
use contexter_model::{ErrorKind, FetchPage};
use contexter_service::{Again, Verdict as _};
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;

use super::fixture::{adapter, call, config, start};

const PAGE: &str = "https://example.org/";

#[tokio::test]
async fn every_429_of_the_vendor_counts_whatever_its_code() {
    // It is the configuration's fault, and is not tried again; the vendor counts it.
    let told = Scripted::status(200)
        .header("x-brd-err-code", "policy_20221")
        .header("x-brd-status-code", "429");
    let plain = Scripted::status(429).header("x-brd-err-code", "policy_20221");
    for answer in [told, plain] {
        let (server, adapter) = start(vec![answer]).await;
        let error = call(&adapter, FetchPage::new(PAGE)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.retry_after(), None);
        let budget = adapter.throttle_budget();
        assert_eq!((server.requests().len(), budget.left()), (1, 7));
        // Other targets are not concerned.
        assert!(budget.pause_left().is_zero());
    }
}

#[tokio::test]
async fn by_the_proxy_a_429_of_the_vendor_counts_and_one_of_the_target_does_not() {
    for (answer, left) in [
        (
            Scripted::status(429).header("x-brd-err-code", "policy_20221"),
            7,
        ),
        (Scripted::text(429, "slow down"), 8),
    ] {
        let server = ScriptedServer::start(vec![answer]).await;
        let address = server.address();
        let proxy = ProxyConfig::new(ProxyUser::new("hl_1", "residential1"), "pw-123456")
            .with_address(address.ip().to_string(), address.port());
        let mut settings = config(&server).with_proxy(proxy);
        settings.zone = None;
        let adapter = adapter(&settings);
        let page = FetchPage::new("http://example.org/");
        call(&adapter, page).await.unwrap_err();
        assert_eq!(adapter.throttle_budget().left(), left);
    }
}

#[tokio::test]
async fn a_429_of_the_target_is_not_the_vendors() {
    let answer = Scripted::text(200, "slow down").header("x-brd-status-code", "429");
    let (_server, adapter) = start(vec![answer]).await;
    let error = call(&adapter, FetchPage::new(PAGE)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(adapter.throttle_budget().left(), 8);
}

/// Every way in which the vendor says that it is too much.
fn throttled() -> Vec<Scripted> {
    let answers = [
        Scripted::status(429),
        Scripted::status(200)
            .header("x-brd-error-code", "rate_limit")
            .header("x-brd-status-code", "502"),
        Scripted::status(200)
            .header("x-brd-error-code", "sr_rate_limit")
            .header("x-brd-status-code", "429"),
        Scripted::status(429).header("x-brd-err-code", "client_10110"),
    ];
    answers
        .map(|answer| answer.header("retry-after", "0"))
        .into()
}

#[tokio::test]
async fn what_must_not_happen_twice_is_not_sent_again_after_a_throttle() {
    for answer in throttled() {
        let post = Unlock::new(PAGE).method("POST").body("x");
        let script = vec![answer, Scripted::text(200, "done")];
        let (server, adapter) = start(script.clone()).await;
        let error = call(&adapter, post.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        // Who knows that it does no harm may.
        assert_ne!(error.again(), Again::No);
        assert_eq!(server.requests().len(), 1);

        let (server, adapter) = start(script.clone()).await;
        call(&adapter, post.idempotent()).await.unwrap();
        assert_eq!(server.requests().len(), 2);

        let (server, adapter) = start(script.clone()).await;
        call(&adapter, FetchPage::new(PAGE)).await.unwrap();
        assert_eq!(server.requests().len(), 2);

        let (server, adapter) = start(script).await;
        let submit = SubmitPage::new(Unlock::new(PAGE));
        call(&adapter, submit).await.unwrap_err();
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_job_of_a_data_set_is_asked_for_again_when_too_many_are_under_way() {
    let too_many = "You have too many running jobs for this dataset. Running jobs: 100>=100";
    let script = vec![
        Scripted::text(429, too_many).header("retry-after", "0"),
        Scripted::json(200, json!({ "snapshot_id": "s_1" })),
    ];
    let (server, adapter) = start(script).await;
    let trigger = TriggerDataset::new("gd_1".parse().unwrap()).input(json!({ "url": PAGE }));
    assert_eq!(call(&adapter, trigger).await.unwrap().as_str(), "s_1");
    assert_eq!(server.requests().len(), 2);
}
