//! Data sets: trigger, progress, snapshot.

use std::io::Write as _;
use std::time::Duration;

use contexter_brightdata::{
    CancelSnapshot, CountParts, DatasetId, Download, FetchSnapshot, JobStatus, Part, Refusal,
    ScrapeDataset, Scraped, SnapshotFormat, SnapshotId, SnapshotProgress, TriggerDataset,
    UnreadableRecords, read_records,
};
use contexter_model::ErrorKind;
use contexter_service::{Clock as _, Cx, DefaultClock};
use contexter_testkit::{Scripted, ScriptedServer};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::fixture::{LIMIT, adapter, call, config, start};

fn dataset() -> DatasetId {
    "gd_l1viktl72bvl7bjuj0".parse().unwrap()
}

fn snapshot() -> SnapshotId {
    "s_m4x7enmven8djfqak".parse().unwrap()
}

fn within(limit: Duration) -> Cx {
    Cx::new().with_deadline(DefaultClock.now() + limit)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn building(status: u16) -> Scripted {
    let body = json!({ "status": "building", "message": "Snapshot is building, try again in 10s" });
    Scripted::json(status, body).header("retry-after", "0")
}

#[tokio::test]
async fn a_job_is_triggered_as_documented() {
    let (server, adapter) = start(vec![Scripted::json(200, json!({ "snapshot_id": "s_1" }))]).await;
    let trigger = TriggerDataset::new(dataset())
        .input(json!({ "url": "https://example.org/1" }))
        .discover_by("keyword")
        .limit_per_input(5)
        .limit_total(50)
        .fields(["title", "price"])
        .notify("https://hook.example.org/x");
    let id = call(&adapter, trigger).await.unwrap();
    assert_eq!(id.as_str(), "s_1");
    let requests = server.requests();
    assert_eq!(requests[0].method, "POST");
    assert_eq!(
        requests[0].path,
        "/datasets/v3/trigger?dataset_id=gd_l1viktl72bvl7bjuj0&format=json&include_errors=true\
         &type=discover_new&discover_by=keyword&limit_per_input=5&limit_multiple_results=50\
         &custom_output_fields=title%7Cprice&notify=https%3A%2F%2Fhook.example.org%2Fx"
    );
    assert_eq!(
        requests[0].json(),
        json!([{ "url": "https://example.org/1" }])
    );
}

#[tokio::test]
async fn progress_is_read_whatever_word_it_has() {
    for (body, status, under_way) in [
        (json!({ "status": "starting" }), JobStatus::Starting, true),
        (
            json!({ "status": "running", "snapshot_id": "s_1" }),
            JobStatus::Running,
            true,
        ),
        (
            json!({ "status": "ready", "records": 3 }),
            JobStatus::Ready,
            false,
        ),
        (
            json!({ "status": "failed", "error_message": "x" }),
            JobStatus::Failed,
            false,
        ),
        (
            json!({ "status": "cancelled" }),
            JobStatus::Cancelled,
            false,
        ),
        (
            json!({ "status": "digesting" }),
            JobStatus::Other("digesting".to_owned()),
            true,
        ),
    ] {
        let (server, adapter) = start(vec![Scripted::json(200, body)]).await;
        let progress = call(&adapter, SnapshotProgress::new(snapshot()))
            .await
            .unwrap();
        assert_eq!(progress.status, status);
        assert_eq!(progress.status.is_under_way(), under_way);
        assert_eq!(
            server.requests()[0].path,
            "/datasets/v3/progress/s_m4x7enmven8djfqak"
        );
    }
}

#[tokio::test]
async fn records_are_awaited_and_fetched_in_parts() {
    let script = vec![
        Scripted::json(200, json!({ "status": "running" })),
        Scripted::json(200, json!({ "status": "ready" })),
        Scripted::json(200, json!({ "parts": 2 })),
        building(202),
        Scripted::status(200).body(gzip(br#"[{"n": 1}, {"n": 2}]"#)),
        Scripted::status(200).body(gzip(
            br#"[{"n": 3, "error": "gone", "error_code": "dead_page"}]"#,
        )),
    ];
    let (server, adapter) = start(script).await;
    let records = adapter
        .fetch_records(&snapshot(), Some(1000), within(LIMIT))
        .await
        .unwrap();
    let numbers: Vec<&Value> = records
        .records
        .iter()
        .map(|record| &record.fields["n"])
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(records.failed().count(), 1);
    let usage = adapter.usage();
    assert_eq!((usage.records, usage.failed_records), (2, 1));
    let paths: Vec<String> = server.requests().iter().map(|r| r.path.clone()).collect();
    let base = "/datasets/v3/snapshot/s_m4x7enmven8djfqak";
    assert_eq!(paths[2], format!("{base}/parts?batch_size=1000"));
    for (path, part) in [(&paths[3], 1), (&paths[4], 1), (&paths[5], 2)] {
        assert_eq!(
            *path,
            format!("{base}?format=json&compress=true&batch_size=1000&part={part}")
        );
    }
}

#[tokio::test]
async fn a_snapshot_that_is_not_ready_is_known_by_its_body_under_any_status() {
    for status in [200, 202, 409] {
        let (_server, adapter) = start(vec![building(status)]).await;
        let state = call(&adapter, FetchSnapshot::new(snapshot()))
            .await
            .unwrap();
        let Download::NotReady {
            status: word,
            retry_after,
        } = state
        else {
            panic!("{status}: {state:?}");
        };
        assert_eq!(
            (word.as_str(), retry_after),
            ("building", Some(Duration::ZERO))
        );
    }
    let (_server, adapter) = start(vec![Scripted::status(202)]).await;
    let state = call(&adapter, FetchSnapshot::new(snapshot()))
        .await
        .unwrap();
    assert!(matches!(state, Download::NotReady { .. }), "{state:?}");
}

#[tokio::test]
async fn an_empty_snapshot_is_no_error() {
    let (_server, adapter) = start(vec![Scripted::json(200, json!([]))]).await;
    let state = call(&adapter, FetchSnapshot::new(snapshot()))
        .await
        .unwrap();
    assert!(matches!(state, Download::Records(records) if records.records.is_empty()));
}

#[tokio::test]
async fn both_forms_give_the_same_records() {
    let script = vec![
        Scripted::text(200, "{\"n\":1}\n\n{\"n\":2}\r\n"),
        Scripted::text(200, "[{\"n\":1},{\"n\":2}]"),
    ];
    let (server, adapter) = start(script).await;
    let lines = FetchSnapshot::new(snapshot()).format(SnapshotFormat::Ndjson);
    let lines = call(&adapter, lines).await.unwrap();
    let list = call(&adapter, FetchSnapshot::new(snapshot()))
        .await
        .unwrap();
    assert_eq!(lines, list);
    assert!(server.requests()[0].path.ends_with("?format=ndjson"));
}

#[tokio::test]
async fn a_failed_job_says_why() {
    const WHY: &str = "Account is suspended";
    for failed in [
        json!({ "status": "failed", "error_message": WHY }),
        json!({ "status": "failed", "error": WHY }),
        json!({ "status": "failed", "error": "suspended", "error_message": WHY }),
        json!({ "status": "failed", "error": WHY, "error_message": null }),
        json!({ "status": "failed", "error": { "code": 7 }, "error_message": WHY }),
    ] {
        let (_server, adapter) = start(vec![Scripted::json(200, failed.clone())]).await;
        let error = adapter
            .fetch_records(&snapshot(), None, within(LIMIT))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{failed}");
        assert_eq!(
            error.message(),
            "job s_m4x7enmven8djfqak failed: Account is suspended"
        );
    }
}

#[tokio::test]
async fn a_job_that_is_not_ready_in_time_is_a_timeout() {
    let running = Scripted::json(200, json!({ "status": "running" }));
    let (_server, adapter) = start(vec![running]).await;
    let error = adapter
        .fetch_records(&snapshot(), None, within(Duration::from_millis(100)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn scraping_gives_records_or_goes_on_as_a_job() {
    let script = vec![
        Scripted::json(200, json!([{ "n": 1 }])),
        Scripted::json(
            202,
            json!({ "snapshot_id": "s_2", "message": "still going" }),
        )
        .header("retry-after", "10"),
    ];
    let (server, adapter) = start(script).await;
    let scrape = ScrapeDataset::new(dataset(), vec![json!({ "url": "https://example.org/" })]);
    assert!(matches!(
        call(&adapter, scrape.clone()).await.unwrap(),
        Scraped::Done(records) if records.records.len() == 1
    ));
    let Scraped::GoesOn {
        snapshot,
        retry_after,
    } = call(&adapter, scrape).await.unwrap()
    else {
        panic!("it goes on");
    };
    assert_eq!(
        (snapshot.as_str(), retry_after),
        ("s_2", Some(Duration::from_secs(10)))
    );
    assert_eq!(
        server.requests()[0].json(),
        json!({ "input": [{ "url": "https://example.org/" }] })
    );
    let many = ScrapeDataset::new(dataset(), vec![json!({}); 21]);
    let error = call(&adapter, many).await.unwrap_err();
    assert_eq!(
        error.message(),
        "at most 20 inputs are scraped at once, got 21"
    );
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "a table, one row a documented answer"
)]
async fn documented_failures_have_kind_and_message() {
    for (status, body, kind, message) in [
        (
            400,
            "No data to trigger",
            ErrorKind::Invalid,
            "there is no input",
        ),
        (
            400,
            "Should be at least 1 inputs",
            ErrorKind::Invalid,
            "there are too few inputs",
        ),
        (
            400,
            "This dataset is not ready yet",
            ErrorKind::Unsupported,
            "the data set is not ready for use",
        ),
        (
            400,
            "Snapshot is empty",
            ErrorKind::NotFound,
            "the snapshot holds nothing",
        ),
        (
            400,
            "Snapshot is expired",
            ErrorKind::NotFound,
            "the snapshot is no longer kept",
        ),
        (
            400,
            "Snapshot is not running",
            ErrorKind::Invalid,
            "the job is not under way",
        ),
        (
            400,
            r#"{"error":"Invalid input provided","code":"validation_error","errors":[["url","This input should be a URL"]]}"#,
            ErrorKind::Invalid,
            "the input is refused: url: This input should be a URL",
        ),
        (
            400,
            r#"{"error":"Parser cannot parse input: secret","code":"parse_error"}"#,
            ErrorKind::Invalid,
            "the input cannot be parsed",
        ),
        (
            400,
            r#"{"validation_errors":["secret"]}"#,
            ErrorKind::Invalid,
            "the input is refused",
        ),
        (
            401,
            "Credentials are missing",
            ErrorKind::Unauthorized,
            "the api key is missing",
        ),
        (
            401,
            "Invalid credentials",
            ErrorKind::Unauthorized,
            "the api key is not valid",
        ),
        (
            404,
            "Collector not found",
            ErrorKind::NotFound,
            "the request names no data set",
        ),
        (
            404,
            "dataset does not exist",
            ErrorKind::NotFound,
            "there is no such data set",
        ),
        (
            404,
            "Snapshot does not exist",
            ErrorKind::NotFound,
            "there is no such snapshot",
        ),
        (
            429,
            "You have too many running jobs for this dataset. Running jobs: 100>=100",
            ErrorKind::RateLimited,
            "too many jobs of this data set are under way",
        ),
        (500, "", ErrorKind::Unavailable, "the service failed"),
    ] {
        let answer = Scripted::text(status, body).header("retry-after", "0");
        let (_server, adapter) = start(vec![answer]).await;
        let error = call(&adapter, FetchSnapshot::new(snapshot()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert_eq!(
            error.to_string(),
            format!("brightdata fetch_snapshot: s_m4x7enmven8djfqak: {message} (status {status})")
        );
        assert_eq!(Refusal::of(&error).unwrap().status(), status);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_sent() {
    let (server, adapter) = start(vec![Scripted::json(200, json!([]))]).await;
    let empty = call(&adapter, TriggerDataset::new(dataset()))
        .await
        .unwrap_err();
    assert_eq!(empty.message(), "a job needs at least one input");
    let small = FetchSnapshot::new(snapshot()).part(Part::new(1, 999));
    let small = call(&adapter, small).await.unwrap_err();
    assert_eq!(small.message(), "batch_size must be at least 1000, got 999");
    let zeroth = FetchSnapshot::new(snapshot()).part(Part::new(0, 1000));
    assert_eq!(
        call(&adapter, zeroth).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert!(server.requests().is_empty());
    for id in ["", "gd_", "gd_a/b", "gd_..", "x", "gd_a?b"] {
        assert!(id.parse::<DatasetId>().is_err(), "{id}");
    }
}

#[tokio::test]
async fn parts_are_counted_and_jobs_are_called_off() {
    for (body, parts) in [
        (json!(3), 3),
        (json!({ "parts": 4 }), 4),
        (json!({ "parts": [1, 2] }), 2),
    ] {
        let (_server, adapter) = start(vec![Scripted::json(200, body)]).await;
        assert_eq!(
            call(&adapter, CountParts::new(snapshot(), 1000))
                .await
                .unwrap(),
            parts
        );
    }
    let (_server, adapter) = start(vec![Scripted::json(200, json!({ "parts": 4e12 }))]).await;
    let error = call(&adapter, CountParts::new(snapshot(), 1000))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);

    let (server, adapter) = start(vec![Scripted::text(200, "OK")]).await;
    call(&adapter, CancelSnapshot::new(snapshot()))
        .await
        .unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].method, "POST");
    assert_eq!(
        requests[0].path,
        "/datasets/v3/snapshot/s_m4x7enmven8djfqak/cancel"
    );
}

#[test]
fn a_small_snapshot_cannot_become_a_large_one() {
    let bomb = gzip(&vec![b' '; 1 << 20]);
    assert!(bomb.len() < 1 << 12);
    assert_eq!(
        read_records(&bomb, 1 << 16).unwrap_err(),
        UnreadableRecords::TooLarge { limit: 1 << 16 }
    );
    let whole = gzip(b"[{}]");
    let cut = whole.get(..whole.len() - 4).unwrap();
    assert_eq!(
        read_records(cut, 1 << 16).unwrap_err(),
        UnreadableRecords::Compression
    );
    assert_eq!(
        read_records(b"[{\"a\":", 100).unwrap_err().to_string(),
        "the records are not the json expected, at line 1 column 6"
    );
}

#[tokio::test]
async fn a_snapshot_larger_than_the_limit_is_refused() {
    let server =
        ScriptedServer::start(vec![Scripted::text(200, format!("[{}]", " ".repeat(5000)))]).await;
    let mut config = config(&server);
    config.max_snapshot = 1000;
    let error = call(&adapter(&config), FetchSnapshot::new(snapshot()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn an_object_in_the_place_of_a_list_is_no_record() {
    for body in [
        json!({ "status": "building" }),
        json!({ "status": "running", "rows": 1 }),
    ] {
        let (_server, adapter) = start(vec![Scripted::json(200, body)]).await;
        let state = call(&adapter, FetchSnapshot::new(snapshot())).await;
        assert!(matches!(state, Ok(Download::NotReady { .. })), "{state:?}");
    }
    for (status, body, kind) in [
        (200, json!({ "n": 1 }), ErrorKind::Protocol),
        (200, json!({ "status": 1 }), ErrorKind::Protocol),
        (
            200,
            json!({ "status": "failed", "error": "x" }),
            ErrorKind::Unavailable,
        ),
        (
            409,
            json!({ "status": "failed", "message": "x" }),
            ErrorKind::Unavailable,
        ),
        (200, json!({ "status": "cancelled" }), ErrorKind::Cancelled),
    ] {
        let (server, adapter) = start(vec![Scripted::json(status, body.clone())]).await;
        let error = call(&adapter, FetchSnapshot::new(snapshot()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert_eq!(adapter.usage().records, 0);
        assert_eq!(server.requests().len(), 1);
    }
    // In lines, one is a record.
    let (_server, adapter) = start(vec![Scripted::text(200, "{\"n\":1}\n")]).await;
    let lines = FetchSnapshot::new(snapshot()).format(SnapshotFormat::Ndjson);
    assert!(matches!(
        call(&adapter, lines).await.unwrap(),
        Download::Records(records) if records.records.len() == 1
    ));
}

#[tokio::test]
async fn scraping_that_answers_200_with_a_job_goes_on_as_one() {
    let script = vec![
        Scripted::json(
            200,
            json!({ "snapshot_id": "s_2", "message": "still going" }),
        ),
        Scripted::json(200, json!({ "message": "still going" })),
    ];
    let (_server, adapter) = start(script).await;
    let scrape = ScrapeDataset::new(dataset(), vec![json!({ "url": "https://example.org/" })]);
    let scraped = call(&adapter, scrape.clone()).await.unwrap();
    assert!(
        matches!(&scraped, Scraped::GoesOn { snapshot, .. } if snapshot.as_str() == "s_2"),
        "{scraped:?}"
    );
    let error = call(&adapter, scrape).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn parts_of_what_is_still_built_are_not_ready_and_awaited() {
    for status in [200, 202, 409] {
        let (_server, adapter) = start(vec![building(status)]).await;
        let error = call(&adapter, CountParts::new(snapshot(), 1000))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady, "{status}: {error}");
    }
    let mut script = vec![Scripted::json(200, json!({ "status": "ready" }))];
    // More often than one call is repeated.
    script.extend(std::iter::repeat_n(building(409), 7));
    script.push(Scripted::json(200, json!({ "parts": 1 })));
    script.push(Scripted::json(200, json!([{ "n": 1 }])));
    let (_server, adapter) = start(script).await;
    let records = adapter
        .fetch_records(&snapshot(), Some(1000), within(LIMIT))
        .await
        .unwrap();
    assert_eq!(records.records.len(), 1);
}

#[tokio::test]
async fn a_question_that_hangs_ends_with_the_wait() {
    let hanging = Scripted::json(200, json!({ "status": "ready" })).delay(LIMIT);
    let (_server, adapter) = start(vec![hanging]).await;
    let job = snapshot();
    let wait = adapter.fetch_records(&job, None, within(Duration::from_millis(100)));
    // Far less than the timeout of one question.
    let error = tokio::time::timeout(Duration::from_secs(15), wait)
        .await
        .expect("the wait ends")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn trouble_that_passes_ends_no_wait_and_costs_no_part() {
    let down = || {
        vec![
            Scripted::status(503),
            Scripted::close(),
            Scripted::status(500),
        ]
    };
    let mut script = down();
    script.push(Scripted::json(200, json!({ "status": "ready" })));
    script.extend(down());
    script.push(Scripted::json(200, json!({ "parts": 2 })));
    script.push(Scripted::json(200, json!([{ "n": 1 }])));
    script.extend(down());
    script.push(Scripted::status(429).header("retry-after", "0"));
    script.push(Scripted::json(200, json!([{ "n": 2 }])));
    let (server, adapter) = start(script).await;
    let records = adapter
        .fetch_records(&snapshot(), Some(1000), within(LIMIT))
        .await
        .unwrap();
    assert_eq!(records.records.len(), 2);
    let requests = server.requests();
    let first = requests.iter().filter(|r| r.path.ends_with("part=1"));
    assert_eq!((first.count(), requests.len()), (1, 14));
}

#[tokio::test]
async fn trouble_that_does_not_pass_is_the_cause_of_the_timeout() {
    let (_server, adapter) = start(vec![Scripted::status(503)]).await;
    let error = adapter
        .fetch_records(&snapshot(), None, within(Duration::from_millis(300)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // The refusal, or that its question was cut short.
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");

    // What is about the job ends the wait.
    let job = snapshot();
    let gone = Scripted::text(404, "Snapshot does not exist");
    let (_server, adapter) = start(vec![gone]).await;
    let wait = adapter.fetch_records(&job, None, within(LIMIT));
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::NotFound);
    let failed = json!({ "status": "failed", "message": "Account is suspended" });
    let script = vec![
        Scripted::json(200, json!({ "status": "ready" })),
        Scripted::json(200, failed),
    ];
    let (_server, adapter) = start(script).await;
    let wait = adapter.fetch_records(&job, None, within(LIMIT));
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Unavailable);
}
