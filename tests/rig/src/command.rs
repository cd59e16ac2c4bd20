//! Programs that run to their end, and what they print.

use std::process::{Command, Output};

/// The standard output of a program that has to succeed.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Standard output, and after it standard error.
pub fn all_output(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// Bytes as text; whatever is not UTF-8 is replaced.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
