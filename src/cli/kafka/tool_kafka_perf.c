/* tool_kafka_perf.c: kafka-producer-perf-test and kafka-consumer-perf-test, with the real tools' options and lines. One
 * thread: a batch is sent when it is full or due, and the next one is filled when its answer has come. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_consumer.h"
#include "cli/kafka/kafka_tool.h"
#include "wire/compress.h"

#define MEGABYTE (1024.0 * 1024.0)

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* ---- kafka-producer-perf-test ---- */

static const struct tool_option producer_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_VALUE, "A file with properties of the producer."},
    {"command-property", TOOL_VALUE,
        "Properties of the producer: acks, batch.size, bootstrap.servers, client.id, "
        "compression.type."},
    {"num-records", TOOL_VALUE, "How many records."},
    {"payload-delimiter", TOOL_VALUE, "What separates the records of --payload-file (a new line)."},
    {"payload-file", TOOL_VALUE, "A file whose lines are the records, taken at random."},
    {"payload-monotonic", TOOL_FLAG, "Records that count up."},
    {"producer-props", TOOL_VALUE, "The old name of --command-property."},
    {"producer.config", TOOL_VALUE, "The old name of --command-config."},
    {"record-size", TOOL_VALUE, "Bytes of a record."},
    {"reporting-interval", TOOL_VALUE, "Milliseconds between two reports (5000)."},
    {"throughput", TOOL_VALUE, "Most records per second; -1: as many as can be."},
    {"topic", TOOL_VALUE, "The topic."},
    {"warmup-records", TOOL_VALUE, "So many of the first records do not count."},
};

struct counts { /* of records that were answered */
    int64_t count, bytes;
    double latency_sum, latency_max, since_ms;
};
struct perf_producer {
    struct tool tool;
    const char *topic;
    struct uuid topic_id;
    int32_t *leaders;
    int32_t partition_count, next;
    int64_t record_count, record_size, throughput, interval_ms, warmup;
    int16_t acks;
    size_t batch_size;
    enum record_codec codec;
    char client_id[128], *servers;
    struct tool_texts payloads;
    uint64_t random;
    struct buffer batch;
    struct record_builder builder;
    VECTOR(double) started; /* of the batch's records */
    int64_t batch_bytes, sent;
    struct counts all, window;
    VECTOR(float) latencies;
    bool failed;
};

static void producer_property(void *context, const char *name, const char *value) {
    struct perf_producer *perf = context;
    int64_t number;
    if (strcmp(name, "acks") == 0 || strcmp(name, "request.required.acks") == 0) {
        if (strcmp(value, "all") == 0)
            perf->acks = -1;
        else if (bytes_to_int64(bytes_from_text(value), &number) && number >= -1 && number <= 1)
            perf->acks = (int16_t)number;
        else
            perf->failed = tool_fail("acks must be 0, 1, -1 or all, not %s", value);
    } else if (strcmp(name, "batch.size") == 0) {
        if (bytes_to_int64(bytes_from_text(value), &number) && number > 0 && number <= (1 << 30))
            perf->batch_size = (size_t)number;
        else
            perf->failed = tool_fail("batch.size is no number of bytes: %s", value);
    } else if (strcmp(name, "compression.type") == 0) {
        if (!compression_from_name(bytes_from_text(value), &perf->codec))
            perf->failed = tool_fail("Unknown compression name: %s", value);
    } else if (strcmp(name, "client.id") == 0) {
        snprintf(perf->client_id, sizeof perf->client_id, "%s", value);
    } else if (strcmp(name, "bootstrap.servers") == 0) {
        tool_replace(&perf->servers, value);
    } else if (strcmp(name, "transactional.id") == 0) {
        perf->failed =
            tool_fail("kafka-producer-perf-test: transactional.id: transactions are not measured by this tool");
    } else {
        fprintf(stderr, "The property %s changes nothing here.\n", name);
    }
}

