//! What a page of results holds.

use serde::Serialize;
use serde_json::{Map, Value};

/// One page of results.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SerpPage {
    /// The results proper, in the order of the engine.
    pub organic: Vec<Organic>,
    /// What people search as well.
    pub related: Vec<String>,
    /// How many results the engine claims to know.
    pub total: Option<u64>,
    /// Everything that the vendor read, as it came: advertisements, knowledge, questions, and so on.
    pub rest: Map<String, Value>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Organic {
    /// Its place on the page, counted from 1.
    pub rank: u32,
    /// Where it is.
    pub url: String,
    /// Its title.
    pub title: String,
    /// What the engine shows of it; empty if nothing.
    pub description: String,
}

/// Reads the JSON of a page of results.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::read_results;
///
/// let page = read_results(br#"{"organic": [{"link": "https://a.org/", "title": "A"}]}"#).unwrap();
/// assert_eq!(page.organic[0].url, "https://a.org/");
/// assert!(read_results(b"<html>").is_err());
/// ```
///
/// # Errors
///
/// What is wrong with it: it is a page of HTML, which is what a zone without parsing gives, or it is not
/// the JSON that is expected.
pub fn read_results(body: &[u8]) -> Result<SerpPage, UnreadableResults> {
    let body = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    if !body.starts_with(b"{") {
        return Err(UnreadableResults::NotParsed);
    }
    let mut rest: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| UnreadableResults::Malformed {
            line: error.line(),
            column: error.column(),
        })?;
    let organic = match rest.remove("organic") {
        Some(Value::Array(results)) => results,
        // A page without results has no such list, but it says what it is a page of.
        None | Some(Value::Null)
            if ["general", "input", "related"]
                .iter()
                .any(|key| rest.contains_key(*key)) =>
        {
            Vec::new()
        }
        _ => return Err(UnreadableResults::NoResults),
    };
    let text = |value: &Value, names: &[&str]| {
        names
            .iter()
            .find_map(|name| value.get(name).and_then(Value::as_str))
            .map(str::to_owned)
    };
    let organic = organic
        .iter()
        .enumerate()
        .filter_map(|(index, result)| {
            let place = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let rank = result.get("rank").and_then(Value::as_u64);
            Some(Organic {
                rank: rank
                    .and_then(|rank| u32::try_from(rank).ok())
                    .unwrap_or(place),
                // A result that leads nowhere is none.
                url: text(result, &["link", "url"])?,
                title: text(result, &["title"]).unwrap_or_default(),
                description: text(result, &["description", "snippet"]).unwrap_or_default(),
            })
        })
        .collect();
    let related = match rest.get("related") {
        Some(Value::Array(related)) => related
            .iter()
            .filter_map(|entry| match entry {
                Value::String(text) => Some(text.clone()),
                entry => text(entry, &["text", "query"]),
            })
            .collect(),
        _ => Vec::new(),
    };
    let total = rest
        .get("general")
        .and_then(|general| general.get("results_cnt"))
        .and_then(Value::as_u64);
    Ok(SerpPage {
        organic,
        related,
        total,
        rest,
    })
}

/// Why the answer to a search cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableResults {
    /// The page itself came.
    #[error("the page of results came unread: the zone does not parse results")]
    NotParsed,
    /// It is no JSON.
    #[error("the results are not the json expected, at line {line} column {column}")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It is JSON of something else.
    #[error("the answer holds no list of results")]
    NoResults,
}
