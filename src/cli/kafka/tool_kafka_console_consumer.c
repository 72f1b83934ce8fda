/* tool_kafka_console_consumer.c: kafka-console-consumer: prints the records of a topic, one value a line, with the real
 * tool's options and forms. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_consumer.h"

#define LOGGER "org.apache.kafka.tools.consumer.ConsoleConsumer"

static const struct tool_option options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_VALUE, "A file with properties of the consumer."},
    {"command-property", TOOL_VALUE,
        "A property of the consumer: group.id, auto.offset.reset, enable.auto.commit, isolation.level, client.id."},
    {"consumer-property", TOOL_VALUE, "The old name of --command-property."},
    {"consumer.config", TOOL_VALUE, "The old name of --command-config."},
    {"enable-systest-events", TOOL_FLAG, "Accepted; this tool writes no such events."},
    {"formatter", TOOL_IGNORED, "Class that prints records."},
    {"formatter-config", TOOL_VALUE, "A file with properties of the printing."},
    {"formatter-property", TOOL_VALUE,
        "print.timestamp, print.key, print.offset, print.epoch, print.partition, print.headers, print.value, "
        "key.separator, line.separator, headers.separator, null.literal; NAME=VALUE."},
    {"from-beginning", TOOL_FLAG, "Start with the earliest record where the group has no offset."},
    {"group", TOOL_VALUE, "The consumer group."},
    {"include", TOOL_VALUE, "Regular expression of topics."},
    {"isolation-level", TOOL_VALUE, "read_uncommitted or read_committed."},
    {"key-deserializer", TOOL_IGNORED, "Class for keys."},
    {"max-messages", TOOL_VALUE, "Stop after so many records."},
    {"offset", TOOL_VALUE, "With --partition: an offset, earliest or latest."},
    {"partition", TOOL_VALUE, "Only this partition, without a group."},
    {"property", TOOL_VALUE, "The old name of --formatter-property."},
    {"skip-message-on-error", TOOL_FLAG, "Go on after a record that cannot be printed."},
    {"timeout-ms", TOOL_VALUE, "Stop when no record came for so long."},
    {"topic", TOOL_VALUE, "The topic."},
    {"value-deserializer", TOOL_IGNORED, "Class for values."},
    {"whitelist", TOOL_VALUE, "The old name of --include."},
    {"zookeeper", TOOL_VALUE, "Accepted for old commands; the Kafka beside it is used."},
};

struct console {
    struct tool tool;
    char group[256], client_id[128];
    bool has_group, auto_commit, commit_set, from_beginning, read_committed;
    const char *reset; /* auto.offset.reset when given */
    int64_t max_messages, timeout_ms, message_count;
    int64_t last_message_ms;
    bool failed;
    /* printing */
    bool print_timestamp, print_key, print_offset, print_epoch, print_partition, print_headers, print_value;
    char *key_separator, *line_separator, *headers_separator, *null_literal;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    interrupted = 1;
}

/* ---- settings ---- */

static void formatter_property(void *context, const char *name, const char *value) {
    struct console *console = context;
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"print.timestamp", &console->print_timestamp}, {"print.key", &console->print_key},
        {"print.offset", &console->print_offset}, {"print.epoch", &console->print_epoch},
        {"print.partition", &console->print_partition}, {"print.headers", &console->print_headers},
        {"print.value", &console->print_value}};
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = strcasecmp(value, "true") == 0;
            return;
        }
    if (strcmp(name, "key.separator") == 0)
        tool_replace(&console->key_separator, value);
    else if (strcmp(name, "line.separator") == 0)
        tool_replace(&console->line_separator, value);
    else if (strcmp(name, "headers.separator") == 0)
        tool_replace(&console->headers_separator, value);
    else if (strcmp(name, "null.literal") == 0)
        tool_replace(&console->null_literal, value);
    else if (!strstr(name, "deserializer"))
        fprintf(stderr, "The printing has no property %s; it has no effect.\n", name);
}

static void consumer_property(void *context, const char *name, const char *value) {
    struct console *console = context;
    if (strcmp(name, "group.id") == 0) {
        snprintf(console->group, sizeof console->group, "%s", value);
        console->has_group = true;
    } else if (strcmp(name, "client.id") == 0) {
        snprintf(console->client_id, sizeof console->client_id, "%s", value);
    } else if (strcmp(name, "auto.offset.reset") == 0) {
        console->reset = strcmp(value, "earliest") == 0 ? "earliest" : "latest";
    } else if (strcmp(name, "enable.auto.commit") == 0) {
        console->auto_commit = strcasecmp(value, "true") == 0;
        console->commit_set = true;
    } else if (strcmp(name, "isolation.level") == 0) {
        console->read_committed = strcmp(value, "read_committed") == 0;
    } else if (strcmp(name, "group.protocol") != 0) {
        fprintf(stderr, "Property %s of the consumer has no effect here.\n", name);
    }
}

