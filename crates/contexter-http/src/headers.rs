//! Which headers hold what must not be shown.

use std::fmt;

use contexter_config::Secrets;

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// Tells by the name of a header whether its value is a credential.
pub(crate) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "cookie"
        || name == "set-cookie"
        || name.ends_with("-key")
        || [
            "authorization",
            "apikey",
            "api_key",
            "token",
            "secret",
            "password",
        ]
        .iter()
        .any(|word| name.contains(word))
}

/// Tells by the name of a header whether its value is an address.
fn is_address(name: &str) -> bool {
    matches!(
        name,
        "location" | "content-location" | "referer" | "refresh" | "link"
    )
}

/// Headers as they may be shown: without credentials, without the queries of addresses, and without
/// secrets that a service repeats.
pub(crate) struct Shown<'a> {
    pub(crate) headers: &'a reqwest::header::HeaderMap,
    pub(crate) secrets: &'a Secrets,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.headers {
            if value.is_sensitive() || is_sensitive(name.as_str()) {
                map.entry(name, &REDACTED);
                continue;
            }
            let text = String::from_utf8_lossy(value.as_bytes());
            // An address may hold keys that are not ours: before the host, in its query, behind it.
            let has_more = is_address(name.as_str()) && text.contains(['?', '#', '@']);
            if has_more {
                map.entry(name, &REDACTED);
            } else {
                map.entry(name, &self.secrets.hide(&text));
            }
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_the_name_of_their_header() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "X-API-Key",
            "api-key",
            "x-goog-api-key",
            "cookie",
            "Set-Cookie",
            "x-auth-token",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["content-type", "x-request-id", "retry-after", "accept"] {
            assert!(!is_sensitive(name), "{name}");
        }
    }
}
