//! One event for each transition, in order, whatever the listener does.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_breaker::Config;
use contexter_service::{BreakerState, Sample};
use tracing::field::{Field, Visit};
use tracing::subscriber::{NoSubscriber, with_default};
use tracing::{Dispatch, Event, Metadata, Subscriber, span};

use crate::{BREAK, breaker, record, trip};

/// Keeps `from` and `to` of every transition, then calls back.
struct Listener<F> {
    seen: Arc<Mutex<Vec<(String, String)>>>,
    then: F,
}

#[derive(Default)]
struct Fields {
    from: String,
    to: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "from" => value.clone_into(&mut self.from),
            "to" => value.clone_into(&mut self.to),
            _ => {}
        }
    }
}

impl<F: Fn() + Send + Sync + 'static> Subscriber for Listener<F> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // Refusals have no states.
        if !fields.from.is_empty() {
            self.seen.lock().unwrap().push((fields.from, fields.to));
            (self.then)();
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// While there is only one, a thread without a subscriber that is the first at an event makes
/// `tracing` forget that event for all.
fn second() -> Dispatch {
    Dispatch::new(NoSubscriber::default())
}

/// Runs this with the listener on this thread.
fn with_listener(listener: impl Subscriber + Send + Sync + 'static, act: impl FnOnce()) {
    let _second = second();
    with_default(listener, act);
}

fn transitions(seen: &Mutex<Vec<(String, String)>>) -> Vec<String> {
    seen.lock()
        .unwrap()
        .iter()
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect()
}

#[test]
fn each_transition_is_told_once() {
    let seen = Arc::default();
    let listener = Listener {
        seen: Arc::clone(&seen),
        then: || {},
    };
    with_listener(listener, || {
        let (breaker, clock) = breaker(Config::new());
        trip(&breaker);
        assert!(breaker.try_acquire().is_err());
        clock.advance(BREAK);
        for _ in 0..3 {
            record(&breaker, Sample::Success);
        }
    });
    assert_eq!(
        transitions(&seen),
        ["closed -> open", "open -> half_open", "half_open -> closed"]
    );
}

#[test]
fn under_many_threads_the_events_are_a_walk() {
    let mut transitions = 0;
    for _ in 0..20 {
        transitions += race();
    }
    assert!(
        transitions > 100,
        "the threads make transitions: {transitions}"
    );
}

/// Lets eight threads race over one breaker and checks the events of their transitions. They make
/// at most two for each call: fewer than may wait for a slow listener.
fn race() -> usize {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let (breaker, clock) = breaker(
        Config::new()
            .failure_threshold(2)
            .recovery_timeout(Duration::from_nanos(1)),
    );
    let _second = second();
    let dispatch = Dispatch::new(Listener {
        seen: Arc::clone(&seen),
        then: || {},
    });
    let start = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (breaker, clock, dispatch, start) = (&breaker, &clock, &dispatch, &start);
            scope.spawn(move || {
                tracing::dispatcher::with_default(dispatch, || {
                    start.wait();
                    for round in 0..60 {
                        clock.advance(Duration::from_nanos(1));
                        if let Ok(permit) = breaker.try_acquire() {
                            permit.record(match (thread + round) % 5 {
                                0 | 1 => Sample::Failure,
                                2 => Sample::Neutral,
                                _ => Sample::Success,
                            });
                        }
                    }
                });
            });
        }
    });
    let seen = seen.lock().unwrap();
    let mut state = "closed";
    for (from, to) in &*seen {
        assert_eq!(from, state, "in order, none lost and none twice");
        assert!(
            matches!(
                (from.as_str(), to.as_str()),
                ("closed" | "half_open", "open") | ("open", "half_open") | ("half_open", "closed")
            ),
            "{from} -> {to}"
        );
        state = to;
    }
    assert_eq!(breaker.state().as_str(), state);
    let opened = seen.iter().filter(|(_, to)| to == "open").count() as u64;
    assert_eq!(breaker.snapshot().counter("opened"), Some(opened));
    seen.len()
}

#[test]
fn a_listener_may_panic_or_call_back() {
    let (breaker, _clock) = breaker(Config::new());
    let seen = Arc::default();
    let calling = Arc::new(AtomicBool::new(true));
    let then = {
        let (breaker, calling) = (breaker.clone(), Arc::clone(&calling));
        move || {
            assert_eq!(breaker.snapshot().mechanism, "breaker");
            if calling.swap(false, Ordering::Relaxed) {
                breaker.force_close();
                panic!("in a listener");
            }
        }
    };
    let listener = Listener {
        seen: Arc::clone(&seen),
        then,
    };
    with_listener(listener, || trip(&breaker));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(transitions(&seen), ["closed -> open", "open -> closed"]);
    record(&breaker, Sample::Success);
}
