//! Damaged and foreign folders, and an engine that fails under way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use contexter_model::{ErrorKind, Filter, Leg, SwitchAlias};
use contexter_qdrant::edge::EmbeddedStore;
use contexter_service::Service;
use tempfile::{TempDir, tempdir};

use crate::fixture::{CHUNKS, count, flush, found, many, point, search, store, upsert};

/// A folder whose store was closed properly.
async fn closed() -> TempDir {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 384).await;
    upsert(&store, many(1, 50)).await.unwrap();
    store.close().await.unwrap();
    folder
}

fn collection(folder: &TempDir) -> PathBuf {
    folder.path().join("collections").join(CHUNKS)
}

fn files(path: &Path) -> BTreeMap<PathBuf, Option<u64>> {
    let mut all = BTreeMap::new();
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                all.insert(entry.path(), None);
                todo.push(entry.path());
            } else {
                all.insert(entry.path(), Some(entry.metadata().unwrap().len()));
            }
        }
    }
    all.retain(|path, _| path.extension().is_none_or(|kind| kind != "lock"));
    all
}

async fn refusal(folder: &Path) -> contexter_model::Error {
    let before = files(folder);
    let error = EmbeddedStore::open(folder).await.unwrap_err();
    assert_eq!(files(folder), before, "a refusal changes nothing: {error}");
    error
}

#[tokio::test]
async fn a_folder_with_other_files_is_refused() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("thesis.odt"), "years of work").unwrap();

    let error = refusal(folder.path()).await;

    assert_eq!(error.kind(), ErrorKind::Invalid);
    let message = format!(
        "{} is not a Contexter data folder: it holds thesis.odt but no contexter-vectors.json",
        folder.path().display(),
    );
    assert_eq!(error.message(), message);
}

#[tokio::test]
async fn what_a_first_opening_that_was_killed_leaves_behind_is_no_foreign_file() {
    let folder = tempdir().unwrap();
    let unfinished = folder.path().join("contexter-vectors.json.tmp");
    fs::write(&unfinished, "{").unwrap();
    fs::write(folder.path().join("contexter-vectors.lock"), "").unwrap();

    let store = store(folder.path(), 3).await;

    assert_eq!(store.collections().len(), 1);
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_replaced_leaves_no_half_of_it() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    fs::create_dir(folder.path().join("aliases.json")).unwrap();
    let switch = SwitchAlias {
        alias: "live".into(),
        collection: CHUNKS.into(),
    };

    store.call(switch).await.unwrap_err();

    assert!(!folder.path().join("aliases.json.tmp").exists());
}

#[tokio::test]
async fn a_file_is_no_folder() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();

    let error = EmbeddedStore::open(&file).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.message(),
        format!("data folder {} is a file", file.display()),
    );
}

#[tokio::test]
async fn damaged_metadata_are_named() {
    for (file, content, kind, expected) in [
        (
            "collection.json",
            Some("{\"format\":"),
            ErrorKind::Invalid,
            "is damaged",
        ),
        (
            "collection.json",
            Some("[]"),
            ErrorKind::Invalid,
            "is damaged",
        ),
        (
            "collection.json",
            Some("{\"format\":\"recipe\",\"version\":1}"),
            ErrorKind::Invalid,
            "has the format \"recipe\"",
        ),
        (
            "collection.json",
            Some("{\"format\":\"contexter-collection\",\"version\":1}"),
            ErrorKind::Invalid,
            "is damaged",
        ),
        (
            "collection.json",
            Some("{\"format\":\"contexter-collection\",\"version\":2}"),
            ErrorKind::Unsupported,
            "has version 2, this program reads up to 1",
        ),
        (
            "collection.json",
            None,
            ErrorKind::Invalid,
            "it has no collection.json",
        ),
        (
            "../../contexter-vectors.json",
            Some("{\"format\":\"contexter-vectors\",\"version\":7}"),
            ErrorKind::Unsupported,
            "has version 7",
        ),
        (
            "../../contexter-vectors.json",
            Some(""),
            ErrorKind::Invalid,
            "is damaged",
        ),
    ] {
        let folder = closed().await;
        let path = collection(&folder).join(file);
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }

        let error = refusal(folder.path()).await;

        assert_eq!(error.kind(), kind, "{file} {content:?}: {error}");
        assert!(
            error.message().contains(expected),
            "{file} {content:?}: {error}"
        );
        let named = folder.path().display().to_string();
        assert!(error.message().contains(&named), "{error}");
    }
}

#[tokio::test]
async fn a_collection_under_another_name_is_refused() {
    let folder = closed().await;
    fs::rename(collection(&folder), folder.path().join("collections/other")).unwrap();

    let error = refusal(folder.path()).await;

    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("describes the collection \"chunks\""),
        "{error}",
    );
}

#[tokio::test]
async fn missing_parts_of_the_engine_are_named_not_recreated() {
    let folder = closed().await;
    let shard = collection(&folder).join("shard");
    let segment = segment(&shard);
    let aside = tempdir().unwrap();
    for part in [
        shard.clone(),
        shard.join("wal"),
        shard.join("segments"),
        shard.join("edge_config.json"),
        segment.clone(),
        segment.join("version.info"),
    ] {
        let hidden = aside.path().join("hidden");
        fs::rename(&part, &hidden).unwrap();

        let error = refusal(folder.path()).await;

        assert_eq!(
            error.kind(),
            ErrorKind::Invalid,
            "{}: {error}",
            part.display()
        );
        assert!(error.message().contains("is damaged: "), "{error}");
        assert!(
            error.message().contains(&shard.display().to_string()),
            "{error}"
        );
        fs::rename(&hidden, &part).unwrap();
    }
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    assert_eq!(count(&store, Filter::all()).await, 50);
}

