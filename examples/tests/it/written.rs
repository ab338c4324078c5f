//! The configuration that the sandbox writes.

use std::fs;

use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{BrightDataAdapter, FetchByProxy};
use contexter_config::Loader;
use contexter_model::SearchWeb;
use contexter_sandbox::{Sandbox, SandboxConfig, Server};
use contexter_service::Service as _;
use serde::Deserialize;

use crate::program::{finish, remote};

const PAGE: &str = "https://docs.example.com/guide/install";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    services: Services,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Services {
    voyage_ai: contexter_voyage::Config,
    context7: contexter_context7::Config,
    brightdata: contexter_brightdata::Config,
    qdrant: contexter_qdrant::remote::Config,
}

async fn sandbox() -> (Sandbox, tempfile::TempDir) {
    let sandbox = Sandbox::start(SandboxConfig::new()).await.unwrap();
    (sandbox, tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn every_section_is_one_of_the_configuration_and_works() {
    let (sandbox, folder) = sandbox().await;
    let file = folder.path().join("sandbox.yaml");
    fs::write(&file, sandbox.config_yaml()).unwrap();
    let written = Loader::new().file(&file).load::<Written>().unwrap();
    let services = written.current().services.clone();
    services.voyage_ai.validate().unwrap();
    services.context7.validate().unwrap();
    services.brightdata.validate().unwrap();
    services.qdrant.validate().unwrap();

    let adapter = BrightDataAdapter::new(services.brightdata).unwrap();
    let search = adapter.capabilities().handle::<SearchWeb>().unwrap();
    let found = search.call(SearchWeb::new("packages for Debian")).await;
    assert_eq!(found.unwrap()[0].url, PAGE);
    let proxy = adapter.capabilities().handle::<FetchByProxy>().unwrap();
    let page = proxy.call(FetchByProxy::new(PAGE)).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(sandbox.faults().requests(Server::BrightdataProxy) > 0);
}

#[tokio::test]
async fn without_a_zone_the_pages_come_by_the_proxy() {
    let (sandbox, folder) = sandbox().await;
    let config = sandbox.config_yaml();
    let zone = format!("    zone: {:?}\n", sandbox.brightdata().zone());
    assert!(config.contains(&zone), "{config}");
    let file = folder.path().join("proxied.yaml");
    fs::write(&file, config.replace(&zone, "")).unwrap();
    let args = ["index", "--library", "/web/ferry", "--config"];
    let args = [args.as_slice(), &[file.to_str().unwrap()]].concat();
    let said = finish(remote(&folder.path().join("data"), &args)).await;
    let said = said.success();
    assert!(said.starts_with("4 documents indexed"), "{said}");
    assert!(sandbox.faults().requests(Server::BrightdataProxy) >= 4);
}
