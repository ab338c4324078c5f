//! What a timeout tells.

use std::fmt::Debug;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_service::{Cx, Event, ManualClock, Policy};
use contexter_timeout::{Error, Timeout};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{NoSubscriber, with_default};
use tracing::{Dispatch, Metadata, Subscriber};

use crate::{LIMIT, Late, Outcome};

/// Keeps the fields of every event, or panics at it.
#[derive(Clone, Default)]
struct Listener {
    heard: Arc<Mutex<Vec<Fields>>>,
    panics: bool,
}

#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

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

fn elapse(timeout: &Timeout<ManualClock>, clock: &ManualClock) -> Option<Result<(), Error<Late>>> {
    clock.run_until_stalled(timeout.call(pending::<Result<(), Late>>))
}

#[test]
fn an_elapsed_time_is_told_once_with_its_words() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone())
        .unwrap()
        .named("search")
        .named("too late");
    let listener = Listener::default();
    let heard = Arc::clone(&listener.heard);
    with_listener(listener, || {
        let out = clock.run_until_stalled(timeout.call(|| ready(Outcome::Ok(()))));
        assert_eq!(out, Some(Ok(())));
        assert!(heard.lock().unwrap().is_empty(), "nothing to tell");
        assert!(elapse(&timeout, &clock).is_some_and(|out| out.is_err()));
    });
    let heard = heard.lock().unwrap();
    let [event] = &heard[..] else {
        panic!("one event: {heard:?}");
    };
    for (field, value) in [
        ("name", "search"),
        ("mechanism", Event::TimeoutElapsed.mechanism()),
        ("event", Event::TimeoutElapsed.as_str()),
        ("after", "30s"),
    ] {
        assert!(event.0.contains(&(field, value.to_owned())), "{event:?}");
    }
}

#[test]
fn a_listener_that_panics_takes_nothing_from_the_caller() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let listener = Listener {
        panics: true,
        ..Listener::default()
    };
    let out = with_listener(listener, || elapse(&timeout, &clock));
    assert!(matches!(out, Some(Err(Error::Elapsed(_)))), "{out:?}");
}

#[test]
fn calls_without_any_time_are_counted_as_well() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let cx = Cx::new().with_deadline(contexter_service::Clock::now(&clock));
    let out = clock.run_until_stalled(timeout.run(cx, |_cx| pending::<Result<(), Late>>()));
    assert_eq!(out, Some(Err(Late(Duration::ZERO))));
    assert!(elapse(&timeout, &clock).is_some());
    let snapshot = timeout.clone().snapshot();
    assert_eq!(snapshot.mechanism, "timeout");
    assert_eq!(snapshot.counter("elapsed"), Some(2));
}
