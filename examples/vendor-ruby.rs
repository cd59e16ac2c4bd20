//! Puts Rubies into a packaged buildpack, for builds without a network. `script/package --ruby`
//! runs it.

use clap::Parser;
use formation_buildpack::fetch::Fetcher;
use formation_buildpack::fetch::masked::Shown;
use formation_buildpack::fetch::settings::DownloadSettings;
use formation_buildpack::platform::variables::BuildVariables;
use formation_buildpack::report;
use formation_buildpack::ruby::gem_version::GemRequirement;
use formation_buildpack::ruby::inventory::Inventory;
use formation_buildpack::ruby::vendor::{Wanted, vendor};
use std::path::PathBuf;
use std::process::ExitCode;

/// The architecture of this machine.
const OWN_ARCH: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

#[derive(Parser)]
#[command(
    name = "vendor-ruby",
    about = "Puts Rubies into a packaged buildpack, for builds without a network"
)]
struct Arguments {
    /// The packaged buildpack's folder
    buildpack: PathBuf,
    /// A version or requirement, such as 3.3.8 or 3.4.*; the first is the default of apps that name
    /// none
    #[arg(long = "ruby", value_name = "VERSION", required = true)]
    rubies: Vec<GemRequirement>,
    /// The architecture of the builders
    #[arg(long, value_parser = ["amd64", "arm64"], default_value = OWN_ARCH)]
    arch: String,
    /// The distribution of the builders, such as ubuntu:24.04; by default archives for all
    #[arg(long, value_name = "NAME:VERSION", value_parser = distro)]
    distro: Option<(String, String)>,
    /// An inventory that takes precedence: an https, http or file URL, or an absolute path
    #[arg(long, value_name = "ADDRESS", env = "BP_RUBY_INVENTORY")]
    inventory: Option<String>,
}

fn distro(text: &str) -> Result<(String, String), String> {
    text.split_once(':')
        .map(|(name, version)| (name.to_string(), version.to_string()))
        .ok_or_else(|| "write it like ubuntu:24.04".to_string())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> miette::Result<()> {
    let mut env = libcnb::Env::new();
    for (name, value) in std::env::vars_os() {
        env.insert(name, value);
    }
    let settings = DownloadSettings::read(&BuildVariables::new(&env), &[], &|_| None)
        .map_err(|mut errors| errors.remove(0))?;
    let fetcher = Fetcher::new(&settings, &PathBuf::from("/nowhere"));
    let inventories = Inventory::all(arguments.inventory.as_deref(), &fetcher)?;
    let wanted = Wanted {
        requirements: arguments.rubies.clone(),
        arch: arguments.arch.clone(),
        distro: arguments.distro.clone(),
    };
    for (url, length) in vendor(&wanted, &inventories, &fetcher, &arguments.buildpack)? {
        println!("{length} bytes, verified: {}", Shown(&url));
    }
    Ok(())
}
