//! Tokens and BM25 weights.

use std::collections::BTreeMap;

use contexter_rag::{Bm25, InvalidBm25, MAX_WORD_LEN, token_id, tokenize};
use proptest::prelude::*;

fn tokens(text: &str) -> BTreeMap<String, u32> {
    let mut tokens = BTreeMap::new();
    tokenize(text, |token, count| {
        *tokens.entry(token.to_owned()).or_default() += count;
    });
    tokens
}

fn names(text: &str) -> Vec<String> {
    tokens(text).into_keys().collect()
}

#[test]
fn words_are_lower_cased_stemmed_and_counted() {
    let found = tokens("Retries retry; RETRYING, connection connections");
    let expected = [("connect", 2), ("retri", 3)];
    assert_eq!(
        found,
        expected
            .map(|(token, count)| (token.to_owned(), count))
            .into()
    );
}

#[test]
fn stop_words_say_nothing() {
    assert!(names("What is this, and why don't they just do it themselves?").is_empty());
}

#[test]
fn identifiers_are_found_whole_and_by_their_parts() {
    assert_eq!(names("maxRetries"), ["max", "maxretri", "retri"]);
    assert_eq!(names("max_retries"), names("MaxRetries"));
    assert_eq!(
        names("__init__"),
        ["init"],
        "underscores around a word are no parts"
    );
    assert_eq!(names("utf8"), ["utf", "utf8"], "a single digit is no part");
    assert_eq!(
        names("is_ready"),
        ["isreadi", "readi"],
        "stop words are no parts"
    );
}

#[test]
fn both_spellings_of_a_name_meet() {
    let bm25 = Bm25::default();
    assert_eq!(bm25.query("file_name"), bm25.query("fileName"));
    let document = bm25.document("pub fn open_read_only(path: &Path)");
    let query = bm25.query("OpenReadOnly");
    assert!(
        query
            .indices()
            .iter()
            .any(|id| document.indices().contains(id))
    );
}

#[test]
fn encoded_data_is_no_word() {
    let longest = "x".repeat(MAX_WORD_LEN);
    assert_eq!(names(&longest), [longest.as_str()]);
    assert!(names(&format!("{longest}x")).is_empty());
    assert_eq!(
        names("Größe ÜBER 中文字"),
        ["größe", "über", "中文", "文字"]
    );
}

#[test]
fn token_ids_are_those_of_qdrant() {
    // Computed with the public murmur3 test vectors: seed 0, 32 bit, then the absolute value of
    // the signed number.
    assert_eq!(token_id(""), 0);
    assert_eq!(token_id("hello"), 0x248b_fa47);
    assert_eq!(token_id("hello, world"), 0x149b_bb7f);
    assert_eq!(
        token_id("The quick brown fox jumps over the lazy dog"),
        0x2e4f_f723
    );
    // Negative as a signed number: 0xba6b_d213.
    assert_eq!(token_id("test"), 0x4594_2ded);
}

#[test]
fn document_weights_are_those_of_bm25() {
    let bm25 = Bm25::new(1.2, 0.75, 4.0).unwrap();
    let vector = bm25.document("alpha alpha beta");
    let weight = |word: &str| {
        let at = vector
            .indices()
            .iter()
            .position(|&id| id == token_id(word))
            .unwrap();
        vector.values()[at]
    };
    let norm = 1.2 * (0.25 + 0.75 * 3.0 / 4.0);
    assert!((weight("alpha") - 2.0 * 2.2 / (2.0 + norm)).abs() < 1e-6);
    assert!((weight("beta") - 2.2 / (1.0 + norm)).abs() < 1e-6);
}

#[test]
fn query_weights_are_one_for_each_term() {
    let vector = Bm25::default().query("alpha beta alpha");
    assert_eq!(vector.values(), [1.0, 1.0]);
    assert!(Bm25::default().query("what is it?").is_empty());
    assert!(Bm25::default().document("").is_empty());
}

#[test]
fn parameters_out_of_range_are_refused() {
    assert_eq!(
        Bm25::new(-1.0, 0.5, 256.0),
        Err(InvalidBm25::K1 { k1: -1.0 })
    );
    assert_eq!(Bm25::new(1.2, 1.5, 256.0), Err(InvalidBm25::B { b: 1.5 }));
    assert_eq!(
        Bm25::new(1.2, 0.5, 0.0),
        Err(InvalidBm25::AvgLen { avg_len: 0.0 })
    );
    assert!(Bm25::new(f32::NAN, 0.5, 256.0).is_err());
    assert!(Bm25::new(1.2, f32::NAN, 256.0).is_err());
    assert!(Bm25::new(1.2, 0.5, f32::INFINITY).is_err());
    let error = serde_json::from_str::<Bm25>("{\"b\": 2}").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("bm25 b is 2, expected a number from 0 to 1")
    );
    assert_eq!(serde_json::from_str::<Bm25>("{}").unwrap(), Bm25::default());
}

#[test]
fn the_record_names_every_parameter() {
    assert_eq!(
        Bm25::default().to_string(),
        "bm25-id/1:k1=1.2,b=0.75,avg_len=256"
    );
}

proptest! {
    #[test]
    fn any_text_gives_sound_vectors(text in "\\PC*", words in "([a-zA-Z_0-9]{0,12}[ .])*") {
        for text in [text, words] {
            let document = Bm25::default().document(&text);
            prop_assert!(document.indices().is_sorted_by(|a, b| a < b));
            prop_assert!(document.values().iter().all(|&weight| weight > 0.0 && weight < 2.2));
            let query = Bm25::default().query(&text);
            prop_assert_eq!(query.indices(), document.indices());
        }
    }

    #[test]
    fn the_order_of_words_does_not_matter(words in prop::collection::vec("[a-z]{3,8}", 0..20)) {
        let forward = Bm25::default().document(&words.join(" "));
        let mut words = words;
        words.reverse();
        prop_assert_eq!(Bm25::default().document(&words.join(" ")), forward);
    }
}
