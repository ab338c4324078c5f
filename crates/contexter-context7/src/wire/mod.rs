//! The bodies of answers, read one value at a time: what is missing or odd costs that value only.

mod legacy;
mod libraries;
mod snippets;

use serde_json::Value;

pub(crate) use legacy::legacy;
pub(crate) use libraries::libraries;
pub(crate) use snippets::snippets;

/// Whole numbers up to 2⁵³ are exact as floating-point numbers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns a text that is not blank.
fn text(value: &Value, name: &str) -> Option<String> {
    let text = value.get(name)?.as_str()?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// Returns a count; -1 means that the service does not know it.
fn count(value: &Value, name: &str) -> Option<u64> {
    let value = value.get(name)?;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in the range that both types hold exactly"
        )]
        (0.0..=EXACT).contains(&number).then_some(number as u64)
    })
}

/// Returns a score; a negative one means that the service does not know it.
fn score(value: &Value, name: &str) -> Option<f64> {
    value.get(name)?.as_f64().filter(|score| *score >= 0.0)
}

/// Returns the texts of a list.
fn texts(value: &Value, name: &str) -> Vec<String> {
    let list = value.get(name).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

/// Reads the elements of a list, and counts those that cannot be read.
fn each<T>(list: &[Value], read: impl Fn(&Value) -> Option<T>) -> (Vec<T>, usize) {
    let all: Vec<T> = list.iter().filter_map(read).collect();
    let unreadable = list.len() - all.len();
    (all, unreadable)
}

/// Returns a list that may be left out or null; anything else in its place is a fault.
fn list<'a>(value: &'a Value, name: &str) -> Result<Option<&'a [Value]>, String> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(&[])),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(_) => Err(format!("holds {name}, which is no list")),
    }
}
