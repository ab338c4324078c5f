//! A scalar gets its type from who reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::{fault, yaml};

fn text(written: &str) -> String {
    #[derive(Deserialize)]
    struct Holder {
        it: String,
    }
    let document = format!("it: {written}\nnext: 1\n");
    yaml::<Holder>(&document).unwrap().it.clone()
}

#[test]
fn text_stays_as_it_was_written() {
    for written in [
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "False",
        "0755",
        "-007",
        "1.10",
        "1.0",
        "1e3",
        "+5",
        "0x1F",
        "0o17",
        "1_000",
        ".inf",
        ".nan",
        "1e999",
        "12345678901234567890123",
        "12:30:45",
        "2026-11-23",
        "1.54.1",
        "a b",
    ] {
        assert_eq!(text(written), written);
    }
}

#[test]
fn text_next_to_a_comment_or_in_brackets_is_cut_where_it_ends() {
    #[derive(Deserialize)]
    struct Holder {
        it: Vec<String>,
        last: String,
    }
    let holder = yaml::<Holder>("it: [1.10, no , 0755]   # comment\nlast: 1.20 # comment").unwrap();
    assert_eq!(holder.it, ["1.10", "no", "0755"]);
    assert_eq!(holder.last, "1.20");
}

#[test]
fn quoted_and_block_text_is_unescaped() {
    assert_eq!(text("\"a\\tb\""), "a\tb");
    assert_eq!(text("'it''s'"), "it's");
    assert_eq!(text("|\n  one\n  two"), "one\ntwo\n");
    assert_eq!(text("!!str 1.10"), "1.10");
    assert_eq!(text("\"é€\""), "é€");
}

#[test]
fn positions_of_text_are_right_after_letters_of_several_bytes() {
    #[derive(Deserialize)]
    struct Holder {
        b: String,
    }
    assert_eq!(text("1.10 # é€😀"), "1.10");
    assert_eq!(yaml::<Holder>("a: é€😀 # ü\nb: 1.10").unwrap().b, "1.10");
}

#[test]
fn an_alias_is_the_text_it_stands_for() {
    #[derive(Deserialize)]
    struct Holder {
        a: String,
        b: String,
        c: f64,
    }
    let holder = yaml::<Holder>("a: &version 1.10\nb: *version\nc: *version").unwrap();
    assert_eq!((holder.a.as_str(), holder.b.as_str()), ("1.10", "1.10"));
    assert!((holder.c - 1.1).abs() < f64::EPSILON);
}

#[test]
fn numbers_and_booleans_are_read_where_they_are_expected() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct All {
        byte: u8,
        negative: i64,
        hex: u32,
        octal: u32,
        signed: i8,
        most: u64,
        fraction: f64,
        exponent: f32,
        whole: f64,
        infinite: f64,
        yes: bool,
        no: bool,
        letter: char,
    }
    let all = yaml::<All>(
        "{byte: 255, negative: -5, hex: 0x1F, octal: 0o17, signed: +5, most: 18446744073709551615,
          fraction: 1.50, exponent: 2e3, whole: 3, infinite: -.inf, yes: true, no: FALSE, letter: y}",
    );
    let expected = All {
        byte: 255,
        negative: -5,
        hex: 31,
        octal: 15,
        signed: 5,
        most: u64::MAX,
        fraction: 1.5,
        exponent: 2000.0,
        whole: 3.0,
        infinite: f64::NEG_INFINITY,
        yes: true,
        no: false,
        letter: 'y',
    };
    assert_eq!(*all.unwrap(), expected);
}

#[test]
fn text_that_two_readers_take_for_two_numbers_is_no_number() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Mode {
        mode: u32,
    }
    for written in ["0755", "1_000", "12:30", "\"5\"", "5.0", "inf", "", "~"] {
        assert!(
            yaml::<Mode>(&format!("mode: {written}")).is_err(),
            "{written}"
        );
    }
    assert_eq!(
        fault::<Mode>("mode: 0755"),
        "t.yaml:1:7: mode: expected u32, found text"
    );
}

#[test]
fn keys_are_text_whatever_they_look_like() {
    let map = yaml::<BTreeMap<String, u8>>("no: 1\n404: 2\n1.10: 3\ntrue: 4\n0755: 5").unwrap();
    let keys: Vec<_> = map.keys().map(String::as_str).collect();
    assert_eq!(keys, ["0755", "1.10", "404", "no", "true"]);
}

#[test]
fn nothing_is_none_an_empty_list_or_an_empty_section() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        depth: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        option: Option<String>,
        tilde: Option<u8>,
        list: Vec<u8>,
        section: Inner,
        map: BTreeMap<String, u8>,
    }
    let outer =
        yaml::<Outer>("option:\ntilde: ~\nlist:\nsection:\n  # depth: 5\nmap: null").unwrap();
    assert_eq!(
        *outer,
        Outer {
            option: None,
            tilde: None,
            list: vec![],
            section: Inner::default(),
            map: BTreeMap::new(),
        },
    );
}

#[test]
fn an_empty_file_is_an_empty_configuration() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Settings {
        port: u16,
    }
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "\u{feff}",
        "~",
        "{}",
    ] {
        assert_eq!(
            *yaml::<Settings>(text).unwrap(),
            Settings::default(),
            "{text:?}"
        );
    }
    assert_eq!(yaml::<Settings>("\u{feff}port: 5").unwrap().port, 5);
}

#[test]
fn variants_are_read_with_and_without_a_value() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Store {
        Embedded,
        Remote(String),
        Sized { gigabytes: u32 },
        Pair(u8, u8),
    }
    let stores = yaml::<BTreeMap<String, Store>>(
        "a: embedded\nb: {remote: no}\nc:\n  sized:\n    gigabytes: 5\nd: {pair: [1, 2]}\ne: {embedded: }",
    );
    let stores: Vec<_> = stores
        .unwrap()
        .values()
        .map(|store| format!("{store:?}"))
        .collect();
    assert_eq!(
        stores,
        [
            "Embedded",
            "Remote(\"no\")",
            "Sized { gigabytes: 5 }",
            "Pair(1, 2)",
            "Embedded",
        ],
    );
}

#[test]
fn durations_that_people_write_are_read() {
    #[derive(Deserialize)]
    struct Timeouts {
        #[serde(with = "contexter_service::duration")]
        a: Duration,
        #[serde(with = "contexter_service::duration")]
        b: Duration,
        #[serde(default, with = "contexter_service::duration::option")]
        c: Option<Duration>,
    }
    let timeouts = yaml::<Timeouts>("a: 1m 30s\nb: 5\nc: 250ms").unwrap();
    assert_eq!(timeouts.a, Duration::from_secs(90));
    assert_eq!(timeouts.b, Duration::from_secs(5));
    assert_eq!(timeouts.c, Some(Duration::from_millis(250)));
}

#[test]
fn untyped_readers_get_the_types_of_yaml() {
    let value = yaml::<serde_json::Value>("{a: 1, b: -2, c: 1.5, d: true, e: no, f: '1', g: [~]}");
    let expected = serde_json::json!({
        "a": 1, "b": -2, "c": 1.5, "d": true, "e": "no", "f": "1", "g": [null],
    });
    assert_eq!(*value.unwrap(), expected);
}

#[test]
fn merge_keys_fill_in_what_is_missing() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Service {
        host: String,
        version: String,
    }
    let services = yaml::<BTreeMap<String, Service>>(
        "base: &base {host: a, version: 1.10}\nother:\n  <<: *base\n  host: b\n",
    )
    .unwrap();
    assert_eq!(services["other"].host, "b");
    assert_eq!(services["other"].version, "1.10");
}
