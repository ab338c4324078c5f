//! Fusing rankings.

#![expect(clippy::unwrap_used, reason = "a test may panic; its texts are small")]

use contexter_model::{Hit, PointId};
use contexter_rag::{Fusion, InvalidWeights};
use proptest::collection::vec;
use proptest::prelude::*;

fn id(number: u128) -> PointId {
    PointId::from_u128(number)
}

fn ranking(scores: &[(u128, f32)]) -> Vec<Hit> {
    scores
        .iter()
        .map(|&(number, score)| Hit {
            id: id(number),
            score,
        })
        .collect()
}

fn fuse(fusion: &str, rankings: &[Vec<Hit>]) -> Vec<(u128, f32)> {
    let fusion: Fusion = fusion.parse().unwrap();
    let fused = fusion.fuse(rankings, 1000).unwrap();
    fused
        .into_iter()
        .map(|hit| (hit.id.as_u128(), hit.score))
        .collect()
}

fn assert_near(found: &[(u128, f32)], expected: &[(u128, f32)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.0, expected.0);
        assert!(
            (found.1 - expected.1).abs() < 1e-6,
            "{found:?}, expected {expected:?}"
        );
    }
}

#[test]
fn dbsf_maps_mean_and_three_sample_deviations_to_zero_and_one() {
    // Mean 2, sample deviation 1: -1 becomes 0 and 5 becomes 1.
    let dense = ranking(&[(1, 3.0), (2, 2.0), (3, 1.0)]);
    assert_near(
        &fuse("dbsf", &[dense]),
        &[(1, 4.0 / 6.0), (2, 0.5), (3, 2.0 / 6.0)],
    );
}

#[test]
fn dbsf_gives_one_half_where_there_is_no_spread() {
    let equal = ranking(&[(1, 0.1), (2, 0.1), (3, 0.1)]);
    assert_near(&fuse("dbsf", &[equal]), &[(1, 0.5), (2, 0.5), (3, 0.5)]);
    let single = ranking(&[(2, 17.0)]);
    let other = ranking(&[(1, -4.0)]);
    assert_near(&fuse("dbsf", &[single, other]), &[(1, 0.5), (2, 0.5)]);
}

#[test]
fn dbsf_does_not_clamp_outliers() {
    let mut scores = vec![(0, 1000.0)];
    scores.extend((1..40).map(|number| (number, 1.0)));
    let fused = fuse("dbsf", &[ranking(&scores)]);
    assert!(fused[0].1 > 1.0, "{:?}", fused[0]);
}

#[test]
fn rrf_counts_positions_from_zero() {
    let dense = ranking(&[(1, 0.9), (2, 0.8)]);
    let sparse = ranking(&[(2, 12.0), (3, 11.0)]);
    assert_near(
        &fuse("rrf:2", &[dense, sparse]),
        &[(2, 1.0 / 3.0 + 1.0 / 2.0), (1, 0.5), (3, 1.0 / 3.0)],
    );
}

#[test]
fn weights_scale_what_a_leg_gives() {
    let dense = ranking(&[(1, 3.0), (2, 2.0), (3, 1.0)]);
    let sparse = ranking(&[(3, 8.0)]);
    let legs = [dense, sparse];
    assert_near(
        &fuse("minmax:0.7,0.3", &legs),
        &[(1, 0.7), (2, 0.35), (3, 0.3)],
    );
    assert_near(
        &fuse("weighted:1,0.5", &legs),
        &[(3, 5.0), (1, 3.0), (2, 2.0)],
    );
}

#[test]
fn a_point_that_comes_twice_in_a_leg_counts_once() {
    let twice = ranking(&[(1, 3.0), (2, 2.5), (1, 2.0)]);
    assert_near(&fuse("weighted:1", &[twice]), &[(1, 3.0), (2, 2.5)]);
}

#[test]
fn scores_that_are_no_numbers_are_left_out() {
    let faulty = ranking(&[(1, f32::NAN), (2, f32::INFINITY), (3, 3.0), (4, 1.0)]);
    assert_near(
        &fuse("minmax:1", std::slice::from_ref(&faulty)),
        &[(3, 1.0), (4, 0.0)],
    );
    assert_near(&fuse("rrf:1", &[faulty]), &[(3, 1.0), (4, 0.5)]);
}

#[test]
fn ties_come_in_the_order_of_the_ids() {
    let dense = ranking(&[(9, 1.0), (4, 0.5)]);
    let sparse = ranking(&[(4, 1.0), (9, 0.5)]);
    let fused = fuse("rrf:60", &[dense, sparse]);
    assert_eq!(fused[0].0, 4);
    assert_eq!(fused[0].1.to_bits(), fused[1].1.to_bits());
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let legs = [ranking(&[(1, 1.0)])];
    let fusion: Fusion = "minmax:0.7,0.3".parse().unwrap();
    let error = fusion.fuse(&legs, 10).unwrap_err();
    assert_eq!(
        error.to_string(),
        "fusion has 2 weights for 1 rankings, expected one for each"
    );
    let fusion = Fusion::Weighted {
        weights: vec![f32::NAN],
    };
    let error = fusion.fuse(&legs, 10).unwrap_err();
    assert!(matches!(error, InvalidWeights::Weight { .. }));
}

