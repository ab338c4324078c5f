//! Files and batch jobs.

use std::time::Duration;

use contexter_model::{ErrorKind, Purpose, Rerank};
use contexter_service::{Clock as _, Cx, DefaultClock};
use contexter_testkit::{Recorded, Scripted, ScriptedServer};
use contexter_voyage::{
    EmbedTexts, Job, JobStatus, Jobs, Polling, RerankTexts, RetryConfig, VoyageAdapter, Work,
};
use serde_json::{Value, json};

use crate::support::{DEADLINE, KEY, base64_of, config, reply, vector};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// Waits for what must not take long.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap()
}

fn jobs(server: &ScriptedServer) -> Jobs {
    let adapter = VoyageAdapter::new(config(server)).unwrap();
    adapter
        .jobs()
        .with_polling(Polling::new(MILLISECOND, 5 * MILLISECOND))
}

fn work(ids: &[&str]) -> Work<EmbedTexts> {
    let line = |text: &str| {
        EmbedTexts::new([text], Purpose::Document)
            .with_model("voyage-4")
            .with_dimension(256)
    };
    Work::new(ids.iter().map(|id| (*id, line(id)))).unwrap()
}

fn file() -> Scripted {
    Scripted::json(
        200,
        json!({ "object": "file", "id": "file-1", "purpose": "batch", "bytes": 12 }),
    )
}

fn job(status: &str) -> Scripted {
    Scripted::json(
        200,
        json!({
            "id": "batch-1",
            "object": "batch",
            "endpoint": "/v1/embeddings",
            "status": status,
            "output_file_id": "file-2",
            "error_file_id": "file-3",
            "request_counts": { "total": 3, "completed": 2, "failed": 1 },
            "canceling_at": null,
            "something_new": {},
        }),
    )
}

fn done(id: &str, first: f32) -> String {
    let body = reply(&[(0, json!(base64_of(&vector(first))))], 10);
    json!({
        "batch_id": "batch-1",
        "custom_id": id,
        "response": { "status_code": 200, "body": body },
        "error": null,
    })
    .to_string()
}

fn lines(lines: &[String]) -> Scripted {
    Scripted::status(200)
        .header("content-type", "application/jsonl")
        .body(lines.join("\n") + "\n")
}

fn calls(requests: &[Recorded]) -> Vec<String> {
    let call = |request: &Recorded| format!("{} {}", request.method, request.path);
    requests.iter().map(call).collect()
}

