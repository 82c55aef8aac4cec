//! The command `finis`: one file a subcommand in `command/`.

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
