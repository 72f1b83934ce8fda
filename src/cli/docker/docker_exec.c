/* docker_exec.c: exec and logs. A command runs on this machine, in the environment of `raudal shell`, with the
 * container's view: localhost is the container's address, HOSTNAME its name; paths of the images' own tools
 * (/opt/kafka/bin/kafka-topics.sh) mean ours. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/docker/docker.h"
#include "cli/log_reader.h"
#include "cli/messages.h"
#include "cli/program.h"

/* ---- exec ---- */

/* Whether a command's last component is one of our tools, with or without .sh. */
static const char *own_tool(const char *word) {
    const char *slash = strrchr(word, '/'), *name = slash == NULL ? word : slash + 1;
    size_t count, size = strlen(name);
    const char *const *names = tool_list(&count);
    if (size > 3 && strcmp(name + size - 3, ".sh") == 0)
        size -= 3;
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == size && strncmp(names[i], name, size) == 0)
            return name;
    return NULL;
}

static bool is_shell(const char *word) {
    static const char *const shells[] = {"bash", "sh", "dash", "ash"};
    const char *slash = strrchr(word, '/'), *name = slash == NULL ? word : slash + 1;
    for (size_t i = 0; i < ARRAY_COUNT(shells); i++)
        if (strcmp(name, shells[i]) == 0)
            return true;
    return false;
}

/* The line of sh -c with the images' paths of tools (/opt/kafka/bin/kafka-topics.sh) as our tools' names, which are on
 * PATH. Owned by the caller. */
static char *map_line(const char *line) {
    struct buffer out = {0};
    bool at_start = true; /* of a word */
    while (*line != 0) {
        size_t size = strcspn(line, " \t\n;|&()<>'\"`");
        char word[PATH_MAX];
        const char *tool = NULL;
        if (at_start && line[0] == '/' && size > 0 && size < sizeof word) {
            memcpy(word, line, size);
            word[size] = 0;
            tool = own_tool(word);
        }
        if (tool != NULL)
            buffer_append_text(&out, tool);
        else
            buffer_append(&out, line, size);
        line += size;
        at_start = *line != 0;
        if (*line != 0)
            buffer_append_byte(&out, (uint8_t)*line++);
    }
    char *mapped = strdup(buffer_text(&out));
    ASSERT(mapped != NULL);
    buffer_free(&out);
    return mapped;
}

static void set_variable(void *argument, const char *value) {
    char *copy = strdup(value);
    char *equals = copy == NULL ? NULL : strchr(copy, '=');
    if (equals != NULL) {
        *equals = 0;
        setenv(copy, equals + 1, 1);
    }
    free(copy); /* without "=" docker passes the variable of the same name on: it is there already */
}

static int run_in_view(struct docker_call *call, const struct container *container, char **words) {
    struct program program;
    struct error error = {0};
    if (!child_program_create(&program, &call->containers.instance, &error) ||
        !child_program_set_localhost(&program, container->service->address, &error)) {
        message_error(MESSAGE_SHELL_CANNOT_START, words[0], error.message);
        return 1;
    }
    int status = child_program_run(&program, words);
    child_program_remove(&program);
    return status;
}

static bool is_found(const char *word) {
    if (strchr(word, '/') != NULL)
        return access(word, F_OK) == 0;
    const char *folder = getenv("PATH");
    char path[PATH_MAX];
    while (folder != NULL && *folder != 0) {
        size_t size = strcspn(folder, ":");
        if (snprintf(path, sizeof path, "%.*s/%s", (int)size, folder, word) < (int)sizeof path &&
            access(path, X_OK) == 0)
            return true;
        folder += size + (folder[size] == ':');
    }
    return false;
}

/* Words after the -c of a shell: its line is the first of them. */
static void map_shell_line(char **words) {
    if (!is_shell(words[0]))
        return;
    for (int i = 1; words[i] != NULL && words[i][0] == '-'; i++)
        if (words[i][strlen(words[i]) - 1] == 'c' && words[i][1] != '-' && words[i + 1] != NULL) {
            words[i + 1] = map_line(words[i + 1]); /* for the life of the process */
            return;
        }
}

static int run_command(struct docker_call *call, const struct container *container, char **words, const char *folder) {
    const char *tool = own_tool(words[0]);
    if (tool != NULL) {
        words[0] = (char *)tool;
    } else if (!is_found(words[0])) {
        bool is_path = strchr(words[0], '/') != NULL;
        fprintf(stderr,
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \"%s\": %s: unknown\n",
            words[0], is_path ? "stat: no such file or directory" : "executable file not found in $PATH");
        return 127;
    }
    if (folder != NULL && chdir(folder) != 0) {
        fprintf(stderr,
            "OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd (\"%s\") set in "
            "config.json failed: %s: unknown\n",
            folder, strerror(errno));
        return 127;
    }
    map_shell_line(words);
    setenv("HOSTNAME", container->service->container, 1);
    return run_in_view(call, container, words);
}

