//! JSON of printable ASCII characters only, which any attribute can hold.

use serde_json::Value;

/// Writes a value in one line; what is no printable ASCII is escaped, as `\u00fc` is.
pub(super) fn in_ascii(value: &Value) -> String {
    let json = value.to_string();
    if json.bytes().all(is_printable) {
        return json;
    }
    let mut ascii = String::with_capacity(json.len().saturating_mul(2));
    let mut units = [0; 2];
    for c in json.chars() {
        if u8::try_from(c).is_ok_and(is_printable) {
            ascii.push(c);
            continue;
        }
        // Only in a text can such a character stand, since the rest of JSON is printable ASCII.
        for unit in c.encode_utf16(&mut units) {
            ascii.push_str("\\u");
            for shift in [12, 8, 4, 0] {
                let digit = char::from_digit(u32::from((*unit >> shift) & 15), 16);
                ascii.push(digit.unwrap_or_default());
            }
        }
    }
    ascii
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_printable_ascii_is_escaped_in_names_and_texts() {
        for (value, written) in [
            (json!({ "a": [1, "b c~"] }), r#"{"a":[1,"b c~"]}"#),
            (json!("größe"), r#""gr\u00f6\u00dfe""#),
            (json!("\u{7f}\u{9b}\u{ffff}"), r#""\u007f\u009b\uffff""#),
            (json!("\u{1f600}\u{1ffff}"), r#""\ud83d\ude00\ud83f\udfff""#),
            (json!("\n\u{1}\"\\"), r#""\n\u0001\"\\""#),
            (json!({ "\u{fdd0}": null }), r#"{"\ufdd0":null}"#),
        ] {
            assert_eq!(in_ascii(&value), written);
            assert_eq!(serde_json::from_str::<Value>(written).unwrap(), value);
        }
    }
}
