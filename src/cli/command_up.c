/* command_up.c: raudal up. In the foreground this process serves; with -d it starts a child of the same form (so that
 * --data stands in its command line), waits for its word over a pipe and prints what it says. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/default_fs.h"
#include "cli/kafka_properties.h"
#include "cli/lab/python.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/server.h"
#include "cli/stack.h"
#include "cli/up_compose.h"

struct up_options {
    const char *data;
    const char *address;
    const char *only;
    const char *kafka_properties;
    const char *file; /* -f */
    struct option_list set, profiles;
    bool detached, share, lab;
};

/* Everything that is known before anything starts. */
struct up_plan {
    bool has_file;
    char file[PATH_MAX]; /* the compose file */
    struct compose_plan compose;
    struct settings settings;
    struct stack stack;
    bool services[SERVICE_COUNT];
};

/* The descriptor on which the detached child reports: output, then a byte 0 and the exit status. */
static const char report_variable[] = "RAUDAL_REPORT_DESCRIPTOR";

static bool read_options(int argc, char **argv, struct up_options *options) {
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &options->data},
        {"--address", NULL, OPTION_TEXT, &options->address},
        {"--only", NULL, OPTION_TEXT, &options->only},
        {"--kafka-properties", NULL, OPTION_TEXT, &options->kafka_properties},
        {"--file", "-f", OPTION_TEXT, &options->file},
        {"--profile", NULL, OPTION_LIST, &options->profiles},
        {"--set", NULL, OPTION_LIST, &options->set},
        {"--detach", "-d", OPTION_FLAG, &options->detached},
        {"--share", NULL, OPTION_FLAG, &options->share},
        {"--lab", NULL, OPTION_FLAG, &options->lab},
    };
    int left = options_parse(argc, argv, rows, ARRAY_COUNT(rows), false);
    if (left > 0)
        message_error(MESSAGE_UNKNOWN_OPTION, "up", argv[0]);
    return left == 0;
}

static bool check_address(const char *address) {
    struct in_addr parsed;
    if (inet_pton(AF_INET, address, &parsed) == 1 && ntohl(parsed.s_addr) >> 24 == 127)
        return true;
    message_error(MESSAGE_BAD_ADDRESS, address);
    return false;
}

/* Later ones win: the compose file's, raudal.properties, a server.properties, --set. */
static bool load_settings(
    const struct up_options *options, const char *data, const struct compose_plan *compose, struct settings *settings) {
    struct error error;
    char path[PATH_MAX + 32], beside[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/raudal.properties", data);
    size_t size = strlen(data);
    /* By name, not through "..": at the first start the data folder is not there yet. */
    snprintf(beside, sizeof beside, "%.*s/raudal.properties", (int)(size > 8 ? size - 8 : 0), data);
    bool good = up_compose_settings(compose, settings, &error) &&
                (access(path, R_OK) != 0 || settings_load(settings, path, &error));
    if (good && size > 8 && strcmp(data + size - 8, "/.raudal") == 0 && access(beside, R_OK) == 0)
        good = settings_load(settings, beside, &error);
    if (good && options->kafka_properties != NULL)
        good = kafka_properties_load(settings, options->kafka_properties, &error);
    for (size_t i = 0; good && i < options->set.count; i++)
        good = settings_set(settings, bytes_from_text(options->set.items[i]), &error);
    good = good && kafka_listeners_apply(settings, &error);
    if (!good)
        message_error(MESSAGE_BAD_SETTING, error.message);
    return good;
}

static bool make_folder(const char *path) {
    char parent[PATH_MAX];
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return true;
    if (errno != ENOENT)
        return false;
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL || slash == parent)
        return false;
    *slash = 0;
    return make_folder(parent) && (mkdir(path, 0755) == 0 || errno == EEXIST);
}

static bool prepare_folder(const char *data) {
    static const char *const names[] = {"run", "logs"};
    char path[PATH_MAX + 16];
    bool good = make_folder(data) && access(data, R_OK | W_OK | X_OK) == 0;
    for (size_t i = 0; good && i < ARRAY_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", data, names[i]);
        good = make_folder(path);
    }
    if (!good)
        message_error(MESSAGE_DATA_UNREADABLE, data, strerror(errno));
    return good;
}

