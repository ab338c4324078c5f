//! A server that has lost all it had, and got something new before the consumers are there again.

use std::time::Duration;

use contexter_event_bus::transport::{
    Disposition, MessageTransport, Settled, Start, SubscriptionSpec,
};
use contexter_nats::NatsTransport;
use contexter_testkit::{Nats, require};

use crate::support::{LEASE, config, event, id, publish, settle, spec, take};

#[tokio::test]
async fn what_is_stored_before_the_consumers_are_there_again_is_not_passed_over() {
    require!("nats-server");
    let alone = SubscriptionSpec::new("a.b".parse().unwrap())
        .with_start(Start::New)
        .with_lease(LEASE);
    for spec in [spec("a.b", "g"), alone] {
        let mut server = Nats::start().unwrap();
        let pause = Duration::from_secs(1);
        let late = config(&server).with_reconnect(pause, pause);
        let reader = NatsTransport::connect(late).await.unwrap();
        let source = reader.subscribe(&spec).await.unwrap();
        let before: Vec<_> = (0..4).map(|_| event("a.b")).collect();
        publish(&reader, &before).await;
        let mut old = take(&*source, 4).await;
        let held = old.pop().unwrap();
        for one in &old {
            let settled = settle(&*source, one.token, Disposition::Ack).await;
            assert_eq!(settled, Settled::Done);
        }

        server.kill().unwrap();
        std::fs::remove_dir_all(server.data().join("jetstream")).unwrap();
        server.restart().unwrap();
        let writer = NatsTransport::connect(config(&server)).await.unwrap();
        let after: Vec<_> = (0..6).map(|_| event("a.b")).collect();
        publish(&writer, &after).await;

        let new = take(&*source, 6).await;
        let came: Vec<_> = new.iter().map(id).collect();
        let sent: Vec<_> = after.iter().map(|event| event.id()).collect();
        assert_eq!(came, sent);
        // It has the number of one of these, and is still in the hands of a handler.
        assert!(new.iter().all(|one| one.id != held.id), "{:?}", held.id);
        for one in &new {
            let settled = settle(&*source, one.token, Disposition::Ack).await;
            assert_eq!(settled, Settled::Done);
        }
    }
}
