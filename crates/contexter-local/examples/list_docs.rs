//! Prints the documents of a folder, or of one crate of a `Cargo.lock`, as Markdown.
//!
//! `cargo run -p contexter-local --example list_docs -- Cargo.lock tokio`
//! `cargo run -p contexter-local --example list_docs -- docs/ --list`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command line program that measures"
)]

use std::path::Path;
use std::time::Instant;

use contexter_adapter::ServiceAdapter;
use contexter_local::{CargoLock, Folder, LocalDocuments, default_registry};
use contexter_model::{FetchDocs, ResolveLibrary};
use contexter_resilience::StandardStack;
use contexter_service::Service;

/// The documents of one page.
const LIMIT: usize = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let list_only = arguments.iter().any(|argument| argument == "--list");
    arguments.retain(|argument| argument != "--list");
    let path = arguments.first().map_or("Cargo.lock", String::as_str);
    let name = arguments.get(1).cloned().unwrap_or_default();

    let start = Instant::now();
    let mut documents = 0_usize;
    let mut bytes = 0_usize;
    let is_lock = Path::new(path).extension().is_some_and(|end| end == "lock");
    let adapter = if is_lock {
        let cargo_home = std::env::var_os("CARGO_HOME").map(Into::into);
        let lock = CargoLock::open(path, default_registry(cargo_home)?).await?;
        LocalDocuments::new([lock.into()], StandardStack::default())
    } else {
        let folder = Folder::open(path, None).await?;
        LocalDocuments::new([folder.into()], StandardStack::default())
    };
    let (Some(resolve), Some(fetch)) = (
        adapter.capabilities().handle::<ResolveLibrary>(),
        adapter.capabilities().handle::<FetchDocs>(),
    ) else {
        return Err("the adapter lacks a capability".into());
    };
    let everything = ResolveLibrary {
        name,
        limit: usize::MAX,
    };
    for library in resolve.call(everything).await? {
        let mut cursor = None;
        loop {
            let page = fetch
                .call(FetchDocs {
                    library: library.id.clone(),
                    cursor,
                    limit: LIMIT,
                })
                .await?;
            for document in &page.documents {
                documents += 1;
                bytes += document.text.len();
                println!("=== {} {} | {}", library.id, document.path, document.title);
                if !list_only {
                    println!("{}", document.text);
                }
            }
            for skipped in &page.skipped {
                eprintln!("skipped {}: {}", skipped.path, skipped.reason);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{documents} documents, {bytes} bytes in {seconds:.2} s");
    Ok(())
}