static bool read_payloads(struct perf_producer *perf, const char *path) {
    struct buffer text = {0};
    FILE *file = fopen(path, "r");
    if (!file)
        return tool_fail("File does not exist or empty file provided.") == 0;
    for (size_t size = 1; size > 0; text.size += size)
        size = fread(buffer_reserve(&text, 65536), 1, 65536, file);
    fclose(file);
    const char *delimiter = tool_value(&perf->tool, "payload-delimiter");
    if (!delimiter || strcmp(delimiter, "\\n") == 0)
        delimiter = "\n";
    const char *at = buffer_text(&text), *end;
    for (; *at; at = *end ? end + strlen(delimiter) : end) {
        end = strstr(at, delimiter);
        end = end ? end : at + strlen(at);
        VECTOR_PUSH(&perf->payloads, strndup(at, (size_t)(end - at)));
    }
    buffer_free(&text);
    return perf->payloads.count > 0 || tool_fail("File does not exist or empty file provided.") == 0;
}

static bool take_producer_options(struct perf_producer *perf) {
    static const struct tool_property_option properties[] = {
        {"producer.config", true, "command-config", producer_property},
        {"command-config", true, NULL, producer_property},
        {"producer-props", false, "command-property", producer_property},
        {"command-property", false, NULL, producer_property},
    };
    struct tool *tool = &perf->tool;
    int ways = tool_has(tool, "record-size") + tool_has(tool, "payload-file") + tool_has(tool, "payload-monotonic");
    static const char *const needed[] = {"topic", "num-records", "throughput"};
    for (size_t i = 0; i < ARRAY_COUNT(needed); i++)
        if (!tool_has(tool, needed[i]))
            return tool_usage_error(tool, "argument --%s is required", needed[i]) == 0;
    if (ways != 1)
        return tool_usage_error(tool, "one of the arguments --record-size --payload-file --payload-monotonic is "
                                      "required") == 0;
    perf->topic = tool_value(tool, "topic");
    if (!tool_integer(tool, "num-records", 0, &perf->record_count) ||
        !tool_integer(tool, "record-size", 0, &perf->record_size) ||
        !tool_integer(tool, "throughput", -1, &perf->throughput) ||
        !tool_integer(tool, "reporting-interval", 5000, &perf->interval_ms) ||
        !tool_integer(tool, "warmup-records", 0, &perf->warmup) ||
        !tool_take_properties(tool, properties, ARRAY_COUNT(properties), perf) || perf->failed)
        return false;
    if (tool_has(tool, "record-size") && (perf->record_size <= 0 || perf->record_size > (1 << 30)))
        return tool_fail("--record-size should be greater than zero.") == 0;
    if (perf->warmup >= perf->record_count && perf->warmup > 0)
        return tool_fail(
                   "The value for --warmup-records must be strictly fewer than the number of records in the test, "
                   "--num-records.") == 0;
    return !tool_has(tool, "payload-file") || read_payloads(perf, tool_value(tool, "payload-file"));
}

