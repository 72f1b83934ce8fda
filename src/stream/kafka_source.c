/* kafka_source.c: Kafka as a source of the engine, for batch reads and for the micro-batches of a stream. One partition
 * of a scan is one partition of a topic. */
#include <stdio.h>
#include <math.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/assert.h"
#include "stream/kafka_options.h"
#include "stream/kafka_ranges.h"
#include "stream/kafka_read.h"
#include "stream/kafka_why.h"
#include "stream/source.h"

struct kafka_source {
    struct source base;
    struct arena arena;
    struct stream_kafka *kafka;
    struct kafka_options options;
    bool streaming;
    /* a micro-batch: the range is given */
    bool has_range;
    struct kafka_offsets start, end;
};

/* ---- which partitions ---- */

struct matcher {
    pcre2_code *code;
    pcre2_match_data *data;
};

/* Somewhere in the name, as Spark looks for it: "a.*" also means "data". */
static bool matches(void *argument, const char *topic) {
    struct matcher *matcher = argument;
    return pcre2_match(matcher->code, (PCRE2_SPTR)topic, strlen(topic), 0, 0, matcher->data, NULL) >= 0;
}

static bool list_pattern(const struct kafka_source *source, struct stream_kafka_list *list, struct error *error) {
    int number;
    size_t place;
    struct bytes pattern = source->options.pattern;
    struct matcher matcher = {.code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size, 0, &number, &place, NULL)};
    if (matcher.code == NULL) {
        return error_set(
            error, ERROR_INVALID, "option subscribePattern is not a regular expression: %.*s", BYTES_ARGS(pattern));
    }
    matcher.data = pcre2_match_data_create_from_pattern(matcher.code, NULL);
    bool good = source->kafka->class->each_topic(source->kafka, matches, &matcher, list, error);
    pcre2_match_data_free(matcher.data);
    pcre2_code_free(matcher.code);
    return good;
}

static void topic_ready(void *argument, int32_t count, const struct error *error) {
}

static bool list_partitions(const struct kafka_source *source, struct stream_kafka_list *list, struct error *error) {
    const struct kafka_options *options = &source->options;
    if (options->strategy == KAFKA_SUBSCRIBE_PATTERN) {
        return list_pattern(source, list, error);
    }
    if (options->strategy == KAFKA_ASSIGN) {
        for (size_t i = 0; i < options->assigned.count; i++) {
            VECTOR_PUSH(list, ((struct stream_kafka_partition){
                                  strdup(options->assigned.items[i].topic), options->assigned.items[i].partition}));
        }
        return true;
    }
    for (size_t i = 0; i < options->topic_count; i++) {
        struct error missing = {0};
        if (!source->kafka->class->partitions(source->kafka, options->topics[i], list, &missing)) {
            if (missing.code != ERROR_NOT_FOUND) {
                *error = missing;
                return false;
            }
            /* Kafka's client asks for the topic and so makes it; its partitions are seen with the next question. */
            source->kafka->class->ensure_topic(source->kafka, options->topics[i], topic_ready, NULL);
        }
    }
    return true;
}

/* ---- offsets ---- */

static bool offset_for(const struct kafka_source *source, const struct kafka_bound *bound, const char *topic,
    int32_t partition, int64_t *offset, struct error *error) {
    int64_t earliest, latest, timestamp = bound->timestamp_ms;
    if (!source->kafka->class->offsets(source->kafka, topic, partition, &earliest, &latest, error) ||
        (source->options.committed &&
            !source->kafka->class->stable_offset(source->kafka, topic, partition, &latest, error))) {
        return false;
    }
    *offset = bound->limit == KAFKA_LIMIT_EARLIEST ? earliest : latest;
    if (bound->limit == KAFKA_LIMIT_OFFSETS) {
        int64_t given = kafka_offsets_get(&bound->offsets, topic, partition);
        if (given == -3) {
            return error_set(error, ERROR_INVALID,
                "If startingOffsets contains specific offsets, you must specify all TopicPartitions. Use -1 for "
                "latest, -2 "
                "for earliest. %s-%d is missing",
                topic, (int)partition);
        }
        *offset = given == KAFKA_LATEST ? latest : given == KAFKA_EARLIEST ? earliest : given;
        return true;
    }
    if (bound->limit == KAFKA_LIMIT_TIMESTAMPS) {
        timestamp = kafka_offsets_get(&bound->offsets, topic, partition);
        if (timestamp == -3) {
            return error_set(error, ERROR_INVALID,
                "If startingOffsetsByTimestamp contains specific offsets, you must specify all topics. %s-%d is "
                "missing",
                topic, (int)partition);
        }
    }
    if (bound->limit != KAFKA_LIMIT_TIMESTAMP && bound->limit != KAFKA_LIMIT_TIMESTAMPS) {
        return true;
    }
    if (!source->kafka->class->offset_for_time(
            source->kafka, topic, partition, timestamp, source->options.committed, offset, error)) {
        return false;
    }
    if (*offset < 0 && !bound->latest_when_none) {
        return error_set(error, ERROR_INVALID,
            "No offset matched from request of topic-partition %s-%d and timestamp %lld.", topic, (int)partition,
            (long long)timestamp);
    }
    *offset = *offset < 0 ? latest : *offset;
    return true;
}

