//! What the tests share: a server, a transport, events, and waiting with a deadline.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use contexter_event_bus::transport::{
    Confirmation, DeliveryToken, Disposition, Incoming, MessageTransport, Settled, Source, Start,
    SubscriptionSpec,
};
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_protocol::IntegrationEvent;
use contexter_testkit::{Nats, Server};
use futures_util::TryStreamExt as _;
use tokio::time::{Instant, timeout};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const LEASE: Duration = Duration::from_secs(2);

pub(crate) fn config(server: &Server) -> NatsConfig {
    NatsConfig::new([server.url()])
        .with_signs_of_life(Duration::from_millis(300), Duration::from_millis(200))
        .with_reconnect(Duration::from_millis(20), Duration::from_millis(200))
}

pub(crate) async fn start() -> (Server, NatsTransport) {
    let server = Nats::start().unwrap();
    let transport = NatsTransport::connect(config(&server)).await.unwrap();
    (server, transport)
}

pub(crate) fn event(event_type: &str) -> Arc<IntegrationEvent> {
    let builder = IntegrationEvent::builder("tests", event_type);
    Arc::new(builder.data(serde_json::json!({ "n": 1 })).build().unwrap())
}

pub(crate) fn spec(pattern: &str, group: &str) -> SubscriptionSpec {
    SubscriptionSpec::new(pattern.parse().unwrap())
        .with_group(group)
        .with_start(Start::Earliest)
        .with_lease(LEASE)
}

pub(crate) async fn publish(
    transport: &NatsTransport,
    events: &[Arc<IntegrationEvent>],
) -> Vec<Confirmation> {
    let answers = transport.publish(events).await;
    answers.into_iter().map(Result::unwrap).collect()
}

/// The only group, as the server has it.
pub(crate) async fn group_at(server: &Server) -> Info {
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream("contexter").await.unwrap();
    let mut groups: Vec<_> = stream.consumers().try_collect().await.unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    groups.remove(0)
}

/// Receives until there are so many.
pub(crate) async fn take(source: &dyn Source, many: usize) -> Vec<Incoming> {
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    while all.len() < many {
        let left = deadline.saturating_duration_since(Instant::now());
        let some = timeout(left, source.receive(many - all.len())).await;
        all.extend(some.expect("messages come in time").unwrap());
    }
    all
}

/// Sees to it that nothing comes for some time.
pub(crate) async fn nothing(source: &dyn Source, within: Duration) {
    let came = timeout(within, source.receive(1)).await;
    assert!(came.is_err(), "{came:?}");
}

pub(crate) fn id(incoming: &Incoming) -> &str {
    incoming.message.as_ref().unwrap().id()
}

pub(crate) async fn settle(source: &dyn Source, token: DeliveryToken, how: Disposition) -> Settled {
    source.settle(&[(token, how)]).await.remove(0).unwrap()
}

/// Publishes as another client would, and waits until the server has stored it.
pub(crate) fn store(server: &Server, subject: &str, header: &[u8], body: &[u8]) {
    let mut headers = b"NATS/1.0\r\n".to_vec();
    headers.extend(header);
    headers.extend(b"\r\n\r\n");
    let mut request = b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB answer 1\r\n".to_vec();
    let (named, total) = (headers.len(), headers.len() + body.len());
    request.extend(format!("HPUB {subject} answer {named} {total}\r\n").into_bytes());
    request.extend([&headers, body, b"\r\n"].concat());
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.write_all(&request).unwrap();
    let (mut seen, mut some) = (String::new(), [0; 4_096]);
    while !seen.contains("\"seq\"") {
        let many = socket.read(&mut some).unwrap();
        seen.push_str(&String::from_utf8_lossy(
            some.get(..many).unwrap_or_default(),
        ));
        assert!(many > 0 && !seen.contains("-ERR"), "{seen}");
    }
}
