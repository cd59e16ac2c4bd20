//! The builtin commands of bash.

/// All of bash 5.2 (`compgen -b`). Some exist as programs too (`echo`, `test`, `kill`), which may
/// behave differently.
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

/// Builtins after which bash can replace itself with the next program: they do not wait, and they
/// start nothing that bash has to stay for.
///
/// Not `trap`, because bash has to stay to run the trap; not `read` and `wait`, which may wait for
/// ever; not `eval`, whose text may start any program.
const RETURN_AT_ONCE: [&str; 33] = [
    ".", ":", "[", "alias", "cd", "declare", "dirs", "echo", "enable", "exit", "export", "false",
    "getopts", "hash", "let", "local", "popd", "printf", "pushd", "pwd", "readonly", "set",
    "shift", "shopt", "source", "test", "true", "type", "typeset", "ulimit", "umask", "unalias",
    "unset",
];

/// Builtins that make sense with the user's arguments appended: they print them, or pass them on.
const TAKE_ARGUMENTS: [&str; 8] = [
    ".", "builtin", "command", "echo", "eval", "exec", "printf", "source",
];

pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name)
}

/// See [`RETURN_AT_ONCE`].
pub(super) fn returns_at_once(name: &str) -> bool {
    RETURN_AT_ONCE.contains(&name)
}

/// Whether the user's arguments can be appended to this command. To every program they can.
pub(super) fn takes_arguments(name: &str) -> bool {
    !is_builtin(name) || TAKE_ARGUMENTS.contains(&name)
}
