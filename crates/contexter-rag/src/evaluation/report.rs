//! From the rankings of all queries to one report.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::beir::Qrels;
use super::metrics::{ndcg, recall, reciprocal_rank};

/// Collects the rankings of a collection's queries and averages the metrics.
///
/// The average goes over the queries that have judgements: one without a ranking, or with an empty
/// one, counts 0, and rankings of queries without judgements are left out.
///
/// The order comes from the scores alone. Among equal scores it is that of the reference
/// implementations, so that results agree with `ir_measures` (0.4) to the last digit: falling
/// document ids for nDCG and recall (trec_eval), rising ones for the reciprocal rank (MS MARCO).
///
/// # Examples
///
/// ```
/// use contexter_rag::evaluation::{Evaluation, Qrels};
///
/// let mut qrels = Qrels::new();
/// qrels.entry("q1".into()).or_default().insert("d1".into(), 1);
///
/// let mut evaluation = Evaluation::new(&qrels);
/// evaluation.add("q1", [("d2", 0.9), ("d1", 0.8)]);
/// let report = evaluation.report("my-docs", "sparse");
/// assert_eq!(report.mrr_at_10, 0.5);
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation<'q> {
    qrels: &'q Qrels,
    seen: BTreeSet<&'q str>,
    ndcg_at_10: f64,
    mrr_at_10: f64,
    recall_at_10: f64,
    recall_at_100: f64,
}

impl<'q> Evaluation<'q> {
    /// Starts an evaluation against judgements.
    #[must_use]
    pub fn new(qrels: &'q Qrels) -> Self {
        Self {
            qrels,
            seen: BTreeSet::new(),
            ndcg_at_10: 0.0,
            mrr_at_10: 0.0,
            recall_at_10: 0.0,
            recall_at_100: 0.0,
        }
    }

    /// Adds what was found for a query: document ids with their scores, in any order.
    ///
    /// Only a query's first ranking counts. Of a document that comes twice, the better hit counts.
    pub fn add<'d>(&mut self, query: &str, found: impl IntoIterator<Item = (&'d str, f32)>) {
        let Some((query, judged)) = self.qrels.get_key_value(query) else {
            return;
        };
        if !self.seen.insert(query) {
            return;
        }
        let mut found: Vec<(&str, f32)> = found.into_iter().collect();
        // Best first, what is not a number last.
        let best_first = |a: f32, b: f32| a.is_nan().cmp(&b.is_nan()).then(b.total_cmp(&a));
        found.sort_unstable_by(|a, b| best_first(a.1, b.1).then_with(|| a.0.cmp(b.0)));
        let mut ids = BTreeSet::new();
        found.retain(|(id, _)| ids.insert(*id));
        let ranking = |found: &[(&'d str, f32)]| found.iter().map(|&(id, _)| id).collect();
        let rising: Vec<&str> = ranking(&found);
        self.mrr_at_10 += reciprocal_rank(&rising, judged, 10);
        found.sort_unstable_by(|a, b| best_first(a.1, b.1).then_with(|| b.0.cmp(a.0)));
        let ranking: Vec<&str> = ranking(&found);
        self.ndcg_at_10 += ndcg(&ranking, judged, 10);
        self.recall_at_10 += recall(&ranking, judged, 10);
        self.recall_at_100 += recall(&ranking, judged, 100);
    }

    /// Returns the averages; all 0 if there are no judgements.
    #[must_use]
    pub fn report(&self, collection: impl Into<String>, mode: impl Into<String>) -> Report {
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of queries stay far below 2^52"
        )]
        let count = self.qrels.len().max(1) as f64;
        Report {
            collection: collection.into(),
            mode: mode.into(),
            queries: self.qrels.len(),
            ndcg_at_10: self.ndcg_at_10 / count,
            mrr_at_10: self.mrr_at_10 / count,
            recall_at_10: self.recall_at_10 / count,
            recall_at_100: self.recall_at_100 / count,
        }
    }
}

/// How well a mode of search did on a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The collection's name.
    pub collection: String,
    /// How it was searched, such as `hybrid`, `dense` or `sparse`.
    pub mode: String,
    /// How many queries have judgements.
    pub queries: usize,
    /// The mean normalised discounted cumulative gain of the first 10 documents.
    #[serde(rename = "ndcg@10")]
    pub ndcg_at_10: f64,
    /// The mean reciprocal rank of the first relevant document among the first 10.
    #[serde(rename = "mrr@10")]
    pub mrr_at_10: f64,
    /// The mean share of the relevant documents that is among the first 10.
    #[serde(rename = "recall@10")]
    pub recall_at_10: f64,
    /// The mean share of the relevant documents that is among the first 100.
    #[serde(rename = "recall@100")]
    pub recall_at_100: f64,
}
