//! Cutting documents.

#![expect(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "a test may panic; its texts are small"
)]

use std::sync::Arc;

use contexter_model::{CountTokens, Document, Format, LibraryId};
use contexter_rag::{Chunk, Chunker, Chunking, InvalidChunking, chunk_id};
use proptest::prelude::*;

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn document(title: &str, format: Format, text: &str) -> Document {
    Document {
        library: library(),
        path: "guide.md".to_owned(),
        title: title.to_owned(),
        format,
        text: text.to_owned(),
    }
}

fn library() -> LibraryId {
    "/crates/pool/1.0.0".parse().unwrap()
}

fn chunker(max_tokens: usize, overlap: usize) -> Chunker {
    Chunker::new(Chunking::new(max_tokens, overlap).unwrap(), Arc::new(words))
}

fn chunks(max_tokens: usize, text: &str) -> Vec<Chunk> {
    let document = document("Guide", Format::Markdown, text);
    let chunks = chunker(max_tokens, 0).chunk(&document);
    assert_sound(&chunks, text, max_tokens, &words);
    chunks
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// What holds of the chunks of any document: nothing is lost, nothing comes twice, none is too
/// large, and texts are the document's own.
fn assert_sound(chunks: &[Chunk], text: &str, max_tokens: usize, tokens: &dyn CountTokens) {
    let mut covered = String::new();
    let mut end = 0;
    for (at, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.ordinal as usize, at);
        assert!(
            chunk.span.start >= end,
            "chunk {at} begins before the last ends"
        );
        end = chunk.span.end;
        let own = squeezed(&text[chunk.span.clone()]);
        assert!(!own.is_empty());
        assert!(
            squeezed(&chunk.text).contains(&own),
            "chunk {at} does not hold its span: {:?}",
            chunk.text
        );
        covered += &own;
        assert_eq!(chunk.token_count, tokens.count(&chunk.embed_text()));
        assert!(
            chunk.token_count <= max_tokens,
            "{}: {chunk:?}",
            chunk.token_count
        );
        assert!(!chunk.text.contains('\r'));
    }
    assert_eq!(covered, squeezed(text));
}

fn paragraph(word: &str, count: usize) -> String {
    vec![word; count].join(" ")
}

#[test]
fn chunks_carry_the_headings_above_them() {
    let text = format!(
        "# Guide\n{}\n\n## Limits\n{}\n\n### Hard\n{}\n\nSetext\n------\n{}\n",
        paragraph("intro", 12),
        paragraph("limit", 12),
        paragraph("hard", 12),
        paragraph("setext", 12),
    );
    let paths: Vec<Vec<String>> = chunks(20, &text)
        .into_iter()
        .map(|c| c.title_path)
        .collect();
    assert_eq!(
        paths,
        [
            vec!["Guide"],
            vec!["Guide", "Limits"],
            vec!["Guide", "Limits", "Hard"],
            vec!["Guide", "Setext"],
        ]
    );
}

#[test]
fn a_number_sign_in_code_quotation_or_list_is_no_section() {
    let long = paragraph("word", 18);
    for inner in [
        format!("```sh\n# install {long}\n```"),
        format!("> # quoted\n> {long}"),
        format!("- # item\n  {long}"),
        format!("    # indented {long}"),
    ] {
        for chunk in chunks(24, &format!("{long}\n\n{inner}\n\n{long}\n")) {
            assert_eq!(chunk.title_path, ["Guide"], "{}", chunk.text);
        }
    }
}

#[test]
fn chunks_are_filled_as_far_as_whole_blocks_allow() {
    let text = "six words make up this block\n\n".repeat(9);
    let counts: Vec<usize> = chunks(20, &text).iter().map(|c| c.token_count).collect();
    assert_eq!(counts, [19, 19, 19]);
    let groups = format!("{}\n", "line\n".repeat(14)).repeat(4);
    let found = chunks(16, &format!("```\n{groups}```\n"));
    let lines = |chunk: &Chunk| chunk.text.matches("line").count();
    assert_eq!(
        found.iter().map(lines).max(),
        Some(13),
        "two fences and a title beside them"
    );
}

