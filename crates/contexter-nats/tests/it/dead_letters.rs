//! Dead letters, and what cannot be read.

use std::sync::Arc;

use contexter_event_bus::transport::{
    DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage, Disposition, MessageTransport,
    RawMessage, TransportErrorKind,
};
use contexter_protocol::IntegrationEvent;
use contexter_testkit::require;

use crate::support::{event, publish, settle, spec, start, take};

fn letter(message: &DeadMessage, origin: &str) -> DeadLetter {
    let value = serde_json::json!({
        "message": message,
        "id": "", "subscription": "s", "group": "g", "origin": origin, "attempts": 3,
        "kind": "permanent", "error": "does not fit: 'größe'",
        "first_failed": "2026-01-02T03:04:05Z", "last_failed": "2026-01-02T03:04:06Z",
    });
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn a_dead_letter_is_kept_whole_and_comes_again_for_its_group() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let one = event("a.b");
    publish(&transport, std::slice::from_ref(&one)).await;
    let first = take(&*source, 1).await.remove(0);
    let dead = letter(&DeadMessage::Event(Arc::clone(&one)), &first.id);
    let id = transport.dead_letter(&dead).await.unwrap();
    settle(&*source, first.token, Disposition::Ack).await;
    let kept = transport
        .dead_letters(&DeadLetterQuery::all())
        .await
        .unwrap();
    assert_eq!(kept, [dead.with_id(id.clone())]);

    let again = transport.redeliver(&kept[0]).await.unwrap();
    assert!(!again.duplicate);
    let second = take(&*source, 1).await.remove(0);
    assert_eq!(second.redrive_group.as_deref(), Some("g"));
    assert_eq!(second.delivery_count, 1);
    assert_eq!(second.message.unwrap(), one);

    assert!(transport.remove_dead_letter(&id).await.unwrap());
    assert!(!transport.remove_dead_letter(&id).await.unwrap());
    assert!(
        !transport
            .remove_dead_letter(&DeadLetterId::new("x"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn what_fails_again_without_a_place_is_another_letter() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let mut dead = letter(&DeadMessage::Event(event("a.b")), "");
    dead.origin = None;
    let first = transport.dead_letter(&dead).await.unwrap();
    // Sent twice, it is still one.
    assert_eq!(transport.dead_letter(&dead).await.unwrap(), first);
    dead.last_failed = "2026-01-02T03:05:00Z".parse().unwrap();
    let second = transport.dead_letter(&dead).await.unwrap();
    assert_ne!(second, first);
    let kept = transport.dead_letters(&DeadLetterQuery::all()).await;
    assert_eq!(kept.unwrap().len(), 2);
}

#[tokio::test]
async fn letters_of_one_event_are_several_where_several_have_failed_it() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let one = letter(&DeadMessage::Event(event("a.b")), "95");
    let mut sent = Vec::new();
    for (pattern, instance) in [
        (Some("order.*"), None),
        (Some("order.>"), None),
        (None, Some("1")),
        (None, Some("2")),
    ] {
        let mut letter = one.clone();
        letter.pattern = pattern.map(Into::into);
        letter.instance = instance.map(Into::into);
        let id = transport.dead_letter(&letter).await.unwrap();
        // Sent twice, it is still one.
        assert_eq!(transport.dead_letter(&letter).await.unwrap(), id);
        sent.push(letter.with_id(id));
    }
    let kept = transport.dead_letters(&DeadLetterQuery::all()).await;
    assert_eq!(kept.unwrap(), sent);
}

/// An event of attributes of so many bytes each.
fn wide(subject: usize, attributes: usize) -> Arc<IntegrationEvent> {
    let mut builder = IntegrationEvent::builder("tests", "a.b").data(serde_json::json!({ "n": 1 }));
    if subject > 0 {
        builder = builder.subject("s".repeat(subject));
    }
    for number in 0..attributes {
        builder = builder.extension(format!("wide{number}"), "x".repeat(8_000));
    }
    Arc::new(builder.build().unwrap())
}

#[tokio::test]
async fn what_has_no_room_in_headers_is_a_letter_all_the_same() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let text = |number: usize| (format!("h{number}"), b"value of it".to_vec());
    let many = (0..2_000).map(text).collect();
    let binary = vec![("h".to_owned(), vec![0xff; 20_000])];
    let raw = |headers| DeadMessage::Raw(RawMessage::new(headers, b"data".to_vec()));
    // The first has an attribute that no header may hold, the second more than all of them may.
    for (message, origin) in [
        (DeadMessage::Event(wide(9_000, 0)), "1"),
        (DeadMessage::Event(wide(0, 9)), "2"),
        (raw(binary), "3"),
        (raw(many), "4"),
    ] {
        let dead = letter(&message, origin);
        let id = transport.dead_letter(&dead).await.unwrap();
        let one = DeadLetterQuery::one(id.clone());
        let kept = transport.dead_letters(&one).await.unwrap();
        assert_eq!(kept, [dead.with_id(id)]);
    }
    assert!(transport.health().await.is_up());
}

#[tokio::test]
async fn an_event_that_has_no_room_in_headers_comes_again_for_its_group() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    for event in [wide(9_000, 0), wide(0, 9)] {
        let dead = letter(&DeadMessage::Event(Arc::clone(&event)), "1");
        let id = transport.dead_letter(&dead).await.unwrap();
        transport.redeliver(&dead.with_id(id)).await.unwrap();
        let again = take(&*source, 1).await.remove(0);
        assert_eq!(again.redrive_group.as_deref(), Some("g"));
        assert_eq!(again.message.unwrap(), event);
        settle(&*source, again.token, Disposition::Ack).await;
    }
}

