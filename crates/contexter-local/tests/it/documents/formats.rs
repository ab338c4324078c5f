//! What the text of each format becomes.

use std::fs;

use contexter_local::Folder;
use contexter_model::Format;

use super::fetch_all;

/// Returns the title and the text of one file.
async fn converted(name: &str, content: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let source = Folder::open(folder.path(), None).await.unwrap();
    let mut all = fetch_all(&source, &source.library().id, 1).await;
    let document = all
        .documents
        .pop()
        .unwrap_or_else(|| panic!("{:?}", all.skipped));
    let format = if name == "notes.txt" {
        Format::Plain
    } else {
        Format::Markdown
    };
    assert_eq!(document.format, format, "{name}");
    (document.title, document.text)
}

async fn check(name: &str, content: &str, title: &str, text: &str) {
    let (found_title, found_text) = converted(name, content).await;
    assert_eq!(found_title, title, "title of {content}");
    assert_eq!(found_text.trim(), text, "text of {content}");
}

#[tokio::test]
async fn markdown_keeps_its_text_and_gives_its_first_heading() {
    check(
        "a.md",
        "# The `x` guide\n\ntext\n",
        "The x guide",
        "# The `x` guide\n\ntext",
    )
    .await;
    check("no-heading.md", "text\n", "no-heading", "text").await;
    check("m.md", "---\ntitle: T\n---\nbody\n", "T", "body").await;
    check("dos.md", "\u{feff}# A\r\n\r\ntext\r\n", "A", "# A\n\ntext").await;
    check(
        "p.mdx",
        "import X from 'x'\n\n# P\n\n```js\nimport y\n```\n",
        "P",
        "# P\n\n```js\nimport y\n```",
    )
    .await;
}

#[tokio::test]
async fn plain_text_is_left_as_it_is() {
    let text = "# no heading\n  * as it is *\n";
    assert_eq!(
        converted("notes.txt", text).await,
        ("notes".to_owned(), text.to_owned())
    );
}

#[tokio::test]
async fn html_becomes_its_main_content() {
    check(
        "page.html",
        r##"<!DOCTYPE html><html><head><title>Site - Page</title><style>p{}</style></head>
        <body class="sidebar"><nav><a href="/">Home</a></nav><header><p>Banner</p></header>
        <div role="main"><h1>Page<a class="headerlink" href="#page">¶</a></h1>
        <p>Call <code>make_it(*args)</code> in make_it_so, see <a href="other.html">other</a>
        and <a href="https://example.org/a_(b)">there</a>.</p>
        <div class="highlight-python3"><div class="highlight"><pre><span></span><span class="k">def</span> f():
    <b>return</b> 1
</pre></div></div>
        <dl><dt class="sig" id="x"><span>f</span>(<em>a_b</em>)<a class="headerlink" href="#x">¶</a></dt><dd><p>Does it.</p></dd></dl>
        <script>alert(1)</script></div><footer>Imprint</footer></body></html>"##,
        "Page",
        "# Page\n\nCall `make_it(*args)` in make_it_so, see other and \
         [there](https://example.org/a_%28b%29).\n\n\
         ```python\ndef f():\n    return 1\n```\n\n`f(a_b)`\n\nDoes it.",
    )
    .await;
    check(
        "plain.htm",
        "<title>Only a title</title><p>text</p><ul><li>a<li>b</ul>",
        "Only a title",
        "text\n\n- a\n- b",
    )
    .await;
}

#[tokio::test]
async fn restructured_text_sections_become_headings_in_the_order_of_their_marks() {
    check(
        "a.rst",
        "=====\nTitle\n=====\n\nIntro\nhere.\n\nFirst\n-----\n\ntext\n\nSub\n~~~\n\nSecond\n------\n",
        "Title",
        "# Title\n\nIntro\nhere.\n\n## First\n\ntext\n\n### Sub\n\n## Second",
    )
    .await;
}

