//! What it costs to observe what a Gemfile asks for: Redmine's, which reads other files.
//!
//! ```sh
//! script/bench observing
//! ```

use indoc::indoc;
use rig::build::phase::BuildPhase;
use rig::environment::variable;

const MOST_MILLISECONDS: f64 = 20.0;

/// Prints the medians of both sides, in milliseconds. Each evaluation is a process of its own, because
/// Bundler keeps what it has evaluated.
const EVALUATIONS: &str = indoc! {r#"
    require "bundler"
    require "/fixture/observed"
    $stderr.reopen(File::NULL)

    def milliseconds
      reader, writer = IO.pipe
      pid = fork do
        start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        yield
        writer.puts((Process.clock_gettime(Process::CLOCK_MONOTONIC) - start) * 1000)
        exit!(0)
      end
      Process.wait(pid)
      reader.gets.to_f
    end

    times = Array.new(51) do
      [milliseconds { Bundler.definition }, milliseconds { Observed.during { Bundler.definition } }]
    end
    puts times.transpose.map { |side| side.sort[25] }
"#};

fn main() {
    let build = BuildPhase::of_a_copy(&variable("FORMATION_REDMINE"));
    build.set("BP_RUBY_VERSION", "3.3.8");
    build.set("BP_ASSETS", "false"); // Nothing can be written into the app here.
    build.run();
    build.write(
        "observed.rb",
        include_str!("../../src/gems/installer/observed.rb"),
    );
    build.write("evaluations.rb", EVALUATIONS);
    let medians = build.output_of("exec ruby /fixture/evaluations.rb");
    let medians: Vec<f64> = medians
        .lines()
        .map(|median| median.parse().expect("a number"))
        .collect();
    let [plain, observed] = medians[..] else {
        panic!("two medians: {medians:?}");
    };
    println!("| evaluating Redmine's Gemfile | ms |\n|---|---|");
    println!("| by Bundler | {plain:.1} |\n| observed | {observed:.1} |");
    println!("| ratio | {:.3} |", observed / plain);
    let cost = observed - plain;
    assert!(cost <= MOST_MILLISECONDS, "{cost:.1} ms are too much");
}
