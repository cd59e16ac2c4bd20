# How Bundler reads lockfiles. The first argument is a file with a question in JSON, the second is
# the version of Bundler to ask; the answer is JSON on standard output. Nothing is fetched: an index
# stands in for the gem servers. It holds, of each locked gem, every locked variant and one for each
# platform of the question.

require "json"
require "tmpdir"

Dir.chdir(Dir.mktmpdir)
File.write("Gemfile", "")
ENV["BUNDLE_GEMFILE"] = File.join(Dir.pwd, "Gemfile")
ENV["BUNDLE_FROZEN"] = "true"

question = JSON.parse(File.read(ARGV[0]))
gem "bundler", ARGV[1]
require "bundler"
raise "this is Bundler #{Bundler::VERSION}" unless ARGV[1] == Bundler::VERSION

PLATFORMS = question.fetch("platforms")
AT_LEAST_2_6 = Gem::Version.new(Bundler::VERSION) >= Gem::Version.new("2.6")

# A plugin's source, which has only its options.
class PluginSource
  attr_reader :options, :checksum_store

  def initialize(options)
    @options = options
    @checksum_store = Bundler::Checksum::Store.new
  end

  def add_dependency_names(_names) = nil
end

module Bundler::Plugin
  def self.source(_type) = PluginSource
end

# Every source has the gems in the index of this question.
module Served
  attr_accessor :specs

  def local! = nil
  def remote! = nil
end
[Bundler::Source::Rubygems, Bundler::Source::Path, Bundler::Source::Git, PluginSource].each {|type| type.prepend(Served) }

def gemspec(name, version, platform, dependencies)
  Gem::Specification.new do |spec|
    spec.name = name
    spec.version = version
    spec.platform = platform
    dependencies.each {|dependency| spec.add_dependency(dependency.name, *dependency.requirement.as_list) }
  end
end

def serve(parser)
  parser.specs.group_by(&:source).each do |source, specs|
    source.specs = Bundler::Index.build do |index|
      specs.each {|spec| index << gemspec(spec.name, spec.version, spec.platform, spec.dependencies) }
      next unless source.is_a?(Bundler::Source::Rubygems)

      specs.uniq(&:name).each do |spec|
        PLATFORMS.each do |platform|
          variant = gemspec(spec.name, spec.version, platform, spec.dependencies)
          index << variant if index.search(variant).empty?
        end
      end
    end
  end
end

def on(platform, force)
  Gem::Platform.instance_variable_set(:@local, Gem::Platform.new(platform))
  Bundler.settings.temporary(force_ruby_platform: force) { yield }
end

def parse(text)
  parser = Bundler::LockfileParser.new(text)
  # Bundler 2.5 reads the locked platforms here.
  definition = Bundler::Definition.allocate
  definition.instance_variable_set(:@platforms, parser.platforms)
  Bundler.instance_variable_set(:@definition, definition)
  parser
end

# The variants for a platform, by the lockfile alone.
def locked(text)
  parser = parse(text)
  set = Bundler::SpecSet.new(parser.specs)
  platforms = [Bundler.local_platform]
  specs = AT_LEAST_2_6 ? set.for(parser.dependencies.values, platforms) : set.for(parser.dependencies.values, true, platforms)
  unavailable = set.incomplete_specs.map(&:name).uniq if AT_LEAST_2_6
  { "specs" => specs.uniq(&:name).map(&:full_name), "unavailable" => unavailable }
end

# The gems that an installation would take.
def installed(text)
  parser = parse(text)
  serve(parser)
  set = Bundler::SpecSet.new(parser.specs).materialize(parser.dependencies.values)
  set.to_a.uniq(&:name).map(&:full_name)
end

def requirement(dependency) = dependency.requirement.as_list.sort

def source(source)
  options = source.options
  case source
  when PluginSource then { "type" => "plugin", "options" => options.except("uri") }
  when Bundler::Source::Git
    wanted = %w[revision ref branch tag glob submodules]
    { "type" => "git", "remote" => source.uri.to_s, "options" => options.slice(*wanted).compact }
  when Bundler::Source::Path then { "type" => "path", "remote" => options["path"], "options" => options.slice("glob") }
  else { "type" => "gem", "remotes" => source.remotes.map(&:to_s) }
  end
end

def read(text)
  parser = parse(text)
  ruby = parser.ruby_version && Bundler::RubyVersion.from_string(parser.ruby_version)
  {
    "sources" => parser.sources.map {|found| source(found) },
    "specs" => parser.specs.to_h do |spec|
      checksums = parser.checksums ? spec.source.checksum_store.to_lock(spec).delete_prefix(spec.lock_name).strip : ""
      dependencies = spec.dependencies.map {|dependency| [dependency.name, requirement(dependency)] }
      [spec.full_name, { "source" => parser.sources.index {|found| found.equal?(spec.source) }, "dependencies" => dependencies, "checksums" => checksums }]
    end,
    "has_checksums" => !!parser.checksums,
    "dependencies" => parser.dependencies.values.map {|dependency| [dependency.name, requirement(dependency), !!dependency.source] },
    "platforms" => parser.platforms.map(&:to_s),
    "ruby" => ruby && [ruby.versions.first, ruby.engine == "ruby" ? nil : "#{ruby.engine} #{ruby.engine_versions.first}"],
    "bundled_with" => parser.bundler_version&.to_s,
  }
end

def verdict(text)
  parse(text).specs.map(&:full_name)
rescue StandardError => error
  error.class.name
end

answer = {
  "read" => question.fetch("lockfiles").transform_values {|text| read(text) },
  "choices" => question.fetch("lockfiles").transform_values do |text|
    PLATFORMS.product([false, true]).map do |platform, force|
      on(platform, force) { { "locked" => locked(text), "installed" => installed(text) } }
    end
  end,
  "verdicts" => question.fetch("broken").map {|text| verdict(text) },
}
puts JSON.generate(answer)
