//! `/files` and `/batches`.

use std::collections::BTreeMap;

use contexter_http::Api;
use contexter_sandbox::SandboxConfig;
use serde_json::{Value, json};

use crate::client::{PATIENCE, get, post, start, voyage};

async fn upload(api: &Api, lines: &str) -> Value {
    let form = api.post("files").field("purpose", "batch").file(
        "file",
        "input.jsonl",
        "application/jsonl",
        lines.to_owned(),
    );
    let reply = form.send().await.unwrap();
    assert_eq!(reply.status(), 200, "{:?}", reply.text());
    reply.json().unwrap()
}

fn batch_of(file: &Value) -> Value {
    json!({
        "endpoint": "/v1/embeddings", "completion_window": "12h", "input_file_id": file["id"],
        "request_params": {"model": "voyage-4-lite", "output_dimension": 256},
        "metadata": {"run": "7"},
    })
}

/// Asks for a batch until it is as wanted; returns each status that was seen, and the batch.
async fn until(api: &Api, id: &str, wanted: impl Fn(&Value) -> bool) -> (Vec<String>, Value) {
    let asked = async {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let (status, batch) = get(api, &format!("batches/{id}")).await;
            assert_eq!(status, 200);
            let status = batch["status"].as_str().unwrap().to_owned();
            if seen.last() != Some(&status) {
                seen.push(status);
            }
            if wanted(&batch) {
                return (seen, batch);
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

/// Asks for a batch until it has ended; what was seen begins behind what its creator was told.
async fn follow(api: &Api, id: &str) -> (Vec<String>, Value) {
    let ends = ["completed", "failed", "cancelled"];
    let has_ended = |batch: &Value| ends.iter().any(|end| batch["status"] == *end);
    let (mut seen, batch) = until(api, id, has_ended).await;
    seen.retain(|status| status != "validating");
    (seen, batch)
}

async fn lines(api: &Api, file: &Value) -> BTreeMap<String, Value> {
    let path = format!("files/{}/content", file.as_str().unwrap());
    let reply = api.get(&path).send().await.unwrap();
    let text = reply.text().unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["custom_id"].as_str().unwrap().to_owned(), line))
        .collect()
}

#[tokio::test]
async fn a_batch_goes_through_its_statuses_and_leaves_its_results() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let file = upload(
        &api,
        "{\"custom_id\":\"a\",\"body\":{\"input\":[\"one\",\"two\"]}}\n\
         {\"custom_id\":\"b\",\"body\":{\"input\":[]}}\n",
    )
    .await;
    assert_eq!(file["object"], "file");
    assert_eq!(file["purpose"], "batch");
    assert_eq!(file["filename"], "input.jsonl");

    let (status, batch) = post(&api, "batches", &batch_of(&file)).await;
    assert_eq!(status, 200, "{batch}");
    assert_eq!(batch["status"], "validating");
    let (seen, batch) = follow(&api, batch["id"].as_str().unwrap()).await;
    assert_eq!(seen, ["in_progress", "finalizing", "completed"]);
    assert_eq!(
        batch["request_counts"],
        json!({"total": 2, "completed": 1, "failed": 1})
    );
    assert_eq!(batch["metadata"]["run"], "7");

    let output = lines(&api, &batch["output_file_id"]).await;
    let response = &output["a"]["response"];
    assert_eq!(response["status_code"], 200);
    assert_eq!(response["body"]["data"].as_array().unwrap().len(), 2);
    let errors = lines(&api, &batch["error_file_id"]).await;
    assert_eq!(errors["b"]["response"]["status_code"], 400);
}

#[tokio::test]
async fn a_file_with_wrong_lines_fails_with_their_numbers() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let file = upload(
        &api,
        "{\"custom_id\":\"a\",\"body\":{\"input\":[\"one\"]}}\n\
         no json\n\
         {\"custom_id\":\"a\",\"body\":{\"input\":[\"one\"]}}\n\
         {\"custom_id\":\"c\",\"body\":{\"input\":[\"one\"],\"model\":\"voyage-4\"}}\n",
    )
    .await;
    let (_, batch) = post(&api, "batches", &batch_of(&file)).await;
    let (seen, batch) = follow(&api, batch["id"].as_str().unwrap()).await;
    assert_eq!(seen, ["failed"]);
    let numbers: Vec<&Value> = batch["errors"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["line"])
        .collect();
    assert_eq!(numbers, [2, 3, 4]);
}

#[tokio::test]
async fn a_batch_can_be_cancelled_until_it_has_ended() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let file = upload(&api, "{\"custom_id\":\"a\",\"body\":{\"input\":[\"one\"]}}").await;
    let (_, batch) = post(&api, "batches", &batch_of(&file)).await;
    let id = batch["id"].as_str().unwrap();
    let cancel = format!("batches/{id}/cancel");
    let (status, batch) = post(&api, &cancel, &json!({})).await;
    assert_eq!((status, &batch["status"]), (200, &json!("cancelling")));
    let (_, batch) = follow(&api, id).await;
    assert_eq!(batch["status"], "cancelled");
    assert_eq!(post(&api, &cancel, &json!({})).await.0, 400);
    assert_eq!(sandbox.voyage().tokens_billed(), 0);
}

