/* tool_kafka_console_producer.c: kafka-console-producer: each line of standard input becomes a record. Lines that are
 * there already travel together; when none waits, what was read is sent, so that a person at a terminal sees each line
 * arrive. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_partitioner.h"
#include "cli/kafka/kafka_tool.h"
#include "wire/compress.h"
#include "wire/record_batch.h"

#define LINE_SIZE_MAX ((size_t)64 << 20)

static const struct tool_option options[] = {
    {"batch-size", TOOL_VALUE, "Bytes of records per partition that travel together (16384)."},
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"broker-list", TOOL_VALUE, "The old name of --bootstrap-server."},
    {"command-config", TOOL_VALUE, "A file with properties of the producer."},
    {"command-property", TOOL_VALUE, "A property of the producer: acks, compression.type, client.id."},
    {"compression-codec", TOOL_OPTIONAL, "none, gzip, snappy, lz4 or zstd; gzip when no name follows."},
    {"line-reader", TOOL_IGNORED, "Class that reads lines."},
    {"max-block-ms", TOOL_VALUE, "Longest wait for the topic to be there (60000)."},
    {"max-memory-bytes", TOOL_IGNORED, "Buffer of the producer."},
    {"max-partition-memory-bytes", TOOL_VALUE, "The old name of --batch-size."},
    {"message-send-max-retries", TOOL_VALUE, "How often a refused batch is sent again (3)."},
    {"metadata-expiry-ms", TOOL_IGNORED, "Age of what is known of topics."},
    {"producer-property", TOOL_VALUE, "The old name of --command-property."},
    {"producer.config", TOOL_VALUE, "The old name of --command-config."},
    {"property", TOOL_VALUE, "The old name of --reader-property."},
    {"reader-config", TOOL_VALUE, "A file with properties of the line reader."},
    {"reader-property", TOOL_VALUE,
        "parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, headers.key.separator, "
        "null.marker, ignore.error; NAME=VALUE."},
    {"request-required-acks", TOOL_VALUE, "0, 1, -1 or all (-1)."},
    {"request-timeout-ms", TOOL_VALUE, "Longest wait for an answer (1500)."},
    {"retry-backoff-ms", TOOL_VALUE, "Pause before sending again (100)."},
    {"socket-buffer-size", TOOL_IGNORED, "Size of the socket's buffer."},
    {"sync", TOOL_FLAG, "Send each line by itself."},
    {"timeout", TOOL_IGNORED, "How long lines are gathered."},
    {"topic", TOOL_VALUE, "The topic to write to."},
};

struct partition_buffer {
    int32_t leader;
    struct buffer bytes; /* one batch being built */
    struct record_builder builder;
    size_t value_size; /* of the last record, for error lines */
};
struct producer {
    struct tool tool;
    const char *topic;
    struct uuid topic_id;
    struct partition_buffer *partitions;
    int32_t partition_count, sticky;
    size_t batch_size;
    int16_t acks;
    enum record_codec codec;
    int64_t max_block_ms, retries, backoff_ms, request_timeout_ms;
    char client_id[128];
    /* reader */
    bool parse_key, parse_headers, ignore_error;
    char *key_separator, *headers_delimiter, *headers_separator, *headers_key_separator, *null_marker;
    int64_t line_number;
    bool failed;
};

/* ---- settings ---- */

static void reader_property(void *context, const char *name, const char *value) {
    struct producer *producer = context;
    bool yes = strcasecmp(value, "true") == 0;
    if (strcmp(name, "parse.key") == 0)
        producer->parse_key = yes;
    else if (strcmp(name, "parse.headers") == 0)
        producer->parse_headers = yes;
    else if (strcmp(name, "ignore.error") == 0)
        producer->ignore_error = yes;
    else if (strcmp(name, "key.separator") == 0)
        tool_replace(&producer->key_separator, value);
    else if (strcmp(name, "headers.delimiter") == 0)
        tool_replace(&producer->headers_delimiter, value);
    else if (strcmp(name, "headers.separator") == 0)
        tool_replace(&producer->headers_separator, value);
    else if (strcmp(name, "headers.key.separator") == 0)
        tool_replace(&producer->headers_key_separator, value);
    else if (strcmp(name, "null.marker") == 0)
        tool_replace(&producer->null_marker, value);
    else
        fprintf(stderr, "The line reader has no property %s; it has no effect.\n", name);
}

