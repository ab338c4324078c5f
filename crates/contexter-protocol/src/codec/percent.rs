//! Percent-encoding of header values, as the HTTP protocol binding of CloudEvents 1.0.2 has it
//! (section 3.1.3.2).

use std::borrow::Cow;

/// Why a header value cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A `%` without two hexadecimal digits after it.
    Percent,
    /// The decoded bytes are not UTF-8.
    Utf8,
}

/// Encodes space, `"`, `%`, and whatever is not printable ASCII.
pub(super) fn encode(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'%';
    if value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    let mut encoded = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for half in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(half), 16).unwrap_or_default();
                encoded.push(digit.to_ascii_uppercase());
            }
        }
    }
    Cow::Owned(encoded)
}

/// Decodes a value once. Quotes around it are taken off, as older writers put them there, and raw
/// UTF-8 is read as it stands.
pub(super) fn decode(value: &[u8]) -> Result<String, Fault> {
    let value = unquoted(value);
    if !value.contains(&b'%') {
        return text(value.into_owned());
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = bytes.next().and_then(hexadecimal).ok_or(Fault::Percent)?;
            let low = bytes.next().and_then(hexadecimal).ok_or(Fault::Percent)?;
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    text(decoded)
}

/// Takes decoded bytes as text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).ok().ok_or(Fault::Utf8)
}

fn hexadecimal(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Takes off the quotes of a quoted string and its backslashes (RFC 9110, section 5.6.4).
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return Cow::Borrowed(value);
    };
    let mut escaped = false;
    let kept = inner.iter().copied().filter(|&byte| {
        escaped = byte == b'\\' && !escaped;
        !escaped
    });
    Cow::Owned(kept.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodes_what_the_binding_names_and_nothing_else() {
        assert_eq!(
            encode("Euro € 😀"),
            "Euro%20%E2%82%AC%20%F0%9F%98%80",
            "the example of the binding"
        );
        assert_eq!(encode("a\"b%c\x7f"), "a%22b%25c%7F");
        assert!(matches!(encode("!#$&~{}/:"), Cow::Borrowed(_)));
    }

    #[test]
    fn decodes_either_case_once_and_takes_off_quotes() {
        for (value, decoded) in [
            ("%e2%82%aC", "€"),
            ("%2525", "%25"),
            ("\"a b\"", "a b"),
            (r#""a \"b\" \\ %20""#, r#"a "b" \  "#),
            ("\"", "\""),
            ("grüße", "grüße"),
            ("", ""),
        ] {
            assert_eq!(decode(value.as_bytes()).as_deref(), Ok(decoded), "{value}");
        }
    }

    #[test]
    fn refuses_broken_escapes_and_broken_text() {
        for broken in ["%", "a%4", "%G1", "%1G", "%%20", "% 20", "%+1"] {
            assert_eq!(decode(broken.as_bytes()), Err(Fault::Percent), "{broken}");
        }
        for broken in [&b"%FF"[..], b"\xff", b"%E2%82", b"\xe2%82"] {
            assert_eq!(decode(broken), Err(Fault::Utf8), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_from_printable_ascii(text: String) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(decode(encoded.as_bytes()), Ok(text));
        }
    }
}
