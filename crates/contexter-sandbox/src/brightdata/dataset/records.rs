//! What is collected: one record for each page.

use serde_json::{Map, Value, json};
use url::Url;

use super::super::Office;
use super::super::pages::PAGES;
use super::super::site::{self, Outcome};

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

/// Collects one record for each input; failed ones are told or left out.
pub(super) fn records(
    office: &Office,
    dataset: &str,
    inputs: &[Value],
    errors: bool,
) -> Vec<Value> {
    inputs
        .iter()
        .filter_map(|input| {
            let url = Url::parse(input["url"].as_str()?).ok()?;
            let failed = |code: &str, text: &str| {
                errors.then(|| json!({ "input": input, "error": text, "error_code": code }))
            };
            match site::visit(&url) {
                Outcome::Page(page)
                    if (200..300).contains(&page.status) && !page.body.is_empty() =>
                {
                    office.ledger.bill();
                    let text = page.text();
                    if dataset == CRAWLER {
                        return Some(json!({
                            "url": url.as_str(),
                            "markdown": text,
                            "page_html": String::from_utf8_lossy(&page.body),
                        }));
                    }
                    let title = text.lines().next().unwrap_or_default();
                    Some(json!({
                        "url": url.as_str(),
                        "title": title.trim_start_matches("# "),
                        "text": text,
                    }))
                }
                Outcome::Page(_) => failed("dead_page", "the page does not exist"),
                Outcome::Refused(_) => failed("blocked", "the page is blocked"),
            }
        })
        .collect()
}
