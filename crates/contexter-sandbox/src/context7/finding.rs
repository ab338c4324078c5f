//! Which libraries, and which pieces of them, answer a request.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::Catalogue;
use super::config::State;
use super::pieces::{Indexed, Piece, rank, words};
use super::refusal::Refusal;
use super::reply::Found;

/// How many pieces of a kind an answer holds; the service chooses the size itself.
pub(super) const PIECES: usize = 10;

/// Returns the libraries that a name fits, the best first.
pub(super) fn named<'a>(catalogue: &'a Catalogue, name: &str) -> Vec<&'a Indexed> {
    let wanted = name.trim().to_lowercase();
    let asked: BTreeSet<String> = words(&wanted).collect();
    let mut ranked: Vec<(u32, &Indexed)> = catalogue
        .libraries
        .values()
        .filter(|library| library.about.state != State::Private)
        .filter_map(|library| {
            let about = &library.about;
            let id = about.id.to_lowercase();
            let own = id.rsplit('/').next().unwrap_or_default();
            let title = about.title.to_lowercase();
            let known: BTreeSet<String> = words(&id)
                .chain(words(&title))
                .chain(words(&about.description))
                .collect();
            let shared = asked.intersection(&known).count();
            let score = if wanted == id || wanted == own || wanted == title {
                1_000
            } else if own.starts_with(&wanted) || title.starts_with(&wanted) {
                500
            } else if id.contains(&wanted) {
                200
            } else {
                0
            };
            let score = score + u32::try_from(shared).unwrap_or(u32::MAX) * 10;
            (score > 0).then_some((score, library))
        })
        .collect();
    ranked.sort_by_key(|(score, library)| (Reverse(*score), library.about.id.clone()));
    ranked.into_iter().map(|(_, library)| library).collect()
}

/// Returns the pieces of a version, or which versions there are.
pub(super) fn version<'a>(library: &'a Indexed, tag: Option<&str>) -> Result<&'a [Piece], Refusal> {
    library.pieces(tag).ok_or_else(|| {
        let tags = library.about.versions.iter().map(|(tag, _)| tag.as_str());
        Refusal::unknown_tag(&library.about.id, tag.unwrap_or_default(), tags)
    })
}

/// Returns the best pieces of each kind. A query none of whose words occur gets the beginning: the
/// service always finds something that is near enough.
pub(super) fn best<'a>(
    library: &'a Indexed,
    tag: Option<&'a str>,
    pieces: &'a [Piece],
    query: &str,
) -> Vec<Found<'a>> {
    let ranked = rank(pieces, query);
    let is_hit = ranked.first().is_some_and(|(score, _)| *score > 0.0);
    let (mut code, mut info) = (0, 0);
    ranked
        .into_iter()
        .filter(|(score, _)| !is_hit || *score > 0.0)
        .filter_map(|(_, at)| pieces.get(at))
        .filter(|piece| {
            let count = if piece.code.is_some() {
                &mut code
            } else {
                &mut info
            };
            *count += 1;
            *count <= PIECES
        })
        .map(|piece| Found {
            library,
            tag,
            piece,
        })
        .collect()
}

/// Returns all pieces: those about the topic first, or in the order of the text.
pub(super) fn about<'a>(
    library: &'a Indexed,
    tag: Option<&'a str>,
    pieces: &'a [Piece],
    topic: Option<&str>,
) -> Vec<Found<'a>> {
    rank(pieces, topic.unwrap_or_default())
        .into_iter()
        .filter_map(|(_, at)| pieces.get(at))
        .map(|piece| Found {
            library,
            tag,
            piece,
        })
        .collect()
}
