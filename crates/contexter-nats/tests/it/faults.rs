//! What happens to the server, and what is left of it.

use std::time::Duration;

use contexter_event_bus::transport::{
    Connection, Disposition, MessageTransport, Settled, TransportErrorKind,
};
use contexter_nats::NatsTransport;
use contexter_testkit::{Nats, require};
use tokio::time::{Instant, sleep};

use crate::support::{PATIENCE, config, event, id, publish, settle, spec, start, take};

#[tokio::test]
async fn a_killed_server_loses_nothing_confirmed_and_the_consumer_goes_on() {
    require!("nats-server");
    let (mut server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let before: Vec<_> = (0..100).map(|_| event("a.b")).collect();
    publish(&transport, &before).await;
    let held = take(&*source, 1).await.remove(0);
    server.kill().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while source.health().connection != Connection::Reconnecting {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(10)).await;
    }
    server.restart().unwrap();
    let after = event("a.b");
    publish(&transport, std::slice::from_ref(&after)).await;
    let settled = settle(&*source, held.token, Disposition::Ack).await;
    let mut missing: std::collections::BTreeSet<_> = before.iter().map(|one| one.id()).collect();
    missing.insert(after.id());
    if settled == Settled::Done {
        missing.remove(id(&held));
    }
    while !missing.is_empty() {
        for one in take(&*source, 1).await {
            missing.remove(id(&one));
            settle(&*source, one.token, Disposition::Ack).await;
        }
    }
    assert!(source.health().is_up());
    assert_eq!(transport.health().await.reconnects, 1);
}

#[tokio::test]
async fn a_stopped_server_fails_a_publication_in_time_and_the_consumer_goes_on() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let second = Duration::from_secs(1);
    let config = config(&server).with_timeouts(second, second, second);
    let transport = NatsTransport::connect(config).await.unwrap();
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    server.pause().unwrap();
    let begun = Instant::now();
    let failed = transport
        .publish(&[event("a.b")])
        .await
        .remove(0)
        .unwrap_err();
    assert!(failed.kind().is_transient(), "{failed}");
    assert!(begun.elapsed() < PATIENCE);
    let deadline = Instant::now() + PATIENCE;
    while source.health().is_up() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(10)).await;
    }
    server.resume().unwrap();
    let last = event("a.b");
    let deadline = Instant::now() + PATIENCE;
    while transport
        .publish(std::slice::from_ref(&last))
        .await
        .remove(0)
        .is_err()
    {
        assert!(Instant::now() < deadline);
    }
    loop {
        let one = take(&*source, 1).await.remove(0);
        settle(&*source, one.token, Disposition::Ack).await;
        if one.message.unwrap().id() == last.id() {
            break;
        }
    }
}

#[tokio::test]
async fn a_closed_transport_says_so() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    transport.close().await;
    transport.close().await;
    let closed = transport
        .publish(&[event("a.b")])
        .await
        .remove(0)
        .unwrap_err();
    assert_eq!(closed.kind(), TransportErrorKind::Closed);
    assert_eq!(
        source.receive(1).await.unwrap_err().kind(),
        TransportErrorKind::Closed
    );
}

#[tokio::test]
async fn an_absent_server_is_unavailable_and_no_secret_is_told() {
    let config = contexter_nats::NatsConfig::new(["nats://u:hidden@127.0.0.1:1"]);
    let error = NatsTransport::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unavailable);
    assert!(!format!("{error} {error:?}").contains("hidden"));
}
