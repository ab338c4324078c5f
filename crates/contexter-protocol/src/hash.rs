//! The name of a blob: the SHA-256 of its bytes.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// The SHA-256 of a blob, written as 64 lower-case hexadecimal digits.
///
/// A message names stored bytes by their hash and never carries them. This type only holds and
/// spells the digest; `contexter-storage` computes it.
///
/// # Examples
///
/// ```
/// use contexter_protocol::Hash;
///
/// let digits = "ab".repeat(32);
/// let hash: Hash = digits.parse()?;
/// assert_eq!(hash.to_string(), digits);
/// # Ok::<(), contexter_protocol::InvalidHash>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Wraps the 32 bytes of a digest.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the 32 bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    /// Parses 64 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let invalid = || InvalidHash {
            text: text.chars().take(80).collect(),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(invalid());
        };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().ok().ok_or_else(invalid)?;
        let mut digest = [0; 32];
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                return Err(invalid());
            };
            *byte = high << 4 | low;
        }
        Ok(Self(digest))
    }
}

fn digit(ascii: u8) -> Option<u8> {
    match ascii {
        b'0'..=b'9' => Some(ascii - b'0'),
        b'a'..=b'f' => Some(ascii - b'a' + 10),
        b'A'..=b'F' => Some(ascii - b'A' + 10),
        _ => None,
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// The error returned when a text is not a [`struct@Hash`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid content hash {text:?}: 64 hexadecimal digits are allowed")]
pub struct InvalidHash {
    text: String,
}
