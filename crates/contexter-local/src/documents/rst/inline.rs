//! Markup within a line: literals, roles, links, substitutions.

use std::collections::HashMap;

use super::{directive, indented};

/// Roles whose text is code.
const CODE_ROLES: &[&str] = &[
    "any",
    "attr",
    "class",
    "cmacro",
    "code",
    "command",
    "const",
    "constant",
    "cpp",
    "ctype",
    "data",
    "envvar",
    "exc",
    "exception",
    "expr",
    "file",
    "func",
    "function",
    "keyword",
    "kbd",
    "macro",
    "member",
    "meth",
    "method",
    "mod",
    "module",
    "obj",
    "option",
    "program",
    "samp",
    "struct",
    "token",
    "type",
    "union",
    "var",
];

/// A span of inline markup longer than this is taken for text, in bytes.
const MAX_SPAN: usize = 2000;

/// Names that the text refers to.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    addresses: HashMap<String, String>,
    substitutions: HashMap<String, String>,
}

impl Targets {
    /// Collects `.. _name: address` and `.. |name| replace:: text`.
    pub(crate) fn collect(lines: &[&str]) -> Self {
        let mut targets = Self::default();
        for (at, line) in lines.iter().enumerate() {
            let Some(head) = line.trim_start().strip_prefix(".. ") else {
                continue;
            };
            if let Some((name, address)) = head.strip_prefix('_').and_then(target) {
                let below = lines.get(at + 1).map_or("", |next| next.trim());
                let address = if address.is_empty() && below.starts_with("http") {
                    below
                } else {
                    address
                };
                if address.starts_with("http") || address.starts_with("mailto:") {
                    targets.addresses.insert(key(name), address.to_owned());
                }
            } else if let Some((name, definition)) =
                head.strip_prefix('|').and_then(|rest| rest.split_once('|'))
                && let Some(("replace", text)) = directive::directive(definition.trim())
            {
                let more = indented(lines.get(at + 1..).unwrap_or_default(), 1);
                let mut text = text.to_owned();
                for line in more.iter().take(4) {
                    text.push(' ');
                    text.push_str(line.trim());
                }
                targets.substitutions.insert(name.to_owned(), text);
            }
        }
        targets
    }

    /// Converts the markup of a paragraph.
    pub(crate) fn inline(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let before = out.chars().next_back();
            let used = if before.is_some_and(char::is_alphanumeric) && c != '_' && c != '\\' {
                // Markup begins at the start of a word.
                None
            } else {
                self.markup(c, rest, &mut out)
            };
            let used = used.unwrap_or_else(|| {
                out.push(c);
                c.len_utf8()
            });
            rest = rest.get(used..).unwrap_or_default();
        }
        out
    }

    /// Converts the markup at the start of `rest`; returns how many bytes it takes.
    fn markup(&self, c: char, rest: &str, out: &mut String) -> Option<usize> {
        match c {
            '\\' => {
                let escaped = rest.chars().nth(1)?;
                if !escaped.is_whitespace() {
                    // Markdown knows the same escapes for its own marks.
                    if matches!(escaped, '*' | '`' | '\\') {
                        out.push('\\');
                    }
                    out.push(escaped);
                }
                Some(1 + escaped.len_utf8())
            }
            '`' if rest.starts_with("``") => {
                let inner = until(rest.get(2..)?, "``")?;
                code(inner, out);
                Some(inner.len() + 4)
            }
            '`' => {
                let inner = until(rest.get(1..)?, "`")?;
                let used = inner.len() + 2;
                let tail = rest.get(used..)?;
                if let Some(after) = tail.strip_prefix('_') {
                    self.link(inner, out);
                    return Some(used + 1 + usize::from(after.starts_with('_')));
                }
                if let Some((role, width)) = role(tail) {
                    interpreted(role, inner, out);
                    return Some(used + width);
                }
                code(inner, out);
                Some(used)
            }
            ':' => {
                let (role, width) = role(rest)?;
                let tail = rest.get(width..)?.strip_prefix('`')?;
                let inner = until(tail, "`")?;
                interpreted(role, inner, out);
                Some(width + inner.len() + 2)
            }
            '|' => {
                let inner = until(rest.get(1..)?, "|")?;
                let replacement = self.substitutions.get(inner)?;
                out.push_str(replacement);
                let used = inner.len() + 2;
                let marks = rest.get(used..)?;
                Some(used + marks.len() - marks.trim_start_matches('_').len())
            }
            '[' => {
                let inner = until(rest.get(1..)?, "]_")?;
                let is_label = !inner.contains(char::is_whitespace) && !inner.contains('[');
                if !is_label {
                    return None;
                }
                out.push('[');
                out.push_str(inner.trim_start_matches('#'));
                out.push(']');
                Some(inner.len() + 3)
            }
            '_' => self.reference(rest, out),
            _ => None,
        }
    }

    /// A reference of one word, `name_`: its name has been written already.
    fn reference(&self, rest: &str, out: &mut String) -> Option<usize> {
        let marks = rest.len() - rest.trim_start_matches('_').len();
        let next = rest.get(marks..)?.chars().next();
        if marks > 2 || next.is_some_and(|c| c.is_alphanumeric() || c == '`') {
            return None;
        }
        let start = out
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '+')))
            .map_or(0, |at| {
                at + out
                    .get(at..)
                    .and_then(|t| t.chars().next())
                    .map_or(1, char::len_utf8)
            });
        let word = out.get(start..)?.to_owned();
        let address = self.addresses.get(&key(&word))?;
        out.truncate(start);
        link_to(&word, address, out);
        Some(marks)
    }

    /// A reference between backticks, with or without its address.
    fn link(&self, inner: &str, out: &mut String) {
        let (text, address) = split_address(inner);
        match address {
            Some(address) if address.starts_with("http") => link_to(text, address, out),
            _ => match self.addresses.get(&key(text)) {
                Some(address) => link_to(text, address, out),
                None => out.push_str(&squeeze(text)),
            },
        }
    }
}

