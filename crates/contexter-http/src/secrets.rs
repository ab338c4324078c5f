//! What must not be shown, and how text from outside is made fit to be shown.

use std::fmt;
use std::sync::Arc;

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// A shorter secret is not looked for in texts: it would be found in ordinary words.
const SHORTEST_SECRET: usize = 4;

/// The longest text of a service that an error shows, in characters.
const LONGEST_TEXT: usize = 300;

/// Makes a text that came from a service safe to be part of an error or a log line.
///
/// The result is one line: runs of white space become one space; control characters and those that
/// change the direction of text are left out. It has at most 300 characters, the last of which is
/// `…` if something was cut off.
///
/// # Examples
///
/// ```
/// use contexter_http::clean;
///
/// assert_eq!(clean(" over quota,\r\n\tsee \u{1b}[31mbilling "), "over quota, see [31mbilling");
/// assert_eq!(clean(&"x".repeat(1000)).chars().count(), 300);
/// ```
#[must_use]
pub fn clean(text: &str) -> String {
    let mut shown = String::new();
    let mut length = 0;
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() {
            gap = length > 0;
            continue;
        }
        if character.is_control() || is_invisible(character) {
            continue;
        }
        let needed = 1 + usize::from(gap);
        if length + needed > LONGEST_TEXT {
            if length == LONGEST_TEXT {
                shown.pop();
            }
            shown.push('…');
            break;
        }
        if gap {
            shown.push(' ');
        }
        shown.push(character);
        length += needed;
        gap = false;
    }
    shown
}

/// Tells whether a character is there to steer how others are shown (Unicode, `Cf`).
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}')
}

/// Texts that no error may hold: keys and passwords. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<[String]>);

impl Secrets {
    /// Returns these and the others.
    pub(crate) fn and(&self, others: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<_> = self.0.iter().cloned().chain(others).collect();
        all.retain(|secret| secret.len() >= SHORTEST_SECRET);
        // The longest first, so that none hides the rest of another that holds it.
        all.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self(all.into())
    }

    /// Puts `[redacted]` in the place of every secret.
    pub(crate) fn hide(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), REDACTED)
            } else {
                text
            }
        })
    }

    /// Tells whether the text holds a secret.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Tells by the name of a header whether its value is a credential.
pub(crate) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "cookie"
        || name == "set-cookie"
        || name.ends_with("-key")
        || [
            "authorization",
            "apikey",
            "api_key",
            "token",
            "secret",
            "password",
        ]
        .iter()
        .any(|word| name.contains(word))
}

/// Tells by the name of a header whether its value is an address.
fn is_address(name: &str) -> bool {
    matches!(
        name,
        "location" | "content-location" | "referer" | "refresh" | "link"
    )
}

/// Headers as they may be shown: without credentials, without the queries of addresses, and without
/// secrets that a service repeats.
pub(crate) struct Shown<'a> {
    pub(crate) headers: &'a reqwest::header::HeaderMap,
    pub(crate) secrets: &'a Secrets,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.headers {
            if value.is_sensitive() || is_sensitive(name.as_str()) {
                map.entry(name, &REDACTED);
                continue;
            }
            let text = String::from_utf8_lossy(value.as_bytes());
            // An address may hold keys that are not ours: before the host, in its query, behind it.
            let has_more = is_address(name.as_str()) && text.contains(['?', '#', '@']);
            if has_more {
                map.entry(name, &REDACTED);
            } else {
                map.entry(name, &self.secrets.hide(text.into_owned()));
            }
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        for (text, shown) in [
            ("", ""),
            ("  \n ", ""),
            ("plain", "plain"),
            ("a\r\nb\tc", "a b c"),
            ("a\u{0}b\u{7f}", "ab"),
            ("safe\u{202e}txet", "safetxet"),
            ("naïve – ok", "naïve – ok"),
        ] {
            assert_eq!(clean(text), shown, "{text:?}");
        }
        let exact = "y".repeat(300);
        assert_eq!(clean(&exact), exact);
        let cut = clean(&format!("{exact}z"));
        assert_eq!(cut.chars().count(), 300);
        assert!(cut.ends_with("y…"), "{cut}");
        let cut = clean(&format!("{} z", "y".repeat(299)));
        assert_eq!(cut, format!("{}…", "y".repeat(299)));
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_is_and_also_within_another() {
        let secrets = Secrets::default().and(["key-1".into(), "key-12".into(), "abc".into()]);
        assert_eq!(
            secrets.hide("key-12 and key-1 and abc".into()),
            "[redacted] and [redacted] and abc"
        );
        assert!(secrets.are_in("a key-1") && !secrets.are_in("key-"));
        assert_eq!(format!("{secrets:?}"), "[redacted]");
    }

    #[test]
    fn credentials_are_known_by_the_name_of_their_header() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "X-API-Key",
            "api-key",
            "x-goog-api-key",
            "cookie",
            "Set-Cookie",
            "x-auth-token",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["content-type", "x-request-id", "retry-after", "accept"] {
            assert!(!is_sensitive(name), "{name}");
        }
    }
}
