//! The only module that knows which YAML parser is used.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, NonFiniteFloatPolicy, Options, Spanned};

use crate::node::{Entry, Node, Value};
use crate::{Error, ErrorKind, Origin, key};

/// Reads one YAML document; an empty one is an empty mapping.
pub(crate) fn parse(text: &str, path: &Arc<Path>, layer: usize) -> Result<Node, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = Document { text, path, layer };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options()) {
        Ok(root) => Ok(document.node(root)),
        Err(error) => match error.without_snippet() {
            serde_saphyr::Error::Eof { .. } => Ok(Node {
                value: Value::Empty,
                origin: Origin::file(path, 1, 1, layer),
            }),
            error => Err(document.fault(error)),
        },
    }
}

/// Limits far above any configuration written by hand, and far below what hurts.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_recorded_anchor_events: 100_000,
            // A second one gets an error of its own.
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `yes`, `no`, `on` and `off` are text, as YAML 1.2 says.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // A snippet shows the neighbouring lines, and with them their secrets.
        with_snippet: false,
    }
}

/// A value as the parser hands it out.
enum Raw {
    Null,
    /// A boolean or a number: what it looked like is in the source.
    Typed(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary values are not supported"))
    }
}

struct Document<'a> {
    text: &'a str,
    path: &'a Arc<Path>,
    layer: usize,
}

impl Document<'_> {
    fn node(&self, raw: Spanned<Raw>) -> Node {
        let written = raw.defined;
        let value = match raw.value {
            Raw::Null => match self.plain_source(written) {
                Some("~" | "null" | "Null" | "NULL") => Value::Null,
                _ => Value::Empty,
            },
            Raw::Typed(canonical) => {
                let source = self.plain_source(written);
                Value::Plain(Zeroizing::new(source.map_or(canonical, str::to_owned)))
            }
            Raw::Text(text) => Value::Text(Zeroizing::new(text)),
            Raw::List(items) => {
                Value::List(items.into_iter().map(|item| self.node(item)).collect())
            }
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let written = self.origin(key.referenced);
                        (key.value, Entry::new(written, self.node(value)))
                    })
                    .collect::<BTreeMap<_, _>>(),
            ),
        };
        Node {
            value,
            origin: self.origin(raw.referenced),
        }
    }

    /// Returns the text of a scalar as it was written, unless it was quoted.
    fn plain_source(&self, location: Location) -> Option<&str> {
        let span = location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        let source = self.text.get(start..start.checked_add(length)?)?.trim();
        let quoted = source.starts_with(['"', '\'', '|', '>']);
        (!source.is_empty() && !quoted).then_some(source)
    }

    fn origin(&self, location: Location) -> Origin {
        Origin::file(self.path, location.line(), location.column(), self.layer)
    }

    fn fault(&self, error: &serde_saphyr::Error) -> Error {
        use serde_saphyr::Error as Parser;

        let location = error.location();
        let (kind, message) = match error {
            Parser::Budget { .. }
            | Parser::AliasReplayCounterOverflow { .. }
            | Parser::AliasReplayLimitExceeded { .. }
            | Parser::AliasExpansionLimitExceeded { .. }
            | Parser::AliasReplayStackDepthExceeded { .. } => (
                ErrorKind::TooLarge,
                "too many values, aliases or levels for a configuration".to_owned(),
            ),
            Parser::AliasError { error, .. } => return self.fault(error),
            Parser::DuplicateMappingKey { key: Some(key), .. } => {
                let (key, slip) = key::told(key);
                let slip = slip.map_or(String::new(), |slip| format!("; {slip}"));
                (
                    ErrorKind::InvalidKey,
                    format!("the key {key:?} is there twice{slip}"),
                )
            }
            Parser::DuplicateMappingKey { .. } => {
                (ErrorKind::InvalidKey, "a key is there twice".to_owned())
            }
            Parser::MultipleDocuments { .. } => (
                ErrorKind::Syntax,
                "more than one document; a configuration is one".to_owned(),
            ),
            Parser::UnknownAnchor { .. } => (
                ErrorKind::Syntax,
                "an alias of nothing; text that begins with * needs quotes".to_owned(),
            ),
            // The scanner's own words, which repeat at most one character of the source.
            Parser::ExternalMessage { msg, .. } => {
                (ErrorKind::Syntax, format!("not valid YAML: {msg}"))
            }
            _ => (ErrorKind::Syntax, "not valid YAML".to_owned()),
        };
        let (line, column) = location.map_or((1, 1), |at| (at.line(), at.column()));
        Error::new(kind, message).at(Origin::file(self.path, line, column, self.layer))
    }
}
