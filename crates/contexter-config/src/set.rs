//! Values that the program sets.

use secrecy::zeroize::Zeroizing;
use serde_json::Value as Json;

use crate::node::{Entry, Node, Value};
use crate::{Error, Origin, key};

/// Makes a tree of the one value that is set under a dotted path.
pub(crate) fn single(key: &str, value: Json, layer: usize) -> Result<Node, Error> {
    let origin = Origin::set(layer);
    let mut tree = Node::empty(layer);
    let value = from_json(value, &origin).value;
    tree.insert(&key::parse(key)?, value, &origin)?;
    Ok(tree)
}

/// Makes a tree of a value whose types are known.
fn from_json(value: Json, origin: &Origin) -> Node {
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Plain(Zeroizing::new(value.to_string())),
        Json::Number(value) => Value::Plain(Zeroizing::new(value.to_string())),
        Json::String(text) => Value::Text(Zeroizing::new(text)),
        Json::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| from_json(item, origin))
                .collect(),
        ),
        Json::Object(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let node = from_json(value, origin);
                    (key, Entry::new(origin.clone(), node))
                })
                .collect(),
        ),
    };
    Node {
        value,
        origin: origin.clone(),
    }
}
