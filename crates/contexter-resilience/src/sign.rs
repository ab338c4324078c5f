//! Whom an error speaks of that a mechanism made.

use std::any::Any;
use std::sync::Arc;

use contexter_model::Error;

/// Names service and operation in an error of adapters that names none: one that a mechanism of the
/// stack made knows nothing of what the stack stands around. Errors of other types stay as they are.
pub(crate) fn sign<E: 'static>(
    mut error: E,
    service: Option<&Arc<str>>,
    operation: Option<&'static str>,
) -> E {
    let unknown: &mut dyn Any = &mut error;
    if let Some(known) = unknown.downcast_mut::<Error>() {
        if let Some(service) = service
            && known.service().is_none()
        {
            *known = known.clone().with_service(&**service);
        }
        if let Some(operation) = operation
            && known.operation().is_none()
        {
            *known = known.clone().with_operation(operation);
        }
    }
    error
}
