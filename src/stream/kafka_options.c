/* kafka_options.c: see kafka_options.h; names and messages are those of Spark's KafkaSourceProvider. */
#include "stream/kafka_options.h"

#include <jansson.h>
#include <stdlib.h>
#include "base/assert.h"

/* ---- offsets ---- */

void kafka_offsets_free(struct kafka_offsets *offsets) {
    for (size_t i = 0; i < offsets->count; i++) {
        free(offsets->items[i].topic);
    }
    VECTOR_FREE(offsets);
}

static int compare(const char *topic, int32_t partition, const struct kafka_offset *item) {
    int order = strcmp(topic, item->topic);
    return order != 0 ? order : (partition > item->partition) - (partition < item->partition);
}

static size_t find(const struct kafka_offsets *offsets, const char *topic, int32_t partition) {
    size_t low = 0, high = offsets->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(topic, partition, &offsets->items[middle]) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void kafka_offsets_set(struct kafka_offsets *offsets, const char *topic, int32_t partition, int64_t offset) {
    size_t at = find(offsets, topic, partition);
    if (at < offsets->count && compare(topic, partition, &offsets->items[at]) == 0) {
        offsets->items[at].offset = offset;
        return;
    }
    VECTOR_RESERVE(offsets, 1);
    memmove(offsets->items + at + 1, offsets->items + at, (offsets->count - at) * sizeof *offsets->items);
    offsets->items[at] = (struct kafka_offset){strdup(topic), partition, offset};
    offsets->count++;
}

int64_t kafka_offsets_get(const struct kafka_offsets *offsets, const char *topic, int32_t partition) {
    size_t at = find(offsets, topic, partition);
    return at < offsets->count && compare(topic, partition, &offsets->items[at]) == 0 ? offsets->items[at].offset : -3;
}

void kafka_offsets_copy(struct kafka_offsets *to, const struct kafka_offsets *from) {
    struct kafka_offsets copy = {0};
    for (size_t i = 0; i < from->count; i++) {
        VECTOR_PUSH(&copy,
            ((struct kafka_offset){strdup(from->items[i].topic), from->items[i].partition, from->items[i].offset}));
    }
    kafka_offsets_free(to);
    *to = copy;
}

bool kafka_offsets_equal(const struct kafka_offsets *left, const struct kafka_offsets *right) {
    bool equal = left->count == right->count;
    for (size_t i = 0; equal && i < left->count; i++) {
        equal = compare(left->items[i].topic, left->items[i].partition, &right->items[i]) == 0 &&
                left->items[i].offset == right->items[i].offset;
    }
    return equal;
}

void kafka_offsets_format(const struct kafka_offsets *offsets, struct buffer *out) {
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < offsets->count; i++) {
        bool first = i == 0 || strcmp(offsets->items[i].topic, offsets->items[i - 1].topic) != 0;
        if (first) {
            buffer_append_text(out, i == 0 ? "" : "},");
            buffer_append_json_string(out, bytes_from_text(offsets->items[i].topic));
            buffer_append_text(out, ":{");
        }
        buffer_printf(out, "%s\"%d\":%lld", first ? "" : ",", (int)offsets->items[i].partition,
            (long long)offsets->items[i].offset);
    }
    buffer_append_text(out, offsets->count > 0 ? "}}" : "}");
}

static bool parse_partition(const char *text, int32_t *partition) {
    int64_t number;
    bool good = bytes_to_int64(bytes_from_text(text), &number) && number >= 0 && number <= INT32_MAX;
    *partition = (int32_t)number;
    return good;
}

bool kafka_offsets_parse(struct bytes json, struct kafka_offsets *offsets, struct error *error) {
    json_error_t problem;
    json_t *root = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, &problem), *partitions,
           *value;
    const char *topic, *text;
    bool good = json_is_object(root);
    if (good) {
        json_object_foreach(root, topic, partitions) {
            good = good && json_is_object(partitions);
            json_object_foreach(partitions, text, value) {
                int32_t partition;
                good = good && json_is_integer(value) && parse_partition(text, &partition);
                if (good) {
                    kafka_offsets_set(offsets, topic, partition, json_integer_value(value));
                }
            }
        }
    }
    json_decref(root);
    return good || error_set(error, ERROR_INVALID,
                       "Expected e.g. {\"topicA\":{\"0\":23,\"1\":-1},\"topicB\":{\"0\":-2}}, got %.*s",
                       (int)(json.size < 300 ? json.size : 300), (const char *)json.data);
}

