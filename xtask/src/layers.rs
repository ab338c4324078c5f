//! Checks which crate may depend on which.
//!
//! An arrow may only go down a level, dev-dependencies included; crates of one level never depend
//! on one another. `ARCHITECTURE.md` says why.

use anyhow::{Result, bail};

use crate::metadata::{self, Dependency, Package};

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// May depend on any crate of a lower level.
    Level(u8),
    /// For tests: any crate may name it as a dev-dependency, otherwise only programs; it may itself
    /// depend on crates below this level.
    ForTests { below: u8 },
    /// Stands apart: depends on no crate of the table, and none depends on it.
    Apart,
}

use Place::{Apart, ForTests, Level};

/// Every crate of the workspace. A new crate is a new line here: a decision, not an accident.
const PLACES: &[(&str, Place)] = &[
    ("contexter-service", Level(0)),
    ("contexter-adapter", Level(1)),
    ("contexter-breaker", Level(1)),
    ("contexter-chaos", Level(1)),
    ("contexter-config", Level(1)),
    ("contexter-fallback", Level(1)),
    ("contexter-limit", Level(1)),
    ("contexter-model", Level(1)),
    ("contexter-protocol", Level(1)),
    ("contexter-retry", Level(1)),
    ("contexter-timeout", Level(1)),
    ("contexter-event-bus", Level(2)),
    ("contexter-http", Level(2)),
    ("contexter-registry", Level(2)),
    ("contexter-resilience", Level(2)),
    ("contexter-brightdata", Level(3)),
    ("contexter-context7", Level(3)),
    ("contexter-discovery", Level(3)),
    ("contexter-local", Level(3)),
    ("contexter-monitor", Level(3)),
    ("contexter-nats", Level(3)),
    ("contexter-qdrant", Level(3)),
    ("contexter-redis", Level(3)),
    ("contexter-storage", Level(3)),
    ("contexter-voyage", Level(3)),
    ("contexter-rag", Level(4)),
    ("contexter-gateway", Level(5)),
    ("contexter-sandbox", Level(5)),
    ("contexter", Level(6)),
    ("contexter-benches", Level(7)),
    ("contexter-examples", Level(7)),
    ("contexter-faults", Level(7)),
    ("contexter-tests", Level(7)),
    ("contexter-conformance", ForTests { below: 3 }),
    ("contexter-testkit", ForTests { below: 0 }),
    ("xtask", Apart),
];

/// Crates of others that only one of ours may name, so that they can be replaced in one place.
/// Programs that compare ours with them may name them too.
const SOLE_USERS: &[(&str, &str)] = &[
    ("async-nats", "contexter-nats"),
    ("object_store", "contexter-storage"),
    ("qdrant-client", "contexter-qdrant"),
    ("qdrant-edge", "contexter-qdrant"),
    ("redis", "contexter-redis"),
    ("reqwest", "contexter-http"),
    ("rten", "contexter-local"),
];

/// The crates that may name what they compare ours with.
const COMPARING: [&str; 2] = ["contexter-benches", "contexter-faults"];

/// The level of programs, which are never published, so that they may need what is for tests.
const PROGRAMS: u8 = 7;

/// Checks the workspace.
pub(crate) fn run() -> Result<()> {
    let packages = metadata::packages()?;
    let wrong = check(&packages);
    if !wrong.is_empty() {
        bail!("the layers do not hold:\n  {}", wrong.join("\n  "));
    }
    println!("layers: {} crates, every arrow goes down", packages.len());
    Ok(())
}

/// Returns one sentence for each thing that is wrong.
fn check(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in packages {
        let Some(place) = place_of(&package.name) else {
            wrong.push(format!(
                "{}: not in the table of xtask/src/layers.rs; give it a level",
                package.name
            ));
            continue;
        };
        if package
            .folder
            .file_name()
            .is_some_and(|folder| folder != package.name.as_str())
            && package
                .folder
                .parent()
                .is_some_and(|parent| parent.ends_with("crates"))
        {
            wrong.push(format!(
                "{}: its folder is {}",
                package.name,
                package.folder.display()
            ));
        }
        for dependency in &package.dependencies {
            wrong.extend(wrong_arrow(&package.name, place, dependency));
            wrong.extend(wrong_user(&package.name, dependency));
        }
    }
    wrong
}

fn place_of(name: &str) -> Option<Place> {
    PLACES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, place)| *place)
}

fn wrong_arrow(from: &str, place: Place, dependency: &Dependency) -> Option<String> {
    let Dependency { name: to, kind } = dependency;
    let target = place_of(to)?;
    let reason = match (place, target) {
        (Apart, _) => format!("{from} stands apart"),
        (_, Apart) => format!("{to} stands apart"),
        (_, ForTests { .. }) if kind == "dev" || place == Level(PROGRAMS) => return None,
        (_, ForTests { .. }) => format!("{to} is for tests: a dev-dependency only"),
        (Level(above), Level(below)) if above > below => return None,
        (Level(above), Level(below)) => {
            format!("level {above} may depend only on levels below it, and {to} is on {below}")
        }
        (ForTests { below }, Level(level)) if level < below => return None,
        (ForTests { below: 0 }, Level(_)) => format!("{from} may depend on none of our crates"),
        (ForTests { below }, Level(level)) => {
            format!("{from} may depend only on levels below {below}, and {to} is on {level}")
        }
    };
    Some(format!("{from} -> {to} ({kind} dependency): {reason}"))
}

