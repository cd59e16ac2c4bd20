//! The command line of `formation` as a whole: what it suggests and completes.

use crate::formation::{err_of, formation, out_of};
use rig::files;
use std::fmt::Write;
use std::process::Command;

/// `formation web` is closer to `formation web=1` than to any subcommand; a mistyped subcommand
/// gets the subcommand.
#[test]
fn an_unknown_word_gets_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    files::write(&folder.path().join("Procfile"), "web: true\nfore: true\n");
    let mut shown = String::new();
    for word in ["web", "fore", "scal"] {
        let mut command = formation(&[word]);
        command
            .args(["--procfile", "Procfile"])
            .env_remove("FORMATION")
            .current_dir(&folder);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = err_of(&output);
        writeln!(shown, "$ formation {word}\n{text}").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn each_shell_gets_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = formation(&["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = out_of(&output);
        for word in ["scale", "export", "restart-delay"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // Words that are only for other programs are not offered.
        for word in ["foreground", "prepare-process"] {
            assert!(!script.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            let parsed = Command::new("bash").args(["-n", "-c", script]).status();
            assert!(parsed.unwrap().success());
        }
    }
}