#[test]
fn tiny_sections_under_one_parent_are_merged() {
    let text = "# Pool\n\n## Errors\nNone.\n\n## Panics\nNever.\n";
    let found = chunks(60, text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].title_path, ["Guide", "Pool"], "what they share");

    let long = paragraph("word", 30);
    let text = format!("# A\n## A1\n{long}\n### A11\ntiny\n# B\n{long}\n");
    let paths: Vec<_> = chunks(40, &text)
        .into_iter()
        .map(|c| c.title_path.join("/"))
        .collect();
    assert_eq!(
        paths,
        ["Guide/A/A1", "Guide/A/A1/A11", "Guide/B"],
        "never across parents"
    );
}

#[test]
fn sections_of_some_size_stay_apart() {
    let text = format!(
        "## A\n{}\n\n## B\n{}\n",
        paragraph("a", 15),
        paragraph("b", 15)
    );
    assert_eq!(chunks(60, &text).len(), 2);
}

#[test]
fn a_heading_stays_with_what_follows() {
    let text = format!(
        "## Limits\n\n{}. {}.\n\n{}",
        paragraph("one", 12),
        paragraph("two", 12),
        paragraph("three", 12)
    );
    let found = chunks(20, &text);
    assert!(found[0].text.contains("one"), "{:?}", found[0].text);
}

#[test]
fn code_that_fits_is_never_torn() {
    let code = format!(
        "```rust\n{}\n\n{}\n```",
        "let a = 1;\n".repeat(4),
        "let b = 2;\n".repeat(3)
    );
    let text = format!(
        "{}\n\n{code}\n\n{}",
        paragraph("before", 20),
        paragraph("after", 20)
    );
    let found = chunks(34, &text);
    assert!(
        found.iter().any(|chunk| chunk.text.contains(&code)),
        "{found:#?}"
    );
}

#[test]
fn code_that_is_too_large_is_torn_between_lines_and_fenced_again() {
    let lines: Vec<String> = (0..40).map(|n| format!("    call({n});")).collect();
    let text = format!(
        "Intro.\n\n~~~rust ignore\n{}\n~~~\n\nOutro.\n",
        lines.join("\n")
    );
    let found = chunks(16, &text);
    assert!(found.len() > 3);
    let mut seen = Vec::new();
    for chunk in &found {
        let fences: Vec<&str> = chunk
            .text
            .lines()
            .filter(|l| l.starts_with("~~~"))
            .collect();
        if chunk.text.contains("call(") {
            assert_eq!(fences, ["~~~rust ignore", "~~~"], "{}", chunk.text);
        }
        seen.extend(chunk.text.lines().filter(|line| line.contains("call(")));
    }
    assert_eq!(
        seen, lines,
        "every line whole, in order, with its indentation"
    );
}

#[test]
fn torn_code_in_lists_and_quotations_keeps_its_place() {
    let lines: String = (0..30).map(|n| format!("> step {n}\n")).collect();
    let text = format!("> ```\n{lines}> ```\n");
    for chunk in chunks(20, &text) {
        assert!(chunk.text.starts_with("> ```\n") && chunk.text.ends_with("\n> ```"));
    }
    let lines: String = (0..30).map(|n| format!("  step {n}\n")).collect();
    let text = format!("- ```\n{lines}  ```\n");
    let found = chunks(20, &text);
    assert!(
        found[1].text.starts_with("  ```\n  step"),
        "{}",
        found[1].text
    );
}

#[test]
fn large_lists_are_cut_between_items() {
    let items: String = (0..20)
        .map(|n| format!("- item {n} with a few words\n  and a second line\n"))
        .collect();
    for chunk in chunks(40, &items) {
        assert!(chunk.text.starts_with("- item"), "{}", chunk.text);
        assert!(chunk.text.ends_with("second line"), "{}", chunk.text);
    }
}

#[test]
fn prose_is_cut_between_sentences() {
    let text = "One two three four five six. ".repeat(20);
    for chunk in chunks(20, &text) {
        assert!(chunk.text.starts_with("One") && chunk.text.ends_with("six."));
    }
}

#[test]
fn an_overlap_repeats_whole_sentences_of_the_same_section() {
    let sentences: Vec<String> = (0..20).map(|n| format!("This is sentence {n}.")).collect();
    let text = format!(
        "{}\n\n# Next\n{}",
        sentences.join(" "),
        paragraph("next", 10)
    );
    let document = document("", Format::Markdown, &text);
    let found = chunker(20, 5).chunk(&document);
    assert_sound(&found, &text, 20, &words);
    let own = &text[found[1].span.clone()];
    let repeated = found[1].text.strip_suffix(own).unwrap();
    assert_eq!(words(repeated), 4);
    assert!(found[0].text.ends_with(repeated.trim()), "{repeated:?}");
    assert!(found.last().unwrap().text.starts_with("# Next"));
}

