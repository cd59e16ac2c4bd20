# Asks web without a pause and counts, from the first answer on. Each request has its own connection
# to a single address: with several, Ruby itself would try the next one.
require "json"
require "net/http"
$stdout.sync = true
answers, failures, told = Hash.new(0), [], Time.now
loop do
  begin
    address = IPSocket.getaddress("web")
    answer = Net::HTTP.start(address, 8080, open_timeout: 2, read_timeout: 5) { |web| web.get("/") }
    answer.value
    answers[answer.body[/version (\d+)/, 1]] += 1
  rescue StandardError => error
    failures << "#{Time.now} #{address}: #{error.class}: #{error.message}" if answers.any?
  end
  if Time.now - told > 0.5
    puts [answers, failures].to_json
    told = Time.now
  end
  sleep 0.01
end
