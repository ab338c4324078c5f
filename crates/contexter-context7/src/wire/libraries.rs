//! The answer of a search for libraries.

use contexter_model::LibraryId;
use serde_json::Value;

use super::{count, each, list, score, text, texts};
use crate::{Context7Id, FoundLibraries, FoundLibrary, LibraryState};

/// Reads the answer: an object with `results`, or the bare list of older pages. Results without the
/// id of a library are counted, also where there are no others: the service has answered. A list in
/// which nothing has any id is no answer.
pub(crate) fn libraries(json: &Value) -> Result<FoundLibraries, String> {
    let results = match json {
        Value::Array(list) => list.as_slice(),
        _ => list(json, "results")?.ok_or("holds no results")?,
    };
    let has_id = |result: &Value| result.get("id").is_some_and(Value::is_string);
    if !results.is_empty() && !results.iter().any(has_id) {
        return Err("holds results of which none has an id".to_owned());
    }
    let (libraries, unreadable) = each(results, library);
    let filtered = json.get("searchFilterApplied").and_then(Value::as_bool);
    Ok(FoundLibraries {
        libraries,
        filtered: filtered.unwrap_or(false),
        unreadable,
    })
}

fn library(value: &Value) -> Option<FoundLibrary> {
    let id = value.get("id")?.as_str()?.parse::<Context7Id>().ok()?;
    let id = LibraryId::from(id);
    Some(FoundLibrary {
        title: text(value, "title")
            .or_else(|| text(value, "name"))
            .unwrap_or_else(|| id.name().to_owned()),
        description: text(value, "description").unwrap_or_default(),
        branch: text(value, "branch"),
        last_update: text(value, "lastUpdateDate").and_then(|date| date.parse().ok()),
        state: text(value, "state").map(LibraryState::from),
        total_tokens: count(value, "totalTokens"),
        total_snippets: count(value, "totalSnippets"),
        stars: count(value, "stars"),
        trust_score: score(value, "trustScore"),
        benchmark_score: score(value, "benchmarkScore"),
        versions: texts(value, "versions"),
        source: text(value, "source"),
        id,
    })
}
