//! Jobs of data sets, and their snapshots.

use std::time::Duration;

use contexter_http::Api;
use contexter_sandbox::BrightDataConfig;
use serde_json::{Value, json};

use super::{PAGE, post, start};

const TRIGGER: &str = "datasets/v3/trigger";
const SCRAPE: &str = "datasets/v3/scrape";

/// The data set whose records are whole pages.
const CRAWLER: &str = "gd_m6gjtfmeh43we6cqc";

/// Jobs that are ready at once.
fn quick() -> BrightDataConfig {
    BrightDataConfig::new().job_time(Duration::ZERO)
}

async fn get(api: &Api, path: &str) -> (u16, String) {
    let reply = api.get(path).send().await.unwrap();
    (reply.status(), reply.text().unwrap().to_owned())
}

/// A page and one that does not exist.
fn inputs() -> Value {
    json!([{ "url": PAGE }, { "url": "https://docs.example.com/nope" }])
}

#[tokio::test]
async fn many_inputs_are_one_job() {
    let (_sandbox, api) = start(BrightDataConfig::new()).await;
    let inputs: Vec<Value> = (0..30_000)
        .map(|number| json!({ "url": format!("{PAGE}?a-longer-query-with-the-number={number}") }))
        .collect();
    let query = [("dataset_id", "gd_many")];
    let reply = post(&api, "datasets/v3/trigger", &query, &inputs.into()).await;
    assert_eq!(reply.status(), 200, "more than two million bytes are taken");
}

#[tokio::test]
async fn a_discovery_needs_no_addresses_and_what_is_no_discovery_does() {
    let (_sandbox, api) = start(BrightDataConfig::new()).await;
    let inputs = json!([{ "keyword": "checksum" }]);
    let path = "datasets/v3/scrape";
    let query = [("dataset_id", "gd_x")];
    assert_eq!(post(&api, path, &query, &inputs).await.status(), 400);
    let query = [
        ("dataset_id", "gd_x"),
        ("type", "discover_new"),
        ("discover_by", "keyword"),
    ];
    let found: Value = post(&api, path, &query, &inputs).await.json().unwrap();
    assert_eq!(found[0]["title"], "Errors and remedies");
    assert_eq!(found.as_array().unwrap().len(), 1);

    let wide = json!([{ "keyword": "ferry" }, { "keyword": "checksum" }]);
    for (name, limit, count) in [
        ("limit_per_input", "1", 2),
        ("limit_multiple_results", "3", 3),
    ] {
        let query = [&query[..], &[(name, limit)]].concat();
        let found: Value = post(&api, path, &query, &wide).await.json().unwrap();
        assert_eq!(found.as_array().unwrap().len(), count, "{name}");
        let query = [
            ("dataset_id", "gd_x"),
            ("type", "discover_new"),
            (name, "0"),
        ];
        assert_eq!(post(&api, path, &query, &wide).await.status(), 400);
    }
}

#[tokio::test]
async fn a_job_that_failed_has_no_snapshot() {
    let config = BrightDataConfig::new().job_time(std::time::Duration::ZERO);
    let (_sandbox, api) = start(config).await;
    let query = [("dataset_id", "gd_failing")];
    let inputs = json!([{ "url": PAGE }]);
    let job: Value = post(&api, "datasets/v3/trigger", &query, &inputs)
        .await
        .json()
        .unwrap();
    let id = job["snapshot_id"].as_str().unwrap();
    for path in ["", "/parts"] {
        let path = format!("datasets/v3/snapshot/{id}{path}");
        let reply = api.get(&path).send().await.unwrap();
        assert_eq!(
            (reply.status(), reply.text().unwrap()),
            (400, "Snapshot is empty")
        );
    }
}

#[tokio::test]
async fn refusals_of_jobs_block_the_caller_as_any_others_do() {
    let config = BrightDataConfig::new().job_time(std::time::Duration::from_mins(1));
    let (sandbox, api) = start(config).await;
    let query = [("dataset_id", "gd_busy")];
    let inputs = json!([{ "url": PAGE }]);
    for number in 0..125 {
        let reply = post(&api, "datasets/v3/trigger", &query, &inputs).await;
        assert_eq!(reply.status(), if number < 100 { 200 } else { 429 });
    }
    assert!(sandbox.brightdata().is_blocked());
}

