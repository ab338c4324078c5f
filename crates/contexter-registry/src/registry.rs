//! Adapters by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use contexter_adapter::{ServiceAdapter, ServiceHealth};
use futures_util::{StreamExt, stream};
use parking_lot::RwLock;
use tokio::sync::Semaphore;

use crate::check::{Stopped, guarded, slot};
use crate::watched::{Entry, Registered, Watched};
use crate::{
    DeregisterError, InvalidSettings, RegisterError, ServiceNotFound, Settings, ShutdownError,
    ShutdownFailure, ShutdownReason,
};

/// The service adapters of a process, by name.
///
/// Cloning is cheap and all clones share the services. Reading never waits for a check. When the
/// last clone is dropped, all checks stop; the adapters are then dropped without
/// [`shutdown`](ServiceAdapter::shutdown), so call [`Registry::shutdown`] for a clean end.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Arc<Settings>,
    slots: Arc<Semaphore>,
    services: RwLock<Services>,
}

#[derive(Default)]
struct Services {
    ready: BTreeMap<String, Entry>,
    // Names of services that are being initialized.
    starting: BTreeSet<String>,
    shut_down: bool,
}

impl Registry {
    /// Creates an empty registry with the default [`Settings`].
    #[must_use]
    pub fn new() -> Self {
        Self::from_valid(Settings::default())
    }

    /// Creates an empty registry.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSettings`] if a duration or the concurrency is zero, or the jitter is not
    /// between 0 and 1.
    pub fn with_settings(settings: Settings) -> Result<Self, InvalidSettings> {
        settings.validate()?;
        Ok(Self::from_valid(settings))
    }

