/* kafka_tool.c: options, connection and log lines of Kafka's command line tools. */
#include "cli/kafka/kafka_tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "cli/instance.h"
#include "cli/messages.h"
#include "cli/version.h"

/* ---- options ---- */

static void print_help(const struct tool *tool, FILE *out) {
    fprintf(out, "%s\n%-40s %s\n%-40s %s\n", tool->purpose, "Option", "Description", "------", "-----------");
    for (size_t i = 0; i < tool->option_count; i++) {
        const struct tool_option *option = &tool->options[i];
        char name[80];
        snprintf(name, sizeof name, "--%s%s", option->name,
            option->kind == TOOL_FLAG       ? ""
            : option->kind == TOOL_OPTIONAL ? " [String]"
                                            : " <String>");
        fprintf(out, "%-40s %s\n", name, option->description);
    }
    fprintf(out, "%-40s %s\n%-40s %s\n", "--help", "Print usage information.", "--version", "Display the version.");
}

int tool_usage_error(const struct tool *tool, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    print_help(tool, stderr);
    return 1;
}

int tool_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return 1;
}

/* By full name, or by a prefix that only one option has. */
static const struct tool_option *find_option(const struct tool *tool, const char *name, size_t size) {
    const struct tool_option *found = NULL;
    for (size_t i = 0; i < tool->option_count; i++) {
        const struct tool_option *option = &tool->options[i];
        if (strncmp(option->name, name, size) != 0)
            continue;
        if (option->name[size] == '\0')
            return option;
        if (found)
            return NULL;
        found = option;
    }
    return found;
}

static bool parse_word(struct tool *tool, int argc, char **argv, int *at, int *status) {
    const char *word = argv[*at];
    if (strcmp(word, "--help") == 0) {
        print_help(tool, stderr);
        *status = 1;
        return false;
    }
    if (strcmp(word, "--version") == 0) {
        printf("%s (Raudal)\n", RAUDAL_VERSION);
        *status = 0;
        return false;
    }
    bool is_option = word[0] == '-' && word[1] != '\0';
    const char *name = word + (strncmp(word, "--", 2) == 0 ? 2 : 1);
    const char *equals = is_option ? strchr(name, '=') : NULL;
    const struct tool_option *option =
        is_option ? find_option(tool, name, equals ? (size_t)(equals - name) : strlen(name)) : NULL;
    if (!option) {
        *status = is_option ? tool_usage_error(tool, "%.*s is not a recognized option",
                                  equals ? (int)(equals - name) : (int)strlen(name), name)
                            : tool_usage_error(tool, "Unexpected argument: %s", word);
        return false;
    }
    struct tool_given given = {option, equals ? equals + 1 : NULL};
    bool next_is_value =
        *at + 1 < argc && (argv[*at + 1][0] != '-' || option->kind == TOOL_VALUE || option->kind == TOOL_IGNORED);
    if (!equals && option->kind != TOOL_FLAG && next_is_value)
        given.value = argv[++*at];
    if (!given.value && (option->kind == TOOL_VALUE || option->kind == TOOL_IGNORED)) {
        *status = tool_usage_error(tool, "Option %s requires an argument", option->name);
        return false;
    }
    if (option->kind == TOOL_IGNORED)
        fprintf(stderr, "Option --%s has no effect here.\n", option->name);
    VECTOR_PUSH(&tool->given, given);
    return true;
}

bool tool_parse(struct tool *tool, int argc, char **argv, int *status) {
    for (int at = 1; at < argc; at++)
        if (!parse_word(tool, argc, argv, &at, status))
            return false;
    return true;
}

bool tool_has(const struct tool *tool, const char *name) {
    for (size_t i = 0; i < tool->given.count; i++)
        if (strcmp(tool->given.items[i].option->name, name) == 0)
            return true;
    return false;
}

const char *tool_value(const struct tool *tool, const char *name) {
    const char *value = NULL;
    for (size_t i = 0; i < tool->given.count; i++)
        if (strcmp(tool->given.items[i].option->name, name) == 0)
            value = tool->given.items[i].value;
    return value;
}

const char *tool_next(const struct tool *tool, const char *name, size_t *cursor) {
    for (; *cursor < tool->given.count; (*cursor)++)
        if (strcmp(tool->given.items[*cursor].option->name, name) == 0)
            return tool->given.items[(*cursor)++].value;
    return NULL;
}

bool tool_integer(const struct tool *tool, const char *name, int64_t standard, int64_t *value) {
    const char *text = tool_value(tool, name);
    *value = standard;
    if (!text || bytes_to_int64(bytes_from_text(text), value))
        return true;
    tool_usage_error(tool, "Cannot parse argument '%s' of option %s", text, name);
    return false;
}

void tool_free(struct tool *tool) {
    remote_close(tool->remote);
    VECTOR_FREE(&tool->given);
}

/* ---- the instance ---- */

/* An address of the instance that RAUDAL_DATA or the working folder names, when it runs. */
static bool instance_server(char *out, size_t size) {
    struct instance instance;
    struct error error;
    char data[PATH_MAX];
    if (!instance_find_data(NULL, data, &error))
        return false;
    instance_read(data, &instance);
    if (!instance.running || instance.ports[SERVICE_KAFKA] == 0)
        return false;
    snprintf(out, size, "%s:%d", instance.address, instance.ports[SERVICE_KAFKA]);
    return true;
}

/* ZooKeeper's host with Kafka's port: the old course commands name only ZooKeeper. */
static void zookeeper_server(const char *zookeeper, char *out, size_t size) {
    if (instance_server(out, size))
        return;
    size_t end = strcspn(zookeeper, ":,/");
    snprintf(out, size, "%.*s:9092", (int)end, zookeeper);
}

