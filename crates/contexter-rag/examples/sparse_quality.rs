//! Measures sparse search on collections in BEIR form, exactly and in memory.
//!
//! `cargo run --release -p contexter-rag --example sparse_quality -- COLLECTION...` prints a
//! Markdown table with the fixed average length and with each collection's own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use contexter_model::SparseVector;
use contexter_rag::evaluation::{Evaluation, Report, read_corpus, read_qrels, read_queries};
use contexter_rag::{Bm25, tokenize};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut table = String::from(
        "| collection | avg_len | nDCG@10 | MRR@10 | recall@10 | recall@100 |\n|---|---|---|---|---|---|\n",
    );
    for folder in std::env::args_os().skip(1) {
        let folder = Path::new(&folder);
        for avg_len in [256.0, average_length(folder)?] {
            let report = evaluate(folder, Bm25::new(1.2, 0.75, avg_len)?)?;
            writeln!(
                table,
                "| {} | {avg_len:.0} | {:.4} | {:.4} | {:.4} | {:.4} |",
                report.collection,
                report.ndcg_at_10,
                report.mrr_at_10,
                report.recall_at_10,
                report.recall_at_100,
            )?;
        }
    }
    #[expect(clippy::print_stdout, reason = "the table is the result")]
    {
        print!("{table}");
    }
    Ok(())
}

fn average_length(folder: &Path) -> Result<f32, Failure> {
    let (mut documents, mut tokens) = (0_u32, 0_u32);
    for document in read_corpus(folder)? {
        let document = document?;
        documents += 1;
        tokenize(
            &format!("{}\n{}", document.title, document.text),
            |_, count| tokens += count,
        );
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a length needs no double precision"
    )]
    let average = (f64::from(tokens) / f64::from(documents.max(1))) as f32;
    Ok(average)
}

fn evaluate(folder: &Path, bm25: Bm25) -> Result<Report, Failure> {
    let mut ids = Vec::new();
    let mut postings: HashMap<u32, Vec<(usize, f32)>> = HashMap::new();
    for document in read_corpus(folder)? {
        let document = document?;
        let vector = bm25.document(&format!("{}\n{}", document.title, document.text));
        for (&term, &weight) in vector.indices().iter().zip(vector.values()) {
            postings.entry(term).or_default().push((ids.len(), weight));
        }
        ids.push(document.id);
    }
    let qrels = read_qrels(folder)?;
    let mut evaluation = Evaluation::new(&qrels);
    for query in read_queries(folder)? {
        let scores = score(&bm25.query(&query.text), &postings, ids.len());
        evaluation.add(
            &query.id,
            ids.iter()
                .zip(&scores)
                .filter(|(_, score)| **score > 0.0)
                .map(|(id, score)| (id.as_str(), *score)),
        );
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    Ok(evaluation.report(name, "sparse"))
}

/// Scores every document as a store with the IDF modifier does.
fn score(
    query: &SparseVector,
    postings: &HashMap<u32, Vec<(usize, f32)>>,
    documents: usize,
) -> Vec<f32> {
    let mut scores = vec![0.0; documents];
    for term in query.indices() {
        let found = postings.get(term).map_or(&[][..], Vec::as_slice);
        #[expect(clippy::cast_precision_loss, reason = "small collections")]
        let (all, with) = (documents as f32, found.len() as f32);
        let idf = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
        for &(document, weight) in found {
            if let Some(score) = scores.get_mut(document) {
                *score += idf * weight;
            }
        }
    }
    scores
}
