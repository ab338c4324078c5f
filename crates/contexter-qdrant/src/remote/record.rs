//! What a collection on the server is made of, and where that is written down.
//!
//! The collection's own metadata hold its specification, under the key [`KEY`]: they are made with
//! the collection in one step, travel with its snapshots, count as no point and match no query,
//! and a server of 1.16 or later has them. A reserved point would be counted, scrolled over and
//! deleted by filters.

use std::collections::HashMap;

use contexter_model::{CollectionSpec, Distance, Error, ErrorKind};
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vectors_config::Config as VectorsConfigKind;
use qdrant_client::qdrant::{
    self, CollectionInfo, CreateCollection, Modifier, PayloadSchemaType, SparseVectorConfig,
    SparseVectorParams, Value, VectorParams, VectorParamsMap, VectorsConfig,
};

use super::fault;
use crate::spec::{self, DENSE, SPARSE};

/// The key in the metadata of a collection under which its specification stands, as JSON text.
pub const KEY: &str = "contexter_collection";

/// The version of that text.
const VERSION: u32 = 1;

#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    version: u32,
    spec: CollectionSpec,
}

#[derive(serde::Deserialize)]
struct Header {
    version: u32,
}

/// What creates the collection.
pub(super) fn create(spec: &CollectionSpec, timeout: u64) -> Result<CreateCollection, Error> {
    let dense = VectorParams {
        size: u64::try_from(spec.space.dimensions).unwrap_or(u64::MAX),
        distance: distance(spec)?.into(),
        ..VectorParams::default()
    };
    let sparse = SparseVectorParams {
        modifier: Some(Modifier::Idf.into()),
        ..SparseVectorParams::default()
    };
    Ok(CreateCollection {
        collection_name: spec.name.clone(),
        vectors_config: Some(VectorsConfig {
            config: Some(VectorsConfigKind::ParamsMap(VectorParamsMap {
                map: HashMap::from([(DENSE.to_owned(), dense)]),
            })),
        }),
        sparse_vectors_config: Some(SparseVectorConfig {
            map: HashMap::from([(SPARSE.to_owned(), sparse)]),
        }),
        metadata: HashMap::from([(KEY.to_owned(), record(spec)?)]),
        timeout: Some(timeout),
        ..CreateCollection::default()
    })
}

fn record(spec: &CollectionSpec) -> Result<Value, Error> {
    let record = Record {
        version: VERSION,
        spec: spec.clone(),
    };
    let text = serde_json::to_string(&record).map_err(|source| {
        fault::error(ErrorKind::Unexpected, "cannot write a specification").with_source(source)
    })?;
    Ok(Value {
        kind: Some(Kind::StringValue(text)),
    })
}

fn distance(spec: &CollectionSpec) -> Result<qdrant::Distance, Error> {
    match spec.distance {
        Distance::Cosine => Ok(qdrant::Distance::Cosine),
        Distance::Dot => Ok(qdrant::Distance::Dot),
        Distance::Euclid => Ok(qdrant::Distance::Euclid),
        other => Err(fault::error(
            ErrorKind::Unsupported,
            format!("the server has no distance {other:?}"),
        )),
    }
}

/// Reads what the collection called `name` is made of, and verifies that its vectors are that.
pub(super) fn read(name: &str, info: &CollectionInfo) -> Result<CollectionSpec, Error> {
    let config = info
        .config
        .as_ref()
        .ok_or_else(|| fault::protocol("the reply describes a collection without its settings"))?;
    let Some(value) = config.metadata.get(KEY) else {
        return Err(fault::error(
            ErrorKind::Invalid,
            format!(
                "collection {name:?} does not say which embedder made it: it was created by another \
                 program, or by a server before 1.16, which keeps no metadata",
            ),
        ));
    };
    let damaged = || {
        fault::error(
            ErrorKind::Invalid,
            format!("metadata {KEY:?} of collection {name:?} are damaged"),
        )
    };
    let Some(Kind::StringValue(text)) = &value.kind else {
        return Err(damaged());
    };
    let header: Header =
        serde_json::from_str(text).map_err(|source| damaged().with_source(source))?;
    if header.version > VERSION {
        return Err(fault::error(
            ErrorKind::Unsupported,
            format!(
                "collection {name:?} has version {}, this program reads up to {VERSION}: use a newer \
                 one",
                header.version,
            ),
        ));
    }
    let record: Record =
        serde_json::from_str(text).map_err(|source| damaged().with_source(source))?;
    spec::check(&record.spec).map_err(|error| damaged().with_source(error))?;
    let wrong = vectors_differ(&record.spec, config)?;
    if wrong.is_empty() {
        return Ok(record.spec);
    }
    Err(fault::error(
        ErrorKind::Invalid,
        format!(
            "collection {name:?} is not what its metadata say: {}",
            wrong.join("; "),
        ),
    ))
}

/// Lists in what the vectors differ from the specification.
fn vectors_differ(
    spec: &CollectionSpec,
    config: &qdrant::CollectionConfig,
) -> Result<Vec<String>, Error> {
    let params = config
        .params
        .as_ref()
        .ok_or_else(|| fault::protocol("the reply describes a collection without its vectors"))?;
    let mut differences = Vec::new();
    let dense = match params
        .vectors_config
        .as_ref()
        .and_then(|vectors| vectors.config.as_ref())
    {
        Some(VectorsConfigKind::ParamsMap(map)) => map.map.get(DENSE),
        Some(VectorsConfigKind::Params(_)) | None => None,
    };
    match dense {
        None => differences.push(format!("it has no vector {DENSE:?}")),
        Some(dense) => {
            if usize::try_from(dense.size) != Ok(spec.space.dimensions) {
                differences.push(format!(
                    "vector {DENSE:?} has {} dimensions, not {}",
                    dense.size, spec.space.dimensions,
                ));
            }
            if dense.distance() != distance(spec)? {
                differences.push(format!(
                    "vector {DENSE:?} has the distance {}, not {:?}",
                    dense.distance().as_str_name(),
                    spec.distance,
                ));
            }
            if dense.multivector_config.is_some() {
                differences.push(format!("vector {DENSE:?} is a multi-vector"));
            }
        }
    }
    match params
        .sparse_vectors_config
        .as_ref()
        .and_then(|sparse| sparse.map.get(SPARSE))
    {
        None => differences.push(format!("it has no sparse vector {SPARSE:?}")),
        Some(sparse) if sparse.modifier() != Modifier::Idf => differences.push(format!(
            "sparse vector {SPARSE:?} has the modifier {}, not Idf",
            sparse.modifier().as_str_name(),
        )),
        Some(_) => {}
    }
    Ok(differences)
}

/// Returns the fields that still need their index.
///
/// # Errors
///
/// `Invalid` if a field has an index of another kind: both are named.
pub(super) fn missing_indexes(
    spec: &CollectionSpec,
    info: &CollectionInfo,
) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for field in &spec.keyword_fields {
        match info.payload_schema.get(field) {
            None => missing.push(field.clone()),
            Some(schema) if schema.data_type() != PayloadSchemaType::Keyword => {
                return Err(fault::error(
                    ErrorKind::Invalid,
                    format!(
                        "collection {:?} is another one: its field {field:?} has an index of the \
                         kind {}, not Keyword",
                        spec.name,
                        schema.data_type().as_str_name(),
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    Ok(missing)
}
