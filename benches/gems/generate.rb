# frozen_string_literal: true

# Makes the gems that the benchmark adds to the rig's, their index, and the app of 300 of them:
#
#   ruby generate.rb GEM_SERVER OUT_FOLDER
#
# OUT_FOLDER then holds gems/, info/ and versions, which are served before those of the rig's gem
# server, and app/ with Gemfile and Gemfile.lock.

# The date of every file in an archive, so that the same input gives the same bytes.
ENV["SOURCE_DATE_EPOCH"] = "315619200"

require "net/http"
require "tmpdir"
require_relative "../../script/rig/gems/compact_index"

COUNT = 300
OLDER_PURE = "0.9.0"

# Gems of the rig that compile, and the compiled files of them that Ruby already has.
COMPILED = {
  "bigdecimal-3.1.5" => ["bigdecimal.so"],
  "date-3.3.4" => ["date_core.so"],
  "io-console-0.7.1" => ["io/console.so"],
  "psych-5.1.2" => ["psych.so"],
  "racc-1.7.3" => ["racc/cparse.so"],
  "stringio-3.1.1" => ["stringio.so"]
}.freeze

# A gem with an older release, from which the sample app is updated.
UPDATED = "tilt-2.4.0"
OLDER = "2.3.0"

class Gems
  def initialize(server, out)
    @server = server
    @out = File.expand_path(out)
    @index = CompactIndex.new(@out)
  end

  def make
    pure = Array.new(COUNT + 1) { |number| pure_gem(number, "1.#{number}.0") }
    pure_gem(2, OLDER_PURE) # No other gem depends on this one.
    COMPILED.each do |gem, libraries|
      repackage(gem) do |spec|
        libraries.each { |library| add_library(library, spec) }
        spec.platform = Gem::Platform.local
        spec.extensions = []
      end
    end
    repackage(UPDATED) { |spec| spec.version = OLDER }
    @index.write
    # The last line of a name counts.
    versions = File.readlines("#{@out}/versions").drop_while { |line| line != "---\n" }.drop(1)
    File.write("#{@out}/versions", get("/versions") + versions.join)
    # The app adds the last one.
    write_app(pure.first(COUNT))
  end

  private

  # Ruby code of the size of a usual gem, in files and in bytes; the same in each run.
  def pure_gem(number, version)
    random = Random.new(number)
    name = format("pure%03d", number)
    Dir.mktmpdir do |folder|
      files = { "lib/#{name}.rb" => "module Pure#{number}; end\n" }
      random.rand(5..34).times { |part| files["lib/#{name}/part#{part}.rb"] = code(random) }
      files["exe/#{name}"] = "#!/usr/bin/env ruby\nputs #{number}\n" if (number % 10).zero?
      files.each do |path, text|
        FileUtils.mkdir_p(File.dirname("#{folder}/#{path}"))
        File.write("#{folder}/#{path}", text)
      end
      spec = Gem::Specification.new(name, version) do |s|
        s.summary = "One of #{COUNT}"
        s.authors = ["Formation"]
        s.homepage = "https://example.com"
        s.license = "MIT"
        s.files = files.keys
        s.bindir = "exe"
        s.executables = files.keys.grep(/\Aexe\//) { |path| File.basename(path) }
        s.add_dependency(format("pure%03d", number - 1), ">= 1") if number % 3 == 1
      end
      build(spec, folder)
    end
  end

  def code(random)
    lines = Array.new(random.rand(20..219)) do
      "def m#{random.rand(10**9)} = #{random.rand(10**12)} # #{random.bytes(12).unpack1("H*")}\n"
    end
    "# frozen_string_literal: true\n#{lines.join}"
  end

  # Another gem made from one of the rig; the index has both.
  def repackage(gem)
    original = "#{@index.gems_folder}/#{gem}.gem"
    File.binwrite(original, get("/gems/#{gem}.gem"))
    @index.add(original)
    Dir.mktmpdir do |folder|
      package = Gem::Package.new(original)
      package.extract_files(folder)
      Dir.chdir(folder) { yield package.spec }
      build(package.spec, folder)
    end
  end

  def add_library(library, spec)
    bundled = Dir["#{Gem.default_dir}/extensions/*/*/#{spec.full_name}"]
    source = [RbConfig::CONFIG["rubyarchdir"], *bundled].map { |folder| File.join(folder, library) }.find { |path| File.file?(path) }
    abort "Ruby has no #{library}" unless source
    path = File.join("lib", library)
    FileUtils.mkdir_p(File.dirname(path))
    FileUtils.cp(source, path)
    spec.files += [path]
  end

  def build(spec, folder)
    file = Dir.chdir(folder) do
      Gem::DefaultUserInteraction.use_ui(Gem::SilentUI.new) { Gem::Package.build(spec, true) }
    end
    FileUtils.mv(File.join(folder, file), @index.gems_folder)
    @index.add(File.join(@index.gems_folder, file))
    spec
  end

  def write_app(specs)
    FileUtils.mkdir_p("#{@out}/app")
    gemfile = specs.map { |spec| "gem \"#{spec.name}\"\n" }
    File.write("#{@out}/app/Gemfile", "source \"https://rubygems.org\"\n\n#{gemfile.join}")
    locked = specs.flat_map do |spec|
      ["    #{spec.name} (#{spec.version})"] + spec.dependencies.map { |it| "      #{it.name} (#{it.requirement})" }
    end
    File.write("#{@out}/app/Gemfile.lock", <<~LOCK)
      GEM
        remote: https://rubygems.org/
        specs:
      #{locked.join("\n")}

      PLATFORMS
        ruby
        #{Gem::Platform.local}

      DEPENDENCIES
      #{specs.map { |spec| "  #{spec.name}" }.join("\n")}

      BUNDLED WITH
         #{Gem.loaded_specs["bundler"]&.version || Gem::Specification.find_by_name("bundler").version}
    LOCK
  end

  def get(path)
    response = Net::HTTP.get_response(URI(@server + path))
    response.is_a?(Net::HTTPSuccess) or abort "#{@server}#{path}: #{response.code}"
    response.body
  end
end

Gems.new(*ARGV).make
