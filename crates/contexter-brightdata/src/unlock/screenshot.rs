//! Pictures of pages.

use bytes::Bytes;
use contexter_model::{Error, ErrorKind};
use contexter_service::{Capability, Service};

use super::page::{accept, shown};
use super::{DataFormat, Unlock, Unlocker};

/// Takes a picture of a page; the reply is the PNG. `Debug` does not show the query.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakeScreenshot {
    /// The absolute address of the page.
    pub url: String,
    /// From which country the page is to be seen.
    pub country: Option<String>,
}

impl TakeScreenshot {
    /// Asks for a picture of the page at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            country: None,
        }
    }

    /// Sets from which country the page is to be seen.
    #[must_use]
    pub fn country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }
}

impl std::fmt::Debug for TakeScreenshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TakeScreenshot")
            .field("url", &contexter_http::redact_url(&self.url))
            .field("country", &self.country)
            .finish()
    }
}

impl Capability for TakeScreenshot {
    const NAME: &'static str = "screenshot";
    type Response = Bytes;
    type Error = Error;
}

impl Service<TakeScreenshot> for Unlocker {
    type Response = Bytes;
    type Error = Error;

    async fn call(&self, request: TakeScreenshot) -> Result<Bytes, Error> {
        const OPERATION: &str = "take_screenshot";
        let unlock = Unlock::new(request.url)
            .country(request.country)
            .data_format(DataFormat::Screenshot);
        let reply = self.fetch(unlock, OPERATION).await?;
        let url = shown(&reply.url);
        accept(self.link(), &reply, &url, OPERATION)?;
        if !reply.body.starts_with(PNG) {
            return Err(
                Error::new(ErrorKind::Protocol, format!("{url}: the picture is no png"))
                    .with_service(crate::NAME)
                    .with_operation(OPERATION),
            );
        }
        Ok(reply.body)
    }
}

/// How a PNG begins (RFC 2083, section 3.1).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
