//! Paths, keys and parameters.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Path, Query, Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Catalogue;
use super::config::State;
use super::params::{Form, Params, library_id, within_limit};
use super::pieces::{Indexed, Piece, rank, words};
use super::refusal::Refusal;
use super::reply::{self, Found};

/// How many pieces of a kind an answer holds; the service chooses the size itself.
const PIECES: usize = 10;
/// How many libraries a search finds at most.
const LIBRARIES: usize = 10;
/// How many libraries a search through documentation may name.
const SEARCHED: usize = 4;
/// The last page of the superseded endpoints, and the most pieces of a page.
pub(super) const MAX_PAGE: usize = 10;
/// How many tokens the oldest endpoint gives unless told otherwise.
const LEGACY_TOKENS: usize = 10_000;
/// The most that it can be told.
const MAX_LEGACY_TOKENS: usize = 1_000_000;

type Reply = Result<Response, Refusal>;
type Pairs = Query<Vec<(String, String)>>;

pub(super) fn router(catalogue: Arc<Catalogue>) -> Router {
    Router::new()
        .route("/api/v2/libs/search", get(search_libraries))
        .route("/api/v2/context", get(context))
        .route("/api/v3/search", get(search))
        .route("/api/v1/search", get(legacy_search))
        .route("/api/v2/search", get(legacy_search))
        .route("/api/v1/{owner}/{name}", get(legacy_text))
        .route("/api/v1/{owner}/{name}/{version}", get(legacy_text))
        .route("/api/v2/docs/code/{owner}/{name}", get(legacy_code))
        .route(
            "/api/v2/docs/code/{owner}/{name}/{version}",
            get(legacy_code),
        )
        .route("/api/v2/docs/info/{owner}/{name}", get(legacy_info))
        .route(
            "/api/v2/docs/info/{owner}/{name}/{version}",
            get(legacy_info),
        )
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

/// Takes a call from the allowance; what is refused as malformed takes none.
fn take(catalogue: &Catalogue, headers: &HeaderMap) -> Result<(), Refusal> {
    if catalogue.config.spending_limit_reached && headers.contains_key(AUTHORIZATION) {
        return Err(Refusal::spending_limit());
    }
    let quota = if headers.contains_key(AUTHORIZATION) {
        &catalogue.account
    } else {
        &catalogue.anonymous
    };
    quota.lock().take(Instant::now(), Timestamp::now())
}

async fn search_libraries(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Reply {
    let params = Params(pairs);
    let name = params.required("libraryName")?;
    params.required("query")?;
    params.fast()?;
    take(&catalogue, &headers)?;
    libraries(&catalogue, name, "no_libraries_found")
}

async fn legacy_search(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Reply {
    let params = Params(pairs);
    let query = params.required("query")?;
    take(&catalogue, &headers)?;
    libraries(&catalogue, query, "no_libraries_found")
}

fn libraries(catalogue: &Catalogue, name: &str, none: &'static str) -> Reply {
    let found = named(catalogue, name);
    if found.is_empty() {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            none,
            format!("No libraries found matching \"{name}\"."),
        ));
    }
    let results: Vec<Value> = found
        .into_iter()
        .take(LIBRARIES)
        .map(|library| library_json(catalogue, library))
        .collect();
    Ok(Json(json!({ "results": results, "searchFilterApplied": false })).into_response())
}

/// Returns the libraries that a name fits, the best first.
fn named<'a>(catalogue: &'a Catalogue, name: &str) -> Vec<&'a Indexed> {
    let wanted = name.trim().to_lowercase();
    let asked: BTreeSet<String> = words(&wanted).collect();
    let mut ranked: Vec<(u32, &Indexed)> = catalogue
        .libraries
        .values()
        .filter(|library| library.about.state != State::Private)
        .filter_map(|library| {
            let about = &library.about;
            let id = about.id.to_lowercase();
            let own = id.rsplit('/').next().unwrap_or_default();
            let title = about.title.to_lowercase();
            let known: BTreeSet<String> = words(&id)
                .chain(words(&title))
                .chain(words(&about.description))
                .collect();
            let shared = asked.intersection(&known).count();
            let score = if wanted == id || wanted == own || wanted == title {
                1_000
            } else if own.starts_with(&wanted) || title.starts_with(&wanted) {
                500
            } else if id.contains(&wanted) {
                200
            } else {
                0
            };
            let score = score + u32::try_from(shared).unwrap_or(u32::MAX) * 10;
            (score > 0).then_some((score, library))
        })
        .collect();
    ranked.sort_by_key(|(score, library)| (Reverse(*score), library.about.id.clone()));
    ranked.into_iter().map(|(_, library)| library).collect()
}

