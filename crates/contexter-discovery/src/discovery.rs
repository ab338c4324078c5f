//! Choosing among the registered services.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_registry::{Registered, Registry};
use contexter_service::{Capability, Handle};
use parking_lot::RwLock;

use crate::{NoService, Reason, Refused};

/// The response time that a service must stay under to share load, unless configured otherwise.
///
/// The specification's number.
pub const MAX_RESPONSE_TIME: Duration = Duration::from_secs(1);

/// Finds services by what they can do.
///
/// Cloning is cheap and all clones share the registry and the registered capabilities. Nothing here
/// waits: every answer rests on the last health check of each service.
///
/// [`find`](Self::find) and [`load_balanced`](Self::load_balanced) also pass over a service whose
/// breaker refuses every call at that moment; the first of them takes it where there is no other.
#[derive(Clone)]
pub struct Discovery {
    registry: Registry,
    max_response_time: Duration,
    extra: Arc<RwLock<BTreeMap<String, BTreeSet<String>>>>,
}

impl Discovery {
    /// Creates a discovery over `registry` with the default [`MAX_RESPONSE_TIME`].
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            max_response_time: MAX_RESPONSE_TIME,
            extra: Arc::default(),
        }
    }

    /// Sets the response time that a service must stay under to share load.
    #[must_use]
    pub const fn with_max_response_time(mut self, limit: Duration) -> Self {
        self.max_response_time = limit;
        self
    }

    /// Says that `service` has `capabilities` besides those that its adapter names.
    ///
    /// A second call for the same service replaces the first. The service may be registered later.
    /// Such a capability is found by name; [`find`](Self::find) also needs a handle, which only the
    /// adapter gives.
    pub fn register_capabilities<C: Into<String>>(
        &self,
        service: impl Into<String>,
        capabilities: impl IntoIterator<Item = C>,
    ) {
        let capabilities = capabilities.into_iter().map(Into::into).collect();
        self.extra.write().insert(service.into(), capabilities);
    }

    /// Returns the first healthy service, in alphabetical order, that has `capability`.
    ///
    /// Breakers do not matter here.
    #[must_use]
    pub fn discover(&self, capability: &str) -> Option<String> {
        let services = self.registry.adapters();
        services
            .into_iter()
            .find(|service| service.health.is_healthy() && self.has(service, capability))
            .map(|service| service.name)
    }

    /// Returns the fastest healthy service for calls of `Req`, with the handle to call it.
    ///
    /// Services are compared by the response time of their last health check, equal ones by name.
    /// A slow service is better than none, so the limit of
    /// [`load_balanced`](Self::load_balanced) does not apply. The handle stays with its service, so
    /// whoever keeps it keeps the choice.
    ///
    /// # Errors
    ///
    /// Returns [`NoService`], which says of every registered service why it was not chosen.
    pub fn find<Req: Capability>(&self) -> Result<(String, Handle<Req>), NoService> {
        self.find_among(usable).or_else(|refused| {
            // Who refuses calls may still answer with what it has kept.
            self.find_among(healthy).map_err(|_none_either| refused)
        })
    }

    fn find_among<Req: Capability>(
        &self,
        fit: fn(&Registered) -> Result<(), Reason>,
    ) -> Result<(String, Handle<Req>), NoService> {
        self.choose(Req::NAME, |service| {
            let handle = service.adapter.capabilities().handle::<Req>();
            if let Some(handle) = handle {
                fit(service)?;
                return Ok(handle);
            }
            Err(if self.has(service, Req::NAME) {
                Reason::NoHandle
            } else {
                Reason::NoCapability
            })
        })
    }

    /// Returns the service to which the next call of `capability` should go.
    ///
    /// That is the fastest one among the healthy services that have the capability and whose last
    /// health check took less than the limit; equal ones are taken by name.
    ///
    /// # Errors
    ///
    /// Returns [`NoService`], which says of every registered service why it was not chosen.
    pub fn load_balanced(&self, capability: &str) -> Result<String, NoService> {
        let (name, ()) = self.choose(capability, |service| {
            if !self.has(service, capability) {
                return Err(Reason::NoCapability);
            }
            usable(service)?;
            let response_time_ms = service.health.response_time_ms;
            let limit = self.max_response_time;
            if response_time_ms < limit.as_secs_f64() * 1e3 {
                Ok(())
            } else {
                Err(Reason::TooSlow {
                    response_time_ms,
                    limit,
                })
            }
        })?;
        Ok(name)
    }

    /// Returns the fastest service that `accept` accepts, and what it accepted it with.
    fn choose<T>(
        &self,
        capability: &str,
        accept: impl Fn(&Registered) -> Result<T, Reason>,
    ) -> Result<(String, T), NoService> {
        let mut best: Option<(Registered, T)> = None;
        let mut refused = Vec::new();
        // In alphabetical order, so that of equally fast services the first one stays.
        for service in self.registry.adapters() {
            match accept(&service) {
                Ok(with) => {
                    let faster = best.as_ref().is_none_or(|(chosen, _)| {
                        service.health.response_time_ms < chosen.health.response_time_ms
                    });
                    if faster {
                        best = Some((service, with));
                    }
                }
                Err(reason) => refused.push(Refused {
                    service: service.name,
                    reason,
                }),
            }
        }
        best.map(|(service, with)| (service.name, with))
            .ok_or_else(|| NoService {
                capability: capability.to_owned(),
                refused,
            })
    }

    fn has(&self, service: &Registered, capability: &str) -> bool {
        service.adapter.capabilities().contains(capability)
            || self
                .extra
                .read()
                .get(&service.name)
                .is_some_and(|extra| extra.contains(capability))
    }
}

fn usable(service: &Registered) -> Result<(), Reason> {
    healthy(service)?;
    let snapshot = service.adapter.snapshot();
    if snapshot.refuses_calls {
        return Err(Reason::BreakerOpen {
            last_failure: snapshot.last_failure,
        });
    }
    Ok(())
}

fn healthy(service: &Registered) -> Result<(), Reason> {
    let health = &service.health;
    if health.is_healthy() {
        return Ok(());
    }
    Err(Reason::NotHealthy {
        status: health.status,
        since: service.since,
        message: health.error_message.clone(),
    })
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery")
            .field("registry", &self.registry)
            .field("max_response_time", &self.max_response_time)
            .field("extra", &*self.extra.read())
            .finish()
    }
}
