//! The scenarios of the stores that recognise duplicates.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::{Begin, DedupeKey, DedupeStore, DeliveryId, TransportError};
use contexter_protocol::IntegrationEvent;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, sleep, timeout};

use super::log::PATIENCE;
use super::stage::broken;
use crate::verdict::{Checked, same};
use crate::{Report, Rule, Verdict};

/// A store that scenarios share; each uses events of its own.
#[async_trait]
pub trait DedupeSubject: fmt::Debug + Send + Sync {
    /// Returns the name of its column in the report, such as `"memory"`.
    fn name(&self) -> &str;

    /// Opens the store as one more process would; in memory, it is the same one.
    ///
    /// # Errors
    ///
    /// Returns why it cannot be opened. The scenario has failed then.
    async fn open(&self) -> Result<Arc<dyn DedupeStore>, TransportError>;
}

type Scenario = (Rule, fn(Given) -> BoxFuture<'static, Checked>);

/// Longer than any scenario takes.
const LONG: Duration = Duration::from_mins(10);
/// A lease whose end is waited for.
const SHORT: Duration = Duration::from_millis(200);

const SCENARIOS: &[Scenario] = &[
    (
        rule(1, "of many at the same time, exactly one begins"),
        |given| one_begins(given).boxed(),
    ),
    (
        rule(2, "what is done stays done, whoever gives it back"),
        |given| done_stays(given).boxed(),
    ),
    (
        rule(
            3,
            "what failed can be begun again; others have to wait for that",
        ),
        |given| released(given).boxed(),
    ),
    (
        rule(4, "asked again for one delivery, the answer is the same"),
        |given| asked_again(given).boxed(),
    ),
    (rule(5, "only who has it gives it back"), |given| {
        only_the_holder(given).boxed()
    }),
    (rule(6, "a lease runs out"), |given| runs_out(given).boxed()),
    (
        rule(7, "groups, patterns, sources and ids are told apart"),
        |given| told_apart(given).boxed(),
    ),
    (
        rule(
            8,
            "the next delivery of a message takes over at once, a duplicate does not",
        ),
        |given| taken_over(given).boxed(),
    ),
    (
        rule(9, "another process sees what was begun and what is done"),
        |given| shared(given).boxed(),
    ),
];

const fn rule(number: u8, text: &'static str) -> Rule {
    Rule::new(number, "dedupe", text)
}

/// Runs the scenarios over a store, one after the other.
pub async fn run_dedupe(subject: &dyn DedupeSubject) -> Report {
    let mut report = Report::default();
    for (rule, run) in SCENARIOS {
        let verdict = match (subject.open().await, subject.open().await) {
            (Ok(store), Ok(other)) => {
                let given = Given { store, other };
                match timeout(PATIENCE, run(given)).await {
                    Ok(Ok(())) => Verdict::Pass,
                    Ok(Err(verdict)) => verdict,
                    Err(_late) => Verdict::Fail(format!("it did not end within {PATIENCE:?}")),
                }
            }
            (Err(error), _) | (_, Err(error)) => broken(error),
        };
        report.add(*rule, subject.name(), verdict);
    }
    report
}

/// What a scenario works with: a store, and the same one in another process.
#[derive(Clone)]
struct Given {
    store: Arc<dyn DedupeStore>,
    other: Arc<dyn DedupeStore>,
}

/// An event that nobody has seen.
fn event() -> IntegrationEvent {
    let event = IntegrationEvent::builder("conformance", "dedupe.event").build();
    event.expect("the suite's attributes are valid")
}

fn key(event: &IntegrationEvent, group: &str, pattern: &str) -> DedupeKey {
    let pattern = pattern.parse().expect("the suite's patterns are valid");
    DedupeKey::new(event, group, &pattern)
}

fn new_key() -> DedupeKey {
    key(&event(), "g", "dedupe.*")
}

fn delivery(place: &str, count: u32) -> DeliveryId {
    DeliveryId::new(place, count)
}

impl Given {
    async fn begins(&self, key: &DedupeKey, by: &DeliveryId, expected: Begin) -> Checked {
        begins(&*self.store, key, by, LONG, expected).await
    }

    async fn done(&self, key: &DedupeKey) -> Checked {
        self.store.done(key).await.map_err(broken)
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Checked {
        self.store.release(key, by).await.map_err(broken)
    }

    fn needs_to_outlive(&self) -> Checked {
        if self.store.outlives_processes() {
            return Ok(());
        }
        let reason = "knows one process only";
        Err(Verdict::NotApplicable(reason.to_owned()))
    }
}

async fn begins(
    store: &dyn DedupeStore,
    key: &DedupeKey,
    by: &DeliveryId,
    lease: Duration,
    expected: Begin,
) -> Checked {
    let seen = store.begin(key, by, lease).await.map_err(broken)?;
    same(&format!("beginning {by:?}"), &seen, &expected)
}

async fn one_begins(given: Given) -> Checked {
    let key = new_key();
    let claims = (0..20).map(|n| {
        let store = if n % 2 == 0 {
            &given.store
        } else {
            &given.other
        };
        let (store, key) = (Arc::clone(store), key.clone());
        async move {
            store
                .begin(&key, &delivery(&format!("p{n}"), 1), LONG)
                .await
        }
    });
    let answers: Result<Vec<_>, _> = join_all(claims).await.into_iter().collect();
    let answers = answers.map_err(broken)?;
    let count = |state| answers.iter().filter(|answer| **answer == state).count();
    same(
        "how many began and how many wait",
        &(count(Begin::New), count(Begin::InProgress)),
        &(1, 19),
    )
}

async fn done_stays(given: Given) -> Checked {
    let (key, by) = (new_key(), delivery("p", 1));
    given.begins(&key, &by, Begin::New).await?;
    given.done(&key).await?;
    given.release(&key, &by).await?;
    given.begins(&key, &by, Begin::Done).await?;
    given.begins(&key, &delivery("q", 1), Begin::Done).await?;
    // What was redriven is done again.
    given.done(&key).await?;
    given.begins(&key, &delivery("p", 2), Begin::Done).await
}

async fn released(given: Given) -> Checked {
    let (key, by) = (new_key(), delivery("p", 1));
    given.begins(&key, &by, Begin::New).await?;
    let duplicate = delivery("q", 1);
    given.begins(&key, &duplicate, Begin::InProgress).await?;
    given.release(&key, &by).await?;
    given.begins(&key, &duplicate, Begin::New).await
}

async fn asked_again(given: Given) -> Checked {
    let (key, by) = (new_key(), delivery("p", 1));
    given.begins(&key, &by, Begin::New).await?;
    given.begins(&key, &by, Begin::New).await
}

async fn only_the_holder(given: Given) -> Checked {
    let (key, by) = (new_key(), delivery("p", 1));
    given.begins(&key, &by, Begin::New).await?;
    given.release(&key, &delivery("q", 1)).await?;
    given.release(&key, &delivery("p", 2)).await?;
    let duplicate = delivery("r", 1);
    given.begins(&key, &duplicate, Begin::InProgress).await
}

async fn runs_out(given: Given) -> Checked {
    let key = new_key();
    begins(&*given.store, &key, &delivery("p", 1), SHORT, Begin::New).await?;
    let expected = if given.store.outlives_processes() {
        Begin::TakenOver
    } else {
        Begin::New
    };
    let duplicate = delivery("q", 1);
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = given.store.begin(&key, &duplicate, LONG).await;
        match seen.map_err(broken)? {
            Begin::InProgress if Instant::now() < end => sleep(SHORT / 4).await,
            seen => return same("after the lease", &seen, &expected),
        }
    }
}

async fn told_apart(given: Given) -> Checked {
    let one = event();
    let by = delivery("p", 1);
    let keys = [
        key(&one, "g", "dedupe.*"),
        key(&one, "g", "dedupe.event"),
        key(&one, "h", "dedupe.*"),
        key(&event(), "g", "dedupe.*"),
    ];
    for key in &keys {
        given.begins(key, &by, Begin::New).await?;
        given.done(key).await?;
    }
    Ok(())
}

async fn taken_over(given: Given) -> Checked {
    given.needs_to_outlive()?;
    let (key, first, second) = (new_key(), delivery("p", 1), delivery("p", 2));
    given.begins(&key, &first, Begin::New).await?;
    given
        .begins(&key, &delivery("q", 9), Begin::InProgress)
        .await?;
    given.begins(&key, &second, Begin::TakenOver).await?;
    given.begins(&key, &second, Begin::TakenOver).await?;
    given.begins(&key, &first, Begin::InProgress).await?;
    // The one that lost it cannot give it back.
    given.release(&key, &first).await?;
    given.begins(&key, &first, Begin::InProgress).await?;
    given.release(&key, &second).await?;
    given.begins(&key, &delivery("p", 3), Begin::New).await
}

async fn shared(given: Given) -> Checked {
    given.needs_to_outlive()?;
    let (key, by) = (new_key(), delivery("p", 1));
    given.begins(&key, &by, Begin::New).await?;
    let other = &*given.other;
    begins(other, &key, &delivery("q", 1), LONG, Begin::InProgress).await?;
    given.done(&key).await?;
    begins(other, &key, &delivery("p", 2), LONG, Begin::Done).await
}
