//! The opwatch binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    opwatch::cli::main()
}
