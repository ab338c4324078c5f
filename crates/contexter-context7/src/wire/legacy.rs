//! The answers of the endpoints that were superseded.

use serde_json::Value;

use super::snippets::{code_snippet, info_snippet};
use super::{each, list, snippets};
use crate::Snippets;

/// Reads an answer in JSON, of any of the shapes that were in use: `snippets`, each of which is code
/// or prose, or the two lists of today.
pub(crate) fn legacy(json: &Value) -> Result<Snippets, String> {
    let all = match json {
        Value::Array(all) => all.as_slice(),
        _ => match list(json, "snippets")? {
            Some(all) => all,
            None => {
                return snippets(json).map_err(|_neither| {
                    "holds neither snippets nor codeSnippets nor infoSnippets".to_owned()
                });
            }
        },
    };
    let (code, _others) = each(all, |value| {
        (!is_prose(value)).then(|| code_snippet(value)).flatten()
    });
    let (info, _others) = each(all, |value| {
        is_prose(value).then(|| info_snippet(value)).flatten()
    });
    let unreadable = all.len() - code.len() - info.len();
    if unreadable > 0 && unreadable == all.len() {
        return Err(format!("holds {unreadable} snippets, and none has content"));
    }
    Ok(Snippets {
        code,
        info,
        unreadable,
        ..Snippets::default()
    })
}

fn is_prose(value: &Value) -> bool {
    value.get("content").is_some_and(Value::is_string)
}
