//! The endpoints of before, which old integrations read.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;

use super::Catalogue;
use super::current::libraries;
use super::finding::{PIECES, about, version};
use super::params::library_id;
use super::refusal::Refusal;
use super::reply::{self, Found};
use super::routes::{Ask, Reply};

/// The last page, and the most pieces of a page.
pub(super) const MAX_PAGE: usize = 10;
/// How many tokens the oldest endpoint gives unless told otherwise.
const TOKENS: usize = 10_000;
/// The most that it can be told.
const MAX_TOKENS: usize = 1_000_000;

pub(super) fn routes() -> Router<Arc<Catalogue>> {
    Router::new()
        .route("/api/v1/search", get(search))
        .route("/api/v2/search", get(search))
        .route("/api/v1/{owner}/{name}", get(text))
        .route("/api/v1/{owner}/{name}/{version}", get(text))
        .route("/api/v2/docs/code/{owner}/{name}", get(code))
        .route("/api/v2/docs/code/{owner}/{name}/{version}", get(code))
        .route("/api/v2/docs/info/{owner}/{name}", get(info))
        .route("/api/v2/docs/info/{owner}/{name}/{version}", get(info))
}

/// What the paths name.
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

async fn search(ask: Ask) -> Reply {
    let query = ask.params.required("query")?;
    ask.take()?;
    libraries(&ask.catalogue, query)
}

async fn text(Path(named): Path<Named>, ask: Ask) -> Reply {
    let (id, tag) = named.id()?;
    let form = ask.params.form()?;
    let topic = ask.params.optional("topic")?;
    let mut left = ask.params.number("tokens", TOKENS, 1..=MAX_TOKENS)?;
    ask.take()?;
    let library = ask.catalogue.open(&id, tag.as_deref())?;
    let pieces = version(library, tag.as_deref())?;
    let found: Vec<Found<'_>> = about(library, tag.as_deref(), pieces, topic)
        .into_iter()
        .take_while(|found| {
            let fits = found.piece.tokens() <= left;
            left = left.saturating_sub(found.piece.tokens());
            fits
        })
        .collect();
    Ok(reply::documentation(&found, form, false))
}

async fn code(Path(named): Path<Named>, ask: Ask) -> Reply {
    page(&named, &ask, true)
}

async fn info(Path(named): Path<Named>, ask: Ask) -> Reply {
    page(&named, &ask, false)
}

/// Replies with a page of pieces of one kind.
fn page(named: &Named, ask: &Ask, code: bool) -> Reply {
    let (id, tag) = named.id()?;
    let form = ask.params.form()?;
    let topic = ask.params.optional("topic")?;
    let page = ask.params.number("page", 1, 1..=MAX_PAGE)?;
    let limit = ask.params.number("limit", PIECES, 1..=PIECES)?;
    ask.take()?;
    let library = ask.catalogue.open(&id, tag.as_deref())?;
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
