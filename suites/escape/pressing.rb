# Presses on the platform, for Ruby; see pressing.py.
require "json"
require "net/http"
require "socket"

module Pressing
  HELD = []

  def self.flood(event)
    line = "x" * 1000 + "\n"
    event["kilobytes"].times { $stdout.write(line) }
    "done"
  end

  def self.api(event)
    host, port = (event["api"] || ENV.fetch("AWS_LAMBDA_RUNTIME_API")).split(":")
    [host, port.to_i]
  end

  def self.hold(event)
    refused = 0
    while HELD.length < event["connections"] && refused < 5
      begin
        HELD << Socket.tcp(*api(event), connect_timeout: 0.2)
        HELD.last.write("POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\nx-slow: ")
      rescue SystemCallError
        refused += 1
      end
    end
    { "held" => HELD.length, "refused" => refused }
  end

  def self.takes_what_comes(event)
    loop do
      Net::HTTP.start(*api(event), nil) do |http|
        answer = http.get("/2018-06-01/runtime/invocation/next")
        next unless answer.code == "200"
        http.post("/2018-06-01/runtime/invocation/#{answer["Lambda-Runtime-Aws-Request-Id"]}/response", '"taken"')
      end
    end
  end

  def self.second(event)
    if event["plant"]
      fork do
        takes_what_comes(event)
      ensure
        exit!(0)
      end
    end
    "mine"
  end

  def self.handler(event:, context: nil)
    { "flood" => method(:flood), "hold" => method(:hold), "second" => method(:second) }.fetch(event["do"]).call(event)
  end
end

$stderr.puts(Pressing.handler(event: JSON.parse($stdin.read)).to_json) if $PROGRAM_NAME == __FILE__
