//! What is sent, to the letter, and what the documented replies become.

use contexter_context7::{
    Content, FetchContext, Form, LegacyEndpoint, LegacyVersion, LibraryState, ReadLegacy,
    SearchContext, SearchLegacy, SearchLibraries, Trust,
};
use contexter_model::ResolveLibrary;
use contexter_testkit::Scripted;
use serde_json::json;

use crate::support::{KEY, ask, documentation, found, id, plain, rig, rig_with};

fn libraries() -> Scripted {
    Scripted::json(
        200,
        json!({
            "results": [
                {
                    "id": "/tokio-rs/tokio",
                    "title": "Tokio",
                    "description": "Asynchronous\n runtime",
                    "branch": "master",
                    "lastUpdateDate": "2026-08-01T09:12:00.000Z",
                    "state": "finalized",
                    "totalTokens": 412_345,
                    "totalSnippets": 1870,
                    "stars": 29000,
                    "trustScore": 9.2,
                    "benchmarkScore": 88.1,
                    "versions": ["tokio-1.40.0"],
                    "source": "https://github.com/tokio-rs/tokio"
                },
                {"id": "/websites/tokio_rs", "state": "processing", "stars": -1, "trustScore": -1},
                {"id": "/llmstxt/tokio_rs", "state": "frozen", "trustScore": 3.9}
            ],
            "searchFilterApplied": true
        }),
    )
}