#[test]
fn plain_text_is_cut_between_paragraphs() {
    let text = format!(
        "# no heading {}\n\n{}\n",
        paragraph("a", 10),
        paragraph("b", 12)
    );
    let document = document("Notes", Format::Plain, &text);
    let found = chunker(16, 0).chunk(&document);
    assert_sound(&found, &text, 16, &words);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|chunk| chunk.title_path == ["Notes"]));
}

#[test]
fn long_titles_leave_room_for_text() {
    let text = format!(
        "# {}\n\n## {}\n\n### Short\n\n{}\n",
        paragraph("outer", 30),
        paragraph("inner", 9),
        paragraph("text", 100)
    );
    let found = chunks(30, &text);
    let last = found.last().unwrap();
    assert_eq!(last.title_path, ["Guide", "Short"]);
    let title = paragraph("title", 500);
    let document = document(&title, Format::Markdown, "text");
    assert!(chunker(16, 0).chunk(&document)[0].token_count <= 16);
}

#[test]
fn line_ends_do_not_matter() {
    let unix = "# A\n\nfirst line\nsecond line\n\n```\ncode\n```\n\n## B\n\ntext\n";
    let windows = unix.replace('\n', "\r\n");
    let strip = |chunks: Vec<Chunk>| -> Vec<_> {
        chunks
            .into_iter()
            .map(|c| (c.title_path, c.text, c.hash))
            .collect()
    };
    assert_eq!(strip(chunks(16, unix)), strip(chunks(16, &windows)));
}

#[test]
fn a_block_whose_fence_ends_in_a_carriage_return_alone_is_torn_without_fences() {
    let text = format!("```rust\r{}```\n", "one two three\n".repeat(20));
    let found = chunks(20, &text);
    assert!(found.len() > 1, "the block must be torn");
    assert_eq!(found[1].text.lines().next(), Some("one two three"));
    assert!(chunks(16, &format!("```a\r{}", "b\r".repeat(40))).len() > 1);
}

#[test]
fn the_fences_around_white_space_that_is_too_large_are_kept() {
    let characters = |text: &str| text.chars().count();
    let text = format!("text\n\n```rust\n{}\n```\n", "          \n".repeat(20));
    let chunker = Chunker::new(Chunking::new(40, 0).unwrap(), Arc::new(characters));
    let found = chunker.chunk(&document("Guide", Format::Markdown, &text));
    assert_sound(&found, &text, 40, &characters);
}

#[test]
fn white_space_alone_gives_no_chunk() {
    for text in ["", " ", "\n\n\r\n\t"] {
        assert!(chunks(20, text).is_empty());
    }
}

#[test]
fn chunks_are_named_by_their_place() {
    let other = "/crates/pool/1.0.1".parse().unwrap();
    let id = chunk_id(&library(), "a.md", 1);
    assert_eq!(id, chunk_id(&library(), "a.md", 1));
    assert_eq!(id.get_version_num(), 5);
    assert_ne!(id, chunk_id(&library(), "a.md", 2));
    assert_ne!(id, chunk_id(&library(), "b.md", 1));
    assert_ne!(id, chunk_id(&other, "a.md", 1));
}

#[test]
fn the_hash_is_of_what_is_embedded() {
    let one = &chunks(20, "text")[0];
    assert_eq!(one.embed_text(), "Guide\ntext");
    assert_eq!(
        one.hash,
        "a45062b51ffb88f7e29b068e9ffc18d2c0caca3dc94c4681471d87a5cbded773"
    );
    let titled = document("Other", Format::Markdown, "text");
    assert_ne!(chunker(20, 0).chunk(&titled)[0].hash, one.hash);
}

#[test]
fn settings_out_of_range_are_refused() {
    assert_eq!(
        Chunking::new(15, 0),
        Err(InvalidChunking::MaxTokens { max_tokens: 15 })
    );
    let error = Chunking::new(100, 26).unwrap_err();
    assert_eq!(
        error.to_string(),
        "chunk overlap is 26, expected at most 25, a quarter of max_tokens"
    );
    assert_eq!(
        serde_json::from_str::<Chunking>("{}").unwrap(),
        Chunking::default()
    );
    assert!(serde_json::from_str::<Chunking>("{\"max_tokens\": 3}").is_err());
    assert_eq!(
        Chunking::default().to_string(),
        "chunk/1:max_tokens=200,overlap=0"
    );
}

