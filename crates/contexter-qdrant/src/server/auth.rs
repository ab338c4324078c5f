//! Who may call.

use std::sync::Arc;

use contexter_config::Secret;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::Options;

/// Lets calls with a key pass.
#[derive(Clone, Debug)]
pub(super) struct Doorkeeper {
    options: Arc<Options>,
}

/// Marks a call that may only read.
#[derive(Clone, Copy, Debug)]
struct ReadOnly;

impl Doorkeeper {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options: Arc::new(options),
        }
    }
}

impl Interceptor for Doorkeeper {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if self.options.api_key.is_none() && self.options.read_only_api_key.is_none() {
            return Ok(request);
        }
        let metadata = request.metadata();
        let shown = metadata
            .get("api-key")
            .and_then(|key| key.to_str().ok())
            .or_else(|| {
                let token = metadata.get("authorization")?.to_str().ok()?;
                token.strip_prefix("Bearer ")
            });
        let Some(shown) = shown else {
            return Err(Status::unauthenticated(
                "Must provide an API key or an Authorization bearer token",
            ));
        };
        let is = |key: &Option<Secret>| key.as_ref().is_some_and(|key| same(key.expose(), shown));
        if is(&self.options.api_key) {
            return Ok(request);
        }
        if is(&self.options.read_only_api_key) {
            request.extensions_mut().insert(ReadOnly);
            return Ok(request);
        }
        Err(Status::unauthenticated("Invalid API key or JWT"))
    }
}

/// Refuses a change by a caller who may only read.
pub(super) fn may_write<T>(request: &Request<T>) -> Result<(), Status> {
    match request.extensions().get::<ReadOnly>() {
        Some(ReadOnly) => Err(Status::permission_denied(
            "Forbidden: Write access is required for this operation",
        )),
        None => Ok(()),
    }
}

/// Compares in a time that does not tell how much is right.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |differences, (a, b)| differences | (a ^ b))
            == 0
}
