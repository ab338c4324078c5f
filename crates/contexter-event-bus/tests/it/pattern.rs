//! Which types a pattern matches.

use contexter_event_bus::Pattern;
use proptest::prelude::*;

#[test]
fn the_truth_table_holds() {
    for (pattern, matching, others) in [
        (
            "a.b",
            &["a.b"][..],
            &["a", "a.b.c", "a.c", "A.b", "ab", "a.bb"][..],
        ),
        ("a.*", &["a.b", "a.c"], &["a", "a.b.c", "b.a"]),
        ("*", &["a", "bc"], &["a.b"]),
        ("*.*", &["a.b"], &["a", "a.b.c"]),
        (
            "a.*.c",
            &["a.b.c", "a.c.c"],
            &["a.c", "a.b.b.c", "a.b.d", "b.b.c"],
        ),
        ("*.b", &["a.b", "b.b"], &["b", "a.c", "c.a.b"]),
        (
            "a.>",
            &["a.b", "a.b.c", "a.b.c.d"],
            &["a", "b.a", "b.a.c", "ab.c"],
        ),
        ("a.*.>", &["a.b.c", "a.b.c.d"], &["a.b", "a"]),
        (">", &["a", "a.b", "a.b.c"], &[]),
    ] {
        let parsed: Pattern = pattern.parse().unwrap();
        for event_type in matching {
            assert!(parsed.matches(event_type), "{pattern} misses {event_type}");
        }
        for event_type in others {
            assert!(!parsed.matches(event_type), "{pattern} takes {event_type}");
        }
    }
}

#[test]
fn broken_patterns_are_refused_by_name() {
    for pattern in [
        "", ".", "a.", ".a", "a..b", "a.>.b", ">.a", "a*", "a.b>", "**", "a.>>", "a b", "a.\t",
        "a.\u{0}", "a.b\n",
    ] {
        let error = pattern.parse::<Pattern>().unwrap_err().to_string();
        assert!(error.contains(&format!("{pattern:?}")), "{error}");
    }
}

/// The rules, read as a recursion over lists.
fn naive(pattern: &[&str], tokens: &[&str]) -> bool {
    match (pattern, tokens) {
        ([], []) | ([">"], [_, ..]) => true,
        (["*", pattern @ ..], [_, tokens @ ..]) => naive(pattern, tokens),
        ([wanted, pattern @ ..], [token, tokens @ ..]) => wanted == token && naive(pattern, tokens),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_the_rules(
        mut pattern in prop::collection::vec(prop::sample::select(&["a", "b", "*"][..]), 1..5),
        open in any::<bool>(),
        tokens in prop::collection::vec(prop::sample::select(&["a", "b", "c"][..]), 1..6),
    ) {
        if open {
            pattern.push(">");
        }
        let parsed: Pattern = pattern.join(".").parse().unwrap();
        prop_assert_eq!(parsed.matches(&tokens.join(".")), naive(&pattern, &tokens));
    }

    #[test]
    fn no_text_makes_parsing_or_matching_panic(pattern: String, event_type: String) {
        if let Ok(pattern) = pattern.parse::<Pattern>() {
            let _ = pattern.matches(&event_type);
            prop_assert!(!pattern.as_str().is_empty());
        }
    }
}
