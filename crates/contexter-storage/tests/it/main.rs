//! Behaviour of the storage on a real folder.

use std::fs;
use std::path::{Path, PathBuf};

use contexter_storage::{Hash, Settings, Storage, StorageError, hash};
use futures_util::TryStreamExt as _;
use proptest::prelude::*;

fn file(folder: &Path, name: &Hash) -> PathBuf {
    let digits = name.to_string();
    folder
        .join(&digits[..2])
        .join(format!("{}.zst", &digits[2..]))
}

#[tokio::test]
async fn stores_equal_bytes_once_under_their_sha_256() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let text = "the same words again and again ".repeat(1_000);
    let first = storage.put(text.clone()).await.unwrap();
    let second = storage.put(text.clone()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(first, hash(text.as_bytes()));
    assert_eq!(storage.get(&first).await.unwrap(), text);
    let names: Vec<Hash> = storage.list().try_collect().await.unwrap();
    assert_eq!(names, [first]);
    let size = fs::metadata(file(folder.path(), &first)).unwrap().len();
    assert!(size < text.len() as u64 / 10, "{size} bytes on disk");
}

#[tokio::test]
async fn a_missing_blob_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let name = hash(b"never stored");
    assert!(!storage.contains(&name).await.unwrap());
    let error = storage.get(&name).await.unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().contains(&name.to_string()), "{error}");
    storage.delete(&name).await.unwrap();
}

#[tokio::test]
async fn a_damaged_blob_is_an_error_never_other_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let name = storage.put("what was stored".as_bytes()).await.unwrap();
    let path = file(folder.path(), &name);
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = storage.get(&name).await.unwrap_err();
        assert!(
            matches!(error, StorageError::Corrupt { .. }),
            "cut at {cut}: {error}"
        );
    }
    let stranger = storage.put("something else".as_bytes()).await.unwrap();
    fs::copy(file(folder.path(), &stranger), &path).unwrap();
    let error = storage.get(&name).await.unwrap_err();
    assert!(error.to_string().contains("another hash"), "{error}");
}

#[tokio::test]
async fn a_blob_that_claims_to_be_huge_is_refused_without_making_room() {
    let folder = tempfile::tempdir().unwrap();
    let roomy = Storage::open(folder.path()).unwrap();
    let name = roomy.put(vec![0; 4 * 1024 * 1024]).await.unwrap();
    let settings = Settings::default().with_max_size(1024);
    let strict = Storage::open_with(folder.path(), settings).unwrap();
    let error = strict.get(&name).await.unwrap_err();
    assert!(
        matches!(error, StorageError::TooLarge { limit: 1024, .. }),
        "{error}"
    );
    let error = strict.put(vec![0; 1025]).await.unwrap_err();
    assert!(error.to_string().contains("1025"), "{error}");
}

#[tokio::test]
async fn a_stored_file_that_is_too_large_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_max_size(1024);
    let storage = Storage::open_with(folder.path(), settings).unwrap();
    let name = storage.put("small".as_bytes()).await.unwrap();
    // A sparse file: reading it would need more memory than there is.
    let file = fs::File::create(file(folder.path(), &name)).unwrap();
    file.set_len(1 << 42).unwrap();
    let error = storage.get(&name).await.unwrap_err();
    assert!(
        matches!(error, StorageError::TooLarge { limit: 1024, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_follows_the_frame_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let name = storage.put("one".as_bytes()).await.unwrap();
    let other = storage.put(vec![0; 100_000]).await.unwrap();
    let path = file(folder.path(), &name);
    let mut frames = fs::read(&path).unwrap();
    frames.extend(fs::read(file(folder.path(), &other)).unwrap());
    fs::write(&path, frames).unwrap();
    assert_eq!(storage.get(&name).await.unwrap(), "one");
}

#[tokio::test]
async fn what_a_killed_writer_left_is_no_blob_and_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let name = hash(b"the whole blob");
    let path = file(folder.path(), &name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // The local store writes to `<name>#<number>` and renames.
    fs::write(path.with_extension("zst#1"), b"half a fra").unwrap();
    assert!(!storage.contains(&name).await.unwrap());
    let names: Vec<Hash> = storage.list().try_collect().await.unwrap();
    assert!(names.is_empty(), "{names:?}");
    storage.put("the whole blob".as_bytes()).await.unwrap();
    assert_eq!(storage.get(&name).await.unwrap(), "the whole blob");
}

#[tokio::test]
async fn a_damaged_blob_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let name = storage.put("text".as_bytes()).await.unwrap();
    fs::write(file(folder.path(), &name), b"").unwrap();
    let error = storage.get(&name).await.unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    storage.delete(&name).await.unwrap();
    storage.put("text".as_bytes()).await.unwrap();
    assert_eq!(storage.get(&name).await.unwrap(), "text");
}

#[tokio::test]
async fn many_writers_of_the_same_blob_agree() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let bytes = vec![7; 100_000];
    let puts = (0..16).map(|_| storage.put(bytes.clone()));
    let names = futures_util::future::try_join_all(puts).await.unwrap();
    assert!(names.iter().all(|name| *name == names[0]));
    assert_eq!(storage.get(&names[0]).await.unwrap(), bytes);
}

#[tokio::test]
async fn json_comes_back_and_other_json_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let name = storage.put_json(&["a", "b"]).await.unwrap();
    assert_eq!(
        storage.get_json::<Vec<String>>(&name).await.unwrap(),
        ["a", "b"]
    );
    let error = storage.get_json::<u32>(&name).await.unwrap_err();
    assert!(error.to_string().contains(&name.to_string()), "{error}");
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Storage::open(file.path()).unwrap_err();
    assert!(matches!(error, StorageError::Folder { .. }));
    assert!(
        error.to_string().contains(&*file.path().to_string_lossy()),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..40_000)) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let storage = Storage::open_with(folder.path(), Settings::default().with_sync(false)).unwrap();
            let name = storage.put(bytes.clone()).await.unwrap();
            assert_eq!(storage.get(&name).await.unwrap(), bytes);
        });
    }
}
