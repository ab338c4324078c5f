//! Published events that are kept for later.

use contexter_event_bus::{Bus, BusConfig, EventFilter};
use contexter_protocol::IntegrationEvent;
use serde_json::json;

use crate::support::{LONG, Seen, config, event, noting, number, publish_all, typed};

fn numbers(history: &contexter_event_bus::History) -> Vec<usize> {
    history.events.iter().map(|event| number(event)).collect()
}

#[tokio::test]
async fn history_is_found_by_type_flow_and_time() {
    let bus = Bus::default();
    let old = IntegrationEvent::builder("test", "a.b")
        .time("2001-01-01T00:00:00Z".parse().unwrap())
        .data(json!(0))
        .build()
        .unwrap();
    let flow = IntegrationEvent::builder("test", "a.c")
        .caused_by(&old)
        .data(json!(1))
        .build()
        .unwrap();
    let first_id = old.id().to_owned();
    for event in [old, flow, typed("b", 2)] {
        bus.publish(event).await.unwrap();
    }
    assert_eq!(
        numbers(&bus.history(&EventFilter::all()).await.unwrap()),
        [0, 1, 2]
    );
    let of_a = EventFilter::all().event_type("a.*").unwrap();
    assert_eq!(numbers(&bus.history(&of_a).await.unwrap()), [0, 1]);
    let of_flow = EventFilter::all().correlation_id(first_id);
    assert_eq!(numbers(&bus.history(&of_flow).await.unwrap()), [0, 1]);
    let recent = EventFilter::all().since("2010-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(numbers(&bus.history(&recent).await.unwrap()), [1, 2]);
    assert!(EventFilter::all().event_type("a..b").is_err());
}

#[tokio::test]
async fn the_store_is_bounded_by_number_and_says_what_it_lost() {
    let bus = Bus::new(&BusConfig::default().with_store(3, usize::MAX));
    publish_all(&bus, 0..5).await;
    let history = bus.history(&EventFilter::all()).await.unwrap();
    assert_eq!(numbers(&history), [2, 3, 4]);
    assert_eq!(history.evicted, 2);
    assert_eq!(bus.stats().stored_events, 3);
}

#[tokio::test]
async fn the_store_is_bounded_by_size() {
    let bus = Bus::new(&BusConfig::default().with_store(1_000, 50_000));
    for _ in 0..20 {
        let big = IntegrationEvent::builder("test", "a.b")
            .data(json!({ "list": ["x".repeat(9_000)] }))
            .build()
            .unwrap();
        bus.publish(big).await.unwrap();
    }
    let history = bus.history(&EventFilter::all()).await.unwrap();
    assert_eq!((history.events.len(), history.evicted), (5, 15));
}

#[tokio::test]
async fn a_store_of_no_events_still_knows_the_last_time() {
    let bus = Bus::new(&BusConfig::default().with_store(0, 0));
    let event = event(1);
    let time = event.time();
    bus.publish(event).await.unwrap();
    assert_eq!(bus.stats().stored_events, 0);
    assert_eq!(bus.stats().last_event, time);
    assert_eq!(bus.stats().published, 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_subscriber_catches_up_with_what_it_wants() {
    let bus = Bus::default();
    publish_all(&bus, 0..3).await;
    bus.publish(typed("b", 9)).await.unwrap();
    let seen = Seen::default();
    let late = bus.subscribe("a.*", config(), noting(&seen)).unwrap();
    let history = bus.history(&EventFilter::all()).await.unwrap();
    assert_eq!(bus.replay(&history, &late).await, 3);
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [0, 1, 2]);
    assert_eq!(bus.stats().published, 4, "a replay publishes nothing");
}

#[tokio::test]
async fn a_reader_that_goes_on_page_by_page_learns_of_a_gap() {
    let bus = Bus::new(&BusConfig::default().with_store(4, usize::MAX));
    publish_all(&bus, 0..4).await;
    let page = bus.history(&EventFilter::all().limit(2)).await.unwrap();
    assert_eq!((numbers(&page), page.gap), (vec![0, 1], None));
    let next = EventFilter::all().after(page.last.unwrap());
    let rest = bus.history(&next).await.unwrap();
    assert_eq!((numbers(&rest), rest.gap.clone()), (vec![2, 3], None));
    let end = EventFilter::all().after(rest.last.unwrap());
    publish_all(&bus, 4..5).await;
    assert_eq!(numbers(&bus.history(&end).await.unwrap()), [4]);
    publish_all(&bus, 5..10).await;
    let late = bus.history(&end).await.unwrap();
    assert_eq!(numbers(&late), [6, 7, 8, 9]);
    let gap = late.gap.unwrap();
    assert_eq!((gap.missing, gap.oldest.as_deref()), (Some(2), Some("7")));
    let nothing = bus.history(&EventFilter::all().after("10")).await.unwrap();
    assert!(nothing.events.is_empty() && nothing.gap.is_none());
    assert_eq!(nothing.last.as_deref(), Some("10"));
}

#[tokio::test]
async fn a_time_before_the_oldest_stored_event_is_a_gap_if_any_was_lost() {
    let bus = Bus::new(&BusConfig::default().with_store(2, usize::MAX));
    let long_ago = EventFilter::all().since("2001-01-01T00:00:00Z".parse().unwrap());
    publish_all(&bus, 0..2).await;
    assert!(bus.history(&long_ago).await.unwrap().gap.is_none());
    publish_all(&bus, 2..3).await;
    assert!(bus.history(&long_ago).await.unwrap().gap.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_store_is_bounded_by_age() {
    let age = std::time::Duration::from_mins(10);
    let bus = Bus::new(&BusConfig::default().with_stored_age(age));
    publish_all(&bus, 0..2).await;
    tokio::time::sleep(age / 2).await;
    publish_all(&bus, 2..3).await;
    tokio::time::sleep(age / 2 + std::time::Duration::from_secs(1)).await;
    let history = bus.history(&EventFilter::all()).await.unwrap();
    assert_eq!((numbers(&history), history.evicted), (vec![2], 2));
}
