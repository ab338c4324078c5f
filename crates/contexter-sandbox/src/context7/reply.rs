//! Documentation as it is sent: data, or one text.

use std::fmt::Write as _;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::params::Form;
use super::pieces::{Indexed, Piece};

/// What divides the pieces of a text.
const DIVIDER: &str = "\n--------------------------------\n\n";

/// A piece of a library at a version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) library: &'a Indexed,
    pub(super) tag: Option<&'a str>,
    pub(super) piece: &'a Piece,
}

impl Found<'_> {
    fn address(&self) -> String {
        self.library.address(&self.piece.page, self.tag)
    }

    /// Says what it is as data; prose and code have different members.
    fn json(&self, with_library: bool) -> Value {
        let piece = self.piece;
        let mut value = match &piece.code {
            Some(code) => json!({
                "codeTitle": piece.heading,
                "codeDescription": piece.text,
                "codeLanguage": code.language,
                "codeTokens": piece.tokens(),
                "codeId": format!("{}#_snippet_{}", self.address(), piece.number),
                "pageTitle": piece.page_title,
                "codeList": [{"language": code.language, "code": code.text}],
                "isDynamic": false,
                "sourceFile": piece.page,
            }),
            None => json!({
                "pageId": self.address(),
                "breadcrumb": format!("{} > {}", piece.page_title, piece.heading),
                "content": piece.text,
                "contentTokens": piece.tokens(),
            }),
        };
        if let (true, Some(value)) = (with_library, value.as_object_mut()) {
            value.insert("libraryId".to_owned(), self.library.about.id.clone().into());
        }
        value
    }

    fn text(&self) -> String {
        let piece = self.piece;
        let mut text = format!(
            "### {}\n\nSource: {}\n\n{}\n",
            piece.heading,
            self.address(),
            piece.text
        );
        if let Some(code) = &piece.code {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n```{}\n{}```\n", code.language, code.text);
        }
        text
    }
}

/// Replies with pieces in their order.
pub(super) fn documentation(found: &[Found<'_>], form: Form, with_library: bool) -> Response {
    match form {
        Form::Text => text(found),
        Form::Json => {
            let (code, info): (Vec<&Found<'_>>, Vec<&Found<'_>>) =
                found.iter().partition(|found| found.piece.code.is_some());
            let each = |all: Vec<&Found<'_>>| -> Vec<Value> {
                all.into_iter()
                    .map(|found| found.json(with_library))
                    .collect()
            };
            Json(json!({
                "codeSnippets": each(code),
                "infoSnippets": each(info),
                "rules": {"global": [], "libraryOwn": [], "libraryTeam": []},
            }))
            .into_response()
        }
    }
}

/// Replies with pieces as one text; none is an empty body.
pub(super) fn text(found: &[Found<'_>]) -> Response {
    let text = found
        .iter()
        .map(Found::text)
        .collect::<Vec<_>>()
        .join(DIVIDER);
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Replies as the superseded endpoints do: `snippets`, of one kind, and where in the pages they are.
pub(super) fn legacy_page(
    found: &[Found<'_>],
    form: Form,
    (page, limit): (usize, usize),
) -> Response {
    let total_pages = found
        .len()
        .div_ceil(limit)
        .clamp(1, super::superseded::MAX_PAGE);
    let total_tokens: usize = found.iter().map(|found| found.piece.tokens()).sum();
    let start = (page - 1).saturating_mul(limit);
    let shown: Vec<Found<'_>> = found.iter().skip(start).take(limit).copied().collect();
    let (has_next, has_prev) = (page < total_pages, page > 1);
    let mut response = match form {
        Form::Text => text(&shown),
        Form::Json => Json(json!({
            "snippets": shown.iter().map(|found| found.json(false)).collect::<Vec<_>>(),
            "totalTokens": total_tokens,
            "pagination": {
                "page": page,
                "limit": limit,
                "totalPages": total_pages,
                "hasNext": has_next,
                "hasPrev": has_prev,
            },
        }))
        .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-context7-page", page.into()),
        ("x-context7-limit", limit.into()),
        ("x-context7-total-pages", total_pages.into()),
        ("x-context7-total-tokens", total_tokens.into()),
    ] {
        headers.insert(name, value);
    }
    for (name, flag) in [
        ("x-context7-has-next", has_next),
        ("x-context7-has-prev", has_prev),
    ] {
        let value = if flag { "true" } else { "false" };
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}