static bool resolve(const struct kafka_source *source, const struct kafka_bound *bound, struct kafka_offsets *offsets,
    struct error *error) {
    struct stream_kafka_list list = {0};
    bool good = list_partitions(source, &list, error);
    for (size_t i = 0; i < list.count && good; i++) {
        int64_t offset;
        good = offset_for(source, bound, list.items[i].topic, list.items[i].partition, &offset, error);
        if (good) {
            kafka_offsets_set(offsets, list.items[i].topic, list.items[i].partition, offset);
        }
    }
    stream_kafka_list_free(&list);
    return good;
}

/* ---- source of the engine ---- */

static void source_close(struct source *base) {
    struct kafka_source *source = (struct kafka_source *)base;
    kafka_options_free(&source->options);
    kafka_offsets_free(&source->start);
    kafka_offsets_free(&source->end);
    arena_destroy(&source->arena);
    free(source);
}

static struct source *source_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    const struct stream_context *context = exec_source_context(request->engine, class);
    struct kafka_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    struct error problem = {0};
    bool good = kafka_options_parse(&source->arena, request, &source->options, error);
    if (good && request->user_schema != NULL) {
        good = raise__legacy_error_illegal_argument(
            error, "Kafka source has a fixed schema and cannot be set with a custom one");
    }
    if (good && context->kafka == NULL) {
        good = raise_unsupported_feature_not_in_this_program(error,
            "The source kafka without the broker of this Raudal (it was started with --only)",
            "Start Raudal with the kafka service.");
    }
    if (good && !context->kafka->class->is_own(context->kafka, source->options.bootstrap_servers, &problem)) {
        good = problem.code == ERROR_CLOSED
                   ? sql_error_from(error, &problem)
                   : raise_unsupported_feature_not_in_this_program(error, "Another Kafka than this Raudal's own",
                         arena_printf(error->arena, "Name the own one: %s.", problem.message));
    }
    source->base = (struct source){class, kafka_row_type(source->options.include_headers)};
    source->kafka = context->kafka;
    source->streaming = request->streaming;
    /* Texts of the options live as long as the request; the topic names, the pattern and the description are needed
     * longer. */
    source->options.strategy_text = arena_copy(&source->arena, source->options.strategy_text);
    source->options.pattern =
        source->options.pattern.data == NULL ? BYTES_NULL : arena_copy(&source->arena, source->options.pattern);
    source->options.bootstrap_servers = BYTES_NULL;
    source->options.group = arena_copy(&source->arena, source->options.group);
    if (!good) {
        source_close(&source->base);
        return NULL;
    }
    return &source->base;
}

static void source_explain(struct source *base, struct buffer *out) {
    struct kafka_source *source = (struct kafka_source *)base;
    buffer_printf(out, "kafka [%.*s]", BYTES_ARGS(source->options.strategy_text));
}

struct kafka_scan {
    struct source_scan base;
    struct arena arena;
    const struct source_projection *projection;
    struct kafka_range *ranges;
};

struct kafka_partition {
    struct source_partition base;
    struct kafka_reader *reader;
};

static void scan_end(struct source_scan *base) {
    struct kafka_scan *scan = (struct kafka_scan *)base;
    arena_destroy(&scan->arena);
    free(scan);
}

