//! Dead letters.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{
    DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage, Disposition, REDRIVE_GROUP, RawMessage,
};
use contexter_protocol::IntegrationEvent;
use contexter_redis::RedisTransport;
use contexter_testkit::require;

use crate::support::{
    EVENTS, command, config, event, id_of, nothing_within, publish, receive, server, settle,
    subscribe, transport,
};

fn letter(message: &DeadMessage, group: &str) -> DeadLetter {
    let known = serde_json::json!({
        "id": "", "message": message, "subscription": "s", "group": group, "origin": "1-1",
        "attempts": 3, "kind": "timed_out", "error": "too slow",
        "first_failed": "2026-01-02T03:04:05Z", "last_failed": "2026-01-02T03:05:06.5Z",
    });
    serde_json::from_value(known).unwrap()
}

fn of(id: u32, group: &str) -> DeadLetter {
    letter(&DeadMessage::Event(event("a.b", id)), group)
}

#[tokio::test]
async fn a_letter_comes_back_whole_after_a_crash() {
    require!("redis-server");
    let mut server = server();
    let redis = transport(&server);
    let typed = IntegrationEvent::builder("s", "a.b")
        .extension("flag", true)
        .extension("count", 7)
        .data_bytes("application/octet-stream", vec![0_u8, 255])
        .build()
        .unwrap();
    let headers = vec![
        ("ce-type".to_owned(), vec![0xff, 0]),
        ("data".to_owned(), b"2".to_vec()),
    ];
    let raw = RawMessage::new(headers, vec![1, 0, 254]);
    let letters = [
        letter(&DeadMessage::Event(Arc::new(typed)), "g"),
        letter(&DeadMessage::Raw(raw), "g"),
    ];
    let mut stored = Vec::new();
    for letter in &letters {
        let id = redis.dead_letter(letter).await.unwrap();
        stored.push(letter.clone().with_id(id));
    }
    server.restart().unwrap();
    assert_eq!(
        redis.dead_letters(&DeadLetterQuery::all()).await.unwrap(),
        stored
    );
    let one = DeadLetterQuery::one(stored[1].id.clone());
    assert_eq!(redis.dead_letters(&one).await.unwrap(), stored[1..]);
}