static bool set_acks(struct producer *producer, const char *value) {
    int64_t number;
    if (strcmp(value, "all") == 0)
        number = -1;
    else if (!bytes_to_int64(bytes_from_text(value), &number) || number < -1 || number > 1) {
        fprintf(stderr, "Invalid value %s for configuration acks: String must be one of: all, -1, 0, 1\n", value);
        producer->failed = true;
        return false;
    }
    producer->acks = (int16_t)number;
    return true;
}

static bool set_codec(struct producer *producer, const char *value) {
    if (compression_from_name(bytes_from_text(value), &producer->codec))
        return true;
    fprintf(stderr, "Unknown compression name: %s\n", value);
    producer->failed = true;
    return false;
}

static void producer_property(void *context, const char *name, const char *value) {
    struct producer *producer = context;
    int64_t number;
    if (strcmp(name, "acks") == 0)
        set_acks(producer, value);
    else if (strcmp(name, "compression.type") == 0)
        set_codec(producer, value);
    else if (strcmp(name, "client.id") == 0)
        snprintf(producer->client_id, sizeof producer->client_id, "%s", value);
    else if (strcmp(name, "batch.size") == 0 && bytes_to_int64(bytes_from_text(value), &number) && number > 0)
        producer->batch_size = (size_t)number;
    else
        fprintf(stderr, "Property %s of the producer has no effect here.\n", name);
}

static bool take_options(struct producer *producer) {
    const struct tool *tool = &producer->tool;
    int64_t batch_size;
    producer->topic = tool_value(tool, "topic");
    producer->acks = -1;
    tool_replace(&producer->key_separator, "\t");
    tool_replace(&producer->headers_delimiter, "\t");
    tool_replace(&producer->headers_separator, ",");
    tool_replace(&producer->headers_key_separator, ":");
    snprintf(producer->client_id, sizeof producer->client_id, "console-producer");
    if (!producer->topic) {
        tool_usage_error(tool, "Missing required option(s) [topic]");
        return false;
    }
    if (!tool_integer(
            tool, tool_has(tool, "batch-size") ? "batch-size" : "max-partition-memory-bytes", 16384, &batch_size) ||
        !tool_integer(tool, "max-block-ms", 60000, &producer->max_block_ms) ||
        !tool_integer(tool, "retry-backoff-ms", 100, &producer->backoff_ms) ||
        !tool_integer(tool, "message-send-max-retries", 3, &producer->retries) ||
        !tool_integer(tool, "request-timeout-ms", 1500, &producer->request_timeout_ms))
        return false;
    producer->batch_size = batch_size > 0 ? (size_t)batch_size : 1;
    const struct tool_property_option property_options[] = {
        {"command-config", true, NULL, producer_property},
        {"producer.config", true, NULL, producer_property},
        {"producer-property", false, "command-property", producer_property},
        {"command-property", false, NULL, producer_property},
        {"reader-config", true, NULL, reader_property},
        {"property", false, "reader-property", reader_property},
        {"reader-property", false, NULL, reader_property},
    };
    if (!tool_take_properties(tool, property_options, ARRAY_COUNT(property_options), producer))
        return false;
    if (tool_value(tool, "request-required-acks"))
        set_acks(producer, tool_value(tool, "request-required-acks"));
    if (tool_has(tool, "compression-codec"))
        set_codec(producer, tool_value(tool, "compression-codec") ? tool_value(tool, "compression-codec") : "gzip");
    return !producer->failed;
}

/* ---- the topic ---- */

