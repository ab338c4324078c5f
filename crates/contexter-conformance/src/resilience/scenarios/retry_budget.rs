//! How many retries the callers of one budget may make together.

use contexter_service::Cx;

use super::retry_attempts::{Retries, optional, run};
use crate::resilience::flight::Flight;
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::retry::{BudgetSettings, RetrySettings};
use crate::verdict::{Checked, check, same};

/// So little that 100 calls do not earn a retry.
const SCARCE: f64 = 0.001;

fn budget(ratio: f64, reserve: u32) -> RetrySettings {
    RetrySettings {
        max_attempts: 10,
        budget: Some(BudgetSettings { ratio, reserve }),
        ..RetrySettings::default()
    }
}

pub(super) fn budget_is_exact(stand: &Retries) -> Checked {
    exact_for_any_ratio(stand)?;
    shared_by_threads(stand)?;
    held_while_waiting(stand)
}

fn exact_for_any_ratio(stand: &Retries) -> Checked {
    // Outcomes of retries earn nothing: as many retries if they succeed.
    for end in [Step::fail(), Step::ok()] {
        for (ratio, expected) in [(0.2, 20), (0.5, 50), (0.6, 60), (1.0, 100)] {
            let (retry, time) = stand.make(&budget(ratio, 0))?;
            let mut retries = 0;
            for _ in 0..100 {
                let op = Op::steps(&time, [Step::fail(), end]);
                run(&*retry, &time, Cx::new(), &op)?;
                retries += op.started() - 1;
            }
            same(
                &format!("retries of 100 calls with a ratio of {ratio}"),
                &retries,
                &expected,
            )?;
        }
    }
    let (retry, time) = stand.make(&budget(SCARCE, 3))?;
    let op = Op::new(&time, Step::fail());
    run(&*retry, &time, Cx::new(), &op)?.expect_fault("a reserve of 3", 4)?;
    if let Some(exhaustions) = optional(retry.exhaustions())? {
        same("retries left out for the budget", &exhaustions, &1)?;
    }
    Ok(())
}

fn shared_by_threads(stand: &Retries) -> Checked {
    let (retry, time) = stand.make(&budget(0.5, 0))?;
    let retries: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let retry = retry.sibling();
                let time = time.clone();
                scope.spawn(move || {
                    let mut retries = 0;
                    for _ in 0..50 {
                        let op = Op::new(&time, Step::fail());
                        let Ok(call) = retry.call(Cx::new(), &op) else {
                            continue;
                        };
                        let mut flight = Flight::new(call);
                        // Another thread may have moved the time on for this one's wait.
                        while flight.drive(&time).is_pending() {
                            std::thread::yield_now();
                        }
                        retries += op.started() - 1;
                    }
                    retries
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .sum()
    });
    same(
        "retries of 400 calls by 8 threads, with a ratio of one half",
        &retries,
        &200,
    )
}

fn held_while_waiting(stand: &Retries) -> Checked {
    let (retry, time) = stand.make(&budget(SCARCE, 2))?;
    let op = Op::new(&time, Step::fail());
    let mut flights = Vec::new();
    for _ in 0..3 {
        flights.push(Flight::new(retry.call(Cx::new(), &op)?));
    }
    let mut waiting = 0;
    let mut ended = 0;
    for flight in &mut flights {
        let seen = flight.poll();
        if seen.is_pending() {
            waiting += 1;
        } else {
            seen.expect_fault("a call that the budget stops", 3)?;
            ended += 1;
        }
    }
    check((waiting, ended) == (2, 1), || {
        format!(
            "3 concurrent calls with a budget of 2 retries: expected 2 to wait and 1 to end, saw \
             {waiting} and {ended}"
        )
    })
}
