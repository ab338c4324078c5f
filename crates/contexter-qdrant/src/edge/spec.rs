//! Which collections there can be, and when one is another than was asked for.

use contexter_model::{CollectionSpec, Error, ErrorKind};

use super::fault;

/// Longest name of a collection, in bytes; it names a folder.
const MAX_NAME: usize = 128;

/// Verifies that a collection can be made as `spec` says.
pub(super) fn check(spec: &CollectionSpec) -> Result<(), Error> {
    let plain = |text: &str, extra: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
    };
    let invalid = |message: String| Err(fault::error(ErrorKind::Invalid, message));
    if spec.name.len() > MAX_NAME || !plain(&spec.name, b"-_") {
        return invalid(format!(
            "collection name {:?} must be 1 to {MAX_NAME} letters, digits, '-' or '_'",
            spec.name,
        ));
    }
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

/// Verifies that the collection that is there is the one that is wanted.
pub(super) fn compare(there: &CollectionSpec, wanted: &CollectionSpec) -> Result<(), Error> {
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
    Err(fault::error(
        ErrorKind::Invalid,
        format!(
            "collection {:?} is another one: {}",
            there.name,
            differences.join("; "),
        ),
    ))
}