/* {"topicA":[0,1]}; an empty one reads nothing. */
static bool parse_assignment(struct bytes json, struct kafka_offsets *assigned) {
    json_t *root = json_loadb((const char *)json.data, json.size, 0, NULL), *partitions, *value;
    const char *topic;
    size_t index;
    bool good = json_is_object(root);
    json_object_foreach(root, topic, partitions) {
        good = good && json_is_array(partitions);
        json_array_foreach(partitions, index, value) {
            good = good && json_is_integer(value) && json_integer_value(value) >= 0 &&
                   json_integer_value(value) <= INT32_MAX;
            if (good) {
                kafka_offsets_set(assigned, topic, (int32_t)json_integer_value(value), 0);
            }
        }
    }
    json_decref(root);
    return good;
}

/* ---- options ---- */

static bool refuse(struct sql_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct sql_error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(error->arena, format, arguments);
    va_end(arguments);
    return raise__legacy_error_illegal_argument(error, text);
}

static const char *const known[] = {"assign", "subscribe", "subscribepattern", "startingoffsets", "endingoffsets",
    "startingoffsetsbytimestamp", "endingoffsetsbytimestamp", "startingtimestamp", "endingtimestamp",
    "startingoffsetsbytimestampstrategy", "failondataloss", "kafkaconsumer.polltimeoutms", "fetchoffset.numretries",
    "fetchoffset.retryintervalms", "maxoffsetspertrigger", "minoffsetspertrigger", "maxtriggerdelay", "minpartitions",
    "maxrecordsperpartition", "groupidprefix", "includeheaders", "path", "topic", "checkpointlocation", "queryname"};
static const struct {
    const char *name, *reason;
} refused[] = {{"kafka.auto.offset.reset", "Kafka option 'auto.offset.reset' is not supported. Instead set the source "
                                           "option 'startingoffsets' to 'earliest' or "
                                           "'latest' to specify where to start."},
    {"kafka.key.deserializer", "Kafka option 'key.deserializer' is not supported as keys are deserialized as byte "
                               "arrays with ByteArrayDeserializer. Use "
                               "DataFrame operations to explicitly deserialize the keys."},
    {"kafka.value.deserializer",
        "Kafka option 'value.deserializer' is not supported as values are deserialized as byte arrays with "
        "ByteArrayDeserializer. Use DataFrame operations to explicitly deserialize the values."},
    {"kafka.enable.auto.commit", "Kafka option 'enable.auto.commit' is not supported"},
    {"kafka.interceptor.classes", "Kafka option 'interceptor.classes' is not supported"}};

static bool check_name(struct bytes name, struct sql_error *error) {
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        if (bytes_equal_ignore_case(name, bytes_from_text(refused[i].name))) {
            return refuse(error, "%s", refused[i].reason);
        }
    }
    if (name.size > 6 && bytes_equal_ignore_case(bytes_slice(name, 0, 6), BYTES("kafka."))) {
        return true; /* settings of the client */
    }
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (bytes_equal_ignore_case(name, bytes_from_text(known[i]))) {
            return true;
        }
    }
    /* Others mean nothing to this source, as in Spark; a slip of the pen would, and is told. */
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        char *lower = arena_text(error->arena, name);
        for (char *at = lower; *at != 0; at++) {
            *at = *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at;
        }
        if (strlen(known[i]) > 8 && bytes_edit_distance(bytes_from_text(lower), bytes_from_text(known[i])) <= 2) {
            return refuse(error, "The Kafka source has no option '%.*s'; it has %s", BYTES_ARGS(name), known[i]);
        }
    }
    return true;
}

static bool get_partitions(
    const struct source_request *request, const char *name, int64_t *value, struct sql_error *error) {
    struct bytes text = source_option_get(request, name);
    if (text.data == NULL) {
        return true;
    }
    return bytes_to_int64(text, value)
               ? *value > 0 || refuse(error, "%s must be positive", name)
               : refuse(error, "For input string: \"%.*s\"", BYTES_ARGS(text)); /* as Java says it */
}

