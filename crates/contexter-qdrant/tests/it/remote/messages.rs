//! Parts of messages.

use std::collections::HashMap;

use contexter_model::Leg;
use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::vector_input::Variant as Input;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorsOptions;
use qdrant_client::qdrant::{
    self, Condition, DenseVector, FieldCondition, Match, NamedVectors, PointId, PointStruct,
    RepeatedStrings, SparseVector, Value, Vector, VectorInput, Vectors, WithPayloadSelector,
    WithVectorsSelector,
};

use crate::fixture::{CHUNKS, id, sparse};

pub(crate) const TIMEOUT: Option<u64> = Some(30);

pub(crate) fn collection() -> String {
    CHUNKS.to_owned()
}

pub(crate) fn text(text: &str) -> Value {
    Value {
        kind: Some(qdrant::value::Kind::StringValue(text.to_owned())),
    }
}

pub(crate) fn point_id(number: u128) -> PointId {
    PointId {
        point_id_options: Some(PointIdOptions::Uuid(id(number).hyphenated().to_string())),
    }
}

pub(crate) fn only(field: &str, value: &str) -> qdrant::Filter {
    let condition = FieldCondition {
        key: field.to_owned(),
        r#match: Some(Match {
            match_value: Some(MatchValue::Keywords(RepeatedStrings {
                strings: vec![value.to_owned()],
            })),
        }),
        ..FieldCondition::default()
    };
    qdrant::Filter {
        must: vec![Condition {
            condition_one_of: Some(ConditionOneOf::Field(condition)),
        }],
        ..qdrant::Filter::default()
    }
}

pub(crate) fn nearest(input: Input) -> qdrant::Query {
    qdrant::Query {
        variant: Some(Variant::Nearest(VectorInput {
            variant: Some(input),
        })),
    }
}

pub(crate) fn dense() -> Input {
    Input::Dense(DenseVector {
        data: vec![1.0, 0.0, 0.0],
    })
}

pub(crate) fn terms() -> Input {
    Input::Sparse(SparseVector {
        values: vec![1.0],
        indices: vec![7],
    })
}

pub(crate) fn payload(wanted: bool) -> WithPayloadSelector {
    WithPayloadSelector {
        selector_options: Some(PayloadOptions::Enable(wanted)),
    }
}

pub(crate) fn no_vectors() -> WithVectorsSelector {
    WithVectorsSelector {
        selector_options: Some(VectorsOptions::Enable(false)),
    }
}

pub(crate) fn legs() -> Vec<Leg> {
    vec![
        Leg::Dense(vec![1.0, 0.0, 0.0]),
        Leg::Sparse(sparse(&[(7, 1.0)])),
    ]
}

pub(crate) fn stored(number: u128, with_dense: bool) -> PointStruct {
    let mut vectors = HashMap::new();
    if with_dense {
        let data = vec![1.0, 0.0, 0.0];
        let dense = qdrant::vector::Vector::Dense(DenseVector { data });
        let dense = Vector {
            vector: Some(dense),
            ..Vector::default()
        };
        vectors.insert("dense".to_owned(), dense);
    }
    let terms = qdrant::vector::Vector::Sparse(SparseVector {
        values: vec![1.0],
        indices: vec![7],
    });
    let terms = Vector {
        vector: Some(terms),
        ..Vector::default()
    };
    vectors.insert("bm25".to_owned(), terms);
    PointStruct {
        id: Some(point_id(number)),
        payload: HashMap::from([("library".to_owned(), text("a"))]),
        vectors: Some(Vectors {
            vectors_options: Some(qdrant::vectors::VectorsOptions::Vectors(NamedVectors {
                vectors,
            })),
        }),
    }
}
