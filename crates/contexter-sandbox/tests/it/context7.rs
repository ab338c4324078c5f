//! The Context7 server, as a client of the vendor sees it.

use contexter_http::{Api, Auth, Client, Config, Reply};
use contexter_sandbox::{Context7Config, LibraryDocs, LibraryState, Sandbox, SandboxConfig};
use serde_json::{Value, json};

const DOCS: &str = "<!-- page: README.md -->\n# Widget\n\n## Shutdown\n\nWait for all tasks.\n\n\
                    ```rust\nwidget.stop().await;\n```\n\n## Usage\n\nTurn it.\n\n\
                    ```js\nturn(widget)\n```\n";

fn config() -> Context7Config {
    Context7Config::empty()
        .library(
            LibraryDocs::new("/acme/widget", DOCS)
                .title("Widget")
                .description("Turns things")
                .version(
                    "v1",
                    "<!-- page: README.md -->\n# Widget\n\n## Old\n\nBefore.\n",
                ),
        )
        .library(LibraryDocs::new("/acme/slow", DOCS).finalized_after(2))
        .library(LibraryDocs::new("/acme/draft", DOCS).state(LibraryState::Processing))
        .library(LibraryDocs::new("/acme/secret", DOCS).state(LibraryState::Private))
        .library(LibraryDocs::new("/acme/blank", ""))
        .library(LibraryDocs::new("/acme/giant", DOCS).state(LibraryState::TooLarge))
        .moved("/acme/gadget", "/acme/widget")
}

struct Server {
    sandbox: Sandbox,
    api: Api,
}

async fn start(config: Context7Config) -> Server {
    let sandbox = crate::client::start(SandboxConfig::new().context7(config)).await;
    let key = sandbox.addresses().context7_api_key.clone();
    let api = api(&sandbox, Auth::Bearer(key));
    Server { sandbox, api }
}

fn api(sandbox: &Sandbox, auth: Auth) -> Api {
    let client = Client::new(&Config::default().no_proxy()).unwrap();
    Api::new(&client, &sandbox.addresses().context7_base_url, auth).unwrap()
}

async fn get(api: &Api, path: &str, query: &[(&str, &str)]) -> Reply {
    let mut request = api.get(path);
    for (name, value) in query {
        request = request.query(name, value);
    }
    request.send().await.unwrap()
}

async fn context(server: &Server, id: &str, form: &str) -> Reply {
    let query = [("libraryId", id), ("query", "shutdown"), ("type", form)];
    get(&server.api, "v2/context", &query).await
}

fn refused(reply: &Reply) -> (u16, String) {
    let body: Value = reply.json().unwrap();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    assert!(text("message").is_some(), "{body}");
    (reply.status(), text("error").unwrap().to_owned())
}

#[tokio::test]
async fn a_search_finds_libraries_by_name_and_by_what_they_do() {
    let server = start(config()).await;
    for name in ["widget", "Widget", "/acme/widget", "widg", "turning things"] {
        let query = [("libraryName", name), ("query", "turn")];
        let reply = get(&server.api, "v2/libs/search", &query).await;
        assert_eq!(reply.status(), 200, "{name}");
        let body: Value = reply.json().unwrap();
        let first = &body["results"][0];
        assert_eq!(first["id"], "/acme/widget", "{name}");
        assert_eq!(first["state"], "finalized");
        assert_eq!(first["versions"], json!(["v1"]));
        assert_eq!(first["stars"], -1);
        assert_eq!(body["searchFilterApplied"], false);
    }
    let query = [("libraryName", "acme"), ("query", "x")];
    let body: Value = get(&server.api, "v2/libs/search", &query)
        .await
        .json()
        .unwrap();
    let ids: Vec<&str> = body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["id"].as_str().unwrap())
        .collect();
    // A private library is not found.
    assert_eq!(
        ids,
        [
            "/acme/blank",
            "/acme/draft",
            "/acme/giant",
            "/acme/slow",
            "/acme/widget"
        ]
    );
    let query = [("libraryName", "zebra"), ("query", "x")];
    let reply = get(&server.api, "v2/libs/search", &query).await;
    assert_eq!(refused(&reply), (404, "no_libraries_found".to_owned()));
}