static const char *included(const struct tool *tool) {
    return tool_value(tool, tool_has(tool, "whitelist") ? "whitelist" : "include");
}

static bool check_options(struct console *console) {
    const struct tool *tool = &console->tool;
    const char *isolation = tool_value(tool, "isolation-level");
    if (!tool_has(tool, "topic") && !included(tool))
        return tool_usage_error(tool, "Exactly one of --include/--topic is required. ") == 0;
    if (tool_has(tool, "topic") && included(tool))
        return tool_usage_error(tool, "Exactly one of --include/--topic is required. ") == 0;
    if (tool_has(tool, "partition") && !tool_has(tool, "topic"))
        return tool_usage_error(tool, "The topic is required when partition is specified.") == 0;
    if (tool_has(tool, "offset") && !tool_has(tool, "partition"))
        return tool_usage_error(tool, "The partition is required when offset is specified.") == 0;
    if (tool_has(tool, "offset") && tool_has(tool, "from-beginning"))
        return tool_usage_error(tool, "Options from-beginning and offset cannot be specified together.") == 0;
    if (tool_has(tool, "group") && tool_has(tool, "partition"))
        return tool_usage_error(tool, "Options group and partition cannot be specified together.") == 0;
    if (isolation && strcmp(isolation, "read_committed") != 0 && strcmp(isolation, "read_uncommitted") != 0)
        return tool_usage_error(tool, "Invalid value %s for configuration isolation.level", isolation) == 0;
    return tool_integer(tool, "max-messages", -1, &console->max_messages) &&
           tool_integer(tool, "timeout-ms", -1, &console->timeout_ms);
}

static bool take_options(struct console *console) {
    const struct tool *tool = &console->tool;
    tool_replace(&console->key_separator, "\t");
    tool_replace(&console->line_separator, "\n");
    tool_replace(&console->headers_separator, ",");
    tool_replace(&console->null_literal, "null");
    console->print_value = true;
    snprintf(console->client_id, sizeof console->client_id, "console-consumer");
    if (!check_options(console))
        return false;
    const struct tool_property_option property_options[] = {
        {"command-config", true, NULL, consumer_property},
        {"consumer.config", true, NULL, consumer_property},
        {"consumer-property", false, "command-property", consumer_property},
        {"command-property", false, NULL, consumer_property},
        {"formatter-config", true, NULL, formatter_property},
        {"property", false, "formatter-property", formatter_property},
        {"formatter-property", false, NULL, formatter_property},
    };
    if (!tool_take_properties(tool, property_options, ARRAY_COUNT(property_options), console))
        return false;
    if (tool_value(tool, "isolation-level"))
        console->read_committed = strcmp(tool_value(tool, "isolation-level"), "read_committed") == 0;
    if (tool_value(tool, "group")) {
        snprintf(console->group, sizeof console->group, "%s", tool_value(tool, "group"));
        console->has_group = true;
    }
    if (!console->commit_set)
        console->auto_commit = console->has_group; /* nobody comes back to a group made up for one run */
    if (!console->has_group)
        snprintf(console->group, sizeof console->group, "console-consumer-%d",
            (int)((remote_wall_ms() ^ (int64_t)getpid() * 7919) % 100000));
    console->from_beginning =
        tool_has(tool, "from-beginning") || (console->reset && strcmp(console->reset, "earliest") == 0);
    return !console->failed;
}

static bool parse_offset(struct console *console, int64_t *offset) {
    const char *text = tool_value(&console->tool, "offset");
    *offset = console->from_beginning ? -2 : -1;
    if (!text)
        return true;
    if (strcasecmp(text, "earliest") == 0)
        *offset = -2;
    else if (strcasecmp(text, "latest") == 0)
        *offset = -1;
    else if (!bytes_to_int64(bytes_from_text(text), offset) || *offset < 0) {
        tool_usage_error(&console->tool,
            "The provided offset value '%s' is incorrect. Valid values are 'earliest', 'latest', or a non-negative "
            "long.",
            text);
        return false;
    }
    return true;
}

/* ---- printing ---- */

static void print_bytes(const struct console *console, struct bytes view) {
    if (view.data)
        fwrite(view.data, 1, view.size, stdout);
    else
        fputs(console->null_literal, stdout);
}