static void pause_ms(int64_t milliseconds) {
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static bool take_topic(struct producer *producer, const struct kafka_metadata_reply_topic *topic) {
    if (topic->error_code != 0 || topic->partitions.count <= 0)
        return false;
    for (int32_t i = 0; i < topic->partitions.count; i++)
        if (topic->partitions.items[i].leader_id < 0)
            return false;
    producer->topic_id = topic->topic_id;
    if (producer->partition_count < topic->partitions.count) {
        producer->partitions =
            realloc(producer->partitions, (size_t)topic->partitions.count * sizeof *producer->partitions);
        ASSERT(producer->partitions);
        memset(producer->partitions + producer->partition_count, 0,
            (size_t)(topic->partitions.count - producer->partition_count) * sizeof *producer->partitions);
        producer->partition_count = topic->partitions.count;
    }
    for (int32_t i = 0; i < topic->partitions.count; i++) {
        int32_t index = topic->partitions.items[i].index;
        if (index >= 0 && index < producer->partition_count)
            producer->partitions[index].leader = topic->partitions.items[i].leader_id;
    }
    return true;
}

/* Waits for the topic, which a broker may make on the way. */
static bool find_topic(struct producer *producer) {
    int64_t deadline_ms = remote_now_ms() + producer->max_block_ms;
    for (;;) {
        struct arena arena = {0};
        struct error error = {0};
        struct kafka_metadata_reply reply;
        bool ok = remote_metadata(producer->tool.remote, &producer->topic, 1, true, &reply, &arena, &error);
        int16_t code = ok && reply.topics.count == 1 ? reply.topics.items[0].error_code : 5;
        bool ready = ok && reply.topics.count == 1 && take_topic(producer, &reply.topics.items[0]);
        arena_destroy(&arena);
        if (ready)
            return true;
        bool passing = ok && (code == 0 || code == 3 || code == 5);
        if (!passing || remote_now_ms() > deadline_ms) {
            if (!ok)
                fprintf(stderr, "org.apache.kafka.common.errors.TimeoutException: %s\n", error.message);
            else if (passing)
                fprintf(stderr,
                    "org.apache.kafka.common.errors.TimeoutException: Topic %s not present in metadata after %lld "
                    "ms.\n",
                    producer->topic, (long long)producer->max_block_ms);
            else
                fprintf(
                    stderr, "%s: %s\n", remote_exception(code), code == 17 ? "Invalid topics" : remote_sentence(code));
            return false;
        }
        pause_ms(50);
    }
}

/* The first time: also says when it is a new one that may not be what was meant. */
static bool open_topic(struct producer *producer) {
    tool_note_new_topic(&producer->tool, producer->topic);
    return find_topic(producer);
}

/* ---- sending ---- */

static void compress(struct producer *producer, struct partition_buffer *partition) {
    struct buffer packed = {0};
    struct error error;
    if (producer->codec == RECORD_CODEC_NONE)
        return;
    buffer_append(&packed, partition->bytes.data, RECORD_BATCH_HEADER_SIZE);
    struct bytes records = bytes_slice(
        buffer_view(&partition->bytes), RECORD_BATCH_HEADER_SIZE, partition->bytes.size - RECORD_BATCH_HEADER_SIZE);
    if (!compression_encode(producer->codec, records, &packed, &error)) {
        buffer_free(&packed);
        return;
    }
    store_be32(packed.data + 8, (uint32_t)(packed.size - RECORD_BATCH_LENGTH_START));
    store_be16(packed.data + 21, (uint16_t)producer->codec);
    record_batch_seal(packed.data, packed.size);
    buffer_free(&partition->bytes);
    partition->bytes = packed;
}

static void report(const struct producer *producer, const struct partition_buffer *partition, const char *exception,
    const char *sentence) {
    tool_log_error("org.apache.kafka.clients.producer.internals.ErrorLoggingCallback",
        "Error when sending message to topic %s with key: null, value: %zu bytes with error:", producer->topic,
        partition->value_size);
    fprintf(stderr, "%s: %s\n", exception, sentence);
}

/* Sends one partition's batch. *code: the broker's answer. */
static bool send_once(
    struct producer *producer, int32_t index, int16_t *code, char sentence[512], struct error *error) {
    struct partition_buffer *partition = &producer->partitions[index];
    struct arena arena = {0};
    struct kafka_produce_request request;
    struct kafka_produce_reply reply;
    wire_set_defaults(&kafka_produce_request_struct, &request);
    request.transactional_id = BYTES_NULL;
    request.acks = producer->acks;
    request.timeout_ms = 30000;
    WIRE_ARRAY(&arena, &request.topics, &kafka_produce_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(producer->topic);
    request.topics.items[0].topic_id = producer->topic_id;
    WIRE_ARRAY(&arena, &request.topics.items[0].partitions, &kafka_produce_request_partition_struct, 1);
    request.topics.items[0].partitions.items[0].index = index;
    request.topics.items[0].partitions.items[0].records = buffer_view(&partition->bytes);
    *code = 0;
    bool ok = REMOTE_CALL(producer->tool.remote, partition->leader, produce, &request,
        producer->acks == 0 ? NULL : &reply, &arena, error);
    if (ok && producer->acks != 0 && reply.topics.count == 1 && reply.topics.items[0].partitions.count == 1) {
        *code = reply.topics.items[0].partitions.items[0].error_code;
        snprintf(sentence, 512, "%.*s", BYTES_ARGS(reply.topics.items[0].partitions.items[0].error_message));
    }
    arena_destroy(&arena);
    return ok;
}

static void send_partition(struct producer *producer, int32_t index) {
    struct partition_buffer *partition = &producer->partitions[index];
    if (partition->builder.count == 0)
        return;
    record_builder_end(&partition->builder, -1, -1, -1, -1);
    compress(producer, partition);
    struct error error = {0};
    char sentence[512] = "";
    int16_t code = 0;
    bool ok = false;
    for (int64_t attempt = 0; attempt <= producer->retries; attempt++) {
        if (attempt > 0) {
            pause_ms(producer->backoff_ms);
            find_topic(producer);
        }
        ok = send_once(producer, index, &code, sentence, &error);
        bool passing = !ok || code == 3 || code == 5 || code == 6 || code == 7;
        if (!passing)
            break;
    }
    if (!ok)
        report(producer, partition, "org.apache.kafka.common.errors.NetworkException", error.message);
    else if (code != 0)
        report(producer, partition, remote_exception(code), sentence[0] ? sentence : remote_sentence(code));
    buffer_clear(&partition->bytes);
    partition->builder.count = 0;
}

static void send_all(struct producer *producer) {
    for (int32_t i = 0; i < producer->partition_count; i++)
        send_partition(producer, i);
    producer->sticky = (producer->sticky + 1) % producer->partition_count;
}

/* ---- lines ---- */

struct parts {
    struct bytes key, value;
    struct buffer headers; /* encoded */
    int32_t header_count;
};

static size_t find_text(struct bytes view, const char *text) {
    size_t size = strlen(text);
    if (size == 0 || view.size < size)
        return SIZE_MAX;
    const uint8_t *at = memmem(view.data, view.size, text, size);
    return at ? (size_t)(at - view.data) : SIZE_MAX;
}

/* Takes what stands before `separator` off the line. */
static bool take_front(struct producer *producer, struct bytes *rest, const char *separator, const char *what,
    struct bytes line, struct bytes *front) {
    size_t at = find_text(*rest, separator);
    if (at == SIZE_MAX) {
        if (producer->ignore_error) {
            *front = BYTES_NULL;
            return true;
        }
        fprintf(stderr, "org.apache.kafka.common.KafkaException: No %s found on line number %lld: '%.*s'\n", what,
            (long long)producer->line_number, BYTES_ARGS(line));
        return false;
    }
    *front = bytes_slice(*rest, 0, at);
    *rest = bytes_slice(*rest, at + strlen(separator), rest->size - at - strlen(separator));
    return true;
}

static bool parse_headers(struct producer *producer, struct bytes text, struct bytes line, struct parts *parts) {
    while (text.size > 0) {
        size_t end = find_text(text, producer->headers_separator);
        struct bytes header = bytes_slice(text, 0, end == SIZE_MAX ? text.size : end), name;
        size_t used = end == SIZE_MAX ? text.size : end + strlen(producer->headers_separator);
        text = bytes_slice(text, used, text.size - used);
        size_t at = find_text(header, producer->headers_key_separator);
        if (at == SIZE_MAX && !producer->ignore_error) {
            fprintf(stderr,
                "org.apache.kafka.common.KafkaException: No header key separator found in pair '%.*s' on line number "
                "%lld\n",
                BYTES_ARGS(header), (long long)producer->line_number);
            return false;
        }
        name = at == SIZE_MAX ? header : bytes_slice(header, 0, at);
        size_t skip = at == SIZE_MAX ? header.size : at + strlen(producer->headers_key_separator);
        struct bytes value = bytes_slice(header, skip, header.size - skip);
        bool null_value = at == SIZE_MAX || (producer->null_marker && bytes_equal_text(value, producer->null_marker));
        varlong_append(&parts->headers, (int64_t)name.size);
        buffer_append_bytes(&parts->headers, name);
        varlong_append(&parts->headers, null_value ? -1 : (int64_t)value.size);
        if (!null_value)
            buffer_append_bytes(&parts->headers, value);
        parts->header_count++;
    }
    return true;
}

static bool parse_line(struct producer *producer, struct bytes line, struct parts *parts) {
    struct bytes rest = line, headers = BYTES_NULL;
    parts->key = BYTES_NULL;
    if (producer->parse_headers &&
        (!take_front(producer, &rest, producer->headers_delimiter, "header delimiter", line, &headers) ||
            !(producer->null_marker && bytes_equal_text(headers, producer->null_marker)
                    ? true
                    : parse_headers(producer, headers, line, parts))))
        return false;
    if (producer->parse_key &&
        !take_front(producer, &rest, producer->key_separator, "key separator", line, &parts->key))
        return false;
    parts->value = rest.data ? rest : bytes_make("", 0);
    if (producer->null_marker && bytes_equal_text(parts->key, producer->null_marker))
        parts->key = BYTES_NULL;
    if (producer->null_marker && bytes_equal_text(parts->value, producer->null_marker))
        parts->value = BYTES_NULL;
    return true;
}

static bool take_line(struct producer *producer, struct bytes line) {
    producer->line_number++;
    struct parts parts = {0};
    bool ok = parse_line(producer, line, &parts);
    if (ok) {
        int32_t index = parts.key.data ? kafka_key_partition(parts.key, producer->partition_count) : producer->sticky;
        struct partition_buffer *partition = &producer->partitions[index];
        if (partition->builder.count == 0) {
            buffer_clear(&partition->bytes);
            record_builder_begin(&partition->builder, &partition->bytes, 0, 0);
        }
        record_builder_add(&partition->builder, partition->builder.count, remote_wall_ms(), parts.key, parts.value,
            buffer_view(&parts.headers), parts.header_count);
        partition->value_size = parts.value.size;
        if (partition->bytes.size >= producer->batch_size || tool_has(&producer->tool, "sync")) {
            send_partition(producer, index);
            if (!parts.key.data)
                producer->sticky = (producer->sticky + 1) % producer->partition_count;
        }
    }
    buffer_free(&parts.headers);
    return ok;
}

static bool take_lines(struct producer *producer, struct buffer *input, bool at_end) {
    size_t used = 0;
    bool ok = true;
    while (ok && used < input->size) {
        size_t end = bytes_find(buffer_view(input), '\n', used);
        if (end == SIZE_MAX && !at_end)
            break;
        size_t stop = end == SIZE_MAX ? input->size : end;
        size_t size = stop > used && input->data[stop - 1] == '\r' ? stop - used - 1 : stop - used;
        ok = take_line(producer, bytes_make(input->data + used, size));
        used = end == SIZE_MAX ? input->size : end + 1;
    }
    buffer_consume(input, used);
    return ok;
}

static void prompt(bool interactive) {
    if (interactive) {
        fputc('>', stdout);
        fflush(stdout);
    }
}

/* Reads to the end of the input. False after a line that cannot be taken. */
static bool read_input(struct producer *producer) {
    struct buffer input = {0};
    bool interactive = isatty(STDIN_FILENO), ok = true;
    prompt(interactive);
    for (;;) {
        struct pollfd poll_descriptor = {STDIN_FILENO, POLLIN, 0};
        if (poll(&poll_descriptor, 1, 0) == 0)
            send_all(producer); /* nobody is writing just now */
        ssize_t size = read(STDIN_FILENO, buffer_reserve(&input, 65536), 65536);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        input.size += (size_t)size;
        ok = take_lines(producer, &input, false);
        if (ok && input.size > LINE_SIZE_MAX) {
            fprintf(stderr, "A line is longer than %zu bytes.\n", LINE_SIZE_MAX);
            ok = false;
        }
        if (!ok)
            break;
        prompt(interactive);
    }
    ok = ok && take_lines(producer, &input, true);
    send_all(producer);
    buffer_free(&input);
    return ok;
}

int tool_kafka_console_producer_main(int argc, char **argv) {
    struct producer producer = {.tool = {.purpose = "Read lines from standard input and publish them to a Kafka topic.",
                                    .options = options,
                                    .option_count = ARRAY_COUNT(options)}};
    int status = 1;
    if (tool_parse(&producer.tool, argc, argv, &status)) {
        status = 1;
        if (take_options(&producer) && tool_connect(&producer.tool, producer.client_id) && open_topic(&producer)) {
            remote_set_timeout(producer.tool.remote, 30000 + producer.request_timeout_ms);
            producer.sticky = (int32_t)(remote_now_ms() % producer.partition_count);
            status = read_input(&producer) ? 0 : 1;
        }
    }
    for (int32_t i = 0; i < producer.partition_count; i++)
        buffer_free(&producer.partitions[i].bytes);
    free(producer.partitions);
    free(producer.key_separator);
    free(producer.headers_delimiter);
    free(producer.headers_separator);
    free(producer.headers_key_separator);
    free(producer.null_marker);
    tool_free(&producer.tool);
    return status;
}
