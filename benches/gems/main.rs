//! The time of the gems step, compared with Bundler, in one container and from one server:
//!
//! - (a) plain `bundle install`, as in a Dockerfile: only Ruby is there. It does not depend on the
//!   build before, so it is measured once and stands beside every case.
//! - (b) Bundler with everything that can be prepared for it: each archive is at hand, no server is
//!   needed, and the gems of the build before are there.
//! - (c) Formation's `bin/build`, all of it; Ruby is in its layer already.
//!
//! `script/bench` makes what this needs and runs it. It fails when a limit is exceeded.

mod build_container;
mod results;
mod server;
mod sets;
mod sides;

use build_container::{BuildContainer, Files};
use clap::Parser;
use results::{Results, Row, Times};
use rig::build::phase_variables;
use rig::docker::env_options;
use rig::environment::variable;
use server::Server;
use sets::{Case, RUBY, Set};
use sides::Sides;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::{env, fs};

/// What installing gems costs: plain Bundler (a), Bundler with a prefilled cache (b), Formation (c)
#[derive(Parser)]
struct Options {
    /// How many times each side runs; medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Sets of gems
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["sample", "rails", "precompiled", "pure"])]
    sets: Vec<Set>,
    /// What has changed since the build before
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["cold", "nothing", "code", "added", "updated", "patch"])]
    cases: Vec<Case>,
    /// Milliseconds by which the server delays each request
    #[arg(long, value_delimiter = ',', default_values_t = [0, 50])]
    latencies: Vec<u64>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let cores = available_parallelism().map_or(1, usize::from);
    let upstream = variable("FORMATION_GEM_SERVER");
    let rig = Server::start(&upstream, Files::new());
    let buildpack = fs::canonicalize(variable("FORMATION_BUILDPACK")).expect("a folder");
    let volume = format!("{}:/buildpack:ro", buildpack.display());
    let variables = phase_variables("/bench");
    let given = [vec!["--volume", &volume], env_options(&variables)].concat();
    let container = BuildContainer::start(&variable("FORMATION_BUILDER"), &given);
    let sides = |server| Sides {
        container: &container,
        server,
        jobs: cores,
    };
    sides(&rig).install_ruby();
    eprintln!("Making gems …");
    let generated = generate(&container, &upstream);
    let rig_and_generated = Server::start(&upstream, generated.clone());

    let mut results = Results {
        ruby: RUBY.into(),
        runs: options.runs.into(),
        cores,
        load: vec![load()],
        rows: Vec::new(),
        limits: Vec::new(),
    };
    for &set in &options.sets {
        let server = if set.needs_generated() {
            &rig_and_generated
        } else {
            &rig
        };
        results
            .rows
            .extend(measure(&sides(server), set, &set.app(&generated), &options));
    }
    results.load.push(load());
    results.judge();

    println!("{}", results.to_markdown());
    let folder = env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let path = folder.join("bench/gems.json");
    fs::create_dir_all(folder.join("bench")).expect("a folder");
    let json = serde_json::to_string_pretty(&results).expect("JSON");
    fs::write(&path, json + "\n").expect("the target folder can be written");
    println!("All times: {}", path.display());
    ExitCode::from(u8::from(results.limits.iter().any(|limit| !limit.kept)))
}

/// The sides take turns, so that other work of the machine affects all alike.
fn measure(sides: &Sides<'_>, set: Set, app: &sets::App, options: &Options) -> Vec<Row> {
    eprintln!("{}: preparing …", set.name());
    sides.prepare(set, app, &options.cases);
    let mut all = Vec::new();
    for &latency_ms in &options.latencies {
        let mut rows: Vec<_> = options
            .cases
            .iter()
            .map(|&case| Row {
                key: (set, latency_ms, case),
                set: set.name(),
                latency_ms,
                case: case.name(),
                plain: Times::default(),
                prefilled: Times::default(),
                formation: Times::default(),
                downloads: 0,
                requests: 0,
                own_install: None,
                starts_ruby: None,
            })
            .collect();
        sides.server.add_latency(latency_ms);
        let mut plain = Times::default();
        for run in 1..=options.runs {
            eprintln!("{}, {latency_ms} ms: run {run} …", set.name());
            plain.push(sides.plain(app));
            for row in &mut rows {
                measure_once(sides, set, app, row);
            }
        }
        for row in &mut rows {
            row.plain = plain.clone();
        }
        all.append(&mut rows);
    }
    all
}

fn measure_once(sides: &Sides<'_>, set: Set, app: &sets::App, row: &mut Row) {
    let (_, _, case) = row.key;
    row.prefilled.push(sides.prefilled(set, app, case));
    sides.server.take_requests();
    row.formation.push(sides.formation(set, app, case));
    let requests = sides.server.take_requests();
    let gems = requests.iter().filter(|path| path.starts_with("/gems/"));
    row.downloads = row.downloads.max(gems.count());
    row.requests = row.requests.max(requests.len());
    if case == Case::Added {
        let own_install = row.own_install.get_or_insert_default();
        own_install.push(sides.own_install(set));
    }
    if matches!(case, Case::Nothing | Case::Code) && row.starts_ruby.is_none() {
        row.starts_ruby = Some(sides.starts_ruby(set, app, case));
    }
}

/// Makes the gems that the rig does not have.
fn generate(container: &BuildContainer, upstream: &str) -> Files {
    let programs = [
        ("benches/gems/generate.rb", include_str!("generate.rb")),
        (
            "script/rig/gems/compact_index.rb",
            include_str!("../../script/rig/gems/compact_index.rb"),
        ),
    ];
    let programs = programs.map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()));
    container.put("generator", &Files::from(programs));
    container.run(&format!(
        "LANG=C.UTF-8 ruby/ruby/bin/ruby generator/benches/gems/generate.rb {upstream} generated"
    ));
    container.take("generated")
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_string()
}
