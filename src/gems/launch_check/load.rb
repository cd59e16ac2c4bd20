# Loads the app's bundle as a process of the image does. Where that fails, writes two things to the
# file ARGV[0]: on the first line the program that was missing, if one was, and then what Bundler says.

answer = ARGV.shift
begin
  require "bundler"
  Bundler.setup
rescue Exception => error # SystemExit and SyntaxError too.
  causes = [error]
  causes << causes.last.cause while causes.last.cause
  missing = causes.grep(Errno::ENOENT).filter_map { |cause| cause.message[/\ANo such file or directory - ([\w.+-]+)\z/, 1] }
  # Without the lines around the failing one, which may hold a secret.
  message = error.message.split(/^ #  -{5,}$/).first.to_s.strip
  message += " (#{error.class})" unless error.is_a?(Bundler::BundlerError)
  File.write(answer, "#{missing.first}\n#{message}")
  exit! 1
end
