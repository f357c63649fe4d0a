import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.regex.*;

/** Presses on the platform, for Java; see pressing.py. It cannot fork. */
public class Pressing {
    static final List<Socket> HELD = new ArrayList<>();

    static Object flood(int kilobytes) {
        byte[] line = ("x".repeat(1000) + "\n").getBytes(StandardCharsets.UTF_8);
        for (int lines = 0; lines < kilobytes; lines++) System.out.write(line, 0, line.length);
        System.out.flush();
        return "done";
    }

    static Object hold(String api, int connections) {
        String[] parts = api.split(":");
        byte[] begun = "POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\nx-slow: ".getBytes(StandardCharsets.UTF_8);
        int refused = 0;
        while (HELD.size() < connections && refused < 5) {
            try {
                Socket made = new Socket();
                made.connect(new InetSocketAddress(parts[0], Integer.parseInt(parts[1])), 200);
                made.getOutputStream().write(begun);
                HELD.add(made);
            } catch (IOException error) {
                refused++;
            }
        }
        return Map.of("held", HELD.size(), "refused", refused);
    }

    public Object handler(Map<String, Object> event) {
        if (event.get("do").equals("flood")) return flood(((Number) event.get("kilobytes")).intValue());
        Object api = event.getOrDefault("api", System.getenv("AWS_LAMBDA_RUNTIME_API"));
        return hold(api.toString(), ((Number) event.get("connections")).intValue());
    }

    /** Runs once, with a flat event on the standard input; the answer goes to the standard error. */
    public static void main(String[] none) throws IOException {
        String given = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        Map<String, Object> event = new HashMap<>();
        Matcher members = Pattern.compile("\"(\\w+)\": (?:\"([^\"]*)\"|(\\d+))").matcher(given);
        while (members.find()) {
            event.put(members.group(1), members.group(2) != null ? members.group(2) : (Object) Integer.valueOf(members.group(3)));
        }
        String answer = new Pressing().handler(event).toString();
        System.err.print(answer.startsWith("{") ? answer.replaceAll("(\\w+)=", "\"$1\":") : "\"" + answer + "\"");
        System.exit(0);
    }
}
