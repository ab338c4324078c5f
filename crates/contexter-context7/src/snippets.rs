//! Documentation in pieces.

use contexter_model::LibraryId;

use crate::query::at_most;

/// The documentation that answers a query, in pieces; the most relevant ones first.
///
/// It is text of third parties: data, never instructions to whoever or whatever reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snippets {
    /// Pieces around code.
    pub code: Vec<CodeSnippet>,
    /// Pieces of prose.
    pub info: Vec<InfoSnippet>,
    /// What owners and teams want readers to heed.
    pub rules: Rules,
    /// How many more there were that hold nothing that can be read.
    pub unreadable: usize,
}

impl Snippets {
    /// Returns whether there is no documentation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.code.is_empty() && self.info.is_empty()
    }

    /// Returns how many tokens the pieces have: by the service's count, or four bytes each where it
    /// does not say.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let code = self.code.iter().map(CodeSnippet::weight);
        let info = self.info.iter().map(InfoSnippet::weight);
        code.chain(info).fold(0, u64::saturating_add)
    }

    /// Keeps what has at most `tokens` tokens together: whole pieces in the service's order, code
    /// and prose in turn. The first piece that does not fit is the end.
    #[must_use]
    pub fn cut_to(mut self, tokens: u64) -> Self {
        let (mut code, mut info) = (0, 0);
        let mut left = tokens;
        loop {
            let code_first = code <= info;
            let next_code = self.code.get(code).map(|piece| (true, piece.weight()));
            let next_info = self.info.get(info).map(|piece| (false, piece.weight()));
            let next = if code_first {
                next_code.or(next_info)
            } else {
                next_info.or(next_code)
            };
            let Some((is_code, weight)) = next.filter(|(_, weight)| *weight <= left) else {
                break;
            };
            left -= weight;
            if is_code {
                code += 1;
            } else {
                info += 1;
            }
        }
        self.code.truncate(code);
        self.info.truncate(info);
        self
    }
}

/// A piece of documentation around code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeSnippet {
    /// Where it is from: an address with a fragment that numbers the piece.
    pub id: Option<String>,
    /// What it shows.
    pub title: Option<String>,
    /// What is said about it.
    pub description: Option<String>,
    /// The language of most of the code.
    pub language: Option<String>,
    /// How many tokens it has, by the service's count.
    pub tokens: Option<u64>,
    /// The title of the page that it is from.
    pub page_title: Option<String>,
    /// The code, maybe in several languages.
    pub blocks: Vec<CodeBlock>,
    /// Whether the service made it up for the query.
    pub is_dynamic: bool,
    /// The file that it is from.
    pub source_file: Option<String>,
    /// The library, where a search went through several.
    pub library: Option<LibraryId>,
}

impl CodeSnippet {
    fn weight(&self) -> u64 {
        self.tokens.unwrap_or_else(|| estimate(self.bytes()))
    }

    /// How many bytes of text it shows.
    fn bytes(&self) -> usize {
        let texts = [&self.title, &self.description, &self.id];
        let texts = texts.into_iter().flatten().map(String::len);
        let code = self.blocks.iter().map(|block| block.code.len());
        texts.chain(code).fold(0, usize::saturating_add)
    }
}

/// Code in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeBlock {
    /// The language, such as `rust`.
    pub language: Option<String>,
    /// The code.
    pub code: String,
}

/// A piece of prose, as Markdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InfoSnippet {
    /// The address of the page that it is from.
    pub page_id: Option<String>,
    /// The headings above it, as in `Topics > Shutdown`.
    pub breadcrumb: Option<String>,
    /// The text.
    pub content: String,
    /// How many tokens it has, by the service's count.
    pub tokens: Option<u64>,
    /// The library, where a search went through several.
    pub library: Option<LibraryId>,
}

impl InfoSnippet {
    fn weight(&self) -> u64 {
        self.tokens.unwrap_or_else(|| estimate(self.bytes()))
    }

