//! Markdown as authors write it: front matter, module statements, titles.

use super::nesting::Fences;

/// Splits YAML front matter off, and returns its title with the rest.
pub(crate) fn front_matter(text: &str) -> (Option<String>, &str) {
    let Some(inner) = text.strip_prefix("---\n") else {
        return (None, text);
    };
    let Some((matter, rest)) = inner
        .split_once("\n---\n")
        .or_else(|| Some((inner.strip_suffix("\n---")?, "")))
    else {
        return (None, text);
    };
    // A rule at the start of a text is not front matter: that has keys in every unindented line.
    let has_keys = matter.lines().all(|line| {
        line.is_empty() || line.starts_with([' ', '#', '-', '\t']) || line.contains(':')
    });
    if !has_keys {
        return (None, text);
    }
    let title = matter
        .lines()
        .find_map(|line| line.strip_prefix("title:"))
        .map(|title| title.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|title| !title.is_empty());
    (title, rest)
}

/// Drops the `import` and `export` lines of MDX.
pub(crate) fn without_statements(text: &str) -> String {
    let mut fences = Fences::default();
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| {
            let is_statement = line.starts_with("import ") || line.starts_with("export ");
            fences.is_code(line) || !is_statement
        })
        .collect();
    kept.join("\n")
}

/// Drops lines that hold nothing to read: the badges of a README, HTML tags that lay it out.
pub(crate) fn without_decoration(text: &str) -> String {
    let mut fences = Fences::default();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let bare = line.trim();
        if fences.is_code(line) || !(is_badges(bare) || is_bare_tags(bare)) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Recognises lines such as `<div align="center">` and `</p>`.
pub(crate) fn is_bare_tags(line: &str) -> bool {
    if !line.starts_with('<') {
        return false;
    }
    let mut rest = line;
    while !rest.is_empty() {
        let Some((tag, tail)) = rest.strip_prefix('<').and_then(|tag| tag.split_once('>')) else {
            return false;
        };
        let name = tag.trim_start_matches('/');
        let end = name
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(name.len());
        let (name, attributes) = name.split_at(end);
        let is_comment = tag.starts_with("!--") && tag.ends_with("--");
        // `<https://…>` is a link.
        let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && !attributes.starts_with([':', '.', '@']);
        if !is_tag && !is_comment {
            return false;
        }
        rest = tail.trim_start();
    }
    true
}

fn is_badges(line: &str) -> bool {
    let mut rest = line;
    while !rest.is_empty() {
        let Some(tail) = after_badge(rest) else {
            return false;
        };
        rest = tail.trim_start();
    }
    !line.is_empty()
}

/// Returns what follows `[![alt](image)](address)` at the start of `text`.
///
/// Brackets in place of parentheses refer to addresses elsewhere.
fn after_badge(text: &str) -> Option<&str> {
    let (_, tail) = text.strip_prefix("[![")?.split_once(']')?;
    let tail = after_target(tail)?.strip_prefix(']')?;
    Some(after_target(tail).unwrap_or(tail))
}

fn after_target(text: &str) -> Option<&str> {
    let close = match text.chars().next()? {
        '(' => ')',
        '[' => ']',
        _ => return None,
    };
    text.split_once(close).map(|(_, tail)| tail)
}

/// Returns the first heading, without its markup.
pub(crate) fn first_heading(text: &str) -> Option<String> {
    let mut fences = Fences::default();
    let mut before = "";
    for line in text.lines() {
        if fences.is_code(line) {
            continue;
        }
        let marks = line.len() - line.trim_start_matches('#').len();
        if (1..=6).contains(&marks)
            && let Some(title) = line
                .get(marks..)
                .filter(|rest| rest.starts_with([' ', '\t']))
        {
            let title = plain(title.trim().trim_end_matches('#'));
            if !title.is_empty() {
                return Some(title);
            }
        }
        let underline = line.trim_end();
        let is_underline = underline.len() >= 3
            && (underline.chars().all(|c| c == '=') || underline.chars().all(|c| c == '-'));
        if is_underline && before.starts_with(|c: char| c.is_alphanumeric() || c == '`') {
            let title = plain(before);
            if !title.is_empty() {
                return Some(title);
            }
        }
        before = line;
    }
    None
}

/// Removes emphasis, code marks and link targets from one line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(at) = rest.find(['`', '*', '[', '\\', '<', '!']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut chars = from.chars();
        let mark = chars.next();
        rest = chars.as_str();
        match mark {
            Some('[') => {
                if let Some(after) = after_badge(from) {
                    rest = after;
                } else if let Some((label, tail)) = rest.split_once(']')
                    && let Some(after) = after_target(tail)
                {
                    out.push_str(&plain_label(label));
                    rest = after;
                } else {
                    out.push('[');
                }
            }
            Some('\\') => {
                let mut tail = rest.chars();
                out.extend(tail.next());
                rest = tail.as_str();
            }
            // A tag.
            Some('<') => match rest.split_once('>') {
                Some((tag, tail))
                    if tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') =>
                {
                    rest = tail;
                }
                _ => out.push('<'),
            },
            Some('!') if !rest.starts_with('[') => out.push('!'),
            _ => {}
        }
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain_label(label: &str) -> String {
    label.replace(['`', '*'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_heading_is_plain_text() {
        for (text, title) in [
            ("# `Tokio` and *more* #\n", Some("Tokio and more")),
            (
                "```\n# no\n```\n## [Guide](a.html) to <b>x</b>\n",
                Some("Guide to x"),
            ),
            ("intro\n\nTitle\n=====\n", Some("Title")),
            ("text only\n", None),
            ("#hash\n", None),
            ("# \n## Second\n", Some("Second")),
            ("# a < b!\n", Some("a < b!")),
            ("# yoke [![v](https://i)](https://c)\n", Some("yoke")),
            ("# ![logo](a.png) Name\n", Some("logo Name")),
        ] {
            assert_eq!(first_heading(text).as_deref(), title, "{text}");
        }
    }

    #[test]
    fn front_matter_gives_the_title_and_is_removed() {
        assert_eq!(
            front_matter("---\ntitle: \"A page\"\ntags: [a]\n---\nbody\n"),
            (Some("A page".to_owned()), "body\n")
        );
        let rule = "---\nno front matter\n---\n";
        assert_eq!(front_matter(rule), (None, rule));
        assert_eq!(front_matter("---\nopen: end\n"), (None, "---\nopen: end\n"));
    }

    #[test]
    fn lines_without_words_are_dropped() {
        let text = "# A\n<div align=\"center\">\n<!-- a --><br/>\n<https://a.b>\n<b>x</b>\n[![Crates.io][a]][b]\n[![x](y)](z) [![x](y)](z)\ntext ![x](y)\n[link](a)\n";
        assert_eq!(
            without_decoration(text),
            "# A\n<https://a.b>\n<b>x</b>\ntext ![x](y)\n[link](a)\n"
        );
    }
}
