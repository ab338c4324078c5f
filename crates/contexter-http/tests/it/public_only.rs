//! A client for the public internet only.

use contexter_http::{Api, Auth, Client, Config, Proxy};
use contexter_model::ErrorKind;
use contexter_service::Verdict;
use contexter_testkit::{Scripted, ScriptedServer};

fn client() -> Client {
    Client::new(&Config::default().public_only()).unwrap()
}

#[tokio::test]
async fn an_inner_address_is_not_asked() {
    let server = ScriptedServer::start(vec![Scripted::text(200, "inside")]).await;
    let port = server.address().port();
    for base_url in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://2130706433:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        "http://169.254.169.254".to_owned(),
    ] {
        let error = Api::new(&client(), &base_url, Auth::None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{base_url}");
        assert!(error.message().contains("public internet"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let error = client()
            .download(&base_url, &folder.path().join("f"), 100, |_, _| {})
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{base_url}");
        assert!(
            !error.sent() || error.message().contains("https"),
            "{error}"
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_proxy_would_resolve_names_by_itself() {
    let proxy = Proxy::new("http://alice:s3cret@proxy.example.org:3128").unwrap();
    let error = Client::new(&Config::default().public_only().proxy(proxy)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.message().contains("http://proxy.example.org:3128"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    for pem in [
        &b""[..],
        b"no pem",
        b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    ] {
        let error = Client::new(&Config::default().root_certificate_pem(pem)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.message().contains("root certificate"), "{error}");
    }
}
