/* tool_kafka_delete_records.c: kafka-delete-records: takes away the records of partitions below an offset, with the
 * real tool's options, file and output. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_tool.h"

static const struct tool_option options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"offset-json-file", TOOL_VALUE,
        "A file with {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \"offset\": 1}], \"version\": 1}; offset "
        "-1: all."},
};

struct cut {
    const char *topic; /* of the JSON */
    int32_t partition;
    int64_t offset, low_watermark;
    int16_t code;
};
struct cuts {
    struct cut *items;
    size_t count, capacity;
};

static int fail(const char *exception, const char *message) {
    fflush(stdout);
    fprintf(stderr, "%s\n%s: %s\n\n", message, exception, message);
    return 1;
}

/* The cuts of the file; 0, or the exit status. */
static int take_cuts(const json_t *file, struct cuts *cuts) {
    const json_t *partitions = json_object_get(file, "partitions"), *version = json_object_get(file, "version");
    char text[400];
    if (version != NULL && json_integer_value(version) != 1) {
        snprintf(text, sizeof text, "Not supported version field value %lld", (long long)json_integer_value(version));
        return fail("org.apache.kafka.tools.AdminOperationException", text);
    }
    if (!json_is_array(partitions))
        return fail("org.apache.kafka.tools.AdminOperationException", "Missing partitions field");
    for (size_t i = 0; i < json_array_size(partitions); i++) {
        const json_t *item = json_array_get(partitions, i);
        const json_t *topic = json_object_get(item, "topic"), *partition = json_object_get(item, "partition"),
                     *offset = json_object_get(item, "offset");
        if (!json_is_string(topic) || !json_is_integer(partition) || !json_is_integer(offset))
            return fail("org.apache.kafka.tools.AdminOperationException",
                "Each of partitions needs a topic (text), a partition and an offset (whole numbers)");
        struct cut cut = {
            json_string_value(topic), (int32_t)json_integer_value(partition), json_integer_value(offset), -1, 0};
        for (size_t j = 0; j < cuts->count; j++) {
            if (strcmp(cuts->items[j].topic, cut.topic) != 0 || cuts->items[j].partition != cut.partition)
                continue;
            snprintf(text, sizeof text, "Offset json file contains duplicate topic partitions: %s-%d", cut.topic,
                cut.partition);
            return fail("org.apache.kafka.tools.AdminCommandFailedException", text);
        }
        VECTOR_PUSH(cuts, cut);
    }
    return 0;
}

static bool delete_records(struct tool *tool, struct cut *cut, struct error *error) {
    struct arena arena = {0};
    struct kafka_metadata_reply metadata;
    struct kafka_delete_records_request request;
    struct kafka_delete_records_reply reply;
    int32_t leader = REMOTE_ANY;
    cut->code = 3;
    bool ok = remote_metadata(tool->remote, &cut->topic, 1, false, &metadata, &arena, error);
    for (int32_t i = 0; ok && metadata.topics.count == 1 && i < metadata.topics.items[0].partitions.count; i++)
        if (metadata.topics.items[0].partitions.items[i].index == cut->partition)
            leader = metadata.topics.items[0].partitions.items[i].leader_id;
    if (ok && leader != REMOTE_ANY) {
        wire_set_defaults(&kafka_delete_records_request_struct, &request);
        request.timeout_ms = 30000;
        WIRE_ARRAY(&arena, &request.topics, &kafka_delete_records_request_topic_struct, 1);
        request.topics.items[0].name = bytes_from_text(cut->topic);
        WIRE_ARRAY(&arena, &request.topics.items[0].partitions, &kafka_delete_records_request_partition_struct, 1);
        request.topics.items[0].partitions.items[0].index = cut->partition;
        request.topics.items[0].partitions.items[0].offset = cut->offset;
        ok = REMOTE_CALL(tool->remote, leader, delete_records, &request, &reply, &arena, error);
        if (ok && reply.topics.count == 1 && reply.topics.items[0].partitions.count == 1) {
            cut->code = reply.topics.items[0].partitions.items[0].error_code;
            cut->low_watermark = reply.topics.items[0].partitions.items[0].low_watermark;
        }
    }
    arena_destroy(&arena);
    return ok;
}

/* In the file's order; the real tool's differs from run to run. */
static void print_cuts(const struct cuts *cuts) {
    for (size_t i = 0; i < cuts->count; i++) {
        const struct cut *cut = &cuts->items[i];
        if (cut->code == 0)
            printf(
                "partition: %s-%d\tlow_watermark: %lld\n", cut->topic, cut->partition, (long long)cut->low_watermark);
        else
            printf("partition: %s-%d\terror: %s: %s\n", cut->topic, cut->partition, remote_exception(cut->code),
                remote_sentence(cut->code));
    }
}

static int run(struct tool *tool, const json_t *file) {
    struct cuts cuts = {0};
    struct error error = {0};
    int status = take_cuts(file, &cuts);
    if (status == 0) {
        printf("Executing records delete operation\n");
        for (size_t i = 0; status == 0 && i < cuts.count; i++)
            if (!delete_records(tool, &cuts.items[i], &error))
                status = fail("org.apache.kafka.common.KafkaException", error.message);
        if (status == 0) {
            printf("Records delete operation completed:\n");
            print_cuts(&cuts);
        }
    }
    VECTOR_FREE(&cuts);
    return status;
}

int tool_kafka_delete_records_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Take away the records of partitions below an offset.",
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    int status = 1;
    if (tool_parse(&tool, argc, argv, &status)) {
        const char *path = tool_value(&tool, "offset-json-file");
        json_error_t problem;
        json_t *file = path == NULL ? NULL : json_load_file(path, 0, &problem);
        char text[600];
        snprintf(text, sizeof text, "Unable to read file %s", path == NULL ? "" : path);
        if (path == NULL)
            status = tool_usage_error(&tool, "Missing required argument \"[offset-json-file]\"");
        else if (file == NULL && problem.line < 0)
            status = fail("java.io.IOException", text);
        else if (!json_is_object(file))
            status = fail("org.apache.kafka.tools.AdminOperationException", "The input string is not a valid JSON");
        else
            status = tool_connect(&tool, "adminclient-1") ? run(&tool, file) : 1;
        json_decref(file);
    }
    tool_free(&tool);
    return status;
}
