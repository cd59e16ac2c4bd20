# frozen_string_literal: true

# Makes the gems that the rig's server offers, and their index. Runs in the build image, with the rig's
# own Ruby:
#
#   ruby build.rb DEBIAN_FOLDER RUBY_SOURCE_FOLDER OUT_FOLDER
#
# DEBIAN_FOLDER holds what debian/fetch.sh fetched: binary packages and upstream source archives.

# RubyGems' word for "the same input gives the same bytes": every date in an archive is this one.
ENV["SOURCE_DATE_EPOCH"] = "315619200"

require_relative "compact_index"
require_relative "debian_package"
require_relative "ruby_source"
require_relative "source_archive"

# What the sample app and the tests name: without one of these the rig is of no use.
REQUIRED = %w[
  sinatra rack rackup webrick puma nio4r rake rails sqlite3 nokogiri bootsnap sprockets sprockets-rails
  sidekiq redis redis-client bundler racc json debug
].freeze

debian, ruby_source, out = ARGV.map { |folder| File.expand_path(folder) }

origins = Dir["#{debian}/*.deb"].sort.map { |file| DebianPackage.new(file) } +
          Dir["#{debian}/*.orig.tar.*"].sort.map { |file| SourceArchive.new(file) } +
          [RubySource.new(ruby_source)]

index = CompactIndex.new(out)
origins.each do |origin|
  origin.each_gem do |gem|
    # The same release from two origins: the first one is it.
    if index.include?(gem.full_name)
      puts "#{gem.full_name}: dropped, another origin has it"
      next
    end
    index.add(gem.build(index.gems_folder))
    puts "#{gem.full_name}: #{gem.files.size} files#{", compiles C" if gem.extensions?}#{", #{gem.notes.join(", ")}" if gem.notes.any?}"
  end
end
index.write

missing = REQUIRED - index.names
abort "Missing: #{missing.join(", ")}" if missing.any?
puts "#{index.size} gems of #{index.names.size} names"