fn library_json(catalogue: &Catalogue, library: &Indexed) -> Value {
    let about = &library.about;
    let pieces = library.pieces(None).unwrap_or_default();
    let is_ready = catalogue.is_finalized(library);
    let counted = |number: usize| if is_ready { json!(number) } else { json!(-1) };
    json!({
        "id": about.id,
        "title": about.title,
        "description": about.description,
        "branch": "main",
        "lastUpdateDate": "2026-11-01T09:00:00.000Z",
        "state": if is_ready { "finalized" } else { "processing" },
        "totalTokens": counted(pieces.iter().map(Piece::tokens).sum()),
        "totalSnippets": counted(pieces.len()),
        "stars": about.stars.map_or(json!(-1), Value::from),
        "trustScore": about.trust.map_or(json!(-1), Value::from),
        "benchmarkScore": -1,
        "versions": about.versions.iter().map(|(tag, _)| tag).collect::<Vec<_>>(),
        "source": library.about.source.clone()
            .unwrap_or_else(|| format!("https://github.com{}", about.id)),
    })
}

async fn context(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Reply {
    let params = Params(pairs);
    let (id, tag) = library_id(params.required("libraryId")?)?;
    let query = params.required("query")?;
    let form = params.form()?;
    params.fast()?;
    take(&catalogue, &headers)?;
    let library = catalogue.open(&id, tag.as_deref())?;
    let pieces = version(library, tag.as_deref())?;
    if pieces.is_empty() {
        return match form {
            // As text the service has nothing to say about a library without documentation.
            Form::Text => Ok(reply::text(&[])),
            Form::Json => Err(Refusal::no_snippets(&id)),
        };
    }
    let found = best(library, tag.as_deref(), pieces, query);
    Ok(reply::documentation(&found, form, false))
}

fn version<'a>(library: &'a Indexed, tag: Option<&str>) -> Result<&'a [Piece], Refusal> {
    library.pieces(tag).ok_or_else(|| {
        let tags = library.about.versions.iter().map(|(tag, _)| tag.as_str());
        Refusal::unknown_tag(&library.about.id, tag.unwrap_or_default(), tags)
    })
}

/// Returns the best pieces of each kind. A query none of whose words occur gets the beginning: the
/// service always finds something that is near enough.
fn best<'a>(
    library: &'a Indexed,
    tag: Option<&'a str>,
    pieces: &'a [Piece],
    query: &str,
) -> Vec<Found<'a>> {
    let ranked = rank(pieces, query);
    let is_hit = ranked.first().is_some_and(|(score, _)| *score > 0.0);
    let (mut code, mut info) = (0, 0);
    ranked
        .into_iter()
        .filter(|(score, _)| !is_hit || *score > 0.0)
        .filter_map(|(_, at)| pieces.get(at))
        .filter(|piece| {
            let count = if piece.code.is_some() {
                &mut code
            } else {
                &mut info
            };
            *count += 1;
            *count <= PIECES
        })
        .map(|piece| Found {
            library,
            tag,
            piece,
        })
        .collect()
}

