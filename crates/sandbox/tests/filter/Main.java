import java.io.*; import java.net.*; import java.net.http.*; import java.nio.*; import java.nio.channels.*; import java.nio.file.*; import java.nio.file.attribute.*; import java.util.concurrent.*; import java.util.*;
/** What ordinary handlers in Java do. */
public class Main {
  interface Work { void run() throws Exception; }
  static void attempt(String name, Work work) { try { work.run(); } catch (Throwable error) { System.out.println(name + " " + error); } }
  public static void main(String[] arguments) throws Exception {
    attempt("files", () -> {
      Path folder = Files.createTempDirectory(Path.of("/tmp"), "x"), a = folder.resolve("a");
      Files.write(a, new byte[100000]); Files.copy(a, folder.resolve("b"), StandardCopyOption.COPY_ATTRIBUTES); Files.move(folder.resolve("b"), folder.resolve("c"));
      Files.createSymbolicLink(folder.resolve("l"), a); Files.readSymbolicLink(folder.resolve("l")); Files.createLink(folder.resolve("h"), a);
      Files.setPosixFilePermissions(a, PosixFilePermissions.fromString("rw-------")); Files.setLastModifiedTime(a, FileTime.fromMillis(1)); Files.getFileStore(a).getUsableSpace();
      try (FileChannel f = FileChannel.open(a, StandardOpenOption.READ, StandardOpenOption.WRITE)) { f.lock().release(); f.write(ByteBuffer.allocate(4), 2); f.read(ByteBuffer.allocate(4), 2); f.force(true); f.truncate(4096); MappedByteBuffer m = f.map(FileChannel.MapMode.READ_WRITE, 0, 4096); m.put(0, (byte) 1); m.force();
        f.write(new ByteBuffer[] { ByteBuffer.allocate(1), ByteBuffer.allocate(1) }); f.transferTo(0, 10, FileChannel.open(folder.resolve("t"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)); }
      try (WatchService w = folder.getFileSystem().newWatchService()) { folder.register(w, StandardWatchEventKinds.ENTRY_CREATE); Files.createFile(folder.resolve("n")); w.poll(1, TimeUnit.SECONDS); }
      try (var all = Files.walk(folder)) { all.forEach(p -> p.toFile().length()); } new File("/tmp").list();
      Files.setAttribute(a, "user:x", ByteBuffer.wrap(new byte[1])); Files.getAttribute(a, "user:x"); });
    attempt("sockets", () -> { try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) { Socket c = new Socket(server.getInetAddress(), server.getLocalPort()); Socket s = server.accept(); c.setTcpNoDelay(true); c.setSoTimeout(100); s.getOutputStream().write(1); c.getInputStream().read(); c.close(); s.close(); } });
    attempt("channels", () -> { try (Selector selector = Selector.open(); ServerSocketChannel s = ServerSocketChannel.open()) { s.bind(new InetSocketAddress("127.0.0.1", 0)); s.configureBlocking(false); s.register(selector, SelectionKey.OP_ACCEPT); SocketChannel.open(s.getLocalAddress()).close(); selector.select(100); } });
    attempt("unix", () -> { try (ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) { s.bind(UnixDomainSocketAddress.of("/tmp/s")); SocketChannel.open(UnixDomainSocketAddress.of("/tmp/s")).close(); } });
    attempt("udp", () -> { try (DatagramSocket s = new DatagramSocket(0, InetAddress.getLoopbackAddress())) { s.send(new DatagramPacket(new byte[1], 1, s.getLocalSocketAddress())); s.receive(new DatagramPacket(new byte[1], 1)); } });
    attempt("interfaces", () -> NetworkInterface.networkInterfaces().forEach(n -> { try { n.getMTU(); n.isUp(); n.getHardwareAddress(); } catch (Exception e) { } }));
    attempt("dns", () -> InetAddress.getByName("example.com")); attempt("reach", () -> InetAddress.getLoopbackAddress().isReachable(10));
    attempt("http", () -> HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:9")).build(), HttpResponse.BodyHandlers.ofString()));
    attempt("threads", () -> { ExecutorService pool = Executors.newFixedThreadPool(4); pool.invokeAll(Collections.nCopies(20, () -> { Thread.sleep(1); return 1; })); pool.shutdown(); Thread t = new Thread(() -> { }); t.setPriority(10); t.start(); t.join(); });
    attempt("process", () -> new ProcessBuilder("true").start().waitFor()); attempt("handles", () -> ProcessHandle.current().info().totalCpuDuration());
    attempt("memory", () -> { byte[][] held = new byte[40][]; for (int n = 0; n < 400; n++) held[n % 40] = new byte[1 << 20]; System.gc(); ByteBuffer.allocateDirect(1 << 20); });
    attempt("beans", () -> java.lang.management.ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage()); attempt("random", () -> new java.security.SecureRandom().nextInt());
    attempt("signal", () -> sun.misc.Signal.handle(new sun.misc.Signal("USR2"), s -> { }));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("done")));
  }
}
