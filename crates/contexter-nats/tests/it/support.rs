//! What the tests share: a server, a transport, events, and waiting with a deadline.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::{
    Confirmation, DeliveryToken, Disposition, Incoming, MessageTransport, Settled, Source, Start,
    SubscriptionSpec,
};
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_protocol::IntegrationEvent;
use contexter_testkit::{Nats, Server};
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
