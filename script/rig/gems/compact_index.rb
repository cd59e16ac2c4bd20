# frozen_string_literal: true

require "digest"
require "fileutils"
require "rubygems/package"
require "zlib"

# A gem server's folder, static: the compact index that Bundler reads (`versions`, `names`, `info/NAME`),
# the older index that `gem install` reads (`specs.4.8.gz` and its like, `quick/`), and the archives.
class CompactIndex
  attr_reader :gems_folder

  def initialize(folder)
    @folder = folder
    @gems_folder = File.join(folder, "gems")
    @files = {} # specification => file
    FileUtils.mkdir_p(@gems_folder)
  end

  def add(file)
    @files[Gem::Package.new(file).spec] = file
  end

  def include?(full_name) = @files.keys.any? { |spec| spec.full_name == full_name }
  def names = @files.keys.map(&:name).uniq.sort
  def size = @files.size

  def write
    write_compact_index
    write_marshal_index
  end

  private

  def write_compact_index
    FileUtils.mkdir_p(File.join(@folder, "info"))
    versions = names.map do |name|
      specs = @files.keys.select { |spec| spec.name == name }.sort_by { |spec| [spec.version, spec.platform.to_s] }
      info = "---\n#{specs.map { |spec| "#{info_line(spec)}\n" }.join}"
      File.write(File.join(@folder, "info", name), info)
      "#{name} #{specs.map { |spec| version(spec) }.join(",")} #{Digest::MD5.hexdigest(info)}\n"
    end
    File.write(File.join(@folder, "versions"), "created_at: 1980-01-02T00:00:00Z\n---\n#{versions.join}")
    File.write(File.join(@folder, "names"), "---\n#{names.map { |name| "#{name}\n" }.join}")
  end

  def info_line(spec)
    dependencies = spec.runtime_dependencies.sort_by(&:name).map { |it| "#{it.name}:#{requirement(it.requirement)}" }
    facts = ["checksum:#{Digest::SHA256.file(@files.fetch(spec)).hexdigest}"]
    facts << "ruby:#{requirement(spec.required_ruby_version)}" unless spec.required_ruby_version.none?
    facts << "rubygems:#{requirement(spec.required_rubygems_version)}" unless spec.required_rubygems_version.none?
    "#{version(spec)} #{dependencies.join(",")}|#{facts.join(",")}"
  end

  def version(spec) = spec.platform.to_s == "ruby" ? spec.version.to_s : "#{spec.version}-#{spec.platform}"
  def requirement(requirement) = requirement.requirements.map { |operator, version| "#{operator} #{version}" }.sort.join("&")

  def write_marshal_index
    quick = File.join(@folder, "quick", "Marshal.4.8")
    FileUtils.mkdir_p(quick)
    @files.each_key do |spec|
      spec.abbreviate
      spec.sanitize
      File.binwrite(File.join(quick, "#{spec.full_name}.gemspec.rz"), Zlib::Deflate.deflate(Marshal.dump(spec)))
    end

    released, prereleased = tuples(@files.keys).partition { |_, version, _| !version.prerelease? }
    latest = released.group_by { |name, _, platform| [name, platform] }.map { |_, tuples| tuples.max_by { |it| it[1] } }
    { "specs" => released, "latest_specs" => latest, "prerelease_specs" => prereleased }.each do |name, list|
      Zlib::GzipWriter.open(File.join(@folder, "#{name}.4.8.gz")) do |gzip|
        gzip.mtime = 1 # 0 would be now
        gzip.write(Marshal.dump(list))
      end
    end
  end

  def tuples(specs) = specs.map { |spec| [spec.name, spec.version, spec.original_platform.to_s] }.sort_by(&:to_s)
end
