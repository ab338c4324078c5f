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

/// Returns as much of a key as an error may tell, and what is most likely wrong with it.
///
/// Without the space or the colon after it, the key has swallowed its value, such as a secret.
pub(crate) fn told(key: &str) -> (&str, Option<&'static str>) {
    let Some((shown, rest)) = key
        .find(|c: char| c == ':' || c.is_whitespace())
        .map(|end| key.split_at(end))
    else {
        return (key, None);
    };
    let slip = if rest.contains(':') {
        "a space is missing after the colon"
    } else {
        "a colon is missing, or the key has a space"
    };
    (shown, Some(slip))
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
