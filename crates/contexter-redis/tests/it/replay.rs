//! Reading stored events again.

use contexter_event_bus::transport::{DeadLetterId, DeadMessage};
use contexter_event_bus::{EventFilter, MessageTransport};
use contexter_testkit::require;

use crate::support::{EVENTS, command, event, events, publish, server, transport};

#[tokio::test]
async fn stored_events_are_read_again_page_by_page() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let empty = redis.replay(&EventFilter::all()).await.unwrap();
    assert!(empty.events.is_empty() && empty.gap.is_none() && empty.last.is_none());
    let sent = events("a.b", 1_200);
    publish(&redis, &sent).await;
    publish(&redis, &[event("other", 1)]).await;
    command(&server, &[b"XADD", EVENTS, b"*", b"x", b"y"]);

    let all = redis
        .replay(&EventFilter::all().event_type("a.*").unwrap())
        .await
        .unwrap();
    assert_eq!(all.events, sent);
    assert_eq!((all.evicted, all.undecodable), (0, 1));

    let mut read = Vec::new();
    let mut filter = EventFilter::all().limit(500);
    loop {
        let page = redis.replay(&filter).await.unwrap();
        assert!(page.gap.is_none());
        if page.events.is_empty() {
            break;
        }
        read.extend(page.events);
        filter = EventFilter::all().limit(500).after(page.last.unwrap());
    }
    assert_eq!(read.len(), 1_201);
    assert_eq!(read[..1_200], sent);
}

#[tokio::test]
async fn what_was_trimmed_is_reported_as_a_gap() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let places: Vec<_> = redis.publish(&events("a", 10)).await;
    let places: Vec<_> = places
        .into_iter()
        .map(|answer| answer.unwrap().id)
        .collect();
    command(&server, &[b"XTRIM", EVENTS, b"MAXLEN", b"4"]);

    let all = redis.replay(&EventFilter::all()).await.unwrap();
    assert_eq!((all.events.len(), all.evicted), (4, 6));
    assert!(all.gap.is_none(), "nothing older was asked for");

    let gap = redis
        .replay(&EventFilter::all().after(&*places[1]))
        .await
        .unwrap()
        .gap
        .unwrap();
    assert_eq!(gap.oldest.as_ref(), Some(&places[6]));
    let gap = redis
        .replay(&EventFilter::all().after("0-0"))
        .await
        .unwrap()
        .gap
        .unwrap();
    assert_eq!(gap.missing, Some(6));

    let rest = redis
        .replay(&EventFilter::all().after(&*places[7]))
        .await
        .unwrap();
    assert!(rest.gap.is_none());
    assert_eq!(rest.events.len(), 2);
    let none = redis
        .replay(&EventFilter::all().after(&*places[9]))
        .await
        .unwrap();
    assert!(none.events.is_empty() && none.gap.is_none());
    assert_eq!(none.last.as_ref(), Some(&places[9]));

    let since = EventFilter::all().since("2020-01-01T00:00:00Z".parse().unwrap());
    assert!(redis.replay(&since).await.unwrap().gap.is_some());
}

#[tokio::test]
async fn the_return_of_a_dead_letter_is_not_a_second_event() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &[event("a", 1)]).await;
    let letter = serde_json::json!({
        "id": "", "message": DeadMessage::Event(event("a", 1)), "subscription": "s", "group": "g",
        "origin": null, "attempts": 1, "kind": "permanent", "error": "no",
        "first_failed": "2026-01-02T03:04:05Z", "last_failed": "2026-01-02T03:04:05Z",
    });
    let letter: contexter_event_bus::DeadLetter = serde_json::from_value(letter).unwrap();
    redis
        .redeliver(&letter.with_id(DeadLetterId::new("1-1")))
        .await
        .unwrap();
    assert_eq!(
        redis
            .replay(&EventFilter::all())
            .await
            .unwrap()
            .events
            .len(),
        1
    );
}
