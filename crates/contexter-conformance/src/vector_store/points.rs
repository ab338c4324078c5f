//! Storing and deleting points.

use contexter_model::{
    Condition, Delete, ErrorKind, Filter, Leg, Optimize, Point, Selector, Upsert,
};

use super::fixture::{Store, fresh, id, library, numbers, point, spec, term, terms, toward};
use crate::verdict::{Checked, check, same};

const NONE: Vec<u128> = Vec::new();

pub(super) async fn found_on_both_legs(store: &mut Store) -> Checked {
    let collection = store.collection("legs").await?;
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"),
        point(2, &[0.0, 1.0, 0.0], &[(7, 3.0)], "a"),
        point(3, &[0.7, 0.7, 0.0], &[(8, 1.0)], "a"),
        point(5, &[0.0, 0.0, 1.0], &[(9, 1.0)], "a"),
        point(4, &[0.0, 0.0, 1.0], &[(9, 1.0)], "a"),
    ];
    store.upsert(&collection, points).await?;
    let near = store
        .search(&collection, toward(1.0, 0.1, 0.0), Filter::all())
        .await?;
    let nearest: Vec<_> = numbers(&near).into_iter().take(3).collect();
    same("the nearest", &nearest, &vec![1, 3, 2])?;
    check(near.is_sorted_by(|a, b| a.score >= b.score), || {
        format!("expected scores from high to low, saw {near:?}")
    })?;
    same(
        "by term",
        &store.found(&collection, term(7)).await?,
        &vec![2, 1],
    )?;
    same(
        "ties of a term",
        &store.found(&collection, term(9)).await?,
        &vec![4, 5],
    )?;
    let near = store.found(&collection, toward(0.0, 0.0, 1.0)).await?;
    let nearest: Vec<_> = near.into_iter().take(2).collect();
    same("ties of a direction", &nearest, &vec![4, 5])
}

pub(super) async fn replaced_whole(store: &mut Store) -> Checked {
    let collection = store.collection("replaced").await?;
    let mut first = point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a");
    first.payload.insert("kind".into(), "guide".into());
    store.upsert(&collection, vec![first]).await?;
    let words_only = vec![point(1, &[], &[(8, 1.0)], "b")];
    store.upsert(&collection, words_only).await?;
    same(
        "the old term",
        &store.found(&collection, term(7)).await?,
        &NONE,
    )?;
    same(
        "the new term",
        &store.found(&collection, term(8)).await?,
        &vec![1],
    )?;
    let near = store.found(&collection, toward(1.0, 0.0, 0.0)).await?;
    same("the old dense vector", &near, &NONE)?;
    let record = store.record(&collection, 1).await?;
    let payload = record.map(|record| record.payload);
    same("the payload", &payload, &Some(library("b")))?;
    let dense_only = vec![point(1, &[0.0, 1.0, 0.0], &[], "b")];
    store.upsert(&collection, dense_only).await?;
    same(
        "the term before",
        &store.found(&collection, term(8)).await?,
        &NONE,
    )?;
    let near = store.found(&collection, toward(0.0, 1.0, 0.0)).await?;
    same("the new dense vector", &near, &vec![1])?;
    same(
        "the count",
        &store.count(&collection, Filter::all()).await?,
        &1,
    )
}

pub(super) async fn the_last_stays(store: &mut Store) -> Checked {
    let collection = store.collection("last").await?;
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"),
        point(1, &[], &[(8, 1.0)], "b"),
    ];
    store.upsert(&collection, points).await?;
    same(
        "the last",
        &store.found(&collection, term(8)).await?,
        &vec![1],
    )?;
    same(
        "the first",
        &store.found(&collection, term(7)).await?,
        &NONE,
    )
}

pub(super) async fn a_wrong_one_is_named(store: &mut Store) -> Checked {
    let collection = store.collection("wrong").await?;
    let good = || point(1, &[1.0, 0.0, 0.0], &[], "a");
    let wrong = [
        point(2, &[1.0, 0.0], &[], "a"),
        point(2, &[1.0, f32::NAN, 0.0], &[], "a"),
        point(2, &[], &[], "a"),
    ];
    for bad in wrong {
        let upsert = Upsert {
            collection: collection.clone(),
            points: vec![good(), bad],
        };
        let error = store.refused(upsert, ErrorKind::Invalid).await?;
        let text = error.to_string();
        check(text.contains(&id(2).to_string()), || {
            format!("expected the point's id in the error, saw {text:?}")
        })?;
    }
    same(
        "the count",
        &store.count(&collection, Filter::all()).await?,
        &0,
    )?;
    store.upsert(&collection, vec![good()]).await?;
    same(
        "the count",
        &store.count(&collection, Filter::all()).await?,
        &1,
    )
}

