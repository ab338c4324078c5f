//! Reading collections in BEIR form.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The longest line that is read, in bytes; beyond it the file is taken to be something else.
const MAX_LINE_LEN: u64 = 64 << 20;

/// One document of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CorpusDocument {
    /// Its id, by which judgements name it.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its title; empty if it has none.
    #[serde(default)]
    pub title: String,
    /// Its text.
    pub text: String,
}

/// One question of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TestQuery {
    /// Its id, by which judgements name it.
    #[serde(rename = "_id")]
    pub id: String,
    /// The question.
    pub text: String,
}

/// How relevant documents are to queries: query id → document id → grade, 0 for irrelevant.
pub type Qrels = BTreeMap<String, BTreeMap<String, i32>>;

/// Reads `corpus.jsonl` of the collection in `folder`, one document at a time.
///
/// # Errors
///
/// Returns [`ReadError`] if the file cannot be opened; the iterator gives one for a line that is
/// no document and ends.
pub fn read_corpus(folder: &Path) -> Result<Corpus, ReadError> {
    Lines::open(folder.join("corpus.jsonl")).map(|lines| Corpus {
        lines,
        failed: false,
    })
}

/// The documents of a collection, in the order of the file.
#[derive(Debug)]
pub struct Corpus {
    lines: Lines,
    failed: bool,
}

impl Iterator for Corpus {
    type Item = Result<CorpusDocument, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.lines.next_json().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// Reads `queries.jsonl` of the collection in `folder`.
///
/// # Errors
///
/// Returns [`ReadError`] if the file cannot be read or a line is no query.
pub fn read_queries(folder: &Path) -> Result<Vec<TestQuery>, ReadError> {
    let mut lines = Lines::open(folder.join("queries.jsonl"))?;
    let mut queries = Vec::new();
    while let Some(query) = lines.next_json()? {
        queries.push(query);
    }
    Ok(queries)
}

/// Reads `qrels/test.tsv` of the collection in `folder`: query id, document id and grade, with
/// tabs between them, under a header line.
///
/// # Errors
///
/// Returns [`ReadError`] if the file cannot be read, a line has other fields, or two lines judge
/// the same document for the same query.
pub fn read_qrels(folder: &Path) -> Result<Qrels, ReadError> {
    let mut lines = Lines::open(folder.join("qrels").join("test.tsv"))?;
    let mut qrels = Qrels::new();
    while lines.advance()? {
        let line = lines.current.trim_end_matches(['\r', '\n']);
        // The header is the one line whose last field may be a word.
        if line.is_empty() || (lines.number == 1 && line.starts_with("query-id\t")) {
            continue;
        }
        let mut fields = line.split('\t');
        let (Some(query), Some(document), Some(grade), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(lines.fault(Fault::Fields {
                found: line.split('\t').count(),
            }));
        };
        let Ok(grade) = grade.trim().parse() else {
            return Err(lines.fault(Fault::Grade {
                grade: grade.chars().take(40).collect(),
            }));
        };
        let judged = qrels.entry(query.to_owned()).or_default();
        if judged.insert(document.to_owned(), grade).is_some() {
            return Err(lines.fault(Fault::Twice {
                query: query.to_owned(),
                document: document.to_owned(),
            }));
        }
    }
    Ok(qrels)
}

/// The lines of a file, of which one is in memory.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    current: String,
    number: u64,
}

impl Lines {
    fn open(path: PathBuf) -> Result<Self, ReadError> {
        match File::open(&path) {
            Ok(file) => Ok(Self {
                path,
                reader: BufReader::new(file),
                current: String::new(),
                number: 0,
            }),
            Err(source) => Err(ReadError {
                path,
                line: None,
                fault: Fault::Io(source),
            }),
        }
    }

    /// Reads the next line; returns whether there was one.
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.number += 1;
        self.current.clear();
        let mut limited = io::Read::take(&mut self.reader, MAX_LINE_LEN);
        match limited.read_line(&mut self.current) {
            Ok(_) if limited.limit() == 0 => Err(self.fault(Fault::Long)),
            Ok(read) => Ok(read > 0),
            Err(source) => Err(self.fault(Fault::Io(source))),
        }
    }

    fn next_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ReadError> {
        while self.advance()? {
            if !self.current.trim().is_empty() {
                return match serde_json::from_str(&self.current) {
                    Ok(value) => Ok(Some(value)),
                    Err(source) => Err(self.fault(Fault::Json(source))),
                };
            }
        }
        Ok(None)
    }

    fn fault(&self, fault: Fault) -> ReadError {
        ReadError {
            path: self.path.clone(),
            line: Some(self.number),
            fault,
        }
    }
}

/// Why a collection could not be read; names file and line.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    line: Option<u64>,
    fault: Fault,
}

impl ReadError {
    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the line, counted from 1; `None` if the file could not be opened.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.line
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::Io(source) => Some(source),
            Fault::Json(source) => Some(source),
            _ => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("cannot be read")]
    Io(#[source] io::Error),
    #[error("is no JSON object of the expected form")]
    Json(#[source] serde_json::Error),
    #[error("has {found} fields, expected query id, document id and grade with tabs between them")]
    Fields { found: usize },
    #[error("has grade {grade:?}, expected a whole number")]
    Grade { grade: String },
    #[error("judges document {document:?} for query {query:?} a second time")]
    Twice { query: String, document: String },
    #[error("is longer than {MAX_LINE_LEN} bytes")]
    Long,
}
