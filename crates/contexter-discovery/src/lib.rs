//! Finds a healthy service by capability and picks the fastest.
