//! A folder of generated documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const WORDS: [&str; 24] = [
    "retry", "timeout", "breaker", "socket", "buffer", "stream", "parser", "token", "cache",
    "queue", "worker", "channel", "future", "runtime", "thread", "mutex", "signal", "vector",
    "index", "query", "schema", "config", "secret", "deadline",
];

/// Writes `documents` Markdown files, each with some sections; the same every time.
pub(crate) fn write(folder: &Path, documents: usize) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *WORDS.get(usize::try_from(state % 24).unwrap()).unwrap()
    };
    for document in 0..documents {
        let mut text = format!("# The {} guide {document}\n\n", word());
        for section in 0..=(document % 5) {
            writeln!(text, "## Section {section}: {} and {}\n", word(), word()).unwrap();
            for _ in 0..4 {
                let sentence: Vec<&str> = (0..40).map(|_| word()).collect();
                writeln!(text, "{}.\n", sentence.join(" ")).unwrap();
            }
        }
        let part = folder.join(format!("part{}", document % 7));
        fs::create_dir_all(&part).unwrap();
        fs::write(part.join(format!("doc{document}.md")), text).unwrap();
    }
}

/// Rewrites every third document, shorter, and removes every fifth of the others.
pub(crate) fn change(folder: &Path, documents: usize) {
    for document in 0..documents {
        let path = folder
            .join(format!("part{}", document % 7))
            .join(format!("doc{document}.md"));
        if document % 3 == 0 {
            fs::write(
                path,
                format!("# Rewritten {document}\n\nNow about a worker.\n"),
            )
            .unwrap();
        } else if document % 5 == 0 {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Copies a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
