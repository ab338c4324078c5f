//! Environment variables as a layer.

use secrecy::zeroize::Zeroizing;

use crate::node::{Node, Value};
use crate::{Error, ErrorKind, Origin};

/// Separates the prefix from the key, and the parts of the key from each other.
const SEPARATOR: &str = "__";

/// Makes a tree of the variables that start with `prefix` and the separator.
pub(crate) fn layer(
    prefix: &str,
    variables: &[(String, String)],
    layer: usize,
) -> Result<Node, Error> {
    let mut tree = Node::empty(layer);
    let mut named: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(prefix)?.strip_prefix(SEPARATOR)?;
            Some((name, key, value))
        })
        .collect();
    // A deterministic order, so that a contradiction is always reported of the same variable.
    named.sort_unstable();
    for (name, key, value) in named {
        let origin = Origin::variable(name, layer);
        let path: Vec<_> = key.split(SEPARATOR).map(str::to_ascii_lowercase).collect();
        if path.iter().any(String::is_empty) {
            let message = format!("has an empty part; write it like {prefix}__A__B");
            return Err(Error::new(ErrorKind::InvalidKey, message).at(origin));
        }
        let value = Value::Plain(Zeroizing::new(value.clone()));
        tree.insert(&path, value, &origin)?;
    }
    Ok(tree)
}
