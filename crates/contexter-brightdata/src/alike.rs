//! Elements of a page that are alike, which the converter joins.

use std::rc::Rc;

use htmd::Node;
use markup5ever_rcdom::NodeData;

/// So many bytes may be moved to join the elements of a page; it takes about a second.
const MAX_MOVED: u64 = 1 << 32;

/// The size of what is moved for each element that comes after one that is joined.
const HANDLE: usize = size_of::<Rc<Node>>();

/// Returns whether the converter joins elements of the tree in reasonable time.
///
/// It makes one of adjacent elements such as `<b>a</b><b>b</b>`, each time moving all that come after them
/// and copying the text joined so far: of a page that is nothing else, for hours.
pub(crate) fn is_quickly_joined(tree: &Rc<Node>) -> bool {
    let mut moved = 0_u64;
    let mut pending = vec![Rc::clone(tree)];
    while let Some(node) = pending.pop() {
        let children = node.children.borrow();
        moved = moved.saturating_add(moved_to_join(&children));
        if moved > MAX_MOVED {
            return false;
        }
        pending.extend(children.iter().cloned());
    }
    true
}

/// Returns how many bytes are moved to join those of the children that are alike.
fn moved_to_join(children: &[Rc<Node>]) -> u64 {
    let mut moved = 0_u64;
    let mut joined = 0_usize;
    let next = children.iter().skip(1);
    for (at, (one, two)) in children.iter().zip(next).enumerate() {
        let Some((first, second)) = texts_to_join(one, two) else {
            joined = 0;
            continue;
        };
        joined = joined.max(first).saturating_add(second);
        let after = children.len().saturating_sub(at).saturating_mul(HANDLE);
        // Lossless: nothing in memory is longer than u64::MAX.
        moved = moved.saturating_add(after.saturating_add(joined) as u64);
    }
    moved
}

/// Returns how long the texts of two elements are that the converter joins.
fn texts_to_join(one: &Node, two: &Node) -> Option<(usize, usize)> {
    let (
        NodeData::Element {
            name: name_one,
            attrs: attrs_one,
            ..
        },
        NodeData::Element {
            name: name_two,
            attrs: attrs_two,
            ..
        },
    ) = (&one.data, &two.data)
    else {
        return None;
    };
    let (first, second) = (&*name_one.local, &*name_two.local);
    let are_same = name_one == name_two
        || matches!(
            (first, second),
            ("i", "em") | ("em", "i") | ("b", "strong") | ("strong", "b")
        );
    let are_joined =
        are_same && first != "a" && !is_block(first) && *attrs_one.borrow() == *attrs_two.borrow();
    if !are_joined {
        return None;
    }
    Some((text(one)?, text(two)?))
}

/// Returns how long the text of an element is that holds nothing else.
fn text(node: &Node) -> Option<usize> {
    match node.children.borrow().as_slice() {
        [only] => match &only.data {
            NodeData::Text { contents } => Some(contents.borrow().len()),
            _ => None,
        },
        _ => None,
    }
}

/// Elements that stand for themselves, however alike they are (<https://spec.commonmark.org/0.31.2/#html-blocks>).
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "base"
            | "basefont"
            | "blockquote"
            | "body"
            | "caption"
            | "center"
            | "col"
            | "colgroup"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "frame"
            | "frameset"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "header"
            | "hr"
            | "html"
            | "iframe"
            | "legend"
            | "li"
            | "link"
            | "main"
            | "menu"
            | "menuitem"
            | "nav"
            | "noframes"
            | "ol"
            | "optgroup"
            | "option"
            | "p"
            | "param"
            | "pre"
            | "script"
            | "search"
            | "section"
            | "style"
            | "summary"
            | "table"
            | "tbody"
            | "td"
            | "textarea"
            | "tfoot"
            | "th"
            | "thead"
            | "title"
            | "tr"
            | "track"
            | "ul"
    )
}

#[cfg(test)]
mod tests {
    use crate::markdown::to_markdown;

    #[test]
    fn a_page_of_elements_that_are_alike_is_refused_and_not_joined() {
        let long = "x".repeat(2_000);
        for html in [
            "<b>a</b>".repeat(100_000),
            "<b>a</b><strong>a</strong>".repeat(50_000),
            "<pre>".to_owned() + &"<span class=x>a</span>".repeat(100_000),
            "<x-y>a</x-y>".repeat(100_000),
            // Few of them, and much text.
            format!("<i>{long}</i>").repeat(5_000),
        ] {
            assert_eq!(
                to_markdown(&html).unwrap_err(),
                "too many of its elements are alike",
                "{}",
                html.get(..30).unwrap()
            );
        }
    }

    #[test]
    fn what_is_joined_nowhere_may_be_as_much_as_it_likes() {
        let long = "x".repeat(1_000);
        for html in [
            "<p>a</p>".repeat(50_000),
            format!("<li>{long}</li>").repeat(10_000),
            "<a href=/x>a</a>".repeat(50_000),
            "<b>a</b><i>b</i>".repeat(50_000),
            "<b>a</b> ".repeat(50_000),
            "<span class=x>a</span><span class=y>b</span>".repeat(50_000),
            "<br>".repeat(50_000),
            // Joined, and few.
            "<b>a</b>".repeat(5_000),
        ] {
            assert!(
                to_markdown(&html).is_ok(),
                "{}",
                html.get(..30).unwrap_or(&html)
            );
        }
    }
}