static bool take_folder(const char *data, const uint16_t ports[SERVICE_COUNT]) {
    struct error error;
    if (instance_lock(data, &error))
        return true;
    if (error.code != ERROR_BUSY) {
        message_error(MESSAGE_DATA_UNREADABLE, data, error.message);
        return false;
    }
    struct instance owner;
    char free_address[64];
    instance_read(data, &owner);
    instance_free_address(ports, free_address);
    message_error(MESSAGE_DATA_IN_USE, data, owner.user, (long)owner.pid, owner.address, data, free_address);
    return false;
}

/* Where the listeners of a real broker's settings are here. */
static void print_listeners(const struct instance *instance, const struct settings *settings) {
    const char *listeners = settings_kafka(settings, "listeners");
    const char *controllers = settings_kafka(settings, "controller.listener.names");
    struct kafka_listener parsed[KAFKA_LISTENERS_MAX];
    struct error error;
    size_t count = listeners == NULL || instance->ports[SERVICE_KAFKA] == 0
                       ? 0
                       : kafka_listeners_parse(listeners, settings_kafka(settings, "listener.security.protocol.map"),
                             controllers == NULL ? "CONTROLLER" : controllers, parsed, &error);
    for (size_t i = 0; i < count; i++)
        if (strcmp(parsed[i].host, instance->address) != 0)
            message_print(MESSAGE_UP_LISTENER, instance->address, parsed[i].port,
                parsed[i].host[0] == 0 ? "0.0.0.0" : parsed[i].host);
}

static void print_ready(const struct instance *instance, const struct up_plan *plan) {
    const struct settings *settings = &plan->settings;
    bool machine_decides;
    int64_t memory = server_memory_budget(settings, &machine_decides);
    message_print(MESSAGE_UP_READY, instance->data);
    if (plan->has_file)
        message_print(MESSAGE_COMPOSE_FILE, plan->file);
    instance_print_services(instance);
    if (instance->ports[SERVICE_SPARK_CONNECT] != 0)
        message_print(MESSAGE_UP_MEMORY, (long long)memory >> 20,
            message_text(machine_decides ? MESSAGE_UP_MEMORY_MACHINE : MESSAGE_UP_MEMORY_WORKERS));
    char token[128];
    instance_lab_token(instance->data, token);
    if (instance->ports[SERVICE_JUPYTER] != 0 && token[0] == 0)
        message_print(MESSAGE_LAB_NO_TOKEN);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&settings->notes, &cursor)) != NULL;)
        if (entry->value == NULL)
            message_print(MESSAGE_UP_NO_EFFECT, BYTES_ARGS(entry->key));
        else
            message_print(MESSAGE_UP_ONE_BROKER, BYTES_ARGS(entry->key), (const char *)entry->value);
    print_listeners(instance, settings);
    up_compose_print_notes(&plan->compose);
    fflush(stdout);
}

/* In the detached child: tells the waiting parent the exit status, and lets go of its terminal. */
static void report_to_parent(int status) {
    const char *text = getenv(report_variable);
    if (text == NULL)
        return;
    int64_t descriptor;
    if (!bytes_to_int64(bytes_from_text(text), &descriptor))
        return;
    fflush(stdout);
    fflush(stderr);
    uint8_t end[2] = {0, (uint8_t)status};
    (void)!write((int)descriptor, end, sizeof end);
    close((int)descriptor);
    unsetenv(report_variable);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i <= 2; i++)
        dup2(null, i);
}

static void print_failure(const struct server_failure *failure, const char *data, const uint16_t ports[SERVICE_COUNT]) {
    char free_address[64];
    if (failure->port != 0 && (failure->error.code == ERROR_BUSY || failure->error.code == ERROR_INVALID)) {
        instance_free_address(ports, free_address);
        message_error(MESSAGE_PORT_IN_USE, failure->service, failure->error.message, free_address);
    } else if (failure->service != NULL) {
        message_error(MESSAGE_START_FAILED, failure->service, failure->error.message);
    } else {
        message_error(MESSAGE_DATA_UNREADABLE, data, failure->error.message);
    }
}

/* Blocks the signals that end us before any thread exists, so that all threads inherit the mask and this one waits for
 * them. */
static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error, as a full disk is */
}

static bool write_stack(const struct stack *stack, const char *data) {
    struct error error;
    bool written = stack_write(stack, data, &error);
    if (!written)
        message_error(MESSAGE_DATA_UNREADABLE, data, error.message);
    return written;
}

