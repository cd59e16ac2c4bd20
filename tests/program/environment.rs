//! What the launcher is told to set: `formation` as its exec.d program.

use crate::formation::{PROGRAM, err_of, out_of};
use rig::files;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A locale that no system has.
const MISSING: &str = "xx_XX.UTF-8";

/// A layer with the exec.d program and one default.
fn layers() -> TempDir {
    let layers = tempfile::tempdir().unwrap();
    let layer = layers.path().join("formation");
    files::write(&layer.join("env.launch/PORT.default"), "8080");
    std::fs::create_dir(layer.join("exec.d")).unwrap();
    let command_line = Path::new(PROGRAM).with_file_name("formation-cli");
    std::os::unix::fs::symlink(command_line, layer.join("exec.d/formation-environment")).unwrap();
    layers
}

/// Runs it with these variables; file descriptor 3 is its standard output.
fn run(variables: &[(&str, &str)]) -> Output {
    let layers = layers();
    Command::new("bash")
        .args(["-c", "exec \"$0\" 3>&1 >&2"])
        .arg(layers.path().join("formation/exec.d/formation-environment"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn nothing_is_set_and_nothing_told_where_all_is_well() {
    for variables in [&[][..], &[("LANG", "C.UTF-8"), ("LC_ALL", "")]] {
        let output = run(variables);
        assert_eq!((out_of(&output), err_of(&output)), ("", ""));
        assert!(output.status.success());
    }
}

#[test]
fn a_locale_that_the_image_lacks_is_replaced_and_told() {
    for variable in ["LANG", "LC_ALL"] {
        let output = run(&[(variable, MISSING)]);
        assert_eq!(out_of(&output), format!("{variable} = \"C.UTF-8\"\n"));
        // Bash itself has something to say of LC_ALL.
        let told = format!(
            "formation: {variable}=C.UTF-8 (this image does not have the locale {MISSING})\n"
        );
        assert!(err_of(&output).ends_with(&told), "{}", err_of(&output));
        assert!(output.status.success());
    }
}

#[test]
fn everything_that_is_set_is_told_on_request() {
    let output = run(&[("FORMATION_DEBUG", "1"), ("PORT", "80"), ("LANG", MISSING)]);
    assert_eq!(
        err_of(&output),
        format!(
            "formation: LANG=C.UTF-8 (this image does not have the locale {MISSING})\n\
             formation: PORT=80 (given; the default is 8080)\n"
        )
    );
}
