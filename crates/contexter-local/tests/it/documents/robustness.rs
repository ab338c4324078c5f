//! Whatever a file holds, the source answers.

use std::fs;
use std::time::Duration;

use contexter_local::Folder;
use proptest::prelude::*;

use super::{All, fetch_all};

/// Reads one file, within a time that only a runaway converter exceeds.
async fn read(name: &str, content: &str) -> All {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let source = Folder::open(folder.path(), None).await.unwrap();
    let library = source.library().id.clone();
    tokio::time::timeout(Duration::from_mins(1), fetch_all(&source, &library, 1))
        .await
        .unwrap()
}

#[tokio::test]
async fn deep_nesting_is_skipped_or_converted_and_never_a_crash() {
    const DEPTH: usize = 100_000;
    for (name, content) in [
        ("div.html", "<div>".repeat(DEPTH) + "text"),
        ("b.html", "<b>".repeat(DEPTH) + "text"),
        ("quote.html", "<blockquote>".repeat(DEPTH) + "text"),
        ("list.html", "<ul><li>".repeat(DEPTH) + "text"),
        ("p.html", "<p>".repeat(DEPTH) + "text"),
        ("table.html", "<table><tr><td>".repeat(DEPTH) + "text"),
        ("unclosed.html", "<a href='".repeat(DEPTH)),
    ] {
        let all = read(name, &content).await;
        assert_eq!(all.documents.len() + all.skipped.len(), 1, "{name}");
    }
    // Deep enough to overflow the stack of a converter, and not deep enough to be slow to parse.
    let all = read("deep.html", &("<div>".repeat(900) + "text")).await;
    assert_eq!(all.reason("deep.html"), "elements are nested too deeply");
    let brackets = "(".repeat(DEPTH) + &")".repeat(DEPTH);
    let mut indented = String::new();
    for depth in 0..2000 {
        indented.extend([" ".repeat(depth).as_str(), "* x\n\n"]);
    }
    for (name, content) in [
        ("body.rs", format!("/// Doc.\npub fn f() {{ {brackets} }}")),
        ("type.rs", format!("/// Doc.\npub type T = {brackets};")),
        (
            "not.rs",
            format!("/// Doc.\npub const X: bool = {}true;", "!".repeat(DEPTH)),
        ),
        (
            "angle.rs",
            format!("/// Doc.\npub type T = {}u8;", "A<".repeat(DEPTH)),
        ),
        ("link.rs", format!("//! {}", "[".repeat(DEPTH))),
        ("nested-link.rs", format!("//! {}", "[a](".repeat(DEPTH))),
        ("tick.rs", format!("//! {}", "` `` ".repeat(DEPTH))),
        (
            "mod.rs",
            format!(
                "/// Doc.\npub fn f() {{}} {} {}",
                "pub mod a {".repeat(5000),
                "}".repeat(5000)
            ),
        ),
        ("quote.rst", format!("text\n\n{indented}")),
        ("role.rst", ":a:`".repeat(DEPTH)),
        ("star.rst", "* ".repeat(DEPTH)),
        ("bars.rst", "|a ".repeat(DEPTH)),
        ("deep.md", "# T\n".to_owned() + &"> ".repeat(DEPTH)),
    ] {
        let all = read(name, &content).await;
        assert_eq!(all.documents.len(), 1, "{name}: {:?}", all.skipped);
    }
}

/// Pieces of markup that meet in the wrong places.
fn markup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\n",
            "\n\n",
            "    ",
            "  ",
            "`",
            "``",
            "```",
            "```rust\n",
            "*",
            "**",
            "_",
            "__",
            "::",
            ":a:`",
            ".. ",
            ".. code-block:: rust\n",
            ".. |a| replace:: b\n",
            ".. _a: http://b\n",
            "====",
            "----",
            "+--+",
            "| ",
            "* ",
            "1. ",
            "[",
            "](",
            ")",
            "]:",
            "<",
            ">",
            "<div>",
            "</div>",
            "<pre>",
            "<code>",
            "<table>",
            "<li>",
            "<a href=\"http://x\">",
            "</a>",
            "&amp;",
            "\\",
            "///",
            "//!",
            "/**",
            "*/",
            "#",
            "# ",
            "pub fn f",
            "pub struct S",
            "{",
            "}",
            "(",
            "impl",
            "pub mod m",
            ";",
            "#[doc = \"",
            "r#\"",
            "\"",
            "'",
            "é",
            "\u{1f600}",
            "\t",
            "<title>",
            "<dt class=\"sig\">",
            "---\n",
            "title: x",
            ">>> ",
            ":x: y",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_a_converter_fail(text in markup()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let names = ["a.html", "a.md", "a.mdx", "a.rs", "a.rst", "a.txt"];
        for name in names {
            fs::write(folder.path().join(name), &text).unwrap();
        }
        let all = runtime.block_on(async {
            let source = Folder::open(folder.path(), None).await.unwrap();
            fetch_all(&source, &source.library().id.clone(), 2).await
        });
        prop_assert_eq!(all.documents.len() + all.skipped.len(), names.len());
        for skipped in &all.skipped {
            prop_assert!(!skipped.reason.contains("converter failed"), "{}", skipped.path);
        }
        for document in &all.documents {
            prop_assert!(!document.text.trim().is_empty());
            prop_assert!(!document.title.trim().is_empty());
        }
    }
}
