//! For any set of layers, a value is the one that the highest layer gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use contexter_config::Loader;
use proptest::prelude::*;

/// Which keys a layer sets; each value is the name of the layer.
type Layer = BTreeSet<(u8, u8)>;

fn layer() -> impl Strategy<Value = Layer> {
    prop::collection::btree_set((0u8..3, 0u8..3), 0..9)
}

fn as_yaml(layer: &Layer, name: &str) -> String {
    let mut sections: BTreeMap<u8, String> = BTreeMap::new();
    for (section, key) in layer {
        writeln!(sections.entry(*section).or_default(), "  k{key}: {name}").unwrap();
    }
    sections
        .iter()
        .fold(String::new(), |mut text, (section, keys)| {
            write!(text, "s{section}:\n{keys}").unwrap();
            text
        })
}

proptest! {
    #[test]
    fn the_highest_layer_that_sets_a_key_decides(
        first in layer(),
        second in layer(),
        variables in layer(),
        overrides in layer(),
    ) {
        let mut loader = Loader::new();
        for (section, key) in &overrides {
            loader = loader.set(format!("s{section}.k{key}"), "override");
        }
        let variables_of_layer = variables.iter()
            .map(|(section, key)| (format!("P__S{section}__K{key}"), "variable"));
        let config = loader
            .defaults("1.yaml", as_yaml(&first, "first"))
            .variables("P", variables_of_layer)
            .defaults("2.yaml", as_yaml(&second, "second"))
            .load::<BTreeMap<String, BTreeMap<String, String>>>()
            .unwrap();

        let mut expected: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let layers = [
            (&first, "first"),
            (&second, "second"),
            (&variables, "variable"),
            (&overrides, "override"),
        ];
        for (layer, name) in layers {
            for (section, key) in layer {
                let section = expected.entry(format!("s{section}")).or_default();
                section.insert(format!("k{key}"), name.to_owned());
            }
        }
        prop_assert_eq!(&*config.current(), &expected);
    }

    #[test]
    fn plain_text_arrives_as_it_was_written(text in "[a-zA-Z0-9_.+-]{1,20}") {
        prop_assume!(!matches!(text.as_str(), "null" | "Null" | "NULL"));
        // These begin a list entry, a document or the end of one.
        prop_assume!(!matches!(text.as_str(), "-" | "---" | "..."));
        let config = Loader::new()
            .defaults("t.yaml", format!("it: {text}"))
            .load::<BTreeMap<String, String>>()
            .unwrap();
        prop_assert_eq!(&config.current()["it"], &text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s)[\\[\\]{}:,&*!|>'\"%@`# \n\ta-c0-2-]{0,60}") {
        let _ = Loader::new().defaults("t.yaml", text).load::<serde_json::Value>();
    }
}