/// The lines of the file in a form.
fn sent_lines(form: &str) -> Vec<Value> {
    form.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn a_job_is_sent_waited_for_and_its_results_joined_by_id() {
    let failed = json!({
        "custom_id": "c",
        "response": { "status_code": 400, "message": "too long" },
    });
    let server = ScriptedServer::start(vec![
        file(),
        job("validating"),
        job("in_progress"),
        job("some_new_state"),
        job("completed"),
        lines(&[done("b", 1.0), done("a", 0.0)]),
        lines(&[failed.to_string()]),
    ])
    .await;
    let adapter = VoyageAdapter::new(config(&server)).unwrap();
    let jobs = adapter
        .jobs()
        .with_polling(Polling::new(MILLISECOND, MILLISECOND));
    let work = work(&["a", "b", "c", "d"]).with_metadata("run", "7");
    let results = jobs.run(Cx::new(), &work).await.unwrap();
    assert_eq!(
        results.done["a"].vectors.clone().into_float().unwrap(),
        [vector(0.0)]
    );
    assert_eq!(
        results.done["b"].vectors.clone().into_float().unwrap(),
        [vector(1.0)]
    );
    assert_eq!(results.failed["c"].kind(), ErrorKind::Invalid);
    assert_eq!(results.failed["c"].message(), "answered 400: too long");
    assert_eq!(results.failed["d"].kind(), ErrorKind::Protocol);
    assert_eq!(results.usage.tokens, 20);
    assert_eq!(adapter.usage().models["voyage-4"].tokens, 20);
    let requests = server.requests();
    assert_eq!(
        calls(&requests),
        [
            "POST /v1/files",
            "POST /v1/batches",
            "GET /v1/batches/batch-1",
            "GET /v1/batches/batch-1",
            "GET /v1/batches/batch-1",
            "GET /v1/files/file-2/content",
            "GET /v1/files/file-3/content",
        ]
    );
    let form = requests[0].text();
    let kind = requests[0].header("content-type").unwrap();
    assert!(kind.starts_with("multipart/form-data; boundary="), "{kind}");
    assert!(form.contains("name=\"purpose\"\r\n\r\nbatch\r\n"), "{form}");
    assert!(
        form.contains("name=\"file\"; filename=\"input.jsonl\""),
        "{form}"
    );
    assert_eq!(
        sent_lines(&form)[0],
        json!({ "custom_id": "a", "body": { "input": ["a"] } })
    );
    assert_eq!(sent_lines(&form).len(), 4);
    assert_eq!(
        requests[1].json(),
        json!({
            "endpoint": "/v1/embeddings",
            "completion_window": "12h",
            "input_file_id": "file-1",
            "request_params": {
                "model": "voyage-4",
                "input_type": "document",
                "truncation": true,
                "output_dimension": 256,
                "encoding_format": "base64",
            },
            "metadata": { "run": "7" },
        })
    );
    for request in &requests {
        let authorization = request.header("authorization");
        assert_eq!(authorization, Some(&*format!("Bearer {KEY}")));
    }
}

#[tokio::test]
async fn a_wait_ends_with_the_deadline_and_the_job_goes_on() {
    let server = ScriptedServer::start(vec![job("in_progress")]).await;
    let adapter = VoyageAdapter::new(config(&server)).unwrap();
    let jobs = adapter.jobs().with_polling(Polling::new(HOUR, HOUR));
    let deadline = DefaultClock.now() + 3 * SECOND;
    let cx = Cx::new().with_deadline(deadline);
    let error = within(jobs.wait(cx, "batch-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.message(),
        "the job batch-1 is still in_progress and goes on"
    );
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.method == "GET")
    );
}