async fn search(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Reply {
    let params = Params(pairs);
    let query = params.required("query")?;
    let form = params.form()?;
    let wanted: Vec<&str> = params.all("library").collect();
    if wanted.len() > SEARCHED {
        return Err(Refusal::invalid(format!(
            "library may be given at most {SEARCHED} times"
        )));
    }
    for library in &wanted {
        within_limit("library", library)?;
    }
    let tag = params.optional("version")?;
    if tag.is_some() && wanted.is_empty() {
        return Err(Refusal::invalid("version needs library"));
    }
    let language = params.optional("language")?.map(str::to_lowercase);
    take(&catalogue, &headers)?;
    let libraries: Vec<&Indexed> = if wanted.is_empty() {
        catalogue
            .libraries
            .values()
            .filter(|library| library.about.state == State::Finalized)
            .collect()
    } else {
        wanted
            .iter()
            .filter_map(|name| named(&catalogue, name).into_iter().next())
            .collect()
    };
    let mut hits: Vec<(f64, Found<'_>)> = Vec::new();
    for library in libraries {
        let Some(pieces) = library.pieces(tag) else {
            continue;
        };
        let ranked = rank(pieces, query).into_iter();
        hits.extend(
            ranked
                .filter(|(score, _)| *score > 0.0)
                .filter_map(|(score, at)| {
                    let piece = pieces.get(at)?;
                    let spoken = piece.code.as_ref().map(|code| code.language.to_lowercase());
                    let fits = language.is_none() || spoken.is_none() || spoken == language;
                    fits.then_some((
                        score,
                        Found {
                            library,
                            tag,
                            piece,
                        },
                    ))
                }),
        );
    }
    hits.sort_by(|a, b| b.0.total_cmp(&a.0));
    let found: Vec<Found<'_>> = hits
        .into_iter()
        .take(PIECES)
        .map(|(_, found)| found)
        .collect();
    if found.is_empty() {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "no_documentation_found",
            "No documentation found for this query.",
        ));
    }
    Ok(reply::documentation(&found, form, true))
}

/// What the superseded endpoints have in their paths.
#[derive(Debug, serde::Deserialize)]
struct Named {
    owner: String,
    name: String,
    version: Option<String>,
}

impl Named {
    fn id(&self) -> Result<(String, Option<String>), Refusal> {
        let mut text = format!("/{}/{}", self.owner, self.name);
        if let Some(version) = &self.version {
            text.push('/');
            text.push_str(version);
        }
        library_id(&text)
    }
}

async fn legacy_text(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    headers: HeaderMap,
    Path(named): Path<Named>,
    Query(pairs): Pairs,
) -> Reply {
    let params = Params(pairs);
    let (id, tag) = named.id()?;
    let form = params.form()?;
    let topic = params.optional("topic")?;
    let tokens = params.number("tokens", LEGACY_TOKENS, 1..=MAX_LEGACY_TOKENS)?;
    take(&catalogue, &headers)?;
    let library = catalogue.open(&id, tag.as_deref())?;
    let pieces = version(library, tag.as_deref())?;
    let ordered = about(library, tag.as_deref(), pieces, topic);
    let mut left = tokens;
    let found: Vec<Found<'_>> = ordered
        .into_iter()
        .take_while(|found| {
            let fits = found.piece.tokens() <= left;
            left = left.saturating_sub(found.piece.tokens());
            fits
        })
        .collect();
    Ok(reply::documentation(&found, form, false))
}

async fn legacy_code(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    headers: HeaderMap,
    Path(named): Path<Named>,
    Query(pairs): Pairs,
) -> Reply {
    legacy_page(&catalogue, &headers, &named, &Params(pairs), true)
}

async fn legacy_info(
    Shared(catalogue): Shared<Arc<Catalogue>>,
    headers: HeaderMap,
    Path(named): Path<Named>,
    Query(pairs): Pairs,
) -> Reply {
    legacy_page(&catalogue, &headers, &named, &Params(pairs), false)
}

fn legacy_page(
    catalogue: &Catalogue,
    headers: &HeaderMap,
    named: &Named,
    params: &Params,
    code: bool,
) -> Reply {
    let (id, tag) = named.id()?;
    let form = params.form()?;
    let topic = params.optional("topic")?;
    let page = params.number("page", 1, 1..=MAX_PAGE)?;
    let limit = params.number("limit", PIECES, 1..=PIECES)?;
    take(catalogue, headers)?;
    let library = catalogue.open(&id, tag.as_deref())?;
    let pieces = version(library, tag.as_deref())?;
    let found: Vec<Found<'_>> = about(library, tag.as_deref(), pieces, topic)
        .into_iter()
        .filter(|found| found.piece.code.is_some() == code)
        .collect();
    if found.is_empty() {
        return Err(Refusal::no_snippets(&id));
    }
    Ok(reply::legacy_page(&found, form, (page, limit)))
}

/// Returns all pieces: those about the topic first, or in the order of the text.
fn about<'a>(
    library: &'a Indexed,
    tag: Option<&'a str>,
    pieces: &'a [Piece],
    topic: Option<&str>,
) -> Vec<Found<'a>> {
    rank(pieces, topic.unwrap_or_default())
        .into_iter()
        .filter_map(|(_, at)| pieces.get(at))
        .map(|piece| Found {
            library,
            tag,
            piece,
        })
        .collect()
}
