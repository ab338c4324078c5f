//! Bad input: a message that names the thing, exit code 1 or 2, the index intact.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::corpus;
use crate::program::{finish, program, run};

async fn index(data: &Path, source: &Path) -> crate::program::Said {
    run(data, &["index", "--source", source.to_str().unwrap()]).await
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = index(&folder.path().join("data"), &folder.path().join("nowhere")).await;
    said.fails(1, "nowhere");
    assert!(
        !folder.path().join("data").exists(),
        "a failed run leaves no data folder"
    );
}

#[tokio::test]
async fn an_empty_folder_indexes_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("empty");
    fs::create_dir(&source).unwrap();
    index(&folder.path().join("data"), &source)
        .await
        .fails(1, "empty holds no documents");
}

#[tokio::test]
async fn bad_documents_are_listed_and_stop_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 4);
    fs::write(source.join("binary.md"), b"PNG\0\0\0\x01").unwrap();
    fs::write(source.join("latin1.txt"), b"caf\xe9 au lait").unwrap();
    fs::write(source.join("blank.md"), "  \n").unwrap();
    // Sparse: 2 GB that take no room.
    fs::File::create(source.join("huge.md"))
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    symlink(&source, source.join("loop")).unwrap();
    let data = folder.path().join("data");
    let said = index(&data, &source).await;
    for bad in ["binary.md", "latin1.txt", "blank.md", "huge.md"] {
        said.fails(0, bad);
    }
    assert!(
        said.stdout.starts_with("4 documents indexed"),
        "{}",
        said.stdout
    );
    let args = ["index", "--source", source.to_str().unwrap(), "--strict"];
    run(&data, &args).await.fails(1, "--strict");
    run(&data, &["search", "guide"]).await.success();
}

#[tokio::test]
async fn a_data_folder_of_somebody_else_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 1);
    let data = folder.path().join("photos");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("cat.jpg"), "a cat").unwrap();
    index(&data, &source).await.fails(1, "cat.jpg");
    run(&data, &["search", "cat"]).await.fails(1, "photos");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
}

#[tokio::test]
async fn a_damaged_index_is_named_and_not_made_worse() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 3);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    let ledger = data.join("ledger.jsonl");
    let whole = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, format!("{whole}{{\"op\":\"nonsense\"}}\n")).unwrap();
    run(&data, &["search", "guide"])
        .await
        .fails(1, "ledger.jsonl");
    // A line that a crash cut off is no damage.
    fs::write(&ledger, format!("{whole}{{\"op\":\"ind")).unwrap();
    run(&data, &["search", "guide"]).await.success();
    index(&data, &source).await.success();
    assert_eq!(fs::read_to_string(&ledger).unwrap(), whole);
}

#[tokio::test]
async fn a_lost_store_is_rebuilt_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 3);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    fs::remove_dir_all(data.join("store")).unwrap();
    let said = index(&data, &source).await.success();
    assert!(
        said.starts_with("3 documents indexed (3 new or changed"),
        "{said}"
    );
    run(&data, &["search", "guide"]).await.success();
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 2);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    run(&data, &["search", " "])
        .await
        .fails(2, "query is empty");
    let long = "long ".repeat(20_000);
    run(&data, &["search", &long])
        .await
        .fails(2, "100000 bytes");
    run(&data, &["search", "x", "--mode", "psychic"])
        .await
        .fails(2, "psychic");
    run(&data, &["search", "x", "--limit", "0"])
        .await
        .fails(2, "limit is 0");
    run(&data, &["search", "x", "--library", "tokio"])
        .await
        .fails(2, "tokio");
    let config = folder.path().join("bad.yaml");
    fs::write(&config, "search:\n  limits: 3\n").unwrap();
    let args = ["search", "x", "--config", config.to_str().unwrap()];
    let said = run(&data, &args).await;
    said.fails(2, "bad.yaml:2");
    said.fails(2, "limits");
    run(&data, &["search", "x", "--config", "/no/such.yaml"])
        .await
        .fails(2, "/no/such.yaml");
}

#[tokio::test]
async fn mechanisms_of_this_process_that_do_not_work_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    for section in ["local_documents", "local_embedding", "embedded_qdrant"] {
        let text = format!("services:\n  {section}:\n    attempt_timeout: 0s\n");
        fs::write(&config, text).unwrap();
        let args = ["libraries", "--config", config.to_str().unwrap()];
        let said = run(&folder.path().join("data"), &args).await;
        said.fails(2, &format!("services.{section}.attempt_timeout"));
    }
}

#[tokio::test]
async fn an_emptied_source_leaves_the_index_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 3);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    fs::remove_dir_all(&source).unwrap();
    fs::create_dir(&source).unwrap();
    index(&data, &source)
        .await
        .fails(1, "the index is as it was");
    let libraries = run(&data, &["libraries"]).await.success();
    assert!(libraries.contains("3 documents"), "{libraries}");
}

#[tokio::test]
async fn a_folder_of_the_same_name_does_not_replace_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("a/docs");
    let second = folder.path().join("b/docs");
    corpus::write(&first, 3);
    corpus::write(&second, 2);
    let data = folder.path().join("data");
    index(&data, &first).await.success();
    index(&data, &second).await.fails(2, "--library");
    let args = [
        "index",
        "--source",
        second.to_str().unwrap(),
        "--library",
        "/my/docs",
    ];
    run(&data, &args).await.success();
    let libraries = run(&data, &["libraries"]).await.success();
    assert!(
        libraries.contains("/local/docs") && libraries.contains("/my/docs"),
        "{libraries}"
    );
}

