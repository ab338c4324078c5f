//! Real text: the documentation of the crates that this workspace locks, cut into chunks.
//!
//! It is read from cargo's registry on this machine, so that no network and no copy of it is
//! needed. The lock file pins the versions: as long as it is the same, so is the text.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use contexter_local::{CargoLock, default_registry};
use contexter_model::{
    CountTokens, Document, Error, FetchDocs, LibraryId, PointId, ResolveLibrary,
};
use contexter_rag::{Chunker, Chunking, chunk_id};
use contexter_service::Service as _;
use futures_util::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};

use crate::grouped;

/// What all draws begin with.
pub const SEED: u64 = 42;

/// Documents asked for at a time.
const PAGE: usize = 64;
/// Questions shorter or longer than this, in words, are no questions that people ask.
const WORDS_OF_A_QUESTION: std::ops::RangeInclusive<usize> = 3..=25;

/// A chunk of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The library of its document.
    pub library: LibraryId,
    /// The path of its document.
    pub path: String,
    /// Its position in the document, counted from 0.
    pub ordinal: u32,
    /// The document's title and the headings above it, joined by ` > `.
    pub title: String,
    /// Its text.
    pub text: String,
}

impl Passage {
    /// Returns the id under which it is indexed.
    #[must_use]
    pub fn id(&self) -> PointId {
        chunk_id(&self.library, &self.path, self.ordinal)
    }

    /// Returns what is embedded and what words are counted of, as in an index.
    #[must_use]
    pub fn indexed_text(&self) -> String {
        format!("{}\n{}", self.title, self.text)
    }
}

/// Opens the lock file of this workspace.
///
/// # Errors
///
/// Fails if the lock file cannot be read or cargo's home is not known.
pub async fn locked_crates() -> Result<CargoLock, Error> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let home = std::env::var_os("CARGO_HOME").map(Into::into);
    CargoLock::open(lock, default_registry(home)?).await
}

/// Returns the crates whose sources are on this machine, shuffled by seed: any first part of them
/// is a fair sample.
///
/// # Errors
///
/// Fails if the crates cannot be listed.
pub async fn shuffled(crates: &CargoLock) -> Result<Vec<LibraryId>, Error> {
    let all = ResolveLibrary {
        name: String::new(),
        limit: usize::MAX,
    };
    let found = crates.call(all).await?;
    let mut libraries: Vec<LibraryId> = found.into_iter().map(|library| library.id).collect();
    libraries.sort();
    libraries.shuffle(&mut StdRng::seed_from_u64(SEED));
    Ok(libraries)
}

/// Reads the documents of a library.
///
/// # Errors
///
/// Fails if the library cannot be read.
pub async fn documents(crates: &CargoLock, library: &LibraryId) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    let mut cursor = None;
    loop {
        let request = FetchDocs {
            library: library.clone(),
            cursor,
            limit: PAGE,
        };
        let page = crates.call(request).await?;
        documents.extend(page.documents);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(documents),
        }
    }
}

/// Cuts a document as an index does.
#[must_use]
pub fn passages(chunker: &Chunker, document: &Document) -> Vec<Passage> {
    let chunks = chunker.chunk(document).into_iter();
    let passages = chunks.map(|chunk| Passage {
        library: document.library.clone(),
        path: document.path.clone(),
        ordinal: chunk.ordinal,
        title: chunk.title_path.join(" > "),
        text: chunk.text,
    });
    passages.collect()
}

