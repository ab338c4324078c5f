//! The health report of all integration points.
