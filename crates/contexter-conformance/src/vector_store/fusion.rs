//! Fusion on the side of the store.

use std::collections::BTreeMap;

use contexter_model::{Distance, ErrorKind, Filter, FusedQuery, Hit, Query, StoreFusion};
use contexter_service::Service as _;

use super::fixture::{Store, fresh, id, numbers, point, spec, term, toward};
use crate::Verdict;
use crate::verdict::{Checked, check, same};

/// Scores of a store are single precision, and so may be its sums.
const TOLERANCE: f32 = 1e-5;

pub(super) async fn follows_its_formula(store: &mut Store) -> Checked {
    store.handle::<FusedQuery>()?;
    let collection = store.collection("fused").await?;
    let points = vec![
        point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a"),
        point(2, &[0.9, 0.3, 0.0], &[(7, 4.0)], "a"),
        point(3, &[0.5, 0.9, 0.1], &[(7, 2.0)], "a"),
        point(4, &[0.1, 0.2, 0.9], &[(8, 2.0)], "a"),
        point(5, &[0.8, 0.1, 0.3], &[(7, 3.0)], "b"),
    ];
    store.upsert(&collection, points).await?;
    let legs = || vec![toward(1.0, 0.1, 0.0), term(7)];
    let filter = || Filter::all().and("library", "a");
    let query = Query {
        collection: collection.clone(),
        legs: legs(),
        filter: filter(),
        limit: 3,
    };
    let rankings = store.call(query).await?.rankings;
    let fused = |fusion| FusedQuery {
        collection: collection.clone(),
        legs: legs(),
        leg_limit: 3,
        fusion,
        filter: filter(),
        limit: 10,
    };
    let reciprocal = |weights: &[f32]| StoreFusion::ReciprocalRank {
        k: 61,
        weights: weights.to_vec(),
    };
    for weights in [&[][..], &[1.0, 1.0], &[3.0, 1.0], &[0.5, 2.0]] {
        let seen = store.call(fused(reciprocal(weights))).await?;
        compare(&seen, &reciprocal_ranks(&rankings, 61.0, weights))?;
    }
    let seen = store.call(fused(StoreFusion::Distribution)).await?;
    compare(&seen, &distribution(&rankings))?;
    store
        .refused(fused(reciprocal(&[1.0])), ErrorKind::Invalid)
        .await?;
    store
        .refused(fused(reciprocal(&[1.0, 0.0])), ErrorKind::Invalid)
        .await?;
    prefers_what_is_near(store).await
}

/// Of distances, lower ones are better: whoever cannot fuse them by their distribution says so.
async fn prefers_what_is_near(store: &mut Store) -> Checked {
    let mut euclid = spec(&fresh("euclid"), 3);
    euclid.distance = Distance::Euclid;
    let collection = euclid.name.clone();
    store.ensure(euclid).await?;
    let points = vec![
        point(1, &[9.0, 0.0, 0.0], &[], "a"),
        point(2, &[1.0, 0.0, 0.0], &[], "a"),
        point(3, &[5.0, 0.0, 0.0], &[], "a"),
    ];
    store.upsert(&collection, points).await?;
    let fused = |fusion| FusedQuery {
        collection: collection.clone(),
        legs: vec![toward(1.0, 0.0, 0.0)],
        leg_limit: 3,
        fusion,
        filter: Filter::all(),
        limit: 10,
    };
    let weights = Vec::new();
    let ranks = store
        .call(fused(StoreFusion::ReciprocalRank { k: 61, weights }))
        .await?;
    same("by ranks", &numbers(&ranks), &vec![2, 3, 1])?;
    let outcome = store
        .handle::<FusedQuery>()?
        .call(fused(StoreFusion::Distribution))
        .await;
    match outcome {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(error) => Err(Verdict::Fail(format!("by distribution: {error}"))),
        Ok(hits) => same("by distribution", &numbers(&hits), &vec![2, 3, 1]),
    }
}

fn reciprocal_ranks(rankings: &[Vec<Hit>], k: f32, weights: &[f32]) -> Vec<Hit> {
    let mut scores = BTreeMap::new();
    for (leg, ranking) in rankings.iter().enumerate() {
        let weight = weights.get(leg).copied().unwrap_or(1.0);
        let mut position = 0.0_f32;
        for hit in ranking {
            *scores.entry(hit.id.as_u128()).or_insert(0.0) +=
                1.0 / ((position + 1.0) / weight + k - 1.0);
            position += 1.0;
        }
    }
    ranked(scores)
}

fn distribution(rankings: &[Vec<Hit>]) -> Vec<Hit> {
    let mut scores = BTreeMap::new();
    for ranking in rankings {
        let count = f32::from(u16::try_from(ranking.len()).unwrap_or(u16::MAX));
        let mean = ranking.iter().map(|hit| hit.score).sum::<f32>() / count;
        let squares: f32 = ranking.iter().map(|hit| (hit.score - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        for hit in ranking {
            let low = mean - 3.0 * deviation;
            *scores.entry(hit.id.as_u128()).or_insert(0.0) += (hit.score - low) / (6.0 * deviation);
        }
    }
    ranked(scores)
}

fn ranked(scores: BTreeMap<u128, f32>) -> Vec<Hit> {
    let hits = scores.into_iter();
    let mut hits: Vec<Hit> = hits.map(|(n, score)| Hit { id: id(n), score }).collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    hits
}

fn compare(seen: &[Hit], expected: &[Hit]) -> Checked {
    let alike = seen.len() == expected.len()
        && seen.iter().zip(expected).all(|(seen, expected)| {
            seen.id == expected.id && (seen.score - expected.score).abs() < TOLERANCE
        });
    check(alike, || format!("expected {expected:?}, saw {seen:?}"))
}