#[tokio::test]
async fn every_request_is_a_get_below_the_base_url_with_the_key_in_one_header() {
    let rig = rig(vec![libraries()]).await;
    rig.call(SearchLibraries::new(" tokio ").for_task("run & cancel?"))
        .await
        .unwrap();
    let requests = rig.server.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(request.method, "GET");
    assert_eq!(
        request.path,
        "/api/v2/libs/search?libraryName=tokio&query=run+%26+cancel%3F"
    );
    assert_eq!(
        request.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert!(request.body.is_empty());
    for (name, value) in &request.headers {
        assert!(name == "authorization" || !value.contains(KEY), "{name}");
    }
    let agent = request.header("user-agent").unwrap();
    assert!(agent.starts_with("contexter/"), "{agent}");
}

#[tokio::test]
async fn an_anonymous_call_sends_no_key() {
    let mut config = plain();
    config.api_key = None;
    let rig = rig_with(vec![found()], config).await;
    rig.call(ask("/a/b")).await.unwrap();
    assert_eq!(rig.server.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn each_request_asks_its_endpoint_with_its_parameters() {
    let text = || Scripted::text(200, "documentation");
    let rig = rig(vec![
        libraries(),
        found(),
        text(),
        found(),
        text(),
        text(),
        Scripted::json(200, json!({"snippets": []})),
        Scripted::json(200, json!({"snippets": []})),
        libraries(),
        libraries(),
    ])
    .await;
    rig.call(SearchLibraries::new("tokio").fast(true))
        .await
        .unwrap();
    rig.call(FetchContext::new(id("/tokio-rs/tokio@v1+x"), "a b").fast(true))
        .await
        .unwrap();
    rig.call(ask("/npm/express").form(Form::Text))
        .await
        .unwrap();
    rig.call(
        SearchContext::new("retry")
            .libraries(["tokio", "/tower-rs/tower"])
            .version("1.0")
            .language("rust"),
    )
    .await
    .unwrap();
    rig.call(SearchContext::new("retry").form(Form::Text))
        .await
        .unwrap();
    let v1 = LegacyEndpoint::V1 {
        tokens: Some(5_000),
    };
    rig.call(ReadLegacy::new(id("/a/b%c"), v1).topic("x/y"))
        .await
        .unwrap();
    let code = LegacyEndpoint::CodeV2 {
        page: Some(2),
        limit: Some(10),
    };
    rig.call(ReadLegacy::new(id("/a/b/v1"), code).form(Form::Json))
        .await
        .unwrap();
    let info = LegacyEndpoint::InfoV2 {
        page: None,
        limit: None,
    };
    rig.call(ReadLegacy::new(id("/a/b"), info).form(Form::Json))
        .await
        .unwrap();
    rig.call(SearchLegacy::new("tokio", LegacyVersion::V1))
        .await
        .unwrap();
    rig.call(SearchLegacy::new("tokio", LegacyVersion::V2))
        .await
        .unwrap();
    assert_eq!(
        rig.paths(),
        [
            "/api/v2/libs/search?libraryName=tokio&query=tokio&fast=true",
            "/api/v2/context?libraryId=%2Ftokio-rs%2Ftokio%40v1%2Bx&query=a+b&type=json&fast=true",
            "/api/v2/context?libraryId=%2Fnpm%2Fexpress&query=how&type=txt",
            "/api/v3/search?query=retry&library=tokio&library=%2Ftower-rs%2Ftower&version=1.0\
             &language=rust&type=json",
            "/api/v3/search?query=retry&type=txt",
            "/api/v1/a/b%25c?type=txt&topic=x%2Fy&tokens=5000",
            "/api/v2/docs/code/a/b/v1?type=json&page=2&limit=10",
            "/api/v2/docs/info/a/b?type=json",
            "/api/v1/search?query=tokio",
            "/api/v2/search?query=tokio",
        ]
    );
}

#[tokio::test]
async fn a_search_tells_all_that_the_service_knows_and_minus_one_is_unknown() {
    let rig = rig(vec![libraries()]).await;
    let found = rig.call(SearchLibraries::new("tokio")).await.unwrap();
    assert!(found.filtered);
    let [tokio, website, llms] = found.libraries.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(tokio.id, id("/tokio-rs/tokio"));
    assert_eq!(tokio.title, "Tokio");
    assert_eq!(tokio.branch.as_deref(), Some("master"));
    assert_eq!(
        tokio.last_update.unwrap().to_string(),
        "2026-08-01T09:12:00Z"
    );
    assert_eq!(tokio.state, Some(LibraryState::Finalized));
    assert_eq!(
        (tokio.total_tokens, tokio.total_snippets, tokio.stars),
        (Some(412_345), Some(1_870), Some(29_000))
    );
    assert_eq!(
        (tokio.trust_score, tokio.benchmark_score),
        (Some(9.2), Some(88.1))
    );
    assert_eq!(tokio.versions, ["tokio-1.40.0"]);
    assert_eq!(
        tokio.source.as_deref(),
        Some("https://github.com/tokio-rs/tokio")
    );
    assert_eq!(tokio.trust(), Trust::High);
    assert_eq!(website.title, "tokio_rs");
    assert_eq!((website.stars, website.trust_score), (None, None));
    assert_eq!(website.trust(), Trust::Unknown);
    assert_eq!(llms.trust(), Trust::Low);
    assert_eq!(llms.state, Some(LibraryState::Other("frozen".to_owned())));
}

#[tokio::test]
async fn a_name_resolves_to_libraries_that_can_be_fetched() {
    let rig = rig(vec![libraries()]).await;
    let resolve = |limit| ResolveLibrary {
        name: "tokio".to_owned(),
        limit,
    };
    let found = rig.call(resolve(10)).await.unwrap();
    let ids: Vec<_> = found.iter().map(|library| library.id.as_str()).collect();
    assert_eq!(ids, ["/tokio-rs/tokio", "/llmstxt/tokio_rs"]);
    assert_eq!(found[0].description, "Asynchronous runtime");
    assert_eq!(rig.call(resolve(1)).await.unwrap().len(), 1);
    let all = ResolveLibrary {
        name: " ".to_owned(),
        limit: 1,
    };
    assert_eq!(
        rig.call(all).await.unwrap_err().to_string(),
        "context7 resolve_library: the service does not list its libraries; give the name of one"
    );
}

#[tokio::test]
async fn the_bare_list_of_older_pages_is_read_too() {
    let rig = rig(vec![Scripted::json(
        200,
        json!([{"id": "/a/b", "name": "B"}, {"id": "/c/d"}]),
    )])
    .await;
    let found = rig.call(SearchLibraries::new("b")).await.unwrap();
    assert_eq!(found.libraries[0].title, "B");
    assert_eq!(found.libraries[1].title, "d");
    assert!(!found.filtered);
}

#[tokio::test]
async fn documentation_as_data_keeps_every_field() {
    let rig = rig(vec![found()]).await;
    let context = rig.call(ask("/tokio-rs/tokio")).await.unwrap();
    assert_eq!(context.library, id("/tokio-rs/tokio"));
    assert!(!context.fell_back);
    let snippets = context.content.snippets().unwrap();
    let code = &snippets.code[0];
    assert_eq!(code.title.as_deref(), Some("Spawn a task"));
    assert_eq!(
        code.description.as_deref(),
        Some("Runs a future in the background.")
    );
    assert_eq!(code.language.as_deref(), Some("rust"));
    assert_eq!(code.tokens, Some(96));
    assert_eq!(code.page_title.as_deref(), Some("Tutorial"));
    assert_eq!(code.source_file.as_deref(), Some("README.md"));
    assert_eq!(code.blocks[0].code, "tokio::spawn(async {});");
    assert_eq!(code.blocks[0].language.as_deref(), Some("rust"));
    assert!(!code.is_dynamic);
    let info = &snippets.info[0];
    assert_eq!(
        info.page_id.as_deref(),
        Some("https://tokio.rs/tokio/topics")
    );
    assert_eq!(info.breadcrumb.as_deref(), Some("Topics > Shutdown"));
    assert_eq!(info.content, "Tell every task, then wait for all.");
    assert_eq!(snippets.rules.global, ["be brief"]);
    assert_eq!(snippets.tokens(), 306);
    assert_eq!(snippets.unreadable, 0);
}

#[tokio::test]
async fn a_search_through_libraries_says_which_one_a_snippet_is_from() {
    let mut reply = documentation();
    reply["codeSnippets"][0]["libraryId"] = json!("/tokio-rs/tokio");
    let rig = rig(vec![Scripted::json(200, reply)]).await;
    let content = rig.call(SearchContext::new("spawn")).await.unwrap();
    let snippets = content.snippets().unwrap();
    assert_eq!(snippets.code[0].library, Some(id("/tokio-rs/tokio")));
    assert_eq!(snippets.info[0].library, None);
}

#[tokio::test]
async fn documentation_is_cut_between_pieces() {
    let divider = "-".repeat(32);
    let text = format!("### One\n\nfirst\n\n{divider}\n\n### Two\n\nsecond\n");
    let rig = rig(vec![found(), Scripted::text(200, text)]).await;
    let context = rig.call(ask("/a/b").max_tokens(300)).await.unwrap();
    let snippets = context.content.snippets().unwrap();
    assert_eq!((snippets.code.len(), snippets.info.len()), (1, 0));
    let context = rig
        .call(ask("/a/b").form(Form::Text).max_tokens(13))
        .await
        .unwrap();
    assert_eq!(
        context.content,
        Content::Text("### One\n\nfirst".to_owned())
    );
}

#[tokio::test]
async fn a_long_query_is_cut_and_never_within_a_character() {
    let rig = rig(vec![found()]).await;
    rig.call(FetchContext::new(id("/a/b"), "ä".repeat(400)))
        .await
        .unwrap();
    let sent = format!("query={}&", "%C3%A4".repeat(250));
    assert!(rig.paths()[0].contains(&sent), "{:?}", rig.paths());
}

#[tokio::test]
async fn legacy_pages_say_where_they_are() {
    let reply = Scripted::json(
        200,
        json!({"snippets": [
            {"codeTitle": "T", "codeList": [{"language": "js", "code": "x"}]},
            {"content": "prose"}
        ]}),
    )
    .header("X-Context7-Page", "2")
    .header("X-Context7-Limit", "10")
    .header("X-Context7-Total-Pages", "3")
    .header("X-Context7-Has-Next", "true")
    .header("X-Context7-Has-Prev", "True")
    .header("X-Context7-Total-Tokens", "4321");
    let rig = rig(vec![reply]).await;
    let endpoint = LegacyEndpoint::CodeV2 {
        page: Some(2),
        limit: None,
    };
    let docs = rig
        .call(ReadLegacy::new(id("/a/b"), endpoint).form(Form::Json))
        .await
        .unwrap();
    let paging = docs.paging;
    assert_eq!(
        (paging.page, paging.limit, paging.total_pages),
        (Some(2), Some(10), Some(3))
    );
    assert_eq!((paging.has_next, paging.has_prev), (Some(true), Some(true)));
    assert_eq!(paging.total_tokens, Some(4_321));
    let snippets = docs.content.snippets().unwrap();
    assert_eq!((snippets.code.len(), snippets.info.len()), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_it_is_sent() {
    let rig = rig(vec![found()]).await;
    let mut refusals = Vec::new();
    let mut note = |error: contexter_model::Error| refusals.push(error.to_string());
    note(rig.call(SearchLibraries::new("")).await.unwrap_err());
    note(
        rig.call(SearchLibraries::new("n".repeat(501)))
            .await
            .unwrap_err(),
    );
    note(
        rig.call(FetchContext::new(id("/a/b"), " "))
            .await
            .unwrap_err(),
    );
    note(
        rig.call(SearchContext::new("q").libraries(["a"; 5]))
            .await
            .unwrap_err(),
    );
    note(
        rig.call(SearchContext::new("q").version("1"))
            .await
            .unwrap_err(),
    );
    for (page, limit) in [(Some(11), None), (None, Some(0))] {
        let endpoint = LegacyEndpoint::InfoV2 { page, limit };
        note(
            rig.call(ReadLegacy::new(id("/a/b"), endpoint))
                .await
                .unwrap_err(),
        );
    }
    assert_eq!(
        refusals,
        [
            "context7 search_libraries: the name of the library is blank, expected at least one \
             character",
            "context7 search_libraries: the name of the library has 501 bytes, expected at most 500",
            "context7 fetch_context: the query is blank, expected at least one word",
            "context7 search_context: a search names at most 4 libraries, got 5",
            "context7 search_context: the version \"1\" needs the library that it is of",
            "context7 read_legacy: page must be 1 to 10, got 11",
            "context7 read_legacy: limit must be 1 to 10, got 0",
        ]
    );
    assert!(rig.paths().is_empty());
}
