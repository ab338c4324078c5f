//! The unlocker of a zone.

use std::fmt::Write as _;
use std::sync::Arc;

use contexter_model::{Error, FetchPage, Page, PageFormat};
use contexter_service::{Cx, Service};

use super::envelope::{judge_reply, open};
use super::{DataFormat, Unlock, Unlocked, follow, page};
use crate::link::{Attempt, DEBUG, Link};
use crate::target::PublicUrl;

/// The unlocker of one zone.
#[derive(Clone, Debug)]
pub(crate) struct Unlocker {
    link: Link,
    zone: Arc<str>,
    country: Option<Arc<str>>,
    debug: bool,
}

impl Unlocker {
    pub(crate) fn new(link: Link, zone: &str, country: Option<&str>, debug: bool) -> Self {
        Self {
            link,
            zone: zone.into(),
            country: country.map(Into::into),
            debug,
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Fetches as the request says, following redirects, within the time of one call.
    pub(crate) async fn fetch(
        &self,
        request: Unlock,
        operation: &'static str,
    ) -> Result<Unlocked, Error> {
        self.fetch_within(Cx::new(), request, operation).await
    }

    /// As [`fetch`](Self::fetch), within the time of `cx` as well.
    pub(crate) async fn fetch_within(
        &self,
        cx: Cx,
        mut request: Unlock,
        operation: &'static str,
    ) -> Result<Unlocked, Error> {
        if request.country.is_none() {
            request.country = self.country.as_deref().map(str::to_owned);
        }
        let first = request.check(operation)?;
        let cx = self
            .link
            .bounded(cx)
            .with_idempotent(request.is_safe() || request.idempotent);
        let abroad = Arc::new(request.for_strangers());
        let request = Arc::new(request);
        follow(
            first,
            request.is_safe(),
            operation,
            &self.link,
            |url, at_home| {
                let request = Arc::clone(if at_home { &request } else { &abroad });
                let url = Arc::new(url);
                async move {
                    self.link
                        .run(cx, operation, |cx| {
                            let (request, url) = (Arc::clone(&request), Arc::clone(&url));
                            async move { self.once(&request, &url, operation, cx).await }
                        })
                        .await
                }
            },
        )
        .await
    }

    async fn once(
        &self,
        request: &Unlock,
        url: &PublicUrl,
        operation: &'static str,
        cx: Cx,
    ) -> Result<Unlocked, Error> {
        let about = url.to_string();
        let attempt = Attempt::at(url, &about, operation, cx);
        let mut call = self
            .link
            .api
            .post("request")
            .json(&request.wire(&self.zone, url, self.debug));
        if let Some(expect) = &request.expect {
            let expect = serde_json::to_string(expect).unwrap_or_default();
            call = call.header("x-unblock-expect", &in_ascii(&expect));
        }
        let mut reply = self.link.send_metered(call, attempt).await?;
        let opened = open(&reply, request);
        let judged = match &opened {
            Ok(opened) => opened.judged.clone(),
            // What cannot be opened is still judged by what its headers say.
            Err(_) => judge_reply(&reply),
        };
        let debug = match &opened {
            Ok(opened) => opened.debug.clone(),
            Err(_) => reply.header(DEBUG).unwrap_or_default().to_owned(),
        };
        let passed = self.link.settle_told(&mut reply, judged, &debug, attempt)?;
        let opened = opened.map_err(|problem| self.link.malformed(attempt, &problem))?;
        Ok(Unlocked::of(
            url.as_str(),
            &passed,
            opened.headers,
            opened.body,
        ))
    }
}

/// Writes JSON with the letters only that a header can carry (RFC 8259, section 7).
fn in_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() && !letter.is_ascii_control() {
            ascii.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

impl Service<Unlock> for Unlocker {
    type Response = Unlocked;
    type Error = Error;

    async fn call(&self, request: Unlock) -> Result<Unlocked, Error> {
        self.fetch(request, "unlock").await
    }
}

impl Service<FetchPage> for Unlocker {
    type Response = Page;
    type Error = Error;

    async fn call(&self, request: FetchPage) -> Result<Page, Error> {
        const OPERATION: &str = "fetch_page";
        let data_format = match request.format {
            PageFormat::Markdown => Some(DataFormat::Markdown),
            _ => None,
        };
        let unlock = Unlock::new(request.url.as_str())
            .country(request.country.clone())
            .data_format(data_format);
        let reply = self.fetch(unlock, OPERATION).await?;
        page(&self.link, &request, reply, OPERATION)
    }
}
