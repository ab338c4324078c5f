//! Every mechanism tells what it did in the common words, whatever the listener does.

use std::fmt;
use std::future::ready;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use contexter_fallback::{
    CacheConfig, Fallback, FlightConfig, ResponseCache, SingleFlight, StaleConfig, StaleValue,
};
use contexter_service::Cx;
use tracing::field::{Field, Visit};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber, span};

use crate::{Gate, now, poll};

/// Keeps `name mechanism event` of every event, then does something with it.
struct Listener<F> {
    seen: Arc<Mutex<Vec<String>>>,
    then: F,
}

#[derive(Default)]
struct Fields {
    name: String,
    mechanism: String,
    event: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "name" => value.clone_into(&mut self.name),
            "mechanism" => value.clone_into(&mut self.mechanism),
            "event" => value.clone_into(&mut self.event),
            _ => {}
        }
    }
}

impl<F: Fn(&str) + Send + Sync + 'static> Subscriber for Listener<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("contexter_fallback")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields {
            name,
            mechanism,
            event,
        } = fields;
        self.seen
            .lock()
            .unwrap()
            .push(format!("{name} {mechanism} {event}"));
        (self.then)(&event);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Runs `act` until a listener on this thread hears `expected` of it, and returns what it heard.
///
/// A thread without a listener that meets an event for the first time, in another test, can switch
/// it off for all while `tracing` looks for listeners. So the interest is looked up again until
/// everything is heard; what is missing or too much every time stays so.
fn heard(
    expected: &[&str],
    act: impl Fn(),
    then: impl Fn(&str) + Send + Sync + 'static,
) -> Vec<String> {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let listener = Listener {
        seen: Arc::clone(&seen),
        then,
    };
    with_default(listener, || {
        for _ in 0..50 {
            seen.lock().unwrap().clear();
            act();
            if *seen.lock().unwrap() == expected {
                break;
            }
            tracing::callsite::rebuild_interest_cache();
        }
    });
    seen.lock().unwrap().clone()
}

/// Does one of everything, and checks that the outcomes are right.
fn one_of_each() {
    let fallback = Fallback::value(1).named("docs");
    assert_eq!(now(fallback.call(|| ready(Err::<u8, _>(())))), Ok(1));

    let flights = SingleFlight::new(FlightConfig::new())
        .unwrap()
        .named("docs");
    let gate = Gate::new();
    let run = || flights.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let (mut one, mut other) = (pin!(run()), pin!(run()));
    assert!(poll(one.as_mut()).is_pending());
    assert!(poll(other.as_mut()).is_pending());
    gate.open(());
    assert!(poll(other.as_mut()).is_ready() && poll(one.as_mut()).is_ready());

    let stale = StaleValue::<u8, u8>::new(StaleConfig::new())
        .unwrap()
        .named("docs");
    for out in [Ok(1), Err(())] {
        assert!(now(stale.run_keyed(&1, Cx::new(), |_cx| ready(out))).is_ok());
    }

    let cache = ResponseCache::<u8, u8, ()>::new(CacheConfig::new())
        .unwrap()
        .named("docs")
        .named("another");
    for _ in 0..2 {
        assert!(now(cache.run_keyed(&1, Cx::new(), |_cx| ready(Ok(1)))).is_ok());
    }
}

const EXPECTED: [&str; 5] = [
    "docs fallback served",
    "docs single_flight joined",
    "docs fallback stale_served",
    "docs cache miss",
    "docs cache hit",
];

#[test]
fn each_thing_is_told_once_under_the_name_of_its_instance() {
    assert_eq!(heard(&EXPECTED, one_of_each, |_event| {}), EXPECTED);
}

#[test]
fn a_listener_that_panics_takes_no_outcome_along() {
    let heard = heard(&EXPECTED, one_of_each, |_event| panic!("in a listener"));
    assert_eq!(heard, EXPECTED);
}

#[test]
fn a_listener_may_call_back() {
    type Cache = ResponseCache<u8, u32, ()>;
    let calls = Arc::new(AtomicU32::new(0));
    let current = Arc::<Mutex<Option<Cache>>>::default();
    let look_up = {
        let calls = Arc::clone(&calls);
        move |cache: &Cache| {
            now(cache.run_keyed(&1, Cx::new(), |_cx| {
                ready(Ok(calls.fetch_add(1, Ordering::SeqCst)))
            }))
        }
    };
    let act = || {
        let cache = Cache::new(CacheConfig::new()).unwrap();
        *current.lock().unwrap() = Some(cache.clone());
        calls.store(0, Ordering::SeqCst);
        let served = look_up(&cache).unwrap();
        assert_eq!(served.into_value(), 0);
        // The call that missed did not ask again for what came in between.
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    };
    // Another call of the key between the miss of the first and its flight.
    let then = {
        let (look_up, current) = (look_up.clone(), Arc::clone(&current));
        move |event: &str| {
            assert_eq!(event, "miss");
            let cache = current.lock().unwrap().clone().unwrap();
            assert!(look_up(&cache).is_ok());
        }
    };
    assert_eq!(heard(&[" cache miss"], act, then), [" cache miss"]);
}
