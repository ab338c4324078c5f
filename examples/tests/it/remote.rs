//! Remote services by configuration: Context7, Bright Data, Voyage AI and a Qdrant server over the
//! wire, played by the sandbox.

use std::fs;
use std::path::{Path, PathBuf};

use contexter_sandbox::{Addresses, FaultScript, Sandbox, SandboxConfig};
use serde_json::Value;
use tempfile::TempDir;

use crate::corpus;
use crate::program::{Said, finish, remote};

/// Libraries that the sandbox's Context7 documents.
const LIBRARIES: [&str; 3] = [
    "/contexter-rs/contexter-retry",
    "/contexter-rs/contexter-breaker",
    "/websites/contexter_dev",
];

/// What goes wrong: at first contact, in the middle, now and then. Everything ends by itself.
const FAULTS: &str = r#"
seed: 7
rules:
  - { server: context7, calls: [1], fault: { status: { code: 502, body: "<html>bad gateway</html>", content_type: text/html } } }
  - { server: context7, calls: [3], fault: { rate_limit: { retry_after: 1s } } }
  - { server: context7, calls: [5], fault: { reset: {} } }
  - { server: context7, calls: [8], fault: { cut_short: {} } }
  - { server: voyage, calls: [1], fault: { status: { code: 503 } } }
  - { server: voyage, path: /v1/embeddings, calls: [3], fault: { rate_limit: { retry_after: 1s } } }
  - { server: voyage, path: /v1/embeddings, calls: [5], fault: { reset: { after_bytes: 1000 } } }
  - { server: voyage, path: /v1/embeddings, calls: [7], fault: { cut_short: {} } }
  - { server: qdrant, calls: [3, 9], fault: { grpc_status: { code: 14, message: "the shard is moving" } } }
  - { server: brightdata, calls: [2], fault: { rate_limit: { retry_after: 1s } } }
  - { server: brightdata, calls: [4], fault: disconnect }
  - { probability: 0.05, fault: { delay: 100ms } }
"#;

/// A sandbox, a folder, and the configuration in it.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
    pub(crate) folder: TempDir,
}

