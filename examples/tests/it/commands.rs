//! The commands on a folder that nobody prepared.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::corpus;
use crate::program::{finish, program, run};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn indexed(folder: &Path, documents: usize) -> (std::path::PathBuf, String) {
    let source = folder.join("docs");
    corpus::write(&source, documents);
    let data = folder.join("data");
    let source = source.to_str().unwrap().to_owned();
    run(&data, &["index", "--source", &source]).await.success();
    (data, source)
}

#[tokio::test]
async fn indexes_searches_and_tells_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = indexed(folder.path(), 12).await;
    for mode in ["hybrid", "dense", "sparse"] {
        let args = [
            "search",
            "breaker deadline guide",
            "--mode",
            mode,
            "--json",
            "--limit",
            "3",
        ];
        let answer = json(&run(&data, &args).await.success());
        assert_eq!(answer["query"], "breaker deadline guide");
        assert!(answer["took_ms"]["embed"].is_number() && answer["took_ms"]["search"].is_number());
        let hits = answer["hits"].as_array().unwrap();
        assert_eq!(hits.len(), 3, "{mode}");
        for field in ["id", "library", "path", "title", "text"] {
            assert!(
                !hits[0][field].as_str().unwrap().is_empty(),
                "{mode}: {field}"
            );
        }
        assert!(hits[0]["score"].is_number());
        assert_eq!(hits[0]["library"], "/local/docs");
    }
    let status = json(&run(&data, &["status", "--json"]).await.success());
    assert_eq!(status["documents"], 12);
    assert_eq!(status["chunks"], status["embedded_chunks"]);
    assert_eq!(status["held_by"], Value::Null);
    assert_eq!(status["health"]["overall_status"], "healthy");
    assert_eq!(
        status["health"]["integrations"]["circuit_breakers"]["qdrant"]["state"],
        "closed"
    );
    let libraries = json(&run(&data, &["libraries", "--json"]).await.success());
    assert_eq!(libraries["/local/docs"]["documents"], 12);
}

#[tokio::test]
async fn a_second_run_does_nothing_twice_and_follows_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, source) = indexed(folder.path(), 10).await;
    let args = ["index", &source];
    let said = run(&data, &args).await.success();
    assert!(
        said.starts_with(
            "10 documents indexed (0 new or changed, 10 unchanged, 0 removed), 0 chunks"
        ),
        "{said}"
    );

    fs::write(
        format!("{source}/part0/doc0.md"),
        "# Zebra crossing\n\nStripes.\n",
    )
    .unwrap();
    fs::remove_file(format!("{source}/part1/doc1.md")).unwrap();
    let said = run(&data, &args).await.success();
    assert!(
        said.starts_with(
            "9 documents indexed (1 new or changed, 8 unchanged, 1 removed), 1 chunks"
        ),
        "{said}"
    );
    let answer = run(&data, &["search", "zebra stripes", "--json"])
        .await
        .success();
    assert_eq!(json(&answer)["hits"][0]["path"], "part0/doc0.md");
    let all = run(&data, &["search", "guide", "--json", "--limit", "1000"])
        .await
        .success();
    assert!(
        !all.contains("doc1.md"),
        "a removed document is still found"
    );
}

#[tokio::test]
async fn evaluates_a_collection_in_beir_form() {
    let folder = tempfile::tempdir().unwrap();
    let collection = folder.path().join("tiny");
    fs::create_dir_all(collection.join("qrels")).unwrap();
    fs::write(
        collection.join("corpus.jsonl"),
        concat!(
            "{\"_id\":\"a\",\"title\":\"Cats\",\"text\":\"cats purr\"}\n",
            "{\"_id\":\"b\",\"title\":\"\",\"text\":\"dogs bark\"}\n",
            "{\"_id\":\"blank\",\"title\":\" \",\"text\":\"\"}\n",
            "{\"_id\":\"c\",\"title\":\"Birds\",\"text\":\"birds sing\"}\n",
        ),
    )
    .unwrap();
    fs::write(
        collection.join("queries.jsonl"),
        "{\"_id\":\"1\",\"text\":\"what barks? dogs\"}\n{\"_id\":\"2\",\"text\":\"birds\"}\n",
    )
    .unwrap();
    fs::write(
        collection.join("qrels/test.tsv"),
        "query-id\tcorpus-id\tscore\n1\tb\t1\n2\ta\t1\n",
    )
    .unwrap();
    let data = folder.path().join("data");
    let args = [
        "eval",
        "--collection",
        collection.to_str().unwrap(),
        "--mode",
        "sparse",
        "--json",
    ];
    let said = run(&data, &args).await;
    said.fails(0, "1 documents hold no text");
    let report = json(&said.success());
    assert_eq!(report["collection"], "tiny");
    assert_eq!(report["mode"], "sparse");
    assert_eq!(report["queries"], 2);
    for metric in ["ndcg@10", "mrr@10", "recall@10", "recall@100"] {
        assert_eq!(report[metric], 0.5, "{metric}");
    }
}

#[tokio::test]
async fn a_configuration_file_sets_what_flags_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = indexed(folder.path(), 6).await;
    let config = folder.path().join("pipeline.yaml");
    fs::write(&config, "search:\n  limit: 2\n  mode: sparse\n").unwrap();
    let config = config.to_str().unwrap();
    let args = ["search", "guide", "--json", "--config", config];
    let answer = json(&run(&data, &args).await.success());
    assert_eq!(answer["hits"].as_array().unwrap().len(), 2);
    let args = [
        "search", "guide", "--json", "--config", config, "--limit", "1",
    ];
    let answer = json(&run(&data, &args).await.success());
    assert_eq!(answer["hits"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn output_to_a_pipe_has_no_escape_codes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = indexed(folder.path(), 3).await;
    let mut command = program(&data, &["status"]);
    command.env("NO_COLOR", "1");
    let said = finish(command).await;
    assert!(!said.stdout.contains('\u{1b}') && !said.stderr.contains('\u{1b}'));
}
