//! Filters, by way of the JSON of the server's REST interface.
//!
//! The engine reads that JSON itself, and verifies it as the server does.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{
    self, Condition, DatetimeRange, FieldCondition, Filter, GeoLineString, GeoPoint, Match,
};
use serde_json::{Map, Value as Json, json};
use tonic::Status;

use super::status;

/// Translates a filter.
pub(super) fn filter(filter: Option<Filter>) -> Result<Option<qdrant_edge::Filter>, Status> {
    let Some(filter) = filter else {
        return Ok(None);
    };
    let json = filter_json(&filter)?;
    serde_json::from_value(json)
        .map(Some)
        .map_err(|error| status::wrong(format_args!("Malformed filter: {error}")))
}

/// Translates one condition.
pub(super) fn condition(condition: &Condition) -> Result<qdrant_edge::Condition, Status> {
    serde_json::from_value(condition_json(condition)?)
        .map_err(|error| status::wrong(format_args!("Malformed condition: {error}")))
}

fn filter_json(filter: &Filter) -> Result<Json, Status> {
    let mut fields = Map::new();
    let mut list = |name: &str, conditions: &[Condition]| -> Result<(), Status> {
        if !conditions.is_empty() {
            fields.insert(name.to_owned(), conditions_json(conditions)?);
        }
        Ok(())
    };
    list("should", &filter.should)?;
    list("must", &filter.must)?;
    list("must_not", &filter.must_not)?;
    if let Some(min_should) = &filter.min_should {
        let conditions = conditions_json(&min_should.conditions)?;
        let min_should = json!({"conditions": conditions, "min_count": min_should.min_count});
        fields.insert("min_should".to_owned(), min_should);
    }
    Ok(Json::Object(fields))
}

fn conditions_json(conditions: &[Condition]) -> Result<Json, Status> {
    conditions.iter().map(condition_json).collect()
}

fn condition_json(condition: &Condition) -> Result<Json, Status> {
    match &condition.condition_one_of {
        Some(ConditionOneOf::Field(field)) => field_json(field),
        Some(ConditionOneOf::IsEmpty(field)) => Ok(json!({"is_empty": {"key": field.key}})),
        Some(ConditionOneOf::IsNull(field)) => Ok(json!({"is_null": {"key": field.key}})),
        Some(ConditionOneOf::HasId(ids)) => {
            let ids: Json = ids.has_id.iter().map(id_json).collect::<Result<_, _>>()?;
            Ok(json!({"has_id": ids}))
        }
        Some(ConditionOneOf::HasVector(vector)) => Ok(json!({"has_vector": vector.has_vector})),
        Some(ConditionOneOf::Nested(nested)) => {
            let filter = nested.filter.as_ref().ok_or_else(|| malformed("nested"))?;
            Ok(json!({"nested": {"key": nested.key, "filter": filter_json(filter)?}}))
        }
        Some(ConditionOneOf::Filter(filter)) => filter_json(filter),
        Some(ConditionOneOf::Slice(_)) => Err(status::not_offered("slice conditions")),
        None => Err(malformed("condition")),
    }
}

fn id_json(id: &qdrant::PointId) -> Result<Json, Status> {
    match &id.point_id_options {
        Some(PointIdOptions::Num(number)) => Ok(json!(number)),
        Some(PointIdOptions::Uuid(text)) => Ok(json!(text)),
        None => Err(malformed("has_id")),
    }
}

fn field_json(field: &FieldCondition) -> Result<Json, Status> {
    let mut json = Map::new();
    json.insert("key".into(), field.key.clone().into());
    if let Some(wanted) = &field.r#match {
        json.insert("match".into(), match_json(wanted)?);
    }
    if let Some(range) = &field.range {
        let range = json!({"lt": range.lt, "gt": range.gt, "gte": range.gte, "lte": range.lte});
        json.insert("range".into(), range);
    }
    if let Some(range) = &field.datetime_range {
        json.insert("range".into(), datetime_json(range)?);
    }
    if let Some(bounds) = &field.geo_bounding_box {
        let corner = |point: Option<GeoPoint>| {
            point
                .as_ref()
                .map(geo_json)
                .ok_or_else(|| malformed("geo_bounding_box"))
        };
        let bounds = json!({
            "top_left": corner(bounds.top_left)?,
            "bottom_right": corner(bounds.bottom_right)?,
        });
        json.insert("geo_bounding_box".into(), bounds);
    }
    if let Some(circle) = &field.geo_radius {
        let center = circle
            .center
            .as_ref()
            .ok_or_else(|| malformed("geo_radius"))?;
        let circle = json!({"center": geo_json(center), "radius": circle.radius});
        json.insert("geo_radius".into(), circle);
    }
    if let Some(polygon) = &field.geo_polygon {
        let exterior = polygon
            .exterior
            .as_ref()
            .ok_or_else(|| malformed("geo_polygon"))?;
        let interiors: Json = polygon.interiors.iter().map(line_json).collect();
        let polygon = json!({"exterior": line_json(exterior), "interiors": interiors});
        json.insert("geo_polygon".into(), polygon);
    }
    if let Some(count) = &field.values_count {
        let count = json!({"lt": count.lt, "gt": count.gt, "gte": count.gte, "lte": count.lte});
        json.insert("values_count".into(), count);
    }
    if let Some(is_empty) = field.is_empty {
        json.insert("is_empty".into(), is_empty.into());
    }
    if let Some(is_null) = field.is_null {
        json.insert("is_null".into(), is_null.into());
    }
    Ok(Json::Object(json))
}

fn match_json(wanted: &Match) -> Result<Json, Status> {
    Ok(match &wanted.match_value {
        Some(MatchValue::Keyword(value)) => json!({"value": value}),
        Some(MatchValue::Integer(value)) => json!({"value": value}),
        Some(MatchValue::Boolean(value)) => json!({"value": value}),
        Some(MatchValue::Text(text)) => json!({"text": text}),
        Some(MatchValue::TextAny(text)) => json!({"text_any": text}),
        Some(MatchValue::Phrase(phrase)) => json!({"phrase": phrase}),
        Some(MatchValue::Keywords(any)) => json!({"any": any.strings}),
        Some(MatchValue::Integers(any)) => json!({"any": any.integers}),
        Some(MatchValue::ExceptKeywords(except)) => json!({"except": except.strings}),
        Some(MatchValue::ExceptIntegers(except)) => json!({"except": except.integers}),
        Some(MatchValue::Prefix(_)) => return Err(status::not_offered("prefix matches")),
        Some(MatchValue::Substring(_)) => return Err(status::not_offered("substring matches")),
        None => return Err(malformed("match")),
    })
}

fn datetime_json(range: &DatetimeRange) -> Result<Json, Status> {
    let mut json = Map::new();
    let bounds = [
        ("lt", &range.lt),
        ("gt", &range.gt),
        ("gte", &range.gte),
        ("lte", &range.lte),
    ];
    for (name, bound) in bounds {
        if let Some(time) = bound {
            let time = jiff::Timestamp::new(time.seconds, time.nanos)
                .map_err(|_out_of_range| malformed("datetime_range"))?;
            json.insert(name.into(), time.to_string().into());
        }
    }
    Ok(Json::Object(json))
}

fn geo_json(point: &GeoPoint) -> Json {
    json!({"lon": point.lon, "lat": point.lat})
}

fn line_json(line: &GeoLineString) -> Json {
    let points: Json = line.points.iter().map(geo_json).collect();
    json!({ "points": points })
}

fn malformed(what: &str) -> Status {
    Status::invalid_argument(format!("Malformed {what} in filter"))
}
