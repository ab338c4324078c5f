//! Documentation cut into pieces, and the pieces that answer a query.

use std::collections::{BTreeMap, BTreeSet};

use super::config::LibraryDocs;

/// Where a page begins.
const PAGE_MARK: &str = "<!-- page:";

/// How much a word in the heading counts, against one in the text.
const HEADING_WEIGHT: f64 = 3.0;

/// Four bytes are a token, near enough.
const BYTES_PER_TOKEN: usize = 4;

/// A piece of documentation: prose, or code with what is said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The page, by its path.
    pub(super) page: String,
    pub(super) page_title: String,
    pub(super) heading: String,
    pub(super) text: String,
    pub(super) code: Option<Code>,
    /// Which piece of code of its page it is.
    pub(super) number: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) language: String,
    pub(super) text: String,
}

impl Piece {
    pub(super) fn tokens(&self) -> usize {
        let code = self.code.as_ref().map_or(0, |code| code.text.len());
        (self.heading.len() + self.text.len() + code).div_ceil(BYTES_PER_TOKEN)
    }

    /// Counts how often each word stands in it.
    fn words(&self) -> BTreeMap<String, f64> {
        let mut counts = BTreeMap::new();
        let code = self.code.as_ref().map_or("", |code| code.text.as_str());
        for (text, weight) in [
            (self.heading.as_str(), HEADING_WEIGHT),
            (self.page_title.as_str(), HEADING_WEIGHT),
            (self.text.as_str(), 1.0),
            (code, 1.0),
        ] {
            for word in words(text) {
                *counts.entry(word).or_default() += weight;
            }
        }
        counts
    }
}

/// Cuts the documentation of a library; the order is that of the text.
pub(super) fn cut(docs: &str) -> Vec<Piece> {
    let mut cutter = Cutter {
        page: "README.md".to_owned(),
        ..Cutter::default()
    };
    for line in docs.lines() {
        cutter.read(line);
    }
    cutter.end_section();
    cutter.pieces
}

/// Where in the text the reading is.
#[derive(Default)]
struct Cutter {
    pieces: Vec<Piece>,
    page: String,
    page_title: String,
    heading: String,
    /// The prose of the section, and its code, which comes after it.
    paragraph: String,
    code: Vec<Piece>,
    /// The code that is being read.
    open: Option<Code>,
    /// How many pieces of code the page has so far.
    number: usize,
}

impl Cutter {
    fn read(&mut self, line: &str) {
        if let Some(mut open) = self.open.take() {
            if line.trim_end() == "```" {
                let piece = self.piece(Some(open), self.number);
                self.code.push(piece);
                self.number += 1;
            } else {
                open.text.push_str(line);
                open.text.push('\n');
                self.open = Some(open);
            }
        } else if let Some(mark) = line.strip_prefix(PAGE_MARK) {
            self.end_section();
            mark.trim_end_matches("-->")
                .trim()
                .clone_into(&mut self.page);
            self.number = 0;
            self.heading.clear();
            self.page_title.clear();
        } else if let Some(title) = line.strip_prefix("# ") {
            title.trim().clone_into(&mut self.page_title);
        } else if let Some(title) = line.strip_prefix("## ") {
            self.end_section();
            title.trim().clone_into(&mut self.heading);
        } else if let Some(language) = line.strip_prefix("```") {
            self.open = Some(Code {
                language: language.trim().to_owned(),
                text: String::new(),
            });
        } else {
            self.paragraph.push_str(line);
            self.paragraph.push('\n');
        }
    }

    /// Describes the prose so far, with or without code.
    fn piece(&self, code: Option<Code>, number: usize) -> Piece {
        Piece {
            page: self.page.clone(),
            page_title: self.page_title.clone(),
            heading: self.heading.clone(),
            text: self.paragraph.trim().to_owned(),
            code,
            number,
        }
    }

    fn end_section(&mut self) {
        let prose = self.piece(None, 0);
        if !prose.text.is_empty() {
            self.pieces.push(prose);
        }
        self.pieces.append(&mut self.code);
        self.paragraph.clear();
    }
}

