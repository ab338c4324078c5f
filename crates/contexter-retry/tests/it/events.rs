//! What a retry and a hedge tell, and that listeners can do no harm.

use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_retry::{BudgetConfig, Hedge, HedgeConfig, Retry};
use contexter_service::ManualClock;
use futures_util::FutureExt;
use tracing::field::{Field, Visit};
use tracing::subscriber::{NoSubscriber, with_default};
use tracing::{Dispatch, Event, Metadata, Subscriber, span};

use crate::{Log, plain};

#[tokio::test(start_paused = true)]
async fn hooks_see_every_retry_and_the_end() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (retries, end) = (Arc::clone(&told), Arc::clone(&told));
    let retry = Retry::new(plain())
        .unwrap()
        .named("provider")
        .on_retry(move |scheduled| {
            let line = format!(
                "{:?} {} {:?} {:?}",
                scheduled.name, scheduled.attempt, scheduled.delay, scheduled.asked
            );
            retries.lock().unwrap().push(line);
        })
        .on_give_up(move |gave_up| {
            let line = format!("{} after {}", gave_up.reason, gave_up.attempts);
            end.lock().unwrap().push(line);
        });
    assert_eq!(retry.call(Log::new().failing()).await, Err("down"));
    assert_eq!(retry.call(|| ready(Ok::<_, ()>(()))).await, Ok(()));
    assert_eq!(
        *told.lock().unwrap(),
        [
            "Some(\"provider\") 1 1s None",
            "Some(\"provider\") 2 2s None",
            "max_attempts after 3"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_panic_or_use_the_retry_and_the_outcome_is_not_lost() {
    let slot: Arc<Mutex<Option<Retry>>> = Arc::default();
    let within = Arc::clone(&slot);
    let retry = Retry::new(plain())
        .unwrap()
        .on_retry(move |_scheduled| {
            let retry = within.lock().unwrap().clone().unwrap();
            drop(retry.snapshot());
            retry.reconfigure(retry.config()).unwrap();
            panic!("a hook of the test panics");
        })
        .on_give_up(|_gave_up| panic!("a hook of the test panics"));
    *slot.lock().unwrap() = Some(retry.clone());
    let (out, attempts) = retry.call(Log::new().failing()).counted().await;
    assert_eq!((out, attempts), (Err("down"), 3));
}

/// Keeps the words of every event, then does something.
struct Listener<F> {
    seen: Arc<Mutex<Vec<String>>>,
    then: F,
}

#[derive(Default)]
struct Words {
    name: String,
    mechanism: String,
    event: String,
    rest: Vec<String>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            self.rest.push(format!("{}={value:?}", field.name()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "name" => value.clone_into(&mut self.name),
            "mechanism" => value.clone_into(&mut self.mechanism),
            "event" => value.clone_into(&mut self.event),
            other => self.rest.push(format!("{other}={value}")),
        }
    }
}

impl<F: Fn() + Send + Sync + 'static> Subscriber for Listener<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("contexter_retry")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        self.seen.lock().unwrap().push(format!(
            "{} {} {} {}",
            words.name,
            words.mechanism,
            words.event,
            words.rest.join(" ")
        ));
        (self.then)();
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Two calls of a retry with one token, then a hedged call with none, under this listener.
fn story(then: impl Fn() + Send + Sync + 'static) -> Vec<String> {
    let seen = Arc::default();
    let listener = Listener {
        seen: Arc::clone(&seen),
        then,
    };
    // While there is only one, a thread without a subscriber that is the first at an event makes
    // `tracing` forget that event for all.
    let second = Dispatch::new(NoSubscriber::default());
    with_default(listener, || {
        let clock = ManualClock::new();
        let budget = BudgetConfig::new().ratio(0.001).reserve(1);
        let retry = Retry::with_timer(plain().max_attempts(2).budget(budget), clock.clone())
            .unwrap()
            .named("r");
        let mut call = Box::pin(retry.call(|| ready(Err::<(), _>("down"))));
        assert_eq!(call.as_mut().now_or_never(), None);
        clock.advance(Duration::from_secs(1));
        assert_eq!(call.now_or_never(), Some(Err("down")));
        let call = retry.call(|| ready(Err::<(), _>("down")));
        assert_eq!(call.now_or_never(), Some(Err("down")));

        let hedge = Hedge::with_timer(HedgeConfig::new(), clock)
            .unwrap()
            .named("h");
        let mut left = 1;
        let call = hedge.call(|| {
            left -= 1;
            ready(if left == 0 { Err(()) } else { Ok(()) })
        });
        assert_eq!(call.now_or_never(), Some(Ok(())));
    });
    drop(second);
    seen.lock().unwrap().clone()
}

#[test]
fn every_event_names_its_instance_mechanism_and_kind() {
    assert_eq!(
        story(|| {}),
        [
            "r retry scheduled attempt=1 delay_ms=1000",
            "r retry gave_up attempts=2 reason=max_attempts",
            "r retry budget_exhausted attempts=1 reason=budget",
            "h hedge started attempt=2",
            "h hedge won attempt=2",
        ]
    );
}

#[test]
fn a_subscriber_that_panics_loses_no_outcome() {
    let seen = story(|| panic!("a subscriber of the test panics"));
    assert_eq!(seen.len(), 5);
}