static void print_headers(const struct console *console, const struct record *record) {
    struct bytes rest = record->headers;
    struct record_header header;
    if (record->header_count == 0)
        fputs("NO_HEADERS", stdout);
    for (int32_t i = 0; i < record->header_count && record_header_next(&rest, &header); i++) {
        if (i > 0)
            fputs(console->headers_separator, stdout);
        print_bytes(console, header.key);
        fputc(':', stdout);
        print_bytes(console, header.value);
    }
}

static void separate(const struct console *console, bool *any) {
    if (*any)
        fputs(console->key_separator, stdout);
    *any = true;
}

static bool print_record(void *context, const struct consumed *consumed) {
    struct console *console = context;
    const struct record *record = &consumed->record;
    bool any = false;
    if (console->print_timestamp) {
        separate(console, &any);
        if (record->timestamp < 0)
            fputs("NO_TIMESTAMP", stdout);
        else
            printf("%s:%lld", consumed->log_append_time ? "LogAppendTime" : "CreateTime", (long long)record->timestamp);
    }
    if (console->print_partition) {
        separate(console, &any);
        printf("Partition:%d", consumed->partition);
    }
    if (console->print_offset) {
        separate(console, &any);
        printf("Offset:%lld", (long long)record->offset);
    }
    if (console->print_epoch) {
        separate(console, &any);
        fputs("Epoch:NOT_PRESENT", stdout); /* the real tool drops it on the way, too */
    }
    if (console->print_headers) {
        separate(console, &any);
        print_headers(console, record);
    }
    if (console->print_key) {
        separate(console, &any);
        print_bytes(console, record->key);
    }
    if (console->print_value) {
        separate(console, &any);
        print_bytes(console, record->value);
    }
    fputs(console->line_separator, stdout);
    console->message_count++;
    console->last_message_ms = remote_now_ms();
    return !interrupted && (console->max_messages < 0 || console->message_count < console->max_messages);
}

/* ---- running ---- */

static int run(struct console *console) {
    struct error error = {0};
    int64_t offset;
    const char *partition_text = tool_value(&console->tool, "partition");
    int64_t partition = -1;
    if (!parse_offset(console, &offset) || !tool_integer(&console->tool, "partition", -1, &partition))
        return 1;
    struct consumer_options consumer_options = {
        .remote = console->tool.remote,
        .topic = tool_value(&console->tool, "topic"),
        .include = included(&console->tool),
        .group = partition_text ? NULL : console->group,
        .client_id = console->client_id,
        .partition = (int32_t)partition,
        .offset = offset,
        .from_beginning = console->from_beginning,
        .commit = console->auto_commit,
        .read_committed = console->read_committed,
    };
    if (consumer_options.topic != NULL)
        tool_note_new_topic(&console->tool, consumer_options.topic);
    struct consumer *consumer = consumer_open(&consumer_options, &error);
    int status = consumer ? 0 : 1;
    console->last_message_ms = remote_now_ms();
    while (consumer && !interrupted && (console->max_messages < 0 || console->message_count < console->max_messages)) {
        int64_t left_ms =
            console->timeout_ms < 0 ? 500 : console->timeout_ms - (remote_now_ms() - console->last_message_ms);
        if (left_ms <= 0) {
            tool_log_error(LOGGER, "Error processing message, terminating consumer process: ");
            fprintf(stderr, "org.apache.kafka.common.errors.TimeoutException\n");
            break;
        }
        bool ok = consumer_poll(consumer, left_ms, print_record, console, &error);
        fflush(stdout);
        if (!ok && interrupted)
            break;
        if (!ok || ferror(stdout)) {
            status = 1;
            break;
        }
    }
    fflush(stdout);
    if (status != 0) {
        tool_log_error(LOGGER, "Error processing message, terminating consumer process: ");
        fprintf(stderr, "%s\n", ferror(stdout) ? "Unable to write to standard out, closing consumer." : error.message);
    }
    if (consumer)
        consumer_close(consumer);
    fprintf(stderr, "Processed a total of %lld messages\n", (long long)console->message_count);
    return interrupted ? 130 : status;
}

int tool_kafka_console_consumer_main(int argc, char **argv) {
    struct console console = {.tool = {.purpose = "Read records of Kafka topics and print them.",
                                  .options = options,
                                  .option_count = ARRAY_COUNT(options)}};
    int status = 1;
    if (tool_parse(&console.tool, argc, argv, &status)) {
        struct sigaction action = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
        status = take_options(&console) && tool_connect(&console.tool, console.client_id) ? run(&console) : 1;
    }
    free(console.key_separator);
    free(console.line_separator);
    free(console.headers_separator);
    free(console.null_literal);
    tool_free(&console.tool);
    return status;
}
