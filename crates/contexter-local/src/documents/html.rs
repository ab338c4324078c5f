//! HTML to Markdown: the main content, without what surrounds it on a site.
#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the handlers have the signature that the converter asks for"
)]

use std::rc::Rc;

use htmd::element_handler::{HandlerResult, Handlers};
use htmd::{Element, HtmlToMarkdown, Node};
use markup5ever_rcdom::NodeData;

use super::nesting;

/// Elements nested deeper than this are not converted: the converter recurses once per level.
const MAX_DEPTH: usize = 200;

/// Elements that hold no content of the page.
const JUNK_TAGS: &[&str] = &[
    "aside", "button", "canvas", "dialog", "footer", "form", "head", "iframe", "nav", "noscript",
    "object", "script", "select", "style", "svg", "template",
];

/// Roles of elements that hold no content of the page.
const JUNK_ROLES: &[&str] = &["banner", "contentinfo", "navigation", "search"];

/// Classes by which documentation generators (Sphinx, DocBook, MkDocs, mdBook, Doxygen, javadoc,
/// rustdoc) mark what is not content.
const JUNK_CLASSES: &[&str] = &[
    "anchorjs-link",
    "breadcrumb",
    "breadcrumbs",
    "footer",
    "header-anchor",
    "headerlink",
    "inlinetoc",
    "md-footer",
    "md-header",
    "md-sidebar",
    "menu-bar",
    "mobile-nav-chapters",
    "nav-chapters",
    "nav-wide-wrapper",
    "nav-wrapper",
    "navfooter",
    "navheader",
    "related",
    "sidebar",
    "skip-link",
    "skipto",
    "sphinxsidebar",
    "toc",
    "toctree-wrapper",
];

/// A page as Markdown.
#[derive(Debug)]
pub(crate) struct Page {
    /// The text of the `title` element.
    pub(crate) title: Option<String>,
    pub(crate) markdown: String,
}

/// Converts a page; the error is the reason for people.
pub(crate) fn convert(html: &str) -> Result<Page, String> {
    // Before parsing: the parser's time grows with the square of the depth.
    if nesting::html_depth(html) > MAX_DEPTH * 5 {
        return Err("elements are nested too deeply".to_owned());
    }
    let converter = HtmlToMarkdown::builder()
        .options(htmd::options::Options {
            bullet_list_marker: htmd::options::BulletListMarker::Dash,
            ul_bullet_spacing: 1,
            ol_number_spacing: 1,
            ..htmd::options::Options::default()
        })
        .add_handler(vec!["pre"], preformatted)
        .add_handler(vec!["a"], anchor)
        .add_handler(vec!["img"], image)
        .add_handler(vec!["dt"], term)
        .build();
    let tree = converter
        .html_to_tree(html)
        .map_err(|error| format!("malformed html: {error}"))?;
    let found = prune(&tree)?;
    // The tree must live on: dropping it takes the children of all its nodes.
    let content = found.main.as_ref().unwrap_or(&tree);
    Ok(Page {
        title: found.title,
        markdown: unescape(&converter.tree_to_markdown(content)),
    })
}

#[derive(Default)]
struct Found {
    title: Option<String>,
    main: Option<Rc<Node>>,
}

