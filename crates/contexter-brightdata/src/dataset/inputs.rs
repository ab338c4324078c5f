//! Which inputs of a job are sent: none that leads into a private network.

use contexter_model::Error;
use serde_json::Value;
use url::Url;

use crate::target::PublicUrl;
use crate::text::brief;

/// Schemes whose addresses need no `//` to be read as such (URL Standard, "special scheme").
const SPECIAL: [&str; 6] = ["http", "https", "ftp", "file", "ws", "wss"];

/// Parts of the names of fields that hold addresses, with or without a scheme.
const ADDRESS_FIELDS: [&str; 7] = ["url", "uri", "link", "domain", "host", "site", "endpoint"];

/// Looks at every text of an input, however deep it lies: an address in it has to be a public one.
///
/// A field called `url` holds an address and nothing else. Other texts are addresses if they have a
/// scheme; in fields that are named like one, a private address is found without a scheme too.
pub(super) fn check(input: &Value, index: usize) -> Result<(), String> {
    // A list of its own: values can lie deeper than the stack of a thread.
    let mut left: Vec<(&str, &Value)> = vec![("", input)];
    while let Some((field, value)) = left.pop() {
        match value {
            Value::Array(values) => left.extend(values.iter().map(|value| (field, value))),
            Value::Object(fields) => {
                left.extend(fields.iter().map(|(name, value)| (name.as_str(), value)));
            }
            Value::String(text) => {
                if let Some(problem) = problem(field, text) {
                    return Err(match field {
                        "" => format!("inputs[{index}]: {problem}"),
                        field => format!("inputs[{index}]: {}: {problem}", brief(field)),
                    });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn problem(field: &str, text: &str) -> Option<String> {
    let refused = |text: &str| {
        let read: Result<PublicUrl, Error> = text.parse();
        read.err().map(|error| error.message().to_owned())
    };
    let field = field.to_ascii_lowercase();
    if field == "url" {
        return refused(text);
    }
    match Url::parse(text) {
        Ok(url) if SPECIAL.contains(&url.scheme()) || url.has_authority() => refused(text),
        // `localhost:8080` has a scheme that is none.
        _ if ADDRESS_FIELDS.iter().any(|name| field.contains(name)) => bare(text),
        _ => None,
    }
}

/// Reads an address without a scheme. Only what is surely private is refused: a name in such a field
/// need not be one of a host, and a number is none.
fn bare(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('/');
    let host = text.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let is_host = text.starts_with('[') || host.contains('.') || host == "localhost";
    if !is_host {
        return None;
    }
    let read: Result<PublicUrl, Error> = match Url::parse(&format!("http://{text}")) {
        Ok(url) => url.as_str().parse(),
        Err(_no_address) => return None,
    };
    read.err().map(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_private_address_is_found_wherever_it_stands() {
        for input in [
            json!({ "url": "http://127.0.0.1/" }),
            json!({ "URL": "not an address" }),
            json!({ "start_url": "http://169.254.169.254/latest" }),
            json!({ "urls": ["https://example.org/", "http://10.0.0.1/"] }),
            json!({ "deep": [{ "er": { "x": "HTTP:127.1" } }] }),
            json!({ "note": "ftp://example.org/x" }),
            json!({ "note": "gopher://example.org/" }),
            json!({ "note": "file:///etc/passwd" }),
            json!({ "note": " http://[::1]/ " }),
            json!({ "note": "http://user:pass@example.org/" }),
            json!({ "domain": "10.0.0.1" }),
            json!({ "host": "localhost:8080" }),
            json!({ "Website": "//192.168.0.1/admin" }),
            json!({ "link": "[::1]:80" }),
            json!("http://localhost/"),
            json!([["http://0x7f000001/"]]),
        ] {
            assert!(check(&input, 0).is_err(), "{input}");
        }
        let error = check(&json!({ "start_url": "http://127.0.0.1/?key=s3cret" }), 3).unwrap_err();
        assert_eq!(
            error,
            "inputs[3]: start_url: 127.0.0.1 is not an address of the public internet"
        );
    }

    #[test]
    fn what_is_no_address_and_what_is_public_passes() {
        for input in [
            json!({ "url": "https://example.org/a" }),
            json!({ "urls": ["https://1.1.1.1/"], "domain": "example.org", "link": "in/somebody" }),
            json!({ "keyword": "rust: the book", "version": "10.0.0.1", "price": "10.5" }),
            json!({ "contact": "mailto:a@example.org", "isbn": "urn:isbn:0451450523" }),
            json!({ "link_id": "12345", "hostel": "home", "count": 3, "none": null }),
            json!({ "note": "see http://127.0.0.1/ for more" }),
        ] {
            assert_eq!(check(&input, 0), Ok(()), "{input}");
        }
    }

    #[test]
    fn depth_does_not_matter() {
        let mut input = json!("http://127.0.0.1/");
        for _ in 0..500 {
            input = json!([input]);
        }
        assert!(check(&input, 0).is_err());
    }
}