/// Splits `name: address`, where the name may stand between backticks.
fn target(head: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = head.strip_prefix('`') {
        let (name, rest) = quoted.split_once('`')?;
        return Some((name, rest.strip_prefix(':')?.trim()));
    }
    let (name, address) = head
        .split_once(": ")
        .or_else(|| Some((head.strip_suffix(':')?, "")))?;
    Some((name, address.trim()))
}

/// Recognises `:role:` and returns its last part with the width of the whole.
fn role(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix(':')?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:+.".contains(c)));
    let name = rest.get(..end.unwrap_or(rest.len()))?;
    // The colon that ends the role is the last one of the run.
    let name = name.get(..name.rfind(':')?)?;
    let is_role = name.starts_with(|c: char| c.is_ascii_alphabetic());
    is_role.then(|| (name.rsplit(':').next().unwrap_or(name), name.len() + 2))
}

/// Text with a role.
fn interpreted(role: &str, inner: &str, out: &mut String) {
    let (text, _) = split_address(inner);
    let text = squeeze(text);
    let is_code = CODE_ROLES.contains(&role);
    let text = match text.strip_prefix('~') {
        Some(path) => path.rsplit('.').next().unwrap_or(path).to_owned(),
        None => text.trim_start_matches('!').to_owned(),
    };
    match role {
        "pep" => out.extend(["PEP ", &text]),
        "rfc" => out.extend(["RFC ", &text]),
        "strong" => out.extend(["**", &text, "**"]),
        "sup" | "sub" | "abbr" | "term" | "ref" | "doc" | "title" | "menuselection"
        | "guilabel" | "dfn" | "mimetype" | "newsgroup" | "regexp" | "manpage" | "makevar" => {
            out.push_str(&text);
        }
        "func" | "meth" if is_code && !text.ends_with(')') && !text.is_empty() => {
            code(&format!("{text}()"), out);
        }
        _ if is_code => code(&text, out),
        _ => out.push_str(&text),
    }
}

/// Splits `text <address>`.
fn split_address(inner: &str) -> (&str, Option<&str>) {
    match inner
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'))
    {
        Some((text, address)) if !text.trim().is_empty() => (text.trim(), Some(address.trim())),
        Some((_, address)) => (address, Some(address)),
        None => (inner, None),
    }
}

fn link_to(text: &str, address: &str, out: &mut String) {
    let text = squeeze(text);
    if text == address {
        out.extend(["<", address, ">"]);
    } else {
        out.extend(["[", &text, "](", address, ")"]);
    }
}

/// Writes a code span whose backticks are longer than any run in `inner`.
fn code(inner: &str, out: &mut String) {
    let inner = squeeze(inner);
    let longest = inner
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let marks = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    out.extend([marks.as_str(), pad, &inner, pad, &marks]);
}

/// Returns the text before `end`, which must come soon and not at once.
fn until<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let mut limit = text.len().min(MAX_SPAN);
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let at = text.get(..limit)?.find(end)?;
    let inner = text.get(..at)?;
    (at > 0 && !inner.starts_with(char::is_whitespace)).then_some(inner)
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Names are compared without regard to case and white space.
fn key(name: &str) -> String {
    squeeze(name).to_lowercase()
}