#[test]
fn a_counter_that_does_not_add_up_is_still_kept_to() {
    // Counts a toll for every paragraph break, so that the whole is more than its parts.
    let tolled = |text: &str| words(text) + 5 * text.matches("\n\n").count();
    let text = (0..30)
        .map(|n| format!("paragraph {n}\n\n"))
        .collect::<String>();
    let chunker = Chunker::new(Chunking::new(24, 0).unwrap(), Arc::new(tolled));
    let found = chunker.chunk(&document("Guide", Format::Markdown, &text));
    assert_sound(&found, &text, 24, &tolled);
}

/// Inputs on which splitters have been seen to panic, overflow their stack or take quadratic time.
#[test]
fn hostile_documents_are_cut_like_any_other() {
    let mut nested = String::new();
    for depth in 0..1_000 {
        nested += &" ".repeat(depth * 2);
        nested += "- x\n";
    }
    let hostile = [
        "a ".repeat(500_000),
        "a".repeat(1_000_000),
        "é".repeat(200_000),
        "- ".repeat(100_000),
        "- x\n".repeat(100_000),
        "> ".repeat(100_000),
        nested,
        format!("```\n{}", "code line\n".repeat(50_000)),
        "```\n".repeat(50_001),
        "# heading\n".repeat(50_000),
        format!("# {}", "long ".repeat(100_000)),
        "[".repeat(100_000),
        "*a ".repeat(100_000),
        "`".repeat(100_000),
        "<div>\n".repeat(50_000),
        "a|b\n-|-\n".repeat(20_000),
        format!("a|b\n-|-\n{}", "c|d\n".repeat(50_000)),
        "line\r\n\r\n".repeat(50_000),
        "\r".repeat(100_000) + "x",
        "---\nkey: value\n---\n# A\n".to_owned(),
        format!("```{}\ncode\n```\n", "x".repeat(100_000)),
        "\u{0}\u{feff}\u{200b}text".to_owned(),
        "[a]: b\n".repeat(50_000),
        "[^1]: note\n\n    # in note\n".repeat(1_000),
    ];
    let bytes = |text: &str| text.len().div_ceil(4);
    for text in hostile {
        for format in [Format::Markdown, Format::Plain] {
            let chunker = Chunker::new(Chunking::default(), Arc::new(bytes));
            let found = chunker.chunk(&document("Guide", format, &text));
            assert_sound(&found, &text, 200, &bytes);
        }
    }
}

fn block() -> impl Strategy<Value = String> {
    prop_oneof![
        "#{1,6} [a-z ]{0,20}\n",
        "[a-zA-Z,. é]{0,120}\n",
        "([-*+>] |[0-9]\\. |  - ){0,3}[a-z. ]{0,30}\n",
        "(```|~~~|````)[a-z]{0,4}\n([ a-z(){};#]{0,20}\n){0,12}(```|~~~|````)?\n",
        "    [a-z;]{0,20}\n",
        "\n{1,3}",
        "[a-z]{1,9}\n(===|---)\n",
        "a \\| b\n---\\|---\n([a-z]{0,5} \\| [a-z]{0,5}\n){0,8}",
        "\\PC{0,40}\n",
        "\r\n",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn nothing_is_lost_and_nothing_is_too_large(
        blocks in prop::collection::vec(block(), 0..30),
        max_tokens in 16_usize..80,
        overlap in 0_usize..5,
        markdown: bool,
    ) {
        let text = blocks.concat();
        let format = if markdown { Format::Markdown } else { Format::Plain };
        let chunker = chunker(max_tokens, overlap.min(max_tokens / 4));
        let found = chunker.chunk(&document("Guide", format, &text));
        assert_sound(&found, &text, max_tokens, &words);
    }

    #[test]
    fn any_characters_are_accepted(text in "(?s).{0,400}", overlap in 0_usize..4) {
        let characters = |text: &str| text.chars().count();
        let chunker = Chunker::new(Chunking::new(20, overlap).unwrap(), Arc::new(characters));
        let found = chunker.chunk(&document("", Format::Markdown, &text));
        assert_sound(&found, &text, 20, &characters);
    }
}
