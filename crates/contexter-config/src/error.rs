//! Why a configuration cannot be used.

use std::fmt;

use crate::Origin;

/// What is wrong with a configuration, for callers that must branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file that must exist does not.
    NotFound,
    /// A file or variable cannot be read.
    Unreadable,
    /// A file is larger, deeper or has more aliases than allowed.
    TooLarge,
    /// A file is not valid YAML.
    Syntax,
    /// A value has another type than expected.
    WrongType,
    /// A value has the right type, but is not allowed.
    InvalidValue,
    /// A key is not known.
    UnknownKey,
    /// A required key is missing.
    MissingKey,
    /// The name of a key is malformed, or contradicts another one.
    InvalidKey,
    /// The program's own check refused the configuration as a whole.
    Refused,
}

/// Why a configuration cannot be used.
///
/// `Display` is one line: where, which key, what. It repeats no text from the configuration, so no
/// secret can get into a log with it; numbers, and short words in the place of a variant's name, are
/// repeated, unless the key's name sounds like a secret's. A key that is unknown or has no value is
/// told up to its first colon or space, where a value may begin.
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    origin: Option<Origin>,
    key: String,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                origin: None,
                key: String::new(),
                message: message.into(),
                source: None,
            }),
        }
    }

    pub(crate) fn at(mut self, origin: Origin) -> Self {
        self.inner.origin = Some(origin);
        self
    }

    pub(crate) fn of_key(mut self, key: impl Into<String>) -> Self {
        self.inner.key = key.into();
        self
    }

    pub(crate) fn because(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns where the offending value was written, if one was.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.inner.origin.as_ref()
    }

    /// Returns the offending key as a dotted path, empty if the fault is not in one key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.inner.key
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.inner.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.inner.key.is_empty() {
            write!(f, "{}: ", self.inner.key)?;
        }
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.inner.source.as_deref()?;
        Some(source)
    }
}