#[tokio::test]
async fn a_batch_that_is_worked_on_is_told_of_and_can_be_cancelled() {
    const LINES: u64 = 100_000;
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let line = |number| format!("{{\"custom_id\":\"{number}\",\"body\":{{\"input\":\"one\"}}}}\n");
    let file = upload(&api, &(0..LINES).map(line).collect::<String>()).await;
    let mut batch = batch_of(&file);
    batch["request_params"]["encoding_format"] = json!("base64");
    let (_, batch) = post(&api, "batches", &batch).await;
    let id = batch["id"].as_str().unwrap();
    let completed = |batch: &Value| batch["request_counts"]["completed"].as_u64().unwrap();
    let (_, batch) = until(&api, id, |batch| completed(batch) > 0).await;
    assert_eq!(batch["status"], "in_progress");
    assert_eq!(batch["request_counts"]["total"], LINES);
    let (_, list) = get(&api, "batches").await;
    assert_eq!(list["data"][0]["status"], "in_progress");

    let (status, batch) = post(&api, &format!("batches/{id}/cancel"), &json!({})).await;
    assert_eq!((status, &batch["status"]), (200, &json!("cancelling")));
    let (_, batch) = follow(&api, id).await;
    assert_eq!(batch["status"], "cancelled");
    assert!(completed(&batch) < LINES);
    assert!(batch["cancelling_at"].is_i64() && batch["cancelled_at"].is_i64());
    assert!(batch["output_file_id"].is_null());
    assert_eq!(sandbox.voyage().tokens_billed(), 0);
}

#[tokio::test]
async fn a_batch_whose_results_have_no_room_fails_and_says_so() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let mut file = Value::Null;
    for _ in 0..1000 {
        file = upload(&api, "{\"custom_id\":\"a\",\"body\":{\"input\":[\"one\"]}}").await;
    }
    let (_, batch) = post(&api, "batches", &batch_of(&file)).await;
    let (_, batch) = follow(&api, batch["id"].as_str().unwrap()).await;
    assert_eq!(batch["status"], "failed");
    let error = &batch["errors"]["data"][0];
    assert_eq!(error["code"], "storage_full");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("The storage is full"), "{message}");
    assert_eq!(sandbox.voyage().tokens_billed(), 0);
}

#[tokio::test]
async fn of_a_file_of_wrong_lines_the_first_are_told() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let id = "x".repeat(10_000);
    let line = format!("{{\"custom_id\":\"{id}\",\"body\":{{\"input\":\"one\"}}}}\n");
    for (text, faults) in [("no json\n".repeat(5_000), 100), (line.repeat(2), 1)] {
        let file = upload(&api, &text).await;
        let (_, batch) = post(&api, "batches", &batch_of(&file)).await;
        let (_, batch) = follow(&api, batch["id"].as_str().unwrap()).await;
        assert_eq!(batch["status"], "failed");
        let errors = batch["errors"]["data"].as_array().unwrap();
        assert_eq!(errors.len(), faults);
        assert!(errors.iter().all(|error| error.to_string().len() < 300));
    }
}

#[tokio::test]
async fn batches_are_listed_page_by_page_the_newest_first() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let file = upload(&api, "{\"custom_id\":\"a\",\"body\":{\"input\":[\"one\"]}}").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        let (_, batch) = post(&api, "batches", &batch_of(&file)).await;
        made.push(batch["id"].clone());
    }
    made.reverse();
    let mut listed = Vec::new();
    let mut path = "batches?limit=2".to_owned();
    loop {
        let (status, page) = read_query(&api, &path).await;
        assert_eq!(status, 200);
        let data = page["data"].as_array().unwrap();
        listed.extend(data.iter().map(|batch| batch["id"].clone()));
        if page["has_more"] == json!(false) {
            break;
        }
        path = format!(
            "batches?limit=2&after={}",
            listed.last().unwrap().as_str().unwrap()
        );
    }
    assert_eq!(listed, made);
    assert_eq!(read_query(&api, "batches?limit=0").await.0, 400);
}

async fn read_query(api: &Api, path_and_query: &str) -> (u16, Value) {
    let (path, query) = path_and_query.split_once('?').unwrap();
    let mut request = api.get(path);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap();
        request = request.query(name, value);
    }
    let reply = request.send().await.unwrap();
    (reply.status(), reply.json().unwrap())
}

#[tokio::test]
async fn what_cannot_be_a_batch_is_refused() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let file = upload(&api, "{\"custom_id\":\"a\",\"body\":{\"input\":[\"one\"]}}").await;
    let with = |name: &str, value: Value| {
        let mut batch = batch_of(&file);
        batch[name] = value;
        batch
    };
    let many: serde_json::Map<String, Value> =
        (0..17).map(|n| (n.to_string(), json!("x"))).collect();
    let table = [
        (with("endpoint", json!("/v1/multimodalembeddings")), 400),
        (with("completion_window", json!("24h")), 400),
        (with("input_file_id", json!("file-none")), 404),
        (with("request_params", json!({})), 422),
        (with("request_params", json!({"model": "rerank-2"})), 400),
        (with("metadata", Value::Object(many)), 400),
    ];
    for (batch, expected) in table {
        let (status, reply) = post(&api, "batches", &batch).await;
        assert_eq!(status, expected, "{reply}");
    }
    assert_eq!(get(&api, "batches/none").await.0, 404);
    assert_eq!(get(&api, "files/none").await.0, 404);
    let form = api
        .post("files")
        .field("purpose", "fine-tune")
        .file("file", "a", "text/plain", "x");
    assert_eq!(form.send().await.unwrap().status(), 400);
}
