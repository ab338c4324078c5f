//! What any answer may become, whatever it holds.

use contexter_context7::answer::{Answer, Judge};
use contexter_context7::{Content, Form};
use proptest::prelude::*;
use serde_json::{Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        prop_oneof![
            Just("library_not_finalized"),
            Just("tag_not_found"),
            Just("/new/repo"),
            Just("ctx7sk-someone's key\r\n"),
            Just("Monthly quota exceeded"),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![
            Just("codeSnippets"),
            Just("infoSnippets"),
            Just("snippets"),
            Just("results"),
            Just("id"),
            Just("content"),
            Just("codeList"),
            Just("code"),
            Just("codeTokens"),
            Just("error"),
            Just("message"),
            Just("redirectUrl"),
            Just("retryAfterSeconds"),
            Just("rules"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..5).prop_map(|map| {
                map.into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => "(?i)\\s{0,3}<(html|!doctype html)>\\PC{0,9}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn an_answer_is_documentation_or_an_error_of_one_line_without_keys(
        status in prop_oneof![Just(200_u16), 100_u16..=599],
        body in body(),
        text in any::<bool>(),
    ) {
        let form = if text { Form::Text } else { Form::Json };
        let answer = Answer::new(status, &body);
        let judge = Judge::default();
        match judge.context(&answer, form, "/any/answer") {
            Ok(content) => {
                prop_assert_eq!(status, 200);
                if let Content::Text(text) = &content {
                    let start = text.trim_start().to_ascii_lowercase();
                    prop_assert!(!start.is_empty());
                    prop_assert!(!start.starts_with("<html") && !start.starts_with("<!doctype"));
                }
                if let Some(snippets) = content.snippets() {
                    prop_assert!(snippets.clone().cut_to(10).tokens() <= 10);
                }
            }
            Err(failure) => {
                let line = failure.error().to_string();
                prop_assert!(!line.contains(char::is_control), "{:?}", line);
                prop_assert!(!line.contains("ctx7sk"), "{:?}", line);
                prop_assert!(line.chars().count() < 700, "{:?}", line);
            }
        }
        if let Err(failure) = judge.libraries(&answer, "\"x\"") {
            prop_assert!(!failure.error().to_string().contains(char::is_control));
        }
        let _ = judge.search(&answer, form, "everything");
    }
}
