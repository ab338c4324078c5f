//! The asynchronous unlocker: submit, come back, collect.

use std::time::Duration;

use contexter_brightdata::{CollectJob, JobState, SearchPage, SubmitPage, SubmitSearch, Unlock};
use contexter_model::{ErrorKind, FetchPage, PageFormat};
use contexter_service::{Again, Clock as _, Cx, DefaultClock, Verdict as _};
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;

use super::fixture::{LIMIT, adapter, call, config, start};

fn accepted() -> Scripted {
    Scripted::status(200).header("x-response-id", "job.1-a")
}

fn pending() -> Scripted {
    Scripted::text(202, "Request is pending")
}

fn within(limit: Duration) -> Cx {
    Cx::new().with_deadline(DefaultClock.now() + limit)
}

#[tokio::test]
async fn a_page_is_submitted_awaited_and_read() {
    let result = Scripted::status(200)
        .header("content-type", "text/html")
        .body("<html><body><h1>Hi</h1><p>there</p></body></html>");
    let (server, adapter) = start(vec![accepted(), pending(), pending(), result]).await;
    let request = FetchPage::new("https://example.org/a?k=1").country("de");
    let page = adapter
        .fetch_page_later(request, within(LIMIT))
        .await
        .unwrap();
    assert_eq!(page.format, PageFormat::Markdown);
    assert!(
        page.text.contains("# Hi") && !page.text.contains('<'),
        "{}",
        page.text
    );

    let requests = server.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", "/unblocker/req?zone=web_unlocker1")
    );
    assert_eq!(
        requests[0].json(),
        json!({ "url": "https://example.org/a?k=1", "country": "de" })
    );
    let collect = "/unblocker/get_result?response_id=job.1-a&zone=web_unlocker1";
    for request in &requests[1..] {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", collect)
        );
    }
    assert_eq!(requests.len(), 4);
    assert_eq!(adapter.usage().submissions, 1);
}

#[tokio::test]
async fn the_id_is_read_from_the_body_too_and_the_customer_is_named() {
    let server = ScriptedServer::start(vec![
        Scripted::json(200, json!({ "response_id": "from-body" })),
        Scripted::text(200, "x"),
    ])
    .await;
    let adapter = adapter(&config(&server).with_customer("hl_1"));
    let unlock = Unlock::new("https://example.org/").method("POST").body("b");
    let submit = SubmitPage::new(unlock).webhook_url("https://hook.example.org/x");
    let job = call(&adapter, submit).await.unwrap();
    assert_eq!(job.response_id, "from-body");
    let state = call(&adapter, CollectJob::new(job)).await.unwrap();
    assert!(matches!(state, JobState::Done(reply) if &reply.body[..] == b"x"));
    let requests = server.requests();
    assert_eq!(
        requests[0].path,
        "/unblocker/req?zone=web_unlocker1&customer=hl_1"
    );
    assert_eq!(
        requests[0].json(),
        json!({
            "url": "https://example.org/",
            "method": "POST",
            "body": "b",
            "webhook_url": "https://hook.example.org/x",
        })
    );
    assert_eq!(
        requests[1].path,
        "/unblocker/get_result?response_id=from-body&zone=web_unlocker1&customer=hl_1"
    );
}