static int serve(const struct up_options *options, const char *data, const struct up_plan *plan) {
    struct server_options server_options = {data, options->address, {false}, &plan->settings,
        getenv(report_variable) == NULL, options->share, &plan->stack};
    memcpy(server_options.services, plan->services, sizeof server_options.services);
    uint16_t ports[SERVICE_COUNT] = {0};
    for (int i = 0; i < SERVICE_COUNT; i++)
        ports[i] = plan->services[i] ? settings_port(&plan->settings, service_table[i].port_setting) : 0;
    if (!prepare_folder(data) || !take_folder(data, ports) || !write_stack(&plan->stack, data))
        return 1;
    sigset_t signals;
    block_signals(&signals);
    static struct instance instance; /* holds a path: kept off the stack */
    struct server_failure failure = {0};
    struct server *server = server_start(&server_options, &instance, &failure);
    if (server == NULL) {
        print_failure(&failure, data, ports);
        return 1;
    }
    if (plan->has_file)
        up_compose_finish(&plan->compose, data, instance.address, instance.ports[SERVICE_KAFKA]);
    print_ready(&instance, plan);
    report_to_parent(0);
    int received;
    sigwait(&signals, &received);
    if (server_options.echo_logs)
        message_print(MESSAGE_UP_STOPPING);
    server_stop(server);
    return 0;
}

/* ---- detached ---- */

static void exec_child(const struct up_options *options, const char *data, int report) {
    char number[16], self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0)
        _exit(1);
    self[size] = 0;
    snprintf(number, sizeof number, "%d", report);
    setenv(report_variable, number, 1);
    setsid();
    dup2(report, STDOUT_FILENO);
    dup2(report, STDERR_FILENO);
    char **words = calloc(20 + 2 * (options->set.count + options->profiles.count), sizeof *words);
    size_t count = 0;
    const char *fixed[] = {"raudal", "up", "--data", data, "--address", options->address};
    for (size_t i = 0; i < ARRAY_COUNT(fixed); i++)
        words[count++] = (char *)fixed[i];
    if (options->only != NULL)
        words[count++] = (char *)"--only", words[count++] = (char *)options->only;
    if (options->kafka_properties != NULL)
        words[count++] = (char *)"--kafka-properties", words[count++] = (char *)options->kafka_properties;
    if (options->share)
        words[count++] = (char *)"--share";
    if (options->lab)
        words[count++] = (char *)"--lab";
    if (options->file != NULL)
        words[count++] = (char *)"--file", words[count++] = (char *)options->file;
    for (size_t i = 0; i < options->profiles.count; i++)
        words[count++] = (char *)"--profile", words[count++] = (char *)options->profiles.items[i];
    for (size_t i = 0; i < options->set.count; i++)
        words[count++] = (char *)"--set", words[count++] = (char *)options->set.items[i];
    execv(self, words);
    _exit(127);
}

static void print_end_of_log(const char *data) {
    char path[PATH_MAX + 32], text[1500];
    snprintf(path, sizeof path, "%s/logs/raudal.log", data);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = -1;
    if (descriptor >= 0) {
        lseek(descriptor, -(off_t)sizeof text + 1, SEEK_END);
        size = read(descriptor, text, sizeof text - 1);
        close(descriptor);
    }
    text[size > 0 ? size : 0] = 0;
    message_error(MESSAGE_UP_DIED, data, text);
}

/* Collects what the child says until its byte 0 and status; what it said goes to the terminal then. */
static int wait_for_child(int from, const char *data) {
    struct buffer said = {0};
    uint8_t *end = NULL;
    while (end == NULL || end + 1 == said.data + said.size) {
        ssize_t size = read(from, buffer_reserve(&said, 4096), 4096);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        said.size += (size_t)size;
        end = memchr(said.data, 0, said.size);
    }
    int status = end != NULL && end + 1 < said.data + said.size ? end[1] : -1;
    fwrite(said.data, 1, end == NULL ? said.size : (size_t)(end - said.data), status == 0 ? stdout : stderr);
    if (status < 0)
        print_end_of_log(data);
    buffer_free(&said);
    return status < 0 ? 1 : status;
}

static int detach(const struct up_options *options, const char *data) {
    int ends[2];
    if (pipe(ends) != 0)
        return 1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        exec_child(options, data, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        message_error(MESSAGE_SHELL_CANNOT_START, "raudal", strerror(errno));
        return 1;
    }
    return wait_for_child(ends[0], data);
}

