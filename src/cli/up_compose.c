#include "cli/up_compose.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/instance.h"
#include "cli/messages.h"

extern char **environ;

/* ---- the file ---- */

static bool find_in(const char *folder, char path[PATH_MAX]) {
    /* In the order in which compose prefers them. */
    static const char *const names[] = {"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (snprintf(path, PATH_MAX, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, names[i]) < PATH_MAX &&
            access(path, F_OK) == 0)
            return true;
    return false;
}

bool up_compose_find(const char *given, bool upward, char path[PATH_MAX]) {
    char folder[PATH_MAX];
    if (given != NULL) {
        if (realpath(given, path) == NULL) /* reading it says what is wrong */
            snprintf(path, PATH_MAX, "%s", given);
        return true;
    }
    if (getcwd(folder, sizeof folder) == NULL)
        return false;
    for (;;) {
        if (find_in(folder, path))
            return true;
        char *slash = strrchr(folder, '/');
        if (!upward || slash == NULL || folder[1] == 0)
            return false;
        slash[slash == folder] = 0;
    }
}

static bool read_file(void *context, const char *path, size_t size_max, struct buffer *out, struct error *error) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    if (descriptor < 0)
        return error_system(error, errno, "%s", path);
    bool good = fstat(descriptor, &stat) == 0 && S_ISREG(stat.st_mode);
    if (!good)
        error_set(error, ERROR_INVALID, "%s is no file", path);
    ssize_t size = 1;
    while (good && size > 0 && out->size <= size_max) {
        size = read(descriptor, buffer_reserve(out, 65536), 65536);
        good = size >= 0 || error_system(error, errno, "%s", path);
        out->size += size > 0 ? (size_t)size : 0;
    }
    close(descriptor);
    if (good && out->size > size_max)
        return error_set(error, ERROR_LIMIT, "%s has more than %zu bytes", path, size_max);
    return good;
}

static const char *variable(void *context, const char *name) {
    return getenv(name);
}

bool up_compose_read(
    const char *path, const struct option_list *profiles, struct compose_plan *plan, struct error *error) {
    struct compose_options options = {
        .path = path,
        .in_spanish = message_language_is_spanish(),
        .profiles = profiles->items,
        .profile_count = profiles->count,
        .read_file = read_file,
        .variable = variable,
        .lab_is_there = true,
    };
    return compose_read(&options, plan, error);
}

/* ---- settings and services ---- */

bool up_compose_settings(const struct compose_plan *plan, struct settings *settings, struct error *error) {
    for (size_t i = 0; i < plan->settings.count; i++) {
        const struct compose_setting *setting = &plan->settings.items[i];
        struct buffer text = {0};
        buffer_printf(&text, "%s=%s", setting->name, setting->value);
        bool good = settings_set(settings, buffer_view(&text), error);
        buffer_free(&text);
        if (!good)
            return error_prefix(error, "%s", setting->source);
    }
    return true;
}

static const enum stack_kind stack_kinds[COMPOSE_KIND_COUNT] = {
    [COMPOSE_KAFKA] = STACK_KAFKA,
    [COMPOSE_ZOOKEEPER] = STACK_ZOOKEEPER,
    [COMPOSE_KAFKA_UI] = STACK_KAFKA_UI,
    [COMPOSE_SPARK_MASTER] = STACK_SPARK_MASTER,
    [COMPOSE_SPARK_WORKER] = STACK_SPARK_WORKER,
    [COMPOSE_NAMENODE] = STACK_NAMENODE,
    [COMPOSE_DATANODE] = STACK_DATANODE,
    [COMPOSE_JUPYTER] = STACK_JUPYTER,
    [COMPOSE_OTHER] = STACK_OTHER,
};

static const enum service role_services[] = {
    [COMPOSE_ROLE_NONE] = SERVICE_COUNT,
    [COMPOSE_ROLE_KAFKA] = SERVICE_KAFKA,
    [COMPOSE_ROLE_ZOOKEEPER] = SERVICE_ZOOKEEPER,
    [COMPOSE_ROLE_KAFKA_UI] = SERVICE_KAFKA_UI,
    [COMPOSE_ROLE_SPARK_MASTER] = SERVICE_SPARK_MASTER,
    [COMPOSE_ROLE_SPARK_WORKER] = SERVICE_SPARK_WORKER,
    [COMPOSE_ROLE_SPARK_CONNECT] = SERVICE_SPARK_CONNECT,
    [COMPOSE_ROLE_NAMENODE] = SERVICE_NAMENODE,
    [COMPOSE_ROLE_NAMENODE_UI] = SERVICE_NAMENODE_UI,
    [COMPOSE_ROLE_DATANODE] = SERVICE_DATANODE,
    [COMPOSE_ROLE_JUPYTER] = SERVICE_JUPYTER,
};

