# Notes what the app's Gemfile and gemspecs ask for while they are evaluated: files and folders of
# the app, variables, programs, the network. The next build asks the same questions again.
#
# Methods are put before Ruby's own. What counts for a file is where it is, not who asks:
# `eval_gemfile` reads in Bundler's code, and `YAML.load_file` in Psych's. Of variables, those count
# that no code of Ruby, RubyGems or Bundler asks for. Each question is a line of text, which
# `question.rs` reads.

require "socket"

module Observed
  ROOT = Dir.pwd
  INSIDE = "#{ROOT}/"
  LIBRARIES = [
    RbConfig::CONFIG["rubylibdir"],
    File.dirname($LOADED_FEATURES.grep(%r{/bundler\.rb\z}).first.to_s),
    "<internal:",
    __dir__
  ].freeze
  WRITES = /\A[wa]/.freeze

  @questions = {}

  class << self
    # Observes what the block asks for. Returns the questions.
    def during
      failed_loads = TracePoint.new(:raise) do |event|
        error = event.raised_exception
        missing(error.path) if error.is_a?(LoadError) && error.path
      end
      loaded = $LOADED_FEATURES.size
      @on = true
      failed_loads.enable { yield }
      $LOADED_FEATURES.drop(loaded).each { |file| path("file", file) }
      @questions.keys
    ensure
      @on = false
    end

    def path(question, path)
      return unless @on

      name = below_root(path)
      note("#{question} #{name}") if name
    end

    # Files by a pattern. With flags, Ruby's rules are others: everything below the pattern's
    # folder counts.
    def matches(patterns, base, flags)
      return unless @on

      [*patterns].each do |pattern|
        pattern = below_root(pattern, base)
        next unless pattern
        next note("list #{pattern}") if flags.zero?

        folder = pattern.split("/").take_while { |name| !name.match?(/[*?\[{\\]/) }
        note("full list #{[*folder, "**"].join("/")}")
      end
    end

    def entries(folder)
      return unless @on

      name = below_root(folder)
      note("full list #{name == "." ? "*" : "#{name}/*"}") if name
    end

    def variables(names)
      return unless @on && asked_by_the_app?

      names.grep(String).each { |name| note("variable #{name}") }
    end

    def all_variables
      note("all variables") if @on && asked_by_the_app?
    end

    # Only the program's name is kept: its arguments may hold secrets.
    def program(arguments)
      return unless @on

      words = arguments.flatten.grep(String).first.to_s.split
      name = File.basename(words.find { |word| !word.include?("=") }.to_s)
      note("program #{name.match?(/\A[\w.+-]+\z/) ? name : "of another name"}")
    end

    def network
      note("network") if @on
    end

    private

    def note(question)
      @questions[question.dup.force_encoding("UTF-8").scrub] = true
    end

    # Relative to the app's folder; none for a path outside of it.
    def below_root(path, base = nil)
      path = path.to_path if path.respond_to?(:to_path)
      return unless path.is_a?(String)
      return if path.start_with?("/") && !path.start_with?(ROOT) && !path.include?("/..")

      path = File.expand_path(path, *base)
      return "." if path == ROOT

      path.delete_prefix(INSIDE) if path.start_with?(INSIDE)
    end

    # A file that could not be required: by its path, or by a name in one of the app's folders.
    def missing(name)
      folders = name.start_with?("/") ? [nil] : $LOAD_PATH
      folders.each { |folder| path("presence", File.expand_path("#{name.delete_suffix(".rb")}.rb", *folder)) }
    end

    def asked_by_the_app?
      caller = caller_locations(3, 1).first
      file = caller&.absolute_path || caller&.path.to_s
      LIBRARIES.none? { |library| file.start_with?(library) }
    end
  end

  # A module with methods that ask, and then do what they did before.
  def self.hooks(names, arguments, ask)
    methods = names.map { |name| "def #{name}(#{arguments}) #{ask}; super; end" }
    Module.new { module_eval(methods.join("\n"), __FILE__) }
  end

  path = "path, *rest, **options, &block"
  any = "*arguments, **options, &block"
  contents = %i[read binread readlines foreach]
  tests = %i[
    blockdev? chardev? directory? executable? executable_real? exist? file? grpowned? identical?
    owned? pipe? readable? readable_real? setgid? setuid? socket? sticky? symlink? world_readable?
    world_writable? writable? writable_real?
  ]
  paths = %i[ftype readlink realdirpath realpath]
  sizes = %i[empty? size size? zero?]
  stats = %i[atime birthtime ctime lstat mtime stat]
  presence = 'Observed.path("presence", path)'
  file = 'Observed.path("file", path)'
  opened = 'Observed.path("file", path) unless WRITES.match?(rest.first.to_s)'
  piped = 'path.to_s.start_with?("|") ? Observed.program([path[1..]]) : (%s)'

  IO.singleton_class.prepend(
    hooks(contents, path, format(piped, file)),
    hooks(%i[sysopen copy_stream], path, opened),
    hooks(%i[popen], any, "Observed.program(arguments)")
  )
  File.prepend(hooks(%i[initialize], path, opened))
  File::Stat.prepend(hooks(%i[initialize], path, file))
  File.singleton_class.prepend(hooks(tests + paths, path, presence), hooks(sizes + stats, path, file))
  FileTest.singleton_class.prepend(hooks(tests, path, presence), hooks(sizes, path, file))

  by_pattern = "patterns, flags = 0, base: nil, **options, &block"
  found = "Observed.matches(patterns, base, options.fetch(:flags, flags))"
  Dir.singleton_class.prepend(
    hooks(%i[children each_child empty? entries foreach open], path, "Observed.entries(path)"),
    hooks(%i[exist?], path, presence),
    hooks(%i[glob], by_pattern, found),
    hooks(%i[[]], "*patterns, base: nil, **options", "Observed.matches(patterns, base, 0)")
  )
  Dir.prepend(hooks(%i[initialize], path, "Observed.entries(path)"))

  one = %i[[] assoc fetch has_key? include? key? member?]
  several = %i[slice values_at]
  all = %i[
    each each_key each_pair each_value empty? except filter has_value? inspect key keys length
    rassoc reject select size to_a to_h to_hash value? values
  ]
  ENV.singleton_class.prepend(
    hooks(one, "name, *rest, &block", "Observed.variables([name])"),
    hooks(several, "*names", "Observed.variables(names)"),
    hooks(all, "*arguments, &block", "Observed.all_variables")
  )

  programs = hooks(%i[` exec fork spawn system], any, "Observed.program(arguments)")
  opens = [
    hooks(%i[open], path, format(piped, opened)),
    hooks(%i[load], path, file)
  ]
  opens.each { |hook| hook.send(:private, *hook.instance_methods) }
  [programs, *opens].each do |hook|
    Kernel.singleton_class.prepend(hook)
    Object.prepend(hook.dup.tap { |own| own.send(:private, *own.instance_methods(false)) })
  end
  Process.singleton_class.prepend(programs)
  sockets = hooks(%i[initialize], any, "Observed.network")
  [Socket, TCPSocket, UDPSocket, UNIXSocket].each { |type| type.prepend(sockets) }
end
