import java.io.*;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.*;
import java.util.regex.*;
import java.util.stream.*;

/** Ways out of an execution environment, for Java; see probes.py. */
public class Probes {
    interface Probe {
        Object run(Map<String, Object> event) throws Exception;
    }

    static final Map<String, Probe> PROBES = new LinkedHashMap<>();

    static String text(Map<String, Object> event, String name) {
        return String.valueOf(event.get(name));
    }

    static int number(Map<String, Object> event, String name) {
        return ((Number) event.get(name)).intValue();
    }

    static String run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) throw new IOException("status " + process.exitValue());
        return said;
    }

    static String java() {
        return Path.of(System.getProperty("java.home"), "bin/java").toString();
    }

    /** A program that says "out" and ends. */
    static final byte[] PROGRAM = Base64.getDecoder().decode(
        "f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAEAAAAAAAAAA"
            + "QAAAAAAAmgAAAAAAAACaAAAAAAAAAAAQAAAAAAAAvwEAAABIjTUSAAAAugQAAACJ+A8FuDwAAAAx/w8Fb3V0Cg==");

    static String connected(SocketAddress address) throws Exception {
        if (address instanceof UnixDomainSocketAddress) {
            try (SocketChannel made = SocketChannel.open(address)) {
                return "connected " + made.write(ByteBuffer.wrap(new byte[] {'x'}));
            }
        }
        try (Socket made = new Socket()) {
            made.connect(address, 3000);
            made.getOutputStream().write('x');
            return "connected";
        }
    }

    static InetSocketAddress at(Object host, Object port) {
        return new InetSocketAddress(String.valueOf(host), ((Number) port).intValue());
    }

    static Object asked(Map<String, Object> event, String method, String where) throws Exception {
        Object given = event.get("api");
        String api = given == null ? System.getenv("AWS_LAMBDA_RUNTIME_API") : given.toString();
        HttpURLConnection made = (HttpURLConnection) new URL("http://" + api + "/2018-06-01/runtime/" + where).openConnection(Proxy.NO_PROXY);
        made.setRequestMethod(method);
        made.setReadTimeout(5000);
        if (method.equals("POST")) {
            made.setDoOutput(true);
            made.getOutputStream().write("{}".getBytes());
        }
        if (made.getResponseCode() / 100 != 2) throw new IOException("status " + made.getResponseCode());
        return made.getResponseCode();
    }

    static <T> List<T> some(List<T> found) throws IOException {
        if (found.isEmpty()) throw new IOException("none");
        return found;
    }

    static List<String> openedForWriting(String... names) throws IOException {
        List<String> opened = new ArrayList<>();
        for (String name : names) {
            try (FileChannel file = FileChannel.open(Path.of(name), StandardOpenOption.WRITE)) {
                opened.add(name);
            } catch (IOException refused) {
                // The next one.
            }
        }
        return some(opened);
    }

    static Path link(Map<String, Object> event, String name) throws IOException {
        Path link = Path.of(text(event, "tmp"), name);
        Files.deleteIfExists(link);
        return link;
    }

    /** A name that is a file of ours and, a moment later, a link to the host's. */
    static Object raced(Map<String, Object> event) throws Exception {
        Path name = link(event, "java-raced"), own = link(event, "java-raced-own"), other = link(event, "java-raced-link");
        Files.writeString(own, "mine");
        AtomicBoolean over = new AtomicBoolean();
        AtomicInteger swaps = new AtomicInteger();
        Thread swapping = new Thread(() -> {
            while (!over.get()) {
                try {
                    Files.move(Files.createLink(other, own), name, StandardCopyOption.ATOMIC_MOVE);
                    // Renaming one name of a file to another of the same file leaves both.
                    Files.deleteIfExists(other);
                    Files.move(Files.createSymbolicLink(other, Path.of(text(event, "secret"))), name, StandardCopyOption.ATOMIC_MOVE);
                } catch (IOException refused) {
                    throw new UncheckedIOException(refused);
                }
                swaps.incrementAndGet();
            }
        });
        swapping.start();
        int rounds = event.get("rounds") == null ? 3_000 : number(event, "rounds");
        String text = "mine";
        // On a busy machine one of the two may not run at all while the other is done with so many.
        for (int read = 0; text.equals("mine") && swapping.isAlive() && (read < rounds || swaps.get() < rounds); read++) {
            try {
                text = Files.readString(name);
            } catch (IOException refused) {
                // What is not there, or may not be opened, is there the next time, or not at all.
            }
        }
        over.set(true);
        swapping.join();
        if (text.equals("mine")) throw new IOException("never");
        return text;
    }

    /** What is open beside the streams and what a virtual machine has open of its own: its modules, and the jars of the class path. */
    static List<String> inherited() throws IOException {
        List<String> inside = List.of("/dev/", "/proc/", "pipe:", "socket:", "anon_inode:", "/memfd:", System.getProperty("java.home"));
        List<String> found = new ArrayList<>();
        for (String number : new File("/proc/self/fd").list()) {
            try {
                String target = Files.readSymbolicLink(Path.of("/proc/self/fd", number)).toString();
                if (Integer.parseInt(number) > 2 && inside.stream().noneMatch(target::startsWith)) found.add(target);
            } catch (IOException gone) {
                // It was this list's own.
            }
        }
        return some(found);
    }

    static Path own() throws Exception {
        Path folder = Path.of(Probes.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        return folder.resolve("Probes.class");
    }

    /** What is full stays full until the next request, or nobody could see that it was: how each is emptied. */
    static final List<Closeable> HELD = new ArrayList<>();

    static void release() {
        for (Closeable one : HELD) {
            try {
                one.close();
            } catch (IOException ignored) {
                // The next one is emptied all the same.
            }
        }
        HELD.clear();
    }

    /** A virtual machine begins threads only; the limit is the same. */
    static Object processes() throws Exception {
        CountDownLatch over = new CountDownLatch(1);
        List<Thread> made = new ArrayList<>();
        try {
            while (made.size() < 1_100) {
                Thread one = new Thread(null, () -> {
                    try {
                        over.await();
                    } catch (InterruptedException ended) {
                        // It was to end.
                    }
                }, "many", 65_536);
                one.start();
                made.add(one);
            }
            return made.size();
        } finally {
            over.countDown();
            for (Thread one : made) one.join();
        }
    }

    static Object openedAgain() throws Exception {
        try (FileInputStream code = new FileInputStream(own().toFile())) {
            for (String number : new File("/proc/self/fd").list()) {
                Path name = Path.of("/proc/self/fd", number);
                // What was open for this list is gone.
                if (Files.exists(name) && Files.isSameFile(name, own())) return openedForWriting(name.toString());
            }
        }
        throw new IllegalStateException("not there");
    }

    static Object descriptors() throws IOException {
        List<InputStream> made = new ArrayList<>();
        try {
            while (made.size() < 1_100) made.add(new FileInputStream("/dev/null"));
        } catch (IOException refused) {
            HELD.addAll(made);
            throw refused;
        }
        for (InputStream one : made) one.close();
        return made.size();
    }

    static Object disk(Path much) throws IOException {
        byte[] block = new byte[1 << 20];
        try (OutputStream file = new FileOutputStream(much.toFile())) {
            for (int blocks = 0; blocks < 600; blocks++) file.write(block);
        } catch (IOException refused) {
            HELD.add(() -> Files.deleteIfExists(much));
            throw refused;
        }
        Files.deleteIfExists(much);
        return 600;
    }

    static Object memory() {
        // Beside the heap, whose size the platform sets.
        ByteBuffer held = ByteBuffer.allocateDirect(600 << 20);
        for (int at = 0; at < held.capacity(); at += 4096) held.put(at, (byte) 1);
        return held.capacity();
    }

    static {
        // The virtual machine begins programs by a helper of its own, unless it is told to do it itself: only then the name of what
        // is to be executed gets as far as the kernel. The helper is tried as "spawned".
        System.setProperty("jdk.lang.Process.launchMechanism", "VFORK");
        PROBES.put("shell", event -> run("/bin/sh", "-c", "echo out"));
        PROBES.put("interpreter_again", event -> run(java(), "-version"));
        PROBES.put("spawned", event -> "process " + new ProcessBuilder(System.getProperty("java.home") + "/lib/jspawnhelper").start().pid());
        PROBES.put("loader_as_a_program", event -> run("/lib64/ld-linux-x86-64.so.2", java(), "-version"));
        PROBES.put("program_in_tmp", event -> {
            Path program = link(event, "program-java");
            Files.write(program, PROGRAM);
            program.toFile().setExecutable(true);
            return run(program.toString());
        });
        PROBES.put("file_of_the_host", event -> Files.readString(Path.of(text(event, "secret"))));
        PROBES.put("file_through_a_link", event ->
            Files.readString(Files.createSymbolicLink(link(event, "java-link"), Path.of(text(event, "secret")))));
        PROBES.put("file_through_proc", event -> Files.readString(Path.of("/proc/" + event.get("pid") + "/root" + event.get("secret"))));
        PROBES.put("file_through_its_own_root", event -> Files.readString(Path.of("/proc/self/root" + event.get("secret"))));
        PROBES.put("file_by_a_race", event -> raced(event));
        PROBES.put("hard_link_to_code", event -> Files.createLink(link(event, "java-hard"), own()));
        PROBES.put("code_opened_again_for_writing", event -> openedAgain());
        PROBES.put("write_beside_the_code", event -> Files.writeString(own().resolveSibling("java-planted"), "x"));
        PROBES.put("write_on_the_host", event -> Files.writeString(Path.of(text(event, "outside"), "java-planted"), "x"));
        PROBES.put("kernel_controls", event ->
            openedForWriting("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/cgroup.procs"));
        PROBES.put("inherited_descriptor", event -> inherited());
        PROBES.put("kernel_log", event -> {
            try (InputStream file = new FileInputStream("/dev/kmsg")) {
                return "opened";
            }
        });
        PROBES.put("environment_of_the_server", event -> {
            try (InputStream file = new FileInputStream("/proc/" + event.get("pid") + "/environ")) {
                return file.readNBytes(20).length;
            }
        });
        PROBES.put("processes_of_the_host", event -> some(ProcessHandle.allProcesses().map(ProcessHandle::pid)
            .filter(pid -> pid != 1 && pid != ProcessHandle.current().pid()).limit(5).collect(Collectors.toList())));
        PROBES.put("process_of_the_server", event -> ProcessHandle.of(number(event, "pid")).orElseThrow().isAlive());
        PROBES.put("port_of_the_host", event -> connected(at("127.0.0.1", event.get("port"))));
        PROBES.put("port_of_the_host_by_its_address", event -> connected(at(event.get("address"), event.get("port"))));
        PROBES.put("metadata", event -> {
            List<?> where = (List<?>) event.get("metadata");
            return connected(at(where.get(0), where.get(1)));
        });
        PROBES.put("socket_file", event -> connected(UnixDomainSocketAddress.of(text(event, "socket"))));
        PROBES.put("datagram", event -> {
            try (DatagramSocket made = new DatagramSocket()) {
                made.send(new DatagramPacket(new byte[] {'x'}, 1, at(event.get("address"), event.get("port"))));
                return "sent";
            }
        });
        PROBES.put("connected_datagram", event -> {
            try (DatagramSocket made = new DatagramSocket()) {
                made.connect(at(event.get("address"), event.get("port")));
                return "connected";
            }
        });
        PROBES.put("answer_for_another_request", event ->
            asked(event, "POST", "invocation/" + event.getOrDefault("request", "8476a536-e9f4-11e8-9739-2dfe598c3fcd") + "/response"));
        PROBES.put("request_beside_the_runtime", event -> asked(event, "GET", "invocation/next"));
        PROBES.put("processes", event -> processes());
        PROBES.put("descriptors", event -> descriptors());
        PROBES.put("disk", event -> disk(link(event, "java-much")));
        PROBES.put("memory", event -> memory());
    }

    public Object handler(Map<String, Object> event) {
        if (event.get("list") != null) return new ArrayList<>(PROBES.keySet());
        release();
        Map<String, Object> results = new LinkedHashMap<>();
        Object wanted = event.get("probes");
        for (Object name : wanted == null ? PROBES.keySet() : (List<?>) wanted) {
            try {
                results.put(name.toString(), Map.of("reached", true, "what", cut(PROBES.get(name.toString()).run(event))));
            } catch (Exception | OutOfMemoryError refused) {
                results.put(name.toString(), Map.of("reached", false, "why", cut(refused)));
            }
        }
        return results;
    }

    static String cut(Object said) {
        String text = String.valueOf(said);
        return text.substring(0, Math.min(200, text.length()));
    }

    /** Runs them once, with a flat event on the standard input. */
    public static void main(String[] none) throws IOException {
        String given = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        Map<String, Object> event = new HashMap<>();
        Matcher members = Pattern.compile("\"(\\w+)\": (?:\"([^\"]*)\"|(\\d+)|\\[\"([^\"]*)\", (\\d+)\\])").matcher(given);
        while (members.find()) {
            Object value = members.group(2) != null ? members.group(2)
                : members.group(3) != null ? (Object) Integer.valueOf(members.group(3))
                : List.of(members.group(4), Integer.valueOf(members.group(5)));
            event.put(members.group(1), value);
        }
        Map<?, ?> results = (Map<?, ?>) new Probes().handler(event);
        System.out.println(results.entrySet().stream().map(entry -> {
            Map<?, ?> result = (Map<?, ?>) entry.getValue();
            String said = String.valueOf(result.get("what")) + result.get("why");
            String quoted = said.replaceAll("[^ -~]", " ").replace("\\", "/").replace("\"", "'");
            return "\"" + entry.getKey() + "\":{\"reached\":" + result.get("reached") + ",\"what\":\"" + quoted + "\"}";
        }).collect(Collectors.joining(",", "{", "}")));
        System.exit(0);
    }
}
