//! From bytes to their name.

use contexter_protocol::Hash;
use sha2::{Digest as _, Sha256};

/// Returns the name of a blob: the SHA-256 of its bytes.
///
/// # Examples
///
/// ```
/// let empty = contexter_storage::hash(b"");
/// assert!(empty.to_string().starts_with("e3b0c44298fc1c14"));
/// ```
#[must_use]
pub fn hash(bytes: &[u8]) -> Hash {
    Hash::from_bytes(Sha256::digest(bytes).into())
}