/// Reads crate after crate until there are `wanted` passages; fewer if there are no more.
///
/// # Errors
///
/// Fails if a library cannot be read.
///
/// # Panics
///
/// Panics if the task that reads a library does.
pub async fn read(wanted: usize, tokens: Arc<dyn CountTokens>) -> Result<Vec<Passage>, Error> {
    let crates = locked_crates().await?;
    let chunker = Chunker::new(Chunking::default(), tokens);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let libraries = shuffled(&crates).await?;
    let mut read = futures_util::stream::iter(libraries)
        .map(|library| {
            let (crates, chunker) = (crates.clone(), chunker.clone());
            tokio::spawn(async move {
                let documents = documents(&crates, &library).await?;
                let passages = documents.iter().flat_map(|one| passages(&chunker, one));
                Ok::<Vec<Passage>, Error>(passages.collect())
            })
        })
        .buffered(cores);
    let mut found = Vec::with_capacity(wanted);
    let mut libraries = 0;
    while found.len() < wanted
        && let Some(passages) = read.next().await
    {
        found.extend(passages.expect("reading a library does not panic")?);
        libraries += 1;
    }
    found.truncate(wanted);
    say(&format!(
        "{} chunks of real text, from the documentation of {libraries} crates",
        grouped(found.len())
    ));
    Ok(found)
}

/// Draws `count` queries by seed: one half questions that the text asks, one half its titles; more
/// titles where it asks too few.
#[must_use]
pub fn queries(passages: &[Passage], count: usize) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(SEED);
    // Sets: licences and boilerplate ask the same again and again.
    let questions: BTreeSet<String> = passages
        .iter()
        .flat_map(|one| questions(&one.text))
        .collect();
    let titles: BTreeSet<String> = passages
        .iter()
        .map(|one| one.title.replace(" > ", " "))
        .collect();
    let mut draw = |set: BTreeSet<String>| {
        let mut drawn: Vec<String> = set.into_iter().collect();
        drawn.shuffle(&mut random);
        drawn
    };
    let (mut questions, titles) = (draw(questions), draw(titles));
    questions.truncate(count / 2);
    let asked = questions.len();
    let mut queries = questions;
    queries.extend(titles.into_iter().take(count - asked));
    queries.shuffle(&mut random);
    say(&format!(
        "{} queries from the text: {asked} questions, the others titles",
        queries.len()
    ));
    queries
}

/// Returns the sentences of a text that end with a question mark, code left out.
fn questions(text: &str) -> Vec<String> {
    let mut questions = Vec::new();
    let paragraphs = text.split("\n\n");
    let prose = paragraphs.filter(|text| text.contains('?') && !text.contains("```"));
    for paragraph in prose {
        let mut sentence: Vec<&str> = Vec::new();
        for word in paragraph.split_whitespace() {
            // Not the marks of headings, lists and quotations.
            if sentence.is_empty() && !word.contains(char::is_alphanumeric) {
                continue;
            }
            sentence.push(word);
            let asks = word.ends_with('?') && sentence.first().is_some_and(|word| opens(word));
            if asks && WORDS_OF_A_QUESTION.contains(&sentence.len()) {
                questions.push(sentence.join(" "));
            }
            if word.ends_with(['.', '!', '?', ':', ';', ')']) {
                sentence.clear();
            }
        }
    }
    questions
}

fn opens(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Tells the people at the terminal something; the table is made of standard output alone.
pub fn say(message: &str) {
    // Nobody listening is no reason to stop measuring.
    let _ = writeln!(std::io::stderr(), "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_sentences_of_prose() {
        let text = "## Is this a heading?\n\nIt waits. How long does it\nwait? Until then!\n\n```\nlet a = b?;\n```\n\n\
                    Why?\n\nwhat is this?\n";
        assert_eq!(
            questions(text),
            ["Is this a heading?", "How long does it wait?"]
        );
    }

    #[test]
    fn queries_are_the_same_every_time_and_never_too_many() {
        let passage = |ordinal: u32| Passage {
            library: "/crates/a/1.0.0".parse().unwrap(),
            path: "README.md".to_owned(),
            ordinal,
            title: format!("a > part {ordinal}"),
            text: format!("How does part {ordinal} work?"),
        };
        let passages: Vec<Passage> = (0..20).map(passage).collect();
        let drawn = queries(&passages, 10);
        assert_eq!(drawn.len(), 10);
        assert_eq!(drawn.iter().filter(|query| query.ends_with('?')).count(), 5);
        assert_eq!(drawn, queries(&passages, 10));
    }
}
