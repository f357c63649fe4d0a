// Runs a Java function: finds its handler by reflection, then asks the Runtime API for one request after another.
//
// Nothing but java.base is used, and none of AWS's classes: a package that brings aws-lambda-java-core has its interfaces
// recognised by their names. Events become maps, lists, texts, numbers, or the stream itself; classes of the function's own
// are not filled with them.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

public final class Bootstrap {
    private static final String BASE = "/2018-06-01/runtime/";
    private static final String AWS = "com.amazonaws.services.lambda.runtime.";

    private Bootstrap() {
    }

    public static void main(String[] arguments) throws Exception {
        Api api = new Api(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Handler handler;
        try {
            handler = Handler.of(System.getenv("_HANDLER"));
        } catch (Throwable failure) {
            Throwable cause = causeOf(failure);
            System.err.print(traced(cause));
            report(api, "init/error", cause);
            System.exit(1);
            return;
        }
        while (true) {
            one(api, handler);
        }
    }

    private static void one(Api api, Handler handler) throws IOException {
        Answer next = api.call("GET", "invocation/next", null, Map.of());
        if (next.status != 200) {
            throw new IOException("the Runtime API answered " + next.status);
        }
        String id = next.headers.get("lambda-runtime-aws-request-id");
        String trace = next.headers.get("lambda-runtime-trace-id");
        // AWS: the system property that its SDK reads the trace from.
        System.setProperty("com.amazonaws.xray.traceHeader", trace == null ? "" : trace);
        byte[] answer;
        try {
            answer = handler.run(next.body, new Context(next.headers));
        } catch (Throwable failure) {
            Throwable cause = causeOf(failure);
            System.err.print(traced(cause));
            report(api, "invocation/" + id + "/error", cause);
            if (cause instanceof VirtualMachineError && !(cause instanceof StackOverflowError)) {
                System.exit(1);
            }
            return;
        }
        api.call("POST", "invocation/" + id + "/response", answer, Map.of("Content-Type", "application/json"));
    }

    /** What the function threw, without what reflection put around it. */
    private static Throwable causeOf(Throwable failure) {
        boolean wrapped = failure instanceof InvocationTargetException || failure instanceof ExceptionInInitializerError;
        return wrapped && failure.getCause() != null ? failure.getCause() : failure;
    }

    private static String traced(Throwable failure) {
        StringBuilder text = new StringBuilder(failure.toString());
        for (StackTraceElement frame : failure.getStackTrace()) {
            text.append("\r\tat ").append(frame);
        }
        return text.toString().replace('\n', '\r') + "\n";
    }

    private static void report(Api api, String where, Throwable failure) throws IOException {
        List<Object> frames = new ArrayList<>();
        for (StackTraceElement frame : failure.getStackTrace()) {
            boolean own = frame.getClassName().startsWith("Bootstrap") || frame.getClassName().startsWith("jdk.internal.reflect");
            if (!own) {
                frames.add(frame.toString());
            }
        }
        String kind = failure instanceof HandlerError ? ((HandlerError) failure).kind : failure.getClass().getName();
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("errorMessage", failure.getMessage());
        report.put("errorType", kind);
        report.put("stackTrace", frames);
        if (failure.getCause() != null) {
            Map<String, Object> cause = new LinkedHashMap<>();
            cause.put("errorMessage", failure.getCause().getMessage());
            cause.put("errorType", failure.getCause().getClass().getName());
            report.put("cause", cause);
        }
        api.call("POST", where, Json.write(report).getBytes(StandardCharsets.UTF_8), Map.of(
            "Content-Type", "application/json", "Lambda-Runtime-Function-Error-Type", kind));
    }

    /** The handler cannot be used. */
    static final class HandlerError extends RuntimeException {
        private static final long serialVersionUID = 1L;
        final String kind;

        HandlerError(String kind, String text) {
            super(text);
            this.kind = kind;
        }
    }

    // ---- the handler ------------------------------------------------------------------------------------------------------

    /** `package.Class::method`, or a class that implements one of AWS's interfaces. */
    static final class Handler {
        private final Object target;
        private final Method method;
        private final boolean streams;

        private Handler(Object target, Method method) {
            this.target = target;
            this.method = method;
            Class<?>[] takes = method.getParameterTypes();
            this.streams = takes.length >= 2 && takes[0] == InputStream.class && takes[1] == OutputStream.class;
        }

        static Handler of(String name) throws Throwable {
            int at = name.indexOf("::");
            String className = at < 0 ? name : name.substring(0, at);
            String methodName = at < 0 ? "handleRequest" : name.substring(at + 2);
            Class<?> type;
            try {
                type = Class.forName(className, true, Bootstrap.class.getClassLoader());
            } catch (ClassNotFoundException missing) {
                throw new HandlerError("java.lang.ClassNotFoundException", "Class not found: " + className);
            }
            if (at < 0 && !implementsAny(type)) {
                throw new HandlerError("Runtime.HandlerNotFound",
                    "Class " + className + " implements neither RequestHandler nor RequestStreamHandler");
            }
            Method method = pick(type, methodName);
            method.setAccessible(true);
            Object target = null;
            if (!Modifier.isStatic(method.getModifiers())) {
                var constructor = type.getDeclaredConstructor();
                constructor.setAccessible(true);
                target = constructor.newInstance();
            }
            return new Handler(target, method);
        }

        private static boolean implementsAny(Class<?> type) {
            for (Class<?> one = type; one != null; one = one.getSuperclass()) {
                for (Class<?> face : one.getInterfaces()) {
                    boolean known = face.getName().equals(AWS + "RequestHandler") || face.getName().equals(AWS + "RequestStreamHandler");
                    if (known || implementsAny(face)) {
                        return true;
                    }
                }
            }
            return false;
        }

        // AWS: of several methods of the name, one with a context as its last parameter is preferred, then the one with most.
        private static Method pick(Class<?> type, String name) {
            Method best = null;
            for (Method method : type.getMethods()) {
                boolean candidate = method.getName().equals(name) && !method.isBridge() && method.getParameterCount() <= 3;
                if (candidate && (best == null || rank(method) > rank(best))) {
                    best = method;
                }
            }
            if (best == null) {
                throw new HandlerError("Runtime.HandlerNotFound", "No public method named " + name
                    + " with appropriate method signature found on class " + type.getName());
            }
            return best;
        }

        private static int rank(Method method) {
            Class<?>[] takes = method.getParameterTypes();
            boolean context = takes.length > 0 && isContext(takes[takes.length - 1]);
            return takes.length + (context ? 10 : 0);
        }

        private static boolean isContext(Class<?> type) {
            return type.getName().equals(AWS + "Context");
        }

        byte[] run(byte[] event, Context context) throws Throwable {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Class<?>[] takes = method.getParameterTypes();
            Object[] given = new Object[takes.length];
            for (int index = 0; index < takes.length; index++) {
                if (isContext(takes[index])) {
                    given[index] = context.as(takes[index]);
                } else if (streams && index == 0) {
                    given[index] = new ByteArrayInputStream(event);
                } else if (streams && index == 1) {
                    given[index] = out;
                } else if (index == 0) {
                    given[index] = argument(event, takes[index]);
                } else {
                    throw new HandlerError("Runtime.HandlerNotFound", "parameter " + (index + 1) + " of the handler is neither event nor context");
                }
            }
            Object result = method.invoke(target, given);
            if (streams) {
                return out.toByteArray();
            }
            return method.getReturnType() == void.class ? "null".getBytes(StandardCharsets.UTF_8)
                : Json.write(result).getBytes(StandardCharsets.UTF_8);
        }

        private static Object argument(byte[] event, Class<?> type) {
            if (type == InputStream.class) {
                return new ByteArrayInputStream(event);
            }
            Object value = Json.read(new String(event, StandardCharsets.UTF_8));
            if (value == null || type.isInstance(value)) {
                return value;
            }
            if (value instanceof Number) {
                Number number = (Number) value;
                if (type == Integer.class || type == int.class) return number.intValue();
                if (type == Long.class || type == long.class) return number.longValue();
                if (type == Double.class || type == double.class) return number.doubleValue();
                if (type == Float.class || type == float.class) return number.floatValue();
            }
            if (value instanceof Boolean && type == boolean.class) {
                return value;
            }
            throw new HandlerError("Runtime.EventType", "the event cannot become a " + type.getName()
                + ": handlers take a Map, List, String, number, boolean, Object or InputStream");
        }
    }

    // ---- the context ------------------------------------------------------------------------------------------------------

    /** What a handler may know of its request; stands in for AWS's interface of the package's own library. */
    static final class Context {
        private final Map<String, String> headers;

        Context(Map<String, String> headers) {
            this.headers = headers;
        }

        Object as(Class<?> face) {
            return Proxy.newProxyInstance(face.getClassLoader(), new Class<?>[] {face}, (proxy, method, given) -> answer(proxy, method, given));
        }

        private Object answer(Object proxy, Method method, Object[] given) {
            switch (method.getName()) {
                case "getAwsRequestId": return headers.get("lambda-runtime-aws-request-id");
                case "getInvokedFunctionArn": return headers.get("lambda-runtime-invoked-function-arn");
                case "getLogGroupName": return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
                case "getLogStreamName": return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
                case "getFunctionName": return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
                case "getFunctionVersion": return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
                case "getMemoryLimitInMB": return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
                case "getRemainingTimeInMillis": return remaining();
                case "getLogger": return logger(method.getReturnType());
                case "toString": return "Context(" + headers.get("lambda-runtime-aws-request-id") + ")";
                case "hashCode": return System.identityHashCode(proxy);
                case "equals": return given[0] == proxy;
                default: return null;
            }
        }

        private int remaining() {
            String deadline = headers.get("lambda-runtime-deadline-ms");
            long left = deadline == null ? 0 : Long.parseLong(deadline) - System.currentTimeMillis();
            return (int) Math.max(0, Math.min(left, Integer.MAX_VALUE));
        }

        private static Object logger(Class<?> face) {
            return Proxy.newProxyInstance(face.getClassLoader(), new Class<?>[] {face}, (proxy, method, given) -> {
                if (method.getName().equals("log") && given != null && given.length > 0) {
                    System.out.println(given[0] instanceof byte[] ? new String((byte[]) given[0], StandardCharsets.UTF_8) : String.valueOf(given[0]));
                    return null;
                }
                switch (method.getName()) {
                    case "toString": return "LambdaLogger";
                    case "hashCode": return System.identityHashCode(proxy);
                    case "equals": return given[0] == proxy;
                    default: return null;
                }
            });
        }
    }

    // ---- the Runtime API --------------------------------------------------------------------------------------------------

    static final class Answer {
        int status;
        final Map<String, String> headers = new HashMap<>();
        byte[] body = new byte[0];
    }

    /** The connection to the environment's Runtime API: plain HTTP/1.1 over one socket. */
    static final class Api {
        private final String address;
        private Socket socket;
        private InputStream in;

        Api(String address) {
            this.address = address;
        }

        Answer call(String method, String path, byte[] body, Map<String, String> headers) throws IOException {
            if (socket == null) {
                String[] parts = address.split(":");
                socket = new Socket();
                socket.connect(new InetSocketAddress(parts[0], Integer.parseInt(parts[1])));
                socket.setTcpNoDelay(true);
                in = new java.io.BufferedInputStream(socket.getInputStream(), 1 << 16);
            }
            StringBuilder head = new StringBuilder(method + " " + BASE + path + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: casemate-java/"
                + System.getProperty("java.version") + "\r\n");
            headers.forEach((name, value) -> head.append(name).append(": ").append(value.replaceAll("[^\\x20-\\x7e]", "?")).append("\r\n"));
            if (body != null) {
                head.append("Content-Length: ").append(body.length).append("\r\n");
            }
            ByteArrayOutputStream whole = new ByteArrayOutputStream();
            whole.write(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
            if (body != null) {
                whole.write(body);
            }
            socket.getOutputStream().write(whole.toByteArray());
            return answer();
        }

        private Answer answer() throws IOException {
            Answer answer = new Answer();
            answer.status = Integer.parseInt(line().split(" ")[1]);
            for (String line = line(); !line.isEmpty(); line = line()) {
                int at = line.indexOf(':');
                answer.headers.put(line.substring(0, at).toLowerCase(Locale.ROOT), line.substring(at + 1).trim());
            }
            int length = Integer.parseInt(answer.headers.getOrDefault("content-length", "0"));
            answer.body = in.readNBytes(length);
            if (answer.body.length < length) {
                throw new IOException("the Runtime API has closed the connection");
            }
            return answer;
        }

        private String line() throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            for (int one = in.read(); one != '\n'; one = in.read()) {
                if (one < 0) {
                    throw new IOException("the Runtime API has closed the connection");
                }
                line.write(one);
            }
            return line.toString(StandardCharsets.ISO_8859_1).trim();
        }
    }

    // ---- JSON -------------------------------------------------------------------------------------------------------------

    /** JSON to and from maps, lists, texts, numbers and booleans. */
    static final class Json {
        private static final int DEPTH_MAX = 1_000;
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        static Object read(String text) {
            Json json = new Json(text);
            Object value = json.value(0);
            json.space();
            if (json.at != text.length()) {
                throw json.wrong();
            }
            return value;
        }

        private IllegalArgumentException wrong() {
            return new IllegalArgumentException("the event is not JSON, at character " + at);
        }

        private void space() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
        }

        private char peek() {
            space();
            if (at >= text.length()) {
                throw wrong();
            }
            return text.charAt(at);
        }

        private void take(char wanted) {
            if (peek() != wanted) {
                throw wrong();
            }
            at++;
        }

        private Object word(String word, Object value) {
            if (!text.startsWith(word, at)) {
                throw wrong();
            }
            at += word.length();
            return value;
        }

        private Object value(int depth) {
            if (depth > DEPTH_MAX) {
                throw wrong();
            }
            switch (peek()) {
                case '{': return object(depth);
                case '[': return list(depth);
                case '"': return string();
                case 't': return word("true", Boolean.TRUE);
                case 'f': return word("false", Boolean.FALSE);
                case 'n': return word("null", null);
                default: return number();
            }
        }

        private Map<String, Object> object(int depth) {
            Map<String, Object> map = new LinkedHashMap<>();
            take('{');
            if (peek() == '}') {
                at++;
                return map;
            }
            while (true) {
                if (peek() != '"') {
                    throw wrong();
                }
                String name = string();
                take(':');
                map.put(name, value(depth + 1));
                if (peek() == '}') {
                    at++;
                    return map;
                }
                take(',');
            }
        }

        private List<Object> list(int depth) {
            List<Object> list = new ArrayList<>();
            take('[');
            if (peek() == ']') {
                at++;
                return list;
            }
            while (true) {
                list.add(value(depth + 1));
                if (peek() == ']') {
                    at++;
                    return list;
                }
                take(',');
            }
        }

        private String string() {
            take('"');
            StringBuilder out = new StringBuilder();
            while (true) {
                if (at >= text.length()) {
                    throw wrong();
                }
                char one = text.charAt(at++);
                if (one == '"') {
                    return out.toString();
                }
                out.append(one == '\\' ? escaped() : one);
            }
        }

        private char escaped() {
            if (at >= text.length()) {
                throw wrong();
            }
            char one = text.charAt(at++);
            int plain = "\"\\/".indexOf(one);
            int special = "bfnrt".indexOf(one);
            if (plain >= 0) {
                return one;
            }
            if (special >= 0) {
                return "\b\f\n\r\t".charAt(special);
            }
            if (one != 'u' || at + 4 > text.length()) {
                throw wrong();
            }
            at += 4;
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        }

        private Object number() {
            int from = at;
            while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String number = text.substring(from, at);
            if (number.isEmpty()) {
                throw wrong();
            }
            if (number.matches("-?\\d{1,9}")) {
                return Integer.valueOf(number);
            }
            if (number.matches("-?\\d{1,18}")) {
                return Long.valueOf(number);
            }
            return number.matches("-?\\d+") ? new BigInteger(number) : (Object) Double.valueOf(number);
        }

        static String write(Object value) {
            StringBuilder out = new StringBuilder();
            write(value, out, 0);
            return out.toString();
        }

        private static void write(Object value, StringBuilder out, int depth) {
            if (depth > DEPTH_MAX) {
                throw new IllegalArgumentException("the answer is too deep for JSON");
            }
            if (value == null) {
                out.append("null");
            } else if (value instanceof Boolean || isPlain(value)) {
                out.append(value);
            } else if (value instanceof Map) {
                char next = '{';
                for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                    out.append(next);
                    text(String.valueOf(entry.getKey()), out);
                    out.append(':');
                    write(entry.getValue(), out, depth + 1);
                    next = ',';
                }
                out.append(next == '{' ? "{}" : "}");
            } else if (value instanceof Collection || value instanceof Object[]) {
                Collection<?> all = value instanceof Collection ? (Collection<?>) value : Arrays.asList((Object[]) value);
                char next = '[';
                for (Object one : all) {
                    out.append(next);
                    write(one, out, depth + 1);
                    next = ',';
                }
                out.append(next == '[' ? "[]" : "]");
            } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum) {
                text(value.toString(), out);
            } else {
                throw new HandlerError("Runtime.AnswerType", "the answer holds a " + value.getClass().getName()
                    + ": handlers give a Map, Collection, array, String, number, boolean or null");
            }
        }

        /** Numbers that JSON can say. */
        private static boolean isPlain(Object value) {
            if (value instanceof Double || value instanceof Float) {
                return Double.isFinite(((Number) value).doubleValue());
            }
            return value instanceof Integer || value instanceof Long || value instanceof Short || value instanceof Byte
                || value instanceof BigInteger || value instanceof BigDecimal;
        }

        private static void text(String text, StringBuilder out) {
            out.append('"');
            for (int index = 0; index < text.length(); index++) {
                char one = text.charAt(index);
                if (one == '"' || one == '\\') {
                    out.append('\\').append(one);
                } else if (one < ' ' || Character.isSurrogate(one)) {
                    out.append(String.format("\\u%04x", (int) one));
                } else {
                    out.append(one);
                }
            }
            out.append('"');
        }
    }
}
