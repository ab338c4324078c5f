//! Messages and CloudEvents of Contexter's services.
