//! Paths, keys and bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRef, Path, Query, Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::time::Instant;

use crate::voyage::batches::{self, Page, Workers};
use crate::voyage::fields::Fields;
use crate::voyage::files;
use crate::voyage::refusal::Refusal;
use crate::voyage::work::{Endpoint, Work};
use crate::voyage::{Counters, State};

/// How many bytes a body holds at most: a thousand texts of the whole context, or some large images.
const MAX_BODY: usize = 256 << 20;

type Reply = Result<Response, Refusal>;

/// What the handlers share. The tasks of batches go with the router, whoever still knows the state.
#[derive(Clone)]
struct Desk {
    state: Arc<State>,
    workers: Arc<Workers>,
}

impl FromRef<Desk> for Arc<State> {
    fn from_ref(desk: &Desk) -> Self {
        Self::clone(&desk.state)
    }
}

pub(super) fn router(state: Arc<State>) -> Router {
    let computing = |endpoint| {
        post(
            move |Shared(state): Shared<Arc<State>>,
                  headers: HeaderMap,
                  body: Result<Bytes, BytesRejection>| async move {
                compute(endpoint, state, &headers, body).await
            },
        )
    };
    Router::new()
        .route("/v1/embeddings", computing(Endpoint::Embeddings))
        .route(
            "/v1/contextualizedembeddings",
            computing(Endpoint::Contextualized),
        )
        .route("/v1/multimodalembeddings", computing(Endpoint::Multimodal))
        .route("/v1/rerank", computing(Endpoint::Rerank))
        .route("/v1/files", post(upload).get(list_files))
        .route("/v1/files/{id}", get(file))
        .route("/v1/files/{id}/content", get(content))
        .route("/v1/batches", post(create_batch).get(list_batches))
        .route("/v1/batches/{id}", get(batch))
        .route("/v1/batches/{id}/cancel", post(cancel))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), admit))
        .with_state(Desk {
            state,
            workers: Arc::default(),
        })
}

/// Counts the request, checks its key, and names it.
async fn admit(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    static NUMBER: AtomicU64 = AtomicU64::new(1);

    Counters::add(&state.counters.requests, 1);
    let mut response = match authorize(&state, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    if !response.status().is_success() {
        Counters::add(&state.counters.refused, 1);
    }
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        Counters::add(&state.counters.throttled, 1);
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    if let Ok(id) = HeaderValue::try_from(format!("sandbox-{number}")) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn authorize(state: &State, headers: &HeaderMap) -> Result<(), Refusal> {
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key);
    match key {
        Some(key) if key == state.config.api_key => Ok(()),
        Some(key) if state.config.foreign_keys.iter().any(|known| known == key) => {
            Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "The API key is not valid for this host.",
            ))
        }
        Some(_) => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "Provided API key is invalid.",
        )),
        None => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "You forgot to provide an API key.",
        )),
    }
}

async fn compute(
    endpoint: Endpoint,
    state: Arc<State>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Reply {
    let fields = json_fields(headers, body)?;
    let work = Work::check(endpoint, fields, &state.config)?;
    let now = Instant::now();
    state.quotas.lock().take(work.model, work.tokens, now)?;
    let tokens = work.tokens;
    let reply = work.run(&state).await?;
    Counters::add(&state.counters.tokens, tokens);
    Ok(([(CONTENT_TYPE, "application/json")], reply).into_response())
}

fn json_fields(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Fields, Refusal> {
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    let is_json = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return Err(Refusal::malformed("", "value is not a valid dict"));
    }
    Fields::parse(&body)
}

async fn upload(
    Shared(state): Shared<Arc<State>>,
    form: Result<Multipart, MultipartRejection>,
) -> Reply {
    let form = form.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    let upload = files::read_form(form).await?;
    let description = state.files.lock().add_upload(upload)?;
    Ok(Json(description).into_response())
}

async fn list_files(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(state.files.lock().list())
}

async fn file(Shared(state): Shared<Arc<State>>, Path(id): Path<String>) -> Reply {
    let files = state.files.lock();
    Ok(Json(files.get(&id)?.describe()).into_response())
}

async fn content(Shared(state): Shared<Arc<State>>, Path(id): Path<String>) -> Reply {
    let bytes = state.files.lock().get(&id)?.bytes.clone();
    Ok(([(CONTENT_TYPE, "application/jsonl")], bytes).into_response())
}

async fn create_batch(
    Shared(desk): Shared<Desk>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Reply {
    let fields = json_fields(&headers, body)?;
    let batch = batches::create(&desk.state, &desk.workers, fields)?;
    Ok(Json(batch).into_response())
}

async fn list_batches(
    Shared(state): Shared<Arc<State>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Reply {
    let Query(page) =
        page.map_err(|rejection| Refusal::malformed("query", &rejection.body_text()))?;
    Ok(Json(batches::list(&state, &page)?).into_response())
}

async fn batch(Shared(state): Shared<Arc<State>>, Path(id): Path<String>) -> Reply {
    Ok(Json(batches::look(&state, &id)?).into_response())
}

async fn cancel(Shared(state): Shared<Arc<State>>, Path(id): Path<String>) -> Reply {
    Ok(Json(batches::cancel(&state, &id)?).into_response())
}
