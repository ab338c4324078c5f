//! The documentation in an answer.

use contexter_model::LibraryId;
use serde_json::Value;

use super::{count, each, list, text, texts};
use crate::{CodeBlock, CodeSnippet, Context7Id, InfoSnippet, Rules, Snippets};

/// Reads the answer: an object with `codeSnippets` and `infoSnippets`, of which one may be missing.
pub(crate) fn snippets(json: &Value) -> Result<Snippets, String> {
    let (code, info) = (list(json, "codeSnippets")?, list(json, "infoSnippets")?);
    if code.is_none() && info.is_none() {
        return Err("holds neither codeSnippets nor infoSnippets".to_owned());
    }
    let (code, odd_code) = each(code.unwrap_or_default(), code_snippet);
    let (info, odd_info) = each(info.unwrap_or_default(), info_snippet);
    let unreadable = odd_code + odd_info;
    if code.is_empty() && info.is_empty() && unreadable > 0 {
        return Err(format!("holds {unreadable} snippets, and none has content"));
    }
    Ok(Snippets {
        code,
        info,
        rules: rules(json),
        unreadable,
    })
}

pub(super) fn code_snippet(value: &Value) -> Option<CodeSnippet> {
    let blocks: Vec<CodeBlock> = match value.get("codeList") {
        Some(Value::Array(list)) => list.iter().filter_map(block).collect(),
        // Older answers hold the code itself.
        _ => block(value).into_iter().collect(),
    };
    let description = text(value, "codeDescription").or_else(|| text(value, "description"));
    if blocks.is_empty() && description.is_none() {
        return None;
    }
    Some(CodeSnippet {
        id: text(value, "codeId"),
        title: text(value, "codeTitle").or_else(|| text(value, "title")),
        description,
        language: text(value, "codeLanguage").or_else(|| text(value, "language")),
        tokens: count(value, "codeTokens"),
        page_title: text(value, "pageTitle"),
        blocks,
        is_dynamic: value.get("isDynamic").and_then(Value::as_bool) == Some(true),
        source_file: text(value, "sourceFile"),
        library: library(value),
    })
}

pub(super) fn info_snippet(value: &Value) -> Option<InfoSnippet> {
    Some(InfoSnippet {
        content: text(value, "content")?,
        page_id: text(value, "pageId"),
        breadcrumb: text(value, "breadcrumb"),
        tokens: count(value, "contentTokens"),
        library: library(value),
    })
}

fn block(value: &Value) -> Option<CodeBlock> {
    Some(CodeBlock {
        code: text(value, "code")?,
        language: text(value, "language"),
    })
}

fn library(value: &Value) -> Option<LibraryId> {
    let id = value.get("libraryId")?.as_str()?;
    id.parse::<Context7Id>().ok().map(LibraryId::from)
}

fn rules(json: &Value) -> Rules {
    let Some(rules) = json.get("rules") else {
        return Rules::default();
    };
    Rules {
        global: texts(rules, "global"),
        library_own: texts(rules, "libraryOwn"),
        library_team: texts(rules, "libraryTeam"),
    }
}
