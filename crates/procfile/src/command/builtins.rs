//! The commands that bash runs itself.

/// All of bash 5.2 (`compgen -b`). Some exist as programs too (`echo`, `test`, `kill`), which may behave differently.
const BUILTINS: [&str; 61] = [
    ".",
    ":",
    "[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "cd",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "declare",
    "dirs",
    "disown",
    "echo",
    "enable",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "getopts",
    "hash",
    "help",
    "history",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
];

/// Those that neither wait for anything nor leave anything behind that must outlive them.
///
/// Not `trap`, which bash has to stay for, nor `read` and `wait`, which may take as long as they like, nor `eval`, whose
/// text may start anything at all.
const RETURN_AT_ONCE: [&str; 33] = [
    ".", ":", "[", "alias", "cd", "declare", "dirs", "echo", "enable", "exit", "export", "false",
    "getopts", "hash", "let", "local", "popd", "printf", "pushd", "pwd", "readonly", "set",
    "shift", "shopt", "source", "test", "true", "type", "typeset", "ulimit", "umask", "unalias",
    "unset",
];

/// Those for which further arguments are more of the same, or the arguments of a program.
const TAKE_ARGUMENTS: [&str; 8] = [
    ".", "builtin", "command", "echo", "eval", "exec", "printf", "source",
];

/// Whether bash has a builtin of this name.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name)
}

/// Whether it is done as soon as it is called.
pub(super) fn returns_at_once(name: &str) -> bool {
    RETURN_AT_ONCE.contains(&name)
}

/// Whether the user's arguments mean something to it: they do to every program.
pub(super) fn takes_arguments(name: &str) -> bool {
    !is_builtin(name) || TAKE_ARGUMENTS.contains(&name)
}
