//! Which addresses may be fetched for us.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use contexter_http::is_public;
use contexter_model::{Error, ErrorKind};
use url::{Host, Url};

/// The longest address that is accepted, in bytes. Browsers and servers end between 2 and 64 KiB.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// Names that mean a machine or a network of its own everywhere (RFC 6761, RFC 6762, RFC 8375), and
/// those by which clouds serve the credentials of a machine.
const PRIVATE_SUFFIXES: &[&str] = &[
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "corp",
    "home",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
];

/// The address of a page of the public web: `http` or `https`, with a host that is not private.
///
/// A literal private, loopback, link-local, metadata or otherwise special address is refused in every
/// spelling that a browser understands: decimal, hexadecimal, octal and short IPv4, IPv4 inside IPv6,
/// full-width digits, a dot at the end. So is a name that only a private network can know, one without
/// a dot among them, and any address that carries a user name or a password. What a public name
/// resolves to is not looked up: that is for who connects to it.
///
/// It is kept in its normal form, so that who receives it reads the same address as we did. `Display`
/// leaves out query and fragment, which may hold keys.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::PublicUrl;
///
/// let url: PublicUrl = "https://example.org/a?key=s3cret".parse()?;
/// assert_eq!(url.to_string(), "https://example.org/a");
/// assert_eq!(url.as_str(), "https://example.org/a?key=s3cret");
/// for private in ["http://127.1/", "http://0x7f000001/", "https://[::ffff:10.0.0.1]/", "ftp://a.org/"] {
///     assert!(private.parse::<PublicUrl>().is_err());
/// }
/// # Ok::<(), contexter_model::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Returns the whole address in its normal form, without fragment. It may hold keys in its query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the name or the address of the host.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Follows a `Location`, which may be relative to this address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it leads to what may not be fetched, [`ErrorKind::Protocol`] if it is no
    /// address at all.
    pub fn join(&self, location: &str) -> Result<Self, Error> {
        let next = self.0.join(location).map_err(|error| {
            Error::new(
                ErrorKind::Protocol,
                format!("{self} redirects to something that is no address"),
            )
            .with_source(error)
        })?;
        Self::check(next).map_err(|refused| {
            Error::new(
                ErrorKind::Invalid,
                format!(
                    "{self} redirects to what is not fetched: {}",
                    refused.message()
                ),
            )
        })
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    fn check(mut url: Url) -> Result<Self, Error> {
        url.set_fragment(None);
        let refused = |problem: String| Err(Error::new(ErrorKind::Invalid, problem));
        if !matches!(url.scheme(), "http" | "https") {
            return refused(format!(
                "scheme {:?} is not fetched, only http and https",
                shortened(url.scheme())
            ));
        }
        if url.as_str().len() > MAX_URL_BYTES {
            return refused(format!(
                "an address of {} bytes is not fetched, at most {MAX_URL_BYTES}",
                url.as_str().len()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("an address with a user name or a password is not fetched".to_owned());
        }
        match url.host() {
            Some(Host::Ipv4(ip)) if !is_public(IpAddr::V4(ip)) => {
                return refused(format!("{ip} is not an address of the public internet"));
            }
            Some(Host::Ipv6(ip)) if !is_public(IpAddr::V6(ip)) => {
                return refused(format!("{ip} is not an address of the public internet"));
            }
            Some(Host::Domain(name)) if !is_public_name(name) => {
                return refused(format!(
                    "{:?} is not a name of the public internet",
                    shortened(name)
                ));
            }
            Some(_) => {}
            None => return refused("an address without a host is not fetched".to_owned()),
        }
        Ok(Self(url))
    }
}

impl FromStr for PublicUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_URL_BYTES {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "an address of {} bytes is not fetched, at most {MAX_URL_BYTES}",
                    text.len()
                ),
            ));
        }
        // The text itself stays out of the message: it may hold a key.
        let url = Url::parse(text).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                "malformed address, expected http://host/path or https://host/path",
            )
            .with_source(error)
        })?;
        Self::check(url)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(&shortened(self.0.path()))
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicUrl({self})")
    }
}

fn is_public_name(name: &str) -> bool {
    // The dot at the end of a name only says that it is complete.
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_private = PRIVATE_SUFFIXES.iter().any(|suffix| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    name.contains('.') && !name.ends_with('.') && !name.starts_with('.') && !is_private
}

/// The longest part of a foreign text that is shown.
const MAX_SHOWN: usize = 200;

fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