#[tokio::test]
async fn letters_are_read_page_by_page_and_by_group_and_removed() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    for id in 0..450 {
        let group = if id % 3 == 0 { "third" } else { "rest" };
        redis.dead_letter(&of(id, group)).await.unwrap();
    }
    let mut query = DeadLetterQuery::all().of_group("rest").limit(70);
    let mut seen = Vec::new();
    loop {
        let page = redis.dead_letters(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 70);
        query = query.after(last.id.clone());
        seen.extend(page);
    }
    assert_eq!(seen.len(), 300);
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].event().unwrap().id().parse::<u32>().unwrap()
                < pair[1].event().unwrap().id().parse::<u32>().unwrap())
    );
    assert!(redis.remove_dead_letter(&seen[0].id).await.unwrap());
    assert!(!redis.remove_dead_letter(&seen[0].id).await.unwrap());
    assert!(
        !redis
            .remove_dead_letter(&DeadLetterId::new("no such id"))
            .await
            .unwrap()
    );
    let foreign = DeadLetterQuery::one(DeadLetterId::new("no such id"));
    assert!(redis.dead_letters(&foreign).await.unwrap().is_empty());
    assert_eq!(redis.purge_dead_letters().await.unwrap(), 449);
    assert!(
        redis
            .dead_letters(&DeadLetterQuery::all())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_oldest_letters_make_room_and_no_subscription_sees_any() {
    require!("redis-server");
    let server = server();
    let redis = RedisTransport::new(config(&server).with_max_dead_letters(5)).unwrap();
    let source = subscribe(&redis, ">", "g").await;
    for id in 0..8 {
        redis.dead_letter(&of(id, "g")).await.unwrap();
    }
    let kept = redis.dead_letters(&DeadLetterQuery::all()).await.unwrap();
    let ids: Vec<_> = kept
        .iter()
        .map(|letter| letter.event().unwrap().id())
        .collect();
    assert_eq!(ids, ["3", "4", "5", "6", "7"]);
    nothing_within(&*source, Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_letter_that_is_redelivered_is_the_same_event_marked_for_its_group() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a.b", 9)]).await;
    let first = receive(&*source).await;
    assert_eq!(first.redrive_group, None);
    settle(&*source, first.token, Disposition::Ack).await;
    let id = redis.dead_letter(&of(9, "g")).await.unwrap();
    let letter = of(9, "g").with_id(id.clone());
    let place = redis.redeliver(&letter).await.unwrap();
    let again = receive(&*source).await;
    assert_eq!(*again.id, *place.id);
    assert_eq!(again.delivery_count, 1);
    assert_eq!(again.redrive_group.as_deref(), Some("g"));
    assert_eq!(again.message, first.message);
    assert_eq!(
        redis
            .dead_letters(&DeadLetterQuery::one(id))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn raw_bytes_are_redelivered_as_they_were_with_fresh_marks() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    let headers = vec![
        ("x".to_owned(), vec![0xff]),
        (REDRIVE_GROUP.to_owned(), b"old".to_vec()),
    ];
    let raw = DeadMessage::Raw(RawMessage::new(headers, vec![9, 0, 9]));
    let letter = letter(&raw, "g").with_id(DeadLetterId::new("1-1"));
    redis.redeliver(&letter).await.unwrap();
    let again = receive(&*source).await;
    assert_eq!(again.redrive_group.as_deref(), Some("g"));
    let raw = again.message.unwrap_err().raw;
    assert_eq!(raw.body, [9, 0, 9]);
    assert!(raw.headers.contains(&("x".to_owned(), vec![0xff])));
    assert_eq!(
        raw.headers
            .iter()
            .filter(|(name, _)| name == REDRIVE_GROUP)
            .count(),
        1
    );
}

#[tokio::test]
async fn without_a_server_a_letter_is_not_stored() {
    require!("redis-server");
    let mut server = server();
    let config = config(&server).with_timeouts(
        Duration::from_millis(200),
        Duration::from_millis(200),
        Duration::from_millis(300),
    );
    let redis = RedisTransport::new(config).unwrap();
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a.b", 1)]).await;
    assert_eq!(id_of(&receive(&*source).await), "1");
    server.kill().unwrap();
    assert!(
        redis
            .dead_letter(&of(1, "g"))
            .await
            .unwrap_err()
            .kind()
            .is_transient()
    );
}

#[tokio::test]
async fn headers_come_back_byte_by_byte_whatever_their_names() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    let entry: [&[u8]; 11] = [
        b"XADD",
        EVENTS,
        b"*",
        b"x\xff\xc3",
        b"1",
        b"x\xfe\xc3",
        b"2",
        b"data",
        b"body",
        b"data",
        b"header",
    ];
    command(&server, &entry);
    let first = receive(&*source).await;
    let raw = first.message.unwrap_err().raw;
    assert_eq!(raw.body, b"body");
    let values: Vec<_> = raw.headers.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, [&b"1"[..], b"2", b"header"]);
    assert_ne!(raw.headers[0].0, raw.headers[1].0);
    settle(&*source, first.token, Disposition::Ack).await;
    let buried = letter(&DeadMessage::Raw(raw.clone()), "g");
    let id = redis.dead_letter(&buried).await.unwrap();
    let mut kept = redis.dead_letters(&DeadLetterQuery::one(id)).await.unwrap();
    let kept = kept.remove(0);
    assert_eq!(kept.message, DeadMessage::Raw(raw.clone()));
    redis.redeliver(&kept).await.unwrap();
    let again = receive(&*source).await.message.unwrap_err().raw;
    assert_eq!(again.body, raw.body);
    assert_eq!(again.headers[..3], raw.headers);
    // At the server the names are as they were.
    let entries = command(&server, &[b"XREVRANGE", EVENTS, b"+", b"-", b"COUNT", b"1"]);
    assert!(entries.contains("$3\r\nx\u{FFFD}\u{FFFD}\r\n"), "{entries}");
}
