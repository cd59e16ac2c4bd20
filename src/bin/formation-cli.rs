//! The command line of `formation`. See [`formation::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    formation::cli::main()
}
