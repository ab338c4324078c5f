//! The tokenizer against ids that Hugging Face's `tokenizers` 0.23.3 gave for the same texts.

use std::fmt::Write;

use contexter_local::WordPiece;
use contexter_model::CountTokens;
use proptest::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Reference {
    text: String,
    ids: Vec<u32>,
}

fn references() -> impl Iterator<Item = Reference> {
    include_str!("../data/wordpiece-ids.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("the data are well-formed"))
}

#[test]
fn ids_are_those_of_the_reference() {
    let tokenizer = WordPiece::new();
    let mut compared = 0;
    for Reference { text, ids } in references() {
        assert_eq!(tokenizer.encode(&text, usize::MAX), ids, "{text:?}");
        assert_eq!(tokenizer.count(&text), ids.len() - 2, "{text:?}");
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn names_of_special_tokens_are_ordinary_text() {
    let tokenizer = WordPiece::new();
    let ids = tokenizer.encode("[SEP]", 256);
    assert_eq!(
        ids.len(),
        5,
        "two markers around a bracket, a word, a bracket: {ids:?}"
    );
    assert_eq!(ids.iter().filter(|&&id| id == 102).count(), 1);
}

#[test]
fn a_limit_keeps_the_markers() {
    let tokenizer = WordPiece::new();
    let text = "one two three four five unaffable";
    let whole = tokenizer.encode(text, usize::MAX);
    assert_eq!(tokenizer.encode(text, 5), [&whole[..4], &[102]].concat());
    assert_eq!(tokenizer.encode(text, whole.len()), whole);
    for tiny in 0..=2 {
        assert_eq!(tokenizer.encode(text, tiny), [101, 102]);
    }
}

#[test]
fn the_vocabulary_is_the_published_one() {
    let vocabulary = include_bytes!("../../assets/bert-base-uncased-vocab.txt");
    let mut hex = String::new();
    for byte in Sha256::digest(vocabulary) {
        write!(hex, "{byte:02x}").unwrap();
    }
    assert_eq!(
        hex,
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    );
}

proptest! {
    #[test]
    fn any_text_has_ids_between_two_markers(text in any::<String>(), limit in 2..40_usize) {
        let tokenizer = WordPiece::new();
        let whole = tokenizer.encode(&text, usize::MAX);
        prop_assert_eq!(whole.len(), tokenizer.count(&text) + 2);
        let cut = tokenizer.encode(&text, limit);
        prop_assert_eq!(cut.len(), whole.len().min(limit));
        prop_assert_eq!(&cut[..cut.len() - 1], &whole[..cut.len() - 1]);
        prop_assert!(cut.iter().all(|&id| id < 30_522));
    }
}
