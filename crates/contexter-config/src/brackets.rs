//! Lists and mappings that an environment variable writes in brackets.

use std::path::Path;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use crate::node::{Node, Value};
use crate::{Origin, yaml};

/// Returns whether a text looks like `[a, b]` or `{a: b}`.
pub(crate) fn are_in(text: &str) -> bool {
    text.trim_start().starts_with(['[', '{'])
}

/// Makes the value of a variable, which may be meant as text or as what its brackets hold.
///
/// Brackets that cannot be read are text until somebody expects more than text.
pub(crate) fn value(text: &str, origin: &Origin) -> Value {
    let plain = Zeroizing::new(text.to_owned());
    if !are_in(text) {
        return Value::Plain(plain);
    }
    let nowhere: Arc<Path> = Path::new("").into();
    match yaml::parse(text, &nowhere, origin.layer()) {
        Ok(mut tree) if matches!(tree.value, Value::List(_) | Value::Map(_)) => {
            write_at(&mut tree, &origin.inside());
            let tree = Box::new(tree);
            Value::Brackets { text: plain, tree }
        }
        _ => Value::Plain(plain),
    }
}

/// Says of everything in a tree that it was written at `origin`.
fn write_at(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| write_at(item, origin)),
        Value::Map(entries) => {
            for entry in entries.values_mut() {
                entry.key = origin.clone();
                write_at(&mut entry.node, origin);
            }
        }
        _ => {}
    }
}
