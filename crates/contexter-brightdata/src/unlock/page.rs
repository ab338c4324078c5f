//! From what the target sent to a page in the form that was asked for.

use std::time::Duration;

use contexter_model::{Error, ErrorKind, FetchPage, Page, PageFormat};
use contexter_service::{Clock as _, Cx, DefaultClock, Timer as _, later};

use super::Unlocked;
use crate::link::{Attempt, Link};
use crate::markdown::to_markdown;
use crate::refusal::{Class, Refusal, Retry};
use crate::target::PublicUrl;
use crate::text;

/// Returns an address without its query.
pub(super) fn shown(url: &str) -> String {
    url.parse::<PublicUrl>()
        .map_or_else(|_| String::new(), |url| url.to_string())
}

/// Refuses what the target did not answer with success.
pub(crate) fn accept(
    link: &Link,
    reply: &Unlocked,
    about: &str,
    operation: &'static str,
) -> Result<(), Error> {
    let kind = match reply.status {
        200..=299 => return Ok(()),
        404 | 410 => ErrorKind::NotFound,
        401 | 402 | 403 | 407 | 451 => ErrorKind::Unauthorized,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Invalid,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    };
    let refusal = Refusal::of_status(reply.status)
        .with_class(Class::Target)
        .with_kind(kind)
        .with_retry(Retry::Never)
        .with_meaning(format!("the page answers {}", reply.status))
        .with_billed(reply.billed);
    let attempt = Attempt {
        operation,
        about,
        hidden: None,
        cx: Cx::new(),
    };
    Err(link.refuse(refusal, None, attempt))
}

/// Makes a page of what the target sent.
pub(crate) fn page(
    link: &Link,
    request: &FetchPage,
    reply: Unlocked,
    operation: &'static str,
) -> Result<Page, Error> {
    let about = shown(&reply.url);
    accept(link, &reply, &about, operation)?;
    let attempt = Attempt {
        operation,
        about: &about,
        hidden: None,
        cx: Cx::new(),
    };
    let unreadable = |what: &str, media: Option<String>| {
        let refusal = Refusal::of_status(reply.status)
            .with_class(Class::Target)
            .with_kind(ErrorKind::Unsupported)
            .with_retry(Retry::Never)
            .with_meaning(what)
            .with_told(media)
            .with_billed(reply.billed);
        link.refuse(refusal, None, attempt)
    };
    let content_type = reply.content_type().map(text::media_type);
    // What the vendor turned into Markdown keeps the media type that it had.
    if request.format == PageFormat::Html && !text::is_text(reply.content_type()) {
        let media = content_type.unwrap_or_default();
        return Err(unreadable(
            "the page is no text by its media type",
            Some(media),
        ));
    }
    let Some(decoded) = text::decode(&reply.body, reply.content_type()) else {
        return Err(unreadable("the page is no text", None));
    };
    if decoded.trim().is_empty() {
        let refusal = Refusal::empty(reply.status).with_billed(reply.billed);
        return Err(link.refuse(refusal.with_retry(Retry::Never), None, attempt));
    }
    let final_url = (!same_page(&request.url, &reply.url)).then_some(reply.url);
    Ok(
        Page::new(request.url.as_str(), reply.status, request.format, decoded)
            .with_final_url(final_url)
            .with_content_type(content_type),
    )
}

fn same_page(asked: &str, answered: &str) -> bool {
    asked
        .parse::<PublicUrl>()
        .is_ok_and(|asked| asked.as_str() == answered)
}

/// Converting a page gives up after so long; the largest page that is converted takes a few seconds.
const LONGEST_CONVERSION: Duration = Duration::from_secs(30);

/// Brings a page into the form that was asked for, within the time of `cx`.
pub(crate) async fn converted(
    mut page: Page,
    format: PageFormat,
    operation: &'static str,
    cx: Cx,
) -> Result<Page, Error> {
    // What is Markdown already keeps the media type of the page that it was.
    if format != PageFormat::Markdown || page.format == PageFormat::Markdown {
        return Ok(page);
    }
    let about = page
        .url
        .parse::<PublicUrl>()
        .map_or_else(|_| String::new(), |url| url.to_string());
    let failed = |refusal: Refusal| {
        refusal
            .into_error(&about, 1, None)
            .with_service(crate::NAME)
            .with_operation(operation)
    };
    let status = page.status;
    let media = page.content_type.clone().unwrap_or_default();
    let is_html = media.is_empty() || media.contains("html");
    if is_html {
        let html = std::mem::take(&mut page.text);
        // Converting a large page takes long enough to hold up others.
        let converting = tokio::task::spawn_blocking(move || to_markdown(&html));
        let latest = later(DefaultClock.now(), LONGEST_CONVERSION);
        let latest = cx
            .deadline()
            .map_or(latest, |deadline| deadline.min(latest));
        let unreadable = |kind, reason: String| {
            failed(
                Refusal::of_status(status)
                    .with_class(Class::Target)
                    .with_kind(kind)
                    .with_retry(Retry::Never)
                    .with_meaning(reason),
            )
        };
        let ended = tokio::select! {
            ended = converting => ended,
            () = DefaultClock.sleep_until(latest) => {
                let reason = "the page is not converted in time".to_owned();
                return Err(unreadable(ErrorKind::Timeout, reason));
            }
        };
        page.text = ended
            .map_err(|cause| {
                Error::new(ErrorKind::Unexpected, "converting a page was broken off")
                    .with_source(cause)
                    .with_service(crate::NAME)
                    .with_operation(operation)
            })?
            .map_err(|reason| unreadable(ErrorKind::Unsupported, reason))?;
        if page.text.trim().is_empty() {
            return Err(failed(
                Refusal::empty(status)
                    .with_retry(Retry::Never)
                    .with_meaning("the page holds no text"),
            ));
        }
    }
    page.format = PageFormat::Markdown;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_is_converted_within_the_time_of_the_call() {
        let html = "<p>a</p>".repeat(100_000);
        let page = Page::new("https://example.org/", 200, PageFormat::Html, html);
        let late = Cx::new().with_deadline(DefaultClock.now());
        let ended = converted(page, PageFormat::Markdown, "fetch_page", late).await;
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(Refusal::of(&error).is_some_and(Refusal::is_about_the_page));
    }
}
