//! A forward proxy.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_model::{Error, ErrorKind};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::target;

/// A forward proxy: `http://` targets are asked through it, to `https://` ones it opens a tunnel
/// (`CONNECT`).
///
/// # Examples
///
/// ```
/// use contexter_http::{Client, Config, Proxy};
///
/// let proxy = Proxy::new("http://proxy.example.org:3128")?
///     .basic_auth("alice", "s3cret")
///     .except("localhost, 127.0.0.0/8, .corp.example.org");
/// let client = Client::new(&Config::default().proxy(proxy))?;
/// # Ok::<(), contexter_model::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Without credentials.
    url: Url,
    credentials: Option<(String, String)>,
    except: String,
}

impl Proxy {
    /// Names a proxy by its URL: `http://` or `https://`, and no path. Credentials in it are taken
    /// over as by [`basic_auth`](Self::basic_auth).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for anything else; the text has no credentials.
    pub fn new(url: &str) -> Result<Self, Error> {
        let mut url = target::parse(url)?;
        let refused = |url: &Url, expected: &str| {
            let shown = target::redacted(url);
            Error::new(
                ErrorKind::Invalid,
                format!("proxy {shown} is not allowed: expected {expected}"),
            )
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused(&url, "http:// or https://"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refused(&url, "host and port only"));
        }
        let decoded = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let user = decoded(user);
                let password = decoded(password.unwrap_or_default());
                match (user, password) {
                    (Ok(user), Ok(password)) => Some((user, password)),
                    _ => return Err(refused(&url, "credentials in UTF-8")),
                }
            }
        };
        // Cannot fail: the URL has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self {
            url,
            credentials,
            except: String::new(),
        })
    }

    /// Sends this user and password to the proxy (RFC 7617). Over an `http://` proxy they travel
    /// unencrypted. A user with a colon is refused by [`Client::new`](crate::Client::new).
    #[must_use]
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Sets which hosts are asked directly: names with all that is below them, addresses and
    /// networks, separated by commas (`localhost, 10.0.0.0/8, .example.org`), or `*`. Default:
    /// none.
    #[must_use]
    pub fn except(mut self, hosts: impl Into<String>) -> Self {
        self.except = hosts.into();
        self
    }

    /// Returns scheme, host and port.
    #[must_use]
    pub fn address(&self) -> String {
        let shown = target::redacted(&self.url);
        shown.strip_suffix('/').unwrap_or(&shown).to_owned()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        target::is_loopback(&self.url)
    }

    /// Returns what must not be shown.
    pub(crate) fn secrets(&self) -> Vec<String> {
        match &self.credentials {
            Some((user, password)) => vec![password.clone(), encoded(user, password)],
            None => Vec::new(),
        }
    }

    pub(crate) fn to_reqwest(&self) -> Result<reqwest::Proxy, Error> {
        let invalid = |source: reqwest::Error| {
            Error::new(
                ErrorKind::Invalid,
                format!("proxy {} cannot be used", self.address()),
            )
            .with_source(source.without_url())
        };
        let mut proxy = reqwest::Proxy::all(self.url.clone()).map_err(invalid)?;
        if let Some((user, password)) = &self.credentials {
            if user.contains(':') {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "the user of the proxy {} has a colon, which basic authentication forbids",
                        self.address()
                    ),
                ));
            }
            let header = format!("Basic {}", encoded(user, password));
            // Base64 is always a header's value; the error would say so without it.
            let mut header = HeaderValue::try_from(header).map_err(|source| {
                Error::new(
                    ErrorKind::Unexpected,
                    "credentials that no header can carry",
                )
                .with_source(source)
            })?;
            header.set_sensitive(true);
            proxy = proxy.custom_http_auth(header);
        }
        if !self.except.trim().is_empty() {
            proxy = proxy.no_proxy(reqwest::NoProxy::from_string(&self.except));
        }
        Ok(proxy)
    }
}

/// Without the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address())
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}

/// User and password as `Basic` sends them.
pub(crate) fn encoded(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_the_url_are_decoded_and_never_shown() {
        let proxy = Proxy::new("http://al%40ice:p%3Ass%2Fword@proxy.example.org:3128").unwrap();
        assert_eq!(
            proxy.credentials,
            Some(("al@ice".to_owned(), "p:ss/word".to_owned()))
        );
        assert_eq!(proxy.address(), "http://proxy.example.org:3128");
        let shown = format!("{proxy:?} {:?}", proxy.to_reqwest().unwrap());
        assert!(
            !shown.contains("p:ss") && !shown.contains("p%3Ass"),
            "{shown}"
        );
        assert!(shown.contains("al@ice"), "{shown}");
        assert_eq!(
            proxy.secrets(),
            ["p:ss/word".to_owned(), STANDARD.encode("al@ice:p:ss/word")]
        );
    }

    #[test]
    fn a_user_with_a_colon_would_be_read_as_another_user() {
        for proxy in [
            Proxy::new("http://proxy.example.org")
                .unwrap()
                .basic_auth("al:ice", "hunter2"),
            Proxy::new("http://al%3Aice:hunter2@proxy.example.org").unwrap(),
        ] {
            let error = proxy.to_reqwest().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains("colon"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn only_a_bare_http_address_is_a_proxy() {
        for url in [
            "socks5://user:hunter2@proxy.example.org",
            "http://user:hunter2@proxy.example.org/path",
            "http://user:hunter2@proxy.example.org/?hunter2",
            "http://user:hunter2@",
            "hunter2",
        ] {
            let error = Proxy::new(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
