//! From bytes to text.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// As far into a page its own encoding is looked for (HTML Standard, "prescan a byte stream").
const PRESCAN: usize = 1024;

/// Returns whether a media type is that of text; no media type is taken for one.
pub(crate) fn is_text(content_type: Option<&str>) -> bool {
    let Some(media) = content_type
        .map(media_type)
        .filter(|media| !media.is_empty())
    else {
        return true;
    };
    media.starts_with("text/")
        || media.ends_with("+xml")
        || media.ends_with("+json")
        || matches!(
            media.as_str(),
            "application/xml"
                | "application/json"
                | "application/javascript"
                | "application/x-ndjson"
                | "application/octet-stream"
        )
}

/// Returns the media type without its parameters.
pub(crate) fn media_type(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Decodes a page: by its byte order mark, the charset of its media type, the one that it names itself,
/// as UTF-8, or else as Windows-1252, which is what browsers fall back to. `None` for what is no text.
pub(crate) fn decode(bytes: &[u8], content_type: Option<&str>) -> Option<String> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(mark..).unwrap_or_default();
        return Some(encoding.decode_without_bom_handling(rest).0.into_owned());
    }
    if bytes.contains(&0) {
        return None;
    }
    let named = content_type
        .and_then(|text| charset(text.as_bytes()))
        .or_else(|| charset(bytes.get(..PRESCAN).unwrap_or(bytes)));
    let encoding = match named {
        Some(encoding) if encoding != UTF_8 => encoding,
        // Many pages that are not say that they are.
        _ if std::str::from_utf8(bytes).is_ok() => UTF_8,
        _ => WINDOWS_1252,
    };
    Some(encoding.decode_without_bom_handling(bytes).0.into_owned())
}

/// Finds `charset=…` in a media type or at the beginning of a page.
fn charset(text: &[u8]) -> Option<&'static Encoding> {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let (_, rest) = text.split_once("charset")?;
    let label: String = rest
        .trim_start()
        .strip_prefix('=')?
        .trim_start_matches([' ', '"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.'))
        .take(40)
        .collect();
    Encoding::for_label(label.as_bytes())
}

/// Returns the first heading of a Markdown text, or the title of an HTML page.
pub(crate) fn title(text: &str, is_html: bool) -> Option<String> {
    let found = if is_html {
        let lower = text.to_ascii_lowercase();
        let start = lower.find("<title")?;
        let open = start + lower.get(start..)?.find('>')? + 1;
        let end = open + lower.get(open..)?.find("</title")?;
        text.get(open..end)?.to_owned()
    } else {
        let mut fenced = false;
        text.lines().find_map(|line| {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            let heading = line.trim_start_matches('#');
            (!fenced && heading.len() < line.len() && heading.starts_with(' '))
                .then(|| heading.trim().trim_end_matches('#').trim().to_owned())
        })?
    };
    let found: String = found.split_whitespace().collect::<Vec<_>>().join(" ");
    (!found.is_empty()).then(|| found.chars().take(MAX_TITLE).collect())
}

/// The longest title that is kept, in characters.
const MAX_TITLE: usize = 200;

/// Returns as much of a text as an error repeats.
pub(crate) fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::to_markdown;

    #[test]
    fn the_encoding_is_found_where_it_is_named() {
        let latin = b"caf\xe9";
        for (bytes, content_type, text) in [
            (&b"caf\xc3\xa9"[..], None, Some("caf\u{e9}")),
            (latin, None, Some("caf\u{e9}")),
            (
                latin,
                Some("text/html; charset=ISO-8859-1"),
                Some("caf\u{e9}"),
            ),
            (
                b"\xcf\xf0",
                Some("text/html;charset=\"windows-1251\""),
                Some("\u{41f}\u{440}"),
            ),
            (
                b"<meta charset='koi8-r'>\xf0",
                None,
                Some("<meta charset='koi8-r'>\u{41f}"),
            ),
            (b"\xff\xfea\0", Some("text/plain"), Some("a")),
            (b"\xef\xbb\xbfx", None, Some("x")),
            (latin, Some("text/html; charset=utf-8"), Some("caf\u{e9}")),
            (
                latin,
                Some("text/html; charset=nonsense"),
                Some("caf\u{e9}"),
            ),
            (b"\x89PNG\0\0", None, None),
        ] {
            assert_eq!(decode(bytes, content_type).as_deref(), text, "{bytes:?}");
        }
    }

    #[test]
    fn only_text_is_text() {
        assert!(is_text(None));
        assert!(is_text(Some("text/html; charset=utf-8")));
        assert!(is_text(Some("application/xhtml+xml")));
        assert!(!is_text(Some("image/png")));
        assert!(!is_text(Some("application/pdf")));
    }

    #[test]
    fn a_page_becomes_markdown_without_its_frame() {
        let html = "<html><head><title> A \n page</title></head><body><nav>menu</nav>\
                    <h1>Head</h1><p>Text</p><script>bad()</script></body></html>";
        let markdown = to_markdown(html).unwrap();
        assert!(
            markdown.contains("# Head") && markdown.contains("Text"),
            "{markdown}"
        );
        assert!(
            !markdown.contains("menu") && !markdown.contains("bad"),
            "{markdown}"
        );
        assert_eq!(title(html, true).as_deref(), Some("A page"));
        assert_eq!(title(&markdown, false).as_deref(), Some("Head"));
        assert_eq!(
            title("```\n# no\n```\n## yes ##\n", false).as_deref(),
            Some("yes")
        );
        assert_eq!(title("none", false), None);
    }
}
