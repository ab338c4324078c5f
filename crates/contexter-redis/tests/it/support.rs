//! A server, a transport, and waiting for conditions.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{
    DeliveryToken, Disposition, Incoming, Settled, Source, Start, SubscriptionSpec,
};
use contexter_protocol::IntegrationEvent;
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Redis, Server};
use tokio::time::{Instant, timeout};

/// How long anything that is to happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The lease in tests that wait for its end.
pub(crate) const LEASE: Duration = Duration::from_millis(1_200);

pub(crate) fn server() -> Server {
    Redis::start().unwrap()
}

pub(crate) fn config(server: &Server) -> RedisConfig {
    RedisConfig::new(server.url())
        .with_block_time(Duration::from_millis(50))
        .with_timeouts(
            Duration::from_secs(2),
            Duration::from_secs(2),
            Duration::from_secs(10),
        )
        .with_reconnect(Duration::from_millis(20), Duration::from_millis(200))
}

pub(crate) fn transport(server: &Server) -> RedisTransport {
    RedisTransport::new(config(server)).unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a number or a text, as it comes"
)]
pub(crate) fn event(event_type: &str, id: impl ToString) -> Arc<IntegrationEvent> {
    let event = IntegrationEvent::builder("tests", event_type)
        .id(id.to_string())
        .time("2026-01-02T03:04:05Z".parse().unwrap())
        .partition_key("k")
        .data(serde_json::json!({ "größe": id.to_string() }));
    Arc::new(event.build().unwrap())
}

pub(crate) fn events(event_type: &str, count: usize) -> Vec<Arc<IntegrationEvent>> {
    (0..count).map(|number| event(event_type, number)).collect()
}

pub(crate) async fn publish(transport: &RedisTransport, events: &[Arc<IntegrationEvent>]) {
    for answer in transport.publish(events).await {
        answer.unwrap();
    }
}

pub(crate) fn spec(pattern: &str) -> SubscriptionSpec {
    SubscriptionSpec::new(pattern.parse().unwrap())
        .with_start(Start::Earliest)
        .with_lease(LEASE)
}

pub(crate) async fn subscribe(
    transport: &RedisTransport,
    pattern: &str,
    group: &str,
) -> Arc<dyn Source> {
    transport
        .subscribe(&spec(pattern).with_group(group))
        .await
        .unwrap()
}

pub(crate) async fn receive(source: &dyn Source) -> Incoming {
    let mut some = timeout(PATIENCE, source.receive(1)).await.unwrap().unwrap();
    assert_eq!(some.len(), 1);
    some.remove(0)
}

/// Receives and acknowledges until there are so many different ids; returns them as they came.
pub(crate) async fn drain(source: &dyn Source, count: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    let end = Instant::now() + PATIENCE;
    while known.len() < count {
        let left = end.saturating_duration_since(Instant::now());
        let some = timeout(left, source.receive(100));
        let some = some
            .await
            .unwrap_or_else(|_| panic!("{} of {count}", known.len()))
            .unwrap();
        let tokens: Vec<_> = some.iter().map(|incoming| incoming.token).collect();
        for incoming in some {
            let id = incoming.message.unwrap().id().to_owned();
            if known.insert(id.clone()) {
                ids.push(id);
            }
        }
        ack(source, &tokens).await;
    }
    ids
}

pub(crate) async fn ack(source: &dyn Source, tokens: &[DeliveryToken]) {
    let acks: Vec<_> = tokens
        .iter()
        .map(|token| (*token, Disposition::Ack))
        .collect();
    for answer in source.settle(&acks).await {
        answer.unwrap();
    }
}

pub(crate) async fn settle(
    source: &dyn Source,
    token: DeliveryToken,
    disposition: Disposition,
) -> Settled {
    source
        .settle(&[(token, disposition)])
        .await
        .remove(0)
        .unwrap()
}

pub(crate) fn id_of(incoming: &Incoming) -> &str {
    incoming.message.as_ref().unwrap().id()
}

/// Asserts that nothing comes within a time.
pub(crate) async fn nothing_within(source: &dyn Source, time: Duration) {
    if let Ok(some) = timeout(time, source.receive(1)).await {
        panic!("something came: {some:?}");
    }
}

/// Looks until a condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends one command as somebody else would, with `redis-cli`'s protocol.
pub(crate) fn command(server: &Server, words: &[&[u8]]) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend(format!("${}\r\n", word.len()).into_bytes());
        request.extend(*word);
        request.extend(b"\r\n");
    }
    request.extend(b"*1\r\n$4\r\nQUIT\r\n");
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    // A command that kills all connections kills this one, too.
    let _cut_off = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The stream of events of a bus of the default name.
pub(crate) const EVENTS: &[u8] = b"{contexter}:events";
