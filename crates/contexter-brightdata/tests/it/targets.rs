//! What is not of the public web is refused before anything is sent, in every spelling.

use contexter_brightdata::{
    FetchByProxy, ProxyConfig, ProxyUser, PublicUrl, ScrapeDataset, SubmitPage, TriggerDataset,
    Unlock,
};
use contexter_model::{ErrorKind, FetchPage};
use contexter_testkit::Scripted;
use serde_json::json;

use super::fixture::{adapter, call, config, start};

/// Addresses that must not be fetched.
const FORBIDDEN: &[&str] = &[
    // Schemes.
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "javascript:alert(1)",
    "data:text/html,hi",
    "ws://example.org/",
    "example.org",
    "//example.org/",
    "",
    // Loopback.
    "http://127.0.0.1/",
    "http://127.0.0.1.:80/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1:8080/",
    "http://0/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://localhost.localdomain/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://[2002:7f00:1::]/",
    // Full-width digits and ideographic dots.
    "http://\u{ff11}\u{ff12}\u{ff17}\u{3002}0\u{3002}0\u{3002}1/",
    "http://127\u{3002}0.0.1/",
    // Percent-encoded.
    "http://%31%32%37.0.0.1/",
    "http://%6c%6f%63%61%6c%68%6f%73%74/",
    // Private, shared, link-local, metadata.
    "http://10.0.0.1/",
    "http://10.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://192.168.257/",
    "http://0xc0a80101/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://2852039166/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://metadata.google.internal/",
    "http://instance-data.ec2.internal./",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    // Names that only a private network knows.
    "http://intranet/",
    "http://printer.local/",
    "http://router.lan/",
    "http://nas.home.arpa/",
    "http://1.0.0.127.in-addr.arpa/",
    // Whom the address is really for.
    "http://example.org@127.0.0.1/",
    "http://user:pass@example.org/",
    "http://example.org:pass@10.0.0.1/",
    "http://127.0.0.1\\@example.org/",
    "http:\\\\127.0.0.1\\",
    "http://\t127.0.0.1/",
    "ht\ntp://127.0.0.1/",
    "http://127.0.0.1#@example.org/",
    "http://127.0.0.1?@example.org/",
    "http:///127.0.0.1/",
    "http://.example.org/",
    "http://example.org../",
];

#[test]
fn every_spelling_of_a_private_address_is_refused() {
    for text in FORBIDDEN {
        let refused = text.parse::<PublicUrl>();
        let error = refused.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(!error.to_string().contains("pass@"), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn what_is_public_is_kept_in_its_normal_form() {
    for (text, normal) in [
        ("https://example.org", "https://example.org/"),
        (
            "HTTP://Example.ORG:80/a/../b?q=1#x",
            "http://example.org/b?q=1",
        ),
        (
            "https://b\u{fc}cher.example/",
            "https://xn--bcher-kva.example/",
        ),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://0x01010101/", "https://1.1.1.1/"),
        (
            "https://[2606:4700::1111]:8443/",
            "https://[2606:4700::1111]:8443/",
        ),
        ("https://example.org./", "https://example.org./"),
        (
            "https://localhost.example.org/",
            "https://localhost.example.org/",
        ),
        ("https://notlocalhost.org/", "https://notlocalhost.org/"),
        (" https://example.org/x ", "https://example.org/x"),
    ] {
        let url: PublicUrl = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(url.as_str(), normal);
    }
}

#[test]
fn an_address_that_is_too_long_is_refused() {
    let long = format!("https://example.org/{}", "a".repeat(9000));
    let error = long.parse::<PublicUrl>().unwrap_err();
    assert_eq!(
        error.message(),
        "an address of 9020 bytes is not fetched, at most 8192"
    );
}

#[tokio::test]
async fn nothing_is_sent_for_what_is_refused_by_any_ability() {
    let (server, adapter) = start(vec![Scripted::text(200, "x")]).await;
    for text in FORBIDDEN {
        let fetched = call(&adapter, FetchPage::new(*text)).await;
        let unlocked = call(&adapter, Unlock::new(*text)).await;
        let submitted = call(&adapter, SubmitPage::new(Unlock::new(*text))).await;
        let hooked = SubmitPage::new(Unlock::new("https://example.org/")).webhook_url(*text);
        let hooked = call(&adapter, hooked).await;
        let trigger = TriggerDataset::new("gd_x1".parse().unwrap()).input(json!({ "url": text }));
        let triggered = call(&adapter, trigger).await;
        for error in [
            fetched.err(),
            unlocked.err(),
            submitted.err(),
            hooked.err(),
            triggered.err(),
        ] {
            assert_eq!(
                error.map(|error| error.kind()),
                Some(ErrorKind::Invalid),
                "{text}"
            );
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn no_address_within_an_input_leads_into_a_private_network() {
    let (server, adapter) = start(vec![Scripted::text(200, "x")]).await;
    for input in [
        json!({ "URL": "http://127.0.0.1/" }),
        json!({ "start_url": "http://169.254.169.254/latest/meta-data" }),
        json!({ "urls": ["https://example.org/", "http://[::1]/"] }),
        json!({ "a": [{ "b": { "c": "file:///etc/passwd" } }] }),
        json!({ "host": "localhost:8080" }),
    ] {
        let inputs = vec![json!({ "url": "https://example.org/" }), input.clone()];
        let trigger = TriggerDataset::new("gd_x1".parse().unwrap()).inputs(inputs.clone());
        let scrape = ScrapeDataset::new("gd_x1".parse().unwrap(), inputs);
        for error in [
            call(&adapter, trigger).await.unwrap_err(),
            call(&adapter, scrape).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{input}");
            assert!(error.message().starts_with("inputs[1]: "), "{error}");
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_by_the_proxy_either() {
    let server = contexter_testkit::ScriptedServer::start(vec![Scripted::text(200, "x")]).await;
    let address = server.address();
    let user = ProxyUser::new("hl_1", "residential1");
    let proxy =
        ProxyConfig::new(user, "pw-123456").with_address(address.ip().to_string(), address.port());
    let adapter = adapter(&config(&server).with_proxy(proxy));
    for text in FORBIDDEN {
        let error = call(&adapter, FetchByProxy::new(*text)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
    }
    assert!(server.requests().is_empty());
}
