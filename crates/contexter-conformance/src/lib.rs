//! Behaviour scenarios for resilience mechanisms, to run on anyone's types.
