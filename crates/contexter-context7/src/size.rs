//! How much memory questions and answers take, by which what is kept of them is bounded.

use contexter_model::LibraryId;

use crate::{
    CodeBlock, CodeSnippet, Content, Context, FetchContext, FoundLibraries, FoundLibrary,
    InfoSnippet, LegacyDocs, LibraryState, ReadLegacy, Rules, SearchContext, SearchLegacy,
    SearchLibraries, Snippets,
};

/// What an allocator adds to each piece of memory, in bytes: roughly.
const ALLOCATION: usize = 16;

/// A value that may own memory outside of itself.
pub(crate) trait Size: Sized {
    /// Returns roughly how many bytes it owns outside of itself.
    fn owned(&self) -> usize;

    /// Returns roughly how many bytes it takes in all.
    fn in_memory(&self) -> usize {
        size_of::<Self>().saturating_add(self.owned())
    }
}

fn allocated(bytes: usize) -> usize {
    if bytes == 0 {
        0
    } else {
        bytes.saturating_add(ALLOCATION)
    }
}

impl Size for String {
    fn owned(&self) -> usize {
        allocated(self.capacity())
    }
}

impl Size for LibraryId {
    fn owned(&self) -> usize {
        allocated(self.as_str().len())
    }
}

impl<T: Size> Size for Option<T> {
    fn owned(&self) -> usize {
        self.as_ref().map_or(0, T::owned)
    }
}

impl<T: Size> Size for Vec<T> {
    fn owned(&self) -> usize {
        let places = allocated(self.capacity().saturating_mul(size_of::<T>()));
        self.iter()
            .map(T::owned)
            .fold(places, usize::saturating_add)
    }
}

impl Size for Content {
    fn owned(&self) -> usize {
        match self {
            Self::Snippets(snippets) => snippets.owned(),
            Self::Text(text) => text.owned(),
        }
    }
}

impl Size for LibraryState {
    fn owned(&self) -> usize {
        match self {
            Self::Other(word) => word.owned(),
            Self::Finalized | Self::Initial | Self::Processing | Self::Error | Self::Delete => 0,
        }
    }
}

/// Adds up what the fields before the semicolon own; those after it own nothing.
macro_rules! size {
    ($type:ident { $($owner:ident),+; $($plain:ident),* }) => {
        impl Size for $type {
            fn owned(&self) -> usize {
                let Self { $($owner,)+ $($plain: _,)* } = self;
                [$($owner.owned()),+].into_iter().fold(0, usize::saturating_add)
            }
        }
    };
}

size!(Snippets { code, info, rules; unreadable });
size!(CodeSnippet {
    id, title, description, language, page_title, blocks, source_file, library;
    tokens, is_dynamic
});
size!(CodeBlock { language, code; });
size!(InfoSnippet { page_id, breadcrumb, content, library; tokens });
size!(Rules { global, library_own, library_team; });
size!(Context { library, content; fell_back });
size!(LegacyDocs { library, content; fell_back, paging });
size!(FoundLibraries { libraries; filtered, unreadable });
size!(FoundLibrary {
    id, title, description, branch, state, versions, source;
    last_update, total_tokens, total_snippets, stars, trust_score, benchmark_score
});
size!(FetchContext { library, query; form, fast, tag_fallback, max_tokens });
size!(SearchContext { query, libraries, version, language; form, max_tokens });
size!(SearchLibraries { name, query; fast });
size!(ReadLegacy { library, topic; endpoint, form, tag_fallback });
size!(SearchLegacy { query; version });

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire;

    const KIB: usize = 1_024;

    /// Half a kibibyte of text, and the same twice in a list.
    fn texts() -> (String, Vec<String>) {
        let text = "x".repeat(KIB / 2);
        (text.clone(), vec![text.clone(), text])
    }

    #[test]
    fn every_text_of_documentation_counts() {
        let (text, list) = texts();
        let id = format!("/a/{}", "b".repeat(KIB / 2 - 200));
        let snippets = |members: serde_json::Value| {
            let mut json = json!({ "codeSnippets": [], "infoSnippets": [] });
            for (name, value) in members.as_object().unwrap() {
                json[name] = value.clone();
            }
            Content::Snippets(wire::snippets(&json).unwrap()).in_memory()
        };
        let empty = snippets(json!({}));
        let code = |member: &str, value: &str| {
            let mut piece = json!({ "codeDescription": "d" });
            let without = snippets(json!({ "codeSnippets": [piece] }));
            piece[member] = value.into();
            snippets(json!({ "codeSnippets": [piece] })) - without
        };
        for member in [
            "codeId",
            "codeTitle",
            "codeLanguage",
            "pageTitle",
            "sourceFile",
        ] {
            assert!(code(member, &text) >= text.len(), "{member}");
        }
        assert!(code("libraryId", &id) >= id.len());
        let info = |member: &str, value: &str| {
            let mut piece = json!({ "content": "c" });
            let without = snippets(json!({ "infoSnippets": [piece] }));
            piece[member] = value.into();
            snippets(json!({ "infoSnippets": [piece] })) - without
        };
        for member in ["pageId", "breadcrumb"] {
            assert!(info(member, &text) >= text.len(), "{member}");
        }
        assert!(info("libraryId", &id) >= id.len());
        for member in ["global", "libraryOwn", "libraryTeam"] {
            let with = snippets(json!({ "rules": { (member): list } }));
            assert!(with - empty >= KIB, "{member}");
        }
        let blocks = snippets(json!({ "codeSnippets": [
            { "codeList": [{ "code": text, "language": text }] }
        ] }));
        assert!(blocks - empty >= KIB);
    }

    #[test]
    fn every_text_of_a_library_counts() {
        let (text, list) = texts();
        let found = |member: &str, value: serde_json::Value| {
            let mut library = json!({ "id": "/a/b" });
            library[member] = value;
            wire::libraries(&json!([library])).unwrap().in_memory()
        };
        let bare = found("unknown", json!(text));
        for member in ["title", "description", "branch", "state", "source"] {
            let with = found(member, json!(text));
            assert!(with - bare >= text.len() - "b".len(), "{member}");
        }
        assert!(found("versions", json!(list)) - bare >= KIB);
        let id = format!("/a/{}", "b".repeat(KIB / 4));
        assert!(found("id", json!(id)) - bare >= KIB / 4);
    }

    #[test]
    fn pieces_count_where_they_hold_nearly_nothing() {
        let pieces: Vec<_> = (0..1_000).map(|_| json!({ "content": "c" })).collect();
        let json = json!({ "infoSnippets": pieces });
        let snippets = wire::snippets(&json).unwrap();
        assert!(snippets.in_memory() >= 1_000 * size_of::<InfoSnippet>());
        assert_eq!(Snippets::default().owned(), 0);
    }

    #[test]
    fn a_question_counts() {
        let query = "q".repeat(KIB);
        for (long, short) in [
            (
                SearchContext::new(query.as_str()).in_memory(),
                SearchContext::new("").in_memory(),
            ),
            (
                SearchLibraries::new("")
                    .for_task(query.as_str())
                    .in_memory(),
                SearchLibraries::new("").in_memory(),
            ),
            (
                SearchContext::new("")
                    .libraries([query.as_str()])
                    .in_memory(),
                SearchContext::new("").in_memory(),
            ),
        ] {
            assert!(long - short >= KIB, "{long} and {short}");
        }
    }
}
