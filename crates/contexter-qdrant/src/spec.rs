//! What collections are made of, what fits into them, and when one is another than was asked for.
//!
//! Embedded and hosted collections are the same in all of this.

use std::cmp::Ordering;
use std::fmt;

use contexter_model::{
    CollectionSpec, Distance, Error, ErrorKind, Filter, FusedQuery, Hit, Leg, Point, StoreFusion,
};

/// The name under which errors and the registry know these stores.
pub(crate) const SERVICE: &str = "qdrant";

/// The name of the dense vector of every point.
pub(crate) const DENSE: &str = "dense";

/// The name of the sparse vector of every point.
pub(crate) const SPARSE: &str = "bm25";

/// More legs than this in one query are a mistake.
pub(crate) const MAX_LEGS: usize = 16;

/// Longest name of a collection, in bytes; it names a folder.
const MAX_NAME: usize = 128;

/// Starts an error of these stores.
pub(crate) fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_service(SERVICE)
}

/// Verifies that a collection can be made as `spec` says.
pub(crate) fn check(spec: &CollectionSpec) -> Result<(), Error> {
    check_name("collection name", &spec.name)?;
    let invalid = |message: String| Err(error(ErrorKind::Invalid, message));
    if spec.space.dimensions == 0 {
        return invalid(format!("collection {:?} has 0 dimensions", spec.name));
    }
    match spec.keyword_fields.iter().find(|field| !plain(field, b"_")) {
        Some(field) => invalid(format!(
            "keyword field {field:?} must be letters, digits or '_'",
        )),
        None => Ok(()),
    }
}

/// Verifies the name of a collection or an alias; `what` says which.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    if name.len() > MAX_NAME || !plain(name, b"-_") {
        return Err(error(
            ErrorKind::Invalid,
            format!("{what} {name:?} must be 1 to {MAX_NAME} letters, digits, '-' or '_'"),
        ));
    }
    Ok(())
}

fn plain(text: &str, extra: &[u8]) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
}

/// Verifies that the collection that is there is the one that is wanted.
pub(crate) fn compare(there: &CollectionSpec, wanted: &CollectionSpec) -> Result<(), Error> {
    let mut differences = Vec::new();
    if there.space.id != wanted.space.id {
        differences.push(format!(
            "it was made by the embedder {:?}, not by {:?}",
            there.space.id, wanted.space.id,
        ));
    }
    if there.space.dimensions != wanted.space.dimensions {
        differences.push(format!(
            "it has {} dimensions, not {}",
            there.space.dimensions, wanted.space.dimensions,
        ));
    }
    if there.distance != wanted.distance {
        differences.push(format!(
            "its distance is {:?}, not {:?}",
            there.distance, wanted.distance,
        ));
    }
    let sorted = |spec: &CollectionSpec| {
        let mut fields = spec.keyword_fields.clone();
        fields.sort();
        fields.dedup();
        fields
    };
    if sorted(there) != sorted(wanted) {
        differences.push(format!(
            "its keyword fields are {:?}, not {:?}",
            there.keyword_fields, wanted.keyword_fields,
        ));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(error(
        ErrorKind::Invalid,
        format!(
            "collection {:?} is another one: {}",
            there.name,
            differences.join("; "),
        ),
    ))
}

/// Verifies a point.
pub(crate) fn check_point(point: &Point, spec: &CollectionSpec) -> Result<(), Error> {
    if point.dense.is_none() && point.sparse.is_none() {
        return Err(error(
            ErrorKind::Invalid,
            format!(
                "point {}: has neither a dense nor a sparse vector",
                point.id
            ),
        ));
    }
    match &point.dense {
        Some(dense) => check_dense(dense, spec, &format_args!("point {}", point.id)),
        None => Ok(()),
    }
}

/// Verifies a dense vector; `owner` names whose it is.
pub(crate) fn check_dense(
    vector: &[f32],
    spec: &CollectionSpec,
    owner: &dyn fmt::Display,
) -> Result<(), Error> {
    let dimensions = spec.space.dimensions;
    if vector.len() != dimensions {
        return Err(error(
            ErrorKind::Invalid,
            format!(
                "{owner}: dense vector has {} values, collection {:?} has {dimensions} dimensions",
                vector.len(),
                spec.name,
            ),
        ));
    }
    if let Some((at, value)) = vector.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(error(
            ErrorKind::Invalid,
            format!("{owner}: dense vector has {value} at {at}, expected a finite value"),
        ));
    }
    Ok(())
}

