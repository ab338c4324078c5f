//! What a service can do, and the handles to have it done.

use std::any::{Any, TypeId};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use contexter_service::{Capability, Handle, Service};

/// The abilities of one service: names to discover it by, typed handles to call it through.
///
/// # Examples
///
/// ```
/// use contexter_adapter::Capabilities;
/// use contexter_service::{Capability, Service};
///
/// struct Greet(&'static str);
///
/// impl Capability for Greet {
///     const NAME: &'static str = "greeting";
///     type Response = String;
///     type Error = std::convert::Infallible;
/// }
///
/// struct Polite;
///
/// impl Service<Greet> for Polite {
///     type Response = String;
///     type Error = std::convert::Infallible;
///
///     async fn call(&self, req: Greet) -> Result<String, Self::Error> {
///         Ok(format!("good day, {}", req.0))
///     }
/// }
///
/// let capabilities = Capabilities::new().with::<Greet>(Polite);
/// assert!(capabilities.contains("greeting"));
/// assert!(capabilities.handle::<Greet>().is_some());
/// ```
#[derive(Default)]
pub struct Capabilities {
    names: BTreeSet<&'static str>,
    handles: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

impl Capabilities {
    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the ability `Req`; a second service for the same request replaces the first.
    #[must_use]
    pub fn with<Req: Capability>(
        mut self,
        service: impl Service<Req, Response = Req::Response, Error = Req::Error> + 'static,
    ) -> Self {
        self.names.insert(Req::NAME);
        self.handles
            .insert(TypeId::of::<Req>(), Box::new(Handle::<Req>::new(service)));
        self
    }

    /// Returns whether the service has the ability called `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns the names of all abilities, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.names.iter().copied()
    }

    /// Returns the handle for calls of `Req`, if the service has that ability.
    #[must_use]
    pub fn handle<Req: Capability>(&self) -> Option<Handle<Req>> {
        self.handles
            .get(&TypeId::of::<Req>())?
            .downcast_ref::<Handle<Req>>()
            .cloned()
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.names).finish()
    }
}
