//! The program: hands its arguments and its environment to the commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    odometer::cli::run(std::env::args_os(), std::env::vars_os())
}