#[tokio::test]
async fn a_query_of_a_megabyte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 1);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    // From standard input: one argument may have no more than 128 KiB on Linux.
    let query = folder.path().join("query.txt");
    fs::write(&query, "x".repeat(1 << 20)).unwrap();
    let mut search = program(&data, &["search", "-"]);
    search.stdin(fs::File::open(&query).unwrap());
    finish(search)
        .await
        .fails(2, "the query has more than 32768 bytes");
}

#[tokio::test]
async fn an_unknown_library_is_named_with_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 2);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    let said = run(&data, &["search", "x", "--library", "/no/such"]).await;
    said.fails(1, "/no/such");
    said.fails(1, "/local/docs");
}

#[tokio::test]
async fn a_second_process_learns_who_holds_the_data_and_status_still_works() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 2);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    let holder = contexter_qdrant::edge::EmbeddedStore::open(data.join("store"))
        .await
        .unwrap();
    let own = std::process::id().to_string();
    run(&data, &["search", "x"]).await.fails(1, &own);
    index(&data, &source).await.fails(1, "in use by");
    let status = run(&data, &["status"]).await.success();
    assert!(status.contains(&own), "{status}");
    assert!(status.contains("documents   2"), "{status}");
    drop(holder);
    run(&data, &["search", "guide"]).await.success();
}

#[tokio::test]
async fn an_unreadable_file_is_listed_by_who_may_not_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 2);
    let secret = source.join("secret.md");
    fs::write(&secret, "# Secret").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let readable_anyway = fs::read(&secret).is_ok();
    let said = finish(program(
        &folder.path().join("data"),
        &["index", "--source", source.to_str().unwrap()],
    ))
    .await;
    // The superuser may read everything.
    let what = if readable_anyway { "" } else { "secret.md" };
    said.fails(0, what);
}

#[tokio::test]
async fn an_index_inside_of_its_source_is_not_indexed() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 3);
    let data = source.join("index");
    for _ in 0..2 {
        let said = index(&data, &source).await;
        assert!(!said.stderr.contains("skipped"), "{}", said.stderr);
        let stdout = said.success();
        assert!(stdout.starts_with("3 documents indexed"), "{stdout}");
    }
}

#[tokio::test]
async fn an_index_is_not_searched_with_the_vectors_of_another_embedder() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 2);
    let data = folder.path().join("data");
    index(&data, &source).await.success();
    // As if another model had made it.
    let spec = data.join("store/collections/documentation/collection.json");
    let text = fs::read_to_string(&spec).unwrap();
    assert!(text.contains("hash-ngram-1024-v1"), "{text}");
    fs::write(&spec, text.replace("hash-ngram-1024-v1", "other-model")).unwrap();
    let said = run(&data, &["search", "guide"]).await;
    said.fails(1, "made by the embedder other-model");
    said.fails(1, "hash-ngram-1024-v1");
    run(&data, &["search", "guide", "--mode", "sparse"])
        .await
        .success();
}

#[tokio::test]
async fn a_file_that_is_no_lock_file_is_told_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("README.md");
    fs::write(&file, "# Read me\n").unwrap();
    let said = index(&folder.path().join("data"), &file).await;
    said.fails(1, "a folder or a Cargo.lock");
    said.fails(1, "README.md");
}

#[tokio::test]
async fn the_crates_of_the_workspace_itself_do_not_count_as_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("Cargo.lock");
    let own = "version = 4\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
    fs::write(&lock, own).unwrap();
    let said = index(&folder.path().join("data"), &lock).await;
    said.fails(1, "1 crates of the workspace itself");
    said.fails(1, "holds no documents");
    assert!(!said.stderr.contains("skipped"), "{}", said.stderr);
    let gone = "[[package]]\nname = \"gone\"\nversion = \"1.0.0\"\n\
                source = \"registry+https://example.org\"\n";
    fs::write(&lock, format!("{own}{gone}")).unwrap();
    let args = ["index", "--source", lock.to_str().unwrap()];
    let args = [&args[..], &["--library", "/crates/gone/1.0.0"]].concat();
    run(&folder.path().join("data"), &args)
        .await
        .fails(1, "run cargo fetch");
}

#[tokio::test]
async fn a_broken_collection_to_evaluate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let collection = folder.path().join("broken");
    fs::create_dir_all(collection.join("qrels")).unwrap();
    let data = folder.path().join("data");
    let args = ["eval", "--collection", collection.to_str().unwrap()];
    run(&data, &args).await.fails(1, "queries.jsonl");
    fs::write(collection.join("queries.jsonl"), "{\"_id\":\"1\"").unwrap();
    run(&data, &args).await.fails(1, "queries.jsonl");
    let query = "{\"_id\":\"1\",\"text\":\"dogs\"}\n";
    fs::write(collection.join("queries.jsonl"), query).unwrap();
    run(&data, &args).await.fails(1, "test.tsv");
    let qrels = collection.join("qrels/test.tsv");
    fs::write(&qrels, "query-id\tcorpus-id\tscore\n1\ta\tmany\n").unwrap();
    run(&data, &args).await.fails(1, "test.tsv");
    fs::write(&qrels, "query-id\tcorpus-id\tscore\n1\ta\t1\n").unwrap();
    run(&data, &args).await.fails(1, "corpus.jsonl");
    let corpus = collection.join("corpus.jsonl");
    fs::write(&corpus, "{\"_id\":\"a\",\"text\":\"dogs\"}\nnonsense\n").unwrap();
    run(&data, &args).await.fails(1, "corpus.jsonl");
    fs::write(&corpus, "{\"_id\":\"a\",\"text\":\"dogs\"}\n").unwrap();
    run(&data, &args).await.success();
    fs::write(&qrels, "query-id\tcorpus-id\tscore\n9\ta\t1\n").unwrap();
    run(&data, &args).await.fails(1, "test.tsv");
}