#[tokio::test]
async fn documentation_comes_as_data_or_as_text_the_best_first() {
    let server = start(config()).await;
    let body: Value = context(&server, "/acme/widget", "json")
        .await
        .json()
        .unwrap();
    assert_eq!(body["codeSnippets"][0]["codeTitle"], "Shutdown");
    assert_eq!(
        body["codeSnippets"][0]["codeList"],
        json!([{"language": "rust", "code": "widget.stop().await;\n"}])
    );
    assert_eq!(
        body["codeSnippets"][0]["codeId"],
        "https://github.com/acme/widget/blob/main/README.md#_snippet_0"
    );
    assert_eq!(body["infoSnippets"][0]["content"], "Wait for all tasks.");
    assert_eq!(body["infoSnippets"][0]["breadcrumb"], "Widget > Shutdown");

    for query in [
        &[("libraryId", "/acme/widget"), ("query", "shutdown")][..],
        &[
            ("libraryId", "/acme/widget"),
            ("query", "shutdown"),
            ("type", "txt"),
        ],
    ] {
        let reply = get(&server.api, "v2/context", query).await;
        assert!(reply.content_type().unwrap().starts_with("text/plain"));
        let text = reply.text().unwrap();
        assert!(text.starts_with("### Shutdown\n"), "{text}");
        assert!(text.contains("\n--------------------------------\n"));
    }
}

#[tokio::test]
async fn both_forms_of_a_version_give_the_documentation_of_that_version() {
    let server = start(config()).await;
    for id in ["/acme/widget/v1", "/acme/widget@v1"] {
        let body: Value = context(&server, id, "json").await.json().unwrap();
        assert_eq!(body["infoSnippets"][0]["content"], "Before.");
    }
    let reply = context(&server, "/acme/widget/v9", "json").await;
    assert_eq!(refused(&reply), (404, "tag_not_found".to_owned()));
    assert!(reply.text().unwrap().contains("Available tags: v1"));
}

#[tokio::test]
async fn a_library_that_cannot_be_read_says_why() {
    let server = start(config()).await;
    for (id, form, status, code) in [
        ("/acme/nope", "json", 404, "library_not_found"),
        ("/acme/nope", "txt", 404, "library_not_found"),
        ("/acme/draft", "txt", 202, "library_not_finalized"),
        ("/acme/secret", "txt", 403, "access_denied"),
        ("/acme/giant", "json", 422, "library_too_large"),
        ("/acme/gadget", "txt", 301, "library_redirected"),
        ("/acme/blank", "json", 404, "no_snippets_found"),
        ("acme/widget", "txt", 400, "invalid_library_id"),
        ("/acme", "txt", 400, "invalid_library_id"),
        ("/acme/widget/a/b", "txt", 400, "invalid_library_id"),
    ] {
        let reply = context(&server, id, form).await;
        assert_eq!(refused(&reply), (status, code.to_owned()), "{id}");
    }
    let moved: Value = context(&server, "/acme/gadget", "txt")
        .await
        .json()
        .unwrap();
    assert_eq!(moved["redirectUrl"], "/acme/widget");
    let blank = context(&server, "/acme/blank", "txt").await;
    assert_eq!((blank.status(), blank.text().unwrap()), (200, ""));
}

#[tokio::test]
async fn a_library_is_finalized_after_the_requests_that_it_takes() {
    let server = start(config()).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(context(&server, "/acme/slow", "json").await.status());
    }
    assert_eq!(statuses, [202, 202, 200, 200]);
}

