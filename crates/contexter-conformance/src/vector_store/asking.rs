//! The rules, and who asks them.

use contexter_adapter::AdapterError;

use super::fixture::Store;
use super::{Subject, aliases, collections, fusion, points, reading, snapshots};
use crate::verdict::Checked;
use crate::{Report, Rule, Verdict};

const STORE: &str = "vector store";

const fn rule(number: u8, text: &'static str) -> Rule {
    Rule::new(number, STORE, text)
}

/// All rules of vector stores.
pub const RULES: [Rule; 21] = [
    rule(1, "a collection is created once and recognised afterwards"),
    rule(
        2,
        "another embedder, dimension, distance or field is refused, and both are named",
    ),
    rule(
        3,
        "points are found along both legs, best first, ties in order of id",
    ),
    rule(4, "storing an id again replaces the point whole"),
    rule(5, "of two points with one id in one call the last stays"),
    rule(
        6,
        "a wrong point is named and nothing of its call is stored",
    ),
    rule(7, "a filter holds for every leg and for counts"),
    rule(8, "a filter on a field without an index is refused"),
    rule(
        9,
        "points are deleted by id and by filter, and unknown ids are no error",
    ),
    rule(10, "an empty filter deletes nothing"),
    rule(11, "a collection that is not there is not found"),
    rule(12, "more points than one batch holds are all stored"),
    rule(13, "a payload comes back as it was stored"),
    rule(14, "scrolling shows every point once, in order of id"),
    rule(
        15,
        "an alias stands for its collection and is switched in one step",
    ),
    rule(16, "fusion of the store follows its formula"),
    rule(17, "what was flushed is there after a reopening"),
    rule(18, "a dropped collection is gone"),
    rule(19, "snapshots are made, listed and dropped"),
    rule(20, "nothing asked is nothing found"),
    rule(21, "an optimized collection finds what it found before"),
];

/// Runs all scenarios.
pub(super) async fn all(
    subject: &impl Subject,
    store: &mut Store,
    report: &mut Report,
) -> Result<(), AdapterError> {
    for rule in RULES {
        let outcome = match rule.number {
            1 => collections::created_once(store).await,
            2 => collections::another_is_refused(store).await,
            3 => points::found_on_both_legs(store).await,
            4 => points::replaced_whole(store).await,
            5 => points::the_last_stays(store).await,
            6 => points::a_wrong_one_is_named(store).await,
            7 => reading::filters_hold(store).await,
            8 => reading::unindexed_filters_are_refused(store).await,
            9 => points::deleted(store).await,
            10 => points::an_empty_filter_deletes_nothing(store).await,
            11 => collections::unknown_is_not_found(store).await,
            12 => points::a_big_batch_is_stored(store).await,
            13 => reading::payloads_come_back(store).await,
            14 => reading::scrolled_in_order(store).await,
            15 => aliases::switched_in_one_step(store).await,
            16 => fusion::follows_its_formula(store).await,
            17 => match collections::before_a_reopening(store).await {
                Ok(name) => {
                    store.reopen(subject).await?;
                    collections::after_a_reopening(store, &name).await
                }
                Err(verdict) => Err(verdict),
            },
            18 => collections::dropped_is_gone(store).await,
            19 => snapshots::made_listed_dropped(store).await,
            20 => reading::nothing_asked(store).await,
            _ => points::optimized_finds_the_same(store).await,
        };
        report.add(rule, subject.name(), verdict(outcome));
    }
    Ok(())
}

fn verdict(outcome: Checked) -> Verdict {
    match outcome {
        Ok(()) => Verdict::Pass,
        Err(verdict) => verdict,
    }
}
