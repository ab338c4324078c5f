//! Documents cut into chunks.
//!
//! Nothing but white space is lost and nothing comes twice; no chunk is too large; each holds the
//! text that its span names; the same document gives the same chunks.

#![no_main]

use std::sync::Arc;

use contexter_model::{CountTokens, Document, Format};
use contexter_rag::{Chunker, Chunking};
use libfuzzer_sys::fuzz_target;

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// As models count that know no words: two characters are a token, begun ones too.
fn pieces(text: &str) -> usize {
    text.chars().count().div_ceil(2)
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

// The first three bytes are settings; the rest is the document.
fuzz_target!(|input: &[u8]| {
    let Some((&[size, overlap, kind], text)) = input.split_first_chunk() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let max_tokens = Chunking::MIN_TOKENS + usize::from(size % 64);
    let overlap = usize::from(overlap) % (max_tokens / 4 + 1);
    let chunking = Chunking::new(max_tokens, overlap).expect("the settings are in range");
    let format = if kind & 1 == 0 {
        Format::Markdown
    } else {
        Format::Plain
    };
    let tokens: Arc<dyn CountTokens> = if kind & 2 == 0 {
        Arc::new(words)
    } else {
        Arc::new(pieces)
    };
    let document = Document {
        library: "/fuzz/documents/1"
            .parse()
            .expect("it is the name of a library"),
        path: "guide.md".to_owned(),
        title: "Guide".to_owned(),
        format,
        text: text.to_owned(),
    };
    let chunker = Chunker::new(chunking, Arc::clone(&tokens));
    let chunks = chunker.chunk(&document);

    let mut covered = String::new();
    let mut end = 0;
    for (at, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.ordinal as usize, at);
        assert!(chunk.span.start >= end, "{at} begins before the last ends");
        end = chunk.span.end;
        let own = squeezed(&text[chunk.span.clone()]);
        assert!(!own.is_empty(), "{at} is empty");
        assert!(
            squeezed(&chunk.text).contains(&own),
            "{at}: {:?}",
            chunk.text
        );
        assert!(!chunk.text.contains('\r'));
        covered += &own;
        assert_eq!(chunk.token_count, tokens.count(&chunk.embed_text()));
        assert!(chunk.token_count <= max_tokens, "{at}: {chunk:?}");
    }
    assert_eq!(covered, squeezed(text));
    assert_eq!(chunker.chunk(&document), chunks);
});
