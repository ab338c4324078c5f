use std::path::{Path, PathBuf};
use std::time::Duration;

use contexter_http::{Client, Config};
use contexter_model::{Error, ErrorKind};
use contexter_service::Verdict;
use contexter_testkit::{Scripted, ScriptedServer, SmallDisk};
use tempfile::TempDir;

use crate::server::{Script, Server, reply};

const LIMIT: u64 = 1 << 20;

fn client() -> Client {
    Client::new(&Config::default().read_timeout(Duration::from_millis(300))).unwrap()
}

/// A folder and the file in it that is to be downloaded.
fn destination() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.bin");
    (folder, file)
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// Downloads what must fail, and checks that nothing is left behind.
async fn failure(url: &str, limit: u64) -> Error {
    let (folder, file) = destination();
    let error = client()
        .download(url, &file, limit, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new(), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

#[tokio::test]
async fn a_whole_file_takes_the_place_of_the_old_one() {
    let server = Server::start(reply("200 OK", "", b"hello")).await;
    let (folder, file) = destination();
    std::fs::write(&file, "old").unwrap();
    let mut progress = Vec::new();
    let downloaded = client()
        .download(&server.url("/f"), &file, LIMIT, |done, total| {
            progress.push((done, total));
        })
        .await
        .unwrap();
    assert_eq!(downloaded.bytes, 5);
    // The published SHA-256 of "hello" begins and ends like this.
    assert_eq!(downloaded.sha256[..4], [0x2c, 0xf2, 0x4d, 0xba]);
    assert_eq!(downloaded.sha256[28..], [0x93, 0x8b, 0x98, 0x24]);
    assert_eq!(std::fs::read(&file).unwrap(), b"hello");
    assert_eq!(files_in(folder.path()), [file]);
    assert_eq!(progress.first(), Some(&(0, Some(5))));
    assert_eq!(progress.last(), Some(&(5, Some(5))));
}

#[tokio::test]
async fn a_file_of_exactly_the_limit_is_accepted() {
    let server = Server::start(reply("200 OK", "", b"hello")).await;
    let (_folder, file) = destination();
    let downloaded = client()
        .download(&server.url("/f"), &file, 5, |_, _| {})
        .await;
    assert_eq!(downloaded.unwrap().bytes, 5);
}

#[tokio::test]
async fn a_missing_file_is_not_found_and_the_old_one_stays() {
    let server = Server::start(reply("404 Not Found", "", b"no such file")).await;
    let (_folder, file) = destination();
    std::fs::write(&file, "old").unwrap();
    let error = client()
        .download(&server.url("/f?key=secret"), &file, LIMIT, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        format!("download: {} answered 404 Not Found", server.url("/f"))
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_back() {
    let server = Server::start(reply("429 Too Many Requests", "retry-after: 7\r\n", b"")).await;
    let error = failure(&server.url("/f?key=secret"), LIMIT).await;
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(
        error.to_string().contains("429 Too Many Requests"),
        "{error}"
    );
}

#[tokio::test]
async fn an_announced_size_above_the_limit_is_refused_unread() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
    let server = Server::start(Script::Stall(head.to_vec())).await;
    let error = failure(&server.url("/f"), LIMIT).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("1048576 bytes"), "{error}");
}

#[tokio::test]
async fn an_endless_body_is_cut_off_at_the_limit() {
    let mut head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    head.resize(4096, b'x');
    let server = Server::start(Script::Flood(head)).await;
    assert_eq!(
        failure(&server.url("/f"), LIMIT).await.kind(),
        ErrorKind::TooLarge
    );
}

#[tokio::test]
async fn a_truncated_body_is_a_failure() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec();
    let server = Server::start(Script::Send(bytes)).await;
    let error = failure(&server.url("/f?key=secret"), LIMIT).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_times_out_before_and_within_the_body() {
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
    ] {
        let server = Server::start(Script::Stall(bytes.into())).await;
        let error = failure(&server.url("/f"), LIMIT).await;
        assert_eq!(
            error.kind(),
            ErrorKind::Timeout,
            "after {bytes:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_trickling_server_meets_the_total_timeout() {
    let mut head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    head.resize(1024, b'x');
    let server = Server::start(Script::Flood(head)).await;
    let (folder, file) = destination();
    let client = Client::new(&Config::default().total_timeout(Duration::from_millis(200))).unwrap();
    let error = client
        .download(&server.url("/f"), &file, u64::MAX, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}/f?key=secret");
    let error = failure(&url, LIMIT).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn plain_http_to_another_machine_is_never_sent() {
    let error = failure("http://example.invalid/f?key=secret", LIMIT).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_redirect_to_plain_http_elsewhere_is_not_followed() {
    let location = "location: http://example.invalid/f?key=secret\r\n";
    let server = Server::start(reply("302 Found", location, b"")).await;
    let error = failure(&server.url("/f"), LIMIT).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    let server = Server::start_with(|address| {
        reply(
            "302 Found",
            &format!("location: http://{address}/again\r\n"),
            b"",
        )
    })
    .await;
    let error = failure(&server.url("/f"), LIMIT).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(server.requests(), 6);
}

#[tokio::test]
async fn all_redirects_of_a_download_share_one_total_timeout() {
    let hop = Scripted::status(302)
        .header("location", "/again")
        .delay(Duration::from_millis(400));
    let server = ScriptedServer::start(vec![hop]).await;
    let (_folder, file) = destination();
    let config = Config::default().total_timeout(Duration::from_secs(1));
    let error = Client::new(&config)
        .unwrap()
        .download(&format!("{}/f", server.base_url()), &file, LIMIT, |_, _| {})
        .await
        .unwrap_err();
    // A limit for each of them would have come to an end by their number.
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(server.requests().len() < 6);
}

#[tokio::test]
async fn a_redirect_on_loopback_is_followed() {
    let last = Server::start(reply("200 OK", "", b"hello")).await;
    let location = format!("location: {}\r\n", last.url("/moved"));
    let first = Server::start(reply("307 Temporary Redirect", &location, b"")).await;
    let (_folder, file) = destination();
    client()
        .download(&first.url("/f"), &file, LIMIT, |_, _| {})
        .await
        .unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"hello");
}

#[tokio::test]
async fn a_dropped_download_leaves_nothing_behind() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec();
    let server = Server::start(Script::Stall(head)).await;
    let (folder, file) = destination();
    let client = Client::new(&Config::default()).unwrap();
    let (arrived, mut begun) = tokio::sync::mpsc::channel(4);
    let url = server.url("/f");
    let download = client.download(&url, &file, LIMIT, |done, _| {
        if done > 0 {
            let _ = arrived.try_send(files_in(folder.path()).len());
        }
    });
    let files = tokio::select! {
        ended = download => panic!("ended early: {ended:?}"),
        files = begun.recv() => files,
    };
    assert_eq!(files, Some(1), "the temporary file was there");
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let server = Server::start(reply("200 OK", "", b"hello")).await;
    let (folder, _) = destination();
    let file = folder.path().join("missing").join("model.bin");
    let error = client()
        .download(&server.url("/f"), &file, LIMIT, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(error.to_string().contains("missing/model.bin"), "{error}");
}

#[tokio::test]
async fn only_a_connection_that_failed_was_surely_not_sent() {
    // Taken and let go, so that nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = failure(&format!("http://{address}/f"), LIMIT).await;
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(!refused.sent() && !refused.is_rejection());

    let server = Server::start(reply("503 Service Unavailable", "", b"")).await;
    assert!(failure(&server.url("/f"), LIMIT).await.sent());
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_last_write_leaves_the_old_file() {
    let (folder, file) = destination();
    let test = "a_disk_that_is_full_at_the_last_write_leaves_the_old_file";
    let Some(_disk) = SmallDisk::mount(folder.path(), 1, test) else {
        return;
    };
    std::fs::write(&file, "old").unwrap();
    let full = std::fs::write(folder.path().join("filling"), vec![b'x'; 2 << 20]);
    assert!(full.is_err(), "there is room left");
    // In one piece, whose failure no later write would tell.
    let server = Server::start(reply("200 OK", "", &[b'y'; 1 << 10])).await;
    let downloaded = client()
        .download(&server.url("/f"), &file, LIMIT, |_, _| {})
        .await;
    let error = downloaded.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(error.message().starts_with("cannot write "), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    assert_eq!(files_in(folder.path()).len(), 2, "nothing is left behind");
}
