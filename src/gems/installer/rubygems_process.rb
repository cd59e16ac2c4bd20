# Installs gems whose files are in their place already, as RubyGems does: compiles extensions, and
# writes programs and specifications.
#
# First prints one line of JSON: `names`, of the gems that the Gemfile asks for in the chosen groups
# and of the gems that they depend on; its `groups`; and `questions`, what `observed.rb` has noted
# while the Gemfile was evaluated. Then reads a line for each gem, the path
# of its specification as YAML, until the input ends. All other output is for the log. A gem that
# does not work with this Ruby or this RubyGems, or that cannot be compiled, is skipped: Bundler
# says why.

require "bundler"
require "bundler/rubygems_gem_installer"
require "json"
require "shellwords"
require_relative "observed"

Gem::DefaultUserInteraction.ui = Gem::SilentUI.new

# A Gemfile may print something, which is not part of the answer.
answers = $stdout.dup
$stdout.reopen($stderr)

questions = Observed.during { Bundler.definition }
definition = Bundler.definition
locked = definition.locked_gems.specs.group_by(&:name)
names = {}
wanted = definition.send(:requested_dependencies).map(&:name)
while (name = wanted.shift)
  next if names.key?(name)
  names[name] = true
  locked.fetch(name, []).each { |spec| wanted.concat(spec.dependencies.map(&:name)) }
end
$stdout.reopen(answers)
$stdout.sync = true
puts JSON.generate({ names: names.keys, groups: definition.groups, questions: questions })

home = Bundler.bundle_path.to_s
OPTIONS = {
  install_dir: home,
  bin_dir: File.join(home, "bin"),
  env_shebang: true,
  ignore_dependencies: true,
  wrappers: true
}.freeze
FOLDERS = %w[bin build_info doc extensions gems plugins specifications].map { |name| File.join(home, name) }

def installer_for(spec)
  FileUtils.mkdir_p(FOLDERS)
  arguments = Shellwords.shellsplit(Bundler.settings["build.#{spec.name}"].to_s)
  installer = Bundler::RubyGemsGemInstaller.for_spec(spec, { **OPTIONS, build_args: arguments })
  spec.loaded_from = installer.spec_file
  installer
end

def finish(installer)
  spec = installer.spec
  installer.write_build_info_file
  installer.generate_bin
  installer.generate_plugins unless spec.plugins.empty?
  # As `write_spec`, but by one rename: a gem counts as installed when its specification exists.
  spec.installed_by_version = Gem.rubygems_version
  partial = "#{installer.spec_file}.partial"
  File.binwrite(partial, spec.to_ruby_for_cache)
  File.rename(partial, installer.spec_file)
end

# If Ruby comes with this version of a gem: the folder and the names of its compiled files, which
# need not be compiled again.
def compiled_by_ruby(spec)
  return if Bundler.settings["build.#{spec.name}"]

  platform = File.join(Gem::Platform.local.to_s, Gem.extension_api_version)
  bundled = File.join(Gem.default_dir, "extensions", platform, spec.full_name)
  default = File.join(Gem.default_specifications_dir, "#{spec.full_name}.gemspec")
  if File.exist?(File.join(bundled, "gem.build_complete"))
    [bundled, Dir.glob("**/*.so", base: bundled)]
  elsif File.exist?(default)
    folder = RbConfig::CONFIG["rubyarchdir"]
    files = Gem::Specification.load(default).files.grep(/\.so\z/)
    [folder, files] if !files.empty? && files.all? { |file| File.exist?(File.join(folder, file)) }
  end
end

def copy_compiled(spec, folder, files)
  library = File.join(spec.full_gem_path, spec.raw_require_paths.first)
  [spec.extension_dir, library].product(files).each do |target, file|
    FileUtils.mkdir_p(File.dirname(File.join(target, file)))
    FileUtils.cp(File.join(folder, file), File.join(target, file))
  end
  FileUtils.touch(spec.gem_build_complete_path)
end

# Compiles in a process of its own. After an error, Bundler tries again and shows the error.
def compile(installer)
  fork do
    installer.build_extensions
    finish(installer)
    exit!(0)
  rescue StandardError, Gem::InstallError
    exit!(1)
  end
end

natives = {}
$stdin.each_line(chomp: true) do |path|
  spec = Gem::Specification.from_yaml(File.read(path, encoding: "UTF-8"))
  next unless spec.full_name == File.basename(path, ".yaml")
  next unless spec.required_ruby_version.satisfied_by?(Gem.ruby_version)
  next unless spec.required_rubygems_version.satisfied_by?(Gem.rubygems_version)

  installer = installer_for(spec)
  installer.verify_spec # Refuses names that lead out of the gem's folder.
  if spec.extensions.empty?
    finish(installer)
  elsif (folder, files = compiled_by_ruby(spec))
    copy_compiled(spec, folder, files)
    finish(installer)
    puts "Copying #{spec.name} #{spec.version} from Ruby, which has it compiled"
  else
    natives[spec.name] = installer
  end
end

# Compiles as many gems at a time as the setting allows (the build sets it to the processors that its
# container may use), each after those that it depends on.
running = {}
processors = [Bundler.settings[:jobs].to_i, 1].max
until natives.empty? && running.empty?
  is_open = ->(name) { natives.key?(name) || running.value?(name) }
  waits = ->(spec) { spec.runtime_dependencies.any? { |gem| is_open.call(gem.name) } }
  ready = natives.reject { |_, installer| waits.call(installer.spec) }
  ready = natives if ready.empty? && running.empty?
  ready.first(processors - running.size).each do |name, installer|
    natives.delete(name)
    puts "Compiling #{name} #{installer.spec.version}"
    running[compile(installer)] = name
  end
  running.delete(Process.wait)
end
