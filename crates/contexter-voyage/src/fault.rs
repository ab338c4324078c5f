//! What is wrong with a reply.

use std::fmt;

/// What is wrong with a reply of status 200. No value of the reply is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NoBody,
    /// It is no JSON, or not the JSON that was documented.
    Json {
        syntax: bool,
        line: usize,
        column: usize,
    },
    NoData,
    Count {
        found: usize,
        expected: usize,
        of: &'static str,
    },
    NoIndex,
    Index {
        index: u64,
        count: usize,
    },
    Twice {
        index: u64,
    },
    /// Part `index` lacks what it is for.
    NoContent {
        index: u64,
    },
    Vector {
        index: u64,
        fault: VectorFault,
    },
    /// A score is no number.
    Score {
        index: u64,
    },
    /// Chunks with text and chunks without.
    SomeTexts,
}

/// What is wrong with one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VectorFault {
    Length { length: usize, expected: usize },
    Empty,
    NotFinite,
    Base64,
    Base64Length { bytes: usize },
}

impl Fault {
    /// What the parser found, at this place of the reply.
    pub(crate) fn json(error: &serde_json::Error, line: usize, column: usize) -> Self {
        Self::Json {
            syntax: !error.is_data(),
            line,
            column,
        }
    }
}

impl fmt::Display for VectorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { length, expected } => {
                write!(f, "has {length} values, expected {expected}")
            }
            Self::Empty => f.write_str("has no values"),
            Self::NotFinite => f.write_str("has a value that is not finite"),
            Self::Base64 => f.write_str("is no base64"),
            Self::Base64Length { bytes } => {
                write!(f, "is base64 of {bytes} bytes, which are no whole values")
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoBody => f.write_str("the reply is empty, expected JSON"),
            Self::Json {
                syntax,
                line,
                column,
            } => {
                let what = if syntax {
                    "the reply cannot be read as JSON"
                } else {
                    "the reply is not the JSON that is documented"
                };
                write!(f, "{what}, at line {line} column {column}")
            }
            Self::NoData => f.write_str("the reply has no `data`"),
            Self::Count {
                found,
                expected,
                of,
            } => write!(f, "the reply has {found} {of}, expected {expected}"),
            Self::NoIndex => f.write_str("a part of the reply has no `index`"),
            Self::Index { index, count } => {
                let last = count.saturating_sub(1);
                write!(f, "the reply has index {index}, expected 0 to {last}")
            }
            Self::Twice { index } => write!(f, "the reply has index {index} twice"),
            Self::NoContent { index } => {
                write!(f, "part {index} of the reply has an index and nothing else")
            }
            Self::Vector { index, fault } => write!(f, "vector {index} of the reply {fault}"),
            Self::Score { index } => {
                write!(f, "the score of index {index} of the reply is not finite")
            }
            Self::SomeTexts => {
                f.write_str("some chunks of the reply have a text and some have none")
            }
        }
    }
}

impl std::error::Error for Fault {}
