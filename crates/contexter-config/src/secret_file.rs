//! Secrets in files of their own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use secrecy::zeroize::Zeroizing;
use serde::de::value::StringDeserializer;
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::ErrorKind;
use crate::fault::Fault;
use crate::late::Late;
use crate::node::Value;
use crate::secret::SECRET;

/// No key of any service is near this long.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The secret files that were read, so that each is read once and all readers see the same.
#[derive(Default)]
pub(crate) struct SecretFiles(Mutex<HashMap<PathBuf, Zeroizing<String>>>);

impl SecretFiles {
    /// Begins to read a configuration; what it needs is kept when that [succeeds](Reading::keep).
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading {
            known: self,
            new: RefCell::default(),
        }
    }
}

/// The secret files as one reader of the configuration sees them.
pub(crate) struct Reading<'a> {
    known: &'a SecretFiles,
    new: RefCell<HashMap<PathBuf, Zeroizing<String>>>,
}

impl Reading<'_> {
    /// Keeps what was read.
    ///
    /// What a refused configuration names is not kept: the file may be put right before it is
    /// named again.
    pub(crate) fn keep(self) {
        let mut known = self.known.0.lock();
        for (path, text) in self.new.into_inner() {
            known.entry(path).or_insert(text);
        }
    }

    fn secret(&self, path: PathBuf) -> Result<Zeroizing<String>, Fault> {
        if let Some(text) = self.known.0.lock().get(&path) {
            return Ok(text.clone());
        }
        if let Some(text) = self.new.borrow().get(&path) {
            return Ok(text.clone());
        }
        let text = read(&path)?;
        self.new.borrow_mut().insert(path, text.clone());
        Ok(text)
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, Fault> {
    let fault = |kind, problem: &str| {
        Fault::new(
            kind,
            format!("the secret file {} {problem}", path.display()),
        )
    };
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path)
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

/// A secret in a file of its own, which the value names.
pub(crate) struct FromFile<'a>(pub(crate) Late<'a>);

impl FromFile<'_> {
    fn secret(&self) -> Result<Zeroizing<String>, Fault> {
        let Some(path) = self.0.text() else {
            return Err(Fault::invalid_type(self.0.found(), &"the path of a file"));
        };
        self.0.files.secret(self.0.node.origin.resolve(path))
    }
}

impl<'de> Deserializer<'de> for FromFile<'_> {
    type Error = Fault;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.node.value {
            Value::Null | Value::Empty => visitor.visit_none(),
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
        let text: StringDeserializer<Fault> = self.secret()?.to_string().into_deserializer();
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