#[tokio::test]
async fn the_deadline_ends_a_request_of_the_wait_too() {
    let server = ScriptedServer::start(vec![job("in_progress"), Scripted::hang()]).await;
    let deadline = DefaultClock.now() + 3 * SECOND;
    let cx = Cx::new().with_deadline(deadline);
    let error = within(jobs(&server).wait(cx, "batch-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(
        error.message(),
        "the job batch-1 is still in_progress and goes on"
    );
    let silent = ScriptedServer::start(vec![Scripted::hang()]).await;
    let cx = Cx::new().with_deadline(DefaultClock.now() + SECOND);
    let error = within(jobs(&silent).run(cx, &work(&["a"])))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let error = within(jobs(&silent).within(cx).get("batch-1")).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_wait_outlives_a_vendor_that_is_away_for_a_while() {
    let away = Scripted::status(503);
    let server = ScriptedServer::start(vec![away.clone(), away, job("completed")]).await;
    let job = within(jobs(&server).wait(Cx::new(), "batch-1")).await;
    assert_eq!(job.unwrap().status, JobStatus::Completed);
    let server = ScriptedServer::start(vec![Scripted::status(404)]).await;
    let error = within(jobs(&server).wait(Cx::new(), "batch-1")).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn ended(jobs: &Jobs) -> Job {
    jobs.get("batch-1").await.unwrap()
}

#[tokio::test]
async fn a_line_is_read_before_the_file_has_ended() {
    let first = done("b", 1.0) + "\n";
    let length = first.len();
    let file = Scripted::status(200).body(first + &done("a", 0.0));
    let server = ScriptedServer::start(vec![job("completed"), file.stall_after(length)]).await;
    let (jobs, work) = (jobs(&server), work(&["a", "b"]));
    let job = ended(&jobs).await;
    let mut outcomes = jobs.outcomes(&job, &work).unwrap();
    let (id, outcome) = within(outcomes.next()).await.unwrap().unwrap();
    let vectors = outcome.unwrap().vectors.into_float();
    assert_eq!((id, vectors), ("b", Some(vec![vector(1.0)])));
}

#[tokio::test]
async fn a_broken_file_is_opened_again_and_read_on_behind_the_last_line() {
    let file = [
        done("b", 1.0),
        String::new(),
        done("a", 0.0),
        done("c", 2.0),
    ]
    .join("\n");
    let broken = |bytes| Scripted::status(200).body(&*file).reset_after(bytes);
    let server = ScriptedServer::start(vec![
        job("completed"),
        broken(2_000),
        broken(3_500),
        Scripted::status(503),
        Scripted::status(200).body(&*file),
        lines(&[]),
    ])
    .await;
    let settings = config(&server).with_retry_config(
        RetryConfig::new()
            .with_max_attempts(5)
            .with_base_delay(MILLISECOND)
            .with_max_delay(MILLISECOND),
    );
    let adapter = VoyageAdapter::new(settings).unwrap();
    let (jobs, work) = (adapter.jobs(), work(&["a", "b", "c", "d"]));
    let job = ended(jobs).await;
    let mut outcomes = jobs.outcomes(&job, &work).unwrap();
    let mut seen = Vec::new();
    while let Some((id, outcome)) = within(outcomes.next()).await.unwrap() {
        seen.push((id, outcome.map_err(|error| error.kind()).map(drop)));
    }
    let done = |id| (id, Ok(()));
    let missing = ("d", Err(ErrorKind::Protocol));
    assert_eq!(seen, [done("b"), done("a"), done("c"), missing]);
}

#[tokio::test]
async fn a_line_without_an_end_is_not_read_for_ever() {
    let endless = Scripted::status(200).body(vec![b' '; 65 << 20]);
    let server = ScriptedServer::start(vec![job("completed"), endless]).await;
    let (jobs, work) = (jobs(&server), work(&["a"]));
    let job = ended(&jobs).await;
    let error = within(jobs.results(&job, &work)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(
        error.message(),
        "line 1 of the results has more than 67108864 bytes"
    );
}

#[tokio::test]
async fn results_that_are_read_twice_are_counted_once() {
    let file = || lines(&[done("a", 0.0)]);
    let empty = || lines(&[]);
    let server =
        ScriptedServer::start(vec![job("completed"), file(), empty(), file(), empty()]).await;
    let adapter = VoyageAdapter::new(config(&server)).unwrap();
    let job = ended(adapter.jobs()).await;
    for _ in 0..2 {
        let results = adapter.jobs().results(&job, &work(&["a"])).await.unwrap();
        assert_eq!(results.usage.tokens, 10);
    }
    assert_eq!(adapter.usage().tokens, 10);
}

#[tokio::test]
async fn lines_behind_the_place_where_reading_broke_off_are_counted_too() {
    let ids = ["a", "b"];
    let whole = || lines(&[done("a", 0.0), done("b", 1.0)]);
    let half = || lines(&[done("a", 0.0), "no json".to_owned()]);
    let empty = || lines(&[]);
    let server = ScriptedServer::start(vec![job("completed"), half(), whole(), empty()]).await;
    let adapter = VoyageAdapter::new(config(&server)).unwrap();
    let job = ended(adapter.jobs()).await;
    // A handle that is never read counts nothing.
    let work = work(&ids);
    drop(adapter.jobs().outcomes(&job, &work).unwrap());
    let error = adapter.jobs().results(&job, &work).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(adapter.usage().tokens, 10);
    let results = adapter.jobs().results(&job, &work).await.unwrap();
    assert_eq!(results.usage.tokens, 20);
    assert_eq!(adapter.usage().tokens, 20);
}

#[tokio::test]
async fn a_file_may_take_longer_to_send_than_a_call_may_be_silent() {
    let slow = file().delay(Duration::from_millis(400));
    let server = ScriptedServer::start(vec![slow]).await;
    let config = config(&server)
        .with_timeout(Duration::from_millis(100))
        .with_retry_config(RetryConfig::new().with_max_attempts(1));
    let adapter = VoyageAdapter::new(config).unwrap();
    let file = within(adapter.jobs().upload("lines.jsonl", "{}\n")).await;
    assert_eq!(file.unwrap().id, "file-1");
}

#[tokio::test]
async fn more_notes_than_a_job_has_are_refused() {
    let server = ScriptedServer::start(vec![file()]).await;
    let many = (0..17).fold(work(&["a"]), |work, number| {
        work.with_metadata(number.to_string(), "x")
    });
    let error = jobs(&server).submit(&many).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.message(),
        "17 entries of metadata, at most 16 are allowed"
    );
}

#[tokio::test]
async fn a_job_is_never_made_twice_but_asked_for_again() {
    let server = ScriptedServer::start(vec![file(), Scripted::status(503), job("completed")]).await;
    let settings = config(&server).with_retry_config(
        RetryConfig::new()
            .with_max_attempts(3)
            .with_base_delay(MILLISECOND)
            .with_max_delay(MILLISECOND),
    );
    let adapter = VoyageAdapter::new(settings).unwrap();
    let error = adapter.jobs().submit(&work(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        calls(&server.requests()),
        ["POST /v1/files", "POST /v1/batches"]
    );

    let server = ScriptedServer::start(vec![Scripted::status(503), job("cancelling")]).await;
    let settings = config(&server).with_retry_config(
        RetryConfig::new()
            .with_max_attempts(3)
            .with_base_delay(MILLISECOND)
            .with_max_delay(MILLISECOND),
    );
    let adapter = VoyageAdapter::new(settings).unwrap();
    let job = within(adapter.jobs().cancel("batch-1")).await.unwrap();
    assert_eq!(job.status, JobStatus::Cancelling);
    assert_eq!(
        calls(&server.requests())[1],
        "POST /v1/batches/batch-1/cancel"
    );
}

#[tokio::test]
async fn too_many_jobs_say_to_come_back_in_half_an_hour() {
    let server = ScriptedServer::start(vec![file(), Scripted::status(429)]).await;
    let error = jobs(&server).submit(&work(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_mins(30)));
    assert_eq!(error.operation(), Some("create_job"));
}

#[tokio::test]
async fn a_job_that_failed_as_a_whole_says_why() {
    let failed = json!({
        "id": "batch-1",
        "status": "failed",
        "errors": { "object": "list", "data": [
            { "code": "invalid_json", "line": 3, "message": "not JSON\nat all", "param": null },
        ]},
    });
    let server = ScriptedServer::start(vec![Scripted::json(200, failed)]).await;
    let jobs = jobs(&server);
    let job = jobs.wait(Cx::new(), "batch-1").await.unwrap();
    assert_eq!(job.status, JobStatus::Failed);
    assert_eq!(job.errors().len(), 1);
    let error = jobs.results(&job, &work(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .starts_with("the job batch-1 failed: line 3: not JSON"),
        "{error}"
    );
    assert_eq!(error.to_string().lines().count(), 1);
}

#[tokio::test]
async fn results_that_cannot_be_joined_are_refused() {
    for (line, message) in [
        (
            "s3cr3t no json".to_owned(),
            "line 1 of the results is not the JSON expected",
        ),
        (
            done("other", 0.0),
            "line 1 of the results has an id that was not sent",
        ),
        (
            format!("{}\n{}", done("a", 0.0), done("a", 1.0)),
            "the results have the id \"a\" twice",
        ),
    ] {
        let server = ScriptedServer::start(vec![job("completed"), lines(&[line])]).await;
        let jobs = jobs(&server);
        let job = jobs.get("batch-1").await.unwrap();
        let error = jobs.results(&job, &work(&["a"])).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Protocol, message)
        );
        assert_eq!(error.service(), Some("voyage_ai"));
    }
}

#[tokio::test]
async fn each_line_can_fail_in_its_own_way() {
    let outcomes: [(&str, Value, ErrorKind); 6] = [
        (
            "a",
            json!({ "error": { "code": "batch_expired", "message": "late" } }),
            ErrorKind::Timeout,
        ),
        ("b", json!({ "error": "odd" }), ErrorKind::Unexpected),
        (
            "c",
            json!({ "response": { "status_code": 500 } }),
            ErrorKind::Unavailable,
        ),
        (
            "d",
            json!({ "response": { "status_code": 200, "body": {} } }),
            ErrorKind::Protocol,
        ),
        ("e", json!({}), ErrorKind::Protocol),
        (
            "f",
            json!({ "response": { "status_code": 200 } }),
            ErrorKind::Protocol,
        ),
    ];
    let file = outcomes.clone().map(|(id, mut line, _)| {
        line["custom_id"] = json!(id);
        line.to_string()
    });
    let server = ScriptedServer::start(vec![job("cancelled"), lines(&file), lines(&[])]).await;
    let jobs = jobs(&server);
    let job = jobs.get("batch-1").await.unwrap();
    let ids = outcomes.clone().map(|(id, ..)| id);
    let results = jobs.results(&job, &work(&ids)).await.unwrap();
    assert!(results.done.is_empty());
    for (id, _, kind) in outcomes {
        assert_eq!(results.failed[id].kind(), kind, "{id}");
    }
}

#[tokio::test]
async fn lines_differ_in_nothing_but_their_texts() {
    let server = ScriptedServer::start(vec![file()]).await;
    let line = |model: &str| EmbedTexts::new(["x"], None).with_model(model);
    let work = Work::new([("a", line("voyage-4")), ("b", line("voyage-4-lite"))]).unwrap();
    let error = jobs(&server).submit(&work).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.message(),
        "the line \"b\" of a job differs from the first in more than its texts"
    );
    let unnamed = Work::new([("a", EmbedTexts::new(["x"], None))]).unwrap();
    let error = jobs(&server).submit(&unnamed).await.unwrap_err();
    assert_eq!(error.message(), "the request names no model");
    assert!(server.requests().is_empty());
    let none: [(&str, EmbedTexts); 0] = [];
    assert_eq!(Work::new(none).unwrap_err().kind(), ErrorKind::Invalid);
    let many = EmbedTexts::new(vec!["x"; 100_001], None);
    assert_eq!(
        Work::new([("a", many)]).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
}

#[tokio::test]
async fn an_order_can_be_a_line_too() {
    let scores = [0.5, 0.7, 0.6];
    let line = |id: &str, documents: usize| {
        let of = |(index, score)| json!({ "index": index, "relevance_score": score });
        let data: Vec<_> = scores.iter().take(documents).enumerate().map(of).collect();
        let body = json!({ "data": data, "usage": { "total_tokens": 3 } });
        json!({ "custom_id": id, "response": { "status_code": 200, "body": body } }).to_string()
    };
    let server = ScriptedServer::start(vec![
        file(),
        job("completed"),
        job("completed"),
        lines(&[line("q", 1), line("r", 3)]),
        lines(&[]),
    ])
    .await;
    let request = |documents: &[&str]| {
        let order = Rerank::new("query", documents.iter().copied()).with_limit(2);
        RerankTexts::new(order).with_model("rerank-2.5")
    };
    let work = Work::new([("q", request(&["a"])), ("r", request(&["a", "b", "c"]))]).unwrap();
    let results = jobs(&server).run(Cx::new(), &work).await.unwrap();
    let best = |id| results.done[id].ranking.iter().map(|ranked| ranked.index);
    assert_eq!(best("q").collect::<Vec<_>>(), [0]);
    assert_eq!(best("r").collect::<Vec<_>>(), [1, 2]);
    let requests = server.requests();
    let body = |documents: Value| json!({ "query": "query", "documents": documents });
    assert_eq!(
        sent_lines(&requests[0].text()),
        [
            json!({ "custom_id": "q", "body": body(json!(["a"])) }),
            json!({ "custom_id": "r", "body": body(json!(["a", "b", "c"])) }),
        ]
    );
    let job = requests[1].json();
    assert_eq!(job["endpoint"], "/v1/rerank");
    assert_eq!(job["request_params"].get("top_k"), None);
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let page = json!({ "object": "list", "data": [{ "id": "batch-9", "status": "completed" }] });
    let files = json!({ "data": [{ "id": "file-9" }] });
    let server =
        ScriptedServer::start(vec![Scripted::json(200, page), Scripted::json(200, files)]).await;
    let jobs = jobs(&server);
    let listed = jobs.list(1_000, Some("batch-1")).await.unwrap();
    assert_eq!(listed[0].id, "batch-9");
    assert_eq!(jobs.files().await.unwrap()[0].id, "file-9");
    assert_eq!(
        calls(&server.requests()),
        ["GET /v1/batches?limit=100&after=batch-1", "GET /v1/files"]
    );
}