/// Removes what is no content, and finds the title and the main content on the way.
fn prune(tree: &Rc<Node>) -> Result<Found, String> {
    let mut found = Found::default();
    // An own stack, because the depth is the author's choice.
    let mut pending = vec![(Rc::clone(tree), 0_usize)];
    while let Some((node, depth)) = pending.pop() {
        if depth > MAX_DEPTH {
            return Err("elements are nested too deeply".to_owned());
        }
        if found.title.is_none() && tag(&node) == Some("title") {
            found.title = Some(squeeze(&text_of(&node))).filter(|title| !title.is_empty());
        }
        if found.main.is_none() && is_main(&node) {
            found.main = Some(Rc::clone(&node));
        }
        if tag(&node) != Some("head") {
            node.children.borrow_mut().retain(|child| {
                // The title is read from the head, which holds no content otherwise.
                tag(child) == Some("head") || !is_junk(child)
            });
        }
        let children = node.children.borrow();
        pending.extend(
            children
                .iter()
                .rev()
                .map(|child| (Rc::clone(child), depth + 1)),
        );
    }
    let head = tree
        .children
        .borrow()
        .iter()
        .find(|child| tag(child) == Some("html"))
        .cloned();
    if let Some(html) = head {
        html.children
            .borrow_mut()
            .retain(|child| tag(child) != Some("head"));
    }
    Ok(found)
}

fn is_main(node: &Node) -> bool {
    tag(node) == Some("main") || attribute(node, "role").as_deref() == Some("main")
}

fn is_junk(node: &Node) -> bool {
    let Some(tag) = tag(node) else {
        return !matches!(node.data, NodeData::Text { .. } | NodeData::Doctype { .. });
    };
    // A page whose main content is a form or an aside is kept by its role.
    if is_main(node) {
        return false;
    }
    JUNK_TAGS.contains(&tag)
        || attribute(node, "role").is_some_and(|role| JUNK_ROLES.contains(&role.as_str()))
        || attribute(node, "aria-hidden").as_deref() == Some("true")
        // A class on the page itself says how it is laid out.
        || (!matches!(tag, "html" | "body") && has_class(node, JUNK_CLASSES))
}

fn has_class(node: &Node, classes: &[&str]) -> bool {
    attribute(node, "class").is_some_and(|list| {
        list.split_whitespace()
            .any(|class| classes.contains(&class))
    })
}

/// A code block: the text as it stands, without the markup that colours it.
fn preformatted(_: &dyn Handlers, element: Element<'_>) -> Option<HandlerResult> {
    let text = text_of(element.node);
    let text = text.trim_matches('\n').trim_end();
    if text.is_empty() {
        return None;
    }
    let language = language(element.node);
    let fence = nesting::fence(text);
    Some(format!("\n\n{fence}{language}\n{text}\n{fence}\n\n").into())
}

/// Finds the language of a code block in its class, its child's or its wrappers'.
fn language(pre: &Rc<Node>) -> String {
    let inner = pre
        .children
        .borrow()
        .iter()
        .find(|child| tag(child).is_some())
        .cloned();
    let mut candidates: Vec<Rc<Node>> = inner.into_iter().chain([Rc::clone(pre)]).collect();
    let mut node = Rc::clone(pre);
    for _ in 0..2 {
        let Some(above) = parent(&node) else { break };
        candidates.push(Rc::clone(&above));
        node = above;
    }
    for candidate in &candidates {
        let classes = attribute(candidate, "class").unwrap_or_default();
        for class in classes.split_whitespace() {
            let name = class
                .strip_prefix("language-")
                .or_else(|| class.strip_prefix("lang-"))
                .or_else(|| class.strip_prefix("highlight-"))
                .or_else(|| class.strip_prefix("brush:"));
            match name {
                Some("default" | "none" | "text" | "notranslate") | None => {}
                Some("python3" | "ipython3" | "pycon") => return "python".to_owned(),
                Some(name)
                    if name
                        .chars()
                        .all(|c| c.is_alphanumeric() || "+-_#".contains(c)) =>
                {
                    return name.to_owned();
                }
                Some(_) => {}
            }
        }
    }
    String::new()
}