static bool find_partitions(struct perf_producer *perf) {
    struct error error = {0};
    for (int attempt = 0; attempt < 100; attempt++) {
        struct arena arena = {0};
        struct kafka_metadata_reply reply;
        bool ok = remote_metadata(perf->tool.remote, &perf->topic, 1, true, &reply, &arena, &error);
        bool found = ok && reply.topics.count == 1 && reply.topics.items[0].error_code == 0;
        if (found) {
            perf->topic_id = reply.topics.items[0].topic_id;
            perf->partition_count = reply.topics.items[0].partitions.count;
            perf->leaders = calloc((size_t)perf->partition_count + 1, sizeof *perf->leaders);
            ASSERT(perf->leaders);
            for (int32_t i = 0; i < perf->partition_count; i++)
                perf->leaders[reply.topics.items[0].partitions.items[i].index % perf->partition_count] =
                    reply.topics.items[0].partitions.items[i].leader_id;
        }
        int16_t code = ok && reply.topics.count == 1 ? reply.topics.items[0].error_code : 3;
        arena_destroy(&arena);
        if (found)
            return perf->partition_count > 0;
        if (!ok)
            return tool_fail("%s", error.message) == 0;
        if (code != 3 && code != 5)
            return tool_fail("%s: %s", remote_exception(code), remote_sentence(code)) == 0;
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    return tool_fail("Topic %s not present in metadata after 5000 ms.", perf->topic) == 0;
}

static void count(struct counts *counts, double latency, int64_t bytes) {
    counts->count++;
    counts->bytes += bytes;
    counts->latency_sum += latency;
    if (latency > counts->latency_max)
        counts->latency_max = latency;
}

static void print_window(struct perf_producer *perf, double now) {
    double seconds = (now - perf->window.since_ms) / 1e3;
    printf("%lld records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms max latency.\n",
        (long long)perf->window.count, (double)perf->window.count / seconds,
        (double)perf->window.bytes / MEGABYTE / seconds, perf->window.latency_sum / (double)perf->window.count,
        perf->window.latency_max);
    fflush(stdout);
    perf->window = (struct counts){.since_ms = now};
}

static void count_batch(struct perf_producer *perf) {
    double now = now_ms();
    int64_t each = perf->batch_bytes / (int64_t)perf->started.count;
    for (size_t i = 0; i < perf->started.count; i++) {
        double latency = now - perf->started.items[i];
        if (++perf->sent <= perf->warmup) {
            perf->all.since_ms = perf->window.since_ms = now;
            continue;
        }
        count(&perf->all, latency, each);
        count(&perf->window, latency, each);
        VECTOR_PUSH(&perf->latencies, (float)latency);
    }
    if (perf->window.count > 0 && now - perf->window.since_ms >= (double)perf->interval_ms)
        print_window(perf, now);
}

static void pack(struct perf_producer *perf) {
    struct buffer packed = {0};
    struct error error;
    if (perf->codec == RECORD_CODEC_NONE)
        return;
    struct bytes records =
        bytes_slice(buffer_view(&perf->batch), RECORD_BATCH_HEADER_SIZE, perf->batch.size - RECORD_BATCH_HEADER_SIZE);
    buffer_append(&packed, perf->batch.data, RECORD_BATCH_HEADER_SIZE);
    if (!compression_encode(perf->codec, records, &packed, &error)) {
        buffer_free(&packed);
        return;
    }
    store_be32(packed.data + 8, (uint32_t)(packed.size - RECORD_BATCH_LENGTH_START));
    store_be16(packed.data + 21, (uint16_t)perf->codec);
    record_batch_seal(packed.data, packed.size);
    buffer_free(&perf->batch);
    perf->batch = packed;
}

/* Sends the batch and waits for its answer. */
static bool send_batch(struct perf_producer *perf) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_produce_request request;
    struct kafka_produce_reply reply;
    int32_t index = perf->next++ % perf->partition_count;
    if (perf->started.count == 0)
        return true;
    record_builder_end(&perf->builder, -1, -1, -1, -1);
    pack(perf);
    wire_set_defaults(&kafka_produce_request_struct, &request);
    request.transactional_id = BYTES_NULL;
    request.acks = perf->acks;
    request.timeout_ms = 30000;
    WIRE_ARRAY(&arena, &request.topics, &kafka_produce_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(perf->topic);
    request.topics.items[0].topic_id = perf->topic_id;
    WIRE_ARRAY(&arena, &request.topics.items[0].partitions, &kafka_produce_request_partition_struct, 1);
    request.topics.items[0].partitions.items[0].index = index;
    request.topics.items[0].partitions.items[0].records = buffer_view(&perf->batch);
    bool ok = REMOTE_CALL(
        perf->tool.remote, perf->leaders[index], produce, &request, perf->acks == 0 ? NULL : &reply, &arena, &error);
    if (!ok)
        tool_fail("%s", error.message);
    else if (perf->acks != 0 && reply.topics.items[0].partitions.items[0].error_code != 0)
        tool_fail("%s: %s", remote_exception(reply.topics.items[0].partitions.items[0].error_code),
            remote_sentence(reply.topics.items[0].partitions.items[0].error_code)); /* the real tool goes on too */
    else
        count_batch(perf);
    perf->started.count = 0;
    perf->batch_bytes = 0;
    arena_destroy(&arena);
    return ok;
}

static uint64_t next_random(struct perf_producer *perf) {
    perf->random = perf->random * 6364136223846793005u + 1442695040888963407u;
    return perf->random >> 33;
}

static void add_record(struct perf_producer *perf, int64_t number, char *payload) {
    char text[24];
    struct bytes value = bytes_make(payload, (size_t)perf->record_size);
    if (perf->payloads.count > 0) {
        value = bytes_from_text(perf->payloads.items[next_random(perf) % perf->payloads.count]);
    } else if (tool_has(&perf->tool, "payload-monotonic")) {
        snprintf(text, sizeof text, "%lld", (long long)number);
        value = bytes_from_text(text);
    } else {
        for (int64_t i = 0; i < perf->record_size; i++)
            payload[i] = (char)('A' + next_random(perf) % 26);
    }
    if (perf->started.count == 0) {
        buffer_clear(&perf->batch);
        record_builder_begin(&perf->builder, &perf->batch, 0, 0);
    }
    record_builder_add(
        &perf->builder, (int64_t)perf->started.count, remote_wall_ms(), BYTES_NULL, value, BYTES_NULL, 0);
    VECTOR_PUSH(&perf->started, now_ms());
    perf->batch_bytes += (int64_t)value.size;
}

static int compare_latencies(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

static int percentile(const struct perf_producer *perf, double part) {
    return (int)perf->latencies.items[(size_t)(part * (double)(perf->latencies.count - 1))];
}

static int produce_all(struct perf_producer *perf) {
    char *payload = calloc((size_t)perf->record_size + 1, 1);
    ASSERT(payload);
    double begun = now_ms();
    bool ok = true;
    perf->all.since_ms = perf->window.since_ms = begun;
    for (int64_t i = 0; ok && i < perf->record_count; i++) {
        add_record(perf, i, payload);
        double due = perf->throughput > 0 ? begun + (double)(i + 1) * 1e3 / (double)perf->throughput : 0;
        bool early = perf->throughput > 0 && due > now_ms() + 1;
        if (perf->batch.size >= perf->batch_size || early)
            ok = send_batch(perf);
        double left = early ? due - now_ms() : 0;
        if (left > 0)
            nanosleep(
                &(struct timespec){(time_t)(left / 1e3), (long)((left - 1e3 * (time_t)(left / 1e3)) * 1e6)}, NULL);
    }
    ok = ok && send_batch(perf);
    free(payload);
    double seconds = (now_ms() - perf->all.since_ms) / 1e3;
    if (!ok || perf->all.count == 0)
        return ok ? 0 : 1;
    qsort(perf->latencies.items, perf->latencies.count, sizeof *perf->latencies.items, compare_latencies);
    printf("%lld records sent, %.6f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms max latency, %d ms 50th, "
           "%d ms "
           "95th, %d ms 99th, %d ms 99.9th.\n",
        (long long)perf->all.count, (double)perf->all.count / seconds, (double)perf->all.bytes / MEGABYTE / seconds,
        perf->all.latency_sum / (double)perf->all.count, perf->all.latency_max, percentile(perf, 0.5),
        percentile(perf, 0.95), percentile(perf, 0.99), percentile(perf, 0.999));
    return 0;
}

/* Several words may follow an option of properties; each gets the option in front. And bootstrap.servers stands for
 * --bootstrap-server. The list is the arena's. */
static char **spread_properties(int *argc, char **argv, struct arena *arena) {
    char **spread = ARENA_ARRAY(arena, char *, (size_t)*argc * 2 + 3);
    const char *option = NULL;
    bool has_server = false;
    int count_out = 0;
    for (int i = 0; i < *argc; i++) {
        bool is_option = argv[i][0] == '-' && argv[i][1] == '-';
        has_server = has_server || strncmp(argv[i], "--bootstrap-server", 18) == 0;
        if (is_option)
            option =
                strcmp(argv[i], "--producer-props") == 0 || strcmp(argv[i], "--command-property") == 0 ? argv[i] : NULL;
        else if (option && i > 0 && argv[i - 1] != option)
            spread[count_out++] = argv[i - 1][0] == '-' ? argv[i - 1] : (char *)(uintptr_t)option;
        spread[count_out++] = argv[i];
    }
    for (int i = 0; i < *argc && !has_server; i++)
        if (strncmp(argv[i], "bootstrap.servers=", 18) == 0) {
            spread[count_out++] = arena_strdup(arena, "--bootstrap-server");
            spread[count_out++] = argv[i] + 18;
            has_server = true;
        }
    *argc = count_out;
    return spread;
}

int tool_kafka_producer_perf_test_main(int argc, char **argv) {
    struct perf_producer perf = {.tool = {.purpose = "Measure how fast records are produced.",
                                     .options = producer_options,
                                     .option_count = ARRAY_COUNT(producer_options)},
        .acks = -1,
        .batch_size = 16384,
        .random = 42,
        .client_id = "perf-producer-client"};
    struct arena arena = {0};
    int status = 1;
    argv = spread_properties(&argc, argv, &arena);
    if (tool_parse(&perf.tool, argc, argv, &status)) {
        status = 1;
        if (take_producer_options(&perf) && tool_connect(&perf.tool, perf.client_id) && find_partitions(&perf))
            status = produce_all(&perf);
    }
    VECTOR_FREE(&perf.started);
    VECTOR_FREE(&perf.latencies);
    tool_texts_free(&perf.payloads);
    buffer_free(&perf.batch);
    free(perf.leaders);
    free(perf.servers);
    tool_free(&perf.tool);
    arena_destroy(&arena);
    return status;
}

/* ---- kafka-consumer-perf-test ---- */

static const struct tool_option consumer_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "A file with properties of the consumer."},
    {"command-property", TOOL_IGNORED, "A property of the consumer."},
    {"consumer.config", TOOL_IGNORED, "The old name of --command-config."},
    {"fetch-size", TOOL_IGNORED, "Bytes of one partition in an answer."},
    {"from-latest", TOOL_FLAG, "Where the group has no offset: only what comes from now on."},
    {"group", TOOL_VALUE, "The group (perf-consumer-N)."},
    {"hide-header", TOOL_FLAG, "No line with the names of the columns."},
    {"include", TOOL_VALUE, "A regular expression of topics."},
    {"messages", TOOL_VALUE, "The old name of --num-records."},
    {"num-records", TOOL_VALUE, "How many records."},
    {"reporting-interval", TOOL_VALUE, "With --show-detailed-stats: milliseconds between two lines (5000)."},
    {"show-detailed-stats", TOOL_FLAG, "A line for each interval."},
    {"socket-buffer-size", TOOL_IGNORED, "Size of the socket's buffer."},
    {"timeout", TOOL_VALUE, "Longest wait for a record in ms (10000)."},
    {"topic", TOOL_VALUE, "The topic."},
};