bool tool_connect(struct tool *tool, const char *client_id) {
    const char *server = tool_value(tool, tool_has(tool, "broker-list") ? "broker-list" : "bootstrap-server"),
               *zookeeper = tool_value(tool, "zookeeper");
    char found[600] = "";
    if (!server && zookeeper) {
        zookeeper_server(zookeeper, found, sizeof found);
        message_error(MESSAGE_KAFKA_TOOL_ZOOKEEPER, found);
        server = found;
    } else if (!server && getenv("RAUDAL_DATA") && instance_server(found, sizeof found)) {
        server = found;
    }
    if (!server) {
        tool_usage_error(tool, "--bootstrap-server must be specified");
        return false;
    }
    struct error error = {0};
    tool->remote = remote_open(server, client_id, &error);
    if (tool->remote)
        return true;
    if (error.code == ERROR_CLOSED)
        message_error(MESSAGE_KAFKA_TOOL_NOBODY, server, error.message);
    else
        fprintf(stderr, "%s\n", error.message);
    if (error.code == ERROR_CLOSED)
        instance_say_stopped(SERVICE_KAFKA);
    return false;
}

/* NULL also when the topic itself exists (*exists) or the broker does not answer. */
static char *look_for_topic(struct tool *tool, const char *topic, bool *exists) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_metadata_reply reply;
    struct bytes wanted = bytes_from_text(topic), found = BYTES_NULL;
    size_t best = wanted.size / 3 + 2;
    *exists = false;
    bool ok = remote_metadata(tool->remote, NULL, 0, false, &reply, &arena, &error);
    for (int32_t i = 0; ok && i < reply.topics.count; i++) {
        const struct kafka_metadata_reply_topic *other = &reply.topics.items[i];
        size_t distance = other->is_internal ? SIZE_MAX : bytes_edit_distance(wanted, other->name);
        *exists |= distance == 0;
        if (distance > 0 && distance < best) {
            best = distance;
            found = other->name;
        }
    }
    char *name = found.data != NULL && !*exists ? tool_text(found) : NULL;
    arena_destroy(&arena);
    return name;
}

void tool_explain_topic(struct tool *tool, const char *topic) {
    bool exists;
    char *near = look_for_topic(tool, topic, &exists);
    if (exists)
        return;
    if (near != NULL)
        message_error(MESSAGE_KAFKA_TOOL_TOPIC_MEANT, near);
    message_error(MESSAGE_KAFKA_TOOL_TOPIC_CREATE, remote_bootstrap(tool->remote), topic);
    free(near);
}

void tool_note_new_topic(struct tool *tool, const char *topic) {
    bool exists;
    char *near = look_for_topic(tool, topic, &exists);
    if (near != NULL)
        message_error(MESSAGE_KAFKA_TOOL_TOPIC_NEW, topic, near);
    free(near);
}

void tool_log_error(const char *logger, const char *format, ...) {
    char time[32];
    calendar_format_log4j(remote_wall_ms(), time);
    fflush(stdout);
    fprintf(stderr, "[%s] ERROR ", time);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (%s)\n", logger);
}

/* ---- texts ---- */

bool tool_split_property(char *text, char **name, char **value) {
    char *equals = strchr(text, '=');
    if (!equals)
        return false;
    *equals = '\0';
    *name = text;
    *value = equals + 1;
    return true;
}

static void take_property(char *text, tool_property *add, void *context) {
    char *name = text, *value = NULL;
    tool_split_property(text, &name, &value);
    add(context, name, value != NULL ? value : "");
}

bool tool_read_properties(const char *path, tool_property *add, void *context) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return false;
    }
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t size; (size = getline(&line, &capacity, file)) > 0;) {
        struct bytes text = bytes_trim(bytes_make(line, (size_t)size));
        if (text.size == 0 || text.data[0] == '#')
            continue;
        char *copy = tool_text(text);
        take_property(copy, add, context);
        free(copy);
    }
    free(line);
    fclose(file);
    return true;
}

static bool take_option(const struct tool *tool, const struct tool_property_option *option, void *context) {
    size_t cursor = 0;
    bool said = option->is_file || option->instead == NULL;
    for (const char *text; (text = tool_next(tool, option->name, &cursor));) {
        if (option->is_file && !tool_read_properties(text, option->add, context))
            return false;
        if (option->is_file)
            continue;
        if (!said)
            printf("Option --%s is deprecated and will be removed in a future version. Use --%s instead.\n",
                option->name, option->instead);
        said = true;
        char *copy = tool_text(bytes_from_text(text));
        take_property(copy, option->add, context);
        free(copy);
    }
    return true;
}

bool tool_take_properties(
    const struct tool *tool, const struct tool_property_option *options, size_t count, void *context) {
    for (size_t i = 0; i < count; i++)
        if (!take_option(tool, &options[i], context))
            return false;
    return true;
}

void tool_replace(char **place, const char *value) {
    free(*place);
    *place = tool_text(bytes_from_text(value));
}

char *tool_text(struct bytes text) {
    char *copy = strndup(text.data ? (const char *)text.data : "", text.size);
    ASSERT(copy);
    return copy;
}

void tool_texts_free(struct tool_texts *texts) {
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    VECTOR_FREE(texts);
}

void tool_split(const char *text, char separator, struct tool_texts *out) {
    while (*text) {
        const char *end = strchr(text, separator);
        size_t size = end ? (size_t)(end - text) : strlen(text);
        struct bytes part = bytes_trim(bytes_make(text, size));
        if (part.size > 0)
            VECTOR_PUSH(out, tool_text(part));
        text += size + (end ? 1 : 0);
    }
}
