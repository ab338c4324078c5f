//! Lets a run do without servers, loudly.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// The environment variable that names the programs to do without, separated by commas.
pub const WITHOUT: &str = "CONTEXTER_TEST_WITHOUT";

/// The environment variable with the path of the file that lists what was left out.
pub const LEFT_OUT_LIST: &str = "CONTEXTER_TEST_LEFT_OUT";

/// Ends the test here when the run does without one of the programs.
///
/// Only a run that was told so leaves a test out (`cargo xtask test --without-services`). In any
/// other run the test goes on, and fails where the program is missing.
///
/// The enclosing function returns `()`; one that returns something else names the value after a
/// semicolon.
///
/// # Examples
///
/// ```
/// fn publishes_in_order() {
///     contexter_testkit::require!("nats-server");
///     // …
/// }
///
/// fn survives_a_restart() -> Result<(), contexter_testkit::Error> {
///     contexter_testkit::require!("redis-server", "nats-server"; Ok(()));
///     // …
///     Ok(())
/// }
/// # publishes_in_order();
/// # survives_a_restart().unwrap();
/// ```
#[macro_export]
macro_rules! require {
    ($($program:expr),+ $(; $value:expr)?) => {{
        // The path of an item in a function's body holds the name of that function.
        fn here() {}
        if $crate::left_out(&[$($program),+], ::std::any::type_name_of_val(&here)) {
            return $($value)?;
        }
    }};
}

/// Returns the values of environment variables, or ends the test here and lists it as left out.
///
/// For tests against real services, whose keys only the environment has. The reply is an array, in
/// the order of the names; a variable that is empty is as good as none.
///
/// # Examples
///
/// ```
/// fn embeds_at_the_vendor() {
///     let [key, zone] = contexter_testkit::require_env!("EXAMPLE_KEY", "EXAMPLE_ZONE");
///     // …
/// #   drop((key, zone));
/// }
/// # embeds_at_the_vendor();
/// ```
#[macro_export]
macro_rules! require_env {
    ($($name:expr),+ $(; $value:expr)?) => {{
        fn here() {}
        match $crate::variables([$($name),+], ::std::any::type_name_of_val(&here)) {
            ::std::option::Option::Some(values) => values,
            ::std::option::Option::None => return $($value)?,
        }
    }};
}

/// Returns the values of environment variables; if one is missing, says so and adds to the list.
///
/// Tests call [`require_env!`], which calls this with the path of an item inside of the test.
///
/// # Panics
///
/// When the list cannot be written, so that nothing is left out in silence.
#[must_use]
pub fn variables<const N: usize>(names: [&str; N], inside: &str) -> Option<[String; N]> {
    values_of(names)
        .map_err(|missing| leave_out(test_name(inside), &missing.join(", ")))
        .ok()
}

/// Returns the values, or the names of those that are missing.
fn values_of<const N: usize>(names: [&str; N]) -> Result<[String; N], Vec<&str>> {
    let values = names.map(|name| env::var_os(name).unwrap_or_default());
    let missing: Vec<&str> = names
        .iter()
        .zip(&values)
        .filter(|(_, value)| value.is_empty())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        Ok(values.map(|value| value.to_string_lossy().into_owned()))
    } else {
        Err(missing)
    }
}

/// Tells whether the run does without one of the programs; if so, says it and adds to the list.
///
/// Tests call [`require!`], which calls this with the path of an item inside of the test.
///
/// # Panics
///
/// When the list cannot be written, so that nothing is left out in silence.
#[must_use]
pub fn left_out(programs: &[&str], inside: &str) -> bool {
    let without = env::var_os(WITHOUT).unwrap_or_default();
    let without = without.to_string_lossy();
    let Some(missing) = first_left_out(programs, &without) else {
        return false;
    };
    leave_out(test_name(inside), missing);
    true
}

/// Says that `test` is left out because it needs something, and adds to the list.
pub(crate) fn leave_out(test: &str, needs: &str) {
    let line = format!("{test}: needs {needs}\n");
    // Not `eprintln!`: the test harness would swallow it, for the test goes on to pass.
    let _unheard = write!(io::stderr(), "left out: {line}");
    if let Some(list) = env::var_os(LEFT_OUT_LIST) {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the list of what was left out must be writable");
    }
}

fn first_left_out<'a>(programs: &[&'a str], without: &str) -> Option<&'a str> {
    programs
        .iter()
        .copied()
        .find(|program| without.split(',').any(|name| name.trim() == *program))
}

/// Returns the path of the function that holds the item, without the closures of async functions.
pub(crate) fn test_name(inside: &str) -> &str {
    let mut name = inside.strip_suffix("::here").unwrap_or(inside);
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_named_program_is_left_out() {
        assert_eq!(first_left_out(&["redis-server"], ""), None);
        assert_eq!(first_left_out(&["redis-server"], "nats-server"), None);
        assert_eq!(
            first_left_out(&["a", "nats-server"], "redis, nats-server"),
            Some("nats-server")
        );
        assert_eq!(first_left_out(&["redis"], "redis-server"), None);
    }

    #[test]
    fn a_variable_that_is_not_set_leaves_the_test_out() {
        let unset = "CONTEXTER_TEST_UNSET";
        assert_eq!(values_of([unset]), Err(vec![unset]));
        assert_eq!(values_of(["PATH", unset]), Err(vec![unset]));
        let [path] = values_of(["PATH"]).unwrap();
        assert!(!path.is_empty());
    }

    #[test]
    fn a_test_is_named_without_the_machinery_around_it() {
        assert_eq!(
            test_name("it::bus::orders::{{closure}}::here"),
            "it::bus::orders"
        );
        assert_eq!(test_name("it::bus::orders::here"), "it::bus::orders");
    }
}
