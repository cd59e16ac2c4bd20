//! `mkmf.log`, in which Ruby's mkmf writes each command that it tries, what the command says, and the
//! program that was to be compiled.

/// What mkmf says where not even an empty program can be compiled.
const NO_COMPILER: &str = "The compiler failed to generate an executable file";

/// Stands between a command's output and the program.
const PROGRAM: &str = "checked program was:";

const PROGRAM_END: &str = "/* end */";

/// The log without the programs, which are the same for every library, and without separators.
pub(super) fn without_test_programs(log: &str) -> String {
    let mut is_program = false;
    let mut kept = Vec::new();
    for line in log.lines() {
        is_program |= line.trim() == PROGRAM;
        let is_separator = line.len() > 1 && line.bytes().all(|byte| byte == b'-');
        if !is_program && !is_separator {
            kept.push(line);
        }
        is_program &= line.trim() != PROGRAM_END;
    }
    kept.join("\n")
}

/// The output of `extconf.rb` without the list of its options, which follows the reason.
pub(super) fn without_options(output: &str) -> &str {
    output
        .split_once("*** extconf.rb failed ***")
        .map_or(output, |(reason, _)| reason)
}

/// The compiler of the last command, where no program could be compiled and the command said
/// nothing: it was not even started. `output` is that of `extconf.rb`.
pub(super) fn compiler_that_does_not_start<'a>(log: &'a str, output: &str) -> Option<&'a str> {
    if !output.contains(NO_COMPILER) {
        return None;
    }
    let (before, _) = log.rsplit_once(PROGRAM)?;
    let last = before.trim_end().lines().last()?;
    // Variables stand before the quotation mark.
    let command = last.strip_suffix('"')?.split_once('"')?.1;
    command.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_separators_are_left_out() {
        let log = "\"gcc x\"\nld: no\nchecked program was:\n/* begin */\n1: x\n/* end */\n\n----\n-\nrest\n";
        assert_eq!(without_test_programs(log), "\"gcc x\"\nld: no\n\n-\nrest");
        let cut_off = "ld: no\nchecked program was:\n/* begin */\n1: x\n";
        assert_eq!(without_test_programs(cut_off), "ld: no");
    }

    #[test]
    fn a_compiler_that_says_something_was_started() {
        let silent = "A=1 \"gcc-12 -o x\"\nchecked program was:\n/* begin */\n";
        let started = "\"gcc -o x\"\nx.c: error: no\nchecked program was:\n/* begin */\n";
        let find = |log| compiler_that_does_not_start(log, NO_COMPILER);
        assert_eq!(find(silent), Some("gcc-12"));
        assert_eq!(find(started), None);
        assert_eq!(
            compiler_that_does_not_start(silent, "mysql.h is missing"),
            None
        );
    }
}
