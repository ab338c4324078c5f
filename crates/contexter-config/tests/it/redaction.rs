//! Keys and passwords in what others say.

use contexter_config::Secrets;
use proptest::prelude::*;

#[test]
fn a_secret_is_hidden_wherever_it_is_and_also_within_another() {
    let secrets = Secrets::new(["key-1", "key-12", "abc", "aaaa"]);
    assert_eq!(
        secrets.hide("key-12 and key-1 and abc and aaaaaa"),
        "[redacted] and [redacted] and abc and [redacted]"
    );
    assert_eq!(secrets.hide("key-1key-12"), "[redacted][redacted]");
    assert!(secrets.are_in("a KEY-1") && !secrets.are_in("key-"));
    assert!(!Secrets::new([" \n \n "]).are_in("a  \n \n  b"));
    assert_eq!(format!("{secrets:?}"), "[redacted]");
}

#[test]
fn a_secret_is_hidden_however_it_is_written() {
    let secrets = Secrets::new(["pa-1/\"s3 cr3t+"]);
    for written in [
        "pa-1/\"s3 cr3t+",
        "PA-1/\"S3 CR3T+",
        "pa-1%2F%22s3%20cr3t%2B",
        "pa-1%2f%22s3%20cr3t%2b",
        "pa%2D1%2F%22s3%20cr3t%2B",
        "pa-1%2F%22s3+cr3t%2B",
        "pa-1/\\\"s3 cr3t+",
        "pa-1\\/\\\"s3 cr3t+",
        "pa-1/\"s3\r\n\tcr3t+",
        "cGEtMS8iczMgY3IzdCs",
    ] {
        assert_eq!(secrets.told(&format!("not {written}!")), "not [redacted]!");
    }
}

