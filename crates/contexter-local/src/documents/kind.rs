//! What kind of text a file holds, by its name.

/// How the text of a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Markdown,
    /// Markdown with JSX and module statements.
    Mdx,
    Html,
    ReStructuredText,
    Plain,
    Rust,
}

/// What a file name says about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// It is text that is read.
    Text(Kind),
    /// It is compressed text.
    Compressed,
    /// It is part of a site or of a program and never documentation.
    Asset,
    /// Nothing is known about it.
    Unknown,
}

/// Extensions of files that accompany documentation and are passed over without a word.
const ASSETS: &[&str] = &[
    "avif",
    "bmp",
    "c",
    "cc",
    "cfg",
    "cpp",
    "css",
    "csv",
    "eot",
    "epub",
    "gif",
    "go",
    "h",
    "hpp",
    "ico",
    "inv",
    "ini",
    "java",
    "jpeg",
    "jpg",
    "js",
    "json",
    "jsx",
    "less",
    "lock",
    "map",
    "mjs",
    "otf",
    "pdf",
    "pl",
    "png",
    "py",
    "rb",
    "sass",
    "scss",
    "sh",
    "svg",
    "toml",
    "ts",
    "tsx",
    "ttf",
    "webmanifest",
    "webp",
    "woff",
    "woff2",
    "xml",
    "yaml",
    "yml",
];

/// Names of plain text files that are not written in capitals.
const PLAIN_NAMES: &[&str] = &["changelog", "changes", "copyright", "news", "readme"];

/// Guesses what the file called `name` holds.
pub(crate) fn guess(name: &str) -> Guess {
    let lower = name.to_lowercase();
    if lower.ends_with(".rst.txt") {
        return Guess::Text(Kind::ReStructuredText);
    }
    let (stem, extension) = lower.rsplit_once('.').unwrap_or((lower.as_str(), ""));
    match extension {
        "md" | "markdown" => Guess::Text(Kind::Markdown),
        "mdx" => Guess::Text(Kind::Mdx),
        "html" | "htm" | "xhtml" => Guess::Text(Kind::Html),
        "rst" => Guess::Text(Kind::ReStructuredText),
        "txt" | "text" => Guess::Text(Kind::Plain),
        "rs" => Guess::Text(Kind::Rust),
        "gz" | "bz2" | "xz" | "zst" => {
            let (_, inner) = stem.rsplit_once('.').unwrap_or((stem, ""));
            if ASSETS.contains(&inner) {
                Guess::Asset
            } else {
                Guess::Compressed
            }
        }
        _ if ASSETS.contains(&extension) => Guess::Asset,
        _ if is_plain_name(name) || PLAIN_NAMES.contains(&stem) => Guess::Text(Kind::Plain),
        _ => Guess::Unknown,
    }
}

/// Recognises `README`, `LICENSE-MIT`, `COPYING.LESSER`, `NEWS.Debian`.
fn is_plain_name(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let capitals = stem.len() > 2
        && stem.starts_with(|c: char| c.is_ascii_uppercase())
        && stem
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    capitals && (extension.is_empty() || extension.starts_with(|c: char| c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_kind() {
        for (name, expected) in [
            ("a.md", Guess::Text(Kind::Markdown)),
            ("A.MARKDOWN", Guess::Text(Kind::Markdown)),
            ("a.mdx", Guess::Text(Kind::Mdx)),
            ("index.html", Guess::Text(Kind::Html)),
            ("asyncio.rst.txt", Guess::Text(Kind::ReStructuredText)),
            ("a.txt", Guess::Text(Kind::Plain)),
            ("lib.rs", Guess::Text(Kind::Rust)),
            ("README", Guess::Text(Kind::Plain)),
            ("LICENSE-MIT", Guess::Text(Kind::Plain)),
            ("README.Debian", Guess::Text(Kind::Plain)),
            ("copyright", Guess::Text(Kind::Plain)),
            ("changelog.gz", Guess::Compressed),
            ("logo.png", Guess::Asset),
            ("list.yaml.gz", Guess::Asset),
            ("data.bin", Guess::Unknown),
            ("noise", Guess::Unknown),
            ("", Guess::Unknown),
        ] {
            assert_eq!(guess(name), expected, "{name}");
        }
    }
}
