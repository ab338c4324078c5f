//! Headers that the client library does not take: they end its connection, or its task.

use std::time::Duration;

use contexter_event_bus::EventFilter;
use contexter_event_bus::transport::{Disposition, MessageTransport, Settled};
use contexter_testkit::require;
use tokio::time::Instant;

use crate::support::{LEASE, PATIENCE, event, nothing, publish, settle, spec, start, store, take};

/// Headers that are not UTF-8, have a name that is not ASCII, or no name at all.
const REFUSED: [&[u8]; 4] = [
    b"a: \xff\xfe",
    "größe: 7".as_bytes(),
    b"no colon",
    b"a b: 7",
];

#[tokio::test]
async fn what_ends_the_connection_is_delivered_settled_and_does_not_come_again() {
    require!("nats-server");
    let (server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    for (n, header) in (0..).zip(REFUSED) {
        store(&server, "contexter.a.b", header, &[n, 0xff]);
        publish(&transport, &[event("a.b")]).await;
    }
    let (mut bad, mut good) = (Vec::new(), 0);
    while bad.len() < REFUSED.len() || good < REFUSED.len() {
        let one = take(&*source, 1).await.remove(0);
        match one.message {
            Ok(_) => good += 1,
            Err(undecodable) => bad.push(undecodable.raw),
        }
        settle(&*source, one.token, Disposition::Ack).await;
    }
    bad.sort_by(|one, other| one.body.cmp(&other.body));
    for (n, raw) in (0..).zip(&bad) {
        assert_eq!(raw.body, [n, 0xff]);
    }
    assert_eq!(bad[0].headers, [("a".to_owned(), b"\xff\xfe".to_vec())]);
    assert_eq!(bad[1].headers, [("größe".to_owned(), b"7".to_vec())]);
    nothing(&*source, LEASE * 2).await;
    assert!(transport.health().await.is_up());
}

#[tokio::test]
async fn what_is_given_back_comes_again_also_if_it_ends_the_connection() {
    require!("nats-server");
    let (server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    store(&server, "contexter.a.b", REFUSED[0], b"x");
    let first = take(&*source, 1).await.remove(0);
    let after = Duration::from_millis(300);
    let back = settle(&*source, first.token, Disposition::Nack { after }).await;
    assert_eq!(back, Settled::Done);
    let second = take(&*source, 1).await.remove(0);
    assert_eq!(second.id, first.id);
    assert_eq!(second.message.unwrap_err().raw.body, b"x");
    let done = settle(&*source, second.token, Disposition::Ack).await;
    assert_eq!(done, Settled::Done);
    nothing(&*source, LEASE + after).await;
}

#[tokio::test]
async fn a_client_library_that_gives_up_is_begun_anew() {
    require!("nats-server");
    let (server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let responder = transport.respond(&spec("ask.*", "g")).await.unwrap();
    // The library asserts that a value has none of these, in the task of its connection.
    store(&server, "contexter.a.b", b"a: b\rc", b"x");
    let bad = take(&*source, 1).await.remove(0);
    assert_eq!(bad.message.unwrap_err().raw.body, b"x");
    settle(&*source, bad.token, Disposition::Ack).await;
    let good = event("a.b");
    publish(&transport, std::slice::from_ref(&good)).await;
    assert_eq!(take(&*source, 1).await.remove(0).message.unwrap(), good);
    assert!(transport.health().await.reconnects > 0);
    // Requests are received again, too.
    let answering = async {
        loop {
            if let Ok(asked) = responder.receive(1).await {
                for one in asked {
                    responder
                        .reply(one.token, &event("ask.done"))
                        .await
                        .unwrap();
                }
            }
        }
    };
    let asking = async {
        let end = Instant::now() + PATIENCE;
        while transport.request(&event("ask.a"), LEASE).await.is_err() {
            assert!(Instant::now() < end, "nobody answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_that_meets_the_end_of_the_client_library_goes_over_the_next_one() {
    require!("nats-server");
    let (server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let publisher = transport.clone();
    let (ended, mut end) = tokio::sync::oneshot::channel::<()>();
    // Several at once, so that some are about to be sent when the library ends.
    let publishing = tokio::spawn(async move {
        while end.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            let events: Vec<_> = (0..20).map(|_| event("c.d")).collect();
            let all = events
                .iter()
                .map(|one| publisher.publish(std::slice::from_ref(one)));
            for answers in futures_util::future::join_all(all).await {
                for answer in answers {
                    answer.unwrap();
                }
            }
        }
    });
    for round in 1..=3 {
        store(&server, "contexter.a.b", b"a: b\rc", b"x");
        let bad = take(&*source, 1).await.remove(0);
        settle(&*source, bad.token, Disposition::Ack).await;
        assert!(transport.health().await.reconnects >= round);
    }
    ended.send(()).unwrap();
    publishing.await.unwrap();
}

#[tokio::test]
async fn a_replay_counts_what_cannot_be_read_and_goes_on() {
    require!("nats-server");
    let (server, transport) = start().await;
    let events: Vec<_> = (0..4).map(|_| event("a.b")).collect();
    publish(&transport, &events[..2]).await;
    store(&server, "contexter.a.b", REFUSED[1], b"x");
    publish(&transport, &events[2..]).await;
    store(&server, "contexter.a.b", b"a: b", b"no event");
    let history = transport.replay(&EventFilter::all()).await.unwrap();
    assert_eq!(history.events, events);
    assert_eq!(history.undecodable, 2);
}