#[test]
fn a_secret_is_hidden_where_each_program_writes_it_otherwise() {
    for (secret, written) in [
        ("p*a/ss", "p*a%2Fss"),
        ("a!b/c", "a!b%2Fc"),
        ("p w/x", "p%20w/x"),
        ("p w/x~", "p+w%2Fx%7E"),
        ("p+w/x~", "p%2Bw%2fx~"),
        ("p\u{e4}ss", r"p\u00e4ss"),
        ("p\u{e4}ss", r"P\u00E4SS"),
        ("p\u{e4}ss", "p%C3%A4ss"),
        ("p\u{1f511}ss", r"p\ud83d\udd11ss"),
        ("p/\"ss", r#"p\/\"ss"#),
        ("p/\"ss", r"\u0070\u002F\u0022ss"),
        ("p/\"ss", r"p%2F%5C%22ss"),
        ("p/\"ss", "p&#x2F;&quot;ss"),
        ("p'<&>ss", "p&#39;&lt;&amp;&gt;ss"),
        ("p'<&>ss", "p&apos;%3C%26amp;%3ess"),
        ("p\u{e4}'ss", r"p\xc3\xa4\'ss"),
        ("p%2Fss", "p%2Fss"),
        ("p%2Fss", "p%252Fss"),
        ("p\\u0041", "p\\u0041"),
        ("p\\u0041", r"p\\u0041"),
    ] {
        let secrets = Secrets::new([secret]);
        let said = format!("not \u{fc}{written}%!");
        assert_eq!(secrets.told(&said), "not \u{fc}[redacted]%!", "{secret}");
        assert_eq!(secrets.hide(&said), "not \u{fc}[redacted]%!", "{secret}");
        assert!(secrets.are_in(&said), "{secret}");
    }
}

#[test]
fn what_looks_like_an_escape_and_is_none_is_left_as_it_is() {
    let secrets = Secrets::new(["s3cr3t"]);
    for text in [
        r"100% \u00 \ud83d \ud83dx \q %",
        r"%zz%2 \u+0ff %c3 \",
        r"\x \xz a & b &amp &; &#; &#x; &#1114112; &nbsp;",
        "1 + 1 = 2\u{e4}",
        "",
    ] {
        assert_eq!(secrets.hide(text), text);
        assert_eq!(
            secrets.hide(&format!("{text}s3cr3t")),
            format!("{text}[redacted]")
        );
    }
}

#[test]
fn a_secret_is_hidden_where_it_is_torn() {
    let secret = "pa-1/\"s3 cr3t+";
    let secrets = Secrets::new([secret]);
    let spread: String = secret.chars().flat_map(|c| [c, '\u{200b}']).collect();
    assert_eq!(secrets.told(&spread), "[redacted]");
    for at in 1..secret.len() {
        for tear in ["\u{200b}", "\u{1}", "%e2%80%8b", r"\u200b"] {
            let (one, two) = secret.split_at(at);
            let said = format!("not {one}{tear}{two}!");
            assert_eq!(secrets.hide(&said), "not [redacted]!", "{said:?}");
            assert_eq!(secrets.told(&said), "not [redacted]!", "{said:?}");
        }
    }
}

#[test]
fn a_secret_is_hidden_before_a_text_is_cut() {
    let secrets = Secrets::new(["s3cr3t-key"]);
    for filling in 280..=300 {
        for written in ["s3cr3t-key", "s\u{200b}3cr3t-key", "S3CR3T%2DKEY"] {
            let told = secrets.told(&format!("{}{written} and more", "x".repeat(filling)));
            assert!(!told.to_lowercase().contains("s3"), "{told}");
            assert!(told.chars().count() <= 300, "{told}");
        }
    }
}

#[test]
fn a_beginning_at_the_end_is_hidden_if_the_text_was_cut_off() {
    let secrets = Secrets::new(["pa/s3cr3t"]);
    for (text, shown) in [
        ("no pa/s3cr3", "no [redacted]"),
        ("no pa%2Fs3cr…", "no [redacted]…"),
        ("no pa/s3cr3t……", "no [redacted]……"),
        ("no pa/s", "no [redacted]"),
        ("no pa/", "no pa/"),
        ("no pa/s3 go", "no pa/s3 go"),
    ] {
        assert_eq!(secrets.hide_cut_off(text), shown);
    }
}

/// How programs write a text: what begins an escape there, and the ways in which [`written`] has it.
const WRITINGS: [(char, &[u8]); 3] = [
    ('%', &[0, 1, 2]),
    ('\\', &[0, 1, 3, 4]),
    ('&', &[0, 1, 5, 6]),
];

/// A character as it is, as its capital, and escaped in an address, in JSON, in a literal and in HTML.
fn written(character: char, way: u8) -> String {
    let (mut units, mut bytes) = ([0; 2], [0; 4]);
    let units = character.encode_utf16(&mut units).iter();
    let bytes = character.encode_utf8(&mut bytes).bytes();
    match way {
        0 => character.to_string(),
        1 => character.to_ascii_uppercase().to_string(),
        2 => bytes.fold(String::new(), |text, byte| format!("{text}%{byte:02x}")),
        3 => units.fold(String::new(), |text, unit| format!(r"{text}\u{unit:04X}")),
        4 => bytes.fold(String::new(), |text, byte| format!(r"{text}\x{byte:02x}")),
        5 => format!("&#x{:x};", u32::from(character)),
        _ => format!("&#{};", u32::from(character)),
    }
}

/// A secret, and how a program writes it, with characters between that do not show.
fn secret_as_written() -> impl Strategy<Value = (String, String)> {
    let character = prop_oneof![
        prop::char::range('a', 'z'),
        prop::char::range('!', '~'),
        prop::sample::select(vec!['\u{e4}', '\u{df}', '\u{2013}', '\u{1f511}']),
    ];
    let secret = prop::collection::vec(
        (character, any::<prop::sample::Index>(), any::<bool>()),
        4..12,
    );
    (secret, prop::sample::select(WRITINGS.to_vec())).prop_map(|(secret, (special, ways))| {
        let said = secret.iter().map(|(character, way, is_torn)| {
            let escaped = ways.get(2..).unwrap_or_default();
            let ways = if *character == special { escaped } else { ways };
            let tear = if *is_torn { "\u{200b}" } else { "" };
            format!("{}{tear}", written(*character, *way.get(ways)))
        });
        (
            secret.iter().map(|(character, ..)| character).collect(),
            said.collect(),
        )
    })
}

proptest! {
    #[test]
    fn a_secret_is_found_in_any_mix_of_the_ways_of_a_program((secret, said) in secret_as_written()) {
        let secrets = Secrets::new([secret]);
        let in_json = said.replace('\\', r"\\").replace('"', "\\\"").replace('/', r"\/");
        let in_query = said.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        for said in [said, in_json, in_query] {
            let said = format!("no {said}!");
            prop_assert!(secrets.are_in(&said), "{said}");
            prop_assert!(secrets.hide(&said).starts_with("no [redacted]"), "{said}");
            let told = secrets.told(&said);
            prop_assert!(told.starts_with("no [redacted]"), "{said}");
            prop_assert!(!secrets.are_in(&told), "{said}: {told}");
        }
    }

    #[test]
    fn nothing_that_is_left_of_a_text_is_a_secret(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
        filling in 0..320_usize,
    ) {
        let text = format!("{}{}", "x".repeat(filling), pieces.concat());
        let secrets = Secrets::new(["s3cr3t", "cr3t\\", "\\u0073s3", "%5cs3cr"]);
        for shown in [secrets.hide(&text), secrets.hide_cut_off(&text), secrets.told(&text)] {
            prop_assert!(!secrets.are_in(&shown), "{text:?}: {shown:?}");
        }
    }
}

/// What texts are put together of that are hard to read.
const PIECES: [&str; 20] = [
    "s3", "cr", "3t", "s3cr3t", "S3CR", "%", "5c", "\\", "u0073", "x73", "%73", "&#", "x73;", "+",
    " ", "\n", "\u{200b}", "\u{2026}", "\u{e4}", "czNjcjN0",
];
