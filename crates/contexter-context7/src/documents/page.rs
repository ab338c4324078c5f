//! Pieces of documentation put together by the page that they are from.

use std::collections::BTreeMap;

use contexter_model::{Document, Format, LibraryId};

use super::{markdown, path};
use crate::{CodeSnippet, InfoSnippet, Snippets};

/// The pages of a library, by their paths.
#[derive(Debug, Default)]
pub(super) struct Pages(BTreeMap<String, Page>);

/// A page, as far as pieces of it have come. Which answers they were in, and in which order, leaves
/// no trace in it.
#[derive(Debug, Default)]
pub(super) struct Page {
    titles: Titles,
    code: BTreeMap<Place, CodeSnippet>,
    info: BTreeMap<Place, InfoSnippet>,
}

/// What a page may be called, the best first.
#[derive(Debug, Default)]
struct Titles {
    /// What the service calls it.
    page: Option<String>,
    /// The topmost heading of a piece.
    crumb: Option<String>,
}

/// Where a piece stands on its page: by its number, if it has one, and then by what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    number: u64,
    is: String,
}

impl Pages {
    pub(super) fn add(&mut self, snippets: &Snippets) {
        for snippet in &snippets.code {
            let page = self.0.entry(path::of_code(snippet)).or_default();
            keep_least(&mut page.titles.page, snippet.page_title.as_deref());
            let place = Place {
                number: path::number(snippet.id.as_deref()),
                // Without an id the text is what tells a piece from another.
                is: snippet
                    .id
                    .clone()
                    .unwrap_or_else(|| markdown::of_code(snippet)),
            };
            match page.code.get_mut(&place) {
                // The service may write a piece anew for another query: the fuller one stays.
                Some(known) if is_fuller(snippet, known) => *known = snippet.clone(),
                Some(_) => {}
                None => {
                    page.code.insert(place, snippet.clone());
                }
            }
        }
        for snippet in &snippets.info {
            let page = self.0.entry(path::of_info(snippet)).or_default();
            let crumb = snippet.breadcrumb.as_deref();
            let topmost = crumb.map(|crumb| crumb.split('>').next().unwrap_or(crumb).trim());
            keep_least(&mut page.titles.crumb, topmost);
            let place = Place {
                number: path::number(snippet.page_id.as_deref()),
                is: format!("{}\n{}", crumb.unwrap_or_default(), snippet.content),
            };
            page.info.entry(place).or_insert_with(|| snippet.clone());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the pages whose paths come after `cursor`, in the order of their paths.
    pub(super) fn after(self, cursor: Option<&str>) -> impl Iterator<Item = (String, Page)> {
        let cursor = cursor.map(str::to_owned);
        self.0
            .into_iter()
            .skip_while(move |(path, _)| cursor.as_ref().is_some_and(|cursor| path <= cursor))
    }
}

impl Page {
    pub(super) fn into_document(self, library: &LibraryId, path: String) -> Document {
        let file_name = path.rsplit('/').next().unwrap_or(&path);
        let title = self.titles.page.or(self.titles.crumb);
        let title = title.unwrap_or_else(|| file_name.to_owned());
        let prose = self.info.values();
        let prose = prose.map(|snippet| markdown::of_info(snippet, &title));
        let code = self.code.values().map(markdown::of_code);
        let mut parts = vec![markdown::title(&title)];
        parts.extend(prose.chain(code).filter(|part| !part.is_empty()));
        let mut text = parts.join("\n\n");
        text.push('\n');
        Document {
            library: library.clone(),
            path,
            title,
            format: Format::Markdown,
            text,
        }
    }
}

/// Keeps one of several titles, the same one in whichever order they come.
fn keep_least(kept: &mut Option<String>, title: Option<&str>) {
    let title = title
        .map(markdown::one_line)
        .filter(|title| !title.is_empty());
    let Some(title) = title else { return };
    if kept.as_ref().is_none_or(|kept| title < *kept) {
        *kept = Some(title);
    }
}

fn is_fuller(new: &CodeSnippet, known: &CodeSnippet) -> bool {
    let (new, known) = (markdown::of_code(new), markdown::of_code(known));
    (new.len(), known.as_str()) > (known.len(), new.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(id: &str, title: &str) -> CodeSnippet {
        CodeSnippet {
            id: Some(format!("https://github.com/o/r/blob/main/{id}")),
            title: Some(title.to_owned()),
            description: Some(format!("About {title}.")),
            page_title: Some("Guide".to_owned()),
            ..CodeSnippet::default()
        }
    }

    fn info(page: &str, content: &str) -> InfoSnippet {
        InfoSnippet {
            page_id: Some(page.to_owned()),
            breadcrumb: Some("Guide > Part".to_owned()),
            content: content.to_owned(),
            ..InfoSnippet::default()
        }
    }

    fn texts(answers: &[Snippets]) -> Vec<(String, String)> {
        let mut pages = Pages::default();
        for answer in answers {
            pages.add(answer);
        }
        let library = "/o/r".parse().unwrap();
        pages
            .after(None)
            .map(|(path, page)| {
                let document = page.into_document(&library, path);
                (document.path, document.text)
            })
            .collect()
    }

    #[test]
    fn what_topics_share_comes_once_and_their_order_does_not_matter() {
        let one = Snippets {
            code: vec![
                code("a.md#_snippet_10", "Ten"),
                code("a.md#_snippet_2", "Two"),
            ],
            info: vec![info("https://github.com/o/r/blob/main/a.md", "Prose.")],
            ..Snippets::default()
        };
        let two = Snippets {
            code: vec![
                code("a.md#_snippet_2", "Two"),
                code("b.md#_snippet_0", "Other"),
            ],
            info: vec![info("https://github.com/o/r/blob/main/a.md", "Prose.")],
            ..Snippets::default()
        };
        let forward = texts(&[one.clone(), two.clone()]);
        assert_eq!(forward, texts(&[two, one]));
        assert_eq!(
            forward[0],
            (
                "a.md".to_owned(),
                "# Guide\n\n## Part\n\nProse.\n\n## Two\n\nAbout Two.\n\n## Ten\n\nAbout Ten.\n"
                    .to_owned()
            )
        );
        assert_eq!(forward[1].0, "b.md");
        assert_eq!(forward.len(), 2);
    }

    #[test]
    fn a_piece_that_was_written_anew_counts_once_in_its_fuller_form() {
        let short = code("a.md#_snippet_1", "One");
        let long = CodeSnippet {
            description: Some("About One, at length.".to_owned()),
            ..short.clone()
        };
        let answer = |snippet: &CodeSnippet| Snippets {
            code: vec![snippet.clone()],
            ..Snippets::default()
        };
        let (short, long) = (answer(&short), answer(&long));
        let both = texts(&[short.clone(), long.clone()]);
        assert_eq!(both, texts(&[long, short]));
        assert_eq!(both[0].1, "# Guide\n\n## One\n\nAbout One, at length.\n");
    }
}