#[tokio::test]
async fn headers_that_the_server_does_not_take_are_too_large() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let answers = transport.publish(&[wide(0, 9), event("a.b")]).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::TooLarge, "{error}");
    assert!(error.to_string().contains("65535"), "{error}");
    assert!(answers[1].is_ok());
}

#[tokio::test]
async fn data_that_has_no_room_beside_its_headers_is_cut_and_the_letter_kept() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let headers = vec![("h".to_owned(), vec![0xff; 60_000])];
    let data = vec![7; 1_000_000];
    let dead = letter(&DeadMessage::Raw(RawMessage::new(headers, data)), "1");
    let id = transport.dead_letter(&dead).await.unwrap();
    let one = DeadLetterQuery::one(id);
    let kept = transport.dead_letters(&one).await.unwrap().remove(0);
    let (DeadMessage::Raw(was), DeadMessage::Raw(is)) = (&dead.message, &kept.message) else {
        panic!("{kept:?}");
    };
    assert_eq!(is.headers, was.headers);
    assert!(was.body.starts_with(&is.body) && is.body.len() > 500_000);
}

#[tokio::test]
async fn letters_are_read_page_by_page_and_purged() {
    require!("nats-server");
    let (_server, transport) = start().await;
    for _ in 0..5 {
        transport
            .dead_letter(&letter(&DeadMessage::Event(event("a.b")), "1"))
            .await
            .unwrap();
    }
    let first = transport
        .dead_letters(&DeadLetterQuery::all().limit(2))
        .await
        .unwrap();
    let rest = DeadLetterQuery::all().after(first[1].id.clone());
    assert_eq!(transport.dead_letters(&rest).await.unwrap().len(), 3);
    let one = DeadLetterQuery::one(first[1].id.clone());
    assert_eq!(
        transport.dead_letters(&one).await.unwrap(),
        [first[1].clone()]
    );
    let other = DeadLetterQuery::all().of_group("h");
    assert!(transport.dead_letters(&other).await.unwrap().is_empty());
    assert_eq!(transport.purge_dead_letters().await.unwrap(), 5);
    assert!(
        transport
            .dead_letters(&DeadLetterQuery::all())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_delivered_as_it_is_and_the_next_arrives() {
    require!("nats-server");
    let (server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    // As another client would: without any attribute.
    {
        use std::io::Write;
        let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
        let hello = "CONNECT {\"verbose\":false,\"headers\":true}\r\n";
        let headers = "NATS/1.0\r\nX-A: b\r\n\r\n";
        let many = headers.len();
        let message = format!(
            "HPUB contexter.a.b {many} {}\r\n{headers}\u{1}\u{2}x\r\nPING\r\n",
            many + 3
        );
        socket.write_all(hello.as_bytes()).unwrap();
        socket.write_all(message.as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let mut seen = String::new();
        while !seen.contains("PONG") {
            let many = std::io::Read::read(&mut socket, &mut answer).unwrap();
            seen.push_str(&String::from_utf8_lossy(&answer[..many]));
            assert!(many > 0 && !seen.contains("-ERR"), "{seen}");
        }
    }
    let good = event("a.b");
    publish(&transport, std::slice::from_ref(&good)).await;
    let mut some = take(&*source, 2).await;
    assert_eq!(some.remove(1).message.unwrap(), good);
    let bad = some.remove(0);
    let raw = bad.message.unwrap_err().raw;
    assert_eq!(raw.headers, [("X-A".to_owned(), b"b".to_vec())]);
    assert_eq!(raw.body, b"\x01\x02x");

    let dead = letter(&DeadMessage::Raw(raw.clone()), &bad.id);
    let id = transport.dead_letter(&dead).await.unwrap();
    let kept = transport
        .dead_letters(&DeadLetterQuery::one(id.clone()))
        .await
        .unwrap();
    assert_eq!(kept, [dead.with_id(id)]);
    transport.redeliver(&kept[0]).await.unwrap();
    let again = take(&*source, 1).await.remove(0);
    assert_eq!(again.redrive_group.as_deref(), Some("g"));
    assert_eq!(again.message.unwrap_err().raw.body, raw.body);
}
