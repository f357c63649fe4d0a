import java.io.*;
import java.net.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.logging.*;

/** Leaves something for the next request wherever a process can leave something, and looks for what an earlier one left; see planting.py. */
public class Planting {
    interface Leaving {
        void leave() throws Exception;
    }

    static final Map<String, Leaving> LEAVE = new TreeMap<>();
    static final Map<String, Callable<Boolean>> THERE = new TreeMap<>();
    static final List<Object> KEPT = new ArrayList<>();

    static void way(String name, Leaving leave, Callable<Boolean> there) {
        LEAVE.put(name, leave);
        THERE.put(name, there);
    }

    static volatile String secret;
    static final SocketAddress PORT = new InetSocketAddress("127.0.0.1", 7777);
    static final SocketAddress SOCKET = UnixDomainSocketAddress.of("/tmp/socket");
    static final Path TMP = Path.of("/tmp");

    static ServerSocketChannel listening(SocketAddress where) throws IOException {
        ServerSocketChannel made = where == SOCKET ? ServerSocketChannel.open(StandardProtocolFamily.UNIX) : ServerSocketChannel.open();
        return made.bind(where);
    }

    static boolean connects(SocketAddress where) {
        try (SocketChannel made = SocketChannel.open(where)) {
            return true;
        } catch (IOException refused) {
            return false;
        }
    }

    static boolean opened(String name) throws IOException {
        for (String number : new File("/proc/self/fd").list()) {
            try {
                if (Files.readSymbolicLink(Path.of("/proc/self/fd", number)).toString().equals(name)) return true;
            } catch (IOException gone) {
                // It was this list's own.
            }
        }
        return false;
    }

    static boolean runs(String name) {
        return Thread.getAllStackTraces().keySet().stream().anyMatch(thread -> thread.getName().equals(name));
    }

    static class Zone extends SimpleTimeZone {
        Zone() {
            super(0, "planted");
        }
    }

    static class Cookies extends CookieManager {}

    static class Output extends PrintStream {
        Output() {
            super(System.out);
        }
    }

    static class Failing implements Thread.UncaughtExceptionHandler {
        public void uncaughtException(Thread thread, Throwable error) {}
    }

    static {
        way("static member", () -> secret = "planted", () -> "planted".equals(secret));
        way("system property", () -> System.setProperty("planted", "1"), () -> System.getProperty("planted") != null);
        way("language", () -> Locale.setDefault(new Locale("tlh")), () -> Locale.getDefault().getLanguage().equals("tlh"));
        way("time zone", () -> TimeZone.setDefault(new Zone()), () -> TimeZone.getDefault().getID().equals("planted"));
        way("output", () -> System.setOut(new Output()), () -> System.out instanceof Output);
        way("cookies", () -> CookieHandler.setDefault(new Cookies()), () -> CookieHandler.getDefault() instanceof Cookies);
        way("failure handler", () -> Thread.setDefaultUncaughtExceptionHandler(new Failing()),
            () -> Thread.getDefaultUncaughtExceptionHandler() instanceof Failing);
        way("class loader", () -> Thread.currentThread().setContextClassLoader(new URLClassLoader("planted", new URL[0], null)),
            () -> Thread.currentThread().getContextClassLoader() instanceof URLClassLoader found && "planted".equals(found.getName()));
        way("thread's name", () -> Thread.currentThread().setName("planted"), () -> Thread.currentThread().getName().equals("planted"));
        way("logger", () -> KEPT.add(planted()), () -> Arrays.stream(Logger.getLogger("").getHandlers()).anyMatch(one -> one instanceof Deaf));
        way("security property", () -> java.security.Security.setProperty("planted", "1"),
            () -> java.security.Security.getProperty("planted") != null);
        way("thread", () -> sleeping("planted thread").start(), () -> runs("planted thread"));
        way("timer", () -> KEPT.add(new Timer("planted timer", true)), () -> runs("planted timer"));
        way("file in /tmp", () -> Files.writeString(TMP.resolve("file"), "planted"), () -> Files.exists(TMP.resolve("file")));
        way("link in /tmp", () -> Files.createSymbolicLink(TMP.resolve("link"), Path.of("/var/task")),
            () -> Files.isSymbolicLink(TMP.resolve("link")));
        way("rights of /tmp", () -> Files.setPosixFilePermissions(TMP, PosixFilePermissions.fromString("rwxrwx---")),
            () -> !Files.getPosixFilePermissions(TMP).toString().contains("OTHERS"));
        way("open file", () -> KEPT.add(new FileInputStream("/var/task/Planting.class")), () -> opened("/var/task/Planting.class"));
        way("port", () -> KEPT.add(listening(PORT)), () -> connects(PORT));
        way("socket in /tmp", () -> KEPT.add(listening(SOCKET)), () -> connects(SOCKET));
    }

    static class Deaf extends Handler {
        public void publish(LogRecord line) {}

        public void flush() {}

        public void close() {}
    }

    static Handler planted() {
        Handler made = new Deaf();
        Logger.getLogger("").addHandler(made);
        return made;
    }

    static Thread sleeping(String name) {
        Thread made = new Thread(() -> {
            try {
                Thread.sleep(600_000);
            } catch (InterruptedException over) {
                // It was to end.
            }
        }, name);
        made.setDaemon(true);
        return made;
    }

    public Object handler(Map<String, Object> event) throws Exception {
        Object wanted = event.get("do");
        if (!wanted.equals("look")) for (Leaving one : LEAVE.values()) one.leave();
        if (wanted.equals("crash")) Runtime.getRuntime().halt(3);
        if (wanted.equals("hang")) Thread.sleep(60_000);
        // After planting, too: what is not there at once would not be missed later.
        List<String> found = new ArrayList<>();
        for (Map.Entry<String, Callable<Boolean>> one : THERE.entrySet()) if (one.getValue().call()) found.add(one.getKey());
        if (!wanted.equals("look") && found.size() < THERE.size()) throw new IllegalStateException("only " + found);
        return found;
    }
}
