# Writes what RubyGems writes for a gem whose files are in their place already: its specification and its programs.
#
# Prints the names of the gems that the Gemfile asks for, in the groups that are chosen, and of those that they need, Bundler among them: JSON, one line.
# Then reads a line for each gem, the path of its specification as YAML, until the input ends. A gem that this Ruby or this RubyGems does
# not suit is passed over: it is for Bundler to say why.

require "bundler"
require "bundler/rubygems_gem_installer"
require "json"

definition = Bundler.definition
locked = definition.locked_gems.specs.group_by(&:name)
names = {}
wanted = definition.send(:requested_dependencies).map(&:name)
while (name = wanted.shift)
  next if names.key?(name)
  names[name] = true
  locked.fetch(name, []).each { |spec| wanted.concat(spec.dependencies.map(&:name)) }
end
puts JSON.generate([*names.keys, "bundler"])
$stdout.flush

home = Bundler.bundle_path.to_s
options = {
  install_dir: home,
  bin_dir: File.join(home, "bin"),
  env_shebang: true,
  ignore_dependencies: true,
  wrappers: true
}
%w[bin build_info doc extensions gems plugins specifications].each { |folder| FileUtils.mkdir_p(File.join(home, folder)) }

$stdin.each_line(chomp: true) do |path|
  spec = Gem::Specification.from_yaml(File.read(path))
  next unless spec.required_ruby_version.satisfied_by?(Gem.ruby_version)
  next unless spec.required_rubygems_version.satisfied_by?(Gem.rubygems_version)

  installer = Bundler::RubyGemsGemInstaller.for_spec(spec, options)
  spec.loaded_from = installer.spec_file
  installer.generate_bin
  installer.generate_plugins unless spec.plugins.empty?
  # As `write_spec`, but all at once: a gem counts as installed when its specification is there.
  spec.installed_by_version = Gem.rubygems_version
  partial = "#{installer.spec_file}.partial"
  File.binwrite(partial, spec.to_ruby_for_cache)
  File.rename(partial, installer.spec_file)
end