struct perf_consumer {
    struct tool tool;
    int64_t wanted, count, bytes, shown_count, shown_bytes, interval_ms;
    double begun, joined, last_record, shown;
    bool detailed;
};

static void format_time(int64_t wall_ms, char out[32]) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    size_t size = strftime(out, 24, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(out + size, 32 - size, ":%03d", (int)(wall_ms % 1000));
}

static double rate(double amount, double milliseconds) {
    return milliseconds > 0 ? amount / milliseconds * 1e3 : 0;
}

static void print_interval(struct perf_consumer *perf, double now) {
    char when[32];
    double span = now - perf->shown, joining = perf->joined > perf->shown ? perf->joined - perf->shown : 0;
    double megabytes = (double)(perf->bytes - perf->shown_bytes) / MEGABYTE;
    double records = (double)(perf->count - perf->shown_count), fetching = span - joining;
    format_time(remote_wall_ms(), when);
    printf("%s, 0, %.4f, %.4f, %lld, %.4f, %lld, %lld, %.4f, %.4f\n", when, (double)perf->bytes / MEGABYTE,
        rate(megabytes, span), (long long)perf->count, rate(records, span), (long long)joining, (long long)fetching,
        rate(megabytes, fetching), rate(records, fetching));
    perf->shown = now;
    perf->shown_count = perf->count;
    perf->shown_bytes = perf->bytes;
}