/* Offsets that a program names may be in no order. */
static bool check_order(const struct kafka_source *source, const struct kafka_offsets *start,
    const struct kafka_offsets *end, struct error *error) {
    for (size_t i = 0; i < end->count && source->options.start.limit == KAFKA_LIMIT_OFFSETS; i++) {
        const struct kafka_offset *last = &end->items[i];
        int64_t first = kafka_offsets_get(start, last->topic, last->partition);
        if (first > last->offset) {
            return error_set(error, ERROR_INVALID,
                "The specified start offset %lld is greater than the end offset %lld for topic %s partition %d.",
                (long long)first, (long long)last->offset, last->topic, (int)last->partition);
        }
    }
    return true;
}

static struct source_scan *scan_begin(
    struct source *base, const struct source_projection *projection, struct sql_error *error) {
    struct kafka_source *source = (struct kafka_source *)base;
    struct kafka_offsets start = {0}, end = {0};
    struct error problem = {0};
    if (!source->has_range &&
        (!resolve(source, &source->options.start, &start, &problem) ||
            !resolve(source, &source->options.end, &end, &problem) || !check_order(source, &start, &end, &problem))) {
        kafka_offsets_free(&start);
        kafka_offsets_free(&end);
        if (problem.code == ERROR_INVALID) {
            raise__legacy_error_illegal_argument(error, problem.message);
        } else {
            sql_error_from(error, &problem);
        }
        return NULL;
    }
    const struct kafka_offsets *from = source->has_range ? &source->start : &start,
                               *to = source->has_range ? &source->end : &end;
    struct kafka_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    scan->base.source = base;
    scan->projection = projection;
    struct kafka_ranges ranges = {ARENA_ARRAY(&scan->arena, struct kafka_range, to->count + 1), 0};
    for (size_t i = 0; i < to->count; i++) {
        int64_t first = kafka_offsets_get(from, to->items[i].topic, to->items[i].partition);
        if (first == -3) { /* a new partition is read from its start */
            int64_t latest;
            if (!source->kafka->class->offsets(
                    source->kafka, to->items[i].topic, to->items[i].partition, &first, &latest, &problem)) {
                first = 0;
            }
            first = source->has_range ? 0 : first;
        }
        if (first < to->items[i].offset) {
            ranges.items[ranges.count++] = (struct kafka_range){
                arena_strdup(&scan->arena, to->items[i].topic), to->items[i].partition, first, to->items[i].offset};
        }
    }
    kafka_ranges_split(
        &ranges, source->options.partitions_min, source->options.records_per_partition_max, &scan->arena);
    scan->ranges = ranges.items;
    scan->base.partition_count = ranges.count;
    kafka_offsets_free(&start);
    kafka_offsets_free(&end);
    return &scan->base;
}

static struct source_partition *partition_open(struct source_scan *base, size_t index, struct sql_error *error) {
    struct kafka_scan *scan = (struct kafka_scan *)base;
    struct kafka_source *source = (struct kafka_source *)base->source;
    struct kafka_partition *partition = calloc(1, sizeof *partition);
    ASSERT(partition != NULL);
    partition->base.scan = base;
    struct kafka_reader_options options = {source->kafka, scan->ranges[index].topic, scan->ranges[index].partition,
        scan->ranges[index].start, scan->ranges[index].end, source->options.fail_on_data_loss,
        source->options.committed, scan->projection->columns, scan->projection->column_count, scan->projection->schema};
    partition->reader = kafka_reader_create(&options);
    return &partition->base;
}

static enum source_result partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct kafka_partition *partition = (struct kafka_partition *)base;
    int64_t bytes = 0;
    enum source_result result = kafka_reader_next(partition->reader, batch, &bytes, error);
    __atomic_fetch_add(&base->scan->bytes_read, bytes, __ATOMIC_RELAXED);
    return result;
}

static void partition_close(struct source_partition *base) {
    struct kafka_partition *partition = (struct kafka_partition *)base;
    kafka_reader_destroy(partition->reader);
    free(partition);
}

const struct source_class kafka_source_class = {.name = "kafka",
    .streaming = true,
    .batch = true,
    .open = source_open,
    .close = source_close,
    .explain = source_explain,
    .scan_begin = scan_begin,
    .scan_end = scan_end,
    .partition_open = partition_open,
    .partition_next = partition_next,
    .partition_close = partition_close};

/* ---- streaming ---- */

