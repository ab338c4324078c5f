//! A breaker for each key.

use std::sync::Arc;

use contexter_breaker::{Breaker, Config};
use contexter_resilience::Keyed;

use super::closed::time_window;
use crate::case::{Case, case};
use crate::operation::ready;

/// How many keys are called in turn.
const KEYS: u64 = 10_000;
/// Room for all of them, however unevenly they fall on the table's shards.
const ROOM: usize = 16_384;

pub(super) fn add_ours(cases: &mut Vec<Case>) {
    let breakers = table(Config::new());
    case!(cases, "closed/ours (keyed, 10,000 keys)", breakers, |i| {
        let breaker = breakers.get(&(i % KEYS));
        breaker.call(|| ready(i)).await
    });
    let breakers = table(Config::new());
    case!(cases, "closed/ours (keyed, 16 keys)", breakers, |i| {
        let breaker = breakers.get(&(i & 15));
        breaker.call(|| ready(i)).await
    });
    let breakers = table(time_window());
    case!(
        cases,
        "closed/ours (keyed, 10,000 keys, time window, slow calls)",
        breakers,
        |i| {
            let breaker = breakers.get(&(i % KEYS));
            breaker.call(|| ready(i)).await
        }
    );
}

/// A table in which every key has its breaker: making them is not what is measured.
fn table(config: Config) -> Arc<Keyed<u64, Breaker>> {
    let breakers = Keyed::new(ROOM, move |_key| Breaker::new(config).unwrap()).unwrap();
    for key in 0..KEYS {
        let _ = breakers.get(&key);
    }
    assert_eq!(
        breakers.len() as u64,
        KEYS,
        "a key has no breaker of its own"
    );
    Arc::new(breakers)
}
