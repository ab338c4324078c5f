//! Zones, and the proxy that each is a user of.

use contexter_http::{Api, Auth, Client, Config, Proxy, Reply};
use contexter_sandbox::{BrightDataConfig, Sandbox};
use serde_json::{Value, json};

use super::{PAGE, post, start};

#[tokio::test]
async fn zones_are_made_used_and_removed() {
    let (_sandbox, api) = start(BrightDataConfig::new()).await;
    let page = json!({ "zone": "my_zone", "url": PAGE, "format": "raw" });
    assert_eq!(post(&api, "request", &[], &page).await.status(), 400);
    // As `@brightdata/sdk` 0.2.0 and `brightdata-sdk` 2.5.2 have it, in this order.
    let unlocker = json!({ "zone": { "name": "my_zone", "type": "unblocker" }, "plan": { "type": "unblocker", "serp": false } });
    let search = json!({ "zone": { "name": "my_search", "type": "serp" }, "plan": { "type": "unblocker", "serp": true } });
    for zone in [&unlocker, &search] {
        assert_eq!(post(&api, "zone", &[], zone).await.status(), 200);
        assert_eq!(post(&api, "zone", &[], zone).await.status(), 409);
    }
    for refused in [
        json!({ "zone": { "name": "a-b", "type": "unblocker" } }),
        json!({ "zone": { "name": "_ab", "type": "unblocker" } }),
        json!({ "zone": { "name": "my_other", "type": "dc" } }),
        json!({ "name": "my_other" }),
    ] {
        assert_eq!(post(&api, "zone", &[], &refused).await.status(), 400);
    }
    let reply = post(&api, "request", &[], &page).await;
    assert!(reply.text().unwrap().contains("Copying a folder"));
    let found = json!({
        "zone": "my_search",
        "url": "https://www.google.com/search?q=differences&brd_json=1",
        "format": "raw",
    });
    let found: Value = post(&api, "request", &[], &found).await.json().unwrap();
    assert_eq!(found["organic"][0]["link"], PAGE);
    let zones: Value = api
        .get("zone/get_active_zones")
        .send()
        .await
        .unwrap()
        .json()
        .unwrap();
    let types: Vec<&str> = zones
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| zone["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["serp", "unblocker", "serp", "unblocker"]);
}

/// Asks for `http://{target}` through the proxy.
async fn through(proxy: Proxy, target: &str, query: Option<&str>) -> Reply {
    let client = Client::new(&Config::default().proxy(proxy)).unwrap();
    let api = Api::new(&client, &format!("http://{target}"), Auth::None).unwrap();
    api.get("").raw_query(query).send().await.unwrap()
}

/// The proxy, for a user of this zone.
fn proxy(sandbox: &Sandbox, zone: &str, password: &str) -> Proxy {
    let proxy = &sandbox.addresses().brightdata_proxy;
    let (_, address) = proxy.rsplit_once('@').unwrap();
    let user = format!(
        "brd-customer-{}-zone-{zone}",
        sandbox.brightdata().customer()
    );
    let proxy = Proxy::new(&format!("http://{address}")).unwrap();
    proxy.basic_auth(user, password)
}

async fn password(api: &Api, zone: &str) -> String {
    let request = api.get("zone/passwords").query("zone", zone);
    let told: Value = request.send().await.unwrap().json().unwrap();
    told["passwords"][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_proxy_takes_every_zone_by_its_own_password_until_it_is_removed() {
    let page = "docs.example.com/guide/copy";
    let (sandbox, api) = start(BrightDataConfig::new()).await;
    let unlocker = json!({ "zone": { "name": "my_zone", "type": "unblocker" } });
    let search = json!({ "zone": { "name": "my_search", "type": "serp" } });
    for zone in [unlocker, search] {
        assert_eq!(post(&api, "zone", &[], &zone).await.status(), 200);
    }
    let server = sandbox.brightdata();
    let zones = [server.zone(), server.serp_zone(), "my_zone", "my_search"];
    let mut passwords = Vec::new();
    for zone in zones {
        passwords.push(password(&api, zone).await);
    }
    assert_eq!(passwords[0], server.zone_password());
    for (place, zone) in zones.into_iter().enumerate() {
        let own = through(proxy(&sandbox, zone, &passwords[place]), page, None).await;
        assert_eq!(own.status(), 200, "{zone}");
        assert!(own.text().unwrap().contains("Copying a folder"), "{zone}");
        let others = &passwords[(place + 1) % zones.len()];
        let wrong = through(proxy(&sandbox, zone, others), page, None).await;
        assert_eq!(wrong.status(), 407, "{zone}");
        assert_eq!(wrong.header("x-brd-err-code"), Some("client_10000"));
    }
    for zone in zones {
        let gone = api.delete("zone").json(&json!({ "zone": zone }));
        assert_eq!(gone.send().await.unwrap().status(), 200);
    }
    for (zone, password) in zones.into_iter().zip(&passwords) {
        let gone = through(proxy(&sandbox, zone, password), page, None).await;
        assert_eq!(gone.status(), 407, "{zone}");
        assert_eq!(gone.header("x-brd-err-code"), Some("client_10002"));
    }
}

#[tokio::test]
async fn a_search_goes_through_a_search_zone_and_no_other() {
    let (sandbox, api) = start(BrightDataConfig::new()).await;
    let (engine, query) = ("www.google.com/search", Some("q=differences&brd_json=1"));
    let zone = sandbox.brightdata().serp_zone();
    let password = password(&api, zone).await;
    let found = through(proxy(&sandbox, zone, &password), engine, query).await;
    let found: Value = found.json().unwrap();
    assert_eq!(found["organic"][0]["link"], PAGE);
    let server = sandbox.brightdata();
    let unlocker = proxy(&sandbox, server.zone(), server.zone_password());
    let refused = through(unlocker, engine, query).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.header("x-brd-err-code"), Some("policy_20250"));
}

#[tokio::test]
async fn the_url_of_the_proxy_is_one_whatever_the_password() {
    let config = BrightDataConfig::new().zone_password("p@ss:w/rd?#%41+ [\u{fc}]");
    let (sandbox, _api) = start(config).await;
    let proxy = Proxy::new(&sandbox.addresses().brightdata_proxy).unwrap();
    let page = through(proxy, "docs.example.com/guide/copy", None).await;
    assert_eq!(page.status(), 200);
}
