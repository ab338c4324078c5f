//! Versions of a schema: what a reader understands of what a newer writer sends.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::error::InvalidAttribute;

/// The version of a schema, written `"MAJOR.MINOR"`.
///
/// A new minor version adds what older readers may ignore; a new major version changes or removes
/// what they rely on. So a reader takes every version up to its own major one.
///
/// # Examples
///
/// ```
/// use contexter_protocol::SchemaVersion;
///
/// let supported = SchemaVersion::new(1, 2);
/// assert!(supported.reads("1.7".parse()?));
/// assert!(!supported.reads("2.0".parse()?));
/// # Ok::<(), contexter_protocol::InvalidAttribute>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion {
    major: u32,
    minor: u32,
}

impl SchemaVersion {
    /// The version of whatever names none: 1.0.
    pub const FIRST: Self = Self::new(1, 0);

    /// Creates a version.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Returns the number that changes with what breaks readers.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.major
    }

    /// Returns the number that changes with what is added.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.minor
    }

    /// Returns whether a reader of this version understands what follows `written`.
    #[must_use]
    pub const fn reads(self, written: Self) -> bool {
        written.major <= self.major
    }
}

impl Default for SchemaVersion {
    /// Returns [`FIRST`](Self::FIRST).
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for SchemaVersion {
    type Err = InvalidAttribute;

    /// Reads `"MAJOR"`, `"MAJOR.MINOR"` or, as others write it, `"MAJOR.MINOR.PATCH"`.
    fn from_str(text: &str) -> Result<Self, InvalidAttribute> {
        let invalid = || InvalidAttribute::new("schemaversion", text, "a version like \"1.0\"");
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .then(|| part.parse().ok())
                .flatten()
                .ok_or_else(invalid)
        };
        let mut parts = text.split('.');
        let major = number(parts.next().unwrap_or_default())?;
        let minor = parts.next().map_or(Ok(0), number)?;
        parts.next().map_or(Ok(0), number)?;
        match parts.next() {
            None => Ok(Self { major, minor }),
            Some(_) => Err(invalid()),
        }
    }
}

impl Serialize for SchemaVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SchemaVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_two_or_three_numbers_and_nothing_else() {
        for (text, major, minor) in [("2", 2, 0), ("1.0", 1, 0), ("1.12.3", 1, 12)] {
            assert_eq!(text.parse(), Ok(SchemaVersion::new(major, minor)), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".1",
            "v1",
            "1.0.0.0",
            "+1",
            "-1",
            "1.x",
            "4294967296",
            "1 ",
        ] {
            assert!(text.parse::<SchemaVersion>().is_err(), "{text:?}");
        }
    }
}
