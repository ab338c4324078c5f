//! From what the target sent to a page in the form that was asked for.

use contexter_model::{Error, ErrorKind, FetchPage, Page, PageFormat};

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
        number: 1,
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
        number: 1,
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

/// Brings a page into the form that was asked for.
pub(crate) async fn converted(
    mut page: Page,
    format: PageFormat,
    operation: &'static str,
) -> Result<Page, Error> {
    if format != PageFormat::Markdown {
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
        page.text = tokio::task::spawn_blocking(move || to_markdown(&html))
            .await
            .map_err(|cause| {
                Error::new(ErrorKind::Unexpected, "converting a page was broken off")
                    .with_source(cause)
                    .with_service(crate::NAME)
                    .with_operation(operation)
            })?
            .map_err(|reason| {
                failed(
                    Refusal::of_status(status)
                        .with_class(Class::Target)
                        .with_kind(ErrorKind::Unsupported)
                        .with_retry(Retry::Never)
                        .with_meaning(reason),
                )
            })?;
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
