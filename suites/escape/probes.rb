# Ways out of an execution environment, for Ruby; see probes.py.
require "fileutils"
require "json"
require "net/http"
require "socket"
require "timeout"

module Probes
  RUNNING = {}
  # What is full stays full until the next request, or nobody could see that it was: how each is emptied.
  HELD = []

  def self.probe(name, &block)
    RUNNING[name] = block
  end

  # A system call by number; Ruby has it for those who know what they do.
  def self.call(*arguments)
    verbose, $VERBOSE = $VERBOSE, nil
    Kernel.syscall(*arguments)
  ensure
    $VERBOSE = verbose
  end

  # The address of a text, which `syscall` takes as it is only where it holds no zero.
  def self.at(text)
    [text].pack("p").unpack1("J")
  end

  # What the block says in a process of its own, which may lose itself in it.
  def self.in_child
    reading, writing = IO.pipe
    pid = fork do
      said = begin
        { "value" => yield.inspect }
      rescue SystemCallError, StandardError => error
        { "error" => error.message }
      end
      writing.write(said.to_json)
      writing.close
      exit!(0)
    end
    writing.close
    text = reading.read
    Process.wait(pid)
    said = text.empty? ? { "error" => "it died" } : JSON.parse(text)
    raise said["error"] if said["error"]
    said["value"]
  end

  def self.connected(address)
    address.connect(timeout: 3) do |made|
      made.write("x")
      "connected"
    end
  end

  def self.asked(event, request)
    host, port = (event["api"] || ENV["AWS_LAMBDA_RUNTIME_API"]).split(":")
    answer = Net::HTTP.start(host, port.to_i, nil, open_timeout: 5, read_timeout: 5) { |http| http.request(request) }
    raise "status #{answer.code}" unless %w[200 202].include?(answer.code)
    answer.code
  end

  # What a program that replaces a child of ours prints.
  def self.output_of(*command)
    IO.popen(command, &:read).then { |text| text.empty? ? raise("nothing") : text }
  end

  # A name that is a file of ours and, a moment later, a link to the host's.
  def self.raced(event)
    name, own, other = %w[rb-raced rb-raced-own rb-raced-link].map { |part| File.join(event["tmp"], part) }
    File.write(own, "mine")
    over, swaps = false, 0
    swapping = Thread.new do
      until over
        [-> { File.link(own, other) }, -> { File.symlink(event["secret"], other) }].each do |make|
          make.call
          File.rename(other, name)
          # Renaming one name of a file to another of the same file leaves both.
          FileUtils.rm_f(other)
        end
        swaps += 1
      end
    end
    rounds, read, text = event["rounds"] || 3_000, 0, "mine"
    # On a busy machine one of the two may not run at all while the other is done with so many.
    while text == "mine" && swapping.alive? && (read < rounds || swaps < rounds)
      read += 1
      text = read_or(name, "mine")
    end
    text == "mine" ? raise("never") : text
  ensure
    over = true
    swapping&.join
  end

  # What is not there, or may not be opened, is there the next time, or not at all.
  def self.read_or(name, otherwise)
    File.read(name)
  rescue SystemCallError
    otherwise
  end

  def self.some(found)
    found.empty? ? raise("none") : found
  end

  probe("shell") { `echo out; true`.then { |text| text.include?("out") ? text : raise("no shell") } }
  probe("interpreter_again") { output_of(Gem.ruby, "-e", "puts 1") }
  probe("spawned") { Process.wait(Process.spawn(Gem.ruby, "-e", "1")) }
  probe("replaced") do
    in_child do
      begin
        exec(Gem.ruby, "-e", "$stdout.close")
      rescue SystemCallError
        raise "not executed"
      end
    end
  rescue RuntimeError => error
    # The new program writes no answer: it was executed.
    error.message == "it died" ? "executed" : raise
  end
  probe("loader_as_a_program") { output_of("/lib64/ld-linux-x86-64.so.2", Gem.ruby, "--disable-gems", "-e", "puts 1") }
  probe("program_in_tmp") do |event|
    program = File.join(event["tmp"], "program-rb")
    FileUtils.cp(File.realpath(Gem.ruby), program)
    File.chmod(0o755, program)
    output_of(program, "--disable-gems", "-e", "puts 1")
  end
  probe("file_of_the_host") { |event| File.read(event["secret"]) }
  probe("file_through_a_link") do |event|
    link = File.join(event["tmp"], "rb-link")
    FileUtils.rm_f(link)
    File.symlink(event["secret"], link)
    File.read(link)
  end
  probe("file_through_proc") { |event| File.read("/proc/#{event["pid"]}/root#{event["secret"]}") }
  probe("file_through_its_own_root") { |event| File.read("/proc/self/root#{event["secret"]}") }
  probe("file_by_a_race") { |event| raced(event) }
  probe("hard_link_to_code") do |event|
    link = File.join(event["tmp"], "rb-hard")
    FileUtils.rm_f(link)
    File.link(__FILE__, link)
  end
  probe("code_opened_again_for_writing") { File.open(__FILE__) { |code| File.open("/proc/self/fd/#{code.fileno}", "r+", &:fileno) } }
  probe("write_beside_the_code") { File.write(File.join(__dir__, "rb-planted"), "x") }
  probe("write_on_the_host") { |event| File.write(File.join(event["outside"], "rb-planted"), "x") }
  probe("kernel_controls") do
    some(["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/cgroup.procs"].select do |path|
      File.open(path, File::WRONLY).close || true
    rescue SystemCallError
      false
    end)
  end
  probe("kernel_log") { File.open("/dev/kmsg", &:fileno) }
  probe("device") do |event|
    path = File.join(event["tmp"], "rb-device")
    call(133, path, 0o020_600, 0x0101)
    File.unlink(path)
  end
  probe("inherited_descriptor") do
    inside = ["/dev/", "/proc/", "pipe:", "socket:", "anon_inode:", "/memfd:"]
    some(Dir.children("/proc/self/fd").select { |number| number.to_i > 2 }.map do |number|
      File.readlink("/proc/self/fd/#{number}")
    rescue SystemCallError
      "pipe:"
    end.reject { |target| target.start_with?(*inside) })
  end
  probe("environment_of_the_server") { |event| File.binread("/proc/#{event["pid"]}/environ", 20) }
  probe("processes_of_the_host") do
    some(Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i) - [1, Process.pid, Process.ppid])
  end
  probe("signal_to_the_server") { |event| Process.kill(0, event["pid"]) }
  probe("signal_to_a_thread_of_the_server") { |event| call(234, event["pid"], event["pid"], 0) }
  probe("port_of_the_host") { |event| connected(Addrinfo.tcp("127.0.0.1", event["port"])) }
  probe("port_of_the_host_by_its_address") { |event| connected(Addrinfo.tcp(event["address"], event["port"])) }
  probe("metadata") { |event| connected(Addrinfo.tcp(*event["metadata"])) }
  probe("abstract_socket") { |event| connected(Addrinfo.unix("\0#{event["abstract"]}")) }
  probe("socket_file") { |event| connected(Addrinfo.unix(event["socket"])) }
  probe("datagram") { |event| UDPSocket.open { |made| made.send("x", 0, event["address"], event["port"]) } }
  probe("connected_datagram") { |event| UDPSocket.open { |made| made.connect(event["address"], event["port"]) } }
  probe("vsock") { Socket.new(40, Socket::SOCK_STREAM).close || true }
  probe("raw_socket") { Socket.new(:INET, :RAW, 1).close || true }
  probe("packet_socket") { Socket.new(:PACKET, :RAW).close || true }
  probe("answer_for_another_request") do |event|
    path = "/2018-06-01/runtime/invocation/#{event["request"] || "8476a536-e9f4-11e8-9739-2dfe598c3fcd"}/response"
    asked(event, Net::HTTP::Post.new(path).tap { |request| request.body = "{}" })
  end
  probe("request_of_another_process") do |event|
    in_child { asked(event, Net::HTTP::Get.new("/2018-06-01/runtime/invocation/next")) }
  end
  probe("user_namespace") { in_child { call(272, 0x10000000) } }
  probe("mount") { |event| in_child { call(165, "none", event["tmp"], "tmpfs", 0, 0) && call(166, event["tmp"], 2) } }
  probe("change_of_root") { |event| in_child { Dir.chroot(event["tmp"]) } }
  probe("other_user") { in_child { call(117, 12_345, 12_345, 12_345) } }
  probe("traced") do
    in_child do
      child = fork { sleep }
      call(101, 16, child, 0, 0)
    ensure
      Process.kill(:KILL, child)
    end
  end
  probe("memory_of_another") do
    in_child do
      into, secret = "\0" * 6, "secret"
      child = fork { sleep }
      local, remote = [into, secret].map { |text| [at(text), 6].pack("JJ") }
      call(310, child, at(local), 1, at(remote), 1, 0)
    ensure
      Process.kill(:KILL, child)
    end
  end
  probe("user_namespace_by_clone3") do
    arguments = [0x10000000, 0, 0, 0, 17, 0, 0, 0].pack("Q8")
    pid = call(435, at(arguments), 64)
    exit!(0) if pid.zero?
    Process.wait(pid)
  end
  probe("mount_namespace_by_clone") do
    pid = call(56, 0x00020000 | 17, 0, 0, 0, 0)
    exit!(0) if pid.zero?
    Process.wait(pid)
  end
  probe("namespace_entered") { File.open("/proc/self/ns/uts") { |file| in_child { call(308, file.fileno, 0) } } }
  probe("program_of_the_kernel") do
    attributes = [2, 4, 8, 1].pack("L4") + "\0" * 112
    IO.for_fd(call(321, 0, at(attributes), 128)).close || true
  end
  probe("kernel_keyring") { call(250, 0, -3, 1) }
  probe("shared_memory_of_the_kernel") { call(29, 0, 4096, 0o1600).tap { |made| call(31, made, 0, 0) } }
  probe("ring") do
    parameters = "\0" * 120
    IO.for_fd(call(425, 1, at(parameters))).close || true
  end
  probe("performance_counters") do
    attributes = [1, 128].pack("L2") + "\0" * 120
    IO.for_fd(call(298, at(attributes), 0, -1, -1, 0)).close || true
  end
  probe("host_name") { in_child { call(170, Socket.gethostname, Socket.gethostname.length) } }
  probe("netfilter_socket") { Socket.new(16, :RAW, 12).close || true }
  probe("memory_as_a_program") do
    memory = IO.for_fd(call(319, "program", 0))
    memory.binmode.write(File.binread("/proc/self/exe"))
    memory.flush
    name = "/proc/self/fd/#{memory.fileno}"
    said = IO.popen([[name, "ruby"], "--disable-gems", "-e", "puts 1", { memory.fileno => memory.fileno }], &:read)
    said.empty? ? raise("nothing") : said
  end
  probe("kernel_key") { call(248, "user", "casemate-probe", "x", 1, -1) }
  probe("page_faults") { IO.for_fd(call(323, 0)).close || true }
  probe("processes") do
    made = []
    begin
      # Without processes left, Ruby's own `fork` tries again for ever.
      Timeout.timeout(15) { made << fork { sleep } while made.length < 1_100 }
      made.length
    ensure
      made.each { |pid| Process.kill(:KILL, pid) }
      made.each { |pid| Process.wait(pid) }
    end
  end
  probe("descriptors") do
    made = []
    begin
      made << File.open("/dev/null") while made.length < 1_100
    rescue SystemCallError
      HELD << -> { made.each(&:close) }
      raise
    end
    made.each(&:close).length
  end
  probe("disk") do |event|
    much, block = File.join(event["tmp"], "rb-much"), "\0" * (1 << 20)
    begin
      File.open(much, "wb") { |file| 600.times { file.syswrite(block) == block.length || raise("full") } }
    rescue StandardError
      HELD << -> { File.unlink(much) }
      raise
    end
    File.unlink(much)
  end
  probe("memory") { ("x" * (600 << 20)).length }

  def self.handler(event:, context: nil)
    return RUNNING.keys if event["list"]
    HELD.pop.call until HELD.empty?
    (event["probes"] || RUNNING.keys).to_h do |name|
      [name, { "reached" => true, "what" => RUNNING.fetch(name).call(event).inspect[0, 200] }]
    rescue StandardError, NoMemoryError => error
      [name, { "reached" => false, "why" => "#{error.class}: #{error.message}"[0, 200] }]
    end
  end
end

puts Probes.handler(event: JSON.parse($stdin.read)).to_json if $PROGRAM_NAME == __FILE__
