/* A runtime and extensions in one static program, by the name it is called by. `bootstrap` answers each request with its kernel's
 * release and what its internal extension was told; `hears` listens to telemetry and tries what it may not; `dies` ends with its
 * first request. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define EXTENSIONS "/2020-01-01/extension/"
#define VSOCK 40

static const char *name;
static char identifier[128];

static void say(const char *format, ...) {
    static char line[1 << 16];
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    va_list values;
    va_start(values, format);
    pthread_mutex_lock(&one);
    int length = snprintf(line, sizeof line, "%s ", name);
    length += vsnprintf(line + length, sizeof line - length - 1, format, values);
    line[length++] = '\n';
    if (write(1, line, length) != length) exit(20);
    pthread_mutex_unlock(&one);
    va_end(values);
}

static int connected(const char *address, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(address)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0 || !connect(connection, (struct sockaddr *)&at, sizeof at)) return connection;
    int error = errno;
    close(connection);
    errno = error;
    return -1;
}

static int ask(const char *method, const char *path, const char *headers, const char *body) {
    char request[4096];
    int connection = connected("127.0.0.1", 9001);
    int length = snprintf(request, sizeof request,
        "%s %s HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n%s", method, path, strlen(body), headers, body);
    if (connection < 0 || write(connection, request, length) != length) exit(21);
    return connection;
}

/* The whole answer; its status, and where its body begins. */
static int answered(int connection, char *answer, size_t size, char **body) {
    size_t used = 0;
    ssize_t piece;
    int status = 0;
    while (used < size - 1 && (piece = read(connection, answer + used, size - 1 - used)) > 0) used += piece;
    answer[used] = 0;
    close(connection);
    *body = strstr(answer, "\r\n\r\n");
    *body = *body ? *body + 4 : answer + used;
    sscanf(answer, "HTTP/1.1 %d", &status);
    return status;
}

static int called(const char *method, const char *path, const char *headers, const char *text, char *answer, size_t size, char **body) {
    return answered(ask(method, path, headers, text), answer, size, body);
}

static int header(const char *answer, const char *wanted, char *value) {
    const char *line = answer;
    while (line && strncasecmp(line, wanted, strlen(wanted))) line = (line = strchr(line, '\n')) ? line + 1 : NULL;
    return line && sscanf(line + strlen(wanted), ": %120[0-9a-f-]", value) == 1;
}

static void join(const char *events) {
    char answer[8192], headers[256], *body;
    snprintf(headers, sizeof headers, "Lambda-Extension-Name: %s\r\n", name);
    int status = called("POST", EXTENSIONS "register", headers, events, answer, sizeof answer, &body);
    if (status != 200 || !header(answer, "lambda-extension-identifier", identifier)) {
        say("not registered %d %s", status, body);
        exit(22);
    }
    say("registered %s", body);
}

static int ask_next(void) {
    char headers[256];
    snprintf(headers, sizeof headers, "Lambda-Extension-Identifier: %s\r\n", identifier);
    return ask("GET", EXTENSIONS "event/next", headers, "");
}

static int subscribe(const char *destination, const char *whose) {
    char answer[8192], headers[256], wish[1024], *body;
    snprintf(headers, sizeof headers, "Lambda-Extension-Identifier: %s\r\n", whose);
    snprintf(wish, sizeof wish,
        "{\"schemaVersion\":\"2022-12-13\",\"types\":[\"platform\",\"function\"],\"buffering\":{\"timeoutMs\":25},"
        "\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"%s\"}}", destination);
    return called("PUT", "/2022-07-01/telemetry", headers, wish, answer, sizeof answer, &body);
}

