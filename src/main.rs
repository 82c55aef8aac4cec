//! The command `finis`: one file a subcommand in `command/`.

mod command;

use std::process::ExitCode;

/// Sessions are many small values, made and merged by several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run()
}
