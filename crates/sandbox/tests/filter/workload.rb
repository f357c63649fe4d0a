# What ordinary handlers in Ruby do.
require 'json'; require 'socket'; require 'tempfile'; require 'fileutils'; require 'net/http'; require 'open3'; require 'timeout'; require 'etc'; require 'digest'; require 'zlib'; require 'securerandom'; require 'io/wait'; require 'pathname'
def attempt(name); Timeout.timeout(20) { yield }; rescue Exception => error; puts "#{name} #{error.class} #{error.message}"; end
Dir.chdir('/tmp'); $stdout.sync = true
attempt('files') do
  Dir.mktmpdir do |folder|
    a = "#{folder}/a"; File.write(a, 'x' * 100_000); FileUtils.cp(a, "#{a}b"); File.rename("#{a}b", "#{a}c"); File.symlink(a, "#{a}l"); File.readlink("#{a}l"); File.link(a, "#{a}h")
    File.chmod(0o600, a); File.utime(1, 1, a); File.truncate(a, 10); File.stat(a); File.lstat("#{a}l"); File.readable?(a); File.realpath("#{a}l")
    File.open(a, 'r+') { |f| f.flock(File::LOCK_EX); f.seek(2); f.write('z'); f.fsync; f.fdatasync; f.pread(2, 0); f.pwrite('q', 1); f.truncate(5); f.chmod(0o600); f.advise(:sequential) }
    IO.copy_stream(a, "#{a}s"); Dir.glob("#{folder}/**/*"); Dir.mkdir("#{folder}/d"); Dir.rmdir("#{folder}/d"); FileUtils.cp_r(folder, "#{folder}2"); FileUtils.rm_r("#{folder}2"); File.mkfifo("#{a}f")
  end
end
attempt('network') do
  server = TCPServer.new('127.0.0.1', 0); thread = Thread.new { s = server.accept; s.write('x'); s.close }
  s = TCPSocket.new('127.0.0.1', server.addr[1]); s.setsockopt(:TCP, :NODELAY, 1); s.read; thread.join; IO.select([server], nil, nil, 0.01)
  u = UDPSocket.new; u.bind('127.0.0.1', 0); u.send('x', 0, '127.0.0.1', u.addr[1]); u.recvfrom(1); a, b = UNIXSocket.pair; a.send_io($stdout); b.recv_io
  UNIXServer.new('/tmp/s').close
end
attempt('dns') { Addrinfo.getaddrinfo('example.com', 80) }; attempt('ifs') { Socket.getifaddrs }
attempt('http') { Net::HTTP.get(URI('http://127.0.0.1:9')) }
attempt('threads') { q = Queue.new; 4.times.map { |n| Thread.new { q << n; sleep 0.01 } }.each(&:join); Mutex.new.synchronize { } }
attempt('fork') { Process.wait(fork { exit! }); r, w = IO.pipe; w.close; r.read }
attempt('spawn') { Open3.capture2(RbConfig.ruby, '-e', '0') }; attempt('backtick') { `true` }
attempt('signals') { done = false; trap('USR1') { done = true }; Process.kill('USR1', Process.pid); sleep 0.05 until done }
attempt('process') { Process.clock_gettime(Process::CLOCK_MONOTONIC); Process.times; Process.getrlimit(:NOFILE); Process.setrlimit(:NOFILE, 256); Process.getpriority(0, 0); Process.getpgrp; Process.setproctitle('x'); Etc.getpwuid; Etc.nprocessors; SecureRandom.hex; Process.groups }
attempt('ractor') { Ractor.new { 1 }.take }; attempt('fiber') { Fiber.new { 1 }.resume }; GC.start; attempt('compact') { GC.compact }
