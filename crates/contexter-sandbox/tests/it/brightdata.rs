//! The Bright Data server, as a client of the vendor sees it.

use contexter_http::{Api, Auth, Client, Config, Reply};
use contexter_sandbox::{BrightDataConfig, Sandbox, SandboxConfig};
use serde_json::{Value, json};

const PAGE: &str = "https://docs.example.com/guide/copy";

async fn start(config: BrightDataConfig) -> (Sandbox, Api) {
    let sandbox = crate::client::start(SandboxConfig::new().brightdata(config)).await;
    let client = Client::new(&Config::default().no_proxy()).unwrap();
    let addresses = sandbox.addresses();
    let auth = Auth::Bearer(addresses.brightdata_api_key.clone());
    let api = Api::new(&client, &addresses.brightdata_base_url, auth).unwrap();
    (sandbox, api)
}

async fn post(api: &Api, path: &str, query: &[(&str, &str)], body: &Value) -> Reply {
    let mut request = api.post(path).json(body);
    for (name, value) in query {
        request = request.query(name, value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn what_the_vendor_s_client_sends_is_taken() {
    let (sandbox, api) = start(BrightDataConfig::new()).await;
    // As `brightdata-sdk` 2.5.2 for Python has it.
    let body = json!({
        "zone": sandbox.brightdata().zone(),
        "url": PAGE,
        "format": "raw",
        "method": "GET",
        "sdk_function": "scrape_async",
    });
    let reply = post(&api, "request", &[], &body).await;
    assert_eq!(reply.status(), 200);
    assert!(reply.text().unwrap().contains("Copying a folder"));
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused_at_once_and_later() {
    let (sandbox, api) = start(BrightDataConfig::new()).await;
    let zone = sandbox.brightdata().zone();
    let queried = [("zone", zone)];
    for (name, value) in [
        ("url", "ftp://example.com/"),
        ("country", "DEU"),
        ("method", "get"),
    ] {
        let mut body = json!({ "zone": zone, "url": PAGE, "format": "raw" });
        body[name] = value.into();
        let now = post(&api, "request", &[], &body).await;
        let later = post(&api, "unblocker/req", &queried, &body).await;
        for reply in [now, later] {
            assert_eq!(reply.status(), 400, "{name}");
            let told: Value = reply.json().unwrap();
            assert_eq!(told["error_code"], "validation", "{name}");
        }
    }
    assert_eq!(sandbox.brightdata().billed(), 0);
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
async fn zones_are_made_used_and_removed() {
    let (_sandbox, api) = start(BrightDataConfig::new()).await;
    let page = json!({ "zone": "my_zone", "url": PAGE, "format": "raw" });
    assert_eq!(post(&api, "request", &[], &page).await.status(), 400);
    // As `@brightdata/sdk` 0.2.0 and `brightdata-sdk` 2.5.2 have it, in this order.
    let unlocker = json!({ "zone": { "name": "my_zone", "type": "unblocker" }, "plan": { "type": "unblocker", "serp": false } });
    let search = json!({ "zone": { "name": "my_search", "type": "serp" }, "plan": { "type": "unblocker", "serp": true } });
    for zone in [&unlocker, &search] {
        assert_eq!(post(&api, "zone", &[], zone).await.status(), 200);
        assert_eq!(post(&api, "zone", &[], zone).await.status(), 409);
    }
    for refused in [
        json!({ "zone": { "name": "a-b", "type": "unblocker" } }),
        json!({ "zone": { "name": "_ab", "type": "unblocker" } }),
        json!({ "zone": { "name": "my_other", "type": "dc" } }),
        json!({ "name": "my_other" }),
    ] {
        assert_eq!(post(&api, "zone", &[], &refused).await.status(), 400);
    }
    let reply = post(&api, "request", &[], &page).await;
    assert!(reply.text().unwrap().contains("Copying a folder"));
    let found = json!({
        "zone": "my_search",
        "url": "https://www.google.com/search?q=differences&brd_json=1",
        "format": "raw",
    });
    let found: Value = post(&api, "request", &[], &found).await.json().unwrap();
    assert_eq!(found["organic"][0]["link"], PAGE);
    let zones: Value = api
        .get("zone/get_active_zones")
        .send()
        .await
        .unwrap()
        .json()
        .unwrap();
    let types: Vec<&str> = zones
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| zone["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["serp", "unblocker", "serp", "unblocker"]);
}

#[tokio::test]
async fn a_search_is_submitted_where_pages_are_and_countries_come_in_either_case() {
    let config = BrightDataConfig::new().job_time(std::time::Duration::ZERO);
    let (sandbox, api) = start(config).await;
    let zone = sandbox.brightdata().serp_zone();
    let asked = json!({
        "url": "https://www.google.com/search?q=differences&brd_json=1",
        "country": "DE",
    });
    let reply = post(&api, "unblocker/req", &[("zone", zone)], &asked).await;
    let id = reply.header("x-response-id").unwrap().to_owned();
    let reply = api
        .get("unblocker/get_result")
        .query("response_id", &id)
        .query("zone", zone)
        .send()
        .await
        .unwrap();
    let found: Value = reply.json().unwrap();
    assert_eq!(found["organic"][0]["link"], PAGE);
    // A zone that is none for searches gives the page as it is.
    let zone = sandbox.brightdata().zone();
    let reply = post(&api, "unblocker/req", &[("zone", zone)], &asked).await;
    let id = reply.header("x-response-id").unwrap().to_owned();
    let reply = api.get("unblocker/get_result").query("response_id", &id);
    let reply = reply.send().await.unwrap();
    assert!(reply.text().unwrap().starts_with("<!doctype html>"));
}
