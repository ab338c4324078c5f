//! What the service says in the body of a refusal.

use std::time::Duration;

use contexter_http::{Secrets, clean};
use serde_json::Value;

use crate::config::KEY_PREFIX;

/// A wait that the body asks for is not believed beyond this: no month is longer.
const MAX_BODY_WAIT: Duration = Duration::from_hours(24 * 31);

/// The body of an error: `{"error": "<code>", "message": "<text>"}`, or whatever else came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    error: Option<String>,
    /// Whether `error` is one of the vendor's words, rather than a text.
    is_code: bool,
    message: Option<String>,
    pub(crate) redirect: Option<String>,
    pub(crate) wait: Option<Duration>,
    /// Whether the body is text without form; it is looked at, and never shown.
    loose: String,
}

impl Words {
    pub(crate) fn of(body: &[u8], secrets: &Secrets) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => Self::of_json(&json, secrets),
            Err(_no_json) => Self {
                // Enough to find a word in.
                loose: String::from_utf8_lossy(body.get(..2_048).unwrap_or(body)).to_lowercase(),
                ..Self::default()
            },
        }
    }

    pub(crate) fn of_json(json: &Value, secrets: &Secrets) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let error = json.get("error");
        // Some gateways nest: {"error": {"code": …, "message": …}}.
        let said = text(error).or_else(|| text(error?.get("code")));
        Self {
            // A key that is repeated there is no code, whatever its letters: codes are shown as they are.
            is_code: said
                .as_deref()
                .is_some_and(|said| is_code(said) && !secrets.are_in(said)),
            error: said,
            message: text(json.get("message")).or_else(|| text(error?.get("message"))),
            redirect: text(json.get("redirectUrl")),
            wait: json
                .get("retryAfterSeconds")
                .and_then(Value::as_f64)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .map(|wait| wait.min(MAX_BODY_WAIT)),
            loose: String::new(),
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.error.is_some()
    }

    /// Returns the vendor's word, if what stands in its place is one.
    pub(crate) fn code(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| self.is_code)
    }

    /// Returns what the vendor says to people.
    pub(crate) fn said(&self) -> Option<&str> {
        let instead_of_code = || self.error.as_deref().filter(|_| self.code().is_none());
        self.message
            .as_deref()
            .or_else(instead_of_code)
            .map(str::trim)
            .filter(|said| !said.is_empty())
    }

    pub(crate) fn speaks_of_quota(&self) -> bool {
        let said = [self.error.as_deref(), self.message.as_deref()];
        said.into_iter()
            .flatten()
            .map(str::to_lowercase)
            .chain([self.loose.clone()])
            .any(|said| said.contains("quota") || said.contains("monthly"))
    }
}

/// Tells whether a text is written as the vendor's codes are.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Makes a vendor's words fit for an error: one line, no key, not too long.
pub(crate) fn cleaned(said: &str, secrets: &Secrets, max_chars: usize) -> String {
    // Ours first, of which a part looks like a key as well; then those of others, on one line, since what does
    // not show may stand in one; and only then the cut.
    let line = clean(&without_keys(&secrets.line(said)));
    if line.chars().count() <= max_chars {
        return line;
    }
    let mut cut: String = line.chars().take(max_chars).collect();
    cut.push('…');
    cut
}

/// Replaces whatever looks like a key, also one that is not ours.
fn without_keys(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(start) = rest.find(KEY_PREFIX) {
        let (before, key) = rest.split_at(start);
        kept.push_str(before);
        kept.push_str("[redacted]");
        let end = key
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .unwrap_or(key.len());
        rest = key.get(end..).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_line_without_a_key_and_without_what_turns_text_around() {
        let secrets = Secrets::new(["another-kind-of-key", "ctx7sk-a/rest"]);
        for (said, shown) in [
            (
                "no ctx7sk-a/rest, ctx7sk%2Da%2Frest!",
                "no [redacted], [redacted]!",
            ),
            (" over\r\nquota \u{202e}won ", "over quota won"),
            ("no another-kind-of-key!", "no [redacted]!"),
            ("no another-\u{1}kind-\u{200b}of-key!", "no [redacted]!"),
            ("no ctx7sk-some\u{1}body-elses", "no [redacted]"),
            ("no ctx7\u{200b}sk-somebody-elses!", "no [redacted]!"),
        ] {
            assert_eq!(cleaned(said, &secrets, 300), shown, "{said:?}");
        }
        let key = "ctx7sk-some-body";
        let ours = Secrets::new([key]);
        for (at, tear) in (0..=key.len()).flat_map(|at| ['\u{200b}', '\u{1}'].map(|c| (at, c))) {
            let (one, two) = key.split_at(at);
            let said = format!("no {one}{tear}{two}!");
            for secrets in [&ours, &Secrets::default()] {
                assert_eq!(cleaned(&said, secrets, 300), "no [redacted]!", "{said:?}");
            }
        }
        let cut = cleaned(&"x".repeat(100), &secrets, 10);
        assert_eq!(cut.chars().count(), 11);
    }
}
