//! The command `finis`: one file a subcommand in `command/`.

mod command;

use std::process::ExitCode;

/// A delivery is read on one thread and let go on another, for which it takes a fifth less processor time than
/// that of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run()
}
