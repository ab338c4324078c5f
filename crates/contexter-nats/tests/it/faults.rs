//! What happens to the server, and what is left of it.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::{
    Connection, Disposition, MessageTransport, Settled, Source, TransportErrorKind,
};
use contexter_nats::NatsTransport;
use contexter_protocol::IntegrationEvent;
use contexter_testkit::{Forwarder, Nats, Server, require};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    LEASE, PATIENCE, config, event, group_at, id, nothing, publish, settle, spec, start, take,
};

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

async fn pulls_of(server: &Server) -> String {
    let group = group_at(server).await.name;
    format!("$JS.API.CONSUMER.MSG.NEXT.contexter.{group}")
}

/// Publishes until somebody who asks as the group has so many of the events and is gone with them;
/// the others are settled.
async fn lose(
    server: &Server,
    transport: &NatsTransport,
    source: &dyn Source,
    many: usize,
) -> Vec<Arc<IntegrationEvent>> {
    let other = async_nats::connect(server.url()).await.unwrap();
    let mut taken = other.subscribe("taken").await.unwrap();
    let batch = format!(r#"{{"batch":{many}}}"#).into();
    let asked = other.publish_with_reply(pulls_of(server).await, "taken", batch);
    asked.await.unwrap();
    other.flush().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut lost = Vec::new();
    while lost.len() < many {
        assert!(Instant::now() < deadline, "the other one gets nothing");
        let event = event("a.b");
        publish(transport, std::slice::from_ref(&event)).await;
        tokio::select! {
            _taken = taken.next() => lost.push(event),
            mine = take(source, 1) => {
                for one in mine {
                    settle(source, one.token, Disposition::Ack).await;
                }
            }
        }
    }
    lost
}

/// A server that starts again looks for leases that are over half a second later, at the earliest.
#[tokio::test]
async fn what_was_lost_comes_first_also_when_the_server_starts_anew_meanwhile() {
    require!("nats-server");
    let mut server = Nats::start().unwrap();
    let way = Forwarder::start(server.address()).unwrap();
    let mut config = config(&server);
    config.servers = vec![format!("nats://{}", way.address()).into()];
    let transport = NatsTransport::connect(config).await.unwrap();
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let lost = lose(&server, &transport, &*source, 1).await.remove(0);
    way.reset();
    nothing(&*source, LEASE * 7 / 8).await;
    server.kill().unwrap();
    server.restart().unwrap();
    let newer = event("a.b");
    publish(&transport, std::slice::from_ref(&newer)).await;
    let came = take(&*source, 2).await;
    assert_eq!([id(&came[0]), id(&came[1])], [lost.id(), newer.id()]);
}

/// What was lost goes to somebody who takes one after the other and is gone each time, for longer
/// than a consumer waits for what it lost itself.
#[tokio::test]
async fn what_was_lost_comes_first_also_when_others_lose_it_again() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let way = Forwarder::start(server.address()).unwrap();
    let mut config = config(&server);
    config.servers = vec![format!("nats://{}", way.address()).into()];
    let transport = NatsTransport::connect(config).await.unwrap();
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let lost = lose(&server, &transport, &*source, 20).await;
    way.reset();
    let newer: Vec<_> = (0..20).map(|_| event("a.b")).collect();
    publish(&transport, &newer).await;

    let other = async_nats::connect(server.url()).await.unwrap();
    let pull = pulls_of(&server).await;
    let taking = tokio::spawn(async move {
        let end = Instant::now() + LEASE * 5 / 2;
        let mut number = 0;
        while Instant::now() < end {
            number += 1;
            let inbox = format!("taken.{number}");
            let mut taken = other.subscribe(inbox.clone()).await.unwrap();
            let one = r#"{"batch":1,"no_wait":true}"#.into();
            let asked = other.publish_with_reply(pull.clone(), inbox, one);
            asked.await.unwrap();
            let _one_or_none = timeout(LEASE / 8, taken.next()).await;
            drop(taken);
            sleep(LEASE / 8).await;
        }
    });
    let came = take(&*source, lost.len() + newer.len()).await;
    taking.await.unwrap();
    let came: Vec<_> = came.iter().map(id).collect();
    let sent: Vec<_> = lost.iter().chain(&newer).map(|event| event.id()).collect();
    assert_eq!(came, sent);
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