static bool get_number(
    const struct source_request *request, const char *name, int64_t least, int64_t *value, struct sql_error *error) {
    struct bytes text = source_option_get(request, name);
    if (text.data == NULL) {
        return true;
    }
    return (bytes_to_int64(text, value) && *value >= least) ||
           refuse(error, "Option '%s' must be a %s integer, it is %.*s", name, least > 0 ? "positive" : "non-negative",
               BYTES_ARGS(text));
}

/* Milliseconds, or a number and its unit as Java's tools write them: 500ms, 10s, 15m. */
static bool get_delay(
    const struct source_request *request, const char *name, int64_t *milliseconds, struct sql_error *error) {
    static const struct {
        const char *name;
        int64_t milliseconds;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    struct bytes text = source_option_get(request, name), trimmed = bytes_trim(text);
    size_t digits = 0;
    while (digits < trimmed.size && trimmed.data[digits] >= '0' && trimmed.data[digits] <= '9') {
        digits++;
    }
    struct bytes unit = bytes_trim(bytes_slice(trimmed, digits, trimmed.size - digits));
    int64_t number;
    bool good = bytes_to_int64(bytes_slice(trimmed, 0, digits), &number) && number <= INT32_MAX;
    for (size_t i = 0; i < ARRAY_COUNT(units) && good; i++) {
        if (bytes_equal_ignore_case(unit, bytes_from_text(units[i].name))) {
            *milliseconds = number * units[i].milliseconds;
            return true;
        }
    }
    return text.data == NULL || refuse(error,
                                    "Option '%s': time must be specified as seconds (s), milliseconds (ms), minutes (m "
                                    "or min), hour (h), or day (d), e.g. 50s, it is %.*s",
                                    name, BYTES_ARGS(text));
}

static bool get_boolean(const struct source_request *request, const char *name, bool *value, struct sql_error *error) {
    struct bytes text = source_option_get(request, name);
    if (text.data == NULL) {
        return true;
    }
    *value = bytes_equal_ignore_case(text, BYTES("true"));
    return *value || bytes_equal_ignore_case(text, BYTES("false")) ||
           refuse(error, "Option '%s' is true or false, not %.*s", name, BYTES_ARGS(text));
}

static bool get_topics(struct arena *arena, struct bytes text, struct kafka_options *options) {
    options->topics = ARENA_ARRAY(arena, const char *, text.size + 1);
    while (text.data != NULL) {
        size_t comma = bytes_find(text, ',', 0);
        struct bytes name = bytes_trim(comma == SIZE_MAX ? text : bytes_slice(text, 0, comma));
        if (name.size > 0) {
            options->topics[options->topic_count++] = arena_text(arena, name);
        }
        text = comma == SIZE_MAX ? BYTES_NULL : bytes_slice(text, comma + 1, text.size - comma - 1);
    }
    return options->topic_count > 0;
}

static bool get_strategy(
    struct arena *arena, const struct source_request *request, struct kafka_options *options, struct sql_error *error) {
    struct bytes assign = source_option_get(request, "assign"), subscribe = source_option_get(request, "subscribe");
    struct bytes pattern = source_option_get(request, "subscribePattern");
    int count = (assign.data != NULL) + (subscribe.data != NULL) + (pattern.data != NULL);
    if (count == 0) {
        return refuse(error, "One of the following options must be specified for Kafka source: subscribe, "
                             "subscribepattern, assign. See the docs for more "
                             "details.");
    }
    if (count > 1) {
        return refuse(error, "Only one of the following options can be specified for Kafka source: subscribe, "
                             "subscribepattern, assign. See the docs for "
                             "more details.");
    }
    if (assign.data != NULL) {
        options->strategy = KAFKA_ASSIGN;
        options->strategy_text = assign;
        if (bytes_trim(assign).size == 0 || bytes_trim(assign).data[0] != '{') {
            return refuse(error, "No topicpartitions to assign as specified value for option 'assign' is '%.*s'",
                BYTES_ARGS(assign));
        }
        return parse_assignment(assign, &options->assigned) ||
               refuse(error, "Expected e.g. {\"topicA\":[0,1],\"topicB\":[0,1]}, got %.*s", BYTES_ARGS(assign));
    }
    if (subscribe.data != NULL) {
        options->strategy = KAFKA_SUBSCRIBE;
        options->strategy_text = subscribe;
        return get_topics(arena, subscribe, options) ||
               refuse(error, "No topics to subscribe to as specified value for option 'subscribe' is '%.*s'",
                   BYTES_ARGS(subscribe));
    }
    options->strategy = KAFKA_SUBSCRIBE_PATTERN;
    options->strategy_text = options->pattern = pattern;
    return bytes_trim(pattern).size > 0 ||
           refuse(error, "Pattern to subscribe is empty as specified value for option 'subscribePattern' is '%.*s'",
               BYTES_ARGS(pattern));
}

/* One of the two ends: a timestamp for all, timestamps by partition, or offsets, in this order of precedence. */
static bool get_bound(
    const struct source_request *request, bool start, struct kafka_bound *bound, struct sql_error *error) {
    const char *by_time = start ? "startingOffsetsByTimestamp" : "endingOffsetsByTimestamp",
               *by_offset = start ? "startingOffsets" : "endingOffsets";
    struct bytes timestamp = source_option_get(request, start ? "startingTimestamp" : "endingTimestamp");
    struct bytes timestamps = source_option_get(request, by_time), offsets = source_option_get(request, by_offset);
    struct error problem = {0};
    bound->limit = start ? (request->streaming ? KAFKA_LIMIT_LATEST : KAFKA_LIMIT_EARLIEST) : KAFKA_LIMIT_LATEST;
    if (timestamp.data != NULL) {
        bound->limit = KAFKA_LIMIT_TIMESTAMP;
        return (bytes_to_int64(timestamp, &bound->timestamp_ms) && bound->timestamp_ms >= 0) ||
               refuse(error, "Expected a single long value, got %.*s", BYTES_ARGS(timestamp));
    }
    if (timestamps.data != NULL) {
        bound->limit = KAFKA_LIMIT_TIMESTAMPS;
        return kafka_offsets_parse(timestamps, &bound->offsets, &problem) ||
               refuse(error,
                   "Expected e.g. {\"topicA\": {\"0\": 123456789, \"1\": 123456789},\n\"topicB\": {\"0\": 123456789, "
                   "\"1\": "
                   "123456789}}, got %.*s",
                   BYTES_ARGS(timestamps));
    }
    if (offsets.data == NULL) {
        return true;
    }
    struct bytes trimmed = bytes_trim(offsets);
    if (bytes_equal_ignore_case(trimmed, BYTES("latest")) || bytes_equal_ignore_case(trimmed, BYTES("earliest"))) {
        bool latest = bytes_equal_ignore_case(trimmed, BYTES("latest"));
        bound->limit = latest ? KAFKA_LIMIT_LATEST : KAFKA_LIMIT_EARLIEST;
        if (!request->streaming && latest == start) {
            return refuse(error, "%s offset can't be %s for batch queries on Kafka", start ? "starting" : "ending",
                latest ? "latest" : "earliest");
        }
        return true;
    }
    bound->limit = KAFKA_LIMIT_OFFSETS;
    if (!kafka_offsets_parse(offsets, &bound->offsets, &problem)) {
        return refuse(error, "%s", problem.message);
    }
    for (size_t i = 0; i < bound->offsets.count && !request->streaming; i++) {
        int64_t wrong = start ? KAFKA_LATEST : KAFKA_EARLIEST;
        if (bound->offsets.items[i].offset == wrong) {
            return refuse(error, "%s for %s-%d can't be %s for batch queries on Kafka",
                start ? "startingOffsets" : "ending offset", bound->offsets.items[i].topic,
                (int)bound->offsets.items[i].partition, start ? "latest" : "earliest");
        }
    }
    return true;
}

static bool check_order(const struct kafka_options *options, struct sql_error *error) {
    long long least = (long long)options->offsets_per_trigger_min, most = (long long)options->offsets_per_trigger;
    return most == 0 || least <= most ||
           refuse(error, "The value of minOffsetPerTrigger(%lld) is higher than the maxOffsetsPerTrigger(%lld).", least,
               most);
}

enum { TRIGGER_DELAY_MAX_MS = 15 * 60 * 1000 };

static bool get_limits(const struct source_request *request, struct kafka_options *options, struct sql_error *error) {
    int64_t ignored = 1;
    struct bytes strategy = source_option_get(request, "startingOffsetsByTimestampStrategy");
    struct bytes isolation = source_option_get(request, "kafka.isolation.level");
    struct bytes protocol = source_option_get(request, "kafka.security.protocol");
    options->fail_on_data_loss = true;
    options->trigger_delay_max_ms = TRIGGER_DELAY_MAX_MS;
    if (protocol.data != NULL && !bytes_equal_ignore_case(protocol, BYTES("PLAINTEXT"))) {
        return raise_unsupported_feature_not_in_this_program(error,
            arena_printf(error->arena, "kafka.security.protocol=%.*s", BYTES_ARGS(protocol)),
            "The broker of this Raudal speaks PLAINTEXT.");
    }
    options->committed = bytes_equal(isolation, BYTES("read_committed"));
    if (isolation.data != NULL && !options->committed && !bytes_equal(isolation, BYTES("read_uncommitted"))) {
        return refuse(error,
            "Invalid value %.*s for configuration isolation.level: String must be one of: read_committed, "
            "read_uncommitted",
            BYTES_ARGS(isolation));
    }
    if (strategy.data != NULL && !bytes_equal_ignore_case(strategy, BYTES("latest")) &&
        !bytes_equal_ignore_case(strategy, BYTES("error"))) {
        return refuse(
            error, "Option 'startingoffsetsbytimestampstrategy' is error or latest, not %.*s", BYTES_ARGS(strategy));
    }
    options->start.latest_when_none = bytes_equal_ignore_case(strategy, BYTES("latest"));
    options->end.latest_when_none = true;
    return get_number(request, "maxOffsetsPerTrigger", 1, &options->offsets_per_trigger, error) &&
           get_number(request, "minOffsetsPerTrigger", 1, &options->offsets_per_trigger_min, error) &&
           get_delay(request, "maxTriggerDelay", &options->trigger_delay_max_ms, error) &&
           check_order(options, error) && get_partitions(request, "minPartitions", &options->partitions_min, error) &&
           get_partitions(request, "maxrecordsperpartition", &options->records_per_partition_max, error) &&
           get_number(request, "kafkaConsumer.pollTimeoutMs", 0, &ignored, error) &&
           get_number(request, "fetchOffset.numRetries", 0, &ignored, error) &&
           get_number(request, "fetchOffset.retryIntervalMs", 0, &ignored, error) &&
           get_boolean(request, "failOnDataLoss", &options->fail_on_data_loss, error) &&
           get_boolean(request, "includeHeaders", &options->include_headers, error);
}

bool kafka_options_parse(
    struct arena *arena, const struct source_request *request, struct kafka_options *options, struct sql_error *error) {
    *options = (struct kafka_options){0};
    for (size_t i = 0; i < request->option_count; i++) {
        if (!check_name(request->options[i].key, error)) {
            return false;
        }
    }
    options->bootstrap_servers = source_option_get(request, "kafka.bootstrap.servers");
    if (options->bootstrap_servers.data == NULL) {
        return refuse(error, "Option 'kafka.bootstrap.servers' must be specified for configuring Kafka consumer");
    }
    if (request->streaming) {
        static const char *const batch_only[] = {"endingOffsets", "endingOffsetsByTimestamp", "endingTimestamp"};
        for (size_t i = 0; i < ARRAY_COUNT(batch_only); i++) {
            if (source_option_get(request, batch_only[i]).data != NULL) {
                return refuse(error, "%s not valid in streaming queries",
                    i == 0   ? "ending offset"
                    : i == 1 ? "ending offsets by timestamp"
                             : "ending timestamp");
            }
        }
    }
    struct bytes group = source_option_get(request, "kafka.group.id");
    struct bytes prefix = source_option_get(request, "groupIdPrefix");
    options->group = group.size > 0 ? group : prefix.size > 0 ? prefix : BYTES("spark-kafka-source");
    return get_strategy(arena, request, options, error) && get_bound(request, true, &options->start, error) &&
           get_bound(request, false, &options->end, error) && get_limits(request, options, error);
}

void kafka_options_free(struct kafka_options *options) {
    kafka_offsets_free(&options->assigned);
    kafka_offsets_free(&options->start.offsets);
    kafka_offsets_free(&options->end.offsets);
}
