//! What chaos tells.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_chaos::Config;
use contexter_service::{Event, ManualClock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{NoSubscriber, with_default};
use tracing::{Dispatch, Metadata, Subscriber};

use crate::faces::{Counting, Face, chaos};

/// Keeps the fields of every event, or panics at it.
#[derive(Clone, Default)]
struct Listener {
    heard: Arc<Mutex<Vec<Fields>>>,
    panics: bool,
}

#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name)?;
        Some(&found.1)
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

#[test]
fn every_fault_is_told_with_its_words() {
    let listener = Listener::default();
    let heard = Arc::clone(&listener.heard);
    let clock = ManualClock::new();
    let second = Duration::from_secs(1);
    let chaos = chaos(Config::new(), &clock).named("search");
    with_listener(listener, || {
        for config in [
            Config::new(),
            Config::new().error_rate(1.0).latency(1.0, second, second),
            Config::new().hang_rate(1.0),
            Config::new().panic_rate(1.0),
        ] {
            chaos.reconfigure(config).unwrap();
            let call = Face::Policy.run(&chaos, &Counting::default());
            drop(catch_unwind(AssertUnwindSafe(|| {
                clock.run_until_stalled(call)
            })));
        }
    });
    let heard = heard.lock().unwrap();
    let faults: Vec<_> = heard.iter().map(|fields| fields.get("fault")).collect();
    assert_eq!(faults, ["latency", "error", "hang", "panic"].map(Some));
    for fields in &*heard {
        assert_eq!(fields.get("name"), Some("search"));
        assert_eq!(
            fields.get("mechanism"),
            Some(Event::ChaosInjected.mechanism())
        );
        assert_eq!(fields.get("event"), Some(Event::ChaosInjected.as_str()));
    }
    assert_eq!(heard[0].get("latency"), Some("1s"));
    assert_eq!(heard[1].get("latency"), None);
}

#[test]
fn a_listener_that_panics_injects_nothing_of_its_own() {
    let listener = Listener {
        panics: true,
        ..Listener::default()
    };
    let clock = ManualClock::new();
    let chaos = chaos(Config::new().error_rate(1.0), &clock);
    let out = with_listener(listener, || {
        clock.run_until_stalled(Face::Call.run(&chaos, &Counting::default()))
    });
    assert_eq!(out, Some(Err("injected")));
}
