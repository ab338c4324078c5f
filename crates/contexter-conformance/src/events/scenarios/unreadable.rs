//! Messages that are no events, or not of this time.

use contexter_event_bus::FailureKind;
use contexter_event_bus::transport::{DeadMessage, RawMessage};
use contexter_protocol::codec;
use jiff::{SignedDuration, Timestamp};

use crate::events::log::{Calls, Log, in_time, until};
use crate::events::stage::{Stage, broken, built, open, publish, take};
use crate::verdict::{Checked, check, same};

/// The headers of an event, with some others in their place or beside them.
fn headers(stage: &Stage, others: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let kind = stage.kind("found");
    let usual: [(&str, &[u8]); 4] = [
        ("ce-specversion", b"1.0"),
        ("ce-id", b"foreign"),
        ("ce-source", b"elsewhere"),
        ("ce-type", kind.as_bytes()),
    ];
    let replaced = |name: &str| others.iter().any(|(other, _)| *other == name);
    usual
        .iter()
        .filter(|(name, _)| !replaced(name))
        .chain(others)
        .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
        .collect()
}

/// Stores each message, each followed by an event, and checks that each is a dead letter with its
/// bytes, and that each event arrives.
async fn buried(stage: &Stage, messages: Vec<RawMessage>) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let kept = open(&bus, &stage.kind("found"), stage.member("g"), log.noting(0)).await?;
    let many = messages.len();
    for (n, message) in (0..).zip(&messages) {
        stage.fixture.store(&stage.kind("found"), message).await?;
        publish(&bus, &[stage.event("found", n)]).await?;
    }
    log.until_all(many as u64).await?;
    until("each message is a dead letter", || async {
        stage
            .letters(&bus, "g")
            .await
            .is_ok_and(|letters| letters.len() >= many)
    })
    .await?;
    let letters = stage.letters(&bus, "g").await?;
    same("dead letters", &letters.len(), &many)?;
    let mut buried = Vec::new();
    for letter in &letters {
        same("its kind", &letter.kind, &FailureKind::Undecodable)?;
        check(
            !letter.error.is_empty() && !letter.error.contains('\n'),
            || format!("expected an error of one line, saw {:?}", letter.error),
        )?;
        let DeadMessage::Raw(raw) = &letter.message else {
            return check(false, || {
                "expected the bytes of the message, saw an event".to_owned()
            });
        };
        buried.push(parts(raw));
    }
    // Nothing orders them: none has a key.
    buried.sort();
    let mut sent: Vec<_> = messages.iter().map(parts).collect();
    sent.sort();
    same("their headers and bodies", &buried, &sent)?;
    log.never("the handler gets one of them", |calls| {
        calls.seen.len() > many
    })
    .await?;
    drop(kept);
    Ok(())
}

/// The headers in an order, and the body.
fn parts(message: &RawMessage) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let mut headers = message.headers.clone();
    headers.sort();
    (headers, message.body.clone())
}

pub(super) async fn garbage(stage: Stage) -> Checked {
    let structured = (
        "Content-Type".to_owned(),
        b"application/cloudevents+json".to_vec(),
    );
    let messages = vec![
        RawMessage::new(Vec::new(), b"\x00no event\xff".to_vec()),
        RawMessage::new(vec![("x".to_owned(), b"y".to_vec())], Vec::new()),
        RawMessage::new(vec![structured.clone()], b"{ half".to_vec()),
        RawMessage::new(vec![structured], b"[]".to_vec()),
        RawMessage::new(headers(&stage, &[("ce-id", b"%zz")]), b"{}".to_vec()),
        RawMessage::new(
            headers(&stage, &[("ce-time", b"yesterday")]),
            b"{}".to_vec(),
        ),
        RawMessage::new(
            headers(&stage, &[("ce-datacontenttype", b"application/json")]),
            b"{ half".to_vec(),
        ),
    ];
    buried(&stage, messages).await
}

pub(super) async fn unknown_version(stage: Stage) -> Checked {
    let message = |version: &[u8]| {
        RawMessage::new(
            headers(&stage, &[("ce-specversion", version)]),
            b"{}".to_vec(),
        )
    };
    buried(
        &stage,
        vec![message(b"9.9"), message(b"0.3"), message(b"one")],
    )
    .await
}

pub(super) async fn binary_headers(stage: Stage) -> Checked {
    let messages = vec![
        RawMessage::new(
            headers(&stage, &[("ce-subject", b"\xff\xfe")]),
            b"{}".to_vec(),
        ),
        RawMessage::new(headers(&stage, &[("ce-id", b"\xc3\x28")]), b"{}".to_vec()),
    ];
    buried(&stage, messages).await
}

