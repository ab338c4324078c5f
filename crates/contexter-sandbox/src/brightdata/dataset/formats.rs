//! The forms in which records are written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// A part has at least as many records.
pub(super) const MIN_BATCH: usize = 1_000;

/// The columns of a table that come first, in this order; others follow by name.
const COLUMNS: [&str; 8] = [
    "url",
    "title",
    "text",
    "markdown",
    "page_html",
    "input",
    "error",
    "error_code",
];

/// A form of records.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Json,
    Lines,
    Csv,
}

impl Format {
    pub(super) fn read(name: Option<&String>) -> Result<Self, &'static str> {
        match name.map_or("json", String::as_str) {
            "json" => Ok(Self::Json),
            "ndjson" | "jsonl" => Ok(Self::Lines),
            "csv" => Ok(Self::Csv),
            _ => Err("Unknown format"),
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }

    /// Writes `records`; a table has the columns of `all`.
    pub(super) fn write(self, records: &[Value], all: &[Value]) -> String {
        match self {
            Self::Json => Value::from(records.to_vec()).to_string(),
            Self::Lines => lines(records),
            Self::Csv => csv(records, &columns(all)),
        }
    }
}

/// Returns the part that is asked for.
pub(super) fn part<'a>(
    params: &BTreeMap<String, String>,
    records: &'a [Value],
) -> Result<&'a [Value], &'static str> {
    let Some(batch_size) = params.get("batch_size") else {
        return Ok(records);
    };
    let batch_size: usize = batch_size
        .parse()
        .ok()
        .filter(|size| *size >= MIN_BATCH)
        .ok_or("batch_size must be at least 1000")?;
    let part: usize = params
        .get("part")
        .map_or(Some(1), |part| part.parse().ok())
        .filter(|part| *part >= 1)
        .ok_or("part must be at least 1")?;
    Ok(records.chunks(batch_size).nth(part - 1).unwrap_or_default())
}

pub(super) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn lines(records: &[Value]) -> String {
    records.iter().fold(String::new(), |mut lines, record| {
        lines.push_str(&record.to_string());
        lines.push('\n');
        lines
    })
}

fn columns(records: &[Value]) -> Vec<&str> {
    let fields = records.iter().filter_map(Value::as_object);
    let names: BTreeSet<&str> = fields
        .flat_map(|fields| fields.keys().map(String::as_str))
        .collect();
    let known = COLUMNS.into_iter().filter(|name| names.contains(name));
    let others = names.iter().filter(|name| !COLUMNS.contains(name));
    known.chain(others.copied()).collect()
}

fn csv(records: &[Value], columns: &[&str]) -> String {
    let mut csv = String::new();
    if columns.is_empty() {
        return csv;
    }
    csv.push_str(&columns.join(","));
    csv.push('\n');
    for record in records {
        let fields: Vec<String> = columns.iter().map(|name| field(record.get(name))).collect();
        csv.push_str(&fields.join(","));
        csv.push('\n');
    }
    csv
}

/// What a record does not have is empty.
fn field(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Format;

    #[test]
    fn a_table_has_the_columns_of_all_records_in_one_order() {
        let all = [
            json!({ "zz": 1, "text": "a \"b\"", "url": "u", "aa": null }),
            json!({ "input": { "url": "v" }, "error_code": "dead_page", "error": "gone" }),
        ];
        assert_eq!(
            Format::Csv.write(&all, &all),
            "url,text,input,error,error_code,aa,zz\n\
             \"u\",\"a \"\"b\"\"\",,,,,\"1\"\n\
             ,,\"{\"\"url\"\":\"\"v\"\"}\",\"gone\",\"dead_page\",,\n"
        );
        // A part has the columns of the whole.
        assert_eq!(
            Format::Csv.write(&all[..0], &all),
            "url,text,input,error,error_code,aa,zz\n"
        );
        assert_eq!(Format::Csv.write(&[], &[]), "");
    }
}
