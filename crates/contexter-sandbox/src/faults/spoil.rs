//! Proper replies, spoilt on their way to the client.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use crate::faults::fault::{ContentTypeFault, CutFault, DripFault, OversizeFault};

/// How long a cut reply waits before its connection ends, so that what was sent gets out. A client
/// that is slower sees less of it, which is a fault as well.
const FLUSH: Duration = Duration::from_millis(50);

/// How many spaces are sent at a time.
const FILLER: &[u8] = &[b' '; 16 * 1024];

type Item = Result<Frame<Bytes>, Infallible>;

/// Sends the first part of the body under the whole length, then ends the connection.
pub(super) async fn cut<E>(response: Response, cut: CutFault, end: E) -> Response
where
    E: FnOnce() + Send + 'static,
{
    let (mut parts, whole) = collect(response).await;
    let kept = kept(&whole.data, cut);
    set_length(&mut parts.headers, Some(whole.data.len()));
    let first = stream::iter([Ok(Frame::data(kept))]);
    let then = stream::once(async move {
        tokio::time::sleep(FLUSH).await;
        end();
        std::future::pending::<Item>().await
    });
    Response::from_parts(parts, body(first.chain(then)))
}

/// Sends the first part of the body as if it were the whole.
pub(super) async fn truncate(response: Response, cut: CutFault) -> Response {
    let (mut parts, whole) = collect(response).await;
    set_length(&mut parts.headers, None);
    let kept = kept(&whole.data, cut);
    // As a stream it has no known length, and is sent in chunks.
    Response::from_parts(parts, body(stream::iter([Ok(Frame::data(kept))])))
}

/// Says that the body is something else.
pub(super) fn content_type(mut response: Response, fault: ContentTypeFault) -> Response {
    if let Ok(value) = HeaderValue::try_from(fault.value) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    if let Some(text) = fault.body {
        set_length(response.headers_mut(), Some(text.len()));
        *response.body_mut() = Body::from(text);
    }
    response
}

/// Sends spaces before the body: JSON stays JSON, for who reads it all.
pub(super) fn oversize(response: Response, fault: OversizeFault) -> Response {
    let (mut parts, rest) = response.into_parts();
    set_length(&mut parts.headers, None);
    let filler = stream::unfold(fault.bytes, |left| async move {
        if left == 0 {
            return None;
        }
        let size = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(FILLER.len());
        let chunk = Bytes::from_static(FILLER).slice(..size);
        Some((Ok::<_, axum::Error>(Frame::data(chunk)), left - size as u64))
    });
    let spoilt = filler.chain(http_body_util::BodyStream::new(rest));
    Response::from_parts(parts, Body::new(StreamBody::new(spoilt)))
}

/// Sends the body in small parts.
pub(super) async fn drip(response: Response, fault: DripFault) -> Response {
    let (parts, whole) = collect(response).await;
    let chunk = usize::try_from(fault.chunk_bytes)
        .unwrap_or(usize::MAX)
        .max(1);
    let drops = stream::unfold(whole.data, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        let drop = left.split_to(chunk.min(left.len()));
        tokio::time::sleep(fault.every).await;
        Some((Ok(Frame::data(drop)), left))
    });
    let trailers = stream::iter(whole.trailers.map(|trailers| Ok(Frame::trailers(trailers))));
    Response::from_parts(parts, body(drops.chain(trailers)))
}

/// A body that was read whole.
struct Whole {
    data: Bytes,
    trailers: Option<HeaderMap>,
}

async fn collect(response: Response) -> (axum::http::response::Parts, Whole) {
    let (parts, body) = response.into_parts();
    // The body is our own server's, which does not fail; what it could not make is left out.
    let whole = match body.collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned();
            let data = collected.to_bytes();
            Whole { data, trailers }
        }
        Err(error) => {
            tracing::warn!(%error, "the server broke off its own reply");
            Whole {
                data: Bytes::new(),
                trailers: None,
            }
        }
    };
    (parts, whole)
}

/// Returns the part of the body before the cut.
fn kept(data: &Bytes, cut: CutFault) -> Bytes {
    let wanted = cut.after_bytes.map_or(data.len() / 2, |bytes| {
        usize::try_from(bytes).unwrap_or(usize::MAX)
    });
    data.slice(..wanted.min(data.len()))
}

fn set_length(headers: &mut HeaderMap, length: Option<usize>) {
    match length {
        Some(length) => headers.insert(CONTENT_LENGTH, length.into()),
        None => headers.remove(CONTENT_LENGTH),
    };
}

fn body(frames: impl Stream<Item = Item> + Send + 'static) -> Body {
    Body::new(StreamBody::new(frames))
}