#[tokio::test]
async fn a_search_is_submitted_and_read() {
    let body = json!({ "organic": [{ "link": "https://a.org/", "title": "A" }] });
    let (server, adapter) = start(vec![accepted(), pending(), Scripted::json(200, body)]).await;
    let page = adapter
        .search_later(SearchPage::new("x"), within(LIMIT))
        .await
        .unwrap();
    assert_eq!(page.organic[0].url, "https://a.org/");
    let requests = server.requests();
    assert_eq!(requests[0].path, "/serp/req?zone=serp_api1");
    assert_eq!(
        requests[0].json(),
        json!({ "url": "https://www.google.com/search?q=x&brd_json=1" })
    );
    assert!(
        requests[1]
            .path
            .starts_with("/serp/get_result?response_id=job.1-a")
    );
    let light = SubmitSearch::new(SearchPage::new("x").light());
    assert_eq!(
        call(&adapter, light).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_job_that_is_not_ready_in_time_is_named_and_not_submitted_again() {
    // There is no time for the wait that is asked for.
    let pending = pending().header("retry-after", "3600");
    let (server, adapter) = start(vec![accepted(), pending]).await;
    let request = FetchPage::new("https://example.org/");
    let error = adapter
        .fetch_page_later(request, within(LIMIT))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.message(),
        "job job.1-a is not ready in time; it can be collected later"
    );
    assert_eq!(error.again(), Again::No);
    let submissions = server
        .requests()
        .iter()
        .filter(|r| r.method == "POST")
        .count();
    assert_eq!(submissions, 1);
}

#[tokio::test]
async fn a_job_is_named_also_where_the_time_ends_during_a_question() {
    let (_server, adapter) = start(vec![accepted(), Scripted::hang()]).await;
    let submit = SubmitPage::new(Unlock::new("https://example.org/"));
    let job = call(&adapter, submit).await.unwrap();
    let error = adapter
        .wait_for_job(&job, within(Duration::from_millis(300)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.message(),
        "job job.1-a is not ready in time; it can be collected later"
    );
}

#[tokio::test]
async fn a_submission_ends_when_the_callers_time_does() {
    let (_server, adapter) = start(vec![Scripted::hang()]).await;
    let request = FetchPage::new("https://example.org/");
    let time = within(Duration::from_millis(300));
    let page = adapter.fetch_page_later(request, time);
    // The attempt itself has twenty seconds.
    let ended = tokio::time::timeout(Duration::from_secs(15), page).await;
    let error = ended.expect("the time of the caller counts").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        (error.service(), error.operation()),
        (Some("brightdata"), Some("submit_page"))
    );
    let search = adapter.search_later(SearchPage::new("x"), within(Duration::from_millis(300)));
    let ended = tokio::time::timeout(Duration::from_secs(15), search).await;
    assert!(ended.expect("the time of the caller counts").is_err());
}

#[tokio::test]
async fn a_submission_that_may_have_arrived_is_not_repeated() {
    let (server, adapter) = start(vec![Scripted::status(500)]).await;
    let submit = SubmitPage::new(Unlock::new("https://example.org/"));
    call(&adapter, submit.clone()).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);

    // Nor is one that was turned away, unless the caller decides so.
    let turned_away = Scripted::status(429).header("retry-after", "0");
    let (server, adapter) = start(vec![turned_away, accepted()]).await;
    call(&adapter, submit.clone()).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    call(&adapter, submit).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_result_of_a_job_is_judged_in_all_its_layers() {
    let blocked = super::fixture::failure("reject_block", 502, "blocked");
    let (_server, adapter) = start(vec![accepted(), blocked]).await;
    let error = adapter
        .fetch_page_later(FetchPage::new("https://example.org/"), within(LIMIT))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("reject_block"), "{error}");
}

#[tokio::test]
async fn an_acceptance_without_an_id_is_an_error() {
    let (_server, adapter) = start(vec![Scripted::json(200, json!({ "ok": true }))]).await;
    let submit = SubmitPage::new(Unlock::new("https://example.org/"));
    let error = call(&adapter, submit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.message(),
        "the job was accepted without a response_id"
    );
}

#[tokio::test]
async fn what_a_job_has_ended_with_is_asked_for_once() {
    for (code, status, left) in [("reject_block", 502, 8), ("sr_rate_limit", 429, 7)] {
        let ended = super::fixture::failure(code, status, "x").header("retry-after", "0");
        let (server, adapter) = start(vec![accepted(), ended]).await;
        let error = adapter
            .fetch_page_later(FetchPage::new("https://example.org/"), within(LIMIT))
            .await
            .unwrap_err();
        assert!(error.message().contains(code), "{error}");
        assert_eq!(server.requests().len(), 2, "{code}");
        assert_eq!(adapter.throttle_budget().left(), left, "{code}");
    }
    // A question that did not come through is asked again.
    let script = vec![accepted(), Scripted::status(503), Scripted::text(200, "x")];
    let (server, adapter) = start(script).await;
    let submit = SubmitPage::new(Unlock::new("https://example.org/"));
    let job = call(&adapter, submit).await.unwrap();
    call(&adapter, CollectJob::new(job)).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}