static bool take_record(void *context, const struct consumed *consumed) {
    struct perf_consumer *perf = context;
    double now = now_ms();
    if (perf->count == 0)
        perf->joined = now;
    perf->last_record = now;
    perf->count++;
    perf->bytes += (int64_t)(consumed->record.key.size + consumed->record.value.size);
    if (perf->detailed && now - perf->shown >= (double)perf->interval_ms)
        print_interval(perf, now);
    return perf->count < perf->wanted;
}

static void print_total(const struct perf_consumer *perf, int64_t begun_wall_ms) {
    char from[32], to[32];
    double end = now_ms(), span = end - perf->begun;
    double joining = (perf->count > 0 ? perf->joined : end) - perf->begun, fetching = span - joining;
    format_time(begun_wall_ms, from);
    format_time(begun_wall_ms + (int64_t)span, to);
    printf("%s, %s, %.4f, %.4f, %lld, %.4f, %lld, %lld, %.4f, %.4f\n", from, to, (double)perf->bytes / MEGABYTE,
        rate((double)perf->bytes / MEGABYTE, span), (long long)perf->count, rate((double)perf->count, span),
        (long long)joining, (long long)fetching, rate((double)perf->bytes / MEGABYTE, fetching),
        rate((double)perf->count, fetching));
}

