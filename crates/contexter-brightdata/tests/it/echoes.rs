//! Nothing of a key is shown wherever in its words the vendor repeats it, and however it is written.

use contexter_brightdata::{
    FetchSnapshot, ProxyConfig, ProxyUser, SnapshotProgress, SubmitPage, TriggerDataset, Unlock,
};
use contexter_model::{Error, FetchPage};
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::json;

use super::fixture::{KEY, adapter, call, config};

/// With letters that a form and JSON write otherwise.
const PASSWORD: &str = "zone\"p/ssword-5ecret";

/// As long a part of a secret is not shown anywhere.
const PART: usize = 6;

/// Every error and every cause in one text.
fn shown(error: &Error) -> String {
    let mut shown = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        shown.extend([error.to_string(), format!(" {error:?}\n")]);
        cause = error.source();
    }
    shown
}

/// Lower case, with underscores, without what hides letters from each other.
fn folded(text: &str) -> String {
    text.to_ascii_lowercase()
        .chars()
        .filter(char::is_ascii)
        .map(|c| if c == '-' { '_' } else { c })
        .collect()
}

fn assert_hidden(shown: &str, secret: &str, context: &str) {
    let shown = folded(shown);
    let secret: Vec<char> = folded(secret).chars().collect();
    for part in secret.windows(PART) {
        let part: String = part.iter().collect();
        assert!(
            !shown.contains(&part),
            "{context}: {part} is shown: {shown}"
        );
    }
}

async fn errors(answer: Scripted) -> Vec<Error> {
    let server = ScriptedServer::start(vec![answer]).await;
    let address = server.address();
    let proxy = ProxyConfig::new(ProxyUser::new("hl_1", "residential1"), PASSWORD)
        .with_address(address.ip().to_string(), address.port());
    let adapter = adapter(&config(&server).with_proxy(proxy));
    let snapshot: contexter_brightdata::SnapshotId = "s_1".parse().unwrap();
    let trigger = TriggerDataset::new("gd_1".parse().unwrap()).input(json!({ "x": 1 }));
    let page = "https://example.org/a";
    let outcomes = [
        call(&adapter, FetchPage::new(page)).await.err(),
        call(&adapter, Unlock::new(page)).await.err(),
        call(&adapter, SubmitPage::new(Unlock::new(page)))
            .await
            .err(),
        call(&adapter, trigger).await.err(),
        call(&adapter, FetchSnapshot::new(snapshot)).await.err(),
    ];
    outcomes.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_secret_is_hidden_before_a_text_is_cut() {
    // Words are cut at 300 characters, and no more than 2,000 bytes of a body are read.
    for filling in [0, 262, 275, 290, 1_960, 1_985] {
        for secret in [KEY, PASSWORD] {
            let text = format!("{}: {secret} is not allowed here", "x".repeat(filling));
            // Cleaning puts it together again.
            let torn: String = text.chars().flat_map(|c| [c, '\u{200b}']).collect();
            let wide = format!("{}{secret} is not allowed here", " \n".repeat(filling));
            let validation = json!({
                "error": "Invalid input provided",
                "code": "validation_error",
                "errors": [[text, "x"], ["url", text]],
            });
            let failed = json!({ "status": "failed", "error_message": text });
            for answer in [
                Scripted::text(400, text.clone()),
                Scripted::text(404, text.clone()),
                Scripted::text(422, torn),
                Scripted::text(400, wide),
                Scripted::json(400, validation),
                Scripted::json(200, failed),
            ] {
                let errors = errors(answer).await;
                assert!(!errors.is_empty());
                for error in errors {
                    assert_hidden(&shown(&error), secret, &filling.to_string());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_secret_in_the_place_of_a_code_is_not_shown() {
    let upper = KEY.to_uppercase();
    for code in [
        KEY.to_owned(),
        upper.clone(),
        format!("resolve_failed_{KEY}"),
        format!("{}{KEY}", "x".repeat(50)),
        format!("Bearer {KEY}"),
    ] {
        for header in [
            "x-brd-error-code",
            "x-brd-err-code",
            "x-luminati-error-code",
        ] {
            let errors = errors(Scripted::status(200).header(header, &code)).await;
            assert!(errors.len() >= 3, "{header}: {code}");
            for error in errors {
                assert_hidden(&shown(&error), KEY, &code);
            }
        }
    }
    // A code that is new is shown as it came.
    let errors = errors(Scripted::status(200).header("x-brd-error-code", "brand-new_1")).await;
    assert!(errors[0].message().contains("(brand_new_1, status 502)"));
}

#[tokio::test]
async fn a_secret_in_a_redirect_or_a_media_type_is_not_shown() {
    for location in [
        format!("http://{KEY}/"),
        format!("http://{KEY}.local/x"),
        format!("{KEY}://example.org/"),
        format!("http://127.0.0.1/{KEY}"),
    ] {
        let redirect = Scripted::status(200)
            .header("x-brd-status-code", "302")
            .header("location", &location);
        for error in errors(redirect).await {
            assert_hidden(&shown(&error), KEY, &location);
        }
    }
    let media = Scripted::status(200)
        .body("x")
        .header("content-type", &format!("image/{KEY}"));
    for error in errors(media).await {
        assert_hidden(&shown(&error), KEY, "media type");
    }
    // The interface that has no password knows it as well.
    for secret in [KEY, PASSWORD] {
        for body in ["{}", "", "["] {
            let answer = Scripted::status(200)
                .body(body)
                .header("content-type", &format!("application/json; of={secret}"))
                .header("x-request-id", secret);
            let errors = errors(answer).await;
            assert!(!errors.is_empty());
            for error in errors {
                assert_hidden(&shown(&error), secret, body);
            }
        }
    }
}

#[tokio::test]
async fn a_password_is_hidden_in_every_spelling() {
    for text in [
        r#"{"error":"zone\"p/ssword-5ecret"}"#.to_owned(),
        "password=zone%22p%2Fssword-5ecret".to_owned(),
        "ZONE\"P/SSWORD-5ECRET".to_owned(),
        "password=zone%22p%2fssword%2d5ecret".to_owned(),
        r#"zone\"p\/ssword-5ecret"#.to_owned(),
        "em9uZSJwL3Nzd29yZC01ZWNyZXQ=".to_owned(),
    ] {
        for error in errors(Scripted::text(400, text.clone())).await {
            for part in [
                "word-5ecret",
                "word%2d5ecret",
                "em9uZSJwL3Nzd29yZC01ZWNyZXQ",
            ] {
                assert_hidden(&shown(&error), part, &text);
            }
        }
    }
}

#[tokio::test]
async fn the_word_about_a_job_hides_it_too() {
    let text = format!("{} {KEY} and more of it", "x".repeat(280));
    let failed = json!({ "status": KEY, "error_message": text });
    let server = ScriptedServer::start(vec![Scripted::json(200, failed)]).await;
    let adapter = adapter(&config(&server));
    let progress = call(&adapter, SnapshotProgress::new("s_1".parse().unwrap())).await;
    let progress = progress.unwrap();
    assert_hidden(&format!("{progress:?}"), KEY, "progress");
    assert!(progress.error_message.unwrap().starts_with("xxx"));
}
