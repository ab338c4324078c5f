//! Gives the tree its types: a scalar is text until the reader's type says what it is.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;
use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::fault::Fault;
use crate::node::{Entry, Node, Value, alike};
use crate::secret::SECRET;
use crate::{ErrorKind, yaml};

/// Ends the key of a file that holds a secret.
const FILE_SUFFIX: &str = "_file";

/// No key of any service is near this long.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Reads a `T` from `node`.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(node: &Node) -> Result<T, Fault> {
    T::deserialize(Late(node)).map_err(|fault| fault.at(node))
}

/// Reads a `T` from an empty section that is written nowhere.
pub(crate) fn typed_of_nothing<T: serde::de::DeserializeOwned>() -> Result<T, Fault> {
    typed(&Node::empty(0))
}

#[derive(Clone, Copy)]
struct Late<'a>(&'a Node);

impl Late<'_> {
    fn text(&self) -> Option<&str> {
        match &self.0.value {
            Value::Plain(text) | Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn found(&self) -> Unexpected<'_> {
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

    fn scalar(&self) -> Scalar {
        match &self.0.value {
            Value::Plain(text) => Scalar::of(text),
            _ => Scalar::Text,
        }
    }

    /// Reads the list or mapping that an environment variable writes as `[a, b]` or `{a: b}`.
    fn inline(&self) -> Option<Result<Node, Fault>> {
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

/// What unquoted text is, by the core schema of YAML 1.2.
enum Scalar {
    Bool(bool),
    Whole(i128),
    Fraction(f64),
    Text,
}

impl Scalar {
    fn of(text: &str) -> Self {
        match text {
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Self::Fraction(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" => return Self::Fraction(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => return Self::Fraction(f64::NEG_INFINITY),
            _ => {}
        }
        if let Some(whole) = whole(text) {
            return Self::Whole(whole);
        }
        let looks_numeric = text.contains(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
            && !zero_first(text.trim_start_matches(['+', '-']));
        match text.parse() {
            Ok(value) if looks_numeric => Self::Fraction(value),
            _ => Self::Text,
        }
    }
}

/// `0755` is 755 for one reader and 493 for another, so it is no number at all.
fn zero_first(digits: &str) -> bool {
    let mut letters = digits.chars();
    letters.next() == Some('0') && letters.next().is_some_and(|c| c.is_ascii_digit())
}

fn whole(text: &str) -> Option<i128> {
    if let Some(digits) = text.strip_prefix("0x") {
        return unsigned(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return unsigned(digits, 8);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if zero_first(digits) {
        return None;
    }
    let value = unsigned(digits, 10)?;
    Some(if negative { -value } else { value })
}

fn unsigned(digits: &str, radix: u32) -> Option<i128> {
    // `from_str_radix` takes a sign, which has no place after a prefix or another sign.
    let plain = digits.starts_with(|c: char| c.is_digit(radix));
    plain.then(|| i128::from_str_radix(digits, radix).ok())?
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

fn visit_list<'de, V: Visitor<'de>>(items: &[Node], visitor: V) -> Result<V::Value, Fault> {
    let mut access = Items { items, next: 0 };
    let value = visitor.visit_seq(&mut access)?;
    if access.next < items.len() {
        let message = format!("{} values, expected {}", items.len(), access.next);
        return Err(Fault::new(ErrorKind::InvalidValue, message));
    }
    Ok(value)
}

struct Items<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Late(item))
            .map(Some)
            .map_err(|fault| fault.at(item).within(&format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        self.items.len().checked_sub(self.next)
    }
}

/// The entries of a mapping under the names of the reader's fields.
struct Entries<'a> {
    entries: Vec<(&'a str, &'a Entry, Source)>,
    next: usize,
}

#[derive(Clone, Copy)]
enum Source {
    Value,
    /// The value is the name of a file that holds it.
    File,
}

impl<'a> Entries<'a> {
    fn of(entries: &'a BTreeMap<String, Entry>, fields: &'static [&'static str]) -> Self {
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
            entries: named,
            next: 0,
        }
    }
}

/// Finds the field that a key means.
fn meant<'a>(key: &'a str, entry: &Entry, fields: &[&'static str]) -> (&'a str, Source) {
    if fields.is_empty() || fields.contains(&key) {
        return (key, Source::Value);
    }
    let variable = entry.key.is_variable();
    let field = |key: &str| {
        let same = |field: &&&'static str| **field == key || (variable && alike(field, key));
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
        let Some((name, entry, _)) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Fault> = (*name).into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|fault| fault.at_origin(&entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(&(name, entry, source)) = self.entries.get(self.next) else {
            return Err(Fault::custom("a value was read before its key"));
        };
        self.next += 1;
        let node = &entry.node;
        match source {
            Source::Value => seed
                .deserialize(Late(node))
                .map_err(|fault| fault.at(node).within(name)),
            Source::File => seed
                .deserialize(FromFile(node))
                .map_err(|fault| fault.at(node).within(&format!("{name}{FILE_SUFFIX}"))),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.entries.len().checked_sub(self.next)
    }
}

/// A secret in a file of its own.
struct FromFile<'a>(&'a Node);

impl FromFile<'_> {
    fn read(&self) -> Result<Zeroizing<String>, Fault> {
        let (Value::Plain(path) | Value::Text(path)) = &self.0.value else {
            return Err(Fault::invalid_type(
                Late(self.0).found(),
                &"the path of a file",
            ));
        };
        let path = self.0.origin.resolve(path);
        let fault = |kind, problem: &str| {
            Fault::new(
                kind,
                format!("the secret file {} {problem}", path.display()),
            )
        };
        let mut text = Zeroizing::new(String::new());
        let read = std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text));
        match read {
            Ok(_) if text.len() as u64 > MAX_SECRET_BYTES => {
                Err(fault(ErrorKind::TooLarge, "is larger than 64 KiB"))
            }
            Ok(_) => {
                let end = text.trim_end_matches(['\r', '\n']).len();
                text.truncate(end);
                Ok(text)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(fault(ErrorKind::NotFound, "does not exist"))
            }
            Err(error) => Err(fault(ErrorKind::Unreadable, "cannot be read").because(error)),
        }
    }
}

impl<'de> Deserializer<'de> for FromFile<'_> {
    type Error = Fault;

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
        if name != SECRET {
            return self.deserialize_any(visitor);
        }
        let text: StringDeserializer<Fault> = self.read()?.to_string().into_deserializer();
        visitor.visit_newtype_struct(text)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new(
            ErrorKind::UnknownKey,
            "only a secret can be read from a file",
        ))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A variant with a value: `variant: value`.
struct Variant<'a> {
    name: &'a str,
    entry: &'a Entry,
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
            Value::Null => Ok(()),
            _ => Err(self.located(Fault::invalid_type(
                Late(&self.entry.node).found(),
                &"nothing",
            ))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(Late(&self.entry.node))
            .map_err(|fault| self.located(fault))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        Late(&self.entry.node)
            .deserialize_tuple(length, visitor)
            .map_err(|fault| self.located(fault))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        Late(&self.entry.node)
            .deserialize_struct("", fields, visitor)
            .map_err(|fault| self.located(fault))
    }
}
