//! Reading collections and measuring rankings.

#![expect(clippy::unwrap_used, reason = "a test may panic; its texts are small")]

use std::collections::BTreeMap;
use std::fs;

use contexter_rag::evaluation::{
    Evaluation, Qrels, Report, ndcg, read_corpus, read_qrels, read_queries, recall, reciprocal_rank,
};
use serde::Deserialize;

/// Random runs with what `ir_measures` 0.4.3 (pytrec_eval-terrier 0.5.11) says about them; the
/// file's note tells how it was made.
const RECORDED: &str = include_str!("../data/ir_measures.json");

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    qrels: Qrels,
    run: BTreeMap<String, BTreeMap<String, f32>>,
    expected: BTreeMap<String, f64>,
}

#[test]
fn metrics_agree_with_ir_measures() {
    let recorded: Recorded = serde_json::from_str(RECORDED).unwrap();
    assert_eq!(recorded.cases.len(), 3);
    for case in recorded.cases {
        let mut evaluation = Evaluation::new(&case.qrels);
        for (query, found) in &case.run {
            evaluation.add(query, found.iter().map(|(id, score)| (id.as_str(), *score)));
        }
        let report = evaluation.report(case.name.as_str(), "sparse");
        assert_eq!(report.queries, case.qrels.len());
        for (measure, ours) in [
            ("nDCG@10", report.ndcg_at_10),
            ("RR@10", report.mrr_at_10),
            ("R@10", report.recall_at_10),
            ("R@100", report.recall_at_100),
        ] {
            let theirs = case.expected[measure];
            assert!(
                (ours - theirs).abs() < 1e-6,
                "{measure} of {}: {ours}, ir_measures says {theirs}",
                case.name
            );
        }
    }
}

fn judged(grades: &[(&str, i32)]) -> BTreeMap<String, i32> {
    grades
        .iter()
        .map(|&(id, grade)| (id.to_owned(), grade))
        .collect()
}

#[test]
fn metrics_follow_their_definitions() {
    let judged = judged(&[("a", 3), ("b", 1), ("c", 0), ("d", -1)]);
    let ranking = ["c", "a", "x", "b"];
    let gain = 3.0 / 3_f64.log2() + 1.0 / 5_f64.log2();
    let ideal = 3.0 + 1.0 / 3_f64.log2();
    assert!((ndcg(&ranking, &judged, 10) - gain / ideal).abs() < 1e-12);
    assert!((ndcg(&ranking, &judged, 3) - 3.0 / 3_f64.log2() / ideal).abs() < 1e-12);
    assert!((reciprocal_rank(&ranking, &judged, 10) - 0.5).abs() < 1e-12);
    assert!(reciprocal_rank(&ranking, &judged, 1).abs() < 1e-12);
    assert!((recall(&ranking, &judged, 3) - 0.5).abs() < 1e-12);
    assert!((recall(&ranking, &judged, 10) - 1.0).abs() < 1e-12);
}

#[test]
fn nothing_found_or_nothing_relevant_is_zero() {
    let judged = judged(&[("a", 0)]);
    for ranking in [&["a"][..], &[]] {
        assert!(ndcg(ranking, &judged, 10).abs() < 1e-12);
        assert!(reciprocal_rank(ranking, &judged, 10).abs() < 1e-12);
        assert!(recall(ranking, &judged, 10).abs() < 1e-12);
    }
    let report = Evaluation::new(&Qrels::new()).report("empty", "sparse");
    assert_eq!(report.queries, 0);
    assert!(report.ndcg_at_10.abs() < 1e-12);
}

#[test]
fn only_the_first_ranking_of_a_judged_query_counts() {
    let mut qrels = Qrels::new();
    qrels.insert("q1".to_owned(), judged(&[("a", 1)]));
    qrels.insert("q2".to_owned(), judged(&[("a", 1)]));
    let mut evaluation = Evaluation::new(&qrels);
    evaluation.add("q1", [("b", f32::NAN), ("a", 0.1), ("a", 0.05)]);
    evaluation.add("q1", [("b", 1.0)]);
    evaluation.add("unjudged", [("a", 1.0)]);
    let report = evaluation.report("docs", "dense");
    assert!(
        (report.mrr_at_10 - 0.5).abs() < 1e-12,
        "what is no number comes last"
    );
    assert!((report.recall_at_100 - 0.5).abs() < 1e-12);
}

