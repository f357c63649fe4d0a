# Leaves something for the next request wherever a process can leave something, and looks for what an earlier one left; see planting.py.
require "json"
require "socket"

module Planting
  STATE = {}
  WAYS = {}

  # What leaves it, and what tells whether it is there.
  def self.way(name, leave, there)
    WAYS[name] = [leave, there]
  end

  def self.connects?(address)
    address.connect(&:close)
    true
  rescue SystemCallError
    false
  end

  def self.listen(address)
    (STATE[:listeners] ||= []) << address.listen
  end

  def self.another_process
    Process.wait(fork do
      Process.setsid
      fork { loop { sleep 0.01 } }
      exit!(0)
    end)
  end

  # Processes besides the runtime's own that still run.
  def self.left_over
    (Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i) - [1, Process.pid]).reject do |pid|
      %w[Z X].include?(File.read("/proc/#{pid}/stat").rpartition(")").last.split.first)
    rescue SystemCallError
      true
    end
  end

  # Whether anything but the system's own way waits for this signal.
  def self.handled?(name)
    before = trap(name, "DEFAULT")
    trap(name, before)
    before != "DEFAULT"
  end

  PORT = Addrinfo.tcp("127.0.0.1", 7777)
  ABSTRACT = Addrinfo.unix("\0planted")
  SOCKET = Addrinfo.unix("/tmp/socket")
  PREPENDED = Module.new

  way("global", -> { $planted = true }, -> { $planted == true })
  way("module", -> { STATE[:secret] = "planted" }, -> { STATE[:secret] == "planted" })
  way("constant", -> { Object.const_set(:PLANTED, 1) unless defined?(PLANTED) }, -> { Object.const_defined?(:PLANTED) })
  way("patched class", -> { String.define_method(:planted) { true } }, -> { "".respond_to?(:planted) })
  way("patched function", -> { JSON.define_singleton_method(:planted) { true } }, -> { JSON.respond_to?(:planted) })
  way("prepended module", -> { Comparable.prepend(PREPENDED) }, -> { Comparable.ancestors.include?(PREPENDED) })
  way("loaded features", -> { $LOADED_FEATURES << "/planted.rb" }, -> { $LOADED_FEATURES.include?("/planted.rb") })
  way("load path", -> { $LOAD_PATH.unshift("/tmp") }, -> { $LOAD_PATH.include?("/tmp") })
  way("trace point", -> { STATE[:trace] = TracePoint.new(:class) {}.tap(&:enable) }, -> { STATE[:trace]&.enabled? || false })
  way("signal handler", -> { trap("USR2") {} }, -> { handled?("USR2") })
  way("environment", -> { ENV["PLANTED"] = "1" }, -> { ENV.key?("PLANTED") })
  way("working directory", -> { Dir.chdir("/tmp") }, -> { Dir.pwd == "/tmp" })
  way("umask", -> { File.umask(0o007) }, -> { File.umask == 0o007 })
  way("priority", -> { Process.setpriority(Process::PRIO_PROCESS, 0, 3) }, -> { Process.getpriority(Process::PRIO_PROCESS, 0) != 0 })
  way("file in /tmp", -> { File.write("/tmp/file", "planted") }, -> { File.exist?("/tmp/file") })
  way("link in /tmp", -> { File.symlink("/var/task", "/tmp/link") }, -> { File.symlink?("/tmp/link") })
  way("rights of /tmp", -> { File.chmod(0o777, "/tmp") }, -> { File.stat("/tmp").mode & 0o7777 != 0o1777 })
  way("open file", -> { STATE[:file] = File.open("/var/task/app.rb") }, lambda do
    Dir.children("/proc/self/fd").any? { |fd| File.readlink("/proc/self/fd/#{fd}") == "/var/task/app.rb" rescue false }
  end)
  way("port", -> { listen(PORT) }, -> { connects?(PORT) })
  way("abstract socket", -> { listen(ABSTRACT) }, -> { connects?(ABSTRACT) })
  way("socket in /tmp", -> { listen(SOCKET) }, -> { connects?(SOCKET) })
  way("thread", -> { Thread.new { sleep }.name = "planted" }, -> { Thread.list.any? { |one| one.name == "planted" } })
  way("process", -> { another_process }, -> { !left_over.empty? })

  def self.handler(event:, context:)
    WAYS.each_value { |leave, _| leave.call } unless event["do"] == "look"
    exit!(3) if event["do"] == "crash"
    sleep(60) if event["do"] == "hang"
    # After planting, too: what is not there at once would not be missed later.
    found = WAYS.select { |_, (_, there)| there.call }.keys.sort
    raise "only #{found}" unless event["do"] == "look" || found.length == WAYS.length
    found
  end
end
