//! The endpoints of today: libraries, context, and the search through several libraries.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::Catalogue;
use super::config::State;
use super::finding::{PIECES, best, named, version};
use super::params::{Form, library_id, within_limit};
use super::pieces::{Indexed, Piece, rank};
use super::refusal::Refusal;
use super::reply::{self, Found};
use super::routes::{Ask, Reply};

/// How many libraries a search finds at most.
const LIBRARIES: usize = 10;
/// How many libraries a search through documentation may name.
const SEARCHED: usize = 4;

/// `GET /v2/libs/search`
pub(super) async fn search_libraries(ask: Ask) -> Reply {
    let name = ask.params.required("libraryName")?;
    ask.params.required("query")?;
    ask.params.fast()?;
    ask.take()?;
    libraries(&ask.catalogue, name)
}

/// Replies with the libraries that a name fits.
pub(super) fn libraries(catalogue: &Catalogue, name: &str) -> Reply {
    let found = named(catalogue, name);
    if found.is_empty() {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "no_libraries_found",
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
        "state": match about.state {
            State::TooLarge => "error",
            _ if is_ready => "finalized",
            _ => "processing",
        },
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

/// `GET /v2/context`
pub(super) async fn context(ask: Ask) -> Reply {
    let params = &ask.params;
    let (id, tag) = library_id(params.required("libraryId")?)?;
    let query = params.required("query")?;
    let form = params.form()?;
    params.fast()?;
    ask.take()?;
    let library = ask.catalogue.open(&id, tag.as_deref())?;
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

/// `GET /v3/search`
pub(super) async fn search(ask: Ask) -> Reply {
    let (catalogue, params) = (&ask.catalogue, &ask.params);
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
    ask.take()?;
    let libraries: Vec<&Indexed> = if wanted.is_empty() {
        catalogue
            .libraries
            .values()
            .filter(|library| library.about.state == State::Finalized)
            .collect()
    } else {
        wanted
            .iter()
            .filter_map(|name| named(catalogue, name).into_iter().next())
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
