//! One process type and its command.

use super::process_type::ProcessType;
use crate::command::{self, CommandSyntaxError};
use crate::launch_spec::LaunchSpec;
use std::path::Path;

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub process_type: ProcessType,
    /// The command as written, without the white space around it; never empty.
    pub command: String,
    pub launch: LaunchSpec,
}

impl Entry {
    /// `is_shell_script` is as for [`command::decide`].
    ///
    /// # Errors
    /// Bash would not accept the command.
    pub fn new(
        process_type: ProcessType,
        command: &str,
        is_shell_script: &dyn Fn(&Path) -> bool,
    ) -> Result<Self, CommandSyntaxError> {
        Ok(Self {
            process_type,
            command: command.to_string(),
            launch: command::decide(command, is_shell_script)?,
        })
    }
}
