use std::fs;
use std::path::Path;

use contexter_local::Folder;
use contexter_model::{ErrorKind, FetchDocs, ResolveLibrary};
use contexter_service::Service;
use tempfile::TempDir;

use super::{All, fetch_all};

fn write(folder: &TempDir, path: &str, content: impl AsRef<[u8]>) {
    let file = folder.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

async fn read(folder: &Path, limit: usize) -> All {
    let source = Folder::open(folder, None).await.unwrap();
    fetch_all(&source, &source.library().id, limit).await
}

#[tokio::test]
async fn documents_come_in_the_order_of_their_paths_whatever_the_page_size() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "b.md",
        "a/z.md",
        "a.md",
        "a/b/c.txt",
        "README",
        "z.html",
        "m.rst",
    ];
    for name in names {
        write(&folder, name, format!("text of {name}\n"));
    }
    let expected = [
        "README",
        "a.md",
        "a/b/c.txt",
        "a/z.md",
        "b.md",
        "m.rst",
        "z.html",
    ];
    for limit in [1, 2, 3, 100] {
        let all = read(folder.path(), limit).await;
        assert_eq!(all.paths(), expected, "pages of {limit}");
        assert_eq!(all.pages, names.len().div_ceil(limit), "pages of {limit}");
        assert_eq!(all.skipped, []);
    }
}

#[tokio::test]
async fn a_folder_that_is_tagged_as_a_cache_is_passed_over_unless_it_is_the_one_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
    write(&folder, "index/CACHEDIR.TAG", tag);
    write(&folder, "index/a.md", "# A\n");
    write(&folder, "pretender/CACHEDIR.TAG", "no signature");
    write(&folder, "pretender/b.md", "# B\n");
    assert_eq!(read(folder.path(), 9).await.paths(), ["pretender/b.md"]);
    let asked_for = folder.path().join("index");
    assert_eq!(read(&asked_for, 9).await.paths(), ["a.md"]);
}

#[tokio::test]
async fn hidden_and_generated_folders_and_site_assets_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        ".git/a.md",
        ".hidden.md",
        "target/doc/a.html",
        "node_modules/x/README.md",
        "logo.png",
        "style.css",
    ] {
        write(&folder, path, "x");
    }
    write(&folder, "kept.md", "# Kept\n");
    let all = read(folder.path(), 10).await;
    assert_eq!(all.paths(), ["kept.md"]);
    assert_eq!(all.skipped, []);
}

#[tokio::test]
async fn what_cannot_be_read_is_listed_with_its_reason_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "binary.md", b"# a\0b");
    write(&folder, "latin1.txt", b"caf\xe9");
    write(&folder, "empty.md", "");
    write(&folder, "blank.rst", " \n\t\n");
    write(&folder, "changelog.gz", b"\x1f\x8b");
    write(&folder, "data.bin", b"\x00\x01");
    write(&folder, "bare.rs", "fn private() {}\n");
    write(&folder, "good.md", "# Good\n");
    // Two gigabytes that take no room: read, they would take two gigabytes of memory.
    let huge = fs::File::create(folder.path().join("huge.md")).unwrap();
    huge.set_len(2 << 30).unwrap();
    let all = read(folder.path(), 3).await;
    assert_eq!(all.paths(), ["good.md"]);
    for (path, reason) in [
        ("binary.md", "binary file"),
        ("latin1.txt", "not valid utf-8 at byte 3"),
        ("empty.md", "empty document"),
        ("blank.rst", "empty document"),
        ("changelog.gz", "compressed file"),
        ("data.bin", "not a documentation format"),
        ("bare.rs", "no documentation comments"),
        (
            "huge.md",
            "2147483648 bytes, more than the limit of 16777216 bytes",
        ),
    ] {
        assert_eq!(all.reason(path), reason);
    }
    assert_eq!(all.skipped.len(), 8);
}

#[tokio::test]
async fn a_file_that_is_gone_when_its_page_comes_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.md", "# A\n");
    write(&folder, "b.md", "# B\n");
    write(&folder, "c.md", "# C\n");
    let source = Folder::open(folder.path(), None).await.unwrap();
    let library = source.library().id.clone();
    let request = |cursor| FetchDocs {
        library: library.clone(),
        cursor,
        limit: 1,
    };
    let first = source.call(request(None)).await.unwrap();
    fs::remove_file(folder.path().join("b.md")).unwrap();
    let second = source.call(request(first.next)).await.unwrap();
    assert_eq!(second.documents[0].path, "c.md");
    assert_eq!(second.skipped[0].path, "b.md");
    assert!(second.skipped[0].reason.starts_with("cannot be read: "));
}

