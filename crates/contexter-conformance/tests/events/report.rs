//! What the suite says about the transport.

use contexter_conformance::Verdict;
use contexter_conformance::events::{Held, InProcess, Stalled, Suite};
use contexter_event_bus::Overflow;
use contexter_protocol::IntegrationEvent;

use crate::naive::Flaw;
use crate::{run, suite};

#[tokio::test(start_paused = true)]
async fn a_broker_without_a_flaw_keeps_every_rule() {
    let found = suite(Flaw::None).run().await;
    assert!(found.failures().is_empty(), "{}", found.to_markdown());
    let (passed, _, left_out) = found.report.counts();
    assert!(passed > 70 && left_out < 15, "{}", found.to_markdown());
}

#[tokio::test(start_paused = true)]
async fn every_scenario_that_is_left_out_is_in_the_table_of_capabilities() {
    let suite = Suite::new("in process", |_| async { Ok(Box::new(InProcess) as _) });
    let found = suite.run_where(|rule| rule.mechanism == "E").await;
    let table = found.capability_table();
    for entry in found.report.entries() {
        let left_out = matches!(entry.verdict, Verdict::NotApplicable(_));
        let code = format!("{}{}", entry.rule.mechanism, entry.rule.number);
        let named = table.lines().any(|line| {
            line.rsplit('|').nth(1).is_some_and(|cell| {
                cell.split(',')
                    .any(|one| one.trim().split(' ').next() == Some(&*code))
            })
        });
        assert_eq!(named, left_out, "{code}\n{table}");
    }
    assert!(
        table.contains("| remote | no | E1, E6, E8 (2) |"),
        "{table}"
    );
    assert!(table.contains("| settlement | yes |  |"), "{table}");
}

#[tokio::test(start_paused = true)]
async fn a_fixture_that_cannot_be_made_fails_every_rule() {
    let suite = Suite::new("nothing", |_| async {
        Err(contexter_event_bus::TransportError::closed())
    });
    let found = suite.run_where(|rule| rule.mechanism == "D").await;
    assert_eq!(found.failures(), ["D1", "D2", "D3", "D4", "D5"]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_needs_what_is_missing_does_not_apply() {
    let found = run(Flaw::None, &["E9", "A16"]).await;
    let verdicts: Vec<_> = found
        .report
        .entries()
        .iter()
        .map(|e| e.verdict.as_str())
        .collect();
    assert_eq!(verdicts, ["n/a"; 6]);
}

#[tokio::test]
async fn what_is_held_for_a_stalled_subscriber_is_counted_under_each_policy() {
    let event =
        |n: u64| IntegrationEvent::builder("tests", "a.b").data(serde_json::json!({ "n": n }));
    let mut seen = Vec::new();
    for overflow in [
        Overflow::Block,
        Overflow::Reject,
        Overflow::DropNewest,
        Overflow::DropOldest,
    ] {
        let stalled = Stalled::in_process("a.b", 10, overflow).await.unwrap();
        let events = (0..100).map(move |n| event(n).build().unwrap());
        let Held {
            offered,
            alive,
            waiting,
            in_flight,
            dropped,
            rejected,
            ..
        } = stalled.offer(events).await.unwrap();
        let counted = [offered, alive, waiting, in_flight].map(|n| n as u64);
        seen.push((counted, dropped, rejected));
    }
    // The one that blocks has one event more: it is with the publisher.
    assert_eq!(
        seen,
        [
            ([12, 12, 10, 1], 0, 0),
            ([100, 11, 10, 1], 0, 89),
            ([100, 11, 10, 1], 89, 0),
            ([100, 11, 10, 1], 89, 0),
        ]
    );
}
