//! A real NATS server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use contexter_testkit::{Nats, require};

use crate::wire::Client;

#[test]
fn greets_with_jetstream_as_soon_as_start_returns() {
    require!("nats-server");
    let nats = Nats::start().unwrap();
    let info = Client::connect(&nats).unwrap().line().unwrap();
    assert!(info.starts_with("INFO {"), "{info}");
    assert!(info.contains("\"jetstream\":true"), "{info}");
}

#[test]
fn keeps_its_streams_over_a_kill_and_restart() {
    require!("nats-server");
    let mut nats = Nats::start().unwrap();
    let config = r#"{"name":"orders","subjects":["orders"],"storage":"file"}"#;
    let created = request(&mut client(&nats), "$JS.API.STREAM.CREATE.orders", config);
    assert!(created.contains(r#""did_create":true"#), "{created}");

    nats.restart().unwrap();

    let info = request(&mut client(&nats), "$JS.API.STREAM.INFO.orders", "");
    assert!(info.contains(r#""name":"orders""#), "{info}");
}

#[test]
fn two_servers_run_side_by_side() {
    require!("nats-server");
    let (one, two) = (Nats::start().unwrap(), Nats::start().unwrap());
    assert_ne!(one.address(), two.address());
    let names = [&one, &two].map(|nats| Client::connect(nats).unwrap().line().unwrap());
    assert_ne!(names[0], names[1]);
}

fn client(nats: &contexter_testkit::Server) -> Client {
    let mut client = Client::connect(nats).unwrap();
    client.line().unwrap();
    assert_eq!(
        client.ask("CONNECT {\"verbose\":false}\r\nPING").unwrap(),
        "PONG"
    );
    client
}

/// Publishes `body` with a reply address and returns the body of the reply.
fn request(client: &mut Client, subject: &str, body: &str) -> String {
    let length = body.len();
    let header = client
        .ask(&format!(
            "SUB reply 1\r\nPUB {subject} reply {length}\r\n{body}"
        ))
        .unwrap();
    assert!(header.starts_with("MSG reply 1 "), "{header}");
    client.line().unwrap()
}
