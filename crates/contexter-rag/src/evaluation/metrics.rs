//! The standard metrics, as trec_eval defines them.

use std::collections::BTreeMap;

/// Returns the normalised discounted cumulative gain of the first `k` documents.
///
/// The gain of a document is its grade (linear, as `ndcg_cut` of trec_eval), the discount of rank
/// `r` is `1 / log2(r + 1)`, and the ideal ranking holds all judged documents by falling grade.
/// Grades below 1 gain nothing. 0 if nothing is relevant.
#[must_use]
pub fn ndcg(ranking: &[&str], judged: &BTreeMap<String, i32>, k: usize) -> f64 {
    let mut ideal: Vec<i32> = judged
        .values()
        .copied()
        .filter(|&grade| grade > 0)
        .collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let best = discounted(ideal.into_iter().take(k));
    if best == 0.0 {
        return 0.0;
    }
    discounted(ranking.iter().take(k).map(|id| grade(judged, id))) / best
}

/// Returns 1 over the rank of the first relevant document among the first `k`; 0 if none is.
#[must_use]
pub fn reciprocal_rank(ranking: &[&str], judged: &BTreeMap<String, i32>, k: usize) -> f64 {
    (1_u32..)
        .zip(ranking.iter().take(k))
        .find(|(_, id)| grade(judged, id) > 0)
        .map_or(0.0, |(rank, _)| f64::from(rank).recip())
}

/// Returns the share of all relevant documents that is among the first `k`; 0 if none is relevant.
#[must_use]
pub fn recall(ranking: &[&str], judged: &BTreeMap<String, i32>, k: usize) -> f64 {
    let relevant = judged.values().filter(|&&grade| grade > 0).count();
    if relevant == 0 {
        return 0.0;
    }
    let found = ranking
        .iter()
        .take(k)
        .filter(|id| grade(judged, id) > 0)
        .count();
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of documents stay far below 2^52"
    )]
    let share = found as f64 / relevant as f64;
    share
}

fn grade(judged: &BTreeMap<String, i32>, id: &str) -> i32 {
    judged.get(id).copied().unwrap_or(0)
}

fn discounted(grades: impl Iterator<Item = i32>) -> f64 {
    (2_u32..)
        .zip(grades)
        .map(|(rank_and_one, grade)| f64::from(grade.max(0)) / f64::from(rank_and_one).log2())
        .sum()
}
