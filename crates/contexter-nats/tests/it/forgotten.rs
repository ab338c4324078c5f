//! A server that has lost consumers, or streams.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use contexter_event_bus::transport::{MessageTransport, Start, SubscriptionSpec};
use contexter_nats::NatsTransport;
use contexter_testkit::{Nats, Server, require};

use crate::support::{config, event, id, publish, spec, start, take};

fn consumers(server: &Server) -> PathBuf {
    let store = server.data().join("jetstream");
    store.join("$G/streams/contexter/obs")
}

#[tokio::test]
async fn a_consumer_that_has_seen_nothing_is_made_again_where_it_began() {
    require!("nats-server");
    let alone = SubscriptionSpec::new("a.b".parse().unwrap());
    let group = spec("a.b", "g").with_start(Start::New);
    for (spec, before) in [(alone.clone(), 0), (alone, 3), (group, 3)] {
        let mut server = Nats::start().unwrap();
        let pause = Duration::from_secs(2);
        let late = config(&server).with_reconnect(pause, pause);
        let reader = NatsTransport::connect(late).await.unwrap();
        let old: Vec<_> = (0..before).map(|_| event("a.b")).collect();
        publish(&reader, &old).await;
        let source = reader.subscribe(&spec).await.unwrap();

        server.kill().unwrap();
        let there = fs::read_dir(consumers(&server)).unwrap().count();
        assert_eq!(there, 1, "the consumer is at the server");
        fs::remove_dir_all(consumers(&server)).unwrap();
        server.restart().unwrap();
        let writer = NatsTransport::connect(config(&server)).await.unwrap();
        let meanwhile: Vec<_> = (0..3).map(|_| event("a.b")).collect();
        publish(&writer, &meanwhile).await;

        let came = take(&*source, 3).await;
        let came: Vec<_> = came.iter().map(id).collect();
        let sent: Vec<_> = meanwhile.iter().map(|event| event.id()).collect();
        assert_eq!(came, sent);
    }
}

#[tokio::test]
async fn who_subscribes_while_the_stream_is_not_there_makes_it() {
    require!("nats-server");
    let (server, transport) = start().await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    for stream in ["contexter", "contexter-dead"] {
        context.delete_stream(stream).await.unwrap();
    }
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let one = event("a.b");
    publish(&transport, std::slice::from_ref(&one)).await;
    assert_eq!(id(&take(&*source, 1).await[0]), one.id());
}
