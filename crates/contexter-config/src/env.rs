//! Environment variables as a layer.

use crate::node::Node;
use crate::{Error, ErrorKind, Origin, brackets};

/// Separates the prefix from the key, and the parts of the key from each other.
const SEPARATOR: &str = "__";

/// Returns the key that the variable `name` means, if it starts with `prefix` and the separator.
pub(crate) fn key<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix)?.strip_prefix(SEPARATOR)
}

/// Makes a tree of the variables that start with `prefix` and the separator.
pub(crate) fn layer(
    prefix: &str,
    variables: &[(String, String)],
    layer: usize,
) -> Result<Node, Error> {
    let mut tree = Node::empty(layer);
    let mut named: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| Some((name, key(name, prefix)?, value)))
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
        tree.insert(&path, brackets::value(value, &origin), &origin)?;
    }
    Ok(tree)
}