/// A link: only addresses outside the site mean anything outside it.
fn anchor(handlers: &dyn Handlers, element: Element<'_>) -> Option<HandlerResult> {
    let content = handlers.walk_children(element.node).content;
    let address = attribute(element.node, "href").unwrap_or_default();
    let is_absolute = address.starts_with("https://") || address.starts_with("http://");
    let shown = content.trim();
    // Headings, images and paragraphs within a link cannot stand between brackets.
    if !is_absolute || shown.is_empty() || shown.contains('\n') || shown.contains("](") {
        return Some(content.into());
    }
    if shown == address {
        return Some(format!("<{address}>").into());
    }
    let lead = if content.starts_with(' ') { " " } else { "" };
    let trail = if content.ends_with(' ') { " " } else { "" };
    let address = address
        .replace(' ', "%20")
        .replace('(', "%28")
        .replace(')', "%29");
    Some(format!("{lead}[{shown}]({address}){trail}").into())
}

/// An image: what it shows, in words.
fn image(_: &dyn Handlers, element: Element<'_>) -> Option<HandlerResult> {
    let words = squeeze(&attribute(element.node, "alt")?);
    (!words.is_empty()).then(|| words.into())
}

/// A term of a definition list; signatures are code.
fn term(handlers: &dyn Handlers, element: Element<'_>) -> Option<HandlerResult> {
    let text = squeeze(&text_of(element.node));
    if text.is_empty() {
        return None;
    }
    if has_class(element.node, &["sig", "sig-object"]) && !text.contains('`') {
        return Some(format!("\n\n`{text}`\n\n").into());
    }
    let content = handlers.walk_children(element.node).content;
    let content = content.trim();
    if content.contains(['\n', '*', '`']) || content.is_empty() {
        Some(format!("\n\n{content}\n\n").into())
    } else {
        Some(format!("\n\n**{content}**\n\n").into())
    }
}

/// Takes back escapes that CommonMark does not need and that break identifiers apart.
///
/// Code is left as it is. Brackets need no escape because the text has no link definitions.
fn unescape(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut fence = nesting::Fences::default();
    for line in markdown.split_inclusive('\n') {
        if fence.is_code(line) || !line.contains('\\') {
            out.push_str(line);
        } else {
            unescape_line(line, &mut out);
        }
    }
    out
}

fn unescape_line(line: &str, out: &mut String) {
    let mut before = ' ';
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' {
            let mut rest = chars.clone();
            let escaped = rest.next();
            let after = rest.next().unwrap_or(' ');
            let is_needless = match escaped {
                Some('[' | ']') => true,
                Some('_') => {
                    (before.is_alphanumeric() || before == '_')
                        && (after.is_alphanumeric() || matches!(after, '_' | '\\'))
                }
                _ => false,
            };
            if !is_needless {
                // An escaped backslash is one unit: its second half escapes nothing.
                out.push(c);
                if escaped == Some('\\') {
                    out.push('\\');
                    chars.next();
                }
            }
            before = '\\';
            continue;
        }
        out.push(c);
        before = c;
    }
}

fn tag(node: &Node) -> Option<&str> {
    match &node.data {
        NodeData::Element { name, .. } => Some(&name.local),
        _ => None,
    }
}

fn attribute(node: &Node, wanted: &str) -> Option<String> {
    match &node.data {
        NodeData::Element { attrs, .. } => attrs
            .borrow()
            .iter()
            .find(|attribute| &*attribute.name.local == wanted)
            .map(|attribute| attribute.value.to_string()),
        _ => None,
    }
}

fn parent(node: &Node) -> Option<Rc<Node>> {
    let weak = node.parent.take();
    let above = weak.as_ref().and_then(std::rc::Weak::upgrade);
    node.parent.set(weak);
    above
}

/// Returns the text below `node`, as it stands.
fn text_of(node: &Rc<Node>) -> String {
    let mut text = String::new();
    let mut pending = vec![Rc::clone(node)];
    while let Some(node) = pending.pop() {
        if let NodeData::Text { contents } = &node.data {
            text.push_str(&contents.borrow());
        }
        if tag(&node) == Some("br") {
            text.push('\n');
        }
        pending.extend(node.children.borrow().iter().rev().map(Rc::clone));
    }
    text
}

/// Joins words by single spaces.
fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
