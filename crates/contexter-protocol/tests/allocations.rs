//! Encoding and decoding cost what the JSON of the data costs, and little besides.
//!
//! A program of its own, because it counts the allocations of the whole process.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::System;

use contexter_protocol::{IntegrationEvent, codec};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The fewest allocations of some runs, so that what else the process does is not counted.
fn allocations<T>(mut run: impl FnMut() -> T) -> usize {
    let counted = (0..20).map(|_| {
        let region = Region::new(ALLOCATOR);
        let result = run();
        let change = region.change();
        drop(result);
        change.allocations + change.reallocations
    });
    counted.min().unwrap_or_default()
}

/// About a kibibyte of JSON in an event with the attributes of a flow.
fn event() -> IntegrationEvent {
    let items: Vec<Value> = (0..16)
        .map(|n| json!({ "path": format!("guide/{n}.md"), "chunks": n, "hash": "ab".repeat(8) }))
        .collect();
    IntegrationEvent::builder("document_processor", "document.ingested")
        .subject("tokio#guide/1.md")
        .partition_key("tokio#guide/1.md")
        .causation_id("019ab2a1-0000-7000-8000-000000000000")
        .trace(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            None,
        )
        .data(json!({ "library_id": "tokio", "documents": items }))
        .build()
        .unwrap()
}

#[test]
fn a_codec_allocates_for_the_attributes_it_must_own_and_for_the_json() {
    let event = event();
    let json = serde_json::to_vec(event.data()).unwrap();
    assert!((900..1200).contains(&json.len()), "{}", json.len());
    let parse = allocations(|| serde_json::from_slice::<Value>(&json).unwrap());

    // The list of headers, the text of the time, the body, and what makes the body shareable.
    let encode = allocations(|| codec::encode_binary(&event).unwrap());
    assert!(encode <= 6, "{encode}");
    let structured = allocations(|| codec::encode_structured(&event).unwrap());
    assert!(structured <= 5, "{structured}");

    // Each attribute is a text of its own.
    let attributes = 11;
    let binary = codec::encode_binary(&event).unwrap();
    assert_eq!(binary.headers.len(), attributes);
    let decode = allocations(|| {
        let headers = binary.headers.iter().map(|(n, v)| (&**n, &**v));
        codec::decode(headers, binary.body.clone()).unwrap()
    });
    assert!(decode <= parse + attributes, "{decode} of which {parse}");
    let object = event.to_json();
    let decode = allocations(|| IntegrationEvent::from_json(&object).unwrap());
    assert!(decode <= parse + attributes, "{decode} of which {parse}");
}