/* All but JupyterLab unless told otherwise. */
static bool choose_services(const char *only, bool lab, bool services[SERVICE_COUNT]) {
    const char *unknown;
    size_t unknown_size;
    if (only == NULL) {
        memset(services, true, SERVICE_COUNT * sizeof services[0]);
        services[SERVICE_JUPYTER] = lab;
        return true;
    }
    if (services_parse(only, services, &unknown, &unknown_size)) {
        services[SERVICE_JUPYTER] |= lab;
        return true;
    }
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)unknown_size, unknown);
    message_error(MESSAGE_UNKNOWN_SERVICE, word, services_names());
    return false;
}

/* JupyterLab's interpreter is found, or made with its progress shown, while somebody still reads what we print. What
 * only the compose file asks for does not hold up the rest. */
static bool prepare_lab(const struct up_options *options, struct up_plan *plan) {
    char interpreter[PATH_MAX];
    if (!plan->services[SERVICE_JUPYTER] || python_for_lab(true, interpreter))
        return true;
    if (options->lab || options->only != NULL)
        return false;
    plan->services[SERVICE_JUPYTER] = false;
    message_print(MESSAGE_COMPOSE_NO_LAB);
    return true;
}

/* ---- the plan ---- */

/* The compose file, when there is one that has something for us; and where its data is. */
static bool read_compose(struct up_options *options, struct up_plan *plan) {
    struct error error;
    bool has_service = false, is_given = options->file != NULL;
    plan->has_file = up_compose_find(options->file, options->data == NULL, plan->file);
    if (!plan->has_file)
        return true;
    if (!up_compose_read(plan->file, &options->profiles, &plan->compose, &error)) {
        message_error(MESSAGE_BAD_SETTING, error.message);
        return false;
    }
    for (int i = 0; i < COMPOSE_OTHER; i++)
        has_service = has_service || plan->compose.serves[i];
    if (has_service) {
        options->file = plan->file;
        return true;
    }
    plan->has_file = false;
    if (!is_given)
        return true; /* somebody else's compose file: its notes say so */
    up_compose_print_notes(&plan->compose);
    message_error(MESSAGE_COMPOSE_NOTHING, plan->file);
    return false;
}

static bool find_data(const struct up_options *options, const struct up_plan *plan, bool file_is_given, char *data) {
    struct error error;
    char beside[PATH_MAX + 16];
    const char *given = options->data, *variable = getenv("RAUDAL_DATA"), *slash = strrchr(plan->file, '/');
    if (given == NULL && file_is_given && (variable == NULL || variable[0] == 0) && slash != NULL) {
        snprintf(beside, sizeof beside, "%.*s/.raudal", (int)(slash - plan->file), plan->file);
        given = beside;
    }
    if (instance_find_data(given, data, &error))
        return true;
    message_error(MESSAGE_BAD_SETTING, error.message);
    return false;
}

static bool make_stack(const struct up_options *options, struct up_plan *plan) {
    struct error error;
    if (plan->has_file &&
        !up_compose_stack(&plan->compose, plan->file, options->address, &plan->settings, plan->services, &plan->stack))
        return false;
    bool good = default_fs_apply(&plan->settings, options->address, &plan->stack, &error);
    if (!good)
        message_error(MESSAGE_BAD_SETTING, error.message);
    else if (!plan->has_file)
        stack_make_default(&plan->stack, options->address, &plan->settings, plan->services);
    return good;
}

static bool make_plan(struct up_options *options, struct up_plan *plan, char *data) {
    bool file_is_given = options->file != NULL;
    settings_init(&plan->settings);
    if (!check_address(options->address) || !choose_services(options->only, options->lab, plan->services) ||
        !read_compose(options, plan) || !find_data(options, plan, file_is_given, data))
        return false;
    if (plan->has_file && options->only == NULL) {
        up_compose_services(&plan->compose, plan->services);
        plan->services[SERVICE_JUPYTER] |= options->lab;
    }
    return load_settings(options, data, &plan->compose, &plan->settings) && prepare_lab(options, plan) &&
           make_stack(options, plan);
}

int command_up(int argc, char **argv) {
    struct up_options options = {.address = "127.0.0.1"};
    static struct up_plan plan;
    static char data[PATH_MAX];
    int status = 1;
    if (!read_options(argc, argv, &options))
        return 1;
    if (make_plan(&options, &plan, data))
        status = options.detached ? detach(&options, data) : serve(&options, data, &plan);
    if (status != 0)
        report_to_parent(status);
    compose_plan_free(&plan.compose);
    stack_free(&plan.stack);
    settings_free(&plan.settings);
    free(options.set.items);
    free(options.profiles.items);
    return status;
}
