//! Wildcards mean the same everywhere.

use contexter_event_bus::{PublishError, SubscribeError};
use contexter_protocol::IntegrationEvent;

use crate::events::log::{Calls, Log};
use crate::events::stage::{Stage, open, publish};
use crate::verdict::{Checked, check, same};

const TYPES: [&str; 8] = ["a", "a.b", "a.b.c", "a.x.c", "a.b.c.d", "b", "b.a", "ab.c"];

/// Patterns, and which of the types they match, by their places.
const TABLE: [(&str, &[u64]); 9] = [
    ("a", &[0]),
    ("a.b", &[1]),
    ("a.*", &[1]),
    ("*.b", &[1]),
    ("a.*.c", &[2, 3]),
    ("*.*.*", &[2, 3]),
    ("a.>", &[1, 2, 3, 4]),
    ("a.b.>", &[2, 4]),
    (">", &[0, 1, 2, 3, 4, 5, 6, 7]),
];

/// None of these is a pattern.
const NO_PATTERNS: [&str; 10] = [
    "", ".", "a.", ".a", "a..b", "a.>.b", "a.b*", "a>", "a b", "a.\n",
];

/// None of these is the type of an event.
const NO_TYPES: [&str; 7] = ["a.*", "a.>", ">", "*", "a..b", ".a", "a b"];

pub(super) async fn table(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let mut kept = Vec::new();
    for (row, (pattern, _)) in TABLE.iter().enumerate() {
        let log = Log::default();
        let config = stage.member(&format!("row{row}"));
        kept.push((
            open(&bus, &stage.kind(pattern), config, log.noting(row)).await?,
            log,
        ));
    }
    let events: Vec<_> = (0..)
        .zip(TYPES)
        .map(|(n, kind)| stage.event(kind, n))
        .collect();
    publish(&bus, &events).await?;
    for ((_, log), (pattern, wanted)) in kept.iter().zip(TABLE) {
        log.until("what matches arrives", |calls| {
            wanted.iter().all(|n| calls.numbers.contains(n))
        })
        .await?;
        log.never("what does not match arrives", |calls| {
            calls.seen.len() > wanted.len()
        })
        .await?;
        let mut got = log.look(Calls::first_deliveries);
        got.sort_unstable();
        same(pattern, &got, &wanted.to_vec())?;
    }
    for pattern in NO_PATTERNS {
        let refused = bus.subscribe(pattern, stage.member("none"), Log::default().noting(0));
        check(matches!(refused, Err(SubscribeError::Pattern(_))), || {
            format!("expected {pattern:?} to be refused as a pattern, saw {refused:?}")
        })?;
    }
    for kind in NO_TYPES {
        let event = IntegrationEvent::builder("conformance", kind).build();
        let Ok(event) = event else { continue };
        let refused = bus.publish(event).await;
        check(
            matches!(refused, Err(PublishError::InvalidType { .. })),
            || format!("expected the type {kind:?} to be refused, saw {refused:?}"),
        )?;
    }
    Ok(())
}
