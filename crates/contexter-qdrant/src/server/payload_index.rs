//! What payload indexes are made of, by way of the JSON of the server's REST interface.

use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::stemming_algorithm::StemmingParams;
use qdrant_client::qdrant::{
    CreateFieldIndexCollection, FieldType, KeywordIndexParams, StopwordsSet, TextIndexParams,
    TokenizerType,
};
use qdrant_edge::PayloadFieldSchema;
use serde_json::{Map, Value as Json, json};
use tonic::Status;

use super::placement::on_disk;
use super::status;

/// The settings that all kinds of indexes have.
struct Common<'a> {
    memory: Option<i32>,
    on_disk: Option<bool>,
    enable_hnsw: Option<bool>,
    nested: Option<&'a str>,
}

macro_rules! common {
    ($params:ident) => {
        Common {
            memory: $params.memory,
            on_disk: $params.on_disk,
            enable_hnsw: $params.enable_hnsw,
            nested: $params.nested.as_deref(),
        }
    };
}

/// Translates the kind of a payload index.
pub(super) fn schema(request: &CreateFieldIndexCollection) -> Result<PayloadFieldSchema, Status> {
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

#[expect(
    deprecated,
    reason = "clients before 1.19 say by this flag what is on the disk"
)]
fn params_json(params: &IndexParams) -> Result<Json, Status> {
    let (mut fields, common) = match params {
        IndexParams::KeywordIndexParams(keyword) => (keyword_fields(keyword)?, common!(keyword)),
        IndexParams::IntegerIndexParams(integer) => {
            let own = [
                ("lookup", json!(integer.lookup.unwrap_or(true))),
                ("range", json!(integer.range.unwrap_or(true))),
                ("is_principal", json!(integer.is_principal)),
            ];
            (fields("integer", own), common!(integer))
        }
        IndexParams::FloatIndexParams(float) => {
            let own = [("is_principal", json!(float.is_principal))];
            (fields("float", own), common!(float))
        }
        IndexParams::GeoIndexParams(geo) => (fields("geo", []), common!(geo)),
        IndexParams::TextIndexParams(text) => (text_fields(text)?, common!(text)),
        IndexParams::BoolIndexParams(truth) => (fields("bool", []), common!(truth)),
        IndexParams::DatetimeIndexParams(datetime) => {
            let own = [("is_principal", json!(datetime.is_principal))];
            (fields("datetime", own), common!(datetime))
        }
        IndexParams::UuidIndexParams(uuid) => {
            let own = [("is_tenant", json!(uuid.is_tenant))];
            (fields("uuid", own), common!(uuid))
        }
    };
    if common.nested.is_some() {
        return Err(status::not_offered("indexes of the objects of an array"));
    }
    let on_disk = on_disk(common.memory, common.on_disk)?;
    fields.insert("on_disk".into(), on_disk.into());
    fields.insert("enable_hnsw".into(), common.enable_hnsw.into());
    fields.retain(|_, value| !value.is_null());
    Ok(Json::Object(fields))
}

fn fields<const N: usize>(kind: &str, own: [(&str, Json); N]) -> Map<String, Json> {
    let kind = ("type", json!(kind));
    let fields = own.into_iter().chain([kind]);
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn keyword_fields(keyword: &KeywordIndexParams) -> Result<Map<String, Json>, Status> {
    if keyword.prefix.is_some() {
        return Err(status::not_offered("prefix matches"));
    }
    let own = [("is_tenant", json!(keyword.is_tenant))];
    Ok(fields("keyword", own))
}

fn text_fields(text: &TextIndexParams) -> Result<Map<String, Json>, Status> {
    // Nothing would read it: a search by such an index is a text query.
    if text.scoring.is_some() {
        return Err(status::not_offered("text queries"));
    }
    let tokenizer = match text.tokenizer() {
        TokenizerType::Code => return Err(status::not_offered("the code tokenizer")),
        TokenizerType::Unknown | TokenizerType::Word => "word",
        TokenizerType::Prefix => "prefix",
        TokenizerType::Whitespace => "whitespace",
        TokenizerType::Multilingual => "multilingual",
    };
    let mut fields = fields(
        "text",
        [
            ("tokenizer", json!(tokenizer)),
            ("lowercase", json!(text.lowercase)),
            ("min_token_len", json!(text.min_token_len)),
            ("max_token_len", json!(text.max_token_len)),
            ("phrase_matching", json!(text.phrase_matching)),
            ("ascii_folding", json!(text.ascii_folding)),
        ],
    );
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
    Ok(fields)
}
