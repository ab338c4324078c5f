//! The grammar of ids.

use contexter_context7::{Context7Id, IdFault, IdKind, MAX_ID_CHARS};
use contexter_model::LibraryId;
use proptest::prelude::*;

#[test]
fn every_form_is_read_and_says_what_it_names() {
    for (text, kind, owner, name, version) in [
        ("/owner/repo", IdKind::Repository, "owner", "repo", None),
        (
            "/websites/tokio_rs",
            IdKind::Website,
            "websites",
            "tokio_rs",
            None,
        ),
        (
            "/llmstxt/example_com",
            IdKind::LlmsTxt,
            "llmstxt",
            "example_com",
            None,
        ),
        ("/npm/express", IdKind::Package, "npm", "express", None),
        (
            "/npm/@babel/core",
            IdKind::Package,
            "npm",
            "@babel/core",
            None,
        ),
        (
            "/npm/@babel/core@7.0.0",
            IdKind::Package,
            "npm",
            "@babel/core",
            Some("7.0.0"),
        ),
        (
            "/packages/express",
            IdKind::Package,
            "packages",
            "express",
            None,
        ),
        ("/docs/name", IdKind::Docs, "docs", "name", None),
        (
            "/owner/repo/v1.2.3",
            IdKind::Repository,
            "owner",
            "repo",
            Some("v1.2.3"),
        ),
        (
            "/owner/repo@v1.2.3",
            IdKind::Repository,
            "owner",
            "repo",
            Some("v1.2.3"),
        ),
        (
            "/owner/repo/pkg@1.2.3",
            IdKind::Repository,
            "owner",
            "repo",
            Some("pkg@1.2.3"),
        ),
    ] {
        let id: Context7Id = text.parse().unwrap();
        assert_eq!(id.kind(), kind, "{text}");
        assert_eq!(
            (id.owner(), id.name(), id.version()),
            (owner, name, version)
        );
        assert_eq!(id.to_string(), text);
        assert_eq!(id.without_version().as_str(), format!("/{owner}/{name}"));
        let model = LibraryId::from(id.clone());
        assert_eq!(model.as_str(), text);
        assert_eq!(Context7Id::from(model), id);
    }
}

#[test]
fn what_is_wrong_with_an_id_is_named() {
    for (text, fault) in [
        ("", IdFault::Empty),
        ("tokio", IdFault::NoSlash),
        ("owner/repo", IdFault::NoSlash),
        ("/tokio", IdFault::NoName),
        ("/", IdFault::NoName),
        ("//", IdFault::EmptyPart),
        ("/owner/", IdFault::EmptyPart),
        ("//repo", IdFault::EmptyPart),
        ("/a/b/", IdFault::EmptyPart),
        ("/a/b/release/1.0", IdFault::TooManyParts),
        ("/a/b c", IdFault::Character(' ')),
        ("/a/b\n", IdFault::Character('\n')),
        ("/a/b@1/2", IdFault::Mark),
        ("/npm/@babel/core/7.0.0", IdFault::TooManyParts),
    ] {
        assert_eq!(
            text.parse::<Context7Id>().unwrap_err().fault(),
            fault,
            "{text:?}"
        );
    }
    let longest = format!("/a/{}", "b".repeat(MAX_ID_CHARS - 3));
    assert!(longest.parse::<Context7Id>().is_ok());
    let error = format!("{longest}b").parse::<Context7Id>().unwrap_err();
    assert_eq!(error.fault(), IdFault::Long(MAX_ID_CHARS + 1));
    let shown = error.to_string();
    assert!(shown.len() < 300, "{shown}");
    assert!(shown.contains("at most 500 characters, got 501"), "{shown}");
    assert_eq!(
        "/a/b/release/1.0"
            .parse::<Context7Id>()
            .unwrap_err()
            .to_string(),
        "invalid library id \"/a/b/release/1.0\": must have two or three parts; a version must not \
         hold a slash, as in /owner/name or /owner/name/version"
    );
}

#[test]
fn ids_are_read_as_people_paste_them() {
    for pasted in [
        "/a/b/v1",
        "a/b/v1",
        " a/b/v1\n",
        "https://context7.com/a/b/v1",
        "https://context7.com/a/b/v1/?tab=code#x",
        "context7.com/a/b/v1",
    ] {
        assert_eq!(
            Context7Id::from_pasted(pasted).unwrap().as_str(),
            "/a/b/v1",
            "{pasted:?}"
        );
    }
    assert!(Context7Id::from_pasted("https://github.com/a/b").is_err());
    assert!(Context7Id::from_pasted("  ").is_err());
}