int docker_exec(struct docker_call *call) {
    bool ignored, detached = false;
    const char *user = NULL, *folder = NULL, *number;
    const struct docker_option options[] = {{.names = "-i --interactive", .flag = &ignored},
        {.names = "-t --tty", .flag = &ignored}, {.names = "-T --no-TTY", .flag = &ignored},
        {.names = "--privileged", .flag = &ignored}, {.names = "-d --detach", .flag = &detached},
        {.names = "-e --env", .each = set_variable, .argument = NULL}, {.names = "-u --user", .value = &user},
        {.names = "-w --workdir", .value = &folder}, {.names = "--index", .value = &number}};
    if (docker_options(call, options, ARRAY_COUNT(options), true) < 0)
        return 1;
    if (call->argc < 3) {
        fprintf(stderr, "\"docker exec\" requires at least 2 arguments.\n\nUsage:  docker exec [OPTIONS] CONTAINER "
                        "COMMAND [ARG...]\n");
        return 1;
    }
    struct container *container = containers_find(&call->containers, call->argv[1]);
    if (container == NULL)
        return docker_no_container(call, call->argv[1]);
    if (!container->is_served)
        return docker_real(call, message_text(MESSAGE_NOT_SERVED), container->service->container);
    if (!container->is_running) {
        if (call->caller == CALLED_AS_COMPOSE)
            fprintf(stderr, "service \"%s\" is not running\n", container->service->name);
        else
            fprintf(stderr, "Error response from daemon: container %s is not running\n", container->id);
        return 1;
    }
    if (user != NULL && (container->service->kind == STACK_NAMENODE || container->service->kind == STACK_DATANODE))
        setenv("HADOOP_USER_NAME", user, 1);
    if (detached) {
        pid_t child = fork();
        if (child != 0)
            return child < 0 ? 1 : 0;
        setsid();
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = 0; i <= 2 && null >= 0; i++)
            dup2(null, i);
    }
    return run_command(call, container, call->argv + 2, folder);
}

/* ---- logs ---- */

static bool log_path(const struct docker_call *call, const struct container *container, char path[PATH_MAX + 64]) {
    const char *name = services_log(stack_kind_names[container->service->kind]);
    snprintf(path, PATH_MAX + 64, "%s/logs/%s.log", call->containers.instance.data, name == NULL ? "" : name);
    return name != NULL;
}

static bool print_log(
    const struct docker_call *call, const struct container *container, struct log_reading reading, bool with_prefix) {
    char path[PATH_MAX + 64], prefix[160];
    snprintf(prefix, sizeof prefix, "%s  | ", container->service->container);
    reading.prefix = with_prefix ? prefix : "";
    if (!container->is_served || !log_path(call, container, path)) {
        message_error(MESSAGE_NOT_SERVED, container->service->container);
        return false;
    }
    (void)log_reader_print(path, &reading); /* no line yet is nothing to print */
    return true;
}

/* Several logs at once: a process each, so that followed ones go on side by side. */
static int print_logs(const struct docker_call *call, struct container **chosen, size_t count,
    const struct log_reading *reading, bool with_prefix) {
    int status = 0;
    size_t children = 0;
    for (size_t i = 0; i < count; i++) {
        if (!reading->follow || count == 1) {
            status = print_log(call, chosen[i], *reading, with_prefix) ? status : 1;
            continue;
        }
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (child == 0)
            _exit(print_log(call, chosen[i], *reading, with_prefix) ? 0 : 1);
        children += child > 0;
    }
    while (children-- > 0)
        (void)wait(NULL);
    return status;
}

/* Containers that share a log are shown once when all are asked for. */
static size_t drop_repeated(const struct docker_call *call, struct container **chosen, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX + 64], other[PATH_MAX + 64];
        bool is_new = log_path(call, chosen[i], path);
        for (size_t k = 0; k < kept && is_new; k++)
            is_new = !log_path(call, chosen[k], other) || strcmp(path, other) != 0;
        if (is_new)
            chosen[kept++] = chosen[i];
    }
    return kept;
}

int docker_logs(struct docker_call *call) {
    struct log_reading reading = log_reading_make();
    const char *tail = NULL, *since = NULL, *until = NULL;
    bool no_prefix = false, ignored;
    const struct docker_option options[] = {{.names = "-f --follow", .flag = &reading.follow},
        {.names = "-n --tail", .value = &tail}, {.names = "-t --timestamps", .flag = &reading.timestamps},
        {.names = "--since", .value = &since}, {.names = "--until", .value = &until},
        {.names = "--no-log-prefix", .flag = &no_prefix}, {.names = "--details", .flag = &ignored},
        {.names = "--no-color", .flag = &ignored}};
    if (docker_options(call, options, ARRAY_COUNT(options), false) < 0)
        return 1;
    if (tail != NULL && strcmp(tail, "all") != 0 &&
        (!bytes_to_int64(bytes_from_text(tail), &reading.tail) || reading.tail < 0))
        reading.tail = -1;
    if ((since != NULL && !log_parse_time(since, docker_now_ms(), &reading.since_ms)) ||
        (until != NULL && !log_parse_time(until, docker_now_ms(), &reading.until_ms))) {
        message_error(MESSAGE_BAD_TIME, since != NULL ? since : until);
        return 1;
    }
    struct container **chosen = NULL;
    size_t count;
    int status = 1;
    if (docker_chosen(call, 1, call->argc, &chosen, &count)) {
        count = call->argc == 1 ? drop_repeated(call, chosen, count) : count;
        status = print_logs(call, chosen, count, &reading, call->caller == CALLED_AS_COMPOSE && !no_prefix);
    }
    free(chosen);
    return status;
}
