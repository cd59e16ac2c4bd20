# frozen_string_literal: true

require_relative "staged_gem"

# The gems that come with Ruby, from its source tree and the Ruby that was built from it and runs this:
# default gems (part of the tree, spread over ext/ and lib/) and bundled gems (whole, in .bundle/gems).
# Those with C are true source gems, which compile when they are installed.
class RubySource
  LEFT_OUT = {
    "bundler" => "Debian's package has a newer one, and Ruby has this one built in",
    "prism" => "its C code is compiled into Ruby itself and is not in ext/",
    "un" => "not a library"
  }.freeze

  JSON_EXTENSIONS = %w[ext/json/generator/extconf.rb ext/json/parser/extconf.rb].freeze

  def initialize(tree)
    @tree = tree
    @installed = RbConfig::CONFIG["rubylibdir"]
    @specifications = "#{Gem.default_dir}/specifications"
  end

  def each_gem(&block)
    Dir["#{@specifications}/*.gemspec"].sort.each { |path| stage_bundled(Gem::Specification.load(path), &block) }
    Dir["#{@specifications}/default/*.gemspec"].sort.each do |path|
      spec = Gem::Specification.load(path)
      if LEFT_OUT.key?(spec.name)
        puts "#{spec.full_name}: dropped, #{LEFT_OUT[spec.name]}"
      else
        stage_default(spec, &block)
      end
    end
  end

  private

  def stage_bundled(spec)
    source = "#{@tree}/.bundle/gems/#{spec.full_name}"
    StagedGem.stage(spec) do |gem|
      gem.add_folder(source, "")
      gem.extensions = Dir.glob("ext/**/extconf.rb", base: source).sort
      gem.add_executables { nil }
      yield gem
    end
  end

  def stage_default(spec)
    StagedGem.stage(spec) do |gem|
      stage_extensions(spec, gem)
      library_files(spec).each { |file| gem.add(File.join(@installed, file), "lib/#{file}") }
      gem.add_executables { |name| ["#{@tree}/libexec/#{name}"].find { |path| File.file?(path) } }
      yield gem
    end
  end

  # The specification names `ext/…/extconf.rb` as in the gem's own repository. In Ruby's tree json's stand
  # elsewhere, around headers that both share, below one that is for Ruby's build alone. The libraries
  # under ext/ are staged as Ruby installed them.
  def stage_extensions(spec, gem)
    folders = spec.extensions.map { |file| File.dirname(file) }
    folders = %w[ext/json] if spec.name == "json"
    folders.each { |folder| gem.add_folder("#{@tree}/#{folder}", folder, except: "#{@tree}/#{folder}/lib/") }
    gem.extensions = spec.name == "json" ? JSON_EXTENSIONS : folders.map { |folder| "#{folder}/extconf.rb" }
  end

  # What Ruby installed for it. Some specifications name files relative to the gem's own folder
  # (io-console: console/size.rb) and some leave out what is not Ruby code.
  def library_files(spec)
    below = File.dirname(spec.name.tr("-", "/"))
    listed = spec.files.flat_map { |file| [file, File.join(below, file)] }
    folder = spec.name.tr("-", "/")
    (listed + Dir.glob("{#{folder}.rb,#{folder}/**/*}", base: @installed))
      .map { |file| file.delete_prefix("./") }.uniq
      .select { |file| File.file?(File.join(@installed, file)) }
  end
end
