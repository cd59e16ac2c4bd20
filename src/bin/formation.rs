//! `formation`: the program in the image. See [`formation::exec::entry`].

use std::process::ExitCode;

fn main() -> ExitCode {
    formation::exec::entry::main()
}
