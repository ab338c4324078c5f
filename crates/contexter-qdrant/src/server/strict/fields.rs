//! Which fields need an index, and of which kind.
//!
//! As in the vendor's source (1.19, `lib/collection/src/problems/unindexed_field.rs`).

use std::collections::{BTreeSet, HashMap};

use qdrant_edge::{
    AnyVariants, Condition, EdgeShard, Expression, FieldCondition, Filter, JsonPath, Match,
    PayloadFieldSchema, PayloadSchemaParams, RangeInterface, ValueVariants,
};
use tonic::Status;

use super::refused;

/// What an index is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    IntegerMatch,
    IntegerRange,
    Keyword,
    Prefix,
    FloatRange,
    Text,
    Phrase,
    Bool,
    Uuid,
    Datetime,
    Geo,
}

/// Any index says whether a field is there.
const ANY: [Use; 11] = [
    Use::IntegerMatch,
    Use::IntegerRange,
    Use::Keyword,
    Use::Prefix,
    Use::FloatRange,
    Use::Text,
    Use::Phrase,
    Use::Bool,
    Use::Uuid,
    Use::Datetime,
    Use::Geo,
];

const NUMBER: [Use; 3] = [Use::IntegerMatch, Use::IntegerRange, Use::FloatRange];

impl Use {
    /// The kind of index to create for it.
    fn kind(self) -> &'static str {
        match self {
            Self::IntegerMatch | Self::IntegerRange => "integer",
            Self::Keyword => "keyword",
            Self::Prefix => "keyword (with prefix: true)",
            Self::FloatRange => "float",
            Self::Text => "text",
            Self::Phrase => "text (with phrase_matching: true)",
            Self::Bool => "bool",
            Self::Uuid => "uuid",
            Self::Datetime => "datetime",
            Self::Geo => "geo",
        }
    }
}

/// The indexes of a collection.
pub(super) struct Indexes(HashMap<JsonPath, PayloadFieldSchema>);

/// A field without the index that it needs.
struct Missing {
    field: JsonPath,
    uses: Vec<Use>,
}

impl Indexes {
    pub(super) fn of(shard: &EdgeShard) -> Self {
        let indexes = shard.info().payload_schema.into_iter();
        Self(
            indexes
                .map(|(field, index)| {
                    let schema = match index.params {
                        Some(params) => PayloadFieldSchema::FieldParams(params),
                        None => PayloadFieldSchema::FieldType(index.data_type),
                    };
                    (field, schema)
                })
                .collect(),
        )
    }

    /// Verifies the fields of a filter.
    pub(super) fn filter(&self, filter: &Filter) -> Result<(), Status> {
        match self.missing(None, filter) {
            Some(missing) => Err(missing.refused("use a different filter")),
            None => Ok(()),
        }
    }

    /// Verifies the fields of a formula.
    pub(super) fn expression(&self, expression: &Expression) -> Result<(), Status> {
        match self.missing_for(expression) {
            Some(missing) => Err(missing.refused("use a different formula expression")),
            None => Ok(()),
        }
    }

    /// Verifies the field that points are grouped by.
    pub(super) fn grouped_by(&self, field: &JsonPath) -> Result<(), Status> {
        const HELP: &str = "Create an index supporting `match` for this key.";
        match self.0.get(field) {
            Some(schema) if schema.supports_match() => Ok(()),
            Some(schema) => Err(refused(
                format_args!(
                    "Index of type \"{:?}\" found for \"{field}\"",
                    schema.kind()
                ),
                HELP,
            )),
            None => Err(refused(
                format_args!("Index required but not found for \"{field}\""),
                HELP,
            )),
        }
    }

    fn missing(&self, within: Option<&JsonPath>, filter: &Filter) -> Option<Missing> {
        filter
            .iter_conditions()
            .find_map(|condition| self.missing_in(within, condition))
    }

    fn missing_in(&self, within: Option<&JsonPath>, condition: &Condition) -> Option<Missing> {
        match condition {
            Condition::Field(field) => self.need(within, &field.key, uses(field)),
            Condition::IsEmpty(field) => self.need(within, &field.is_empty.key, ANY.to_vec()),
            Condition::IsNull(field) => self.need(within, &field.is_null.key, ANY.to_vec()),
            Condition::Filter(filter) => self.missing(within, filter),
            Condition::Nested(nested) => {
                let within = JsonPath::extend_or_new(within, &nested.array_key());
                self.missing(Some(&within), nested.filter())
            }
            Condition::HasId(_) | Condition::HasVector(_) | Condition::CustomIdChecker(_) => None,
        }
    }