struct kafka_reading {
    struct stream_reading base;
    struct kafka_source *source;
    struct store *store;
    char *checkpoint;
    struct kafka_topics topics;
    bool topics_read;
    int64_t limited_ms; /* when minOffsetsPerTrigger last let a batch through */
};

static struct stream_reading *reading_open(
    struct source *source, const struct stream_context *context, const char *checkpoint, struct sql_error *error) {
    struct kafka_reading *reading = calloc(1, sizeof *reading);
    ASSERT(reading != NULL);
    *reading = (struct kafka_reading){.base = {&kafka_stream_class, source},
        .source = (struct kafka_source *)source,
        .store = context->store,
        .checkpoint = strdup(checkpoint)};
    return &reading->base;
}

static void reading_close(struct stream_reading *base) {
    struct kafka_reading *reading = (struct kafka_reading *)base;
    kafka_topics_free(&reading->topics);
    free(reading->checkpoint);
    free(reading);
}

/* sources/<i>/0: a zero byte, "v1", a line end, the offsets. */
static bool initial(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    struct kafka_reading *reading = (struct kafka_reading *)base;
    struct arena arena = {0};
    struct buffer stored = {0};
    struct error problem = {0};
    char *path = store_path_join(&arena, reading->checkpoint, "0");
    bool good = true;
    if (store_exists(reading->store, path) && store_read_file(reading->store, path, 16 << 20, &stored, &problem) &&
        stored.size > 4) {
        size_t start = stored.data[0] == 0 ? 1 : 0, line = bytes_find(buffer_view(&stored), '\n', 0);
        struct bytes version = line == SIZE_MAX ? BYTES_NULL : bytes_slice(buffer_view(&stored), start, line - start);
        struct kafka_offsets offsets = {0};
        good = bytes_equal(version, BYTES("v1")) &&
               kafka_offsets_parse(
                   bytes_slice(buffer_view(&stored), line + 1, stored.size - line - 1), &offsets, &problem);
        if (good) {
            kafka_offsets_format(&offsets, offset);
        } else {
            raise_streaming_checkpoint_invalid(
                error, reading->checkpoint, "the file sources/0/0 does not hold Kafka offsets of version v1");
        }
        kafka_offsets_free(&offsets);
    } else {
        struct kafka_offsets offsets = {0};
        good = resolve(reading->source, &reading->source->options.start, &offsets, &problem);
        if (good) {
            kafka_offsets_format(&offsets, offset);
            buffer_clear(&stored);
            buffer_append(&stored, "\0v1\n", 4);
            buffer_append_bytes(&stored, buffer_view(offset));
            good = offsets.count == 0 ||
                   store_write_file(reading->store, path, buffer_view(&stored), STORE_WRITE_REPLACE, &problem);
        }
        if (!good && problem.code == ERROR_INVALID) {
            raise__legacy_error_illegal_argument(error, problem.message);
        } else if (!good) {
            sql_error_from(error, &problem);
        }
        kafka_offsets_free(&offsets);
    }
    buffer_free(&stored);
    arena_destroy(&arena);
    return good;
}

/* With failOnDataLoss a topic that was deleted and made again ends the query. */
static bool check_topics(struct kafka_reading *reading, const struct kafka_offsets *offsets, struct sql_error *error) {
    struct arena arena = {0};
    const char *again;
    const char *path = store_path_join(&arena, reading->checkpoint, "topics");
    if (!reading->topics_read) {
        kafka_topics_read(&reading->topics, reading->store, path);
        reading->topics_read = true;
    }
    bool same = kafka_topics_check(&reading->topics, reading->source->kafka, offsets, reading->store, path, &again);
    arena_destroy(&arena);
    return same ||
           raise_kafka_data_loss(
               error, arena_printf(error->arena,
                          "topic %s was deleted and made again: the offsets of the checkpoint belong to the topic that "
                          "has gone. With a new checkpointLocation the query reads the new one from its start",
                          again));
}

static bool latest(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    struct kafka_reading *reading = (struct kafka_reading *)base;
    struct kafka_offsets offsets = {0};
    struct error problem = {0};
    bool good = resolve(reading->source, &(struct kafka_bound){.limit = KAFKA_LIMIT_LATEST}, &offsets, &problem) ||
                sql_error_from(error, &problem);
    if (good && reading->source->options.fail_on_data_loss) {
        good = check_topics(reading, &offsets, error);
    }
    if (good) {
        kafka_offsets_format(&offsets, offset);
    }
    kafka_offsets_free(&offsets);
    return good;
}