#[test]
fn another_version_of_a_library_has_another_id() {
    let id: Context7Id = "/a/b@v1".parse().unwrap();
    assert_eq!(id.with_version("v2").unwrap().as_str(), "/a/b/v2");
    assert_eq!(
        id.with_version("x/y").unwrap_err().fault(),
        IdFault::TooManyParts
    );
    for (text, segments) in [
        ("/a/b@v1", &["a", "b", "v1"][..]),
        ("/npm/@babel/core", &["npm", "@babel", "core"]),
        ("/npm/@babel/core@7", &["npm", "@babel", "core@7"]),
        ("/npm/@babel@7", &["npm", "@babel", "7"]),
    ] {
        let id: Context7Id = text.parse().unwrap();
        assert!(id.legacy_segments().eq(segments.iter().copied()), "{text}");
    }
}

#[test]
fn a_version_is_written_where_it_is_read_again() {
    for (text, version, written) in [
        ("/npm/@babel/core", "7", "/npm/@babel/core@7"),
        ("/npm/@babel/core@6", "7", "/npm/@babel/core@7"),
        ("/npm/@babel", "7", "/npm/@babel@7"),
        ("/a/b", "pkg@7", "/a/b/pkg@7"),
        ("/a/b@", "7", "/a/b@/7"),
    ] {
        let id: Context7Id = text.parse().unwrap();
        let other = id.with_version(version).unwrap();
        assert_eq!(other.as_str(), written);
        assert_eq!(
            (other.name(), other.version()),
            (id.name(), Some(version)),
            "{text}"
        );
    }
    // Its name would end sooner.
    let id: Context7Id = "/npm/@babel@".parse().unwrap();
    assert_eq!(id.with_version("7").unwrap_err().fault(), IdFault::Mark);
}

fn part() -> impl Strategy<Value = String> {
    "[^/@\\s\\p{Cc}]{1,20}"
}

/// As the vendor's pattern `^/[^/]+/[^/]+([/@][^/]+)?$` reads it: what may follow an `@` may also be
/// part of the name before it.
fn matches_the_pattern(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|rest| {
        let parts: Vec<_> = rest.split('/').collect();
        (2..=3).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty())
    })
}

proptest! {
    #[test]
    fn what_is_put_together_comes_apart_again(
        owner in part(),
        name in part(),
        version in proptest::option::of(part()),
        mark in prop_oneof![Just('/'), Just('@')],
    ) {
        let text = match &version {
            Some(version) => format!("/{owner}/{name}{mark}{version}"),
            None => format!("/{owner}/{name}"),
        };
        let id: Context7Id = text.parse().unwrap();
        prop_assert_eq!(id.owner(), owner.as_str());
        prop_assert_eq!(id.name(), name.as_str());
        prop_assert_eq!(id.version(), version.as_deref());
        prop_assert_eq!(id.as_str(), text.as_str());
        prop_assert!(id.without_version().version().is_none());
        if let Some(version) = &version {
            let again = id.without_version().with_version(version).unwrap();
            prop_assert_eq!(again.version(), Some(version.as_str()));
        }
    }

    #[test]
    fn any_text_is_an_id_of_the_pattern_or_an_error_of_one_line(
        text in "[/@a-c \\PC]{0,24}|(/@?[a-c@]{1,3}){1,4}",
    ) {
        match text.parse::<Context7Id>() {
            Ok(id) => {
                prop_assert!(matches_the_pattern(&text), "{:?}", text);
                prop_assert_eq!(id.as_str(), text.as_str());
            }
            Err(error) => {
                prop_assert_eq!(error.to_string().lines().count(), 1);
                // Where ids are narrower than the pattern.
                let narrower = matches!(error.fault(), IdFault::Character(_) | IdFault::Mark);
                prop_assert!(narrower || !matches_the_pattern(&text), "{:?}", text);
            }
        }
    }

    #[test]
    fn a_library_stays_the_same_at_whatever_version(
        text in "(/@?[a-c@]{1,3}){2,3}",
        version in "@?[a-c@]{1,3}",
    ) {
        let Ok(id) = text.parse::<Context7Id>() else {
            return Ok(());
        };
        let bare = id.without_version();
        prop_assert_eq!((bare.owner(), bare.name()), (id.owner(), id.name()));
        prop_assert_eq!(bare.version(), None);
        match id.with_version(&version) {
            Ok(other) => {
                prop_assert_eq!((other.owner(), other.name()), (id.owner(), id.name()));
                prop_assert_eq!(other.version(), Some(version.as_str()));
                prop_assert_eq!(other.without_version(), bare);
            }
            Err(error) => prop_assert_eq!(error.fault(), IdFault::Mark),
        }
        let segments: Vec<_> = id.legacy_segments().collect();
        prop_assert!((2..=3).contains(&segments.len()), "{:?}", segments);
    }

    #[test]
    fn pasting_never_panics_and_gives_what_parses(text in "\\PC{0,60}") {
        if let Ok(id) = Context7Id::from_pasted(&text) {
            prop_assert_eq!(id.as_str().parse::<Context7Id>().unwrap(), id);
        }
    }
}
