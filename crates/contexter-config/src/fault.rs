//! An error on its way up through the types, gathering where it happened.

use std::fmt;

use serde::de::{Error as SerdeError, Expected, Unexpected};

use crate::choice::choice;
use crate::key::{self, sounds_secret};
use crate::node::{Node, Value};
use crate::{Error, ErrorKind, Origin};

/// The longest text that an error repeats for being meant as the name of a variant.
const LONGEST_VARIANT: usize = 20;

/// What a type said about a value. It becomes an [`Error`] at the root.
#[derive(Debug)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    // What to say instead if the value turns out to be a secret.
    discreet: String,
    // Innermost first.
    path: Vec<String>,
    origin: Option<Origin>,
    // The message is in words of a foreign type and may repeat the value.
    foreign: bool,
    source: Option<std::io::Error>,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            discreet: message.clone(),
            message,
            path: Vec::new(),
            origin: None,
            foreign: false,
            source: None,
        }))
    }

    fn discreet(mut self, message: impl Into<String>) -> Self {
        self.0.discreet = message.into();
        self
    }

    fn of_key(mut self, key: &str) -> Self {
        if !key.is_empty() {
            self.0.path.push(key.to_owned());
        }
        self
    }

    pub(crate) fn because(mut self, source: std::io::Error) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Says which value it is about, if nobody further in has, and clears the message of its text.
    pub(crate) fn at(mut self, node: &Node) -> Self {
        if std::mem::take(&mut self.0.foreign) {
            scrub(&mut self.0.message, node, false);
        }
        self.at_origin(&node.origin)
    }

    /// Says where it happened, if nobody further in has.
    pub(crate) fn at_origin(mut self, origin: &Origin) -> Self {
        if !origin.is_nowhere() {
            self.0.origin.get_or_insert_with(|| origin.clone());
        }
        self
    }

    /// Says under which key the value is.
    pub(crate) fn within(self, key: &str) -> Self {
        let discreet = if sounds_secret(key) {
            self.hide()
        } else {
            self
        };
        discreet.of_key(key)
    }

    /// Forgets what the value was.
    pub(crate) fn hide(mut self) -> Self {
        self.0.message.clone_from(&self.0.discreet);
        self
    }

    /// Ends the way up below `prefix`.
    pub(crate) fn into_error(self, prefix: &[String]) -> Error {
        let Inner {
            kind,
            message,
            path,
            origin,
            source,
            ..
        } = *self.0;
        let mut key = prefix.join(".");
        for part in path.iter().rev() {
            if !key.is_empty() && !part.starts_with('[') {
                key.push('.');
            }
            key.push_str(part);
        }
        let mut error = Error::new(kind, message).of_key(key);
        if let Some(origin) = origin {
            error = error.at(origin);
        }
        if let Some(source) = source {
            error = error.because(source);
        }
        error
    }
}

/// Replaces what `node` holds wherever `message` repeats it; below a mapping, only secrets.
fn scrub(message: &mut String, node: &Node, only_secrets: bool) {
    match &node.value {
        Value::Plain(text) | Value::Text(text) if !only_secrets => scrub_text(message, text),
        Value::Brackets { text, tree } => {
            if !only_secrets {
                scrub_text(message, text);
            }
            scrub(message, tree, only_secrets);
        }
        Value::Map(entries) => {
            for (key, entry) in entries {
                scrub(message, &entry.node, !sounds_secret(key));
            }
        }
        Value::List(items) => {
            for item in items {
                scrub(message, item, only_secrets);
            }
        }
        _ => {}
    }
}

fn scrub_text(message: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    *message = message.replace(&format!("{text:?}"), "…");
    // Shorter text is likely to be part of a word.
    if text.len() >= 4 {
        *message = message.replace(text, "…");
    }
}

/// Names the kind of a value without the value.
fn kind_of(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a mapping",
        _ => "text",
    }
}

impl SerdeError for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let mut fault = Self::new(ErrorKind::InvalidValue, message.to_string())
            .discreet("the value is not allowed");
        fault.0.foreign = true;
        fault
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = format!("expected {expected}, found {}", kind_of(&found));
        Self::new(ErrorKind::WrongType, message)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let discreet = format!("the value is not allowed, expected {expected}");
        let value = match found {
            Unexpected::Unsigned(value) => value.to_string(),
            Unexpected::Signed(value) => value.to_string(),
            Unexpected::Float(value) => value.to_string(),
            _ => return Self::new(ErrorKind::InvalidValue, discreet),
        };
        let message = format!("{value} is not allowed, expected {expected}");
        Self::new(ErrorKind::InvalidValue, message).discreet(discreet)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let message = format!("{length} values, expected {expected}");
        Self::new(ErrorKind::InvalidValue, message)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let choice = choice(variant, expected);
        let message = if could_be_variant(variant) {
            format!("{variant:?} is not known; {choice}")
        } else {
            format!("the value is not known; {choice}")
        };
        Self::new(ErrorKind::InvalidValue, message).discreet("the value is not known")
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let (field, slip) = key::told(field);
        let slip = slip.map_or(String::new(), |slip| format!("{slip}; "));
        let message = format!("unknown key; {slip}{}", choice(field, expected));
        Self::new(ErrorKind::UnknownKey, message).of_key(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(ErrorKind::MissingKey, "is missing").of_key(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(
            ErrorKind::InvalidKey,
            "is there twice under different names",
        )
        .of_key(field)
    }
}

/// Returns whether a text looks like a name, and not like a value that may be secret.
fn could_be_variant(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.len() <= LONGEST_VARIANT && text.chars().all(is_of_name)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Fault {}
