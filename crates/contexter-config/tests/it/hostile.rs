//! Files that are too large, too deep, or not text.

use std::fmt::Write;

use contexter_config::{ErrorKind, Loader, MAX_FILE_BYTES};

use crate::yaml;

type Any = serde_json::Value;

#[test]
fn an_alias_bomb_is_refused_before_it_hurts() {
    let mut bomb = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = level - 1;
        let aliases = vec![format!("*l{below}"); 9].join(", ");
        writeln!(bomb, "l{level}: &l{level} [{aliases}]").unwrap();
    }
    let error = yaml::<Any>(&bomb).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(
        error
            .to_string()
            .contains("too many values, aliases or levels"),
        "{error}"
    );
}

#[test]
fn deep_nesting_is_refused_and_never_overflows_the_stack() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let deep = format!("a: {}1{}", open.repeat(100_000), close.repeat(100_000));
        let error = yaml::<Any>(&deep).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Syntax),
            "{error}"
        );
    }
    let mut block = String::new();
    for depth in 0..5000 {
        writeln!(block, "{}a:", " ".repeat(depth)).unwrap();
    }
    assert!(yaml::<Any>(&block).is_err());
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.yaml");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(10 * MAX_FILE_BYTES).unwrap();
    let error = Loader::new().file(&path).load::<Any>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let expected = format!(
        "the configuration file {} is larger than 1 MiB",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_that_is_no_text_is_told_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.yaml");
    std::fs::write(&path, b"a: 1\nb: caf\xe9\n").unwrap();
    let error = Loader::new().file(&path).load::<Any>().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}:2:1: is not valid UTF-8", path.display())
    );
}

#[test]
fn a_folder_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = Loader::new()
        .optional_file(folder.path())
        .load::<Any>()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    let expected = format!(
        "the configuration file {} cannot be read",
        folder.path().display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(std::error::Error::source(&error).is_some());
}
