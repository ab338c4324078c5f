//! Formulas over scores and payload, in the engine's terms.

use qdrant_client::Payload;
use qdrant_client::qdrant::expression::Variant;
use qdrant_client::qdrant::{self, DecayParamsExpression};
use qdrant_edge::{DecayKind, Expression, Formula, ScoringQuery};
use serde_json::{Map, Value, json};
use tonic::Status;

use super::queries::path;
use super::{filters, status};

/// Translates a formula.
pub(super) fn formula(formula: qdrant::Formula) -> Result<ScoringQuery, Status> {
    let defaults: Map<String, Value> = Payload::from(formula.defaults).into();
    let formula = Formula {
        formula: expression(formula.expression)?,
        defaults: defaults.into_iter().collect(),
    };
    let formula = formula.try_into().map_err(|error| status::engine(&error))?;
    Ok(ScoringQuery::Formula(formula))
}

/// Translates the expression of a formula.
pub(super) fn expression(expression: Option<qdrant::Expression>) -> Result<Expression, Status> {
    translated(expression.ok_or_else(missing)?)
}

fn missing() -> Status {
    Status::invalid_argument("Expression is missing")
}

fn translated(expression: qdrant::Expression) -> Result<Expression, Status> {
    Ok(match expression.variant.ok_or_else(missing)? {
        Variant::Constant(value) => Expression::Constant(value),
        Variant::Variable(name) => Expression::Variable(name),
        Variant::Condition(condition) => {
            Expression::Condition(Box::new(filters::condition(&condition)?))
        }
        Variant::GeoDistance(distance) => {
            let origin = distance.origin.ok_or_else(missing)?;
            let origin = json!({"lon": origin.lon, "lat": origin.lat});
            Expression::GeoDistance {
                origin: serde_json::from_value(origin).map_err(status::wrong)?,
                to: path(&distance.to)?,
            }
        }
        Variant::Datetime(text) => Expression::Datetime(text),
        Variant::DatetimeKey(key) => Expression::DatetimeKey(path(&key)?),
        Variant::Mult(product) => Expression::Mult(each(product.mult)?),
        Variant::Sum(sum) => Expression::Sum(each(sum.sum)?),
        Variant::Div(division) => Expression::Div {
            left: boxed(division.left)?,
            right: boxed(division.right)?,
            by_zero_default: division.by_zero_default,
        },
        Variant::Neg(inner) => Expression::Neg(boxed(Some(inner))?),
        Variant::Abs(inner) => Expression::Abs(boxed(Some(inner))?),
        Variant::Sqrt(inner) => Expression::Sqrt(boxed(Some(inner))?),
        Variant::Pow(power) => Expression::Pow {
            base: boxed(power.base)?,
            exponent: boxed(power.exponent)?,
        },
        Variant::Exp(inner) => Expression::Exp(boxed(Some(inner))?),
        Variant::Log10(inner) => Expression::Log10(boxed(Some(inner))?),
        Variant::Ln(inner) => Expression::Ln(boxed(Some(inner))?),
        Variant::ExpDecay(decay) => decayed(DecayKind::Exp, *decay)?,
        Variant::GaussDecay(decay) => decayed(DecayKind::Gauss, *decay)?,
        Variant::LinDecay(decay) => decayed(DecayKind::Lin, *decay)?,
        Variant::Acosh(_) | Variant::Max(_) | Variant::Min(_) => {
            return Err(status::not_offered("acosh, max and min in formulas"));
        }
    })
}

fn each(expressions: Vec<qdrant::Expression>) -> Result<Vec<Expression>, Status> {
    expressions.into_iter().map(translated).collect()
}

fn boxed(expression: Option<Box<qdrant::Expression>>) -> Result<Box<Expression>, Status> {
    let expression = *expression.ok_or_else(missing)?;
    translated(expression).map(Box::new)
}

fn decayed(kind: DecayKind, decay: DecayParamsExpression) -> Result<Expression, Status> {
    let target = decay.target.map(|target| boxed(Some(target)));
    Ok(Expression::Decay {
        kind,
        x: boxed(decay.x)?,
        target: target.transpose()?,
        midpoint: decay.midpoint,
        scale: decay.scale,
    })
}
