# Installs gems whose files are in their place already, as RubyGems does: compiles what has to be, and writes programs and specification.
#
# Prints, as JSON on one line, the names of the gems that the Gemfile asks for in the groups that are chosen, and of those that they need,
# Bundler among them. Then reads a line for each gem, the path of its specification as YAML, until the input ends. What else it prints is
# for the log. A gem that this Ruby or this RubyGems does not suit, or that cannot be compiled, is passed over: Bundler says why.

require "bundler"
require "bundler/rubygems_gem_installer"
require "etc"
require "json"
require "shellwords"

Gem::DefaultUserInteraction.ui = Gem::SilentUI.new

# What a Gemfile prints itself is no answer.
answers = $stdout.dup
$stdout.reopen($stderr)

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
puts JSON.generate([*names.keys, "bundler"])

home = Bundler.bundle_path.to_s
OPTIONS = {
  install_dir: home,
  bin_dir: File.join(home, "bin"),
  env_shebang: true,
  ignore_dependencies: true,
  wrappers: true
}.freeze
%w[bin build_info doc extensions gems plugins specifications].each { |folder| FileUtils.mkdir_p(File.join(home, folder)) }

def installer_for(spec)
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
  # As `write_spec`, but all at once: a gem counts as installed when its specification is there.
  spec.installed_by_version = Gem.rubygems_version
  partial = "#{installer.spec_file}.partial"
  File.binwrite(partial, spec.to_ruby_for_cache)
  File.rename(partial, installer.spec_file)
end

# The compiled files of a gem that Ruby itself ships in this very version, by their paths below a folder: they need no compilation.
def shipped(spec)
  return if Bundler.settings["build.#{spec.name}"]

  own = File.join(Gem.default_dir, "extensions", Gem::Platform.local.to_s, Gem.extension_api_version, spec.full_name)
  default = File.join(Gem.default_specifications_dir, "#{spec.full_name}.gemspec")
  if File.exist?(File.join(own, "gem.build_complete"))
    [own, Dir.glob("**/*.so", base: own)]
  elsif File.exist?(default)
    folder = RbConfig::CONFIG["rubyarchdir"]
    files = Gem::Specification.load(default).files.grep(/\.so\z/)
    [folder, files] if !files.empty? && files.all? { |file| File.exist?(File.join(folder, file)) }
  end
end

def take_over(spec, folder, files)
  library = File.join(spec.full_gem_path, spec.raw_require_paths.first)
  [spec.extension_dir, library].product(files).each do |target, file|
    FileUtils.mkdir_p(File.dirname(File.join(target, file)))
    FileUtils.cp(File.join(folder, file), File.join(target, file))
  end
  FileUtils.touch(spec.gem_build_complete_path)
end

# In a process of its own. What goes wrong is left to Bundler, which tries again and shows it.
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
  spec = Gem::Specification.from_yaml(File.read(path))
  next unless spec.full_name == File.basename(path, ".yaml")
  next unless spec.required_ruby_version.satisfied_by?(Gem.ruby_version)
  next unless spec.required_rubygems_version.satisfied_by?(Gem.rubygems_version)

  installer = installer_for(spec)
  installer.verify_spec # No name in it may lead out of its folder.
  if spec.extensions.empty?
    finish(installer)
  elsif (folder, files = shipped(spec))
    take_over(spec, folder, files)
    finish(installer)
    puts "Taking #{spec.name} #{spec.version} over from Ruby, which has it compiled"
  else
    natives[spec.name] = installer
  end
end

# As many at a time as there are processors, each after those that it needs.
running = {}
processors = Etc.nprocessors
until natives.empty? && running.empty?
  waits = ->(installer) { installer.spec.runtime_dependencies.any? { |it| natives.key?(it.name) || running.value?(it.name) } }
  ready = natives.reject { |_, installer| waits.call(installer) }
  ready = natives if ready.empty? && running.empty?
  ready.first(processors - running.size).each do |name, installer|
    natives.delete(name)
    puts "Compiling #{name} #{installer.spec.version}"
    running[compile(installer)] = name
  end
  running.delete(Process.wait)
end
