//! Secrets in files of their own.

use std::io::Read;

use secrecy::zeroize::Zeroizing;
use serde::de::value::StringDeserializer;
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::ErrorKind;
use crate::fault::Fault;
use crate::late::Late;
use crate::node::{Node, Value};
use crate::secret::SECRET;

/// No key of any service is near this long.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A secret in a file of its own.
pub(crate) struct FromFile<'a>(pub(crate) &'a Node);

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