static int consume_all(struct perf_consumer *perf, const char *group, int64_t timeout_ms) {
    struct error error = {0};
    struct consumer_options options = {.remote = perf->tool.remote,
        .topic = tool_value(&perf->tool, "topic"),
        .include = tool_value(&perf->tool, "include"),
        .group = group,
        .client_id = "perf-consumer-client",
        .partition = -1,
        .from_beginning = !tool_has(&perf->tool, "from-latest"),
        .commit = true};
    int64_t begun_wall_ms = remote_wall_ms();
    perf->begun = perf->last_record = perf->shown = now_ms();
    if (!tool_has(&perf->tool, "hide-header"))
        printf("%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, "
               "fetch.MB.sec, fetch.nMsg.sec\n",
            perf->detailed ? "time, threadId" : "start.time, end.time");
    struct consumer *consumer = consumer_open(&options, &error);
    bool ok = consumer != NULL;
    while (ok && perf->count < perf->wanted && now_ms() - perf->last_record < (double)timeout_ms)
        ok = consumer_poll(consumer, 100, take_record, perf, &error);
    if (!ok)
        tool_fail("%s", error.message);
    if (ok && perf->count < perf->wanted)
        printf(
            "WARNING: Exiting before consuming the expected number of records: timeout (%lld ms) exceeded. You can use "
            "the --timeout option to increase the timeout.\n",
            (long long)timeout_ms);
    if (ok && !perf->detailed)
        print_total(perf, begun_wall_ms);
    if (consumer)
        consumer_close(consumer);
    return ok ? 0 : 1;
}

int tool_kafka_consumer_perf_test_main(int argc, char **argv) {
    struct perf_consumer perf = {.tool = {.purpose = "Measure how fast records are consumed.",
                                     .options = consumer_options,
                                     .option_count = ARRAY_COUNT(consumer_options)}};
    int64_t timeout_ms = 10000;
    char group[64];
    int status = 1;
    if (tool_parse(&perf.tool, argc, argv, &status)) {
        struct tool *tool = &perf.tool;
        const char *amount = tool_has(tool, "num-records") ? "num-records" : "messages";
        snprintf(group, sizeof group, "perf-consumer-%lld", (long long)(remote_wall_ms() % 100000));
        perf.detailed = tool_has(tool, "show-detailed-stats");
        if (tool_has(tool, "messages") == tool_has(tool, "num-records"))
            status =
                tool_usage_error(tool, "Exactly one of the following arguments is required: [messages], [num-records]");
        else if (tool_has(tool, "topic") == tool_has(tool, "include"))
            status = tool_usage_error(tool, "Exactly one of the following arguments is required: [topic], [include]");
        else if (!tool_integer(tool, amount, 0, &perf.wanted) || !tool_integer(tool, "timeout", 10000, &timeout_ms) ||
                 !tool_integer(tool, "reporting-interval", 5000, &perf.interval_ms))
            status = 1;
        else
            status = tool_connect(tool, "perf-consumer-client")
                         ? consume_all(&perf, tool_has(tool, "group") ? tool_value(tool, "group") : group, timeout_ms)
                         : 1;
    }
    tool_free(&perf.tool);
    return status;
}
