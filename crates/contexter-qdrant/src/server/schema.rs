//! What collections and indexes are made of, in the engine's terms.

use std::collections::HashMap;

use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    self, CreateCollection, CreateFieldIndexCollection, FieldType, SparseVectorParams,
    StopwordsSet, TextIndexParams, TokenizerType, VectorParams, stemming_algorithm::StemmingParams,
};
use qdrant_edge::{
    EdgeConfig, EdgeSparseVectorParams, EdgeVectorParams, HnswIndexConfig, Modifier,
    MultiVectorComparator, MultiVectorConfig, PayloadFieldSchema,
};
use serde_json::{Map, Value as Json, json};
use tonic::Status;

use super::status;

/// The most dimensions a vector has, as in the server (1.19, `lib/collection`).
const MAX_DIMENSIONS: u64 = 65_536;

/// Translates the vectors of a new collection.
pub(super) fn config(request: &CreateCollection) -> Result<EdgeConfig, Status> {
    let mut vectors = HashMap::new();
    match request
        .vectors_config
        .as_ref()
        .and_then(|vectors| vectors.config.as_ref())
    {
        Some(Config::Params(params)) => {
            vectors.insert(String::new(), dense(params)?);
        }
        Some(Config::ParamsMap(map)) => {
            for (name, params) in &map.map {
                vectors.insert(name.clone(), dense(params)?);
            }
        }
        None => {}
    }
    let mut sparse_vectors = HashMap::new();
    if let Some(config) = &request.sparse_vectors_config {
        for (name, params) in &config.map {
            if vectors.contains_key(name) {
                return Err(status::wrong(format_args!(
                    "Dense and sparse vectors cannot share the name {name}"
                )));
            }
            sparse_vectors.insert(name.clone(), sparse(params));
        }
    }
    let mut hnsw = HnswIndexConfig::default();
    if let Some(wanted) = &request.hnsw_config {
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        if let Some(m) = wanted.m {
            hnsw.m = size(m);
        }
        if let Some(ef) = wanted.ef_construct {
            hnsw.ef_construct = size(ef);
        }
    }
    Ok(EdgeConfig::builder()
        .vectors(vectors)
        .sparse_vectors(sparse_vectors)
        .hnsw_config(hnsw)
        .build())
}

/// Translates a dense vector.
pub(super) fn dense(params: &VectorParams) -> Result<EdgeVectorParams, Status> {
    let size = usize::try_from(params.size)
        .ok()
        .filter(|_| (1..=MAX_DIMENSIONS).contains(&params.size))
        .ok_or_else(|| {
            Status::invalid_argument(format!(
                "Validation error in body: [vectors_config.size: value {} invalid, must be from 1 \
                 to {MAX_DIMENSIONS}]",
                params.size,
            ))
        })?;
    let distance = match params.distance() {
        qdrant::Distance::Cosine => qdrant_edge::Distance::Cosine,
        qdrant::Distance::Euclid => qdrant_edge::Distance::Euclid,
        qdrant::Distance::Dot => qdrant_edge::Distance::Dot,
        qdrant::Distance::Manhattan => qdrant_edge::Distance::Manhattan,
        qdrant::Distance::UnknownDistance => {
            return Err(Status::invalid_argument(
                "Malformed distance parameter: UnknownDistance",
            ));
        }
    };
    let mut params_of_engine = EdgeVectorParams::builder(size, distance).build();
    params_of_engine.multivector_config = params.multivector_config.map(|_| MultiVectorConfig {
        comparator: MultiVectorComparator::MaxSim,
    });
    Ok(params_of_engine)
}

/// Translates a sparse vector.
pub(super) fn sparse(params: &SparseVectorParams) -> EdgeSparseVectorParams {
    let builder = EdgeSparseVectorParams::builder();
    match params.modifier() {
        qdrant::Modifier::Idf => builder.modifier(Modifier::Idf).build(),
        qdrant::Modifier::None => builder.build(),
    }
}

/// Translates the kind of a payload index, by way of the JSON of the server's REST interface.
pub(super) fn index(request: &CreateFieldIndexCollection) -> Result<PayloadFieldSchema, Status> {
    let params = request
        .field_index_params
        .as_ref()
        .and_then(|params| params.index_params.as_ref());
    let schema = match params {
        Some(params) => params_json(params)?,
        None if request.field_type.is_some() => json!(match request.field_type() {
            FieldType::Keyword => "keyword",
            FieldType::Integer => "integer",
            FieldType::Float => "float",
            FieldType::Geo => "geo",
            FieldType::Text => "text",
            FieldType::Bool => "bool",
            FieldType::Datetime => "datetime",
            FieldType::Uuid => "uuid",
        }),
        None => {
            return Err(Status::invalid_argument(
                "Field type is required to create an index",
            ));
        }
    };
    serde_json::from_value(schema)
        .map_err(|error| status::wrong(format_args!("Malformed field type: {error}")))
}

fn params_json(params: &IndexParams) -> Result<Json, Status> {
    Ok(match params {
        IndexParams::KeywordIndexParams(keyword) => {
            json!({"type": "keyword", "is_tenant": keyword.is_tenant})
        }
        IndexParams::IntegerIndexParams(integer) => json!({
            "type": "integer",
            "lookup": integer.lookup.unwrap_or(true),
            "range": integer.range.unwrap_or(true),
            "is_principal": integer.is_principal,
        }),
        IndexParams::FloatIndexParams(float) => {
            json!({"type": "float", "is_principal": float.is_principal})
        }
        IndexParams::GeoIndexParams(_) => json!({"type": "geo"}),
        IndexParams::TextIndexParams(text) => text_json(text)?,
        IndexParams::BoolIndexParams(_) => json!({"type": "bool"}),
        IndexParams::DatetimeIndexParams(datetime) => {
            json!({"type": "datetime", "is_principal": datetime.is_principal})
        }
        IndexParams::UuidIndexParams(uuid) => {
            json!({"type": "uuid", "is_tenant": uuid.is_tenant})
        }
    })
}

fn text_json(text: &TextIndexParams) -> Result<Json, Status> {
    let mut fields = Map::new();
    fields.insert("type".into(), "text".into());
    let tokenizer = match text.tokenizer() {
        TokenizerType::Code => return Err(status::not_offered("the code tokenizer")),
        TokenizerType::Unknown | TokenizerType::Word => "word",
        TokenizerType::Prefix => "prefix",
        TokenizerType::Whitespace => "whitespace",
        TokenizerType::Multilingual => "multilingual",
    };
    fields.insert("tokenizer".into(), tokenizer.into());
    fields.insert("lowercase".into(), text.lowercase.into());
    fields.insert("min_token_len".into(), text.min_token_len.into());
    fields.insert("max_token_len".into(), text.max_token_len.into());
    fields.insert("phrase_matching".into(), text.phrase_matching.into());
    fields.insert("ascii_folding".into(), text.ascii_folding.into());
    if let Some(StopwordsSet { languages, custom }) = &text.stopwords {
        let words = json!({"languages": languages, "custom": custom});
        fields.insert("stopwords".into(), words);
    }
    if let Some(StemmingParams::Snowball(snowball)) = text
        .stemmer
        .as_ref()
        .and_then(|stemmer| stemmer.stemming_params.as_ref())
    {
        let stemmer = json!({"type": "snowball", "language": snowball.language});
        fields.insert("stemmer".into(), stemmer);
    }
    fields.retain(|_, value| !value.is_null());
    Ok(Json::Object(fields))
}
