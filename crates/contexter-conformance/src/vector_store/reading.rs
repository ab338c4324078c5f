//! Searching, counting and reading.

use contexter_model::{
    Condition, Count, ErrorKind, Filter, Payload, Point, Query, QueryReply, Retrieve, Scroll,
    Selector,
};
use serde_json::json;

use super::fixture::{Store, id, numbers, point, term, terms, toward};
use crate::verdict::{Checked, check, same};

async fn filled(store: &mut Store, about: &str) -> Checked<String> {
    let collection = store.collection(about).await?;
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "tokio"),
        point(2, &[0.9, 0.1, 0.0], &[(7, 2.0)], "serde"),
        point(3, &[0.0, 1.0, 0.0], &[(8, 1.0)], "serde"),
        point(4, &[0.0, 0.0, 1.0], &[(7, 0.5)], "clap"),
    ];
    store.upsert(&collection, points).await?;
    Ok(collection)
}

fn either(values: &[&str]) -> Filter {
    Filter {
        must: vec![Condition {
            field: "library".into(),
            any_of: values.iter().map(|&value| value.to_owned()).collect(),
        }],
    }
}

pub(super) async fn filters_hold(store: &mut Store) -> Checked {
    let collection = filled(store, "filters").await?;
    let serde = || Filter::all().and("library", "serde");
    let near = store
        .search(&collection, toward(1.0, 0.0, 0.0), serde())
        .await?;
    same("a direction", &numbers(&near), &vec![2, 3])?;
    let found = store.search(&collection, term(7), serde()).await?;
    same("a term", &numbers(&found), &vec![2])?;
    same("one value", &store.count(&collection, serde()).await?, &2)?;
    let three = either(&["serde", "clap", "nope"]);
    same(
        "any of three",
        &store.count(&collection, three.clone()).await?,
        &3,
    )?;
    let both = three.and("library", "clap");
    same(
        "both conditions",
        &store.count(&collection, both).await?,
        &1,
    )?;
    same(
        "no value",
        &store.count(&collection, either(&[])).await?,
        &0,
    )?;
    let none = store.search(&collection, term(7), either(&[])).await?;
    check(none.is_empty(), || format!("expected no hit, saw {none:?}"))
}

pub(super) async fn unindexed_filters_are_refused(store: &mut Store) -> Checked {
    let collection = filled(store, "unindexed").await?;
    let by_path = || Filter::all().and("path", "x");
    let query = Query {
        collection: collection.clone(),
        legs: vec![term(7)],
        filter: by_path(),
        limit: 3,
    };
    let error = store.refused(query, ErrorKind::Invalid).await?;
    let text = error.to_string();
    check(text.contains("path") && text.contains("library"), || {
        format!("expected the field and those that there are, saw {text:?}")
    })?;
    let delete = contexter_model::Delete {
        collection: collection.clone(),
        selector: Selector::Filter(by_path()),
    };
    store.refused(delete, ErrorKind::Invalid).await?;
    let count = Count {
        collection,
        filter: by_path(),
    };
    store.refused(count, ErrorKind::Invalid).await.map(drop)
}

pub(super) async fn payloads_come_back(store: &mut Store) -> Checked {
    let collection = store.collection("payloads").await?;
    let json = json!({
        "library": "tokio",
        "text": "Grüße, 世界\n\u{1F980} \"quoted\"",
        "none": null,
        "yes": true,
        "whole": 9_007_199_254_740_993_i64,
        "below": i64::MIN,
        "half": 0.1,
        "list": [1, "two", [3.5, null], {"four": []}],
        "object": {"a": {"b": {"c": "deep"}}, "empty": {}},
    });
    let payload: Payload = json.as_object().cloned().unwrap_or_default();
    let mut stored = point(1, &[1.0, 0.0, 0.0], &[], "tokio");
    stored.payload = payload.clone();
    store.upsert(&collection, vec![stored]).await?;
    let other = vec![point(2, &[1.0, 0.0, 0.0], &[], "a")];
    store.upsert(&collection, other).await?;
    let records = store
        .call(Retrieve {
            collection,
            ids: vec![id(2), id(99), id(1)],
        })
        .await?;
    let order: Vec<_> = records.iter().map(|record| record.id.as_u128()).collect();
    same("the order", &order, &vec![2, 1])?;
    let seen = records.into_iter().nth(1).map(|record| record.payload);
    same("the payload", &seen, &Some(payload))
}

pub(super) async fn scrolled_in_order(store: &mut Store) -> Checked {
    let collection = store.collection("scrolled").await?;
    let points: Vec<Point> = (1..=25)
        .rev()
        .map(|n| {
            point(
                n,
                &[0.0, 1.0, 0.0],
                &[(7, 2.0)],
                if n % 2 == 0 { "even" } else { "odd" },
            )
        })
        .collect();
    store.upsert(&collection, points).await?;
    let mut seen = Vec::new();
    let mut after = None;
    // A store that never ends is stopped.
    for _ in 0..30 {
        let scroll = Scroll::new(&collection, 10).after(after);
        let page = store.call(scroll).await?;
        check(page.points.len() <= 10, || {
            format!("{} points on a page of 10", page.points.len())
        })?;
        let bare = page.points.iter().all(|point| point.dense.is_none());
        check(bare, || "vectors came unasked".into())?;
        seen.extend(page.points.iter().map(|point| point.id.as_u128()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    same("all pages", &seen, &(1..=25).collect::<Vec<u128>>())?;
    let even = Scroll::new(&collection, 100)
        .filter(Filter::all().and("library", "even"))
        .with_vectors();
    let page = store.call(even).await?;
    same("the next page", &page.next, &None)?;
    same("how many are even", &page.points.len(), &12)?;
    let first = page.points.into_iter().next();
    same(
        "the first",
        &first,
        &Some(point(2, &[0.0, 1.0, 0.0], &[(7, 2.0)], "even")),
    )?;
    store
        .refused(Scroll::new(&collection, 0), ErrorKind::Invalid)
        .await
        .map(drop)
}

pub(super) async fn nothing_asked(store: &mut Store) -> Checked {
    let collection = filled(store, "nothing").await?;
    let query = |legs, limit| Query {
        collection: collection.clone(),
        legs,
        filter: Filter::all(),
        limit,
    };
    let none = QueryReply {
        rankings: vec![Vec::new()],
    };
    let limit_0 = store.call(query(vec![term(7)], 0)).await?;
    same("limit 0", &limit_0, &none)?;
    let no_terms = contexter_model::Leg::Sparse(terms(&[]));
    let no_terms = store.call(query(vec![no_terms], 9)).await?;
    same("no terms", &no_terms, &none)?;
    let no_legs = store.call(query(Vec::new(), 9)).await?;
    same("no legs", &no_legs, &QueryReply::default())?;
    let enormous = store
        .call(query(vec![toward(1.0, 0.0, 0.0)], usize::MAX))
        .await?;
    let hits: Vec<_> = enormous.rankings.iter().map(Vec::len).collect();
    same("an enormous limit", &hits, &vec![4])?;
    let wrong = query(vec![contexter_model::Leg::Dense(vec![1.0])], 9);
    store.refused(wrong, ErrorKind::Invalid).await.map(drop)
}
