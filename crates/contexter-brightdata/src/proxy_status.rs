//! The header `Proxy-Status` (RFC 9209), read leniently.
//!
//! The vendor's documentation shows it with and without quotes, with hyphens in its codes, and under more
//! than one server name.

/// What the header tells of a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) code: Option<String>,
    pub(crate) status: Option<u16>,
}

/// The parts between dots by which the names of the vendor's servers are recognised:
/// `brd.superproxy.io`, `zproxy.lum-superproxy.io`.
const OWN: [&str; 3] = ["brd", "superproxy", "lum-superproxy"];

/// How the vendor's codes begin.
const KINDS: [&str; 4] = ["client", "policy", "target", "peer"];

/// Reads the value of the header; `None` if it tells of no failure at the vendor.
///
/// A failure that names no code of the vendor is the vendor's only under the vendor's own name: the
/// target may stand behind proxies of its own.
pub(crate) fn read(value: &str) -> Option<Told> {
    split(value, ',').into_iter().find_map(member)
}

fn member(member: &str) -> Option<Told> {
    let mut parts = split(member, ';').into_iter();
    let server = parts.next()?.trim().trim_matches('"').to_ascii_lowercase();
    let mut error = false;
    let mut told = Told {
        code: None,
        status: None,
    };
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            continue;
        };
        let value = unquoted(value.trim());
        match name.trim() {
            "error" => error = true,
            "received-status" => told.status = value.parse().ok(),
            "details" => told.code = code(&value),
            _ => {}
        }
    }
    let is_own = server.split('.').any(|label| OWN.contains(&label));
    (told.code.is_some() || (error && is_own)).then_some(told)
}

/// Reads the code at the beginning of the details.
fn code(details: &str) -> Option<String> {
    let code = details
        .split([':', ' '])
        .next()?
        .trim()
        .replace('-', "_")
        .to_ascii_lowercase();
    let (kind, number) = code.split_once('_')?;
    let is_code = KINDS.contains(&kind)
        && !number.is_empty()
        && number.len() <= 10
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then_some(code)
}

/// Splits at a mark that is not between quotes.
fn split(text: &str, mark: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == mark && !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + mark.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => break,
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: Option<&str>, status: Option<u16>) -> Told {
        Told {
            code: code.map(str::to_owned),
            status,
        }
    }

    #[test]
    fn every_documented_spelling_gives_the_code() {
        for value in [
            "brd.superproxy.io; received-status=407; error=\"http_request_denied\"; \
             details=\"client_10000: Invalid authentication: wrong; password, or customer\"",
            "brd.superproxy.io;received-status=407;error=http_request_denied;\
             details=\"client-10000: Invalid authentication\"",
            "zproxy.lum-superproxy.io; error=denied; details=client-10000; received-status=407",
            "edge.example; received-status=200, other.example; received-status=407; \
             details=\"CLIENT_10000\"",
        ] {
            assert_eq!(
                read(value),
                Some(told(Some("client_10000"), Some(407))),
                "{value}"
            );
        }
    }

    #[test]
    fn what_others_say_is_no_failure_of_the_vendor() {
        assert_eq!(
            read("cdn.example; error=connection_refused; received-status=502"),
            None
        );
        // Whose names hold letters of the vendor's.
        for server in [
            "aluminium.example",
            "edge.columbia.example",
            "brdcast.example",
            "lum.example",
        ] {
            let value = format!("{server}; error=connection_refused; received-status=502");
            assert_eq!(read(&value), None, "{server}");
        }
        assert_eq!(read("brd.superproxy.io; received-status=200"), None);
        assert_eq!(read("cdn.example; error=x; details=\"client_abc\""), None);
        assert_eq!(read(""), None);
        assert_eq!(read("\"\\"), None);
    }

    #[test]
    fn a_failure_of_the_vendor_without_a_code_is_a_failure() {
        for server in ["brd.superproxy.io", "zproxy.lum-superproxy.io", "\"BRD\""] {
            assert_eq!(
                read(&format!("{server}; error=\"http_request_denied\"")),
                Some(told(None, None)),
                "{server}"
            );
        }
    }
}
