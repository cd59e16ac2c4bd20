# frozen_string_literal: true

require "fileutils"
require "find"
require "rubygems/package"
require "tmpdir"

# A gem in the making: a specification, and a folder that its files are brought together in. What the
# specification says of files is taken from the folder, because the origins leave some of them out.
class StagedGem
  # What a compilation leaves behind, which no gem should carry.
  DEBRIS = /(\.o|\.a|\/Makefile|\/mkmf\.log|\/gem_make\.out|gem\.build_complete)\z/

  DEBIAN_LIBRUBY = "libruby-#{RbConfig::CONFIG["MAJOR"]}.#{RbConfig::CONFIG["MINOR"]}.so.#{RbConfig::CONFIG["MAJOR"]}.#{RbConfig::CONFIG["MINOR"]}"

  attr_reader :notes

  # Yields a staged gem whose folder lasts as long as the block.
  def self.stage(spec)
    Dir.mktmpdir { |folder| yield new(spec.dup, folder) }
  end

  def initialize(spec, folder)
    @spec = spec
    @folder = folder
    @notes = []
    @spec.loaded_from = nil
    @spec.extensions = []
    # Debian names the folders of its own that it has put the compiled code into.
    @spec.require_paths = @spec.require_paths.reject { |path| path.start_with?("/") }
    @spec.require_paths = ["lib"] if @spec.require_paths.empty?
  end

  def full_name = @spec.full_name
  def extensions? = @spec.extensions.any?
  def lib = @spec.require_paths.first
  def extensions=(paths)
    @spec.extensions = paths
  end

  def files
    Dir.glob("**/*", File::FNM_DOTMATCH, base: @folder)
       .select { |path| File.file?(File.join(@folder, path)) && !path.match?(DEBRIS) }.sort
  end

  # One file, under the path that it has in the gem.
  def add(source, path)
    target = File.join(@folder, path)
    FileUtils.mkdir_p(File.dirname(target))
    FileUtils.cp(source, target)
    File.chmod(File.executable?(source) ? 0o755 : 0o644, target)
  end

  # All files below a folder. `follow` says where a symbolic link leads to, nil where to nothing.
  def add_folder(source, path, except: nil, follow: ->(link) { File.realpath(link) })
    return unless File.directory?(source)

    Find.find(source) do |found|
      next if (File.directory?(found) && !File.symlink?(found)) || (except && found.start_with?(except))

      file = File.symlink?(found) ? follow.(found) : found
      relative = found.delete_prefix("#{source}/")
      if file && File.file?(file)
        add(file, path.empty? ? relative : File.join(path, relative))
      else
        @notes << "without #{relative}"
      end
    end
  end

  # Programs are looked for where the specification says, then by the block, else they are left out.
  def add_executables
    @spec.bindir = "exe" unless @spec.bindir.to_s.match?(/\A[^\/.]/)
    @spec.executables = @spec.executables.select do |name|
      path = File.join(@spec.bindir, name)
      source = yield name unless File.file?(File.join(@folder, path))
      add(source, path) if source
      File.file?(File.join(@folder, path)) || (@notes << "without executable #{name}") && false
    end
  end

  # Writes the archive and returns its path. A gem with compiled code is for this platform and this
  # Ruby's series, and needs no longer what only its compilation needed.
  def build(target_folder)
    complete_specification
    name = Dir.chdir(@folder) do
      Gem::DefaultUserInteraction.use_ui(Gem::SilentUI.new) { Gem::Package.build(@spec, true) }
    end
    FileUtils.mv(File.join(@folder, name), target_folder)
    File.join(target_folder, name)
  end

  # For an origin with compiled code, once all files are there, for the name has the platform in it. Debian
  # links with a libruby of its own naming, which Ruby has no need of: the process that loads the code has
  # loaded a libruby, or is one.
  def mark_compiled
    libraries = files.select { |path| path.end_with?(".so") }.map { |path| File.join(@folder, path) }
    return if libraries.empty?

    libraries.each { |library| system("patchelf", "--remove-needed", DEBIAN_LIBRUBY, library, exception: true) }
    @spec.platform = Gem::Platform.local
    @spec.required_ruby_version = "~> #{RbConfig::CONFIG["ruby_version"]}"
    @spec.dependencies.reject! { |dependency| dependency.name == "mini_portile2" }
  end

  private

  def complete_specification
    @spec.files = files
    @spec.test_files = []
    @spec.extra_rdoc_files = []
    @spec.rdoc_options = []
    @spec.cert_chain = []
    @spec.signing_key = nil
    @spec.authors = ["unknown"] if @spec.authors.compact.empty?
    @spec.summary = @spec.name if @spec.summary.to_s.empty?
  end
end
