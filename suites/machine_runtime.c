/* A whole runtime and function in one static program: answers each request with its kernel's release; `"sleep"` never. With the
 * variable CALLS_AWS it connects to the AWS endpoint first. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

static char answer[1 << 16];

static int connected(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&at, sizeof at)) exit(11);
    return connection;
}

static void talk(const char *method, const char *path, const char *body) {
    char request[4096];
    int connection = connected(9001), used = 0, piece;
    int length = snprintf(request, sizeof request,
        "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: runtime\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
        method, path, strlen(body), body);
    if (write(connection, request, length) != length) exit(12);
    while ((piece = read(connection, answer + used, sizeof answer - 1 - used)) > 0) used += piece;
    answer[used] = 0;
    close(connection);
}

int main(void) {
    struct utsname names;
    uname(&names);
    if (getenv("CALLS_AWS")) close(connected(4566));
    for (;;) {
        char id[128] = "", path[512], result[512], *line = answer;
        talk("GET", "invocation/next", "");
        while (line && strncasecmp(line, "lambda-runtime-aws-request-id:", 30)) line = (line = strchr(line, '\n')) ? line + 1 : NULL;
        if (!line || sscanf(line + 30, " %127[0-9a-f-]", id) != 1) return 13;
        if (strstr(answer, "\"sleep\"")) for (;;) pause();
        snprintf(result, sizeof result, "{\"kernel\":\"%s\"}", names.release);
        snprintf(path, sizeof path, "invocation/%s/response", id);
        talk("POST", path, result);
    }
}