async fn three(store: &Store, collection: &str) -> Checked {
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"),
        point(2, &[1.0, 0.0, 0.0], &[(7, 1.0)], "b"),
        point(3, &[1.0, 0.0, 0.0], &[(7, 1.0)], "b"),
    ];
    store.upsert(collection, points).await
}

pub(super) async fn deleted(store: &mut Store) -> Checked {
    let collection = store.collection("deleted").await?;
    three(store, &collection).await?;
    let by_id = Delete {
        collection: collection.clone(),
        selector: Selector::Ids(vec![id(2), id(99)]),
    };
    store.call(by_id).await?;
    same(
        "after ids",
        &store.found(&collection, term(7)).await?,
        &vec![1, 3],
    )?;
    let by_filter = Delete {
        collection: collection.clone(),
        selector: Selector::Filter(Filter::all().and("library", "b")),
    };
    store.call(by_filter).await?;
    same(
        "after a filter",
        &store.found(&collection, term(7)).await?,
        &vec![1],
    )?;
    let gone = store.record(&collection, 3).await?;
    check(gone.is_none(), || "a deleted point can be read".into())
}

pub(super) async fn an_empty_filter_deletes_nothing(store: &mut Store) -> Checked {
    let collection = store.collection("empty").await?;
    three(store, &collection).await?;
    let everything = Delete {
        collection: collection.clone(),
        selector: Selector::Filter(Filter::all()),
    };
    store.refused(everything, ErrorKind::Invalid).await?;
    let never = Filter {
        must: vec![Condition {
            field: "library".into(),
            any_of: Vec::new(),
        }],
    };
    let nothing = Delete {
        collection: collection.clone(),
        selector: Selector::Filter(never),
    };
    store.call(nothing).await?;
    same(
        "the count",
        &store.count(&collection, Filter::all()).await?,
        &3,
    )
}

pub(super) async fn a_big_batch_is_stored(store: &mut Store) -> Checked {
    let wanted = spec(&fresh("big"), 32);
    store.ensure(wanted.clone()).await?;
    let points: Vec<Point> = (1..=2_345).map(|n| many(n, 32)).collect();
    store.upsert(&wanted.name, points).await?;
    same(
        "the count",
        &store.count(&wanted.name, Filter::all()).await?,
        &2_345,
    )?;
    let third = Filter::all().and("library", "lib-1");
    same("a third", &store.count(&wanted.name, third).await?, &782)
}

pub(super) async fn optimized_finds_the_same(store: &mut Store) -> Checked {
    let wanted = spec(&fresh("optimized"), 8);
    store.ensure(wanted.clone()).await?;
    let collection = wanted.name.as_str();
    let points: Vec<Point> = (1..=200).map(|n| many(n, 8)).collect();
    store.upsert(collection, points).await?;
    let leg = || Leg::Dense(many(17, 8).dense.unwrap_or_default());
    let before = store.found(collection, leg()).await?;
    let optimize = Optimize {
        collection: collection.to_owned(),
    };
    store.call(optimize).await?;
    same(
        "the nearest",
        &store.found(collection, leg()).await?,
        &before,
    )?;
    same(
        "the count",
        &store.count(collection, Filter::all()).await?,
        &200,
    )
}

/// A point that depends on nothing but its number.
fn many(n: u16, dimensions: usize) -> Point {
    let mut state = u32::from(n).wrapping_mul(2_654_435_761) | 1;
    let dense = (0..dimensions).map(|_| {
        // Xorshift, Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let low = u16::try_from(state & 0xFFFF).unwrap_or(0);
        f32::from(low) / 65_536.0 - 0.5
    });
    Point {
        id: id(n.into()),
        dense: Some(dense.collect()),
        sparse: Some(terms(&[(u32::from(n % 97), 1.0), (1_000, 0.5)])),
        payload: library(&format!("lib-{}", n % 3)),
    }
}