fn segment(shard: &Path) -> PathBuf {
    let mut segments = fs::read_dir(shard.join("segments")).unwrap();
    segments.next().unwrap().unwrap().path()
}

/// Every file of the engine is cut in half and then filled with garbage, one at a time: opening
/// and searching may fail, with an error that names the folder, but nothing panics through or
/// brings the process down.
#[tokio::test]
async fn damaged_files_of_the_engine_give_errors_only() {
    let template = closed().await;
    let shard = collection(&template).join("shard");
    let all: Vec<PathBuf> = files(&shard)
        .into_iter()
        .filter(|(_, size)| size.is_some_and(|size| size > 0))
        .map(|(path, _)| path.strip_prefix(template.path()).unwrap().to_owned())
        .collect();
    assert!(all.len() > 10, "{all:?}");
    let mut refused = 0;
    for relative in &all {
        for garbage in [false, true] {
            let folder = tempdir().unwrap();
            copy(template.path(), folder.path());
            let path = folder.path().join(relative);
            let bytes = fs::read(&path).unwrap();
            let half = &bytes[..bytes.len() / 2];
            if garbage {
                fs::write(&path, vec![0xA5; bytes.len().min(1 << 20)]).unwrap();
            } else {
                fs::write(&path, half).unwrap();
            }
            match EmbeddedStore::open(folder.path()).await {
                Err(error) => {
                    refused += 1;
                    let named = collection(&folder).display().to_string();
                    assert!(
                        error.message().contains(&named),
                        "{}: {error}",
                        path.display()
                    );
                }
                Ok(store) => {
                    let vector = many(1, 1).remove(0).dense.unwrap();
                    let leg = Leg::Dense(vector);
                    if let Err(error) = search(&store, leg, Filter::all(), 10).await {
                        assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
                    }
                }
            }
        }
    }
    assert!(
        refused > 5,
        "only {refused} of {} were noticed",
        2 * all.len()
    );
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    copy(from, to);
}

fn copy(from: &Path, to: &Path) {
    for (path, size) in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        if size.is_some() {
            fs::copy(&path, &target).unwrap();
        } else {
            fs::create_dir_all(&target).unwrap();
        }
    }
}

#[tokio::test]
async fn an_unfinished_creation_is_cleared_away() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 3).await;
    first.close().await.unwrap();
    let unfinished = folder.path().join("collections/.new-chunks");
    fs::rename(collection(&folder), &unfinished).unwrap();

    let second = store(folder.path(), 3).await;

    assert_eq!(count(&second, Filter::all()).await, 0);
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn what_is_left_of_a_dropped_collection_goes_at_the_next_opening() {
    let folder = closed().await;
    let rubbish = folder.path().join("collections/.new-dropped");
    copy_all(&collection(&folder), &rubbish);

    let store = EmbeddedStore::open(folder.path()).await.unwrap();

    assert!(!rubbish.exists());
    assert_eq!(count(&store, Filter::all()).await, 50);
}

#[tokio::test]
async fn an_engine_that_panics_gives_an_error_and_searches_go_on() {
    let folder = tempdir().unwrap();
    let store = store(folder.path(), 3).await;
    upsert(&store, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await
        .unwrap();
    flush(&store).await.unwrap();
    upsert(&store, vec![point(2, &[0.0, 1.0, 0.0], &[], "a")])
        .await
        .unwrap();
    // The engine's flush panics when it cannot write.
    let segments = collection(&folder).join("shard/segments");
    let hidden = collection(&folder).join("hidden");
    fs::rename(&segments, &hidden).unwrap();

    let error = flush(&store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(
        error
            .message()
            .contains(&folder.path().display().to_string()),
        "{error}",
    );
    let leg = Leg::Dense(vec![0.0, 1.0, 0.0]);
    assert_eq!(found(&store, leg).await, [2, 1]);

    // What could not be made durable is made durable once the cause is gone.
    fs::rename(&hidden, &segments).unwrap();
    flush(&store).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    assert_eq!(count(&store, Filter::all()).await, 2);
}

/// The engine's log is never read again but gives the next operation its number: without it the
/// engine would take changes for old ones and ignore them.
#[tokio::test]
async fn the_log_does_not_grow_for_ever_and_changes_count_after_it_was_cut() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 3).await;
    for n in 1..=70 {
        let mut large = point(n, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a");
        large
            .payload
            .insert("text".into(), "x".repeat(2 << 20).into());
        upsert(&first, vec![large]).await.unwrap();
    }
    first.close().await.unwrap();
    let log = collection(&folder).join("shard/wal");
    assert!(closed_parts(&log) > 3, "{}", closed_parts(&log));

    for round in ["b", "c"] {
        let store = EmbeddedStore::open(folder.path()).await.unwrap();
        assert!(closed_parts(&log) <= 2, "{}", closed_parts(&log));
        upsert(&store, vec![point(1, &[], &[(8, 1.0)], round)])
            .await
            .unwrap();
        store.close().await.unwrap();

        let store = EmbeddedStore::open(folder.path()).await.unwrap();
        assert_eq!(count(&store, Filter::all()).await, 70);
        let changed = Filter::all().and("library", round);
        assert_eq!(count(&store, changed).await, 1, "{round}");
        store.close().await.unwrap();
    }
}

fn closed_parts(log: &Path) -> usize {
    fs::read_dir(log)
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("closed-")
        })
        .count()
}
