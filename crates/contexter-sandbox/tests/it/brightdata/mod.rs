//! The Bright Data server, as a client of the vendor sees it.

mod datasets;
mod jobs;
mod tunnels;
mod zones;

use std::collections::BTreeMap;

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
async fn the_share_of_requests_that_succeed_is_told_by_domain() {
    let (_sandbox, api) = start(BrightDataConfig::new()).await;
    for (domain, known) in [
        ("docs.example.com", vec!["docs.example.com"]),
        (
            "example.*",
            vec![
                "example.com",
                "example.example",
                "example.net",
                "example.org",
            ],
        ),
        ("nowhere.example.com", vec![]),
        ("policy.example.com", vec![]),
    ] {
        let path = format!("unblocker/success_rate/{domain}");
        let rates: BTreeMap<String, f64> = api.get(&path).send().await.unwrap().json().unwrap();
        assert_eq!(rates.keys().collect::<Vec<_>>(), known, "{domain}");
        assert!(rates.values().all(|rate| (0.0..=1.0).contains(rate)));
    }
}
