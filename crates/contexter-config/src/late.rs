//! Gives the tree its types: a scalar is text until the reader's type says what it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use crate::access::{Entries, Variant, visit_list};
use crate::fault::Fault;
use crate::node::{Node, Value};
use crate::scalar::Scalar;
use crate::secret::SECRET;
use crate::{ErrorKind, yaml};

/// Reads a `T` from `node`.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(node: &Node) -> Result<T, Fault> {
    T::deserialize(Late(node)).map_err(|fault| fault.at(node))
}

/// Reads a `T` from an empty section that is written nowhere.
pub(crate) fn typed_of_nothing<T: serde::de::DeserializeOwned>() -> Result<T, Fault> {
    typed(&Node::empty(0))
}

/// A value that takes the type it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Late<'a>(pub(crate) &'a Node);

impl<'a> Late<'a> {
    fn text(self) -> Option<&'a str> {
        match &self.0.value {
            Value::Plain(text) | Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn found(self) -> Unexpected<'a> {
        match &self.0.value {
            Value::Null => Unexpected::Unit,
            Value::Plain(text) => match Scalar::of(text) {
                Scalar::Bool(value) => Unexpected::Bool(value),
                Scalar::Whole(_) => Unexpected::Unsigned(0),
                Scalar::Fraction(value) => Unexpected::Float(value),
                Scalar::Text => Unexpected::Str(text),
            },
            Value::Text(text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    fn scalar(self) -> Scalar {
        match &self.0.value {
            Value::Plain(text) => Scalar::of(text),
            _ => Scalar::Text,
        }
    }

    /// Reads the list or mapping that an environment variable writes as `[a, b]` or `{a: b}`.
    fn inline(self) -> Option<Result<Node, Fault>> {
        let Value::Plain(text) = &self.0.value else {
            return None;
        };
        if !self.0.origin.is_variable() || !text.trim_start().starts_with(['[', '{']) {
            return None;
        }
        let nowhere: Arc<Path> = Path::new("").into();
        let parsed = yaml::parse(text, &nowhere, self.0.origin.layer());
        Some(parsed.map_err(|_position_within_the_variable| {
            Fault::new(ErrorKind::Syntax, "not valid YAML in brackets").at(self.0)
        }))
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
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Text(text) => visitor.visit_str(text),
            Value::Plain(text) => match Scalar::of(text) {
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Whole(value) => visit_whole(value, visitor),
                Scalar::Fraction(value) => visitor.visit_f64(value),
                Scalar::Text => visitor.visit_str(text),
            },
            Value::List(items) => visit_list(items, visitor),
            Value::Map(entries) => visitor.visit_map(Entries::of(entries, &[])),
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
        match self.0.value {
            Value::Null => visitor.visit_none(),
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
        match (&self.0.value, self.inline()) {
            (Value::List(items), _) => visit_list(items, visitor),
            (Value::Null, _) => visit_list(&[], visitor),
            (_, Some(node)) => match node?.value {
                Value::List(items) => visit_list(&items, visitor),
                _ => Err(Fault::invalid_type(Unexpected::Map, &visitor)),
            },
            _ => Err(Fault::invalid_type(self.found(), &visitor)),
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
        match (&self.0.value, self.inline()) {
            (Value::Map(entries), _) => visitor.visit_map(Entries::of(entries, fields)),
            (Value::Null, _) => visitor.visit_map(Entries::of(&BTreeMap::new(), fields)),
            (_, Some(node)) => match node?.value {
                Value::Map(entries) => visitor.visit_map(Entries::of(&entries, fields)),
                _ => Err(Fault::invalid_type(Unexpected::Seq, &visitor)),
            },
            _ => Err(Fault::invalid_type(self.found(), &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Plain(text) | Value::Text(text) => {
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Value::Map(entries) if entries.len() == 1 => {
                let chosen = entries.iter().next();
                let (name, entry) = chosen.ok_or_else(|| Fault::missing_field("variant"))?;
                visitor.visit_enum(Variant { name, entry })
            }
            _ => Err(Fault::invalid_type(self.found(), &visitor)),
        }
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct ignored_any
    }
}