#[tokio::test]
async fn what_the_vendor_refuses_is_refused() {
    let server = start(config()).await;
    let long = "q".repeat(501);
    let id = ("libraryId", "/acme/widget");
    let query = ("query", "x");
    let refusals: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("v2/libs/search", vec![]),
        ("v2/libs/search", vec![("libraryName", "x")]),
        ("v2/libs/search", vec![("libraryName", ""), query]),
        ("v2/libs/search", vec![("libraryName", &long), query]),
        (
            "v2/libs/search",
            vec![("libraryName", "x"), query, ("fast", "yes")],
        ),
        ("v2/context", vec![query]),
        ("v2/context", vec![id]),
        ("v2/context", vec![id, ("query", &long)]),
        ("v2/context", vec![id, query, ("type", "xml")]),
        ("v3/search", vec![]),
        ("v3/search", vec![query, ("version", "1")]),
        (
            "v3/search",
            [query].into_iter().chain([("library", "a"); 5]).collect(),
        ),
        ("v2/docs/code/acme/widget", vec![("page", "11")]),
        ("v2/docs/info/acme/widget", vec![("limit", "0")]),
        ("v1/acme/widget", vec![("tokens", "many")]),
        ("v1/search", vec![]),
    ];
    for (path, query) in refusals {
        let reply = get(&server.api, path, &query).await;
        assert_eq!(
            refused(&reply),
            (400, "validation_error".to_owned()),
            "{path} {query:?}"
        );
    }
    assert_eq!(server.sandbox.context7().calls_counted(), 0);
    let elsewhere = get(&server.api, "v9/nothing", &[]).await;
    assert_eq!(elsewhere.status(), 404);
    assert!(elsewhere.content_type().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_none_is_anonymous() {
    let server = start(config()).await;
    let query = [("libraryId", "/acme/widget"), ("query", "x")];
    for auth in [
        Auth::Bearer("ctx7sk-wrong".to_owned()),
        Auth::Basic {
            user: "a".to_owned(),
            password: "b".to_owned(),
        },
    ] {
        let reply = get(&api(&server.sandbox, auth), "v2/context", &query).await;
        assert_eq!(refused(&reply), (401, "invalid_api_key".to_owned()));
    }
    let nobody = api(&server.sandbox, Auth::None);
    assert_eq!(get(&nobody, "v2/context", &query).await.status(), 200);
    let strict = start(config().anonymous(None)).await;
    let nobody = api(&strict.sandbox, Auth::None);
    assert_eq!(get(&nobody, "v2/context", &query).await.status(), 401);
}

#[tokio::test]
async fn two_refusals_share_the_status_429() {
    let query = [("libraryId", "/acme/widget"), ("query", "x")];
    let short = start(config().requests_per_minute(2)).await;
    let long = start(config().monthly_quota(2)).await;
    for server in [&short, &long] {
        for _ in 0..2 {
            assert_eq!(get(&server.api, "v2/context", &query).await.status(), 200);
        }
    }
    let reply = get(&short.api, "v2/context", &query).await;
    assert_eq!(refused(&reply), (429, "rate_limit_exceeded".to_owned()));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit-limit"), Some("2"));
    assert_eq!(reply.header("ratelimit-remaining"), Some("0"));
    let reset: u64 = reply.header("ratelimit-reset").unwrap().parse().unwrap();
    assert!(reset > 1_700_000_000);

    let reply = get(&long.api, "v2/context", &query).await;
    assert_eq!(reply.status(), 429);
    assert!(reply.text().unwrap().contains("Monthly quota exceeded."));
    assert_eq!(long.sandbox.context7().calls_counted(), 2);

    let nobody = start(config().anonymous((5, 1))).await;
    let nobody = api(&nobody.sandbox, Auth::None);
    assert_eq!(get(&nobody, "v2/context", &query).await.status(), 200);
    let reply = get(&nobody, "v2/context", &query).await;
    assert!(reply.text().unwrap().contains("Create a free API key"));
    assert_eq!(reply.header("x-context7-auth-prompt"), Some("1"));
}

#[tokio::test]
async fn a_reached_spending_limit_is_402() {
    let server = start(config().spending_limit_reached(true)).await;
    let reply = context(&server, "/acme/widget", "json").await;
    assert_eq!(refused(&reply), (402, "spending_limit_exceeded".to_owned()));
}

#[tokio::test]
async fn a_search_goes_through_several_libraries() {
    let server = start(config()).await;
    let query = [("query", "shutdown tasks"), ("type", "json")];
    let body: Value = get(&server.api, "v3/search", &query).await.json().unwrap();
    assert_eq!(body["infoSnippets"][0]["content"], "Wait for all tasks.");
    assert!(body["infoSnippets"][0]["libraryId"].is_string());
    let query = [
        ("query", "widget"),
        ("library", "widget"),
        ("language", "js"),
        ("type", "json"),
    ];
    let body: Value = get(&server.api, "v3/search", &query).await.json().unwrap();
    let languages: Vec<_> = body["codeSnippets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|snippet| snippet["codeLanguage"].clone())
        .collect();
    assert_eq!(languages, ["js"]);
    let reply = get(&server.api, "v3/search", &[("query", "zebra")]).await;
    assert_eq!(refused(&reply), (404, "no_documentation_found".to_owned()));
}

#[tokio::test]
async fn the_superseded_endpoints_still_answer() {
    let server = start(config()).await;
    for path in ["v1/search", "v2/search"] {
        let body: Value = get(&server.api, path, &[("query", "widget")])
            .await
            .json()
            .unwrap();
        assert_eq!(body["results"][0]["id"], "/acme/widget");
    }
    let text = get(&server.api, "v1/acme/widget", &[("topic", "usage")]).await;
    assert!(text.text().unwrap().starts_with("### Usage\n"));
    let whole = text.bytes().len();
    let few = get(&server.api, "v1/acme/widget", &[("tokens", "15")]).await;
    assert!(few.bytes().len() < whole);
    let old = get(&server.api, "v1/acme/widget/v1", &[]).await;
    assert!(old.text().unwrap().contains("Before."));

    let query = [("type", "json"), ("limit", "1")];
    let reply = get(&server.api, "v2/docs/code/acme/widget", &query).await;
    let body: Value = reply.json().unwrap();
    assert_eq!(body["snippets"].as_array().unwrap().len(), 1);
    assert_eq!(body["pagination"]["totalPages"], 2);
    assert_eq!(reply.header("x-context7-has-next"), Some("true"));
    let query = [("type", "json"), ("limit", "1"), ("page", "2")];
    let reply = get(&server.api, "v2/docs/code/acme/widget", &query).await;
    assert_eq!(reply.header("x-context7-has-next"), Some("false"));
    let reply = get(&server.api, "v2/docs/info/acme/widget", &[("type", "json")]).await;
    let body: Value = reply.json().unwrap();
    assert_eq!(body["snippets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_library_at_hand_is_documentation_of_this_project() {
    let server = start(Context7Config::new()).await;
    let query = [("libraryName", "retry"), ("query", "backoff")];
    let body: Value = get(&server.api, "v2/libs/search", &query)
        .await
        .json()
        .unwrap();
    assert_eq!(body["results"][0]["id"], "/contexter-rs/contexter-retry");
    let query = [
        ("libraryId", "/contexter-rs/contexter-retry"),
        ("query", "How do I bound retries during an outage?"),
        ("type", "json"),
    ];
    let body: Value = get(&server.api, "v2/context", &query).await.json().unwrap();
    assert_eq!(
        body["infoSnippets"][0]["breadcrumb"],
        "Configuration > Budget"
    );
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    for config in [
        config().api_key(""),
        config().requests_per_minute(0),
        config().monthly_quota(0),
        config().moved("gadget", "/acme/widget"),
        config().library(LibraryDocs::new("/acme/widget/v1", "")),
    ] {
        let config = SandboxConfig::new().context7(config);
        assert!(Sandbox::start(config).await.is_err());
    }
}
