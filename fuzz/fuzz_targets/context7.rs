//! Answers of Context7, and the ids of libraries.
//!
//! Whatever comes, it is documentation or an error of one line: never an empty text, never a page
//! of HTML, never the body of an error; and what is cut has no more tokens than asked for. An id
//! that is read is written the same.
//!
//! The first byte is the status, the second the form; the rest is the body, and an id.

#![no_main]

use contexter_context7::answer::{Answer, Judge};
use contexter_context7::{Content, Context7Id, Failure, Form};
use contexter_model::LibraryId;
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 16] = [
    200, 202, 204, 301, 302, 400, 401, 402, 403, 404, 422, 429, 500, 502, 504, 599,
];

fuzz_target!(|input: &[u8]| {
    let Some((&[status, form], body)) = input.split_first_chunk() else {
        return;
    };
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let form = if form & 1 == 0 { Form::Json } else { Form::Text };
    let content_type = (form == Form::Json).then_some("application/json");
    let answer = Answer::new(status, body).content_type(content_type);
    let judge = Judge::default();

    for read in [
        judge.context(&answer, form, "/fuzz/answers"),
        judge.search(&answer, form, "everything"),
    ] {
        match read {
            Ok(content) => check(&content, status),
            Err(failure) => check_failure(&failure),
        }
    }
    match judge.libraries(&answer, "\"fuzz\"") {
        Ok(found) => {
            for library in &found.libraries {
                assert!(!library.title.is_empty());
                assert!(library.trust_score.is_none_or(|score| score >= 0.0));
                let _ = library.trust();
            }
        }
        Err(failure) => check_failure(&failure),
    }
    if let Ok(text) = std::str::from_utf8(body) {
        check_id(text);
    }
});

fn check(content: &Content, status: u16) {
    match content {
        Content::Text(text) => {
            let text = text.trim_start().to_ascii_lowercase();
            assert!(!text.starts_with("<!doctype html") && !text.starts_with("<html"));
            // A search that finds nothing is an empty text under another status.
            assert!(status != 200 || !text.is_empty());
        }
        Content::Snippets(snippets) => {
            for tokens in [0, 100, u64::MAX] {
                let cut = snippets.clone().cut_to(tokens);
                assert!(cut.tokens() <= tokens);
            }
        }
    }
}

fn check_failure(failure: &Failure) {
    let error = failure.error();
    let line = error.to_string();
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.chars().count() < 700, "{line:?}");
    assert!(!line.contains("ctx7sk"), "{line:?}");
    if let Some(to) = failure.moved() {
        assert!(to.as_str().parse::<Context7Id>().is_ok());
    }
}

fn check_id(text: &str) {
    match text.parse::<Context7Id>() {
        Ok(id) => {
            assert_eq!(id.as_str(), text);
            assert_eq!(LibraryId::from(id.clone()).as_str(), text);
            assert_eq!(id.without_version().version(), None);
            assert!(!id.owner().is_empty() && !id.name().is_empty());
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1),
    }
    if let Ok(id) = Context7Id::from_pasted(text) {
        assert_eq!(id.as_str().parse::<Context7Id>().as_ref(), Ok(&id));
    }
}
