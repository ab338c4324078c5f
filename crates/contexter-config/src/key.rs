//! Dotted names of values.

use crate::{Error, ErrorKind};

/// Splits `services.voyage_ai.timeout` into its keys.
pub(crate) fn parse(key: &str) -> Result<Vec<String>, Error> {
    let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
    if parts.iter().any(String::is_empty) {
        let message = format!("the key {key:?} has an empty part; write it like a.b.c");
        return Err(Error::new(ErrorKind::InvalidKey, message));
    }
    Ok(parts)
}

/// Returns whether a key by this name most likely holds a secret.
pub(crate) fn sounds_secret(key: &str) -> bool {
    const WORDS: [&str; 10] = [
        "auth",
        "credential",
        "key",
        "passphrase",
        "passwd",
        "password",
        "pin",
        "private",
        "secret",
        "token",
    ];
    let key = key.to_ascii_lowercase();
    key.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| {
        WORDS
            .iter()
            .any(|word| part.ends_with(word) || part.ends_with(&format!("{word}s")))
    })
}
