//! What the program is asked to measure.

use std::time::Duration;

/// How it is called.
pub(crate) const USAGE: &str = "\
Usage: peers [all|single|contention] [FILTER] [--rounds N] [--slice-ms N]

  all         everything, the default
  single      one task, on both kinds of runtime
  contention  one shared instance, two threads
  FILTER      only the cases whose name has this in it; rows without a case are left out
  --rounds    samples of each case, 61 by default, 5 at least
  --slice-ms  about how long a sample takes, 4 by default
";

/// The fewest samples that a median is taken of.
const MIN_ROUNDS: usize = 5;

/// What to measure, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) single: bool,
    pub(crate) contention: bool,
    pub(crate) filter: String,
    pub(crate) rounds: usize,
    pub(crate) slice: Duration,
}

impl Options {
    /// Reads the arguments; the error says what is wrong with them.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            single: true,
            contention: true,
            filter: String::new(),
            rounds: 61,
            slice: Duration::from_millis(4),
        };
        let mut mode = None;
        while let Some(arg) = args.next() {
            let mut number = || -> Result<u64, String> {
                let text = args.next().ok_or(format!("{arg} needs a number"))?;
                let number = text
                    .parse()
                    .map_err(|_no_number| format!("{arg} needs a number, got `{text}`"))?;
                if number == 0 {
                    return Err(format!("{arg} must be at least 1"));
                }
                Ok(number)
            };
            match arg.as_str() {
                "--rounds" => {
                    let rounds = usize::try_from(number()?).unwrap_or(usize::MAX);
                    options.rounds = rounds.max(MIN_ROUNDS);
                }
                "--slice-ms" => options.slice = Duration::from_millis(number()?),
                flag if flag.starts_with('-') => return Err(format!("unknown flag `{flag}`")),
                "all" | "single" | "contention" if mode.is_none() => mode = Some(arg),
                filter if options.filter.is_empty() => filter.clone_into(&mut options.filter),
                other => return Err(format!("unexpected argument `{other}`")),
            }
        }
        options.single = mode.as_deref() != Some("contention");
        options.contention = mode.as_deref() != Some("single");
        Ok(options)
    }
}