/// Returns the pieces with their scores, the best first; what has no word of the query scores 0.
pub(super) fn rank(pieces: &[Piece], query: &str) -> Vec<(f64, usize)> {
    let asked: BTreeSet<String> = words(query).collect();
    let counted: Vec<BTreeMap<String, f64>> = pieces.iter().map(Piece::words).collect();
    let rarity = |word: &String| {
        let with = counted
            .iter()
            .filter(|words| words.contains_key(word))
            .count();
        (1.0 + as_float(pieces.len()) / (1.0 + as_float(with))).ln()
    };
    let rarity: BTreeMap<&String, f64> = asked.iter().map(|word| (word, rarity(word))).collect();
    let mut ranked: Vec<(f64, usize)> = counted
        .iter()
        .enumerate()
        .map(|(at, words)| {
            let score = rarity.iter().map(|(word, rarity)| {
                let count = words.get(*word).copied().unwrap_or(0.0);
                rarity * count / (count + 1.0)
            });
            (score.sum(), at)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked
}

/// Returns the words of a text, lower-case, without the commonest ending of plurals.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let word = word.to_lowercase();
            match word.strip_suffix('s') {
                Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
                _ => word,
            }
        })
}

fn as_float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A library, cut.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) about: LibraryDocs,
    default: Vec<Piece>,
    versions: BTreeMap<String, Vec<Piece>>,
}

impl Indexed {
    pub(super) fn new(about: LibraryDocs) -> Self {
        let versions = about.versions.iter();
        Self {
            default: cut(&about.docs),
            versions: versions
                .map(|(tag, docs)| (tag.clone(), cut(docs)))
                .collect(),
            about,
        }
    }

    /// Returns the pieces of a version; `None` if there is no such tag.
    pub(super) fn pieces(&self, tag: Option<&str>) -> Option<&[Piece]> {
        match tag {
            None => Some(&self.default),
            Some(tag) => self.versions.get(tag).map(Vec::as_slice),
        }
    }

    /// Returns the address of a page at a version.
    pub(super) fn address(&self, page: &str, tag: Option<&str>) -> String {
        let (id, source) = (&self.about.id, &self.about.source);
        match source {
            Some(source) => format!("{source}/{page}"),
            None => format!(
                "https://github.com{id}/blob/{}/{page}",
                tag.unwrap_or("main")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = "<!-- page: a.md -->\n# Title\n\n## One\n\nProse of one.\n\n```rust\nfn one() {}\n```\n\n\
                        ## Two\n\n```sh\nls\n```\n\n<!-- page: b.md -->\n# Other\n\n## Shutdown\n\nWait for all tasks.\n";

    #[test]
    fn documentation_is_cut_at_pages_headings_and_code() {
        let pieces = cut(DOCS);
        let shape: Vec<_> = pieces
            .iter()
            .map(|p| {
                (
                    p.page.as_str(),
                    p.heading.as_str(),
                    p.code.is_some(),
                    p.number,
                )
            })
            .collect();
        assert_eq!(
            shape,
            [
                ("a.md", "One", false, 0),
                ("a.md", "One", true, 0),
                ("a.md", "Two", true, 1),
                ("b.md", "Shutdown", false, 0),
            ]
        );
        assert_eq!(pieces[1].text, "Prose of one.");
        assert_eq!(pieces[1].code.as_ref().unwrap().text, "fn one() {}\n");
        assert_eq!(pieces[3].page_title, "Other");
        assert!(cut("").is_empty());
    }

    #[test]
    fn the_pieces_with_the_words_come_first_and_headings_count_more() {
        let pieces = cut(DOCS);
        let ranked = rank(&pieces, "How to wait at SHUTDOWN of a task?");
        assert_eq!(ranked[0].1, 3);
        assert!(ranked[0].0 > 0.0);
        let nothing = rank(&pieces, "zebra");
        assert!(nothing.iter().all(|(score, _)| *score == 0.0));
        assert_eq!(nothing[0].1, 0, "the order of the text");
    }

    #[test]
    fn plurals_are_the_same_word_and_short_words_stay() {
        let all: Vec<_> = words("Tasks, class & is_this").collect();
        assert_eq!(all, ["task", "class", "is", "thi"]);
    }
}
