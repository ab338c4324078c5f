//! The text form of a hash.

use contexter_protocol::Hash;
use proptest::prelude::*;

proptest! {
    #[test]
    fn digits_read_back_as_the_same_digest(digest: [u8; 32]) {
        let hash = Hash::from_bytes(digest);
        let text = hash.to_string();
        prop_assert_eq!(text.len(), 64);
        prop_assert_eq!(text.parse::<Hash>().unwrap(), hash);
        prop_assert_eq!(text.to_uppercase().parse::<Hash>().unwrap(), hash);
        let json = serde_json::to_string(&hash).unwrap();
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);
    }

    #[test]
    fn any_other_text_is_refused_without_a_panic(text: String) {
        prop_assume!(text.len() != 64);
        prop_assert!(text.parse::<Hash>().is_err());
    }
}

#[test]
fn the_first_digit_is_the_high_half_of_the_first_byte() {
    let mut digest = [0; 32];
    digest[0] = 0xa1;
    let hash: Hash = format!("a1{}", "0".repeat(62)).parse().unwrap();
    assert_eq!(hash.as_bytes(), &digest);
}

#[test]
fn sixty_four_bytes_that_are_no_digits_are_refused_by_name() {
    for text in [
        "g".repeat(64),
        "é".repeat(32),
        format!("+{}", "0".repeat(63)),
    ] {
        let error = text.parse::<Hash>().unwrap_err().to_string();
        assert!(error.contains(&text), "{error}");
    }
}
