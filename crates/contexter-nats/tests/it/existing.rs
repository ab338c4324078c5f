//! A bus that is there, or is not.

use contexter_event_bus::transport::{DeadLetterQuery, MessageTransport};
use contexter_nats::NatsTransport;
use contexter_testkit::require;

use crate::support::{config, event, start};

#[tokio::test]
async fn looking_for_a_bus_makes_none() {
    require!("nats-server");
    let (server, transport) = start().await;
    let typo = config(&server).with_stream("typo", "typo");
    let found = NatsTransport::connect_existing(typo).await.unwrap();
    assert!(found.is_none());
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    for name in ["typo", "typo-dead"] {
        assert!(context.get_stream(name).await.is_err(), "{name}");
    }
    let found = NatsTransport::connect_existing(config(&server)).await;
    let found = found.unwrap().unwrap();
    let letters = found.dead_letters(&DeadLetterQuery::all()).await.unwrap();
    assert!(letters.is_empty());
    // Nor does it make later what was deleted meanwhile.
    context.delete_stream("contexter").await.unwrap();
    let answer = found.publish(&[event("a.b")]).await.remove(0);
    assert!(answer.is_err(), "{answer:?}");
    assert!(context.get_stream("contexter").await.is_err());
    transport.close().await;
}
