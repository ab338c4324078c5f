//! Filters in the server's terms.

use contexter_model::Filter;
use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{
    self, Condition, FieldCondition, HasIdCondition, Match, RepeatedStrings,
};

use super::value;

/// Turns a filter into the server's; `None` lets everything pass.
pub(super) fn filter(filter: Filter) -> Option<qdrant::Filter> {
    if filter.is_empty() {
        return None;
    }
    let must = filter.must.into_iter().map(|condition| {
        let field = FieldCondition {
            key: condition.field,
            r#match: Some(Match {
                match_value: Some(MatchValue::Keywords(RepeatedStrings {
                    strings: condition.any_of,
                })),
            }),
            ..FieldCondition::default()
        };
        Condition {
            condition_one_of: Some(ConditionOneOf::Field(field)),
        }
    });
    Some(qdrant::Filter {
        must: must.collect(),
        ..qdrant::Filter::default()
    })
}

/// A filter that no point passes, on any shard: it wants an id that was made just now.
pub(super) fn nobody() -> qdrant::Filter {
    let has_id = HasIdCondition {
        has_id: vec![value::id(uuid::Uuid::new_v4())],
    };
    qdrant::Filter {
        must: vec![Condition {
            condition_one_of: Some(ConditionOneOf::HasId(has_id)),
        }],
        ..qdrant::Filter::default()
    }
}
