//! Service adapters by name, with background health checks.
