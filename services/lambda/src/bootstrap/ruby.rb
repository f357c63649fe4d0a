# Runs a Ruby function: loads its handler, then asks the Runtime API for one request after another.
#
# Speaks plain HTTP/1.1 over one socket of its own, so that only the standard library's JSON is loaded before the
# function's code is.

require "json"
require "socket"
require "stringio"

$stdout.sync = true
$stderr.sync = true

# An operator's own root has an identifier that tells no version, and so no variable for the folders of gems.
unless ENV["GEM_PATH"]
  abi = RbConfig::CONFIG["ruby_version"]
  ENV["GEM_PATH"] = "/var/task/vendor/bundle/ruby/#{abi}:/opt/ruby/gems/#{abi}"
  Gem.clear_paths
end

module Casemate
  BASE = "/2018-06-01/runtime/"

  # The connection to the environment's Runtime API.
  class RuntimeApi
    def initialize(address)
      @address = address
      @host, @port = address.split(":")
    end

    # Sends a request; returns status, headers (lower-case names) and body.
    def call(method, path, body = nil, headers = {})
      lines = ["#{method} #{BASE}#{path} HTTP/1.1", "Host: #{@address}", "User-Agent: casemate-ruby/#{RUBY_VERSION}"]
      headers.each { |name, value| lines << "#{name}: #{value.gsub(/[^\x20-\x7e]/, "?")}" }
      lines << "Content-Length: #{body.bytesize}" if body
      connection.write(lines.join("\r\n").b + "\r\n\r\n".b + (body ? body.b : "".b))
      answer
    end

    private

    def connection
      @connection ||= TCPSocket.new(@host, @port.to_i).tap do |socket|
        socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      end
    end

    def answer
      status = line.split(" ")[1].to_i
      headers = {}
      until (text = line).empty?
        name, value = text.split(":", 2)
        headers[name.downcase] = value.to_s.strip
      end
      [status, headers, connection.read(headers["content-length"].to_i) || ""]
    end

    def line
      text = connection.gets("\r\n") or raise IOError, "the Runtime API has closed the connection"
      text.chomp("\r\n")
    end
  end

  # What a handler may know of its request.
  class Context
    attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
                :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms

    def initialize(headers)
      @aws_request_id = headers["lambda-runtime-aws-request-id"]
      @invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
      @deadline_ms = headers["lambda-runtime-deadline-ms"].to_i
      @log_group_name = ENV["AWS_LAMBDA_LOG_GROUP_NAME"]
      @log_stream_name = ENV["AWS_LAMBDA_LOG_STREAM_NAME"]
      @function_name = ENV["AWS_LAMBDA_FUNCTION_NAME"]
      @memory_limit_in_mb = ENV["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
      @function_version = ENV["AWS_LAMBDA_FUNCTION_VERSION"]
      sent = headers["lambda-runtime-client-context"]
      @client_context = JSON.parse(sent) if sent
      sent = headers["lambda-runtime-cognito-identity"]
      @identity = JSON.parse(sent) if sent
    end

    def get_remaining_time_in_millis
      [@deadline_ms - (Time.now.to_f * 1000).to_i, 0].max
    end

    def log(message)
      puts message
    end
  end

  # A handler's name: `file.method` or `file.Class.method`; the file may lie in folders.
  class Handler
    def initialize(name)
      @file, @owner, @method = name.split(".", 3)
      @method, @owner = @owner, nil if @method.nil?
      raise ArgumentError, "Invalid handler #{name}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD" unless @method
    end

    def load(root)
      require File.expand_path(@file, root)
      @owner = Kernel.const_get(@owner) if @owner
      self
    end

    def call(event, context)
      # A method outside of classes is everybody's, and private.
      (@owner || TOPLEVEL_BINDING.receiver).send(@method, event: event, context: context)
    end
  end

  module_function

  # AWS: the kind of a failure is `Init<Class>` or `Function<Class>`; our own frames are left out of the trace.
  def report_of(error, phase)
    trace = (error.backtrace || []).reject { |frame| frame.start_with?(__FILE__) }
    text = error.message.to_s.encode("UTF-8", invalid: :replace, undef: :replace)
    { "errorMessage" => text, "errorType" => "#{phase}<#{error.class.name}>", "stackTrace" => trace }
  end

  def log_report(report)
    $stderr.write("#{report["errorType"]} #{report["errorMessage"]}\r#{report["stackTrace"].join("\r")}\n")
  end

  def payload_of(answer)
    return [answer.read, "application/unknown"] if answer.is_a?(StringIO) || answer.is_a?(IO)

    [JSON.generate(answer), "application/json"]
  end

  def run_one(api, handler)
    status, headers, body = api.call("GET", "invocation/next")
    raise IOError, "the Runtime API answered #{status}" unless status == 200

    id = headers["lambda-runtime-aws-request-id"]
    trace = headers["lambda-runtime-trace-id"]
    trace ? ENV["_X_AMZN_TRACE_ID"] = trace : ENV.delete("_X_AMZN_TRACE_ID")
    begin
      event = JSON.parse(body.force_encoding("UTF-8"))
      answer, type = payload_of(handler.call(event, Context.new(headers)))
    rescue SystemExit, SignalException, NoMemoryError
      raise
    rescue Exception => error # rubocop:disable Lint/RescueException: SyntaxError and LoadError are the function's, too
      return fail_request(api, id, error)
    end
    status, _, said = api.call("POST", "invocation/#{id}/response", answer, "Content-Type" => type)
    # An answer that is too large is refused; the platform has told the caller.
    $stderr.write("#{said}\n") if status == 413
  end

  def fail_request(api, id, error)
    report = report_of(error, "Function")
    log_report(report)
    send_report(api, "invocation/#{id}/error", report)
  end

  def send_report(api, path, report)
    api.call("POST", path, JSON.generate(report), "Content-Type" => "application/json",
             "Lambda-Runtime-Function-Error-Type" => report["errorType"])
  end

  def main
    api = RuntimeApi.new(ENV.fetch("AWS_LAMBDA_RUNTIME_API"))
    root = ENV.fetch("LAMBDA_TASK_ROOT")
    $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
    begin
      handler = Handler.new(ENV.fetch("_HANDLER")).load(root)
    rescue SystemExit, SignalException, NoMemoryError
      raise
    rescue Exception => error # rubocop:disable Lint/RescueException: whatever the file raises while it is loaded
      report = report_of(error, "Init")
      log_report(report)
      send_report(api, "init/error", report)
      exit(1)
    end
    loop { run_one(api, handler) }
  end
end

Casemate.main
