//! Dead letters, and what cannot be read.

use std::sync::Arc;

use contexter_event_bus::transport::{
    DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage, Disposition, MessageTransport,
};
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
