#![no_main]

use libfuzzer_sys::fuzz_target;
use procfile::command::decide;
use procfile::launch_spec::Form;

fuzz_target!(|command: &str| match decide(command, &|_| true) {
    Ok(launch) => {
        assert!(!launch.argv.is_empty());
        if launch.form() == Form::Exec {
            assert!(
                launch
                    .bash_script()
                    .is_some_and(|script| script.contains("exec"))
            );
        }
    }
    Err(error) => {
        let start = error.span.offset();
        assert!(command.get(start..start + error.span.len()).is_some());
    }
});