fn wrong_user(from: &str, dependency: &Dependency) -> Option<String> {
    let (name, sole) = SOLE_USERS
        .iter()
        .find(|(name, _)| *name == dependency.name)?;
    (from != *sole && !COMPARING.contains(&from))
        .then(|| format!("{from} -> {name}: only {sole} names {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, &str)]) -> Package {
        let dependencies = dependencies.iter().map(|(name, kind)| Dependency {
            name: (*name).into(),
            kind: (*kind).into(),
        });
        Package {
            name: name.into(),
            folder: format!("/w/crates/{name}").into(),
            published: true,
            dependencies: dependencies.collect(),
            targets: Vec::new(),
        }
    }

    fn wrong(name: &str, dependency: &str, kind: &str) -> Vec<String> {
        check(&[package(name, &[(dependency, kind)])])
    }

    #[test]
    fn an_arrow_goes_down() {
        for kind in ["normal", "dev", "build"] {
            let none = Vec::<String>::new();
            assert_eq!(wrong("contexter-retry", "contexter-service", kind), none);
            assert_eq!(wrong("contexter", "contexter-rag", kind), none);
            assert_eq!(wrong("contexter-retry", "serde", kind), none);
        }
    }

    #[test]
    fn an_arrow_up_is_caught_in_every_table() {
        for kind in ["normal", "dev", "build"] {
            assert_eq!(
                wrong("contexter-service", "contexter-retry", kind),
                [format!(
                    "contexter-service -> contexter-retry ({kind} dependency): \
                     level 0 may depend only on levels below it, and contexter-retry is on 1"
                )]
            );
        }
    }

    #[test]
    fn an_arrow_sideways_is_caught() {
        assert_eq!(
            wrong("contexter-breaker", "contexter-retry", "normal").len(),
            1
        );
        assert_eq!(wrong("contexter-qdrant", "contexter-local", "dev").len(), 1);
    }

    #[test]
    fn crates_for_tests_are_dev_dependencies_of_any_crate() {
        for name in ["contexter-testkit", "contexter-conformance"] {
            assert!(wrong("contexter-service", name, "dev").is_empty());
            assert_eq!(wrong("contexter-rag", name, "normal").len(), 1);
            assert_eq!(wrong("contexter-rag", name, "build").len(), 1);
            assert!(wrong("contexter-faults", name, "normal").is_empty());
        }
    }

    #[test]
    fn crates_for_tests_know_little() {
        assert_eq!(
            wrong("contexter-testkit", "contexter-service", "normal"),
            [
                "contexter-testkit -> contexter-service (normal dependency): \
              contexter-testkit may depend on none of our crates"
            ]
        );
        assert!(wrong("contexter-conformance", "contexter-event-bus", "normal").is_empty());
        assert_eq!(
            wrong("contexter-conformance", "contexter-rag", "normal").len(),
            1
        );
    }

    #[test]
    fn xtask_stands_apart() {
        assert_eq!(wrong("xtask", "contexter-config", "normal").len(), 1);
        assert_eq!(wrong("contexter-tests", "xtask", "dev").len(), 1);
    }

    #[test]
    fn a_crate_without_a_level_is_caught() {
        let wrong = check(&[package("contexter-new", &[])]);
        assert_eq!(
            wrong,
            ["contexter-new: not in the table of xtask/src/layers.rs; give it a level"]
        );
    }

    #[test]
    fn a_folder_of_another_name_is_caught() {
        let mut moved = package("contexter-retry", &[]);
        moved.folder = "/w/crates/retry".into();
        assert_eq!(
            check(&[moved]),
            ["contexter-retry: its folder is /w/crates/retry"]
        );
    }

    #[test]
    fn a_vendor_crate_has_one_user() {
        assert!(wrong("contexter-http", "reqwest", "normal").is_empty());
        assert!(wrong("contexter-benches", "qdrant-edge", "normal").is_empty());
        assert!(wrong("contexter-faults", "redis", "normal").is_empty());
        assert_eq!(
            wrong("contexter-local", "reqwest", "dev"),
            ["contexter-local -> reqwest: only contexter-http names reqwest"]
        );
    }

    #[test]
    fn the_table_names_every_crate_once() {
        for (index, (name, _)) in PLACES.iter().enumerate() {
            let again = PLACES
                .iter()
                .skip(index + 1)
                .any(|(other, _)| other == name);
            assert!(!again, "{name} is there twice");
        }
    }
}
