//! Libraries that are removed, and whose their ids are.

use std::fs;
use std::path::Path;

use crate::corpus;
use crate::program::{Said, run};

async fn index(data: &Path, source: &Path) -> Said {
    run(data, &["index", "--source", source.to_str().unwrap()]).await
}

#[tokio::test]
async fn a_removed_library_is_not_found_and_its_id_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("a/docs");
    let second = folder.path().join("b/docs");
    corpus::write(&first, 3);
    corpus::write(&second, 2);
    let data = folder.path().join("data");
    index(&data, &first).await.success();
    let remove = ["remove", "/local/docs"];
    let said = run(&data, &remove).await.success();
    assert_eq!(said, "3 documents of /local/docs removed\n");
    let found = run(&data, &["search", "guide", "--json"]).await;
    found.fails(1, "nothing is indexed");
    run(&data, &remove).await.fails(1, "/local/docs");
    let said = index(&data, &second).await.success();
    assert!(said.starts_with("2 documents indexed (2 new"), "{said}");
}

#[tokio::test]
async fn a_source_of_which_nothing_is_indexed_takes_no_id() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("a/docs");
    let second = folder.path().join("b/docs");
    fs::create_dir_all(&first).unwrap();
    corpus::write(&second, 2);
    let data = folder.path().join("data");
    index(&data, &first).await.fails(1, "holds no documents");
    index(&data, &second).await.success();
}
