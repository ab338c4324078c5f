//! An API as a service of requests.

use contexter_model::Error;
use contexter_service::Service;

use crate::{Api, Reply, Request};

/// Sends requests that were begun by an API, so that mechanisms can stand before it. Any status is
/// a success here; [`ByStatus`](contexter_service::ByStatus) reads it.
impl Service<Request> for Api {
    type Response = Reply;
    type Error = Error;

    async fn call(&self, request: Request) -> Result<Reply, Error> {
        request.send().await
    }
}

#[cfg(feature = "tower")]
mod tower {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use contexter_model::Error;

    use crate::{Api, Reply, Request};

    /// Sends requests that were begun by an API. It is always ready; the future is boxed.
    impl tower_service::Service<Request> for Api {
        type Response = Reply;
        type Error = Error;
        type Future = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request) -> Self::Future {
            Box::pin(request.send())
        }
    }
}
