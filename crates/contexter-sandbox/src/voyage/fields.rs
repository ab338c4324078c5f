//! The fields of a request: what is not set may be left out or `null`, what is unknown is refused.

use serde_json::{Map, Value};

use crate::voyage::offers::MAX_ITEMS;
use crate::voyage::refusal::Refusal;

/// The fields of a request's body; each is taken out once, and none may be left at the end.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Refusal::malformed("", "value is not a valid dict")),
            Err(_) => Err(Refusal::invalid(
                "Invalid JSON: the body of the request cannot be parsed.",
            )),
        }
    }

    pub(super) fn of(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// Takes a field out; `null` is as good as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&mut self, name: &str) -> Result<Value, Refusal> {
        self.take(name)
            .ok_or_else(|| Refusal::malformed(name, "field required"))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, Refusal> {
        match self.required(name)? {
            Value::String(text) => Ok(text),
            _ => Err(Refusal::malformed(name, "str type expected")),
        }
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::malformed(name, "str type expected")),
        }
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> Result<bool, Refusal> {
        match self.take(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Refusal::malformed(
                name,
                "value could not be parsed to a boolean",
            )),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number)),
                None => Err(Refusal::malformed(name, "value is not a valid integer")),
            },
        }
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, Refusal> {
        let value = self.required(name)?;
        list_of_texts(name, value)
    }

    /// Refuses what is left.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Refusal::invalid(format!(
                "Argument '{name}' is not supported by our API."
            ))),
        }
    }
}

/// Reads a list of 1 to 1,000 texts.
pub(super) fn list_of_texts(name: &str, value: Value) -> Result<Vec<String>, Refusal> {
    let Value::Array(items) = value else {
        return Err(Refusal::malformed(name, "value is not a valid list"));
    };
    check_count(name, items.len())?;
    items
        .into_iter()
        .map(|item| match item {
            Value::String(text) => Ok(text),
            _ => Err(Refusal::malformed(name, "str type expected")),
        })
        .collect()
}

pub(super) fn check_count(name: &str, count: usize) -> Result<(), Refusal> {
    match count {
        0 => Err(Refusal::invalid(format!(
            "The list '{name}' cannot be empty."
        ))),
        1..=MAX_ITEMS => Ok(()),
        _ => Err(Refusal::invalid(format!(
            "The batch size limit is {MAX_ITEMS}. Your batch size is {count}."
        ))),
    }
}

/// What texts are for; the model is told with a prompt, which counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputType {
    Query,
    Document,
}

impl InputType {
    pub(super) fn take(fields: &mut Fields) -> Result<Option<Self>, Refusal> {
        match fields.optional_text("input_type")?.as_deref() {
            None => Ok(None),
            Some("query") => Ok(Some(Self::Query)),
            Some("document") => Ok(Some(Self::Document)),
            Some(other) => Err(Refusal::invalid(format!(
                "Input type '{other}' is not supported. Supported input types are [null, 'query', \
                 'document']."
            ))),
        }
    }

    /// Returns what the vendor documents to put before a text.
    pub(super) fn prompt(self) -> &'static str {
        match self {
            Self::Query => "Represent the query for retrieving supporting documents: ",
            Self::Document => "Represent the document for retrieval: ",
        }
    }
}
