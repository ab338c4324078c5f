//! `faults`: numbered events through real brokers that are killed, stopped and cut off.

use anyhow::Result;

use crate::cargo;

/// The program that does it, and judges.
const PACKAGE: &str = "contexter-faults";

/// What is passed on to the program, which checks the values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    passed_on: Vec<String>,
}

impl Options {
    /// Reads the arguments after `faults`; the error says what is wrong with them.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut passed_on = Vec::new();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--events" | "--broker" => {
                    let value = args.next().ok_or(format!("{arg} needs a value"))?;
                    passed_on.extend([arg, value]);
                }
                _ => return Err(format!("unknown flag `{arg}`")),
            }
        }
        Ok(Self { passed_on })
    }
}

/// Builds the program and runs it to its end.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = cargo::cargo("run");
    command.args(cargo::PROFILE).args(["-p", PACKAGE, "--"]);
    command.args(&options.passed_on);
    cargo::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_to_the_program_with_their_values() {
        let line = "--events 5000 --broker redis";
        let options = Options::parse(line.split_whitespace().map(str::to_owned)).unwrap();
        assert_eq!(options.passed_on, ["--events", "5000", "--broker", "redis"]);
    }
}
