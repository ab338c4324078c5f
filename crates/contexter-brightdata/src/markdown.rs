//! From HTML to Markdown.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use htmd::{HtmlToMarkdown, Node};
use html5ever::interface::Tracer;
use html5ever::tendril::{StrTendril, TendrilSink as _};
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{NodeData, RcDom};

use crate::alike::is_quickly_joined;

/// Elements nested deeper than this are not converted: the converter recurses once a level. Browsers
/// nest 512 at most; pages that are read by people stay far below.
const MAX_DEPTH: usize = 256;

/// A page with more bytes is not converted.
const MAX_HTML: usize = 16 << 20;

/// So many elements may be open while a page is parsed, those of formatting that are opened anew
/// included: the time that the parser needs for a tag grows with them.
const MAX_OPEN: usize = 4 * MAX_DEPTH;

/// After so many bytes it is looked how many elements are open.
const CHUNK: usize = 4096;

/// Elements that hold no content of a page.
const JUNK: [&str; 13] = [
    "aside", "button", "canvas", "dialog", "footer", "form", "head", "iframe", "nav", "noscript",
    "script", "style", "svg",
];

/// Converts a page to Markdown, without what surrounds its content; the error is the reason for people.
pub(crate) fn to_markdown(html: &str) -> Result<String, String> {
    if html.len() > MAX_HTML {
        return Err(format!(
            "its {} bytes are more than the {MAX_HTML} that are converted",
            html.len()
        ));
    }
    // A defect of the parser or the converter costs one page.
    catch_unwind(AssertUnwindSafe(|| {
        let tree = parse(html).filter(is_shallow);
        let tree = tree.ok_or("its elements are nested too deeply")?;
        if !is_quickly_joined(&tree) {
            return Err("too many of its elements are alike");
        }
        let converter = HtmlToMarkdown::builder().skip_tags(JUNK.to_vec()).build();
        Ok(converter.tree_to_markdown(&tree))
    }))
    .unwrap_or(Err("it cannot be converted"))
    .map_err(str::to_owned)
}

/// Parses a page; `None` as soon as too many of its elements are open at once.
///
/// What a page looks like tells nothing about its tree: the parser ignores end tags, closes elements
/// that were not closed, and opens closed ones anew.
fn parse(html: &str) -> Option<Rc<Node>> {
    let mut parser = parse_document(RcDom::default(), ParseOpts::default());
    let mut rest = html;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(CHUNK));
        parser.process(StrTendril::from_slice(chunk));
        rest = after;
        let open = Open::default();
        parser.tokenizer.sink.trace_handles(&open);
        if open.0.get() > MAX_OPEN {
            return None;
        }
    }
    Some(parser.finish().document)
}

/// Counts the elements that a parser has to do with.
#[derive(Default)]
struct Open(Cell<usize>);

impl Tracer for Open {
    type Handle = Rc<Node>;

    fn trace_handle(&self, _node: &Rc<Node>) {
        self.0.set(self.0.get().saturating_add(1));
    }
}

/// Returns whether no node is nested too deeply.
fn is_shallow(tree: &Rc<Node>) -> bool {
    // A stack of its own, because the depth is the author's choice.
    let mut pending = vec![(Rc::clone(tree), 0_usize)];
    while let Some((node, depth)) = pending.pop() {
        if depth > MAX_DEPTH {
            return false;
        }
        let below = depth.saturating_add(1);
        pending.extend(
            node.children
                .borrow()
                .iter()
                .map(|child| (Rc::clone(child), below)),
        );
        if let NodeData::Element {
            template_contents, ..
        } = &node.data
        {
            pending.extend(
                template_contents
                    .borrow()
                    .iter()
                    .map(|inner| (Rc::clone(inner), below)),
            );
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(html: &str) -> bool {
        to_markdown(html).is_err_and(|reason| reason == "its elements are nested too deeply")
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_and_not_walked() {
        for unit in [
            "<div>",
            // End tags that close nothing.
            "<div></x>",
            "<div><!--</div>-->",
            "<div title='</div>'>",
            "<div><script><!--<script></script></div>--></script>",
            "<b>",
            "<svg><td>",
            "<table><td>",
            "<template>",
            "<ul><li>",
        ] {
            assert!(is_refused(&unit.repeat(20_000)), "{unit}");
        }
        assert!(is_refused(&format!(
            "<table>{}",
            "<div></x>".repeat(20_000)
        )));
    }

    #[test]
    fn what_is_long_and_not_deep_is_converted() {
        for unit in [
            "<p>a<br>",
            "<div>a</div>",
            "<div>a</x></div>",
            "<i>a</i><hr>",
        ] {
            let markdown = to_markdown(&unit.repeat(10_000)).unwrap();
            assert!(markdown.contains('a'), "{unit}");
        }
        // Text of more than one byte a character is cut nowhere.
        let text = "\u{20ac}".repeat(10_000);
        assert_eq!(
            to_markdown(&format!("<p>x{text}</p>")).unwrap(),
            format!("x{text}")
        );
    }

    #[test]
    fn what_is_just_not_too_deep_fits_the_stack_of_a_thread() {
        for unit in [
            "<div>",
            "<b>",
            "<blockquote>",
            "<ul><li>",
            "<table><td>",
            "<a href=x><div>",
        ] {
            let deepest = (1..MAX_DEPTH)
                .rev()
                .map(|count| format!("{}a", unit.repeat(count)))
                .find(|html| parse(html).as_ref().is_some_and(is_shallow))
                .unwrap();
            assert!(to_markdown(&deepest).unwrap().contains('a'), "{unit}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let reason = to_markdown(&" ".repeat(MAX_HTML + 1)).unwrap_err();
        assert_eq!(
            reason,
            "its 16777217 bytes are more than the 16777216 that are converted"
        );
    }
}
