//! Paths and keys.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{FromRequestParts, Query, Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use tokio::time::Instant;

use super::params::Params;
use super::refusal::Refusal;
use super::{Catalogue, current, superseded};

pub(super) type Reply = Result<Response, Refusal>;

pub(super) fn router(catalogue: Arc<Catalogue>) -> Router {
    Router::new()
        .route("/api/v2/libs/search", get(current::search_libraries))
        .route("/api/v2/context", get(current::context))
        .route("/api/v3/search", get(current::search))
        .merge(superseded::routes())
        .fallback(page_not_found)
        .method_not_allowed_fallback(async || {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed.",
            )
        })
        .layer(middleware::from_fn_with_state(
            Arc::clone(&catalogue),
            admit,
        ))
        .with_state(catalogue)
}

/// What is not the API is a website.
async fn page_not_found() -> Response {
    let page = "<!DOCTYPE html><html><head><title>404: This page could not be found.</title></head>\
                <body><h1>404</h1></body></html>";
    (
        StatusCode::NOT_FOUND,
        [(CONTENT_TYPE, "text/html; charset=utf-8")],
        page,
    )
        .into_response()
}

/// Counts the request, checks its key, and names it.
async fn admit(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    request: Request,
    next: Next,
) -> Response {
    static NUMBER: AtomicU64 = AtomicU64::new(1);

    catalogue.requests.fetch_add(1, Ordering::Relaxed);
    let mut response = match authorize(&catalogue, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    if response.status() != StatusCode::OK {
        catalogue.refused.fetch_add(1, Ordering::Relaxed);
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    if let Ok(id) = HeaderValue::try_from(format!("sandbox-{number}")) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn authorize(catalogue: &Catalogue, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return match catalogue.config.anonymous {
            Some(_) => Ok(()),
            None => Err(Refusal::wrong_key()),
        };
    };
    let key = value.to_str().ok().and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    if key == Some(catalogue.config.api_key.as_str()) {
        Ok(())
    } else {
        Err(Refusal::wrong_key())
    }
}

/// One request: what it asks for, and on whose account.
pub(super) struct Ask {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) params: Params,
    has_key: bool,
}

impl FromRequestParts<Arc<Catalogue>> for Ask {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        catalogue: &Arc<Catalogue>,
    ) -> Result<Self, Infallible> {
        // Any query string is a list of pairs.
        let pairs = Query::try_from_uri(&parts.uri).map_or_else(|_| Vec::new(), |Query(all)| all);
        Ok(Self {
            catalogue: Arc::clone(catalogue),
            params: Params(pairs),
            has_key: parts.headers.contains_key(AUTHORIZATION),
        })
    }
}

impl Ask {
    /// Takes a call from the allowance; what is refused as malformed takes none.
    pub(super) fn take(&self) -> Result<(), Refusal> {
        let catalogue = &self.catalogue;
        if catalogue.config.spending_limit_reached && self.has_key {
            return Err(Refusal::spending_limit());
        }
        let quota = if self.has_key {
            &catalogue.account
        } else {
            &catalogue.anonymous
        };
        quota.lock().take(Instant::now(), Timestamp::now())
    }
}
