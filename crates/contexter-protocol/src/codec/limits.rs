//! How large an encoded event may be.

/// The most headers of one message, those of others included.
///
/// CloudEvents and Contexter define 17 attributes; the rest is room for extensions and for what
/// brokers and proxies add.
pub const MAX_HEADERS: usize = 128;

/// The most bytes of one header name.
pub const MAX_HEADER_NAME_BYTES: usize = 256;

/// The most bytes of one header value, percent-encoded: what HTTP servers commonly allow, so that
/// a bridge does not have to cut.
pub const MAX_HEADER_VALUE_BYTES: usize = 8 * 1024;

/// The most bytes of a body: the largest message that the NATS documentation recommends, eight
/// times its default. Events carry references; larger bytes belong into storage.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// An encoded event is larger than this crate writes or reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// There are more than [`MAX_HEADERS`].
    #[error("more than {limit} headers")]
    Headers {
        /// [`MAX_HEADERS`].
        limit: usize,
    },
    /// A header name has more than [`MAX_HEADER_NAME_BYTES`].
    #[error("header name {name:?}... has {size} bytes, more than {limit}")]
    HeaderName {
        /// How the name begins.
        name: String,
        /// How many bytes it has.
        size: usize,
        /// [`MAX_HEADER_NAME_BYTES`].
        limit: usize,
    },
    /// A header value has more than [`MAX_HEADER_VALUE_BYTES`].
    #[error("header {name:?} has a value of {size} bytes, more than {limit}")]
    HeaderValue {
        /// The name of the header.
        name: String,
        /// How many bytes its value has.
        size: usize,
        /// [`MAX_HEADER_VALUE_BYTES`].
        limit: usize,
    },
    /// The body has more than [`MAX_BODY_BYTES`].
    #[error("body has {size} bytes, more than {limit}")]
    Body {
        /// How many bytes it has.
        size: usize,
        /// [`MAX_BODY_BYTES`].
        limit: usize,
    },
}

pub(super) fn check_header(name: &[u8], value: &[u8]) -> Result<(), LimitExceeded> {
    if name.len() > MAX_HEADER_NAME_BYTES {
        return Err(LimitExceeded::HeaderName {
            name: shown(name),
            size: name.len(),
            limit: MAX_HEADER_NAME_BYTES,
        });
    }
    if value.len() > MAX_HEADER_VALUE_BYTES {
        return Err(LimitExceeded::HeaderValue {
            name: shown(name),
            size: value.len(),
            limit: MAX_HEADER_VALUE_BYTES,
        });
    }
    Ok(())
}

pub(super) fn check_count(headers: usize) -> Result<(), LimitExceeded> {
    if headers > MAX_HEADERS {
        return Err(LimitExceeded::Headers { limit: MAX_HEADERS });
    }
    Ok(())
}

pub(super) fn check_body(size: usize) -> Result<(), LimitExceeded> {
    if size > MAX_BODY_BYTES {
        return Err(LimitExceeded::Body {
            size,
            limit: MAX_BODY_BYTES,
        });
    }
    Ok(())
}

/// The beginning of a foreign name, fit for an error of one line.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(40).collect()
}
