#![no_main]

use libfuzzer_sys::fuzz_target;
use procfile::command::decide;
use procfile::launch_spec::Form;

fuzz_target!(|command: &str| match decide(command, &|_| true) {
    Ok(launch) => {
        assert!(!launch.argv.is_empty());
        let by_bash = launch.argv.len() == 4 && launch.argv[..2] == ["bash", "-c"];
        match launch.form() {
            Form::Words | Form::Group => {}
            Form::Exec => assert!(by_bash && launch.argv[2].contains("exec")),
        }
    }
    Err(error) => {
        let start = error.span.offset();
        assert!(command.get(start..start + error.span.len()).is_some());
    }
});