impl Setting {
    pub(crate) async fn start(faults: &str) -> Self {
        let script = FaultScript::from_yaml(faults).unwrap();
        let sandbox = Sandbox::start(SandboxConfig::new().faults(script))
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { sandbox, folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a configuration and runs the program with it.
    pub(crate) async fn run(&self, config: &str, args: &[&str]) -> Said {
        let file = self.folder.path().join("services.yaml");
        fs::write(&file, config).unwrap();
        let args = [args, &["--config", file.to_str().unwrap()]].concat();
        let said = finish(remote(&self.data(), &args)).await;
        for key in keys(self.sandbox.addresses()) {
            assert!(!said.stderr.contains(&key), "{}", said.stderr);
            assert!(!said.stdout.contains(&key), "{}", said.stdout);
        }
        said
    }

    /// All four services, with delays that suit a test.
    pub(crate) fn all(&self) -> String {
        let retry = "retry_config: { max_attempts: 6, base_delay: 100ms, max_delay: 2s }";
        let config = self.sandbox.config_yaml();
        let config: String = config
            .lines()
            .flat_map(|line| {
                let section = line.starts_with("  ") && !line.starts_with("   ");
                let more = (section && line.ends_with(':')).then(|| format!("    {retry}\n"));
                [Some(format!("{line}\n")), more]
            })
            .flatten()
            .collect();
        format!("{config}libraries: {LIBRARIES:?}\n")
    }
}

fn keys(addresses: &Addresses) -> Vec<String> {
    let mut keys = vec![
        addresses.voyage_api_key.clone(),
        addresses.context7_api_key.clone(),
        addresses.brightdata_api_key.clone(),
    ];
    keys.extend(addresses.qdrant_api_key.clone());
    keys
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Indexes, in one run.
pub(crate) async fn index(setting: &Setting) -> String {
    setting.run(&setting.all(), &["index"]).await.success()
}

/// What is indexed, by library.
pub(crate) async fn indexed(setting: &Setting) -> Value {
    json(
        &setting
            .run(&setting.all(), &["libraries", "--json"])
            .await
            .success(),
    )
}

#[tokio::test]
async fn faults_on_the_wire_lose_nothing() {
    let calm = Setting::start("rules: []").await;
    let stormy = Setting::start(FAULTS).await;
    index(&calm).await;
    index(&stormy).await;
    assert!(stormy.sandbox.faults().injected() > 5, "nothing went wrong");
    let (expected, found) = (indexed(&calm).await, indexed(&stormy).await);
    assert_eq!(found, expected);
    // The pages that the configuration lists come by Bright Data.
    assert_eq!(found["/web/ferry"]["documents"], 4, "{found}");
    assert!(stormy.sandbox.brightdata().requests() >= 4);
    for library in LIBRARIES.into_iter().chain(["/web/ferry"]) {
        let counts = &found[library];
        assert!(counts["documents"].as_u64() > Some(0), "{library}: {found}");
        assert_eq!(counts["chunks"], counts["embedded_chunks"], "{library}");
    }
    let status = stormy.run(&stormy.all(), &["status", "--json"]).await;
    let status = json(&status.success());
    assert_eq!(status["chunks"], status["embedded_chunks"]);
    assert!(
        status["embedding_space"]["id"]
            .as_str()
            .unwrap()
            .contains("voyage"),
        "{status}"
    );

    let args = [
        "search",
        "when does a breaker open",
        "--json",
        "--limit",
        "3",
    ];
    let answer = json(&stormy.run(&stormy.all(), &args).await.success());
    let hits = answer["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 3);
    assert_eq!(hits[0]["library"], "/contexter-rs/contexter-breaker");
    let args = ["search", "packages for Debian and Fedora", "--json"];
    let answer = json(&stormy.run(&stormy.all(), &args).await.success());
    assert_eq!(answer["hits"][0]["library"], "/web/ferry");
}

#[tokio::test]
async fn every_setting_of_the_schema_is_understood() {
    let setting = Setting::start("rules: []").await;
    let addresses = setting.sandbox.addresses();
    let qdrant = addresses.qdrant_url.as_ref().unwrap();
    let (host, port) = qdrant["http://".len()..].split_once(':').unwrap();
    let config = |vector_size: u32| {
        format!(
            "services:
  voyage_ai:
    api_key: {}
    base_url: {}
    rate_limit: 2000
    timeout: 30.0
    retry_config: {{ max_attempts: 3, base_delay: 0.5, max_delay: 10.0 }}
  qdrant:
    host: {host}
    port: {port}
    api_key: {}
    timeout: 30.0
    collection_config: {{ vector_size: {vector_size}, distance_metric: cosine }}
",
            addresses.voyage_api_key,
            addresses.voyage_base_url,
            addresses.qdrant_api_key.as_ref().unwrap(),
        )
    };
    let source = setting.folder.path().join("docs");
    corpus::write(&source, 2);
    let args = ["index", "--source", source.to_str().unwrap()];
    let said = setting.run(&config(384), &args).await;
    said.fails(1, "vector_size 384");
    setting.run(&config(1024), &args).await.success();
    let args = ["search", "guide", "--json"];
    let answer = json(&setting.run(&config(1024), &args).await.success());
    assert_eq!(answer["hits"][0]["library"], "/local/docs");
}

#[tokio::test]
async fn a_second_run_pays_for_nothing_twice() {
    let setting = Setting::start("rules: []").await;
    index(&setting).await;
    let billed = setting.sandbox.voyage().tokens_billed();
    assert!(billed > 0);
    let said = index(&setting).await;
    assert!(said.contains("(0 new or changed"), "{said}");
    assert!(said.contains("0 chunks embedded"), "{said}");
    // A check of health is a word.
    let again = setting.sandbox.voyage().tokens_billed() - billed;
    assert!(again < 20, "{again} tokens were paid for again");
}

#[tokio::test]
async fn a_folder_is_indexed_with_remote_vectors() {
    let setting = Setting::start("rules: []").await;
    let source = setting.folder.path().join("docs");
    corpus::write(&source, 6);
    let config = setting.all();
    let args = ["index", "--source", source.to_str().unwrap()];
    let said = setting.run(&config, &args).await.success();
    assert!(said.starts_with("6 documents indexed (6 new"), "{said}");
    let args = ["search", "guide", "--json"];
    let answer = json(&setting.run(&config, &args).await.success());
    assert_eq!(answer["hits"][0]["library"], "/local/docs");
    // By words alone, no vector is asked for.
    let before = setting.sandbox.voyage().requests();
    let args = ["search", "guide", "--mode", "sparse", "--json"];
    let config = format!("{config}search: {{ rerank: false }}\n");
    setting.run(&config, &args).await.success();
    assert_eq!(setting.sandbox.voyage().requests(), before);
}

#[tokio::test]
async fn a_wrong_key_ends_the_run_with_the_service_that_refused_it() {
    let setting = Setting::start("rules: []").await;
    let addresses = setting.sandbox.addresses().clone();
    for (service, key) in [
        ("voyage_ai", Some(addresses.voyage_api_key)),
        ("context7", Some(addresses.context7_api_key)),
        ("brightdata", Some(addresses.brightdata_api_key)),
        ("qdrant", addresses.qdrant_api_key),
    ] {
        let key = key.unwrap();
        let wrong = format!("{}-wr0ng", &key[..8.min(key.len())]);
        let config = setting.all().replace(&key, &wrong);
        let said = setting.run(&config, &["index"]).await;
        said.fails(1, service);
        assert!(!said.stderr.contains("wr0ng"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn the_sample_configuration_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("rag_pipeline/services.yaml");
    let args = ["libraries", "--config", sample.to_str().unwrap()];
    let said = finish(remote(&folder.path().join("data"), &args)).await;
    // It is read, and then there is no index yet; a bad one is exit code 2.
    said.fails(1, "there is no index");
}

#[tokio::test]
async fn settings_that_do_not_work_are_wrong_usage() {
    let setting = Setting::start("rules: []").await;
    for (config, what) in [
        (
            "services:\n  voyage_ai:\n    api_key: k\n    modell: x\n",
            "modell",
        ),
        (
            "services:\n  voyage_ai:\n    api_key: k\n    modell: x\n",
            "output_dimension",
        ),
        ("services:\n  voyageai:\n    api_key: k\n", "voyage_ai"),
        ("services:\n  qdrant:\n    hosts: a\n", "collection_config"),
        (
            "services:\n  voyage_ai:\n    api_key: k\n    timeout: 0\n",
            "services.voyage_ai.timeout",
        ),
        (
            "services:\n  qdrant:\n    port: 6333\n",
            "services.qdrant.url",
        ),
        (
            "services:\n  context7:\n    docs: { topics: [] }\n",
            "services.context7.docs",
        ),
        (
            "services:\n  brightdata:\n    zone: web\n",
            "services.brightdata.api_key",
        ),
        ("services:\n  context7: {}\n", "--source"),
        ("{}", "--source"),
    ] {
        setting.run(config, &["index"]).await.fails(2, what);
    }
    assert!(
        !setting.data().exists(),
        "a failed run leaves no data folder"
    );
}

#[tokio::test]
async fn status_tells_of_a_server_that_is_away_and_does_not_wait_for_it() {
    let setting = Setting::start("rules: []").await;
    index(&setting).await;
    let config = setting.all();
    let Setting { sandbox, folder } = setting;
    sandbox.shutdown().await;
    let file = folder.path().join("services.yaml");
    fs::write(&file, config).unwrap();
    let args = ["status", "--config", file.to_str().unwrap()];
    let said = finish(remote(&folder.path().join("data"), &args)).await;
    let documents: Vec<&str> = said
        .stdout
        .lines()
        .filter(|line| line.starts_with("documents"))
        .collect();
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(documents.len(), 1, "{}", said.stdout);
    assert!(said.stderr.contains("cannot be opened"), "{}", said.stderr);
}

#[tokio::test]
async fn an_index_on_a_server_is_held_by_one_process() {
    let setting = Setting::start("rules: []").await;
    index(&setting).await;
    let held = fs::File::open(setting.data().join("held")).unwrap();
    held.lock().unwrap();
    let said = setting.run(&setting.all(), &["index"]).await;
    said.fails(1, "in use by another process");
    drop(held);
    index(&setting).await;
}

#[tokio::test]
async fn a_run_in_which_nothing_could_be_embedded_fails_and_says_so() {
    let setting = Setting::start(
        "rules: [{ server: voyage, path: /v1/embeddings, fault: { status: { code: 400 } } }]",
    )
    .await;
    let source = setting.folder.path().join("docs");
    corpus::write(&source, 2);
    let args = ["index", "--source", source.to_str().unwrap()];
    let said = setting.run(&setting.all(), &args).await;
    said.fails(1, "none of 2 documents could be embedded");
    assert!(
        said.stdout.contains(" 0 chunks embedded"),
        "{}",
        said.stdout
    );
}

#[tokio::test]
async fn a_server_that_lost_the_collection_gets_it_again() {
    let setting = Setting::start("rules: []").await;
    index(&setting).await;
    let expected = indexed(&setting).await;
    // Another server: the same folder, nothing stored there.
    let fresh = Setting::start("rules: []").await;
    copy(&setting.data(), &fresh.data());
    index(&fresh).await;
    assert_eq!(indexed(&fresh).await, expected);
    // The vectors are still at hand.
    assert!(fresh.sandbox.voyage().tokens_billed() < 20);
    let args = ["search", "breaker", "--json"];
    let answer = json(&fresh.run(&fresh.all(), &args).await.success());
    assert!(!answer["hits"].as_array().unwrap().is_empty());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
