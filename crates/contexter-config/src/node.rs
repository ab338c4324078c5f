//! The tree in which layers meet, before anybody knows the types.

use std::collections::BTreeMap;
use std::collections::btree_map;

use secrecy::zeroize::Zeroizing;

use crate::{Error, ErrorKind, Origin};

/// A value and where it was written. Not `Debug`: it may be a secret.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// What was written. Scalars stay the text they are until a type is asked for.
#[derive(Clone)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text without quotes, which may be meant as a number or a boolean.
    Plain(Zeroizing<String>),
    /// Text that is nothing else.
    Text(Zeroizing<String>),
    List(Vec<Node>),
    Map(BTreeMap<String, Entry>),
}

/// A value under a key.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Where the key was written.
    pub(crate) key: Origin,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn empty(layer: usize) -> Self {
        Self {
            value: Value::Map(BTreeMap::new()),
            origin: Origin::nowhere(layer),
        }
    }

    /// Lays `upper` over this tree: mappings are merged key by key, everything else is replaced.
    ///
    /// Nothing over a mapping changes nothing, so that a section whose lines are all commented out
    /// does not wipe out what a lower layer says.
    pub(crate) fn merge(&mut self, upper: Self) {
        match (&mut self.value, upper.value) {
            (Value::Map(_), Value::Null) => {}
            (Value::Map(entries), Value::Map(over)) => {
                // What is missing here is best written where the last file wrote the rest.
                if upper.origin.is_file() {
                    self.origin = upper.origin;
                }
                for (key, entry) in over {
                    let key = if entry.key.is_variable() {
                        written_as(entries, &key).unwrap_or(key)
                    } else {
                        key
                    };
                    match entries.entry(key) {
                        btree_map::Entry::Occupied(mut lower) => {
                            let lower = lower.get_mut();
                            lower.key = entry.key;
                            lower.node.merge(entry.node);
                        }
                        btree_map::Entry::Vacant(free) => {
                            free.insert(entry);
                        }
                    }
                }
            }
            (value, over) => {
                *value = over;
                self.origin = upper.origin;
            }
        }
    }

    /// Puts `value` under the key at `path`, creating the mappings on the way.
    pub(crate) fn insert(
        &mut self,
        path: &[String],
        value: Value,
        origin: &Origin,
    ) -> Result<(), Error> {
        let Some((key, rest)) = path.split_first() else {
            self.value = value;
            self.origin = origin.clone();
            return Ok(());
        };
        let Value::Map(entries) = &mut self.value else {
            let message = format!("is inside a value that {} sets", self.origin);
            return Err(Error::new(ErrorKind::InvalidKey, message).at(origin.clone()));
        };
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry {
            key: origin.clone(),
            node: Self {
                value: Value::Map(BTreeMap::new()),
                origin: origin.clone(),
            },
        });
        entry.node.insert(rest, value, origin)
    }

    /// Returns the value under the key at `path`.
    pub(crate) fn get(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| match &node.value {
            Value::Map(entries) => entries.get(key).map(|entry| &entry.node),
            _ => None,
        })
    }

    /// Returns whether both trees hold the same values, wherever these were written.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Plain(a), Value::Plain(b)) | (Value::Text(a), Value::Text(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|((a, x), (b, y))| a == b && x.node.same(&y.node))
            }
            _ => false,
        }
    }
}

/// Finds the key that an environment variable means, whose name has neither case nor dashes.
pub(crate) fn written_as<V>(entries: &BTreeMap<String, V>, key: &str) -> Option<String> {
    if entries.contains_key(key) {
        return None;
    }
    entries.keys().find(|known| alike(known, key)).cloned()
}

/// Returns whether two keys differ only in case and in dashes for underscores.
pub(crate) fn alike(a: &str, b: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'-' => b'_',
        byte => byte.to_ascii_lowercase(),
    };
    a.bytes().map(plain).eq(b.bytes().map(plain))
}
