//! Keys as a variable spells them, and as others do.

use std::collections::BTreeMap;

use contexter_config::{Config, Loader};
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Server {
    bind_address: String,
    port: u16,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    web_server: Server,
}

const VARIABLES: [(&str, &str); 2] = [
    ("APP__WEBSERVER__BIND_ADDRESS", "::1"),
    ("APP__WEBSERVER__PORT", "80"),
];

fn config() -> Config<Settings> {
    let loader = Loader::new().variables("APP", VARIABLES);
    loader.load().unwrap()
}

#[test]
fn a_key_of_a_variable_is_found_however_it_is_spelled() {
    let config = config();
    for key in ["webServer.bind-address", "webserver.bind_address"] {
        assert_eq!(config.section::<String>(key).unwrap(), "::1", "{key}");
        let origin = config.origin(key).unwrap();
        assert_eq!(origin.to_string(), "APP__WEBSERVER__BIND_ADDRESS");
    }
    let server = config.section::<Server>("webServer").unwrap();
    assert_eq!(server, config.current().web_server);

    let loader = Loader::new().variables("APP", [("APP__SERVICES__VOYAGE_AI__PORT", "5")]);
    let services = loader.load::<serde_json::Value>().unwrap();
    assert_eq!(services.service::<Server>("voyage-ai").unwrap().port, 5);
}

#[test]
fn a_key_of_a_file_is_found_only_as_it_is_spelled() {
    let loader = Loader::new().defaults("d.yaml", "webServer: {port: 5}");
    let config = loader.load::<Settings>().unwrap();
    assert!(config.origin("webserver").is_none());
    assert!(config.origin("webServer").is_some());
}

#[test]
fn an_override_of_one_key_keeps_what_variables_say_of_the_others() {
    let loader = Loader::new().variables("APP", VARIABLES);
    let config = loader.set("webServer.port", 81).load::<Settings>().unwrap();
    let expected = |address: &str, port| Settings {
        web_server: Server {
            bind_address: address.to_owned(),
            port,
        },
    };
    assert_eq!(*config.current(), expected("::1", 81));
    config.update("webServer.bind-address", "::2").unwrap();
    assert_eq!(*config.current(), expected("::2", 81));
    config.update("webServer", json!({"port": 82})).unwrap();
    assert_eq!(*config.current(), expected("::2", 82));
    assert_eq!(config.section::<u16>("webServer.port").unwrap(), 82);
}

#[tokio::test(start_paused = true)]
async fn an_override_is_noticed_by_who_watches_the_key_of_a_variable() {
    let config = config();
    let mut watch = config.watch("webServer.port").unwrap();
    config.update("webServer.bind-address", "::2").unwrap();
    let second = std::time::Duration::from_secs(1);
    assert!(tokio::time::timeout(second, watch.changed()).await.is_err());
    config.update("webServer.port", 81).unwrap();
    assert_eq!(watch.changed().await.unwrap().web_server.port, 81);
}

#[test]
fn the_spelling_of_the_program_is_kept_and_no_key_is_lost() {
    type Map = BTreeMap<String, BTreeMap<String, u8>>;
    let loader = Loader::new().variables("APP", [("APP__VOYAGE_AI__X", "1")]);
    let config = loader.load::<Map>().unwrap();
    config.update("voyage-ai.y", 2).unwrap();
    let map = serde_json::to_value(&*config.current()).unwrap();
    assert_eq!(map, json!({"voyage-ai": {"x": 1, "y": 2}}));

    // Two keys of one layer are two, even if they are alike.
    let loader = Loader::new().variables("APP", [("APP__M__A", "1")]);
    let config = loader.set("m", json!({"A": 2, "a": 3})).load::<Map>();
    let map = serde_json::to_value(&*config.unwrap().current()).unwrap();
    assert_eq!(map, json!({"m": {"A": 2, "a": 3}}));
}