#[tokio::test]
async fn the_oldest_snapshots_are_forgotten_first() {
    let (_sandbox, api) = start(quick()).await;
    let query = [("dataset_id", "gd_many")];
    let inputs = json!([{ "url": PAGE }]);
    for number in 1..=1_002 {
        let job = post(&api, TRIGGER, &query, &inputs).await;
        let job: Value = job.json().unwrap();
        assert_eq!(job["snapshot_id"], format!("s_sandbox{number}"));
    }
    for (number, expected) in [(1, 404), (2, 404), (3, 200), (10, 200), (1_002, 200)] {
        let path = format!("datasets/v3/progress/s_sandbox{number}");
        assert_eq!(get(&api, &path).await.0, expected, "{number}");
    }
}

#[tokio::test]
async fn records_have_the_fields_that_are_asked_for_and_failures_are_whole() {
    let (_sandbox, api) = start(quick()).await;
    let query = [
        ("dataset_id", "gd_x"),
        ("include_errors", "true"),
        ("custom_output_fields", "title|price"),
    ];
    let expected = json!([
        { "title": "Copying a folder" },
        {
            "input": { "url": "https://docs.example.com/nope" },
            "error": "the page does not exist",
            "error_code": "dead_page",
        },
    ]);
    let scraped: Value = post(&api, SCRAPE, &query, &inputs()).await.json().unwrap();
    assert_eq!(scraped, expected);
    let job: Value = post(&api, TRIGGER, &query, &inputs()).await.json().unwrap();
    let id = job["snapshot_id"].as_str().unwrap();
    let (_, snapshot) = get(&api, &format!("datasets/v3/snapshot/{id}")).await;
    assert_eq!(serde_json::from_str::<Value>(&snapshot).unwrap(), expected);
}

#[tokio::test]
async fn a_table_has_the_columns_of_its_records() {
    let (_sandbox, api) = start(quick()).await;
    for (dataset, errors, columns) in [
        ("gd_x", "false", "url,title,text"),
        ("gd_x", "true", "url,title,text,input,error,error_code"),
        (CRAWLER, "false", "url,markdown,page_html"),
    ] {
        let query = [("dataset_id", dataset), ("include_errors", errors)];
        let job: Value = post(&api, TRIGGER, &query, &inputs()).await.json().unwrap();
        let id = job["snapshot_id"].as_str().unwrap();
        let path = format!("datasets/v3/snapshot/{id}");
        let snapshot = api.get(&path).query("format", "csv").send().await.unwrap();
        let query = [&query[..], &[("format", "csv")]].concat();
        let scraped = post(&api, SCRAPE, &query, &inputs()).await;
        for reply in [snapshot, scraped] {
            assert_eq!(reply.content_type(), Some("text/csv"));
            let table = reply.text().unwrap();
            assert_eq!(table.lines().next(), Some(columns), "{table}");
            assert_eq!(table.contains(",\"dead_page\"\n"), errors == "true");
        }
    }
    let query = [("dataset_id", "gd_x"), ("format", "xml")];
    assert_eq!(post(&api, SCRAPE, &query, &inputs()).await.status(), 400);
}

#[tokio::test]
async fn nothing_is_delivered_and_it_says_so() {
    let (_sandbox, api) = start(quick()).await;
    for path in [TRIGGER, SCRAPE] {
        for (name, value) in [
            ("notify", "https://hook.example.org/x"),
            ("endpoint", "https://hook.example.org/x"),
            ("auth_header", "Bearer x"),
        ] {
            let query = [("dataset_id", "gd_x"), (name, value)];
            let reply = post(&api, path, &query, &inputs()).await;
            assert_eq!(reply.status(), 400, "{path} {name}");
            let words = reply.text().unwrap();
            assert!(words.starts_with(name), "{words}");
            assert!(words.contains("/datasets/v3/progress"), "{words}");
        }
    }
    // As `brightdata-sdk` 2.5.2 for Python has it.
    let query = [("dataset_id", "gd_x"), ("notify", "false")];
    let job: Value = post(&api, TRIGGER, &query, &inputs()).await.json().unwrap();
    let id = job["snapshot_id"].as_str().unwrap();
    let target = json!({ "deliver": { "type": "s3" } });
    let path = format!("datasets/v3/deliver/{id}");
    let reply = post(&api, &path, &[], &target).await;
    assert_eq!(reply.status(), 400);
    let words = reply.text().unwrap();
    assert!(words.contains("/datasets/v3/snapshot"), "{words}");
    let unknown = post(&api, "datasets/v3/deliver/s_sandbox9", &[], &target).await;
    assert_eq!(
        (unknown.status(), unknown.text().unwrap()),
        (404, "Snapshot does not exist")
    );
    let (status, words) = get(&api, "datasets/v3/delivery/d_1").await;
    assert_eq!(status, 400);
    assert!(words.contains("no delivery"), "{words}");
}