#[tokio::test]
async fn restructured_text_code_becomes_fences() {
    check(
        "code.rst.txt",
        "Top\n===\n\nRun this::\n\n    $ make\n\n      all\n\nor\n\n.. code-block:: python3\n   :linenos:\n\n   def f():\n       return '```'\n\n>>> f()\n1\n\nend\n",
        "Top",
        "# Top\n\nRun this:\n\n```\n$ make\n\n  all\n```\n\nor\n\n````python\ndef f():\n    return '```'\n````\n\n```python\n>>> f()\n1\n```\n\nend",
    )
    .await;
}

#[tokio::test]
async fn restructured_text_roles_and_links_become_readable() {
    check(
        "inline.rst",
        "Top\n===\n\nUse :func:`~os.path.join` or :py:class:`a.B` and ``x * y``, see :ref:`the guide <guide>`,\n\
         `Rust <https://rust-lang.org>`_, Home_, |name| and [1]_. A *b* **c** a_b \\*.\n\n\
         .. _home: https://example.org\n.. |name| replace:: full name\n.. a comment\n\n.. [1] A note.\n",
        "Top",
        "# Top\n\nUse `join()` or `a.B` and `x * y`, see the guide,\n[Rust](https://rust-lang.org), \
         [Home](https://example.org), full name and [1]. A *b* **c** a_b \\*.\n\n[1] A note.",
    )
    .await;
}

#[tokio::test]
async fn restructured_text_directives_keep_their_text() {
    check(
        "d.rst",
        "Top\n===\n\n.. toctree::\n   :maxdepth: 2\n\n   a\n   b\n\n.. note:: Mind\n   this.\n\n.. warning::\n\n   * one\n\n.. versionadded:: 3.7\n\n.. function:: f(a, b=1)\n              g(c)\n\n   Does it.\n\n   .. method:: h()\n\n      Deeper.\n\n.. image:: x.png\n   :alt: A picture\n",
        "Top",
        "# Top\n\n**Note:** Mind\nthis.\n\n**Warning:**\n\n- one\n\n**New in version 3.7.**\n\n`f(a, b=1)`\n\n`g(c)`\n\nDoes it.\n\n`h()`\n\nDeeper.\n\nA picture",
    )
    .await;
}

#[tokio::test]
async fn restructured_text_lists_nest() {
    check(
        "l.rst",
        "Top\n===\n\n* one\n  more\n\n  - inner\n\n    text\n\n* two\n\n#. first\n#. second\n\nterm\n    What it is.\n\n:param x: the x\n\n+---+\n| a |\n+---+\n",
        "Top",
        "# Top\n\n- one\n  more\n\n  - inner\n\n    text\n\n- two\n\n1. first\n\n1. second\n\n**term**\n\nWhat it is.\n\n- **param x**: the x\n\n```text\n+---+\n| a |\n+---+\n```",
    )
    .await;
}

#[tokio::test]
async fn rust_sources_become_their_documentation() {
    check(
        "a.rs",
        "//! About `a`.\n\n/// Adds.\n///\n/// # Examples\n///\n/// ```\n/// # hidden();\n/// add(1, 2);\n/// ```\n\
         pub fn add(a: u32, b: u32) -> u32 {\n    a + b\n}\n\n/// Private.\nfn no() {}\n\n#[doc(hidden)]\n/// Hidden.\npub fn no2() {}\n",
        "a",
        "# a\n\nAbout `a`.\n\n## a::add\n\n```rust\npub fn add(a: u32, b: u32) -> u32\n```\n\nAdds.\n\n\
         ### Examples\n\n```rust\nadd(1, 2);\n```",
    )
    .await;
}

#[tokio::test]
async fn a_file_that_is_no_rust_still_gives_its_comments() {
    check(
        "broken.rs",
        "//! About.\n/// Adds [`x`](y).\n#[inline]\npub fn add() {\n  }}} \"\n",
        "broken",
        "About.\n\n## `pub fn add()`\n\nAdds `x`.",
    )
    .await;
}