#[test]
fn reports_have_the_usual_names() {
    let report = Evaluation::new(&Qrels::new()).report("docs", "hybrid");
    let json = serde_json::to_value(&report).unwrap();
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = [
        "collection",
        "mode",
        "queries",
        "ndcg@10",
        "mrr@10",
        "recall@10",
        "recall@100",
    ];
    expected.sort_unstable();
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(corpus: &str, queries: &str, qrels: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("corpus.jsonl"), corpus).unwrap();
        fs::write(folder.path().join("queries.jsonl"), queries).unwrap();
        fs::create_dir(folder.path().join("qrels")).unwrap();
        fs::write(folder.path().join("qrels/test.tsv"), qrels).unwrap();
        Self(folder)
    }
}

const HEADER: &str = "query-id\tcorpus-id\tscore\n";

#[test]
fn collections_are_read() {
    let folder = Folder::with(
        "{\"_id\":\"d1\",\"title\":\"T\",\"text\":\"one\",\"metadata\":{}}\r\n\n{\"_id\":\"d2\",\"text\":\"two\"}",
        "{\"_id\":\"q1\",\"text\":\"?\"}\n",
        &format!("{HEADER}q1\td1\t2\r\nq1\td2\t0\n\n"),
    );
    let path = folder.0.path();
    let documents: Vec<_> = read_corpus(path).unwrap().map(Result::unwrap).collect();
    assert_eq!(documents.len(), 2);
    assert_eq!(
        (documents[0].title.as_str(), documents[1].title.as_str()),
        ("T", "")
    );
    assert_eq!(read_queries(path).unwrap()[0].id, "q1");
    let qrels = read_qrels(path).unwrap();
    assert_eq!(qrels["q1"]["d1"], 2);
    assert_eq!(qrels["q1"]["d2"], 0);
}

#[test]
fn faults_name_file_and_line() {
    let folder = Folder::with(
        "{\"_id\":\"d1\",\"text\":\"one\"}\n{\"_id\":7}\n{\"_id\":\"d3\",\"text\":\"\"}\n",
        "not json\n",
        &format!("{HEADER}q1\td1\n"),
    );
    let path = folder.0.path();
    let mut corpus = read_corpus(path).unwrap();
    assert!(corpus.next().unwrap().is_ok());
    let error = corpus.next().unwrap().unwrap_err();
    assert!(error.path().ends_with("corpus.jsonl"));
    assert_eq!(error.line(), Some(2));
    assert!(
        error
            .to_string()
            .contains("corpus.jsonl:2: is no JSON object"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
    assert!(corpus.next().is_none(), "a fault ends the reading");

    let error = read_queries(path).unwrap_err().to_string();
    assert!(error.contains("queries.jsonl:1: "), "{error}");
    let error = read_qrels(path).unwrap_err().to_string();
    assert!(
        error.contains("test.tsv:2: has 2 fields, expected"),
        "{error}"
    );

    fs::write(path.join("qrels/test.tsv"), "q1\td1\thigh\n").unwrap();
    let error = read_qrels(path).unwrap_err().to_string();
    assert!(
        error.contains("test.tsv:1: has grade \"high\", expected"),
        "{error}"
    );
    fs::write(path.join("qrels/test.tsv"), "q1\td1\t1\nq1\td1\t0\n").unwrap();
    let error = read_qrels(path).unwrap_err().to_string();
    assert!(
        error.contains("judges document \"d1\" for query \"q1\" a second time"),
        "{error}"
    );
    fs::remove_file(path.join("qrels/test.tsv")).unwrap();
    let error = read_qrels(path).unwrap_err();
    assert!(
        error.to_string().ends_with("test.tsv: cannot be read"),
        "{error}"
    );
    assert_eq!(error.line(), None);
}

#[test]
fn text_that_is_no_unicode_is_a_fault_with_its_line() {
    let folder = Folder::with("", "", HEADER);
    fs::write(
        folder.0.path().join("corpus.jsonl"),
        b"\n{\"_id\":\"\xff\"}\n",
    )
    .unwrap();
    let error = read_corpus(folder.0.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.line(), Some(2));
}
