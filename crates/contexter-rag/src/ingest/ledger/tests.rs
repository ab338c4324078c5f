//! What a journal remembers of the collection that it describes.

use super::*;

fn library() -> LibraryId {
    "/a/b".parse().unwrap()
}

fn intend(ledger: &Ledger, collection: &str, path: &str) {
    let points = (library(), path.to_owned(), 3);
    ledger.intend(collection, &[points]).unwrap();
}

fn indexed(path: &str) -> Vec<Change> {
    let nothing = contexter_storage::hash(b"");
    let entry = Entry {
        library: library(),
        path: path.to_owned(),
        document: nothing,
        chunks: nothing,
        chunk_count: 3,
        stage: Stage::Lexical,
        profile: String::new(),
    };
    vec![Change::Indexed(entry)]
}

#[test]
fn what_another_collection_holds_is_forgotten_and_its_documents_are_to_be_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.turn_to("a").unwrap(), None);
    ledger.settle("a", indexed("1.md")).unwrap();
    intend(&ledger, "a", "2.md");
    assert_eq!(ledger.turn_to("a").unwrap(), None);
    assert!(ledger.knows("a", &library()) && ledger.entry(&library(), "1.md").is_some());
    let index_name = ledger.index();

    assert_eq!(ledger.turn_to("b").unwrap().as_deref(), Some("a"));
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.turn_to("b").unwrap(), None);
    assert_eq!(ledger.index(), index_name);
    assert!(!ledger.knows("b", &library()));
    assert!(ledger.knows("a", &library()), "it is written by nobody now");
    assert_eq!(ledger.entry(&library(), "1.md"), None);
    assert_eq!(ledger.unfinished(&library()), ["1.md", "2.md"]);

    intend(&ledger, "b", "2.md");
    assert!(ledger.knows("b", &library()), "something may be in it now");
    assert!(!ledger.knows("b", &"/a/c".parse().unwrap()));
}

#[test]
fn what_comes_late_to_a_collection_that_is_no_longer_described_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    ledger.turn_to("a").unwrap();
    intend(&ledger, "a", "1.md");
    ledger.turn_to("b").unwrap();
    let late = ledger.settle("a", indexed("1.md")).unwrap_err();
    assert!(matches!(late, LedgerError::Elsewhere { .. }), "{late}");
    assert_eq!(ledger.entry(&library(), "1.md"), None);
}

#[test]
fn a_library_stays_known_when_the_store_has_lost_points() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    ledger.turn_to("a").unwrap();
    ledger.settle("a", indexed("1.md")).unwrap();
    ledger.forget_entries().unwrap();
    assert!(ledger.knows("a", &library()));
    assert_eq!(ledger.most_points(&library(), "1.md"), 3);
}

#[test]
fn an_index_is_claimed_once_whatever_its_journal_is_opened_as() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    let claim = ledger.claim().unwrap();
    let again = Ledger::open(&path).unwrap();
    let read = Ledger::read(&path).unwrap();
    let refused = again.claim().unwrap_err();
    assert!(matches!(refused, LedgerError::InUse { .. }), "{refused}");
    let refused = read.claim().unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    drop(claim);
    again.claim().unwrap();
}

#[test]
fn vectors_that_nobody_needs_leave_the_journal_when_they_are_most_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    let ledger = Ledger::open(&path).unwrap();
    ledger.turn_to("a").unwrap();
    ledger.settle("a", indexed("1.md")).unwrap();
    let nothing = contexter_storage::hash(b"");
    ledger.embedded(&nothing, "s", &nothing).unwrap();
    for number in 0..50_u8 {
        let chunks = contexter_storage::hash(&[number]);
        ledger.embedded(&chunks, "s", &chunks).unwrap();
    }
    assert_eq!(lines(), 53);
    assert_eq!(ledger.retain_needed().unwrap(), [nothing].into());
    assert_eq!(lines(), 3, "the format, an entry, its vectors");
    ledger.settle("a", indexed("2.md")).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.embeddings(&nothing, "s"), Some(nothing));
    assert_eq!(ledger.library_entries(&library()).len(), 2);
}

#[test]
fn a_journal_that_was_opened_for_reading_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    drop(Ledger::open(&path).unwrap());
    let before = std::fs::read(&path).unwrap();
    let read = Ledger::read(&path).unwrap();
    let refused = read.turn_to("a").unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    read.forget_entries().unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
