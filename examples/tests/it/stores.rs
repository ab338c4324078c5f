//! One data folder, and more than one store: the embedded engine, a server, what `eval` makes.

use std::fs;

use serde_json::Value;

use crate::corpus;
use crate::remote::{Setting, index, indexed, json};

/// The configuration without the server.
fn embedded(config: &str) -> String {
    let (before, section) = config.split_once("  qdrant:\n").unwrap();
    let section = section.lines().skip_while(|line| line.starts_with("    "));
    let after: Vec<&str> = section.collect();
    format!("{before}{}\n", after.join("\n"))
}

#[tokio::test]
async fn whoever_writes_an_index_holds_it_whatever_its_store_is() {
    let setting = Setting::start("rules: []").await;
    let source = setting.folder.path().join("docs");
    corpus::write(&source, 2);
    let args = ["index", "--source", source.to_str().unwrap()];
    let embedded = embedded(&setting.all());
    setting.run(&embedded, &args).await.success();
    let held = fs::File::open(setting.data().join("held")).unwrap();
    held.lock().unwrap();
    for config in [setting.all(), embedded] {
        let said = setting.run(&config, &args).await;
        said.fails(1, "in use by another process");
    }
}

#[tokio::test]
async fn an_index_on_a_server_is_searched_and_looked_at_while_it_is_written() {
    let setting = Setting::start("rules: []").await;
    index(&setting).await;
    fs::write(
        setting.data().join("health.json"),
        fs::read_to_string(setting.data().join("health.json"))
            .unwrap()
            .replace("\"documentation\"", "\"reported-last\""),
    )
    .unwrap();
    let status = ["status", "--json"];
    let report = json(&setting.run(&setting.all(), &status).await.success());
    assert_eq!(report["held_by"], Value::Null);
    assert_eq!(report["health"]["overall_status"], "healthy");

    let held = fs::File::open(setting.data().join("held")).unwrap();
    held.lock().unwrap();
    let report = json(&setting.run(&setting.all(), &status).await.success());
    assert_eq!(report["held_by"], "another process");
    assert!(report.to_string().contains("reported-last"), "{report}");
    let args = ["search", "when does a breaker open", "--json"];
    let answer = json(&setting.run(&setting.all(), &args).await.success());
    assert!(!answer["hits"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_is_returned_to_holds_what_the_source_has_now() {
    let setting = Setting::start("rules: []").await;
    let source = setting.folder.path().join("docs");
    corpus::write(&source, 4);
    let args = ["index", "--source", source.to_str().unwrap()];
    let (server, embedded) = (setting.all(), embedded(&setting.all()));
    setting.run(&embedded, &args).await.success();
    let said = setting.run(&server, &args).await.success();
    assert!(said.starts_with("4 documents indexed (4 new"), "{said}");
    fs::write(source.join("part0/doc0.md"), "# Zebra crossing\n").unwrap();
    fs::remove_file(source.join("part1/doc1.md")).unwrap();
    setting.run(&server, &args).await.success();

    let billed = setting.sandbox.voyage().tokens_billed();
    let said = setting.run(&embedded, &args).await.success();
    assert!(said.starts_with("3 documents indexed (3 new"), "{said}");
    let again = setting.sandbox.voyage().tokens_billed() - billed;
    assert!(again < 20, "{again} tokens were paid for again");
    let args = [
        "search",
        "zebra crossing",
        "--json",
        "--limit",
        "500",
        "--mode",
    ];
    let config = format!("{embedded}search: {{ rerank: false }}\n");
    let args = [&args[..], &["dense"]].concat();
    let all = setting.run(&config, &args).await.success();
    assert!(all.contains("Zebra crossing"), "{all}");
    assert!(
        !all.contains("doc1.md"),
        "a removed document is still found"
    );
}

#[tokio::test]
async fn an_evaluation_leaves_the_server_and_the_index_alone() {
    let setting = Setting::start("rules: []").await;
    let source = setting.folder.path().join("docs");
    corpus::write(&source, 2);
    let args = ["index", "--source", source.to_str().unwrap()];
    setting.run(&setting.all(), &args).await.success();
    let collection = setting.folder.path().join("tiny");
    fs::create_dir_all(collection.join("qrels")).unwrap();
    for (file, text) in [
        ("corpus.jsonl", "{\"_id\":\"a\",\"text\":\"cats purr\"}\n"),
        ("queries.jsonl", "{\"_id\":\"1\",\"text\":\"cats\"}\n"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\t1\n"),
    ] {
        fs::write(collection.join(file), text).unwrap();
    }
    let eval = ["eval", "--collection", collection.to_str().unwrap()];
    setting.run(&setting.all(), &eval).await.success();
    let args = ["search", "cats purr", "--json", "--limit", "50"];
    let found = setting.run(&setting.all(), &args).await.success();
    assert!(!found.contains("/eval/tiny"), "{found}");
    let libraries = indexed(&setting).await;
    let libraries: Vec<&String> = libraries.as_object().unwrap().keys().collect();
    assert_eq!(libraries, ["/local/docs"]);
}
