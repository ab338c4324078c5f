//! Finds what an installation put under the target folder.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::left_out::{leave_out, left_out, test_name};

/// The file in which an installation keeps the lock file that it was made from, written last.
pub const INSTALLED: &str = ".installed";

/// Returns the folder of an installation, or ends the test here and lists it as left out.
///
/// For what `cargo xtask test --install` gets from other registries than Cargo's, and what a machine need
/// not have. The folder is named as below the target folder; it counts when it was made from the lock
/// file whose text is given, and to its end.
///
/// # Examples
///
/// ```
/// fn speaks_with_the_vendor_s_own_client() {
///     let folder = contexter_testkit::require_installed!("sdks/example", "client==1.2.3\n");
///     // …
/// #   drop(folder);
/// }
/// # speaks_with_the_vendor_s_own_client();
/// ```
#[macro_export]
macro_rules! require_installed {
    ($name:expr, $lock:expr $(; $value:expr)?) => {{
        fn here() {}
        match $crate::installed($name, $lock, ::std::any::type_name_of_val(&here)) {
            ::std::option::Option::Some(folder) => folder,
            ::std::option::Option::None => return $($value)?,
        }
    }};
}

/// Returns the folder of an installation; if it is not there, says so and adds to the list.
///
/// Tests call [`require_installed!`], which calls this with the path of an item inside of the test.
///
/// # Panics
///
/// When the list cannot be written, so that nothing is left out in silence.
#[must_use]
pub fn installed(name: &str, lock: &str, inside: &str) -> Option<PathBuf> {
    if left_out(&[name], inside) {
        return None;
    }
    let found = find(name, lock);
    if found.is_none() {
        let needs = format!("{name}, which `cargo xtask test --install` installs");
        leave_out(test_name(inside), &needs);
    }
    found
}

fn find(name: &str, lock: &str) -> Option<PathBuf> {
    let folder = target()?.join(name);
    let made_from = fs::read_to_string(folder.join(INSTALLED)).ok()?;
    (made_from == lock).then_some(folder)
}

/// Returns the folder that cargo builds in: the one above this program that cargo has tagged.
fn target() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let tagged = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    tagged.map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_counts_when_it_was_made_to_its_end_from_the_same_lock_file() {
        let target = target().unwrap();
        let folder = tempfile::tempdir_in(&target).unwrap();
        let name = folder.path().strip_prefix(&target).unwrap();
        let name = name.to_str().unwrap();
        assert_eq!(find(name, "a==1\n"), None);
        fs::write(folder.path().join(INSTALLED), "a==1\n").unwrap();
        assert_eq!(find(name, "a==1\n").as_deref(), Some(folder.path()));
        assert_eq!(find(name, "a==2\n"), None);
    }
}
