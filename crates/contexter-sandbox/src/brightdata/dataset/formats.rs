//! The forms in which a snapshot is downloaded.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// A part has at least as many records.
pub(super) const MIN_BATCH: usize = 1_000;

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

pub(super) fn lines(records: &[Value]) -> String {
    records.iter().fold(String::new(), |mut lines, record| {
        lines.push_str(&record.to_string());
        lines.push('\n');
        lines
    })
}

pub(super) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

pub(super) fn csv(records: &[Value]) -> String {
    let field = |value: &Value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("\"{}\"", text.replace('"', "\"\""))
    };
    let mut csv = String::from("url,title,text\n");
    for record in records {
        let fields = ["url", "title", "text"].map(|name| field(&record[name]));
        csv.push_str(&fields.join(","));
        csv.push('\n');
    }
    csv
}
