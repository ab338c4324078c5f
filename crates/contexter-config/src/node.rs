//! The tree in which layers meet, before anybody knows the types.

use std::collections::{BTreeMap, BTreeSet};

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
    /// `~` or `null`.
    Null,
    /// Nothing after the colon.
    Empty,
    /// Text without quotes, which may be meant as a number or a boolean.
    Plain(Zeroizing<String>),
    /// Text that is nothing else.
    Text(Zeroizing<String>),
    /// What a variable has in brackets: text where text is expected, or else a list or mapping.
    Brackets {
        text: Zeroizing<String>,
        tree: Box<Node>,
    },
    List(Vec<Node>),
    Map(BTreeMap<String, Entry>),
}

/// A value under a key.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Where the key was written.
    pub(crate) key: Origin,
    /// A variable gave the key its name, so case and dashes of the name mean nothing.
    pub(crate) loose: bool,
    pub(crate) node: Node,
}

impl Entry {
    /// Makes the entry of a key that was written at `key`.
    pub(crate) fn new(key: Origin, node: Node) -> Self {
        let loose = key.is_variable();
        Self { key, loose, node }
    }

    /// Returns whether who reads the key may spell it with another case, or with dashes.
    pub(crate) fn is_spelled_freely(&self) -> bool {
        self.loose || self.key.is_variable()
    }
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
    /// An empty value over a mapping changes nothing, so that a section whose lines are all
    /// commented out does not wipe out what a lower layer says. A written `null` does.
    pub(crate) fn merge(&mut self, mut upper: Self) {
        // Next to a mapping, brackets are no text.
        if matches!(self.value, Value::Map(_)) {
            upper.open();
        } else if matches!(upper.value, Value::Map(_)) {
            self.open();
        }
        match (&mut self.value, upper.value) {
            (Value::Map(_), Value::Empty) => {}
            (Value::Map(entries), Value::Map(over)) => {
                // What is missing here is best written where the last file wrote the rest.
                if upper.origin.is_file() {
                    self.origin = upper.origin;
                }
                let names: BTreeSet<_> = over.keys().cloned().collect();
                for (key, entry) in over {
                    lay(entries, key, entry, &names);
                }
            }
            (
                Value::Brackets { text, tree },
                Value::Brackets {
                    text: over,
                    tree: above,
                },
            ) => {
                *text = over;
                tree.merge(*above);
                self.origin = upper.origin;
            }
            (value, over) => {
                *value = over;
                self.origin = upper.origin;
            }
        }
    }

    /// Makes brackets that hold a mapping that mapping.
    fn open(&mut self) {
        if let Value::Brackets { tree, .. } = &mut self.value
            && matches!(tree.value, Value::Map(_))
        {
            self.value = std::mem::replace(&mut tree.value, Value::Empty);
        }
    }

    /// Returns what is in the brackets, if this is in brackets.
    pub(crate) fn opened(&self) -> &Self {
        match &self.value {
            Value::Brackets { tree, .. } => tree,
            _ => self,
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
        let entry = entries.entry(key.clone()).or_insert_with(|| {
            let node = Self {
                value: Value::Map(BTreeMap::new()),
                origin: origin.clone(),
            };
            Entry::new(origin.clone(), node)
        });
        entry.node.insert(rest, value, origin)
    }

    /// Returns the value under the key at `path`.
    pub(crate) fn get(&self, path: &[String]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |node, key| match &node.opened().value {
                Value::Map(entries) => find(entries, key),
                _ => None,
            })
    }

    /// Returns whether both trees hold the same values, wherever these were written.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null | Value::Empty, Value::Null | Value::Empty) => true,
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
            (Value::Brackets { text: a, tree: x }, Value::Brackets { text: b, tree: y }) => {
                a == b && x.same(y)
            }
            (Value::Brackets { tree, .. }, _) => tree.same(other),
            (_, Value::Brackets { tree, .. }) => self.same(tree),
            _ => false,
        }
    }
}

/// Lays an entry over the one that has the same key.
///
/// If a variable gave either its name, the keys need only be alike, and the other spelling is kept.
/// `names` are all keys of the layer: what one of them names exactly is not meant by another.
fn lay(entries: &mut BTreeMap<String, Entry>, key: String, entry: Entry, names: &BTreeSet<String>) {
    let like = |known: &Entry, name: &str| {
        (entry.loose || known.loose) && alike(name, &key) && !names.contains(name)
    };
    let known = if entries.contains_key(&key) {
        Some(key.clone())
    } else {
        let mut others = entries.iter();
        let other = others.find(|(name, known)| like(known, name));
        other.map(|(name, _)| name.clone())
    };
    let Some((known, mut lower)) = known.and_then(|known| entries.remove_entry(&known)) else {
        entries.insert(key, entry);
        return;
    };
    let key = if entry.loose { known } else { key };
    lower.key = entry.key;
    lower.node.merge(entry.node);
    entries.insert(key, lower);
}

/// Finds the value of a key, as whoever reads it spells the key.
fn find<'a>(entries: &'a BTreeMap<String, Entry>, key: &str) -> Option<&'a Node> {
    let like = || {
        let mut others = entries.iter();
        others.find(|(known, entry)| entry.is_spelled_freely() && alike(known, key))
    };
    let (_, entry) = entries.get_key_value(key).or_else(like)?;
    Some(&entry.node)
}

/// Returns whether two keys differ only in case and in dashes for underscores.
pub(crate) fn alike(a: &str, b: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'-' => b'_',
        byte => byte.to_ascii_lowercase(),
    };
    a.bytes().map(plain).eq(b.bytes().map(plain))
}
