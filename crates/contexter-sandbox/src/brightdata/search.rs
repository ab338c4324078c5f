//! Pages of results: of the built-in website, by words.

use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;

use super::ask::DataFormat;
use super::pages::PAGES;
use super::refusal::Refusal;
use super::site::{Answer, Outcome};

/// Results on one page.
const PAGE: usize = 10;

/// What a search engine answers; `None` if the address is that of none.
pub(super) fn results(url: &Url, format: Option<DataFormat>, serp_zone: bool) -> Option<Outcome> {
    let host = url.host_str()?.trim_start_matches("www.");
    let engine = match host {
        "google.com" => "google",
        "bing.com" => "bing",
        "yandex.com" | "yandex.ru" => "yandex",
        _ => return None,
    };
    let param = |name: &str| {
        url.query_pairs()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    };
    let parsed = match engine {
        "google" => {
            param("brd_json").as_deref() == Some("1")
                || matches!(
                    format,
                    Some(DataFormat::ParsedLight | DataFormat::ParsedFast)
                )
        }
        "bing" => format == Some(DataFormat::ParsedBing),
        _ => false,
    };
    if engine == "yandex" && param("brd_json").is_some() {
        return Some(Outcome::Refused(Refusal::unlocker(
            400,
            "validation",
            "JSON output is not supported",
        )));
    }
    let query = param("q").or_else(|| param("text")).unwrap_or_default();
    let start = match engine {
        "bing" => param("first")
            .and_then(|first| first.parse::<usize>().ok())
            .map(|n| n.saturating_sub(1)),
        _ => param("start").and_then(|start| start.parse().ok()),
    };
    let body = body(url, &query, start.unwrap_or(0), engine);
    // A zone that does not parse gives the page itself, with 200 as well.
    let (content_type, body) = if parsed && serp_zone {
        ("application/json", body.to_string())
    } else {
        (
            "text/html; charset=utf-8",
            format!("<!doctype html><html><body>{engine}: results</body></html>"),
        )
    };
    Some(Outcome::Page(Answer {
        status: 200,
        content_type,
        location: None,
        body: Bytes::from(body),
        markdown: None,
        slow: false,
    }))
}

fn body(url: &Url, query: &str, start: usize, engine: &str) -> Value {
    let words: Vec<String> = query
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let mut found: Vec<_> = PAGES
        .iter()
        .map(|page| (page.score(&words), page))
        .filter(|(score, _)| *score > 0)
        .collect();
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    let total = found.len();
    let organic: Vec<Value> = found
        .into_iter()
        .skip(start)
        .take(PAGE)
        .enumerate()
        .map(|(index, (_, page))| {
            json!({
                "link": format!("https://docs.example.com{}", page.path),
                "title": page.title,
                "description": page.snippet(),
                "rank": index + 1,
                "global_rank": start + index + 1,
            })
        })
        .collect();
    json!({
        "general": { "search_engine": engine, "query": query, "results_cnt": total },
        "input": { "original_url": url.as_str() },
        "organic": organic,
    })
}
