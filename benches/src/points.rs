//! The points of an index: real text, seeded synthetic vectors.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Lines, Write as _};
use std::path::Path;

use contexter_model::{Payload, Point, PointId, SparseVector};
use contexter_rag::Bm25;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use crate::text::{Passage, say};

/// The length of the dense vectors.
pub const DIMENSIONS: usize = 384;

/// Dense vectors lie around this many centres, as those of texts on a few hundred subjects do.
const CENTRES: u64 = 256;

/// A point in the file, without its dense vector: that one is made again from its number.
#[derive(Serialize, Deserialize)]
struct Line {
    id: PointId,
    library: String,
    path: String,
    title: String,
    text: String,
    sparse: SparseVector,
}

/// Writes `count` points into a file, one a line, for every process that measures.
///
/// The text of a point, its words and so its sparse vector are those of a passage. If there are not
/// enough passages, they come again with other ids and other dense vectors, and this says so.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn write(path: &Path, passages: &[Passage], count: usize) -> io::Result<()> {
    if passages.len() < count {
        say(&format!(
            "the real text ran out: {} passages come again, with other dense vectors",
            count - passages.len()
        ));
    }
    let bm25 = Bm25::default();
    let mut file = BufWriter::new(File::create(path)?);
    for (number, passage) in passages.iter().cycle().take(count).enumerate() {
        let mut id = passage.id();
        if number >= passages.len() {
            let again = u128::try_from(number / passages.len()).unwrap_or(u128::MAX);
            id = PointId::from_u128(id.as_u128() ^ again);
        }
        let line = Line {
            id,
            library: passage.library.to_string(),
            path: passage.path.clone(),
            title: passage.title.clone(),
            text: passage.text.clone(),
            sparse: bm25.document(&passage.indexed_text()),
        };
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

/// Reads the first `count` points of a file, `size` at a time.
///
/// # Errors
///
/// Fails if the file cannot be opened.
pub fn batches(path: &Path, count: usize, size: usize) -> io::Result<Batches> {
    Ok(Batches {
        lines: BufReader::new(File::open(path)?).lines(),
        number: 0,
        count,
        size,
    })
}

/// Points in batches: see [`batches`].
#[derive(Debug)]
pub struct Batches {
    lines: Lines<BufReader<File>>,
    number: usize,
    count: usize,
    size: usize,
}

impl Iterator for Batches {
    type Item = io::Result<Vec<Point>>;

    fn next(&mut self) -> Option<Self::Item> {
        let wanted = self.size.min(self.count - self.number);
        let lines = self.lines.by_ref().take(wanted);
        let points: io::Result<Vec<Point>> = (self.number..)
            .zip(lines)
            .map(|(number, line)| point(number, &line?))
            .collect();
        if let Ok(points) = &points {
            self.number += points.len();
            if points.is_empty() {
                return None;
            }
        }
        Some(points)
    }
}

fn point(number: usize, line: &str) -> io::Result<Point> {
    let line: Line = serde_json::from_str(line)?;
    let mut payload = Payload::new();
    payload.insert("library".to_owned(), line.library.into());
    payload.insert("path".to_owned(), line.path.into());
    payload.insert("title".to_owned(), line.title.into());
    payload.insert("text".to_owned(), line.text.into());
    Ok(Point {
        id: line.id,
        dense: Some(dense(u64::try_from(number).unwrap_or(u64::MAX))),
        sparse: Some(line.sparse),
        payload,
    })
}

/// What is searched for: words, and the vector that a model would make of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The words.
    pub text: String,
    /// A synthetic vector; no point has its seed.
    pub dense: Vec<f32>,
}

/// Gives each query its vector, by its number.
#[must_use]
pub fn questions(queries: Vec<String>) -> Vec<Question> {
    let seeds = (0..=u64::MAX).rev();
    let asked = queries.into_iter().zip(seeds);
    asked
        .map(|(text, seed)| Question {
            text,
            dense: dense(seed),
        })
        .collect()
}

/// Returns the vector of each question by its text, for an embedder that has nothing to compute.
#[must_use]
pub fn vectors(questions: &[Question]) -> HashMap<String, Vec<f32>> {
    let pairs = questions.iter();
    pairs
        .map(|question| (question.text.clone(), question.dense.clone()))
        .collect()
}

/// Makes the dense vector of this seed, always the same.
fn dense(seed: u64) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(seed);
    let centre = random.random_range(0..CENTRES);
    let mut of_centre = StdRng::seed_from_u64(centre << 40);
    (0..DIMENSIONS)
        .map(|_| of_centre.random_range(-1.0..1.0_f32) + random.random_range(-1.0..1.0_f32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(ordinal: u32) -> Passage {
        Passage {
            library: "/crates/a/1.0.0".parse().unwrap(),
            path: "README.md".to_owned(),
            ordinal,
            title: "a".to_owned(),
            text: format!("word{ordinal}"),
        }
    }

    #[test]
    fn a_file_gives_back_its_points_and_goes_round_when_the_text_runs_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points");
        write(&path, &[passage(0), passage(1)], 5).unwrap();
        let read: Vec<Vec<Point>> = batches(&path, 5, 2).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        let points: Vec<Point> = read.into_iter().flatten().collect();
        assert_eq!(points[0].payload, points[2].payload);
        assert_ne!(points[0].id, points[2].id);
        assert_ne!(points[0].id, points[4].id);
        assert_ne!(points[0].dense, points[2].dense);
        assert_eq!(points[0].id, passage(0).id());
    }

    #[test]
    fn fewer_points_can_be_read_than_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points");
        write(&path, &[passage(0), passage(1)], 2).unwrap();
        let sizes: Vec<usize> = batches(&path, 1, 2)
            .unwrap()
            .map(|b| b.unwrap().len())
            .collect();
        assert_eq!(sizes, [1]);
    }
}