#[tokio::test]
async fn a_cursor_stays_good_for_a_source_that_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.md", "b.md", "c.md"] {
        write(&folder, name, "# T\n");
    }
    let first = Folder::open(folder.path(), None).await.unwrap();
    let library = first.library().id.clone();
    let request = FetchDocs {
        library,
        cursor: None,
        limit: 1,
    };
    let page = first.call(request.clone()).await.unwrap();
    write(&folder, "a0.md", "# came between\n");
    let again = Folder::open(folder.path(), None).await.unwrap();
    let rest = again
        .call(FetchDocs {
            cursor: page.next,
            limit: 9,
            ..request
        })
        .await
        .unwrap();
    let paths: Vec<&str> = rest.documents.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(paths, ["a0.md", "b.md", "c.md"]);
    assert_eq!(rest.next, None);
}

#[tokio::test]
async fn a_page_ends_when_it_holds_eight_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let text = "word ".repeat(1 << 20);
    for name in ["a.txt", "b.txt", "c.txt", "d.txt"] {
        write(&folder, name, &text);
    }
    let all = read(folder.path(), 100).await;
    assert_eq!(all.documents.len(), 4);
    assert_eq!(all.pages, 2, "two of five megabytes each make a page");
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_never_a_way_out_nor_a_loop() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    write(&outside, "secret.md", "# Secret\n");
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "docs/a.md", "# A\n");
    symlink(folder.path(), folder.path().join("docs/loop")).unwrap();
    symlink("self", folder.path().join("self")).unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink("/nowhere/at/all", folder.path().join("broken.md")).unwrap();
    symlink("docs/a.md", folder.path().join("again.md")).unwrap();
    let all = read(folder.path(), 10).await;
    assert_eq!(
        all.paths(),
        ["docs/a.md"],
        "each file once, in its own place"
    );
    assert_eq!(all.reason("docs/loop"), "symbolic link loop");
    assert!(
        all.reason("self")
            .starts_with("symbolic link that cannot be followed")
    );
    assert_eq!(all.reason("out"), "symbolic link out of the folder");
    assert_eq!(all.reason("broken.md"), "broken symbolic link");
    assert_eq!(all.skipped.len(), 4);
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_skipped_and_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("pipe.md"))
        .status()
        .unwrap();
    assert!(made.success());
    let all = read(folder.path(), 10).await;
    assert_eq!(all.reason("pipe.md"), "not a regular file");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn names_that_are_no_utf_8_stay_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    for byte in [0xfe, 0xff] {
        let name = [b'a', byte, b'.', b'm', b'd'];
        fs::write(folder.path().join(OsStr::from_bytes(&name)), "# A\n").unwrap();
    }
    let all = read(folder.path(), 1).await;
    assert_eq!(all.paths(), ["a\u{fffd}.md", "a\u{fffd}.md~2"]);
}

#[tokio::test]
async fn an_empty_folder_is_a_library_without_documents() {
    let folder = tempfile::tempdir().unwrap();
    let all = read(folder.path(), 10).await;
    assert!(all.documents.is_empty() && all.skipped.is_empty());
}

#[tokio::test]
async fn what_is_no_folder_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "file.md", "# A\n");
    for (name, kind, what) in [
        ("missing", ErrorKind::NotFound, "does not exist"),
        ("file.md", ErrorKind::Invalid, "is not a folder"),
    ] {
        let path = folder.path().join(name);
        let error = Folder::open(&path, None).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.message(), format!("folder {} {what}", path.display()));
    }
}

#[tokio::test]
async fn a_folder_that_has_vanished_is_an_error_and_not_an_empty_library() {
    let folder = tempfile::tempdir().unwrap();
    let source = Folder::open(folder.path(), None).await.unwrap();
    fs::remove_dir(folder.path()).unwrap();
    let request = FetchDocs {
        library: source.library().id.clone(),
        cursor: None,
        limit: 1,
    };
    assert_eq!(
        source.call(request).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let any = ResolveLibrary {
        name: String::new(),
        limit: 1,
    };
    assert_eq!(
        source.call(any).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn the_library_is_called_after_the_folder() {
    let parent = tempfile::tempdir().unwrap();
    for (name, id) in [
        ("guide", "/local/guide"),
        ("my guide@2", "/local/my-guide-2"),
    ] {
        let path = parent.path().join(name);
        fs::create_dir(&path).unwrap();
        let source = Folder::open(&path, None).await.unwrap();
        assert_eq!(source.library().id.as_str(), id);
    }
    let id = "/acme/handbook/3".parse().unwrap();
    let source = Folder::open(parent.path(), Some(id)).await.unwrap();
    let found = |name: &str| {
        source.call(ResolveLibrary {
            name: name.to_owned(),
            limit: 5,
        })
    };
    assert_eq!(
        found("HAND").await.unwrap()[0].id.as_str(),
        "/acme/handbook/3"
    );
    assert_eq!(found("").await.unwrap().len(), 1);
    assert_eq!(found("other").await.unwrap(), []);
}

#[tokio::test]
async fn an_unknown_library_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let source = Folder::open(folder.path(), None).await.unwrap();
    let request = FetchDocs {
        library: "/local/other".parse().unwrap(),
        cursor: None,
        limit: 1,
    };
    let error = source.call(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.message(), "no library \"/local/other\"");
}
