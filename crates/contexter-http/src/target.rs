//! Which addresses may be asked, and how they are shown.

use std::fmt::Write as _;
use std::net::IpAddr;

use contexter_config::Secrets;
use contexter_model::{Error, ErrorKind};
use reqwest::Url;

/// An address that may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Target(Url);

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let url = parse(text)?;
        if is_acceptable(&url) {
            Ok(Self(url))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "url {} is not allowed: expected https, or http to a loopback address",
                    redacted(&url)
                ),
            ))
        }
    }

    pub(crate) fn into_url(self) -> Url {
        self.0
    }

    /// Returns the address as it may be shown.
    pub(crate) fn redacted(&self) -> String {
        redacted(&self.0)
    }
}

pub(crate) fn parse(text: &str) -> Result<Url, Error> {
    // The text itself stays out of the message: it may hold a key.
    Url::parse(text).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            "malformed url, expected https://host/path",
        )
        .with_source(error)
    })
}

/// Returns a URL as it may be shown: scheme, host, port and path, but no credentials, no query and
/// no fragment. A text that is no URL is not shown at all.
///
/// # Examples
///
/// ```
/// use contexter_http::redact_url;
///
/// assert_eq!(
///     redact_url("https://user:pass@example.org:8443/a?key=secret#part"),
///     "https://example.org:8443/a",
/// );
/// assert_eq!(redact_url("secret"), "[malformed url]");
/// ```
#[must_use]
pub fn redact_url(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.has_host() => redacted(&url),
        _ => "[malformed url]".to_owned(),
    }
}

pub(crate) fn is_acceptable(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// Tells whether a URL may lead to this machine, by more spellings than those that are taken for it
/// where that is an advantage: what [`is_loopback`] knows, names below `localhost`, the unspecified
/// address, and IPv4 within IPv6.
pub(crate) fn may_be_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return true;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    let name = host.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Returns an address as [`redacted`] does, without what is secret in its path.
pub(crate) fn shown(url: &Url, secrets: &Secrets) -> String {
    secrets.hide(&redacted(url))
}

/// Returns scheme, host, port and path: no credentials, no query, no fragment.
pub(crate) fn redacted(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        // Writing to a string cannot fail.
        let _ = write!(shown, ":{port}");
    }
    shown.push_str(url.path());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_http_are_acceptable() {
        for ok in [
            "https://example.org/a",
            "http://127.0.0.1:80/",
            "http://127.8.0.1/",
            "http://localhost:1/",
            "http://[::1]:9/",
        ] {
            assert!(Target::parse(ok).is_ok(), "{ok}");
        }
        for bad in [
            "http://example.org/",
            "http://localhost.example.org/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "example.org",
            "",
        ] {
            assert_eq!(
                Target::parse(bad).unwrap_err().kind(),
                ErrorKind::Invalid,
                "{bad}"
            );
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let target =
            Target::parse("https://user:pass@example.org:8443/a/b?key=secret#part").unwrap();
        assert_eq!(target.redacted(), "https://example.org:8443/a/b");
        let refused = Target::parse("http://user:pass@example.org/?key=secret").unwrap_err();
        assert!(!format!("{refused:?}").contains("pass"), "{refused:?}");
        assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
    }
}