static bool parse_both(struct bytes first_text, struct bytes second_text, struct kafka_offsets *first,
    struct kafka_offsets *second, struct sql_error *error) {
    struct error problem = {0};
    return (kafka_offsets_parse(first_text, first, &problem) && kafka_offsets_parse(second_text, second, &problem)) ||
           sql_error_from(error, &problem);
}

/* Offsets that the first batch of a partition starts at: new partitions are read from their start. */
static int64_t start_of(
    struct kafka_reading *reading, const struct kafka_offsets *start, const struct kafka_offset *end) {
    int64_t first = kafka_offsets_get(start, end->topic, end->partition), last;
    struct error problem;
    if (first == -3 && !reading->source->kafka->class->offsets(
                           reading->source->kafka, end->topic, end->partition, &first, &last, &problem)) {
        first = 0;
    }
    return first;
}

/* The log ends before an offset that the checkpoint names: it was cut by a loss of power, or the topic was made anew.
 */
static void ahead_of_log(const struct kafka_offset *end, int64_t named, struct sql_error *error) {
    raise_kafka_data_loss(error,
        arena_printf(error->arena,
            "the checkpoint is ahead of its log: %s-%d ends at offset %lld, the checkpoint names %lld. The topic was "
            "deleted and made again, or lost its end; with a new checkpointLocation the query reads it from its start",
            end->topic, (int)end->partition, (long long)end->offset, (long long)named));
}

/* minOffsetsPerTrigger, for maxTriggerDelay at most; the first batch of a run does not wait. */
static bool must_wait(struct kafka_reading *reading, int64_t waiting, int64_t now_ms, int64_t *wait_ms) {
    const struct kafka_options *options = &reading->source->options;
    int64_t waited_ms = now_ms - reading->limited_ms;
    if (options->offsets_per_trigger_min == 0) {
        return false;
    }
    if (waiting >= options->offsets_per_trigger_min || waited_ms >= options->trigger_delay_max_ms || waited_ms < 0) {
        reading->limited_ms = now_ms;
        return false;
    }
    *wait_ms = options->trigger_delay_max_ms - waited_ms;
    return true;
}

/* maxOffsetsPerTrigger is shared out in proportion to what each partition has waiting, as Spark does it. */
static bool limit(struct stream_reading *base, struct bytes start_text, struct bytes latest_text, int64_t now_ms,
    struct buffer *end, int64_t *wait_ms, struct sql_error *error) {
    struct kafka_reading *reading = (struct kafka_reading *)base;
    const struct kafka_options *options = &reading->source->options;
    struct kafka_offsets start = {0}, last = {0};
    if (!parse_both(start_text, latest_text, &start, &last, error)) {
        kafka_offsets_free(&start);
        kafka_offsets_free(&last);
        return false;
    }
    int64_t total = 0;
    for (size_t i = 0; i < last.count; i++) {
        int64_t first = start_of(reading, &start, &last.items[i]), waiting = last.items[i].offset - first;
        if (waiting < 0 && options->fail_on_data_loss) {
            ahead_of_log(&last.items[i], first, error);
            kafka_offsets_free(&start);
            kafka_offsets_free(&last);
            return false;
        }
        total += waiting > 0 ? waiting : 0;
    }
    if (must_wait(reading, total, now_ms, wait_ms)) {
        buffer_append_bytes(end, start_text);
        kafka_offsets_free(&start);
        kafka_offsets_free(&last);
        return true;
    }
    bool limited = options->offsets_per_trigger > 0 && total > options->offsets_per_trigger;
    for (size_t i = 0; i < last.count && limited; i++) {
        int64_t first = start_of(reading, &start, &last.items[i]), waiting = last.items[i].offset - first;
        if (waiting > 0) {
            double share = (double)options->offsets_per_trigger * ((double)waiting / (double)total);
            int64_t count = share < 1 ? 1 : (int64_t)share;
            last.items[i].offset = first + (count < waiting ? count : waiting);
        }
    }
    /* Partitions that have gone stay in the offsets as they were. */
    for (size_t i = 0; i < start.count; i++) {
        if (kafka_offsets_get(&last, start.items[i].topic, start.items[i].partition) == -3) {
            kafka_offsets_set(&last, start.items[i].topic, start.items[i].partition, start.items[i].offset);
        }
    }
    kafka_offsets_format(&last, end);
    kafka_offsets_free(&start);
    kafka_offsets_free(&last);
    return true;
}

