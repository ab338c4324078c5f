//! The weightless embedder.

use contexter_local::Lexical;
use contexter_model::CountTokens;
use proptest::prelude::*;

use crate::embedding::dot;

/// Vectors are kept in collections: a change here needs a new name of the space.
#[test]
fn vectors_are_the_same_for_ever() {
    let vector = Lexical::new().embed("Parse the HTTP header, then parseHttpHeader again.");
    let largest: Vec<(usize, f32)> = {
        let mut places: Vec<(usize, f32)> = vector.iter().copied().enumerate().collect();
        places.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        places.truncate(6);
        places
    };
    let expected = [
        (921, 0.243_368_77),
        (17, -0.219_908_5),
        (261, 0.219_908_5),
        (345, -0.219_908_5),
        (185, 0.184_920_28),
        (461, -0.184_920_28),
    ];
    for ((place, value), (expected_place, expected_value)) in largest.iter().zip(expected) {
        assert_eq!(*place, expected_place, "{largest:?}");
        assert!((value - expected_value).abs() < 1e-6, "{largest:?}");
    }
    let filled = vector.iter().filter(|value| **value != 0.0).count();
    assert_eq!(filled, 67);
}

#[test]
fn shared_wording_is_near() {
    let lexical = Lexical::new();
    let query = lexical.embed("how to parse http headers?");
    let identifier = lexical.embed("parse_http_header(buffer)");
    let camel_case = lexical.embed("fn parseHttpHeader() {}");
    let other = lexical.embed("opens a socket and waits");
    assert!(dot(&query, &identifier) > 0.3);
    assert!(dot(&query, &camel_case) > 0.3);
    assert!(dot(&query, &other) < 0.1);
}

#[test]
fn a_text_without_features_has_a_direction_of_its_own() {
    let lexical = Lexical::new();
    assert_eq!(lexical.embed(""), lexical.embed("?! of the"));
    assert!(dot(&lexical.embed(""), &lexical.embed("word")).abs() < 0.5);
}

#[test]
fn text_beyond_the_limit_is_not_read() {
    let lexical = Lexical::new();
    let limit = lexical.space().max_tokens;
    let full = "word ".repeat(limit);
    assert_eq!(lexical.embed(&full), lexical.embed(&format!("{full} more")));
    let endless = "x".repeat(1 << 20);
    assert_eq!(
        lexical.embed(&endless),
        lexical.embed(&endless[..limit * 4])
    );
}

#[test]
fn tokens_are_estimated_by_the_length_of_words() {
    let lexical = Lexical::new();
    assert_eq!(lexical.count(""), 0);
    assert_eq!(lexical.count("to be, or unaffable"), 1 + 1 + 1 + 3);
}

proptest! {
    #[test]
    fn every_text_has_a_vector_of_length_one(text in any::<String>()) {
        let vector = Lexical::new().embed(&text);
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        prop_assert!((length - 1.0).abs() < 1e-5, "{}", length);
    }
}
