//! What a scripted status says where the script leaves that to the vendor.

use std::collections::BTreeMap;

use contexter_sandbox::{
    Fault, FaultScript, RateLimitFault, Rule, Sandbox, SandboxConfig, StatusFault,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{PATIENCE, start};

/// The headers that tell of a failure at Bright Data.
const BRD: [&str; 5] = [
    "x-brd-err-code",
    "x-brd-error",
    "x-brd-err-msg",
    "proxy-status",
    "proxy-authenticate",
];

struct Told {
    head: String,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = headers.filter(|(other, _)| *other == name);
        named.next().map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Asks the server at this address under a fault.
async fn ask(sandbox: &Sandbox, address: &str, target: &str, fault: Fault) -> Told {
    let script = FaultScript::new().rule(Rule::new(fault));
    sandbox.faults().replace(script).unwrap();
    let host = address.trim_start_matches("http://");
    let host = host.split('/').next().unwrap();
    let host = host.rsplit('@').next().unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    };
    let reply = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    Told {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn context7_names_the_error_that_belongs_to_the_call() {
    const CONTEXT: &str = "/api/v2/context";
    const LIBRARIES: &str = "/api/v2/libs/search";
    let sandbox = start(SandboxConfig::new()).await;
    let address = &sandbox.addresses().context7_base_url;
    for (path, code, expected) in [
        (CONTEXT, 202, "library_not_finalized"),
        (CONTEXT, 301, "library_redirected"),
        (CONTEXT, 400, "validation_error"),
        (CONTEXT, 401, "invalid_api_key"),
        (CONTEXT, 402, "spending_limit_exceeded"),
        (CONTEXT, 403, "access_denied"),
        (CONTEXT, 404, "library_not_found"),
        (CONTEXT, 422, "library_too_large"),
        (CONTEXT, 429, "rate_limit_exceeded"),
        (CONTEXT, 500, "internal_error"),
        (CONTEXT, 503, "internal_error"),
        (CONTEXT, 504, "internal_error"),
        (LIBRARIES, 402, "spending_limit_exceeded"),
        (LIBRARIES, 404, "no_libraries_found"),
        (LIBRARIES, 503, "search_failed"),
        ("/api/v3/search", 404, "no_documentation_found"),
    ] {
        let target = format!("{path}?query=a");
        let told = ask(&sandbox, address, &target, Fault::status(code)).await;
        assert!(told.head.contains(&code.to_string()), "{}", told.head);
        let body = told.json();
        assert_eq!(body["error"], expected, "{path} {code}");
        assert!(body["message"].is_string(), "{body}");
        let redirect = (code == 301).then_some("/new-owner/new-repo");
        assert_eq!(body["redirectUrl"].as_str(), redirect, "{path} {code}");
        assert_eq!(told.header("location"), None);
    }
}

#[tokio::test]
async fn voyage_names_the_replacement_of_a_retired_model() {
    let sandbox = start(SandboxConfig::new()).await;
    let address = &sandbox.addresses().voyage_base_url;
    for (path, replacement) in [
        ("/v1/embeddings", "'voyage-4-large'"),
        ("/v1/rerank", "'rerank-3'"),
        ("/v1/contextualizedembeddings", "'voyage-context-4'"),
        ("/v1/multimodalembeddings", "'voyage-multimodal-3.5'"),
    ] {
        let told = ask(&sandbox, address, path, Fault::status(410)).await;
        let body = told.json();
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(replacement), "{path}: {detail}");
    }
    let told = ask(&sandbox, address, "/v1/rerank", Fault::status(422)).await;
    assert_eq!(told.json()["detail"][0]["msg"], "field required");
}

#[tokio::test]
async fn the_interface_of_bright_data_refuses_at_the_door_in_the_body() {
    let sandbox = start(SandboxConfig::new()).await;
    let address = &sandbox.addresses().brightdata_base_url;
    let told = ask(&sandbox, address, "/request", Fault::status(401)).await;
    let content_type = told.header("content-type");
    assert_eq!(content_type, Some("text/plain; charset=utf-8"));
    assert_eq!(told.body, "Auth method is not supported");
    assert!(BRD.iter().all(|name| told.header(name).is_none()));
    let told = ask(&sandbox, address, "/request", Fault::status(400)).await;
    assert_eq!(told.json()["error_code"], "validation");
    let scrape = "/datasets/v3/scrape?dataset_id=gd_a";
    let told = ask(&sandbox, address, scrape, Fault::status(400)).await;
    assert_eq!(told.json()["code"], "validation_error");
}

#[tokio::test]
async fn the_proxy_of_bright_data_tells_of_its_own_failures_in_headers() {
    let sandbox = start(SandboxConfig::new()).await;
    let address = &sandbox.addresses().brightdata_proxy;
    let page = "http://docs.example.com/";
    for (code, error, has_status) in [
        (400, "client_10060", true),
        (401, "client_10050", false),
        (402, "policy_20130", false),
        (403, "policy_20050", true),
        (407, "client_10000", true),
        (429, "client_10110", false),
        (499, "client_10140", false),
        (502, "peer_30030", false),
    ] {
        let told = ask(&sandbox, address, page, Fault::status(code)).await;
        assert_eq!(told.header("x-brd-err-code"), Some(error), "{code}");
        let text = told.header("x-brd-err-msg").unwrap();
        assert!(told.header("x-brd-error").is_some(), "{code}");
        let status = format!(
            "brd.superproxy.io; received-status={code}; error=\"http_request_denied\"; \
             details=\"{error}: {text}\""
        );
        let status = has_status.then_some(status.as_str());
        assert_eq!(told.header("proxy-status"), status, "{code}");
        let challenge = (code == 407).then_some("Basic realm=\"brd.superproxy.io\"");
        assert_eq!(told.header("proxy-authenticate"), challenge, "{code}");
        assert_eq!(told.body, "");
    }
    let limit = Fault::RateLimit(RateLimitFault::default());
    let told = ask(&sandbox, address, page, limit).await;
    assert_eq!(told.header("x-brd-err-code"), Some("client_10110"));
}

#[tokio::test]
async fn what_is_not_the_proxy_s_has_none_of_its_headers() {
    let sandbox = start(SandboxConfig::new()).await;
    let address = &sandbox.addresses().brightdata_proxy;
    let page = "http://docs.example.com/";
    let of_the_target = Fault::status(503);
    let scripted = Fault::Status(StatusFault {
        code: 407,
        body: Some(json!({"from": "elsewhere"}).to_string()),
        content_type: None,
        headers: BTreeMap::new(),
    });
    for fault in [of_the_target, scripted] {
        let told = ask(&sandbox, address, page, fault).await;
        assert!(BRD.iter().all(|name| told.header(name).is_none()));
        assert!(!told.body.is_empty());
    }
}