#[test]
fn every_method_is_written_as_it_is_read() {
    for text in [
        "dbsf",
        "rrf:60",
        "rrf:1",
        "minmax:0.7,0.3",
        "weighted:1,0.5,2",
    ] {
        let fusion: Fusion = text.parse().unwrap();
        assert_eq!(fusion.to_string(), text);
        let json = serde_json::to_string(&fusion).unwrap();
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(serde_json::from_str::<Fusion>(&json).unwrap(), fusion);
    }
    assert_eq!("rrf".parse(), Ok(Fusion::Rrf { k: 60 }));
    assert_eq!(
        " minmax : 0.7 , 0.3 ".parse(),
        "minmax:0.7,0.3".parse::<Fusion>()
    );
}

#[test]
fn other_texts_are_refused_with_what_is_allowed() {
    for (text, message) in [
        (
            "borda",
            "unknown fusion \"borda\": expected dbsf, rrf:K, minmax:W,W or weighted:W,W",
        ),
        ("dbsf:1", "unknown fusion \"dbsf:1\""),
        ("minmax", "unknown fusion \"minmax\""),
        (
            "rrf:0",
            "fusion rrf has k \"0\", expected a whole number of at least 1",
        ),
        ("rrf:-1", "fusion rrf has k \"-1\""),
        (
            "minmax:0.7,",
            "fusion has weight \"\", expected a finite number of at least 0",
        ),
        ("weighted:inf", "fusion has weight \"inf\""),
        ("weighted:-1", "fusion has weight \"-1\""),
    ] {
        let error = text.parse::<Fusion>().unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
}

fn any_fusion(legs: usize) -> impl Strategy<Value = Fusion> {
    prop_oneof![
        Just(Fusion::Dbsf),
        (1_u32..100).prop_map(|k| Fusion::Rrf { k }),
        vec(0_f32..2.0, legs).prop_map(|weights| Fusion::MinMax { weights }),
        vec(0_f32..2.0, legs).prop_map(|weights| Fusion::Weighted { weights }),
    ]
}

fn any_ranking() -> impl Strategy<Value = Vec<Hit>> {
    vec((0_u128..40, proptest::num::f32::ANY), 0..50).prop_map(|scores| ranking(&scores))
}

fn sound_ranking() -> impl Strategy<Value = Vec<Hit>> {
    proptest::collection::btree_map(0_u128..40, -50_f32..50.0, 0..40).prop_map(|scores| {
        let mut hits = ranking(&scores.into_iter().collect::<Vec<_>>());
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        hits
    })
}

proptest! {
    #[test]
    fn any_scores_give_finite_ordered_distinct_points(
        rankings in vec(any_ranking(), 3),
        fusion in any_fusion(3),
        limit in 0_usize..60,
    ) {
        let fused = fusion.fuse(&rankings, limit).unwrap();
        prop_assert!(fused.len() <= limit);
        prop_assert!(fused.iter().all(|hit| hit.score.is_finite()));
        for pair in fused.windows(2) {
            let order = pair[1].score.total_cmp(&pair[0].score).then(pair[0].id.cmp(&pair[1].id));
            prop_assert!(order.is_lt(), "{pair:?}");
        }
        let found = fusion.fuse(&rankings, 1000).unwrap();
        prop_assert_eq!(&found[..fused.len()], &fused[..], "a limit only cuts");
        for ranking in &rankings {
            for hit in ranking.iter().filter(|hit| hit.score.is_finite()) {
                prop_assert!(found.iter().any(|other| other.id == hit.id));
            }
        }
    }

    #[test]
    fn the_order_of_legs_does_not_matter_without_weights(
        mut rankings in vec(sound_ranking(), 0..5),
        k in 1_u32..100,
    ) {
        for fusion in [Fusion::Dbsf, Fusion::Rrf { k }] {
            let forward = fusion.fuse(&rankings, 100).unwrap();
            rankings.reverse();
            let backward = fusion.fuse(&rankings, 100).unwrap();
            prop_assert_eq!(forward, backward);
        }
    }

    #[test]
    fn empty_legs_change_nothing(ranking in sound_ranking(), fusion in any_fusion(1)) {
        let alone = fusion.fuse(std::slice::from_ref(&ranking), 100).unwrap();
        let beside = match fusion {
            Fusion::MinMax { mut weights } => {
                weights.push(1.0);
                Fusion::MinMax { weights }
            }
            Fusion::Weighted { mut weights } => {
                weights.push(1.0);
                Fusion::Weighted { weights }
            }
            other => other,
        };
        prop_assert_eq!(beside.fuse(&[ranking, Vec::new()], 100).unwrap(), alone);
    }

    #[test]
    fn scaled_and_shifted_scores_fuse_the_same(
        a in sound_ranking(),
        b in sound_ranking(),
        factor in 0.1_f32..10.0,
        shift in -20_f32..20.0,
    ) {
        let scaled: Vec<Hit> = a
            .iter()
            .map(|hit| Hit { score: hit.score * factor + shift, ..*hit })
            .collect();
        for fusion in [Fusion::Dbsf, Fusion::MinMax { weights: vec![0.7, 0.3] }] {
            let score = |fused: &[Hit], id| {
                fused.iter().find(|hit| hit.id == id).map(|hit| f64::from(hit.score))
            };
            let before = fusion.fuse(&[&a, &b], 100).unwrap();
            let after = fusion.fuse(&[&scaled, &b], 100).unwrap();
            // Rounding may make nearly equal scores equal; those have no scale to compare.
            let spread = a.first().zip(a.last()).map_or(0.0, |(first, last)| first.score - last.score);
            prop_assume!(a.len() < 2 || spread > 1.0);
            for hit in &before {
                let other = score(&after, hit.id).unwrap();
                prop_assert!((f64::from(hit.score) - other).abs() < 1e-3);
            }
        }
    }
}
