//! Collections.

use contexter_adapter::HealthStatus;
use contexter_model::{
    CollectionSpec, CollectionState, Count, Delete, Distance, DropCollection, EnsureCollection,
    ErrorKind, Filter, Flush, Query, Retrieve, Selector, Upsert,
};

use super::fixture::{Store, fresh, id, point, spec, term};
use crate::verdict::{Checked, check, same};

/// How a specification is changed, and what the error names of both.
type Variant = (fn(&mut CollectionSpec), &'static str, &'static str);

pub(super) async fn created_once(store: &mut Store) -> Checked {
    let wanted = spec(&fresh("once"), 3);
    let first = store.ensure(wanted.clone()).await?;
    let created = CollectionState {
        created: true,
        points: 0,
    };
    same("the first call", &first, &created)?;
    let one = vec![point(1, &[1.0, 0.0, 0.0], &[], "a")];
    store.upsert(&wanted.name, one).await?;
    let second = store.ensure(wanted).await?;
    let there = CollectionState {
        created: false,
        points: 1,
    };
    same("the second call", &second, &there)?;
    let health = store.adapter().health_check().await;
    check(health.status != HealthStatus::Unhealthy, || {
        format!(
            "the store says that it is unhealthy: {:?}",
            health.error_message
        )
    })
}

pub(super) async fn another_is_refused(store: &mut Store) -> Checked {
    let made = spec(&fresh("another"), 3);
    store.ensure(made.clone()).await?;
    let variants: [Variant; 4] = [
        (
            |other| other.space.id = "other-7".into(),
            "conformance-1",
            "other-7",
        ),
        (|other| other.space.dimensions = 4, "3", "4"),
        (|other| other.distance = Distance::Dot, "Cosine", "Dot"),
        (
            |other| other.keyword_fields = vec!["library".into(), "version".into()],
            "kind",
            "version",
        ),
    ];
    for (change, there, wanted) in variants {
        let mut other = made.clone();
        change(&mut other);
        let error = store
            .refused(EnsureCollection(other), ErrorKind::Invalid)
            .await?;
        let text = error.to_string();
        check(text.contains(there) && text.contains(wanted), || {
            format!("expected {there:?} and {wanted:?} in the error, saw {text:?}")
        })?;
    }
    let state = store.ensure(made).await?;
    check(!state.created, || {
        "a refusal made the collection anew".into()
    })
}

pub(super) async fn unknown_is_not_found(store: &mut Store) -> Checked {
    let collection = fresh("unknown");
    let named = || collection.clone();
    let kind = ErrorKind::NotFound;
    let upsert = Upsert {
        collection: named(),
        points: vec![point(1, &[1.0, 0.0, 0.0], &[], "a")],
    };
    store.refused(upsert, kind).await?;
    let query = Query {
        collection: named(),
        legs: vec![term(7)],
        filter: Filter::all(),
        limit: 3,
    };
    store.refused(query, kind).await?;
    let count = Count {
        collection: named(),
        filter: Filter::all(),
    };
    store.refused(count, kind).await?;
    let retrieve = Retrieve {
        collection: named(),
        ids: vec![id(1)],
    };
    store.refused(retrieve, kind).await?;
    let delete = Delete {
        collection: named(),
        selector: Selector::Ids(vec![id(1)]),
    };
    store.refused(delete, kind).await?;
    let flush = Flush {
        collection: named(),
    };
    store.refused(flush, kind).await.map(drop)
}

pub(super) async fn before_a_reopening(store: &mut Store) -> Checked<String> {
    let collection = store.collection("reopened").await?;
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"),
        point(2, &[0.0, 1.0, 0.0], &[(7, 2.0)], "b"),
    ];
    store.upsert(&collection, points).await?;
    let flush = Flush {
        collection: collection.clone(),
    };
    store.call(flush).await?;
    Ok(collection)
}

pub(super) async fn after_a_reopening(store: &mut Store, collection: &str) -> Checked {
    let state = store.ensure(spec(collection, 3)).await?;
    let expected = CollectionState {
        created: false,
        points: 2,
    };
    same("the collection", &state, &expected)?;
    let found = store.found(collection, term(7)).await?;
    same("the term", &found, &vec![2, 1])
}

pub(super) async fn dropped_is_gone(store: &mut Store) -> Checked {
    let collection = store.collection("dropped").await?;
    let drop_it = || DropCollection {
        collection: collection.clone(),
    };
    check(store.call(drop_it()).await?, || "it was not there".into())?;
    check(!store.call(drop_it()).await?, || {
        "it was there twice".into()
    })?;
    let count = Count {
        collection: collection.clone(),
        filter: Filter::all(),
    };
    store.refused(count, ErrorKind::NotFound).await?;
    let again = store.ensure(spec(&collection, 5)).await?;
    check(again.created, || "the name cannot be used again".into())
}
