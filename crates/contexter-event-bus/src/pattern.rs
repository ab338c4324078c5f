//! Which event types a subscription wants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A pattern over event types, whose tokens are separated by dots.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `document.ingested` | `document.ingested` | any other type |
/// | `document.*` | `document.ingested` | `document`, `document.page.ingested` |
/// | `*.completed` | `embedding.completed` | `completed` |
/// | `document.>` | `document.ingested`, `document.page.ingested` | `document` |
/// | `>` | every type | |
///
/// `*` stands for exactly one token, `>` for one or more and only at the end. A token is not empty
/// and contains no white space, no control character, no `*` and no `>`.
///
/// # Examples
///
/// ```
/// use contexter_event_bus::Pattern;
///
/// let pattern: Pattern = "document.*".parse()?;
/// assert!(pattern.matches("document.ingested"));
/// assert!(!pattern.matches("vector.indexed"));
/// # Ok::<(), contexter_event_bus::InvalidPattern>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Returns whether the pattern matches an event type.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        // Most patterns are a type, and whatever they are, they match themselves.
        if *self.0 == *event_type {
            return true;
        }
        let mut tokens = event_type.split('.');
        for wanted in self.0.split('.') {
            match (wanted, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                (_, _) => return false,
            }
        }
        tokens.next().is_none()
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let mut tokens = text.split('.').peekable();
        while let Some(token) = tokens.next() {
            let last = tokens.peek().is_none();
            let wild = token == "*" || (token == ">" && last);
            if !wild && !is_token(token) {
                return Err(InvalidPattern {
                    pattern: text.chars().take(80).collect(),
                });
            }
        }
        Ok(Self(text.into()))
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The error returned when a text is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid pattern {pattern:?}: non-empty tokens separated by dots are allowed, \
     `*` for one token and `>` for the rest"
)]
pub struct InvalidPattern {
    pattern: String,
}

/// Returns whether events of this type can be told apart by patterns.
pub(crate) fn is_event_type(text: &str) -> bool {
    text.split('.').all(is_token)
}

fn is_token(token: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>');
    !token.is_empty() && !token.contains(forbidden)
}
