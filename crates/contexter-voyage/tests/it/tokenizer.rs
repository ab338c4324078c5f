//! Exact counts by a model's file.

use std::sync::Arc;

use contexter_model::{CountTokens as _, ErrorKind};
use contexter_testkit::ScriptedServer;
use contexter_voyage::{TokenizerFile, VoyageAdapter};

use crate::support::{config, embed, good};

/// A tokenizer of words, in the format of the models' files.
const WORDS: &str = r#"{
    "version": "1.0",
    "truncation": { "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0 },
    "padding": null,
    "added_tokens": [],
    "normalizer": null,
    "pre_tokenizer": { "type": "Whitespace" },
    "post_processor": null,
    "decoder": null,
    "model": { "type": "WordLevel", "vocab": { "[UNK]": 0, "a": 1 }, "unk_token": "[UNK]" }
}"#;

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

#[test]
fn tokens_are_counted_by_the_file_without_its_cut() {
    let file = file(WORDS);
    let tokenizer = TokenizerFile::read(file.path()).unwrap();
    assert_eq!(tokenizer.count("a b c d"), 4);
    assert_eq!(tokenizer.count(""), 0);
}

#[test]
fn a_file_that_is_none_is_named() {
    let file = file("{}");
    for path in [file.path().to_owned(), "/does/not/exist.json".into()] {
        let error = TokenizerFile::read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn the_settings_name_the_file() {
    let file = file(WORDS);
    let server = ScriptedServer::start(vec![good(2)]).await;
    let mut settings = config(&server);
    settings.tokenizer = Some(file.path().to_owned());
    let adapter = VoyageAdapter::new(settings).unwrap();
    assert_eq!(adapter.token_counter().count("a long text"), 3);
    embed(&adapter, &["a", "b"]).await.unwrap();

    let counter = Arc::new(|_: &str| 7);
    let adapter = VoyageAdapter::builder()
        .token_counter(counter)
        .build(config(&server))
        .unwrap();
    assert_eq!(adapter.token_counter().count("a"), 7);
}
