//! What was submitted is paid for: its job is never lost.

use std::time::Duration;

use contexter_brightdata::{BrightDataAdapter, Class, Job, Refusal, SearchPage};
use contexter_model::{Error, ErrorKind, FetchPage, PageFormat};
use contexter_service::{Again, Clock as _, Cx, DefaultClock, Verdict as _};
use contexter_testkit::Scripted;

use super::fixture::{LIMIT, failure, start};

fn accepted() -> Scripted {
    Scripted::status(200).header("x-response-id", "job.1-a")
}

fn result() -> Scripted {
    Scripted::status(200)
        .header("content-type", "text/html")
        .body("<h1>Hi</h1>")
}

async fn fetch(adapter: &BrightDataAdapter) -> Result<String, Error> {
    let cx = Cx::new().with_deadline(DefaultClock.now() + LIMIT);
    let request = FetchPage::new("https://example.org/?k=1").format(PageFormat::Html);
    let page = adapter.fetch_page_later(request, cx);
    let page = tokio::time::timeout(2 * LIMIT, page).await;
    page.expect("it ends in time").map(|page| page.text)
}

#[tokio::test]
async fn trouble_that_passes_does_not_end_the_wait() {
    let trouble = [
        Scripted::status(503),
        Scripted::status(500),
        Scripted::close(),
        // The third attempt: the question has failed, and is asked anew.
        Scripted::status(503),
        Scripted::status(504),
        Scripted::status(429).header("retry-after", "0"),
        Scripted::text(202, "Request is pending"),
        Scripted::status(502),
    ];
    let mut script = vec![accepted()];
    script.extend(trouble);
    script.push(result());
    let (server, adapter) = start(script).await;
    assert_eq!(fetch(&adapter).await.unwrap(), "<h1>Hi</h1>");
    let requests = server.requests();
    assert_eq!(requests.len(), 10);
    let submissions = requests.iter().filter(|r| r.method == "POST").count();
    assert_eq!(submissions, 1);
}

#[tokio::test]
async fn whatever_ends_the_wait_names_the_job() {
    for (answer, kind, message) in [
        (
            Scripted::text(401, "Auth method is not supported"),
            ErrorKind::Unauthorized,
            "job job.1-a: https://example.org/: the api key is not valid (status 401)",
        ),
        (
            failure("reject_block", 502, "captcha"),
            ErrorKind::Unavailable,
            "job job.1-a: https://example.org/: captcha or block page detected \
             (reject_block, status 502)",
        ),
        // The budget of refusals is used up, and there is no time to wait until it is not.
        (
            Scripted::status(429).header("retry-after", "0"),
            ErrorKind::Timeout,
            "job job.1-a is not ready in time; it can be collected later",
        ),
        // It is there, and is no page: it can still be collected as it is.
        (
            Scripted::status(200)
                .header("content-type", "image/png")
                .body("x"),
            ErrorKind::Unsupported,
            "job job.1-a: https://example.org/: the page is no text by its media type: image/png \
             (status 200)",
        ),
    ] {
        let (server, adapter) = start(vec![accepted(), answer]).await;
        let error = fetch(&adapter).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
        assert_eq!(error.service(), Some("brightdata"));
        let job = Job::of(&error).unwrap_or_else(|| panic!("{error} names no job"));
        assert_eq!(job.response_id, "job.1-a");
        // Who repeats the whole would pay twice.
        assert_eq!(error.again(), Again::No, "{error}");
        let requests = server.requests();
        let submissions = requests.iter().filter(|r| r.method == "POST").count();
        assert_eq!(submissions, 1);
    }
    let (_server, adapter) = start(vec![accepted(), failure("reject_block", 502, "x")]).await;
    let error = fetch(&adapter).await.unwrap_err();
    // The refusal is found behind the job.
    assert_eq!(Refusal::of(&error).unwrap().class(), Class::Blocked);
}

#[tokio::test]
async fn results_that_cannot_be_read_name_the_job_of_their_search() {
    let (_server, adapter) = start(vec![accepted(), Scripted::text(200, "<html>")]).await;
    let cx = Cx::new().with_deadline(DefaultClock.now() + LIMIT);
    let error = adapter
        .search_later(SearchPage::new("x"), cx)
        .await
        .unwrap_err();
    assert!(error.message().starts_with("job job.1-a: "), "{error}");
    assert_eq!(Job::of(&error).unwrap().response_id, "job.1-a");
}

#[tokio::test]
async fn a_job_that_an_error_names_can_be_collected() {
    let script = vec![accepted(), Scripted::status(401), result()];
    let (_server, adapter) = start(script).await;
    let error = fetch(&adapter).await.unwrap_err();
    let job = Job::of(&error).unwrap();
    let cx = Cx::new().with_deadline(DefaultClock.now() + Duration::from_secs(20));
    let reply = adapter.wait_for_job(job, cx).await.unwrap();
    assert_eq!(&reply.body[..], b"<h1>Hi</h1>");
}

#[tokio::test]
async fn a_submission_that_is_accepted_without_an_id_is_counted() {
    let (_server, adapter) = start(vec![Scripted::text(200, "ok")]).await;
    let error = fetch(&adapter).await.unwrap_err();
    assert!(Job::of(&error).is_none());
    assert_eq!(adapter.usage().submissions, 1);
}
