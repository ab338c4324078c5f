//! `GET` and `POST` of JSON.

use std::time::Duration;

use contexter_http::{Api, Auth, Client, Config, HttpTransport, Request};
use contexter_model::ErrorKind;
use contexter_service::Service;
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::{Value, json};

#[tokio::test]
async fn values_are_exchanged() {
    let script = vec![
        Scripted::json(200, json!({ "n": 1 })),
        Scripted::json(201, json!([2])),
    ];
    let server = ScriptedServer::start(script).await;
    let transport = HttpTransport::new(&server.base_url()).unwrap();
    let got: Value = transport
        .get("/search", &[("q", "a b"), ("n", "2")])
        .await
        .unwrap();
    assert_eq!(got, json!({ "n": 1 }));
    let made: Vec<u8> = transport
        .post("items", &json!({ "name": "x" }))
        .await
        .unwrap();
    assert_eq!(made, [2]);
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!((&*first.method, &*first.path), ("GET", "/search?q=a+b&n=2"));
    assert_eq!((&*second.method, &*second.path), ("POST", "/items"));
    assert_eq!(second.json(), json!({ "name": "x" }));
}

#[tokio::test]
async fn another_status_is_an_error() {
    let server = ScriptedServer::start(vec![
        Scripted::status(503).header("retry-after", "2"),
        Scripted::text(200, "no json"),
    ])
    .await;
    let transport = HttpTransport::new(&server.base_url()).unwrap();
    let error = transport.get::<Value>("x", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    let error = transport.post::<Value>("x", &()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_transport_has_its_own_patience() {
    let server = ScriptedServer::start(vec![Scripted::hang()]).await;
    let patience = Duration::from_millis(300);
    let transport = HttpTransport::with_timeout(&server.base_url(), patience).unwrap();
    let error = transport.get::<Value>("x", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

fn api(server: &ScriptedServer) -> Api {
    let client = Client::new(&Config::default()).unwrap();
    Api::new(&client, &server.base_url(), Auth::None).unwrap()
}

#[tokio::test]
async fn an_api_is_a_service_of_its_requests() {
    let server = ScriptedServer::start(vec![Scripted::status(204)]).await;
    let api = api(&server);
    let reply = Service::<Request>::call(&api, api.get("x")).await.unwrap();
    assert_eq!(reply.status(), 204);
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn an_api_is_a_tower_service_of_its_requests() {
    use tower::{Service as _, ServiceExt as _};

    let server = ScriptedServer::start(vec![Scripted::status(204)]).await;
    let api = api(&server);
    let request = api.get("x");
    let mut limited = tower::ServiceBuilder::new()
        .map_request(move |()| request.clone())
        .service(api);
    let reply = limited.ready().await.unwrap().call(()).await.unwrap();
    assert_eq!(reply.status(), 204);
}
