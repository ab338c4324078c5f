//! Search results.

use contexter_brightdata::{Engine, SearchPage, UnreadableResults, read_results};
use contexter_model::{ErrorKind, SearchWeb};
use contexter_testkit::Scripted;
use serde_json::{Value, json};

use super::fixture::{call, start};

fn results(urls: &[&str]) -> Scripted {
    let organic: Vec<Value> = urls
        .iter()
        .map(|url| json!({ "link": url, "title": format!("T {url}"), "description": "D" }))
        .collect();
    let body = json!({
        "general": { "search_engine": "google", "results_cnt": 1200 },
        "organic": organic,
        "related": [{ "text": "more" }],
        "knowledge": { "name": "K" },
    });
    Scripted::json(200, body)
}

#[tokio::test]
async fn a_search_is_asked_for_as_documented_and_read() {
    let (server, adapter) = start(vec![results(&["https://a.org/"])]).await;
    let search = SearchPage::new("rust & async")
        .country("de")
        .language("en")
        .start(10);
    let page = call(&adapter, search).await.unwrap();
    assert_eq!(
        server.requests()[0].json(),
        json!({
            "zone": "serp_api1",
            "url": "https://www.google.com/search?q=rust+%26+async&gl=de&hl=en&start=10&brd_json=1",
            "format": "raw",
        })
    );
    assert_eq!(page.organic[0].url, "https://a.org/");
    assert_eq!(
        (page.organic[0].rank, page.organic[0].title.as_str()),
        (1, "T https://a.org/")
    );
    assert_eq!(
        (page.total, page.related),
        (Some(1200), vec!["more".to_owned()])
    );
    assert_eq!(page.rest["knowledge"]["name"], "K");
}

#[tokio::test]
async fn each_engine_is_asked_in_its_way() {
    let (server, adapter) = start(vec![results(&["https://a.org/"])]).await;
    let bing = SearchPage::new("x")
        .engine(Engine::Bing)
        .start(10)
        .country("us");
    call(&adapter, bing).await.unwrap();
    call(&adapter, SearchPage::new("x").light()).await.unwrap();
    let bodies: Vec<Value> = server
        .requests()
        .iter()
        .map(contexter_testkit::Recorded::json)
        .collect();
    assert_eq!(
        bodies[0]["url"],
        "https://www.bing.com/search?q=x&cc=us&first=11"
    );
    assert_eq!(bodies[0]["data_format"], "parsed_bing");
    assert_eq!(bodies[1]["url"], "https://www.google.com/search?q=x");
    assert_eq!(bodies[1]["data_format"], "parsed_light");

    let yandex = SearchPage::new("x").engine(Engine::Yandex);
    let error = call(&adapter, yandex).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_zone_that_does_not_parse_is_told_apart_from_a_search_without_results() {
    let (_server, adapter) = start(vec![
        Scripted::text(200, "<!doctype html><html>results</html>"),
        Scripted::json(200, json!({ "general": {}, "organic": [] })),
    ])
    .await;
    let error = call(&adapter, SearchWeb::new("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.message(),
        "the page of results came unread: the zone does not parse results"
    );
    assert_eq!(call(&adapter, SearchWeb::new("x")).await.unwrap(), []);
}

#[tokio::test]
async fn a_search_takes_as_many_pages_as_it_needs_and_no_result_twice() {
    let script = vec![
        results(&["https://a.org/", "https://b.org/"]),
        results(&["https://b.org/", "https://c.org/"]),
        results(&["https://c.org/"]),
    ];
    let (server, adapter) = start(script).await;
    let found = call(&adapter, SearchWeb::new("x").limit(20)).await.unwrap();
    let urls: Vec<&str> = found.iter().map(|result| result.url.as_str()).collect();
    assert_eq!(urls, ["https://a.org/", "https://b.org/", "https://c.org/"]);
    // The third page brought nothing new.
    assert_eq!(server.requests().len(), 3);

    let (server, adapter) = start(vec![results(&["https://a.org/", "https://b.org/"])]).await;
    assert_eq!(
        call(&adapter, SearchWeb::new("x").limit(1))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        call(&adapter, SearchWeb::new("x").limit(0)).await.unwrap(),
        []
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn results_are_read_leniently_and_never_invented() {
    let read = |body: Value| read_results(body.to_string().as_bytes());
    let page = read(json!({ "organic": [
        { "url": "https://a.org/", "snippet": "s", "rank": 7 },
        { "title": "leads nowhere" },
        "nonsense",
        { "link": "https://b.org/", "rank": -1 },
    ]}))
    .unwrap();
    assert_eq!(page.organic.len(), 2);
    assert_eq!(
        (page.organic[0].rank, page.organic[0].description.as_str()),
        (7, "s")
    );
    assert_eq!(page.organic[1].rank, 4);
    assert_eq!(
        read(json!({ "other": 1 })).unwrap_err(),
        UnreadableResults::NoResults
    );
    assert_eq!(
        read(json!({ "organic": "x" })).unwrap_err(),
        UnreadableResults::NoResults
    );
    assert_eq!(read(json!([])).unwrap_err(), UnreadableResults::NotParsed);
    assert!(matches!(
        read_results(b"{\"organic\": [").unwrap_err(),
        UnreadableResults::Malformed { line: 1, .. }
    ));
}

#[tokio::test]
async fn a_search_that_cannot_be_made_is_not_sent() {
    let (server, adapter) = start(vec![results(&[])]).await;
    for search in [
        SearchPage::new("  "),
        SearchPage::new("x".repeat(3000)),
        SearchPage::new("x").country("usa"),
        SearchPage::new("x").language("&hl"),
    ] {
        let error = call(&adapter, search).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn results_that_are_paid_for_are_returned_though_a_later_page_fails() {
    let refused = Scripted::text(401, "Auth method is not supported");
    let first = results(&["https://a.org/", "https://b.org/"]);
    let (server, adapter) = start(vec![first, refused.clone()]).await;
    let found = call(&adapter, SearchWeb::new("x").limit(20)).await.unwrap();
    let urls: Vec<&str> = found.iter().map(|result| result.url.as_str()).collect();
    assert_eq!(urls, ["https://a.org/", "https://b.org/"]);
    assert_eq!(server.requests().len(), 2);

    let (_server, adapter) = start(vec![refused]).await;
    let error = call(&adapter, SearchWeb::new("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}
