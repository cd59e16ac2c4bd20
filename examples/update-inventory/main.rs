//! `script/update-inventory`: rewrites the rows of `inventory.toml` from the release data of the
//! archives' publishers.

mod publishers;
mod rows;

use clap::Parser;
use formation_buildpack::report;
use miette::Diagnostic;
use publishers::{PublisherError, published};
use rows::{Inventory, InventoryError, changes};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use thiserror::Error;
use ureq::Agent;

/// The longest response in bytes. A list of releases has a few hundred kilobytes.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Rewrites the rows of inventory.toml from the release data of paketo-buildpacks/mri,
/// bazel-contrib/portable-ruby and jdx/ruby on GitHub. The text above the first row and the rows of
/// other publishers are kept. If an archive has no SHA-256, nothing is written. Set `GITHUB_TOKEN`
/// to make more than the 60 requests an hour that GitHub allows without one.
#[derive(Parser)]
#[command(name = "script/update-inventory", bin_name = "script/update-inventory")]
struct Arguments {
    /// Write nothing; exit with status 1 if something would change.
    #[arg(long)]
    check: bool,
    /// The inventory's path.
    #[arg(long, default_value = "inventory.toml")]
    inventory: PathBuf,
}

#[derive(Debug, Diagnostic, Error)]
enum UpdateError {
    #[error("{path} cannot be read or written")]
    File { path: String, source: io::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Publisher(#[from] PublisherError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Inventory(#[from] InventoryError),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    report::use_colours(io::stderr().is_terminal());
    match update(&arguments) {
        Ok(changed) if changed && arguments.check => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            ExitCode::from(2)
        }
    }
}

/// Returns whether something has changed, or with `--check` would change.
fn update(arguments: &Arguments) -> Result<bool, UpdateError> {
    let path = &arguments.inventory;
    let file_error = |source| UpdateError::File {
        path: path.display().to_string(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(file_error)?;
    let before = Inventory::parse(&text)?;
    let after = before.updated(published(&client())?);
    let changes = changes(&before.rows, &after.rows);
    for change in &changes {
        println!("{change}");
    }
    println!("{} rows, {} changes", after.rows.len(), changes.len());
    let new_text = after.to_string();
    let is_new = new_text != text;
    if is_new && !arguments.check {
        std::fs::write(path, new_text).map_err(file_error)?;
    }
    Ok(is_new)
}

/// Returns the function that downloads a text. It sends the token to GitHub's API only.
fn client() -> impl Fn(&str) -> Result<String, PublisherError> {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .user_agent("formation-update-inventory")
        .build()
        .into();
    let token = std::env::var("GITHUB_TOKEN").ok();
    move |url| {
        let mut request = agent.get(url);
        if let Some(token) = token.as_deref().filter(|token| !token.is_empty())
            && url.starts_with(publishers::GITHUB_API)
        {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().and_then(|mut answer| {
            answer
                .body_mut()
                .with_config()
                .limit(LONGEST_ANSWER)
                .read_to_string()
        });
        answer.map_err(|error| PublisherError::Unreachable {
            url: url.to_string(),
            reason: error.to_string(),
        })
    }
}