static struct source *make_batch(
    struct stream_reading *base, struct bytes start, struct bytes end, struct sql_error *error) {
    struct kafka_reading *reading = (struct kafka_reading *)base;
    struct kafka_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    source->base = reading->source->base;
    source->kafka = reading->source->kafka;
    source->options.fail_on_data_loss = reading->source->options.fail_on_data_loss;
    source->options.committed = reading->source->options.committed;
    source->options.partitions_min = reading->source->options.partitions_min;
    source->options.records_per_partition_max = reading->source->options.records_per_partition_max;
    source->has_range = true;
    if (!parse_both(start, end, &source->start, &source->end, error)) {
        source_close(&source->base);
        return NULL;
    }
    for (size_t i = 0; i < source->end.count; i++) {
        int64_t from = start_of(reading, &source->start, &source->end.items[i]), earliest, last;
        struct error problem = {0};
        kafka_offsets_set(&source->start, source->end.items[i].topic, source->end.items[i].partition, from);
        bool ahead = reading->source->kafka->class->offsets(reading->source->kafka, source->end.items[i].topic,
                         source->end.items[i].partition, &earliest, &last, &problem) &&
                     source->end.items[i].offset > last;
        bool behind = from > source->end.items[i].offset;
        if ((ahead || behind) && source->options.fail_on_data_loss) {
            int64_t named = behind ? from : source->end.items[i].offset;
            source->end.items[i].offset = behind ? source->end.items[i].offset : last;
            ahead_of_log(&source->end.items[i], named, error);
            source_close(&source->base);
            return NULL;
        }
        if (ahead) {
            source->end.items[i].offset = last;
        }
    }
    return &source->base;
}

static int64_t range_size(struct stream_reading *base, struct bytes start_text, struct bytes end_text) {
    struct kafka_offsets start = {0}, end = {0};
    struct error ignored;
    int64_t rows = INT64_MAX;
    if (kafka_offsets_parse(start_text, &start, &ignored) && kafka_offsets_parse(end_text, &end, &ignored)) {
        rows = 0;
        for (size_t i = 0; i < end.count; i++) {
            int64_t from = kafka_offsets_get(&start, end.items[i].topic, end.items[i].partition);
            rows += end.items[i].offset - (from < 0 ? 0 : from);
        }
    }
    kafka_offsets_free(&start);
    kafka_offsets_free(&end);
    return rows;
}

static void describe(struct stream_reading *base, struct buffer *out) {
    static const char *const names[] = {"Assign", "Subscribe", "SubscribePattern"};
    struct kafka_reading *reading = (struct kafka_reading *)base;
    const struct kafka_options *options = &reading->source->options;
    buffer_printf(out, "KafkaV2[%s[", names[options->strategy]);
    for (size_t i = 0; i < options->assigned.count && options->strategy == KAFKA_ASSIGN; i++) {
        buffer_printf(out, "%s%s-%d", i > 0 ? ", " : "", options->assigned.items[i].topic,
            (int)options->assigned.items[i].partition);
    }
    if (options->strategy == KAFKA_SUBSCRIBE) {
        for (size_t i = 0; i < options->topic_count; i++) {
            buffer_printf(out, "%s%s", i > 0 ? ", " : "", options->topics[i]);
        }
    } else if (options->strategy == KAFKA_SUBSCRIBE_PATTERN) {
        buffer_append_bytes(out, options->strategy_text);
    }
    buffer_append_text(out, "]]");
}

static void metrics(
    struct stream_reading *base, struct bytes end_text, struct bytes latest_text, struct stream_metrics *result) {
    struct kafka_offsets end = {0}, last = {0};
    struct sql_error ignored = {0};
    struct arena arena = {0};
    ignored.arena = &arena;
    if (parse_both(end_text, latest_text, &end, &last, &ignored) && last.count > 0) {
        int64_t least = INT64_MAX, most = 0, sum = 0;
        for (size_t i = 0; i < last.count; i++) {
            int64_t done = kafka_offsets_get(&end, last.items[i].topic, last.items[i].partition),
                    behind = done < 0 ? 0 : last.items[i].offset - done;
            least = behind < least ? behind : least;
            most = behind > most ? behind : most;
            sum += behind;
        }
        static const char *const names[] = {
            "avgOffsetsBehindLatest", "maxOffsetsBehindLatest", "minOffsetsBehindLatest"};
        memcpy(result->names, names, sizeof names);
        snprintf(result->values[0], sizeof result->values[0], "%.1f",
            floor((double)sum / (double)last.count * 10 + 0.5) / 10); /* halves go up, as Java rounds */
        snprintf(result->values[1], sizeof result->values[1], "%lld", (long long)most);
        snprintf(result->values[2], sizeof result->values[2], "%lld", (long long)least);
        result->count = 3;
    }
    kafka_offsets_free(&end);
    kafka_offsets_free(&last);
    arena_destroy(&arena);
}