    fn missing_for(&self, expression: &Expression) -> Option<Missing> {
        match expression {
            Expression::Constant(_) | Expression::Datetime(_) => None,
            // Scores begin with a dollar; a name that is none is refused when the formula is read.
            Expression::Variable(name) if name.starts_with('$') => None,
            Expression::Variable(name) => {
                let field = name.parse().ok()?;
                self.need(None, &field, NUMBER.to_vec())
            }
            Expression::Condition(condition) => self.missing_in(None, condition),
            Expression::GeoDistance { to, .. } => self.need(None, to, vec![Use::Geo]),
            Expression::DatetimeKey(field) => self.need(None, field, vec![Use::Datetime]),
            Expression::Mult(parts) | Expression::Sum(parts) => {
                parts.iter().find_map(|part| self.missing_for(part))
            }
            Expression::Div { left, right, .. } => {
                self.missing_for(left).or_else(|| self.missing_for(right))
            }
            Expression::Pow { base, exponent } => self
                .missing_for(base)
                .or_else(|| self.missing_for(exponent)),
            Expression::Decay { x, target, .. } => self
                .missing_for(x)
                .or_else(|| target.as_ref().and_then(|target| self.missing_for(target))),
            Expression::Neg(inner)
            | Expression::Sqrt(inner)
            | Expression::Exp(inner)
            | Expression::Log10(inner)
            | Expression::Ln(inner)
            | Expression::Abs(inner) => self.missing_for(inner),
        }
    }

    /// Returns the field if none of `uses`, one of which is needed, is what its index is good for.
    fn need(&self, within: Option<&JsonPath>, field: &JsonPath, uses: Vec<Use>) -> Option<Missing> {
        let field = JsonPath::extend_or_new(within, field);
        let there = self.0.get(&field).map(good_for).unwrap_or_default();
        // A condition that needs none holds for all points, or for no point.
        let is_met = uses.is_empty() || uses.iter().any(|needed| there.contains(needed));
        (!is_met).then_some(Missing { field, uses })
    }
}

impl Missing {
    fn refused(&self, instead: &str) -> Status {
        let kinds: BTreeSet<_> = self.uses.iter().map(|needed| needed.kind()).collect();
        let kinds = Vec::from_iter(kinds).join(", ");
        refused(
            format_args!(
                "Index required but not found for \"{}\" of one of the following types: [{kinds}]",
                self.field,
            ),
            format_args!("Create an index for this key or {instead}."),
        )
    }
}

/// For which of its uses a condition needs an index; for none if it is the same for all points.
fn uses(condition: &FieldCondition) -> Vec<Use> {
    let mut uses = Vec::new();
    match &condition.r#match {
        None => {}
        Some(Match::Value(wanted)) => match &wanted.value {
            ValueVariants::String(text) => uses.extend(words([text])),
            ValueVariants::Integer(_) => uses.push(Use::IntegerMatch),
            ValueVariants::Bool(_) => uses.push(Use::Bool),
        },
        Some(Match::Any(wanted)) => uses.extend(any(&wanted.any)),
        Some(Match::Except(wanted)) => uses.extend(any(&wanted.except)),
        Some(Match::Text(_) | Match::TextAny(_)) => uses.push(Use::Text),
        Some(Match::Phrase(_)) => uses.push(Use::Phrase),
    }
    match &condition.range {
        None => {}
        Some(RangeInterface::DateTime(_)) => uses.push(Use::Datetime),
        Some(RangeInterface::Float(_)) => uses.extend([Use::FloatRange, Use::IntegerRange]),
    }
    if condition.geo_bounding_box.is_some()
        || condition.geo_radius.is_some()
        || condition.geo_polygon.is_some()
    {
        uses.push(Use::Geo);
    }
    if condition.values_count.is_some()
        || condition.is_empty.is_some()
        || condition.is_null.is_some()
    {
        uses.extend(ANY);
    }
    uses
}

fn any(values: &AnyVariants) -> Vec<Use> {
    match values {
        AnyVariants::Strings(texts) if texts.is_empty() => Vec::new(),
        AnyVariants::Strings(texts) => words(texts),
        AnyVariants::Integers(numbers) if numbers.is_empty() => Vec::new(),
        AnyVariants::Integers(_) => vec![Use::IntegerMatch],
    }
}

fn words<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<Use> {
    let mut texts = texts.into_iter();
    if texts.all(|text| uuid::Uuid::parse_str(text).is_ok()) {
        return vec![Use::Uuid, Use::Keyword];
    }
    vec![Use::Keyword]
}

fn good_for(schema: &PayloadFieldSchema) -> Vec<Use> {
    match schema.expand().as_ref() {
        PayloadSchemaParams::Keyword(_) => vec![Use::Keyword],
        PayloadSchemaParams::Integer(integer) => {
            let mut uses = Vec::new();
            if integer.lookup.unwrap_or(true) {
                uses.push(Use::IntegerMatch);
            }
            if integer.range.unwrap_or(true) {
                uses.push(Use::IntegerRange);
            }
            uses
        }
        PayloadSchemaParams::Float(_) => vec![Use::FloatRange],
        PayloadSchemaParams::Geo(_) => vec![Use::Geo],
        PayloadSchemaParams::Text(text) if text.phrase_matching.unwrap_or_default() => {
            vec![Use::Phrase, Use::Text]
        }
        PayloadSchemaParams::Text(_) => vec![Use::Text],
        PayloadSchemaParams::Bool(_) => vec![Use::Bool],
        PayloadSchemaParams::Datetime(_) => vec![Use::Datetime],
        PayloadSchemaParams::Uuid(_) => vec![Use::Uuid],
    }
}