/// Verifies that a filter names indexed fields only.
pub(crate) fn check_filter(filter: &Filter, spec: &CollectionSpec) -> Result<(), Error> {
    let unknown = filter
        .must
        .iter()
        .find(|condition| !spec.keyword_fields.contains(&condition.field));
    match unknown {
        Some(condition) => Err(error(
            ErrorKind::Invalid,
            format!(
                "filter names the field {:?}, collection {:?} has {:?}",
                condition.field, spec.name, spec.keyword_fields,
            ),
        )),
        None => Ok(()),
    }
}

/// Returns whether no point passes: a condition allows no value.
pub(crate) fn lets_nothing_pass(filter: &Filter) -> bool {
    filter
        .must
        .iter()
        .any(|condition| condition.any_of.is_empty())
}

/// Verifies the number of legs of a query.
pub(crate) fn check_legs(legs: usize) -> Result<(), Error> {
    if legs > MAX_LEGS {
        return Err(error(
            ErrorKind::TooLarge,
            format!("query has {legs} legs, at most {MAX_LEGS}"),
        ));
    }
    Ok(())
}

/// Verifies how the legs of a query are to be fused.
pub(crate) fn check_fusion(query: &FusedQuery) -> Result<(), Error> {
    let invalid = |message: String| Err(error(ErrorKind::Invalid, message));
    if query.legs.is_empty() {
        return invalid("a fused query has no legs, expected at least one".to_owned());
    }
    let StoreFusion::ReciprocalRank { k, weights } = &query.fusion else {
        return Ok(());
    };
    if *k == 0 {
        return invalid("reciprocal rank fusion has k 0, expected at least 1".to_owned());
    }
    if !weights.is_empty() && weights.len() != query.legs.len() {
        return invalid(format!(
            "fusion has {} weights for {} legs, expected none or one for each leg",
            weights.len(),
            query.legs.len(),
        ));
    }
    match weights.iter().find(|&&w| !(w.is_finite() && w > 0.0)) {
        Some(weight) => invalid(format!(
            "fusion has the weight {weight}, expected a finite one greater than 0",
        )),
        None => Ok(()),
    }
}

/// Verifies that a fusion suits the collection's distance.
///
/// The engine adds up the scores of a search by Euclidean distance as they are, and those are
/// distances: the farthest points would come first (`qdrant-edge` 0.7.2, `score_fusion`).
pub(crate) fn check_fused_scores(
    legs: &[Leg],
    fusion: &StoreFusion,
    spec: &CollectionSpec,
) -> Result<(), Error> {
    let nearer_is_lower =
        spec.distance == Distance::Euclid && legs.iter().any(|leg| matches!(leg, Leg::Dense(_)));
    if nearer_is_lower && *fusion == StoreFusion::Distribution {
        return Err(error(
            ErrorKind::Unsupported,
            format!(
                "collection {:?} has the distance Euclid, whose scores the engine cannot fuse by their \
                 distribution; reciprocal ranks can be",
                spec.name,
            ),
        ));
    }
    Ok(())
}

/// Refuses the deletion of everything.
pub(crate) fn refuse_empty_filter(filter: &Filter, collection: &str) -> Result<(), Error> {
    if filter.is_empty() {
        return Err(error(
            ErrorKind::Invalid,
            format!("an empty filter would delete all of collection {collection:?}"),
        ));
    }
    Ok(())
}

/// Orders hits: higher scores first, ties by id.
pub(crate) fn best_first(a: &Hit, b: &Hit) -> Ordering {
    b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id))
}
