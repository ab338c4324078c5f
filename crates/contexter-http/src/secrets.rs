//! What must not be shown, and how text from outside is made fit to be shown.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

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
/// `…` if something was cut off. Where the service may repeat a key, [`Secrets::told`] takes it out
/// before the cut.
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
    cut(one_line(text))
}

/// Makes one line of a text, without what does not show.
fn one_line(text: &str) -> String {
    let mut shown = String::new();
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() {
            gap = !shown.is_empty();
            continue;
        }
        if character.is_control() || is_invisible(character) {
            continue;
        }
        if gap {
            shown.push(' ');
        }
        shown.push(character);
        gap = false;
    }
    shown
}

/// Cuts a line to the longest that is shown.
fn cut(mut line: String) -> String {
    let mut starts = line.char_indices().map(|(at, _)| at);
    let (last, beyond) = (starts.nth(LONGEST_TEXT - 1), starts.next());
    if let (Some(last), Some(_)) = (last, beyond) {
        line.truncate(last);
        line.truncate(line.trim_end().len());
        line.push('…');
    }
    line
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
///
/// They are found in any case of their letters, as they are and as services write them when they
/// repeat what they got: in the query of an address, in a form, in JSON, in Base64. One of less than
/// four bytes is not looked for.
///
/// # Examples
///
/// ```
/// use contexter_http::Secrets;
///
/// let secrets = Secrets::new(["pa/s3cr3t"]);
/// assert_eq!(secrets.told("no pa/s3cr3t,\nsee ?key=PA%2FS3CR3T"), "no [redacted], see ?key=[redacted]");
/// assert_eq!(format!("{secrets:?}"), "[redacted]");
/// ```
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// Takes up keys and passwords.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::default().and(secrets.into_iter().map(Into::into))
    }

    /// Returns these and the others.
    pub(crate) fn and(&self, others: impl IntoIterator<Item = String>) -> Self {
        let others = others
            .into_iter()
            .filter(|secret| secret.len() >= SHORTEST_SECRET);
        let others = others.flat_map(|secret| spellings(&secret));
        let mut all: Vec<_> = self.0.iter().cloned().chain(others).collect();
        // The longest first, so that none hides the rest of another that holds it.
        all.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self(all.into())
    }

    /// Puts `[redacted]` in the place of every secret.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in self.0.iter() {
            // Of the same length, to the byte.
            let folded = shown.to_ascii_lowercase();
            let mut rest = 0;
            let mut kept = String::new();
            for (start, found) in folded.match_indices(secret.as_str()) {
                kept.push_str(shown.get(rest..start).unwrap_or_default());
                kept.push_str(REDACTED);
                rest = start.saturating_add(found.len());
            }
            if rest > 0 {
                kept.push_str(shown.get(rest..).unwrap_or_default());
                shown = kept;
            }
        }
        shown
    }

    /// Makes a text of a service fit to be shown, as [`clean`], with `[redacted]` in the place of every
    /// secret, also where the cut or what does not show would have hidden it.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        // Before the text is a line, which takes white space out of it; and after that, which could put
        // a secret together that invisible characters stood in; and before the cut.
        cut(self.hide(&one_line(&self.hide(text))))
    }

    /// Returns whether a text holds a secret.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// What is left as it is in an address (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns a secret as services may write it, with its letters in lower case.
fn spellings(secret: &str) -> Vec<String> {
    let in_query = utf8_percent_encode(secret, RESERVED).to_string();
    let in_form = in_query.replace("%20", "+");
    let in_json = serde_json::to_string(secret).unwrap_or_default();
    let in_json = in_json
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    [
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        in_query,
        in_form,
        in_json.unwrap_or_default().replace('/', "\\/"),
        in_json.unwrap_or_default().to_owned(),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
    .into_iter()
    .map(|spelled| spelled.to_ascii_lowercase())
    .collect()
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
                map.entry(name, &self.secrets.hide(&text));
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
        let secrets = Secrets::new(["key-1", "key-12", "abc"]);
        assert_eq!(
            secrets.hide("key-12 and key-1 and abc"),
            "[redacted] and [redacted] and abc"
        );
        assert!(secrets.are_in("a KEY-1") && !secrets.are_in("key-"));
        assert_eq!(format!("{secrets:?}"), "[redacted]");
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_written() {
        let secrets = Secrets::new(["pa-1/\"s3 cr3t+"]);
        for written in [
            "pa-1/\"s3 cr3t+",
            "PA-1/\"S3 CR3T+",
            "pa-1%2F%22s3%20cr3t%2B",
            "pa-1%2f%22s3%20cr3t%2b",
            "pa%2D1%2F%22s3%20cr3t%2B",
            "pa-1%2F%22s3+cr3t%2B",
            "pa-1/\\\"s3 cr3t+",
            "pa-1\\/\\\"s3 cr3t+",
            "cGEtMS8iczMgY3IzdCs",
        ] {
            assert_eq!(secrets.told(&format!("not {written}!")), "not [redacted]!");
        }
        let spread: String = "pa-1/\"s3 cr3t+"
            .chars()
            .flat_map(|c| [c, '\u{200b}'])
            .collect();
        assert_eq!(secrets.told(&spread), "[redacted]");
    }

    #[test]
    fn a_secret_is_hidden_before_a_text_is_cut() {
        let secrets = Secrets::new(["s3cr3t-key"]);
        for filling in 280..=300 {
            for written in ["s3cr3t-key", "s\u{200b}3cr3t-key", "S3CR3T%2DKEY"] {
                let told = secrets.told(&format!("{}{written} and more", "x".repeat(filling)));
                assert!(!told.to_lowercase().contains("s3"), "{told}");
                assert!(told.chars().count() <= 300, "{told}");
            }
        }
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
