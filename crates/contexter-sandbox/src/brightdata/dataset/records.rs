//! What is collected: one record for each page.

use serde_json::{Map, Value, json};
use url::Url;

use super::super::Office;
use super::super::pages::PAGES;
use super::super::site::{self, Answer, Outcome};
use super::wanted::Wanted;

/// The data set of the vendor's crawler, whose records are whole pages.
const CRAWLER: &str = "gd_m6gjtfmeh43we6cqc";

/// Finds the pages that have the words of the inputs, such as `{"keyword": "copy"}`: so many for each
/// input, and for all of them, and none twice.
pub(super) fn discovered(inputs: &[Value], per_input: usize, all: usize) -> Vec<Value> {
    let mut found = Vec::new();
    for input in inputs {
        let texts = input.as_object().into_iter().flat_map(Map::values);
        let words: Vec<String> = texts
            .filter_map(Value::as_str)
            .flat_map(str::split_whitespace)
            .map(str::to_lowercase)
            .collect();
        let pages = PAGES
            .iter()
            .filter(|page| page.score(&words) > 0)
            .map(|page| json!({ "url": format!("https://docs.example.com{}", page.path) }));
        for page in pages.take(per_input) {
            if !found.contains(&page) {
                found.push(page);
            }
        }
    }
    found.truncate(all);
    found
}

/// Collects one record for each input; failed ones are told, and then whole, or left out.
pub(super) fn records(office: &Office, wanted: &Wanted) -> Vec<Value> {
    wanted
        .inputs
        .iter()
        .filter_map(|input| {
            let url = Url::parse(input["url"].as_str()?).ok()?;
            let failed = |code: &str, text: &str| {
                wanted
                    .errors
                    .then(|| json!({ "input": input, "error": text, "error_code": code }))
            };
            match site::visit(&url) {
                Outcome::Page(page)
                    if (200..300).contains(&page.status) && !page.body.is_empty() =>
                {
                    office.ledger.bill();
                    let mut record = record(&wanted.dataset, &url, &page);
                    if let Some(fields) = record.as_object_mut()
                        && !wanted.fields.is_empty()
                    {
                        fields.retain(|name, _| wanted.fields.contains(name));
                    }
                    Some(record)
                }
                Outcome::Page(_) => failed("dead_page", "the page does not exist"),
                Outcome::Refused(_) => failed("blocked", "the page is blocked"),
            }
        })
        .collect()
}

fn record(dataset: &str, url: &Url, page: &Answer) -> Value {
    let text = page.text();
    if dataset == CRAWLER {
        return json!({
            "url": url.as_str(),
            "markdown": text,
            "page_html": String::from_utf8_lossy(&page.body),
        });
    }
    let title = text.lines().next().unwrap_or_default();
    json!({
        "url": url.as_str(),
        "title": title.trim_start_matches("# "),
        "text": text,
    })
}
