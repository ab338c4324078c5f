//! Measuring retrieval: collections in BEIR form and the standard metrics.

mod beir;
mod metrics;
mod report;

pub use beir::{
    Corpus, CorpusDocument, Qrels, ReadError, TestQuery, read_corpus, read_qrels, read_queries,
};
pub use metrics::{ndcg, recall, reciprocal_rank};
pub use report::{Evaluation, Report};
