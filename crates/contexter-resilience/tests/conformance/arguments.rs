//! The arguments of a test program, as far as they mean something here.

/// Flags of the standard harness that are followed by a value.
const WITH_VALUE: [&str; 6] = [
    "--format",
    "--color",
    "--test-threads",
    "--logfile",
    "--shuffle-seed",
    "-Z",
];

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) list: bool,
    exact: bool,
    ignored: bool,
    names: Vec<String>,
    skipped: Vec<String>,
}

impl Arguments {
    /// Reads them; those that change nothing here are passed over, as the standard harness has
    /// more of them with each release.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Self {
        let mut read = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => read.list = true,
                "--exact" => read.exact = true,
                "--ignored" => read.ignored = true,
                "--skip" => read.skipped.extend(args.next()),
                flag if WITH_VALUE.contains(&flag) => drop(args.next()),
                flag if flag.starts_with('-') => {}
                _ => read.names.push(arg),
            }
        }
        read
    }

    /// Tells whether the test is to be run. None is ignored: what does not apply shows that itself.
    pub(crate) fn wants(&self, test: &str) -> bool {
        let matches = |name: &String| {
            if self.exact {
                name == test
            } else {
                test.contains(name.as_str())
            }
        };
        !self.ignored
            && (self.names.is_empty() || self.names.iter().any(matches))
            && !self.skipped.iter().any(matches)
    }
}
