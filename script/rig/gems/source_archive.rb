# frozen_string_literal: true

require_relative "staged_gem"

# A gem's source archive as its authors publish it, with a gemspec in its one top folder.
class SourceArchive
  def initialize(file)
    @file = file
  end

  def each_gem
    Dir.mktmpdir do |root|
      system("tar", "-C", root, "--strip-components", "1", "-xf", @file, exception: true)
      Dir["#{root}/*.gemspec"].sort.each do |path|
        # A gemspec lists files relative to its own folder.
        spec = Dir.chdir(root) { Gem::Specification.load(path) } or abort "#{@file}: #{path} is no specification"
        extensions = spec.extensions.dup
        StagedGem.stage(spec) do |gem|
          files(spec, root).each { |file| gem.add(File.join(root, file), file) }
          gem.add_executables { nil }
          gem.extensions = extensions
          yield gem
        end
      end
    end
  end

  private

  # A gemspec often asks git for its files, which is not there in an archive: the usual folders besides.
  def files(spec, root)
    (spec.files + Dir.glob("{bin,exe,ext,lib}/**/*", base: root)).uniq.select { |file| File.file?(File.join(root, file)) }
  end
end