    fn from_valid(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                slots: Arc::new(Semaphore::new(settings.concurrency)),
                settings: Arc::new(settings),
                services: RwLock::default(),
            }),
        }
    }

    /// Initializes `adapter`, checks it once, and registers it under its name.
    ///
    /// A service whose first check is not healthy is registered all the same: it may recover. The
    /// check counts towards [`Settings::concurrency`] and may have to wait for others, unless an
    /// adapter's check registers the service: then both count as one.
    ///
    /// # Errors
    ///
    /// Returns [`RegisterError`] if the name is taken, if the adapter fails, panics or takes too
    /// long to initialize, or if the registry is shut down. The service is then not registered.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees the name. The adapter may have been initialized by then and is
    /// not shut down.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime, which runs the checks.
    pub async fn register(&self, adapter: Arc<dyn ServiceAdapter>) -> Result<(), RegisterError> {
        let name = adapter.name().to_owned();
        // Held to the end, so that the name is never free between two of the steps below.
        let _reserved = self.reserve(&name)?;
        self.initialize(&name, &adapter).await?;
        let watched = {
            let _slot = slot(&self.inner.slots).await;
            let limit = self.inner.settings.check_timeout;
            Watched::first(name.clone(), Arc::clone(&adapter), limit).await
        };
        {
            let mut services = self.inner.services.write();
            if !services.shut_down {
                let entry = Entry::new(watched, &self.inner.settings, &self.inner.slots);
                services.ready.insert(name, entry);
                return Ok(());
            }
        }
        // The registry was shut down meanwhile: nobody else will end this adapter.
        let ended = self.end(name.clone(), adapter).await;
        if let Err(failure) = ended {
            tracing::warn!(service = name, error = %failure, "service did not end cleanly");
        }
        Err(RegisterError::ShutDown { name })
    }

    /// Removes the service called `name`, stops its checks and shuts it down.
    ///
    /// Handles that callers still hold keep the adapter alive, but it has been told to end.
    ///
    /// # Errors
    ///
    /// Returns [`DeregisterError`] if there is no such service, or if it did not end cleanly within
    /// [`Settings::shutdown_timeout`]; it is no longer registered in either case.
    ///
    /// # Cancel safety
    ///
    /// The service is removed at once. Dropping the future abandons its shutdown.
    pub async fn deregister(&self, name: &str) -> Result<(), DeregisterError> {
        let removed = self.inner.services.write().ready.remove(name);
        let Some(entry) = removed else {
            return Err(self.not_found(name).into());
        };
        let adapter = Arc::clone(entry.watched.adapter());
        drop(entry);
        self.end(name.to_owned(), adapter).await?;
        Ok(())
    }

    /// Returns the adapter called `name`.
    ///
    /// # Errors
    ///
    /// Returns [`ServiceNotFound`], which lists the known names.
    pub fn get(&self, name: &str) -> Result<Arc<dyn ServiceAdapter>, ServiceNotFound> {
        self.watched(name)
            .map(|watched| Arc::clone(watched.adapter()))
            .ok_or_else(|| self.not_found(name))
    }

    /// Returns the names of all services, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.inner.services.read().ready.keys().cloned().collect()
    }

    /// Returns the names of the healthy services, in alphabetical order.
    #[must_use]
    pub fn healthy(&self) -> Vec<String> {
        let services = self.inner.services.read();
        services
            .ready
            .iter()
            .filter(|(_, entry)| entry.watched.is_healthy())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Returns the result of the last health check of `name`, without waiting for a new one.
    #[must_use]
    pub fn health(&self, name: &str) -> Option<ServiceHealth> {
        self.watched(name).map(|watched| watched.health())
    }

    /// Returns all services as they are now, in alphabetical order.
    #[must_use]
    pub fn adapters(&self) -> Vec<Registered> {
        let services = self.inner.services.read();
        services
            .ready
            .values()
            .map(|entry| entry.watched.snapshot())
            .collect()
    }

    /// Checks the service called `name` now and returns the result.
    ///
    /// # Errors
    ///
    /// Returns [`ServiceNotFound`], which lists the known names.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the check; the last known health stays.
    pub async fn check(&self, name: &str) -> Result<ServiceHealth, ServiceNotFound> {
        let watched = self.watched(name).ok_or_else(|| self.not_found(name))?;
        Ok(self.check_in_slot(&watched).await)
    }

    /// Checks all services now, at most [`Settings::concurrency`] at once, and returns the results.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the checks that still run; finished ones are remembered.
    pub async fn check_now(&self) -> BTreeMap<String, ServiceHealth> {
        let all: Vec<_> = {
            let services = self.inner.services.read();
            let ready = services.ready.iter();
            ready
                .map(|(name, entry)| (name.clone(), Arc::clone(&entry.watched)))
                .collect()
        };
        stream::iter(all)
            .map(|(name, watched)| async move { (name, self.check_in_slot(&watched).await) })
            .buffer_unordered(self.inner.settings.concurrency)
            .collect()
            .await
    }

    /// Stops all checks and shuts all services down, side by side.
    ///
    /// The registry is empty from then on and accepts no service. A second call does nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ShutdownError`] with every service that panicked or did not end within
    /// [`Settings::shutdown_timeout`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the services that have not ended.
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        let ready = {
            let mut services = self.inner.services.write();
            services.shut_down = true;
            std::mem::take(&mut services.ready)
        };
        // Ends all check loops before the first adapter is told to end.
        let ending: Vec<_> = ready
            .into_iter()
            .map(|(name, entry)| (name, Arc::clone(entry.watched.adapter())))
            .collect();
        let width = ending.len().max(1);
        let mut failures: Vec<ShutdownFailure> = stream::iter(ending)
            .map(|(name, adapter)| self.end(name, adapter))
            .buffer_unordered(width)
            .filter_map(async |ended| ended.err())
            .collect()
            .await;
        if failures.is_empty() {
            return Ok(());
        }
        failures.sort_by(|a, b| a.name.cmp(&b.name));
        Err(ShutdownError { failures })
    }

    fn reserve(&self, name: &str) -> Result<Reserved<'_>, RegisterError> {
        let mut services = self.inner.services.write();
        let name = name.to_owned();
        if services.shut_down {
            return Err(RegisterError::ShutDown { name });
        }
        if services.ready.contains_key(&name) || !services.starting.insert(name.clone()) {
            return Err(RegisterError::Duplicate { name });
        }
        Ok(Reserved {
            registry: self,
            name,
        })
    }

    async fn initialize(
        &self,
        name: &str,
        adapter: &Arc<dyn ServiceAdapter>,
    ) -> Result<(), RegisterError> {
        let limit = self.inner.settings.initialize_timeout;
        let adapter = Arc::clone(adapter);
        let outcome = guarded(limit, async move { adapter.initialize().await }).await;
        let name = name.to_owned();
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(RegisterError::Initialize { name, source }),
            Err(Stopped::TimedOut) => Err(RegisterError::TimedOut { name, limit }),
            Err(Stopped::Panicked) => Err(RegisterError::Panicked { name }),
        }
    }

    async fn end(
        &self,
        name: String,
        adapter: Arc<dyn ServiceAdapter>,
    ) -> Result<(), ShutdownFailure> {
        let limit = self.inner.settings.shutdown_timeout;
        guarded(limit, async move { adapter.shutdown().await })
            .await
            .map_err(|stopped| ShutdownFailure {
                name,
                reason: match stopped {
                    Stopped::TimedOut => ShutdownReason::TimedOut(limit),
                    Stopped::Panicked => ShutdownReason::Panicked,
                },
            })
    }

    async fn check_in_slot(&self, watched: &Watched) -> ServiceHealth {
        let _slot = slot(&self.inner.slots).await;
        watched.check(self.inner.settings.check_timeout).await
    }

    fn watched(&self, name: &str) -> Option<Arc<Watched>> {
        let services = self.inner.services.read();
        let entry = services.ready.get(name)?;
        Some(Arc::clone(&entry.watched))
    }

    fn not_found(&self, name: &str) -> ServiceNotFound {
        ServiceNotFound {
            name: name.to_owned(),
            known: self.names(),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("services", &self.names())
            .finish_non_exhaustive()
    }
}

/// A name that nobody else may register while its service starts.
struct Reserved<'a> {
    registry: &'a Registry,
    name: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut services = self.registry.inner.services.write();
        services.starting.remove(&self.name);
    }
}
