//! What the limits tell.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_limit::{
    AdaptiveConfig, AdaptiveLimit, Bulkhead, BulkheadConfig, Quota, RateLimitConfig, RateLimiter,
};
use contexter_service::{Event, Full, Limited, ManualClock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{NoSubscriber, with_default};
use tracing::{Dispatch, Metadata, Subscriber};

/// Keeps the fields of every event, or panics at it.
#[derive(Clone, Default)]
struct Listener {
    heard: Arc<Mutex<Vec<Fields>>>,
    panics: bool,
}

#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn assert_has(&self, event: Event, specifics: (&'static str, &str)) {
        for (field, value) in [
            ("name", "search"),
            ("mechanism", event.mechanism()),
            ("event", event.as_str()),
            specifics,
        ] {
            assert!(self.0.contains(&(field, value.to_owned())), "{self:?}");
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        assert!(!self.panics, "a listener that panics");
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.heard.lock().unwrap().push(fields);
    }
}

/// Runs this with the listener on this thread.
fn with_listener<T>(listener: Listener, act: impl FnOnce() -> T) -> T {
    // While there is only one, a thread without a subscriber that is the first at an event makes
    // `tracing` forget that event for all.
    let _second = Dispatch::new(NoSubscriber::default());
    with_default(listener, act)
}

fn limiter() -> RateLimiter<ManualClock> {
    let config = RateLimitConfig::new().requests(Quota::per_minute(2));
    RateLimiter::with_clock(config, ManualClock::new())
        .unwrap()
        .named("search")
        .named("too late")
}

fn bulkhead() -> Bulkhead<ManualClock> {
    let config = BulkheadConfig::new().max_concurrent(1);
    Bulkhead::with_clock(config, ManualClock::new())
        .unwrap()
        .named("search")
}

#[test]
fn refusals_and_pauses_are_told_once_with_their_words() {
    let (limiter, bulkhead) = (limiter(), bulkhead());
    let adaptive = AdaptiveLimit::with_clock(AdaptiveConfig::new().max(1), ManualClock::new())
        .unwrap()
        .named("search");
    let listener = Listener::default();
    let heard = Arc::clone(&listener.heard);
    with_listener(listener, || {
        let permits = (bulkhead.try_acquire(), adaptive.try_acquire());
        assert!(permits.0.is_ok() && permits.1.is_ok() && limiter.try_acquire(1).is_ok());
        assert!(heard.lock().unwrap().is_empty(), "nothing to tell");
        assert!(limiter.try_acquire(1).is_err());
        limiter.pause_for(Duration::from_secs(90));
        limiter.pause_for(Duration::from_secs(30));
        assert!(bulkhead.try_acquire().is_err());
        assert!(adaptive.try_acquire().is_err());
    });
    let heard = heard.lock().unwrap();
    let [refused, paused, full, adaptive] = &heard[..] else {
        panic!("four events: {heard:?}");
    };
    refused.assert_has(Event::RateLimited, ("retry_after", "Some(60s)"));
    paused.assert_has(Event::RateLimitPaused, ("duration", "90s"));
    full.assert_has(Event::BulkheadFull, ("limit", "1"));
    adaptive.assert_has(Event::BulkheadFull, ("limit", "1"));
}

#[test]
fn a_listener_that_panics_takes_nothing_from_the_caller() {
    let (limiter, bulkhead) = (limiter(), bulkhead());
    let listener = Listener {
        panics: true,
        ..Listener::default()
    };
    with_listener(listener, || {
        limiter.try_acquire(1).unwrap();
        let retry_after = Some(Duration::from_mins(1));
        assert_eq!(limiter.try_acquire(1), Err(Limited { retry_after }));
        limiter.pause_for(Duration::from_secs(90));
        assert_eq!(limiter.pause_left(), Duration::from_secs(90));
        let _permit = bulkhead.try_acquire().unwrap();
        assert_eq!(bulkhead.try_acquire().unwrap_err(), Full { limit: 1 });
    });
}
