//! Starts real servers on free ports for tests, and stops them.
