//! The parts of lists, mappings and variants.

use std::collections::BTreeMap;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use crate::fault::Fault;
use crate::late::Late;
use crate::node::{Entry, Node, Value, alike};
use crate::secret_file::FromFile;
use crate::{ErrorKind, key};

/// Ends the key of a file that holds a secret.
const FILE_SUFFIX: &str = "_file";

pub(crate) fn visit_list<'de, V: Visitor<'de>>(
    list: Late<'_>,
    items: &[Node],
    visitor: V,
) -> Result<V::Value, Fault> {
    let mut access = Items {
        list,
        nodes: items,
        next: 0,
    };
    let value = visitor.visit_seq(&mut access)?;
    if access.next < items.len() {
        let message = format!("{} values, expected {}", items.len(), access.next);
        return Err(Fault::new(ErrorKind::InvalidValue, message));
    }
    Ok(value)
}

struct Items<'a> {
    list: Late<'a>,
    nodes: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.nodes.get(self.next) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(self.list.of(item))
            .map(Some)
            .map_err(|fault| fault.at(item).within(&format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        self.nodes.len().checked_sub(self.next)
    }
}

/// The entries of a mapping under the names of the reader's fields.
pub(crate) struct Entries<'a> {
    map: Late<'a>,
    named: Vec<(&'a str, &'a Entry, Source)>,
    next: usize,
}

#[derive(Clone, Copy)]
enum Source {
    Value,
    /// The value is the name of a file that holds it.
    File,
}

impl<'a> Entries<'a> {
    pub(crate) fn of(
        map: Late<'a>,
        entries: &'a BTreeMap<String, Entry>,
        fields: &'static [&'static str],
    ) -> Self {
        let mut named: Vec<(&str, &Entry, Source)> = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            let (name, source) = meant(key, entry, fields);
            match named.iter_mut().find(|(known, ..)| *known == name) {
                // `api_key` and `api_key_file`: the higher layer wins. Of the same layer, both
                // stay, and the type reports that the field is there twice.
                Some((_, known, kept)) if known.key.layer() < entry.key.layer() => {
                    (*known, *kept) = (entry, source);
                }
                Some((_, known, _)) if known.key.layer() > entry.key.layer() => {}
                _ => named.push((name, entry, source)),
            }
        }
        Self {
            map,
            named,
            next: 0,
        }
    }
}

/// Finds the field that a key means.
fn meant<'a>(key: &'a str, entry: &Entry, fields: &[&'static str]) -> (&'a str, Source) {
    if fields.is_empty() || fields.contains(&key) {
        return (key, Source::Value);
    }
    let freely = entry.is_spelled_freely();
    let field = |key: &str| {
        let same = |field: &&&'static str| **field == key || (freely && alike(field, key));
        fields.iter().find(same).copied()
    };
    if let Some(field) = field(key) {
        return (field, Source::Value);
    }
    match key.strip_suffix(FILE_SUFFIX).and_then(field) {
        Some(field) => (field, Source::File),
        None => (key, Source::Value),
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((name, entry, _)) = self.named.get(self.next) else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Fault> = (*name).into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|fault| fault.at_origin(&entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(&(name, entry, source)) = self.named.get(self.next) else {
            return Err(Fault::custom("a value was read before its key"));
        };
        self.next += 1;
        let node = &entry.node;
        let value = self.map.of(node);
        // A key with nothing after it may have swallowed its value.
        let told = match node.value {
            Value::Null | Value::Empty => key::told(name).0,
            _ => name,
        };
        match source {
            Source::Value => seed
                .deserialize(value)
                .map_err(|fault| fault.at(node).within(told)),
            Source::File => seed
                .deserialize(FromFile(value))
                .map_err(|fault| fault.at(node).within(&format!("{name}{FILE_SUFFIX}"))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.named.len().checked_sub(self.next)
    }
}

/// A variant with a value: `variant: value`.
pub(crate) struct Variant<'a> {
    pub(crate) name: &'a str,
    pub(crate) entry: &'a Entry,
    pub(crate) value: Late<'a>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        let variant = seed
            .deserialize(name)
            .map_err(|fault| fault.at_origin(&self.entry.key))?;
        Ok((variant, self))
    }
}

impl Variant<'_> {
    fn located(&self, fault: Fault) -> Fault {
        fault.at(&self.entry.node).within(self.name)
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.entry.node.value {
            Value::Null | Value::Empty => Ok(()),
            _ => Err(self.located(Fault::invalid_type(self.value.found(), &"nothing"))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.value)
            .map_err(|fault| self.located(fault))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.value
            .deserialize_tuple(length, visitor)
            .map_err(|fault| self.located(fault))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.value
            .deserialize_struct("", fields, visitor)
            .map_err(|fault| self.located(fault))
    }
}
