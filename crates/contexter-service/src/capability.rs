//! Requests that name what they ask for, and the one place where a service is type-erased.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::Service;

/// A request type that stands for an ability, such as embedding text.
///
/// The request fixes its reply and its error, so that services of different vendors are
/// interchangeable behind a [`Handle`]. Several requests may share one [`NAME`](Self::NAME): they
/// are then the verbs of one ability.
pub trait Capability: Send + 'static {
    /// The name by which the ability is discovered, for example `"embedding_generation"`.
    const NAME: &'static str;
    /// What a successful call gives.
    type Response: Send + 'static;
    /// Why a call failed.
    type Error: Send + 'static;
}

type Reply<Req> = Result<<Req as Capability>::Response, <Req as Capability>::Error>;

trait Erased<Req: Capability>: Send + Sync {
    fn call(&self, req: Req) -> Pin<Box<dyn Future<Output = Reply<Req>> + Send + '_>>;
}

impl<Req, S> Erased<Req> for S
where
    Req: Capability,
    S: Service<Req, Response = Req::Response, Error = Req::Error>,
{
    fn call(&self, req: Req) -> Pin<Box<dyn Future<Output = Reply<Req>> + Send + '_>> {
        Box::pin(Service::call(self, req))
    }
}

/// A shared service of one capability whose concrete type is forgotten.
///
/// This is the only dynamic dispatch on the path of a call; it costs one box for each call.
/// Cloning is cheap and all clones reach the same service.
pub struct Handle<Req: Capability> {
    service: Arc<dyn Erased<Req>>,
}

impl<Req: Capability> Handle<Req> {
    /// Erases the type of `service`.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Req, Response = Req::Response, Error = Req::Error> + 'static,
    {
        Self {
            service: Arc::new(service),
        }
    }
}

impl<Req: Capability> Clone for Handle<Req> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
        }
    }
}

impl<Req: Capability> fmt::Debug for Handle<Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&Req::NAME).finish()
    }
}

impl<Req: Capability> Service<Req> for Handle<Req> {
    type Response = Req::Response;
    type Error = Req::Error;

    fn call(&self, req: Req) -> impl Future<Output = Reply<Req>> + Send {
        self.service.call(req)
    }
}