pub(super) async fn foreign_names(stage: Stage) -> Checked {
    let messages = vec![
        RawMessage::new(headers(&stage, &[("größe", b"7")]), b"{}".to_vec()),
        RawMessage::new(headers(&stage, &[("ce-ключ", b"7")]), b"{}".to_vec()),
    ];
    buried(&stage, messages).await
}

pub(super) async fn reserved_names(stage: Stage) -> Checked {
    let messages = vec![
        RawMessage::new(headers(&stage, &[("ce-data", b"7")]), b"{}".to_vec()),
        RawMessage::new(
            headers(&stage, &[("ce-data_base64", b"Nw")]),
            b"{}".to_vec(),
        ),
        RawMessage::new(headers(&stage, &[("ce-with-dash", b"7")]), b"{}".to_vec()),
    ];
    buried(&stage, messages).await
}

pub(super) async fn oversized(stage: Stage) -> Checked {
    let long = vec![b'x'; codec::MAX_HEADER_VALUE_BYTES + 1];
    let name = format!("x-{}", "n".repeat(codec::MAX_HEADER_NAME_BYTES));
    let many: Vec<_> = (0..=codec::MAX_HEADERS)
        .map(|n| (format!("x-{n}"), b"1".to_vec()))
        .collect();
    let messages = vec![
        RawMessage::new(headers(&stage, &[("ce-subject", &long)]), b"{}".to_vec()),
        RawMessage::new(headers(&stage, &[(&name, b"1")]), b"{}".to_vec()),
        RawMessage::new(many, b"{}".to_vec()),
    ];
    buried(&stage, messages).await
}

pub(super) async fn near_the_limit(stage: Stage) -> Checked {
    /// About as much as some brokers take of headers: 64 KiB, with those of an event.
    const MOST: usize = 64_000;
    let version: (&str, &[u8]) = ("ce-specversion", b"9.9");
    // No text, so that it cannot be written down as it is.
    let bytes = |many| vec![0xff_u8; many];
    let long = bytes(20_000);
    let eight: Vec<_> = (0..8)
        .map(|n| (format!("x-part{n}"), bytes(MOST / 8)))
        .collect();
    let many: Vec<_> = (0..2_000)
        .map(|n| (format!("x-{n}"), b"1".to_vec()))
        .collect();
    let with = |others: &[(String, Vec<u8>)]| {
        let mut all = headers(&stage, &[version]);
        all.extend_from_slice(others);
        RawMessage::new(all, b"{}".to_vec())
    };
    let messages = vec![
        with(&[("x-long".to_owned(), long)]),
        with(&eight),
        with(&many),
    ];
    buried(&stage, messages).await
}

pub(super) async fn clock_skew(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), log.noting(0)).await?;
    let ahead =
        |n: u64, by: SignedDuration| built(stage.builder("found", n).time(Timestamp::now() + by));
    let events = [
        ahead(0, SignedDuration::from_hours(2)),
        ahead(1, SignedDuration::from_secs(30)),
        ahead(2, SignedDuration::from_hours(-24 * 30)),
    ];
    publish(&bus, &events).await?;
    log.until("what is near enough is handled, however old", |calls| {
        calls.numbers.contains(&1) && calls.numbers.contains(&2)
    })
    .await?;
    until("the other is a dead letter", || async {
        stage
            .letters(&bus, "g")
            .await
            .is_ok_and(|letters| letters.len() == 1)
    })
    .await?;
    let kinds: Vec<_> = stage
        .letters(&bus, "g")
        .await?
        .iter()
        .map(|one| one.kind)
        .collect();
    same(
        "why it is a dead letter",
        &kinds,
        &vec![FailureKind::ClockSkew],
    )?;
    check(!log.look(|calls| calls.numbers.contains(&0)), || {
        "expected an event from the future not to be handled, saw it".to_owned()
    })
}

pub(super) async fn trimmed(stage: Stage) -> Checked {
    let transport = stage.transport().await?;
    let spec = stage.spec("found", "g")?;
    let source = in_time("subscribing", transport.subscribe(&spec))
        .await?
        .map_err(broken)?;
    let bus = stage.bus().await?;
    publish(&bus, &stage.events("found", 3)).await?;
    let held = take(&*source, 3).await?;
    drop((held, source));
    stage.fixture.trim().await?;
    let log = Log::default();
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), log.noting(0)).await?;
    publish(&bus, &[stage.event("found", 3)]).await?;
    log.until("the next arrives", |calls| calls.numbers.contains(&3))
        .await?;
    tokio::time::sleep(spec.lease + spec.lease / 2).await;
    let numbers = log.look(Calls::first_deliveries);
    same("what was handled", &numbers, &vec![3])?;
    let healthy = bus.health().await.is_healthy();
    same("whether the bus is healthy", &healthy, &true)
}
