//! How a client shows who it is.

use std::fmt;

use contexter_model::{Error, ErrorKind};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::proxy::encoded;

/// The credentials of an [`Api`](crate::Api), sent with every request and shown by none.
///
/// # Examples
///
/// ```
/// use contexter_http::Auth;
///
/// let auth = Auth::Bearer("s3cret".to_owned());
/// assert_eq!(format!("{auth:?}"), "Bearer([redacted])");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// Sends nothing.
    #[default]
    None,
    /// Sends `authorization: Bearer …` (RFC 6750).
    Bearer(String),
    /// Sends the value in a header of its own.
    Header {
        /// The name of the header.
        name: String,
        /// The key.
        value: String,
    },
    /// Sends `authorization: Basic …` (RFC 7617).
    Basic {
        /// The user, who is not secret.
        user: String,
        /// The password.
        password: String,
    },
}

impl Auth {
    /// Returns the header to send.
    pub(crate) fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>, Error> {
        let (name, text) = match self {
            Self::None => return Ok(None),
            Self::Bearer(key) => (AUTHORIZATION, format!("Bearer {}", not_blank(key)?)),
            Self::Header { name, value } => {
                let name = name_of(name)?;
                (name, not_blank(value)?.to_owned())
            }
            Self::Basic { user, password } => {
                if user.contains(':') {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        format!("user \"{user}\" has a colon, which basic authentication forbids"),
                    ));
                }
                (AUTHORIZATION, format!("Basic {}", encoded(user, password)))
            }
        };
        // The source is left out on purpose: it says nothing, and must not show the value.
        let mut value = HeaderValue::try_from(text).map_err(|_value| {
            Error::new(
                ErrorKind::Invalid,
                "the key has characters that no header can carry, such as a line break",
            )
        })?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }

    /// Returns what must not be shown.
    pub(crate) fn secrets(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Bearer(key) | Self::Header { value: key, .. } => vec![key.clone()],
            Self::Basic { user, password } => vec![password.clone(), encoded(user, password)],
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bearer(_) => f.write_str("Bearer([redacted])"),
            Self::Header { name, .. } => write!(f, "Header({name}: [redacted])"),
            Self::Basic { user, .. } => write!(f, "Basic({user}:[redacted])"),
        }
    }
}

/// Reads the name of a header.
pub(crate) fn name_of(name: &str) -> Result<HeaderName, Error> {
    HeaderName::try_from(name).map_err(|source| {
        Error::new(
            ErrorKind::Invalid,
            format!("\"{}\" is no name of a header", crate::clean(name)),
        )
        .with_source(source)
    })
}

fn not_blank(key: &str) -> Result<&str, Error> {
    if key.trim().is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "the key is empty"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(auth: &Auth) -> (String, String) {
        let (name, value) = auth.header().unwrap().unwrap();
        assert!(value.is_sensitive());
        (name.to_string(), value.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_kind_has_its_header() {
        assert!(Auth::None.header().unwrap().is_none());
        assert_eq!(
            sent(&Auth::Bearer("k".into())),
            ("authorization".into(), "Bearer k".into())
        );
        let header = Auth::Header {
            name: "X-API-Key".into(),
            value: "k".into(),
        };
        assert_eq!(sent(&header), ("x-api-key".into(), "k".into()));
        // The example of RFC 7617, section 2.
        let basic = Auth::Basic {
            user: "Aladdin".into(),
            password: "open sesame".into(),
        };
        assert_eq!(
            sent(&basic),
            (
                "authorization".into(),
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".into()
            )
        );
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_being_shown() {
        for auth in [
            Auth::Bearer(String::new()),
            Auth::Bearer(" \t".into()),
            Auth::Bearer("hunter2\nx: y".into()),
            Auth::Header {
                name: "bad name".into(),
                value: "hunter2".into(),
            },
            Auth::Header {
                name: "x-key".into(),
                value: "hunter2\0".into(),
            },
            Auth::Basic {
                user: "a:b".into(),
                password: "hunter2".into(),
            },
        ] {
            let error = auth.header().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(
                !format!("{error:?} {auth:?}").contains("hunter2"),
                "{error:?}"
            );
        }
    }
}
