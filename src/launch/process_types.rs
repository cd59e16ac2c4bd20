//! The process types that the app names, in its Procfile or that of a service binding; and a check
//! of `app.json`.

use crate::app::{App, Unreadable};
use crate::platform::bindings::Binding;
use crate::platform::variables::BuildVariables;
use miette::Diagnostic;
use procfile::app_json::{self, AppJson, AppJsonWarning};
use procfile::command::{CommandSyntaxError, FileStart, is_shell_script};
use procfile::{
    Entry, FILE_NAME, MisnamedProcfile, ProcessType, Procfile, ProcfileError, ProcfileSource,
    Reading,
};
use thiserror::Error;

/// The build variable with the command of `web`, for an app whose Procfile does not name that.
pub const DEFAULT_PROCESS: &str = "BP_PROCFILE_DEFAULT_PROCESS";

#[derive(Debug, Diagnostic, Error)]
pub enum ProcessTypesError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Procfile(#[from] ProcfileError),
    #[error("the service binding `{binding}` is of type Procfile, but has no entry `Procfile`")]
    #[diagnostic(help(
        "Add the file `Procfile` to the binding, or remove the binding to use the app's own."
    ))]
    EmptyBinding { binding: String },
    #[error("{DEFAULT_PROCESS} holds no command that can be run")]
    DefaultProcess {
        #[source]
        #[diagnostic_source]
        source: CommandSyntaxError,
    },
}

/// The Procfile of a service binding, else the app's.
pub fn read_procfile(
    app: &App,
    bindings: &[Binding],
) -> Result<Option<Procfile>, ProcessTypesError> {
    let (path, source) = match bound_procfile(bindings) {
        Some(binding) => (
            binding.folder.join(FILE_NAME),
            ProcfileSource::Binding(binding.name.clone()),
        ),
        None => (app.dir.join(FILE_NAME), ProcfileSource::File),
    };
    let Some(bytes) = app.read_bytes(&path)? else {
        return match source {
            ProcfileSource::File => Ok(None),
            ProcfileSource::Binding(binding) => Err(ProcessTypesError::EmptyBinding { binding }),
        };
    };
    let reading = Reading::of(&bytes, &|path| is_shell_script(&app.dir, path))
        .with_scripts(&|path| FileStart::read(&app.dir, path));
    Ok(Some(reading.into_procfile(source)?))
}

fn bound_procfile(bindings: &[Binding]) -> Option<&Binding> {
    bindings
        .iter()
        .find(|binding| binding.is_of_type(FILE_NAME))
}

/// A file in the app that should be its Procfile, where no service binding replaces that.
#[must_use]
pub fn misnamed_procfile(app: &App, bindings: &[Binding]) -> Option<MisnamedProcfile> {
    match bound_procfile(bindings) {
        Some(_) => None,
        None => MisnamedProcfile::in_folder(&app.dir),
    }
}

/// The process type `web` that [`DEFAULT_PROCESS`] names.
pub fn read_default_web(
    app: &App,
    env: &BuildVariables,
) -> Result<Option<Entry>, ProcessTypesError> {
    let command = env.get(DEFAULT_PROCESS).map(str::trim);
    let Some(command) = command.filter(|command| !command.is_empty()) else {
        return Ok(None);
    };
    let web = ProcessType::known(ProcessType::WEB);
    Entry::new(web, command, &|path| is_shell_script(&app.dir, path))
        .map(Some)
        .map_err(|source| ProcessTypesError::DefaultProcess { source })
}

/// What is wrong with the app's `app.json`. The build does not need the file, but `formation
/// export` does.
#[must_use]
pub fn check_app_json(app: &App) -> Option<AppJsonWarning> {
    let read = match app.read_bytes(&app.dir.join(app_json::FILE_NAME)) {
        Ok(bytes) => String::from_utf8(bytes?).map_err(|error| error.to_string()),
        Err(Unreadable { reason, .. }) => Err(reason.to_string()),
    };
    match read {
        Ok(text) => AppJson::read(&text).err().map(AppJsonWarning::from),
        Err(reason) => Some(AppJsonWarning::Unreadable { reason }),
    }
}