/* Takes telemetry, one delivery after the other. */
static void *listening(void *given) {
    static char request[1 << 16];
    static const char taken[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    int listener = *(int *)given;
    for (;;) {
        int connection = accept(listener, NULL, NULL), used = 0, piece;
        char *body = NULL, *end;
        while ((piece = read(connection, request + used, sizeof request - 1 - used)) > 0) {
            request[used += piece] = 0;
            char *length = strstr(request, "Content-Length: ");
            if ((end = strstr(request, "\r\n\r\n")) && length && strlen(end + 4) >= strtoul(length + 16, NULL, 10)) {
                body = end + 4;
                break;
            }
        }
        if (body) say("heard %s", body);
        if (write(connection, taken, sizeof taken - 1) < 0) say("a delivery broke off");
        close(connection);
    }
    return NULL;
}

static const char *outcome(int result) {
    return result < 0 ? strerror(errno) : "done";
}

static void try_everything(void) {
    char answer[8192], *body, *none[] = {NULL};
    say("outside: %s", outcome(connected("8.8.8.8", 53)));
    say("metadata: %s", outcome(connected("169.254.169.254", 80)));
    say("packets: %s", outcome(socket(AF_PACKET, SOCK_RAW, 0)));
    say("vsock: %s", outcome(socket(VSOCK, SOCK_STREAM, 0)));
    say("layer: %s", outcome(open("/opt/planted", O_CREAT | O_WRONLY, 0644)));
    say("agent: %s", outcome(open("/casemate/guest", O_RDONLY)));
    say("port: %s", outcome(open("/dev/vport0p1", O_RDWR)));
    say("program: %s", outcome(execve("/proc/self/exe", none, none)));
    say("variables: %s %s", getenv("MARK"), getenv("_HANDLER") ? getenv("_HANDLER") : "none");
    int statuses[] = {
        called("POST", EXTENSIONS "register", "", "{\"events\":[\"INVOKE\"]}", answer, sizeof answer, &body),
        called("POST", EXTENSIONS "register", "Lambda-Extension-Name: hears\r\n", "{\"events\":[\"OTHER\"]}", answer, sizeof answer, &body),
        called("POST", EXTENSIONS "register", "Lambda-Extension-Name: hears\r\n", "no JSON", answer, sizeof answer, &body),
        called("GET", EXTENSIONS "event/next", "", "", answer, sizeof answer, &body),
        called("GET", EXTENSIONS "event/next", "Lambda-Extension-Identifier: 00000000-0000-4000-8000-000000000000\r\n", "", answer, sizeof answer, &body),
    };
    say("wrong: %d %d %d %d %d", statuses[0], statuses[1], statuses[2], statuses[3], statuses[4]);
}

static void extension(void) {
    static int listener;
    pthread_t thread;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int hears = !strcmp(name, "hears");
    const char *address = getenv("OUTSIDE"), *port = getenv("OUTSIDE_PORT");
    if (address && port) {
        say("outside: %s", outcome(connected(address, atoi(port))));
        say("outside: %s", outcome(connected(address, atoi(port) ^ 1)));
    }
    if (hears) {
        try_everything();
        listener = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 8)) exit(23);
        if (pthread_create(&thread, NULL, listening, &listener)) exit(24);
    }
    join("{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}");
    if (hears)
        say("subscribed: %d %d %d %d", subscribe("http://169.254.169.254:80/", identifier),
            subscribe("http://sandbox.localdomain:9001/", identifier),
            subscribe("http://sandbox.localdomain:8080/", "00000000-0000-4000-8000-000000000000"),
            subscribe("http://sandbox.localdomain:8080/", identifier));
    for (;;) {
        char answer[8192], *body;
        if (answered(ask_next(), answer, sizeof answer, &body) != 200) exit(25);
        say("event %s", body);
        if (strstr(body, "\"SHUTDOWN\"")) {
            say("bye");
            exit(0);
        }
        if (!hears) exit(9);
    }
}

static void runtime(void) {
    static char answer[1 << 16], told[8192];
    struct utsname names;
    uname(&names);
    name = "inside";
    join("{\"events\":[\"INVOKE\"]}");
    for (;;) {
        char id[128] = "", path[512], result[512], *body;
        int next = ask_next();
        if (called("GET", "/2018-06-01/runtime/invocation/next", "", "", answer, sizeof answer, &body) != 200) exit(26);
        if (!header(answer, "lambda-runtime-aws-request-id", id)) exit(27);
        say("works on %s", id);
        if (strstr(answer, "\"sleep\"")) for (;;) pause();
        if (answered(next, told, sizeof told, &body) != 200) exit(28);
        const char *invoked = strstr(body, id) && strstr(body, "\"INVOKE\"") ? "INVOKE" : "something else";
        snprintf(result, sizeof result, "{\"kernel\":\"%s\",\"inside\":\"%s\",\"id\":\"%s\"}", names.release, invoked, id);
        snprintf(path, sizeof path, "/2018-06-01/runtime/invocation/%s/response", id);
        called("POST", path, "", result, answer, sizeof answer, &body);
    }
}

int main(int count, char **arguments) {
    name = strrchr(arguments[0], '/');
    name = name ? name + 1 : arguments[0];
    if (count && !strcmp(name, "bootstrap")) runtime();
    extension();
}
