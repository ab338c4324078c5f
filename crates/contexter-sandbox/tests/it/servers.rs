//! Starting, addresses, stopping.

use contexter_config::Loader;
use contexter_sandbox::{Fault, FaultScript, Rule, SandboxConfig, Server};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::client::{PATIENCE, hello, post, send_hello, start, voyage};

/// The keys that programs read from the example's line.
const KEYS: [&str; 10] = [
    "voyage_base_url",
    "voyage_api_key",
    "context7_base_url",
    "context7_api_key",
    "brightdata_base_url",
    "brightdata_api_key",
    "brightdata_zone",
    "brightdata_proxy",
    "qdrant_url",
    "qdrant_api_key",
];

#[tokio::test]
async fn the_addresses_have_exactly_the_promised_keys() {
    let sandbox = start(SandboxConfig::new()).await;
    let addresses = serde_json::to_value(sandbox.addresses()).unwrap();
    let mut keys: Vec<&str> = addresses
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = KEYS.to_vec();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert!(
        addresses["voyage_base_url"]
            .as_str()
            .unwrap()
            .ends_with("/v1")
    );
    assert!(
        addresses["context7_base_url"]
            .as_str()
            .unwrap()
            .ends_with("/api")
    );
}

#[tokio::test]
async fn the_configuration_names_the_addresses() {
    let sandbox = start(SandboxConfig::new()).await;
    let config = Loader::new()
        .defaults("sandbox.yaml", sandbox.config_yaml())
        .load::<Value>()
        .unwrap();
    let services = &config.current()["services"];
    let addresses = sandbox.addresses();
    assert_eq!(
        services["voyage_ai"]["base_url"],
        *addresses.voyage_base_url
    );
    assert_eq!(services["voyage_ai"]["api_key"], *addresses.voyage_api_key);
    assert_eq!(
        services["context7"]["base_url"],
        *addresses.context7_base_url
    );
    assert_eq!(services["brightdata"]["zone"], *addresses.brightdata_zone);
}

#[tokio::test]
async fn a_port_can_be_chosen_and_a_taken_one_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = SandboxConfig::new().port(Server::Context7, port);
    let error = contexter_sandbox::Sandbox::start(config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port} for context7")
    );
    drop(taken);
    // Whoever is given the port in between keeps it: then another one is tried.
    for _ in 0..20 {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = SandboxConfig::new().port(Server::Context7, port);
        let Ok(sandbox) = contexter_sandbox::Sandbox::start(config).await else {
            continue;
        };
        let expected = format!("http://127.0.0.1:{port}/api");
        assert_eq!(sandbox.addresses().context7_base_url, expected);
        return;
    }
    panic!("no chosen port could be listened on");
}

#[tokio::test]
async fn stopping_lets_a_request_under_way_end() {
    let slow = Rule::new(Fault::Delay(std::time::Duration::from_millis(300)));
    let sandbox = start(SandboxConfig::new().faults(FaultScript::new().rule(slow))).await;
    let api = voyage(&sandbox);
    let body = hello();
    let call = tokio::spawn(async move { post(&api, "embeddings", &body).await });
    while sandbox.faults().requests(Server::Voyage) == 0 {
        tokio::task::yield_now().await;
    }
    let address = sandbox.addresses().voyage_base_url.clone();
    tokio::time::timeout(PATIENCE, sandbox.shutdown())
        .await
        .unwrap();
    assert_eq!(call.await.unwrap().0, 200);
    let host = address
        .trim_start_matches("http://")
        .trim_end_matches("/v1");
    assert!(
        TcpStream::connect(host).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn stopping_waits_for_no_request_that_hangs() {
    let hang = FaultScript::new().rule(Rule::new(Fault::Hang));
    let sandbox = start(SandboxConfig::new().faults(hang)).await;
    let _held = send_hello(&sandbox).await;
    while sandbox.faults().injected() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(PATIENCE, sandbox.shutdown())
        .await
        .unwrap();
}