static void *subscribe(struct stream_reading *base, void (*wake)(void *argument), void *argument) {
    struct stream_kafka *kafka = ((struct kafka_reading *)base)->source->kafka;
    return kafka->class->subscribe(kafka, wake, argument);
}

static void unsubscribe(struct stream_reading *base, void *subscription) {
    struct stream_kafka *kafka = ((struct kafka_reading *)base)->source->kafka;
    kafka->class->unsubscribe(kafka, subscription);
}

static void reasons(struct stream_reading *base, struct bytes start, const char *read_before, bool read_now,
    int64_t wait_ms, struct stream_reasons *out) {
    struct kafka_source *source = ((struct kafka_reading *)base)->source;
    kafka_reasons(source->kafka, &source->options, start, read_before, read_now, wait_ms, out);
}

static void show(struct stream_reading *base, const char *name, struct bytes position) {
    struct kafka_source *source = ((struct kafka_reading *)base)->source;
    struct kafka_offsets offsets = {0};
    struct buffer group = {0};
    struct error ignored;
    VECTOR(struct stream_kafka_position) positions = {0};
    if (position.size > 0) {
        (void)kafka_offsets_parse(position, &offsets, &ignored);
    }
    for (size_t i = 0; i < offsets.count; i++) {
        VECTOR_PUSH(&positions, ((struct stream_kafka_position){
                                    offsets.items[i].topic, offsets.items[i].partition, offsets.items[i].offset}));
    }
    buffer_printf(&group, "%.*s-%s", BYTES_ARGS(source->options.group), name);
    if (positions.count > 0 || position.size == 0) {
        source->kafka->class->show_group(source->kafka, buffer_text(&group), positions.items, positions.count);
    }
    VECTOR_FREE(&positions);
    kafka_offsets_free(&offsets);
    buffer_free(&group);
}

static void add_lag(struct stream_reading *base, struct bytes position, struct stream_lag *lag) {
    kafka_add_lag(((struct kafka_reading *)base)->source->kafka, position, lag);
}

struct sync_call {
    int left;
    bool good;
    void (*done)(void *argument, bool ok);
    void *argument;
};

static void synced(void *argument, bool ok) {
    struct sync_call *call = argument;
    if (!ok) {
        __atomic_store_n(&call->good, false, __ATOMIC_RELEASE);
    }
    if (__atomic_sub_fetch(&call->left, 1, __ATOMIC_ACQ_REL) == 0) {
        call->done(call->argument, call->good);
        free(call);
    }
}

static void sync_offsets(
    struct stream_reading *base, struct bytes end, void (*done)(void *argument, bool ok), void *argument) {
    struct stream_kafka *kafka = ((struct kafka_reading *)base)->source->kafka;
    struct kafka_offsets offsets = {0};
    struct error ignored;
    struct sync_call *call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    (void)kafka_offsets_parse(end, &offsets, &ignored);
    *call = (struct sync_call){(int)offsets.count + 1, true, done, argument};
    for (size_t i = 0; i < offsets.count; i++) {
        kafka->class->sync(kafka, offsets.items[i].topic, offsets.items[i].partition, synced, call);
    }
    kafka_offsets_free(&offsets);
    synced(call, true);
}

const struct stream_source_class kafka_stream_class = {.class = &kafka_source_class,
    .open = reading_open,
    .close = reading_close,
    .initial = initial,
    .latest = latest,
    .limit = limit,
    .batch = make_batch,
    .describe = describe,
    .metrics = metrics,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .reasons = reasons,
    .lag = add_lag,
    .show = show,
    .size = range_size,
    .equal_offsets_are_text = true,
    .sync = sync_offsets};
