//! A registry of breakers.

use std::sync::Barrier;
use std::time::Duration;

use crate::resilience::Time;
use crate::resilience::flight::once;
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::around::{KeyedSettings, KeyedSubject};
use crate::resilience::subjects::breaker::BreakerSubject;
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check};

use super::workbench::streak;

type Registries = Stand<KeyedSettings, dyn KeyedSubject>;

const CAPACITY: usize = 100;
const IDLE: Duration = Duration::from_mins(1);

fn settings(failures: u32) -> KeyedSettings {
    KeyedSettings {
        breaker: crate::resilience::BreakerSettings {
            break_for: Duration::from_hours(24),
            ..streak(failures)
        },
        capacity: CAPACITY,
        idle: IDLE,
    }
}

/// Makes one call; returns whether it was admitted.
fn go(breaker: &dyn BreakerSubject, time: &Time, step: Step) -> bool {
    let op = Op::new(time, step);
    drop(once(breaker.call(&op)));
    op.started() == 1
}

/// Many keys that nothing is known of but one success each.
fn crowd(registry: &dyn KeyedSubject, time: &Time) {
    for number in 0..100 * CAPACITY {
        go(
            &*registry.breaker(&format!("crowd {number}")),
            time,
            Step::ok(),
        );
        if number % CAPACITY == 0 {
            time.advance(IDLE);
        }
    }
}

pub(super) fn registry(stand: &Registries) -> Checked {
    one_for_a_key(stand)?;
    keeps_what_is_known(stand)
}

fn one_for_a_key(stand: &Registries) -> Checked {
    let (registry, time) = stand.make(&settings(8))?;
    for round in 0..20 {
        let key = format!("key {round}");
        let barrier = Barrier::new(8);
        let breakers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        registry.breaker(&key)
                    })
                })
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .collect()
        });
        for breaker in &breakers {
            check(go(&**breaker, &time, Step::fail()), || {
                "8 failures through the handles of 8 threads: expected them admitted".to_owned()
            })?;
        }
        for breaker in &breakers {
            check(!go(&**breaker, &time, Step::ok()), || {
                format!("{key}: expected 8 threads to share one breaker, which is open")
            })?;
        }
        check(
            go(&*registry.breaker("another key"), &time, Step::ok()),
            || "another key: expected a breaker of its own".to_owned(),
        )?;
    }
    Ok(())
}

fn keeps_what_is_known(stand: &Registries) -> Checked {
    const KNOWN: usize = 20;
    let (registry, time) = stand.make(&settings(3))?;
    let mut isolated = true;
    for number in 0..KNOWN {
        for _ in 0..3 {
            go(
                &*registry.breaker(&format!("open {number}")),
                &time,
                Step::fail(),
            );
        }
        for _ in 0..2 {
            go(
                &*registry.breaker(&format!("failing {number}")),
                &time,
                Step::fail(),
            );
        }
        let by_hand = registry.breaker(&format!("isolated {number}"));
        isolated &= by_hand.isolate().is_ok();
    }
    crowd(&*registry, &time);
    check(registry.len() <= 2 * CAPACITY, || {
        format!(
            "{} keys, {CAPACITY} kept: expected at most twice as many, saw {}",
            100 * CAPACITY,
            registry.len()
        )
    })?;
    let mut known = vec!["open", "failing"];
    if isolated {
        known.push("isolated");
    }
    for state in known {
        for number in 0..KNOWN {
            let key = format!("{state} {number}");
            if state == "failing" {
                go(&*registry.breaker(&key), &time, Step::fail());
            }
            check(!go(&*registry.breaker(&key), &time, Step::ok()), || {
                format!(
                    "{key}, after {} other keys: expected its breaker to be kept and to refuse, it \
                     admitted",
                    100 * CAPACITY
                )
            })?;
        }
    }
    Ok(())
}
