//! Gives the tree its types: a scalar is text until the reader's type says what it is.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use crate::access::{Entries, Variant, visit_list};
use crate::fault::Fault;
use crate::node::{Node, Value};
use crate::scalar::Scalar;
use crate::secret::SECRET;
use crate::secret_file::Reading;
use crate::{ErrorKind, brackets};

/// Reads a `T` from `node`, and the secrets in files of their own from `files`.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(
    node: &Node,
    files: &Reading<'_>,
) -> Result<T, Fault> {
    T::deserialize(Late { node, files }).map_err(|fault| fault.at(node))
}

/// A value that takes the type it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Late<'a> {
    pub(crate) node: &'a Node,
    pub(crate) files: &'a Reading<'a>,
}

impl<'a> Late<'a> {
    /// Returns another value of the same tree.
    pub(crate) fn of(self, node: &'a Node) -> Self {
        Self { node, ..self }
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Plain(text) | Value::Text(text) | Value::Brackets { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn found(self) -> Unexpected<'a> {
        match &self.node.value {
            Value::Null | Value::Empty => Unexpected::Unit,
            Value::Plain(text) => match Scalar::of(text) {
                Scalar::Bool(value) => Unexpected::Bool(value),
                Scalar::Whole(_) => Unexpected::Unsigned(0),
                Scalar::Fraction(value) => Unexpected::Float(value),
                Scalar::Text => Unexpected::Str(text),
            },
            Value::Text(text) | Value::Brackets { text, .. } => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    fn scalar(self) -> Scalar {
        match &self.node.value {
            Value::Plain(text) => Scalar::of(text),
            _ => Scalar::Text,
        }
    }

    /// Opens the brackets of a variable, where a list, a mapping or a variant is expected.
    fn opened(self) -> Result<Self, Fault> {
        match &self.node.value {
            Value::Plain(text) if self.node.origin.is_variable() && brackets::are_in(text) => {
                let fault = Fault::new(ErrorKind::Syntax, "not valid YAML in brackets");
                Err(fault.at(self.node))
            }
            _ => Ok(self.of(self.node.opened())),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.scalar() {
                Scalar::Whole(value) => visit_whole(value, visitor),
                _ => Err(Fault::invalid_type(self.found(), &visitor)),
            }
        }
    )*};
}

fn visit_whole<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Fault> {
    if let Ok(value) = u64::try_from(value) {
        visitor.visit_u64(value)
    } else if let Ok(value) = i64::try_from(value) {
        visitor.visit_i64(value)
    } else {
        visitor.visit_i128(value)
    }
}

impl<'de> Deserializer<'de> for Late<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null | Value::Empty => visitor.visit_unit(),
            Value::Text(text) | Value::Brackets { text, .. } => visitor.visit_str(text),
            Value::Plain(text) => match Scalar::of(text) {
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Whole(value) => visit_whole(value, visitor),
                Scalar::Fraction(value) => visitor.visit_f64(value),
                Scalar::Text => visitor.visit_str(text),
            },
            Value::List(items) => visit_list(self, items, visitor),
            Value::Map(entries) => visitor.visit_map(Entries::of(self, entries, &[])),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.scalar() {
            Scalar::Bool(value) => visitor.visit_bool(value),
            _ => Err(Fault::invalid_type(self.found(), &"true or false")),
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.scalar() {
            #[expect(clippy::cast_precision_loss, reason = "the reader asked for a float")]
            Scalar::Whole(value) => visitor.visit_f64(value as f64),
            Scalar::Fraction(value) => visitor.visit_f64(value),
            _ => Err(Fault::invalid_type(self.found(), &visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text() {
            Some(text) => visitor.visit_str(text),
            None => Err(Fault::invalid_type(self.found(), &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null | Value::Empty => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let value = visitor.visit_newtype_struct(self);
        if name == SECRET {
            value.map_err(Fault::hide)
        } else {
            value
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let opened = self.opened()?;
        match &opened.node.value {
            Value::List(items) => visit_list(self, items, visitor),
            Value::Null | Value::Empty => visit_list(self, &[], visitor),
            _ => Err(Fault::invalid_type(opened.found(), &visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let opened = self.opened()?;
        match &opened.node.value {
            Value::Map(entries) => visitor.visit_map(Entries::of(self, entries, fields)),
            Value::Null | Value::Empty => {
                visitor.visit_map(Entries::of(self, &BTreeMap::new(), fields))
            }
            _ => Err(Fault::invalid_type(opened.found(), &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let opened = self.opened()?;
        match &opened.node.value {
            Value::Plain(text) | Value::Text(text) => {
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Value::Map(entries) if entries.len() == 1 => {
                let chosen = entries.iter().next();
                let (name, entry) = chosen.ok_or_else(|| Fault::missing_field("variant"))?;
                let value = self.of(&entry.node);
                visitor.visit_enum(Variant { name, entry, value })
            }
            _ => Err(Fault::invalid_type(opened.found(), &visitor)),
        }
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct ignored_any
    }
}