void up_compose_services(const struct compose_plan *plan, bool services[SERVICE_COUNT]) {
    const bool *has = plan->serves;
    bool has_spark = has[COMPOSE_SPARK_MASTER] || has[COMPOSE_SPARK_WORKER];
    bool has_hdfs = has[COMPOSE_NAMENODE] || has[COMPOSE_DATANODE];
    services[SERVICE_KAFKA] = has[COMPOSE_KAFKA];
    services[SERVICE_ZOOKEEPER] = has[COMPOSE_ZOOKEEPER];
    services[SERVICE_KAFKA_UI] = has[COMPOSE_KAFKA_UI];
    services[SERVICE_SPARK_MASTER] = has_spark || has[COMPOSE_JUPYTER]; /* its page is where 4040 leads */
    services[SERVICE_SPARK_WORKER] = has_spark;
    services[SERVICE_SPARK_CONNECT] = has_spark || has[COMPOSE_JUPYTER];
    services[SERVICE_NAMENODE] = services[SERVICE_NAMENODE_UI] = services[SERVICE_DATANODE] = has_hdfs;
    services[SERVICE_JUPYTER] = has[COMPOSE_JUPYTER];
}

/* ---- ports at the instance's address ---- */

/* The first published port of the service that is its own rather than a second way to it (4040). */
static uint16_t published_port(const struct compose_plan *plan, enum service service) {
    uint16_t other = 0;
    for (size_t i = 0; i < plan->services.count; i++)
        for (size_t k = 0; k < plan->services.items[i].ports.count; k++) {
            const struct compose_port *port = &plan->services.items[i].ports.items[k];
            if (role_services[port->role] != service || port->published == 0)
                continue;
            if (port->container < 4040 || port->container > 4049)
                return port->published;
            other = other == 0 ? port->published : other;
        }
    return other;
}

static bool is_published(const struct compose_plan *plan, uint16_t number) {
    for (size_t i = 0; i < plan->services.count; i++)
        for (size_t k = 0; k < plan->services.items[i].ports.count; k++)
            if (plan->services.items[i].ports.items[k].published == number)
                return true;
    return false;
}

static void set_port(struct settings *settings, enum service service, uint16_t port) {
    char text[96];
    struct error error;
    snprintf(text, sizeof text, "%s=%u", service_table[service].port_setting, port);
    bool set = settings_set(settings, bytes_from_text(text), &error);
    ASSERT(set);
}

/* What the file publishes; the usual port where it publishes none, or the next that no other service has. A port that
 * the user gives in a setting stays. */
static void choose_ports(
    const struct compose_plan *plan, struct settings *settings, const bool services[SERVICE_COUNT]) {
    bool taken[65536] = {false};
    for (int i = 0; i < SERVICE_COUNT; i++) {
        const char *name = service_table[i].port_setting;
        uint16_t port = published_port(plan, (enum service)i);
        if (services[i] && port != 0 && !settings_is_given(settings, name))
            set_port(settings, (enum service)i, port);
        if (services[i] && settings_is_given(settings, name))
            taken[settings_port(settings, name)] = true;
    }
    for (int i = 0; i < SERVICE_COUNT; i++) {
        const char *name = service_table[i].port_setting;
        uint32_t port = settings_port(settings, name);
        if (!services[i] || settings_is_given(settings, name))
            continue;
        while (port < 65535 && (taken[port] || is_published(plan, (uint16_t)port)))
            port++;
        taken[port] = true;
        set_port(settings, (enum service)i, (uint16_t)port);
    }
}

/* ---- addresses ---- */

enum { BLOCK_COUNT = 16 };

/* 127.a.b.c has the block 127.c.(100 + …).2 to .253, so that instances side by side do not meet. */
static void service_address(const char *instance, int block, size_t index, char address[64]) {
    struct in_addr parsed = {0};
    inet_pton(AF_INET, instance, &parsed);
    uint32_t bits = ntohl(parsed.s_addr);
    uint32_t middle = (bits >> 16 & 255) * 31 + (bits >> 8 & 255);
    snprintf(address, 64, "127.%u.%u.%u", bits & 255, 100 + (middle + (uint32_t)block) % 150, (unsigned)index + 2);
}

/* Whether a service has an address to itself: what nothing answers for has none, JupyterLab listens on one only. */
static bool has_address(const struct compose_service *service) {
    return service->kind != COMPOSE_OTHER && service->kind != COMPOSE_JUPYTER;
}

static bool block_is_free(const struct compose_plan *plan, const char *instance, int block) {
    char address[64];
    for (size_t i = 0; i < plan->services.count; i++) {
        const struct compose_service *service = &plan->services.items[i];
        service_address(instance, block, i, address);
        for (size_t k = 0; has_address(service) && k < service->ports.count; k++)
            if (service->ports.items[k].role != COMPOSE_ROLE_NONE &&
                !instance_port_is_free(address, service->ports.items[k].container))
                return false;
    }
    return true;
}

