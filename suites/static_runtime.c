/* A whole runtime and function in one static program, for roots that hold nothing else. Asks the Runtime API for requests and
 * answers each with what it was started with and what it could do: read the file, or start the program, that the event names
 * ("read:/path" or "exec:/path"). */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static char answer[1 << 16];

static void talk(const char *method, const char *path, const char *body) {
    static char request[1 << 16];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9001), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&at, sizeof at)) exit(11);
    int length = snprintf(request, sizeof request,
        "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: runtime\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
        method, path, strlen(body), body);
    if (write(connection, request, length) != length) exit(12);
    int used = 0, piece;
    while ((piece = read(connection, answer + used, sizeof answer - 1 - used)) > 0) used += piece;
    answer[used] = 0;
    close(connection);
}

static int can_read(const char *path) {
    char first;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int fine = file >= 0 && read(file, &first, 1) == 1;
    if (file >= 0) close(file);
    return fine;
}

static int can_start(char *path) {
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        char *arguments[] = {path, "child", NULL};
        execv(path, arguments);
        _exit(99);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int count, char **arguments) {
    if (count > 1 && !strcmp(arguments[1], "child")) return 0;
    for (;;) {
        static char id[128], path[512], folder[512], result[4096], asked[256];
        talk("GET", "invocation/next", "");
        char *head = strcasestr(answer, "lambda-runtime-aws-request-id:");
        if (!head || sscanf(head + 30, " %127[0-9a-f-]", id) != 1) return 13;
        char *event = strstr(answer, "\r\n\r\n");
        int can = -1;
        if (event && sscanf(event + 4, "\"read:%255[^\"]", asked) == 1) can = can_read(asked);
        else if (event && sscanf(event + 4, "\"exec:%255[^\"]", asked) == 1) can = can_start(asked);
        const char *mark = getenv("MARK"), *where = getenv("PATH");
        struct utsname names;
        uname(&names);
        int length = snprintf(result, sizeof result, "{\"kernel\":\"%s\",\"can\":%d,\"folder\":\"%s\",\"mark\":\"%s\",\"path\":\"%s\",\"uid\":%d,\"arguments\":[",
            names.release, can, getcwd(folder, sizeof folder) ? folder : "", mark ? mark : "", where ? where : "", getuid());
        for (int index = 0; index < count; index++)
            length += snprintf(result + length, sizeof result - length, "%s\"%s\"", index ? "," : "", arguments[index]);
        snprintf(result + length, sizeof result - length, "]}");
        snprintf(path, sizeof path, "invocation/%s/response", id);
        talk("POST", path, result);
    }
}