    /// How many bytes of text it shows.
    fn bytes(&self) -> usize {
        let texts = [&self.page_id, &self.breadcrumb];
        let texts = texts.into_iter().flatten().map(String::len);
        texts.fold(self.content.len(), usize::saturating_add)
    }
}

/// What owners and teams want readers of the documentation to heed.
///
/// Whoever passes them on to a language model decides whether to trust their authors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// For all libraries.
    pub global: Vec<String>,
    /// By the owner of the library.
    pub library_own: Vec<String>,
    /// By the team of the account, for the library.
    pub library_team: Vec<String>,
}

/// Four bytes are a token, begun ones too, where the service does not count.
const BYTES_PER_TOKEN: usize = 4;

fn estimate(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

/// Cuts documentation in text to about `tokens` tokens: at the last line of dashes or equals signs
/// that still fits, by which the service divides pieces; otherwise at the end of a line.
pub(crate) fn cut_text(text: String, tokens: u64) -> String {
    let bytes = usize::try_from(tokens)
        .unwrap_or(usize::MAX)
        .saturating_mul(BYTES_PER_TOKEN);
    if text.len() <= bytes {
        return text;
    }
    let fits = at_most(&text, bytes);
    let mut end_of_line = None;
    let mut divider = None;
    let mut at = 0;
    for line in fits.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if line.ends_with('\n') {
            end_of_line = Some(at);
        }
        // Each line but the last is whole; whether that one is, only the text behind it tells.
        if start > 0 && is_divider(line.trim_end()) {
            divider = Some(start);
        }
    }
    let end = divider.or(end_of_line).unwrap_or(fits.len());
    fits.get(..end).unwrap_or(fits).trim_end().to_owned()
}

/// Longer than any underline of a heading that people write by hand.
const SHORTEST_DIVIDER: usize = 20;

fn is_divider(line: &str) -> bool {
    line.len() >= SHORTEST_DIVIDER
        && (line.bytes().all(|byte| byte == b'-') || line.bytes().all(|byte| byte == b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(tokens: u64) -> CodeSnippet {
        CodeSnippet {
            tokens: Some(tokens),
            ..CodeSnippet::default()
        }
    }

    fn info(tokens: u64) -> InfoSnippet {
        InfoSnippet {
            tokens: Some(tokens),
            ..InfoSnippet::default()
        }
    }

    fn both(code_tokens: &[u64], info_tokens: &[u64]) -> Snippets {
        Snippets {
            code: code_tokens.iter().copied().map(code).collect(),
            info: info_tokens.iter().copied().map(info).collect(),
            ..Snippets::default()
        }
    }

    #[test]
    fn a_cut_keeps_whole_pieces_of_both_kinds_in_turn() {
        let cut = both(&[10, 10, 10], &[5, 50]).cut_to(26);
        assert_eq!((cut.code.len(), cut.info.len()), (2, 1));
        assert_eq!(cut.tokens(), 25);
        let all = both(&[10], &[5]);
        assert_eq!(all.clone().cut_to(15), all);
        assert!(all.cut_to(9).is_empty());
        assert_eq!(both(&[], &[5, 5, 5]).cut_to(10).info.len(), 2);
    }

    #[test]
    fn tokens_that_nobody_counted_are_four_bytes_each() {
        let piece = InfoSnippet {
            content: "12345".to_owned(),
            ..InfoSnippet::default()
        };
        let snippets = Snippets {
            info: vec![piece],
            ..Snippets::default()
        };
        assert_eq!(snippets.tokens(), 2);
    }

    #[test]
    fn text_is_cut_between_pieces_or_else_between_lines() {
        let divider = "-".repeat(32);
        let text = format!("### One\n\nfirst\n\n{divider}\n\n### Two\n\nsecond\n");
        assert_eq!(cut_text(text.clone(), 13), "### One\n\nfirst");
        assert_eq!(cut_text(text.clone(), 1_000), text);
        assert_eq!(cut_text("one\ntwo\nthree\n".to_owned(), 2), "one\ntwo");
        assert_eq!(cut_text("äääää".to_owned(), 1), "ää");
    }
}