static void add_service(
    struct stack *stack, const struct compose_service *from, const char *address, const bool services[SERVICE_COUNT]) {
    struct stack_service *to = stack_add(stack, from->name, from->container, stack_kinds[from->kind], address);
    stack_set_image(to, from->image);
    stack_set_note(to, from->note);
    for (size_t i = 0; i < from->names.count; i++)
        stack_add_name(to, from->names.items[i]);
    for (size_t i = 0; i < from->ports.count; i++) {
        const struct compose_port *port = &from->ports.items[i];
        enum service service = role_services[port->role];
        if (service != SERVICE_COUNT && !services[service])
            service = SERVICE_COUNT;
        VECTOR_PUSH(&to->ports, ((struct stack_port){port->published, port->container, service, NULL, 0}));
        if (port->told != NULL)
            stack_set_told(to, port->told, port->told_port);
    }
}

bool up_compose_stack(const struct compose_plan *plan, const char *path, const char *address, struct settings *settings,
    const bool services[SERVICE_COUNT], struct stack *stack) {
    int block = 0;
    char own[64];
    choose_ports(plan, settings, services);
    while (block < BLOCK_COUNT && !block_is_free(plan, address, block))
        block++;
    if (block == BLOCK_COUNT) {
        message_error(MESSAGE_COMPOSE_NO_ADDRESSES, address);
        return false;
    }
    stack->source = strdup(path);
    for (size_t i = 0; i < plan->services.count; i++) {
        const struct compose_service *service = &plan->services.items[i];
        service_address(address, block, i, own);
        add_service(stack, service,
            has_address(service)             ? own
            : service->kind == COMPOSE_OTHER ? ""
                                             : address,
            services);
    }
    uint16_t lab = services[SERVICE_JUPYTER] ? settings_port(settings, service_table[SERVICE_JUPYTER].port_setting) : 0;
    if (lab != 0 && !plan->serves[COMPOSE_JUPYTER]) {
        struct stack_service *service = stack_add(stack, "jupyter", "jupyter", STACK_JUPYTER, address);
        VECTOR_PUSH(&service->ports, ((struct stack_port){lab, lab, SERVICE_JUPYTER, NULL, 0}));
    }
    return true;
}

/* ---- once everything answers ---- */

/* Runs this binary with the words and waits; what it prints goes where ours goes. The mask of blocked signals, which
 * the serving process has, does not pass on. */
static int run_self(const char *const *words) {
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    int status = -1;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* ignored by the serving process */
    posix_spawnattr_setsigdefault(&attributes, &pipe);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    fflush(stdout);
    int failed = posix_spawn(&child, "/proc/self/exe", NULL, &attributes, (char *const *)(uintptr_t)words, environ);
    posix_spawnattr_destroy(&attributes);
    if (failed != 0)
        return 126;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void run_and_report(const char *service, const char *const *words, size_t shown) {
    struct buffer line = {0};
    int status = run_self(words);
    for (size_t i = shown; words[i] != NULL; i++)
        buffer_printf(&line, "%s%s", i > shown ? " " : "", words[i]);
    if (status != 0)
        message_print(MESSAGE_COMPOSE_FAILED_COMMAND, service, buffer_text(&line), status);
    buffer_free(&line);
}

static void make_topic(const struct compose_topic *topic, const char *address, uint16_t port) {
    char bootstrap[96], partitions[32], policy[256];
    const char *words[16] = {"raudal", "kafka-topics", "--bootstrap-server", bootstrap, "--create", "--if-not-exists",
        "--topic", topic->name, "--partitions", partitions};
    snprintf(bootstrap, sizeof bootstrap, "%s:%u", address, port);
    snprintf(partitions, sizeof partitions, "%lld", (long long)topic->partition_count);
    if (topic->cleanup_policy != NULL) {
        snprintf(policy, sizeof policy, "cleanup.policy=%s", topic->cleanup_policy);
        words[10] = "--config";
        words[11] = policy;
    }
    run_and_report(topic->source, words, 1);
}

/* In `raudal shell`, where the file's names resolve. */
static void run_command(const struct compose_command *command, const char *data) {
    VECTOR(const char *) words = {0};
    const char *before[] = {"raudal", "shell", "--data", data, "--"};
    for (size_t i = 0; i < ARRAY_COUNT(before); i++)
        VECTOR_PUSH(&words, before[i]);
    for (size_t i = 0; command->words[i] != NULL; i++)
        VECTOR_PUSH(&words, command->words[i]);
    VECTOR_PUSH(&words, NULL);
    run_and_report(command->service, words.items, ARRAY_COUNT(before));
    VECTOR_FREE(&words);
}

void up_compose_finish(const struct compose_plan *plan, const char *data, const char *address, uint16_t kafka_port) {
    for (size_t i = 0; kafka_port != 0 && i < plan->topics.count; i++)
        make_topic(&plan->topics.items[i], address, kafka_port);
    for (size_t i = 0; i < plan->commands.count; i++)
        run_command(&plan->commands.items[i], data);
}

void up_compose_print_notes(const struct compose_plan *plan) {
    for (size_t i = 0; i < plan->notes.count; i++)
        message_print(MESSAGE_NOTE, plan->notes.items[i]);
}
