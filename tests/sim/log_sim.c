/* log_sim.c: a partition log through crashes, from a seed. A run appends, rolls, deletes records and waits in a
 * simulated world, is killed (or the power fails), recovers, and is read back; then again, several times. What must
 * hold:
 *
 *  - what was acknowledged survives: after kill -9 everything that was appended, after a power cut everything below the
 * high watermark of a partition with flush.messages=1;
 *  - offsets are dense and every record is the one that was written there;
 *  - recovering twice changes nothing;
 *  - a repeated batch of an idempotent producer is recognised after recovery when it was the producer's last.
 *
 * Usage: log_sim [FIRST_SEED [COUNT]]. A failure prints its seed, which replays it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/vector.h"
#include "log/log.h"
#include "wire/record_batch.h"
#include "world/sim/sim.h"

#define PARTITION_COUNT 3
#define ROUNDS 6
#define STEPS 60

struct written {
    int64_t base_offset;
    int32_t count;
    uint64_t content; /* seed of its values */
    int32_t sequence;
};
struct partition {
    struct partition_log *log; /* NULL while it could not be opened */
    bool flush_each;
    VECTOR(struct written) batches; /* by offset */
    int64_t acknowledged;           /* high watermark that was seen */
    int64_t start_offset;
    int64_t start_settled; /* start offsets known to the disk are between this and start_offset */
    int32_t next_sequence;
    bool maybe_more; /* a failed write may have left batches behind the last one */
};
struct run {
    uint64_t seed, random;
    struct world *world;
    struct world_loop *loop;
    struct world_pool *pool;
    struct log_manager *manager;
    struct partition partitions[PARTITION_COUNT];
    int round;
    bool faults;
    int64_t appended, refused;
    struct service_log *service_log;
};

static const struct uuid topic_id = {{1}};

#define CHECK(run, condition, ...)                                                                                     \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "seed %llu round %d: ", (unsigned long long)(run)->seed, (run)->round);                    \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fprintf(stderr, " [%s:%d]\n", __FILE__, __LINE__);                                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The run's own dice, apart from the world's. */
static uint64_t mix(uint64_t value) {
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9u;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static uint64_t dice(struct run *run, uint64_t sides) {
    run->random += 0x9e3779b97f4a7c15u;
    return mix(run->random) % sides;
}

static void value_of(uint64_t content, int32_t index, char out[64]) {
    snprintf(out, 64, "%016llx-%d", (unsigned long long)mix(content + (uint64_t)index), index);
}

static void build(struct run *run, const struct written *batch, struct buffer *out, int producer) {
    struct record_builder builder;
    char value[64];
    record_builder_begin(&builder, out, 0, 0);
    for (int32_t i = 0; i < batch->count; i++) {
        value_of(batch->content, i, value);
        record_builder_add(&builder, i, world_wall_ms(run->world), BYTES("k"), bytes_from_text(value), BYTES_NULL, 0);
    }
    record_builder_end(&builder, producer, 0, batch->sequence, -1);
}

/* ---- the world ---- */

static void set_faults(struct run *run, bool on) {
    struct sim_faults *faults = sim_faults(run->world);
    faults->write_error_ppm = on ? 8000 : 0;
    faults->no_space_ppm = on ? 8000 : 0;
    faults->sync_error_ppm = on ? 8000 : 0;
}

/* With LOG_SIM_VERBOSE set, what the log says goes to standard error. */
static void write_line(void *context, const char *line, size_t size) {
    fwrite(line, 1, size, stderr);
}
static int64_t line_time(void *context) {
    return 0;
}

static void open_all(struct run *run) {
    struct error error = {0};
    run->loop = world_loop_create(run->world, "kafka", &error);
    run->pool = world_pool_create(run->world, "disk", 2, WORLD_POOL_NORMAL, &error);
    struct log_manager_options options = {.world = run->world,
        .loop = run->loop,
        .disk_pool = run->pool,
        .directory = "/data/kafka",
        .node_id = 1,
        .service_log = run->service_log,
        .checkpoint_ms = 500,
        .open_files_max = 4};
    run->manager = log_manager_open(&options, &error);
    CHECK(run, run->manager, "manager: %s", error.message);
    for (int i = 0; i < PARTITION_COUNT; i++) {
        struct partition *partition = &run->partitions[i];
        struct log_config config;
        log_config_defaults(&config);
        config.segment_bytes = 2000 + (int32_t)(run->seed % 5) * 3000;
        config.index_interval_bytes = 300;
        config.segment_index_bytes = 4096;
        config.flush_messages = partition->flush_each ? 1 : INT64_MAX;
        config.retention_ms = -1;
        partition->log = log_open(run->manager, "t", topic_id, i, &config, true, &error);
        CHECK(run, partition->log, "open: %s", error.message);
    }
}

static void close_all(struct run *run) {
    log_manager_close(run->manager);
    world_pool_destroy(run->pool);
    world_loop_destroy(run->loop);
    for (int i = 0; i < PARTITION_COUNT; i++)
        run->partitions[i].log = NULL;
}

/* ---- doing ---- */

static void append(struct run *run, int index) {
    struct partition *partition = &run->partitions[index];
    struct written batch = {
        .count = 1 + (int32_t)dice(run, 12), .content = dice(run, UINT64_MAX), .sequence = partition->next_sequence};
    struct buffer bytes = {0};
    struct error error = {0};
    struct log_append_result result;
    struct log_append_options options = {.leader_epoch = run->round};
    build(run, &batch, &bytes, 100 + index);
    int64_t end_offset = log_end_offset(partition->log);
    enum log_status status = log_append(partition->log, bytes.data, bytes.size, &options, &result, &error);
    buffer_free(&bytes);
    if (status == LOG_STATUS_STORAGE) {
        CHECK(run, run->faults, "append failed without a fault: %s", error.message);
        partition->maybe_more = partition->maybe_more || log_failure(partition->log);
        CHECK(run, log_end_offset(partition->log) == end_offset, "a failed append moved the log end");
        run->refused++;
        return;
    }
    CHECK(run, status == LOG_STATUS_OK, "append: %s %s", log_status_name(status), error.message);
    CHECK(run, !result.duplicate && result.base_offset == end_offset, "append at %lld, log end %lld",
        (long long)result.base_offset, (long long)end_offset);
    batch.base_offset = result.base_offset;
    partition->next_sequence += batch.count;
    VECTOR_PUSH(&partition->batches, batch);
    run->appended++;
}

/* The last batch once more: nothing is written, the answer is that of the first time. */
static void repeat_last(struct run *run, int index) {
    struct partition *partition = &run->partitions[index];
    if (partition->batches.count == 0 || log_failure(partition->log))
        return;
    const struct written *last = &partition->batches.items[partition->batches.count - 1];
    struct buffer bytes = {0};
    struct error error = {0};
    struct log_append_result result;
    struct log_append_options options = {.leader_epoch = run->round};
    build(run, last, &bytes, 100 + index);
    enum log_status status = log_append(partition->log, bytes.data, bytes.size, &options, &result, &error);
    buffer_free(&bytes);
    CHECK(run, status == LOG_STATUS_OK && result.duplicate && result.base_offset == last->base_offset,
        "a repeated batch was not recognised: %s %s", log_status_name(status), error.message);
}

static void delete_some(struct run *run, int index) {
    struct partition *partition = &run->partitions[index];
    int64_t high_watermark = log_high_watermark(partition->log), start_offset;
    if (high_watermark <= partition->start_offset)
        return;
    struct error error;
    int64_t target = partition->start_offset + (int64_t)dice(run, (uint64_t)(high_watermark - partition->start_offset));
    enum log_status status = log_delete_records(partition->log, target, &start_offset, &error);
    CHECK(run, status == LOG_STATUS_OK || run->faults, "delete records: %s", error.message);
    partition->start_offset = log_start_offset(partition->log);
}

static void step(struct run *run) {
    int index = (int)dice(run, PARTITION_COUNT);
    struct error error;
    switch (dice(run, 20)) {
    case 0:
        sim_run_for(run->world, (int64_t)dice(run, 900));
        break;
    case 1:
        if (!log_failure(run->partitions[index].log))
            log_roll(run->partitions[index].log, &error);
        break;
    case 2:
        delete_some(run, index);
        break;
    case 3:
        repeat_last(run, index);
        break;
    case 4:
    case 5:
        sim_run_for(run->world, 20);
        for (int i = 0; i < PARTITION_COUNT && !run->faults; i++)
            run->partitions[i].start_settled = run->partitions[i].start_offset;
        break;
    default:
        append(run, index);
    }
    for (int i = 0; i < PARTITION_COUNT; i++) {
        int64_t high_watermark = log_high_watermark(run->partitions[i].log);
        CHECK(run, high_watermark >= run->partitions[i].acknowledged, "the high watermark went back");
        run->partitions[i].acknowledged = high_watermark;
    }
}

/* ---- checking ---- */

static const struct written *batch_at(const struct partition *partition, int64_t offset) {
    for (size_t i = 0; i < partition->batches.count; i++)
        if (partition->batches.items[i].base_offset == offset)
            return &partition->batches.items[i];
    return NULL;
}

static void check_batch(struct run *run, struct partition *partition, const struct record_batch *batch) {
    const struct written *expected = batch_at(partition, batch->base_offset);
    if (!expected) {
        CHECK(run, partition->maybe_more, "a batch at %lld that nobody wrote", (long long)batch->base_offset);
        return;
    }
    CHECK(run, record_batch_checksum_ok(batch) && batch->record_count == expected->count,
        "the batch at %lld is not what was written", (long long)batch->base_offset);
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    char value[64];
    record_reader_init(&reader, batch, batch->records);
    for (int32_t i = 0; i < expected->count; i++) {
        value_of(expected->content, i, value);
        CHECK(run, record_reader_next(&reader, &record, &error) && bytes_equal_text(record.value, value),
            "record %lld is not what was written", (long long)(batch->base_offset + i));
    }
}

/* Reads from the start to the end: dense, and what was written. */
static void read_back(struct run *run, struct partition *partition) {
    int64_t offset = log_start_offset(partition->log);
    bool first = true;
    for (;;) {
        struct log_view view;
        struct error error = {0};
        enum log_status status =
            log_read_map(partition->log, offset, 1 + dice(run, 5000), LOG_READ_UNCOMMITTED, &view, &error);
        CHECK(run, status == LOG_STATUS_OK, "read at %lld: %s %s", (long long)offset, log_status_name(status),
            error.message);
        if (!view.map)
            break;
        for (struct bytes rest = view.batches; rest.size > 0;) {
            struct record_batch batch;
            CHECK(
                run, record_batch_parse(rest, &batch) == RECORD_BATCH_OK, "read at %lld: no batch", (long long)offset);
            /* A failed write may leave bytes that a power cut mixes with a later one: damage, not a lost write. Nobody
             * was told of it. */
            bool damaged = run->faults && offset >= partition->acknowledged;
            CHECK(run, batch.base_offset == offset || (first && batch.base_offset < offset) || damaged,
                "offset %lld is missing, next is %lld", (long long)offset, (long long)batch.base_offset);
            check_batch(run, partition, &batch);
            first = false;
            offset = record_batch_last_offset(&batch) + 1;
            rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
        }
        CHECK(run, view.next_offset == offset, "next offset %lld, expected %lld", (long long)view.next_offset,
            (long long)offset);
        log_map_release(view.map);
    }
    CHECK(run, offset == log_high_watermark(partition->log), "reading ended at %lld of %lld", (long long)offset,
        (long long)log_high_watermark(partition->log));
}

/* The model forgets what did not survive. */
static void take_over(struct run *run, struct partition *partition) {
    int64_t end_offset = log_end_offset(partition->log);
    while (partition->batches.count > 0) {
        struct written *last = &partition->batches.items[partition->batches.count - 1];
        if (last->base_offset + last->count <= end_offset)
            break;
        partition->batches.count--;
    }
    struct written *last = partition->batches.count ? &partition->batches.items[partition->batches.count - 1] : NULL;
    int64_t known_end = last ? last->base_offset + last->count : partition->start_offset;
    CHECK(run, known_end == end_offset || partition->maybe_more || end_offset == partition->start_offset || !last,
        "the log ends at %lld, within what was written", (long long)end_offset);
    struct log_producer_list producers = {0};
    log_producers(partition->log, &producers);
    partition->next_sequence = producers.count == 1 ? producers.items[0].last_sequence + 1 : 0;
    VECTOR_FREE(&producers);
    if (last && partition->next_sequence != last->sequence + last->count)
        partition->batches.count = 0; /* a batch of a failed write came back: it is the producer's last now */
    partition->start_offset = partition->start_settled = log_start_offset(partition->log);
    partition->acknowledged = log_high_watermark(partition->log);
    partition->maybe_more =
        partition->maybe_more && partition->batches.count == 0 && end_offset > partition->start_offset;
}

static void check_recovered(struct run *run, enum sim_crash_kind kind) {
    for (int i = 0; i < PARTITION_COUNT; i++) {
        struct partition *partition = &run->partitions[i];
        int64_t end_offset = log_end_offset(partition->log), start_offset = log_start_offset(partition->log);
        const struct written *last =
            partition->batches.count ? &partition->batches.items[partition->batches.count - 1] : NULL;
        int64_t written_end = last ? last->base_offset + last->count : partition->start_offset;
        if (kind == SIM_CRASH_PROCESS) {
            CHECK(run, end_offset >= written_end, "partition %d: %lld of %lld records survived kill -9", i,
                (long long)end_offset, (long long)written_end);
            CHECK(run, start_offset >= partition->start_settled, "partition %d: deleted records came back", i);
        } else if (partition->flush_each) {
            CHECK(run, end_offset >= partition->acknowledged,
                "partition %d: %lld were acknowledged, %lld survived a power cut", i,
                (long long)partition->acknowledged, (long long)end_offset);
        }
        read_back(run, partition);
    }
}

/* Kills it and starts it again on what survived. */
static void crash(struct run *run, enum sim_crash_kind kind) {
    set_faults(run, false);
    struct world *after = sim_crash(run->world, kind, dice(run, UINT64_MAX));
    close_all(run);
    world_destroy(run->world);
    run->world = after;
    open_all(run);
}

static void one_round(struct run *run) {
    run->faults = run->seed % 3 == 0;
    set_faults(run, run->faults);
    for (int i = 0; i < STEPS; i++)
        step(run);
    /* A power cut only where every partition asked to be synced: the others promise nothing then. */
    bool all_flush = true;
    for (int i = 0; i < PARTITION_COUNT; i++)
        all_flush = all_flush && run->partitions[i].flush_each;
    enum sim_crash_kind kind = all_flush && dice(run, 2) ? SIM_CRASH_POWER : SIM_CRASH_PROCESS;
    crash(run, kind);
    check_recovered(run, kind);
    int64_t ends[PARTITION_COUNT], sizes[PARTITION_COUNT];
    for (int i = 0; i < PARTITION_COUNT; i++) {
        take_over(run, &run->partitions[i]);
        ends[i] = log_end_offset(run->partitions[i].log);
        sizes[i] = log_size(run->partitions[i].log);
    }
    crash(run, SIM_CRASH_PROCESS);
    for (int i = 0; i < PARTITION_COUNT; i++) {
        CHECK(run, ends[i] == log_end_offset(run->partitions[i].log) && sizes[i] == log_size(run->partitions[i].log),
            "recovering again changed partition %d: end %lld to %lld, size %lld to %lld", i, (long long)ends[i],
            (long long)log_end_offset(run->partitions[i].log), (long long)sizes[i],
            (long long)log_size(run->partitions[i].log));
        repeat_last(run, i);
    }
}

static void run_seed(uint64_t seed, int64_t *appended) {
    struct run run = {.seed = seed, .random = seed, .world = world_sim_create(seed)};
    struct error error;
    CHECK(&run, world_mkdirs(run.world, "/data/kafka", 0755, &error), "%s", error.message);
    CHECK(&run, world_sync_directory(run.world, "/", &error) && world_sync_directory(run.world, "/data", &error), "%s",
        error.message);
    for (int i = 0; i < PARTITION_COUNT; i++)
        run.partitions[i].flush_each = seed % 2 == 0 || i == 0;
    if (getenv("LOG_SIM_VERBOSE"))
        run.service_log = service_log_create(
            "kafka", LOG_FORM_KAFKA, (struct service_log_target){.write = write_line, .wall_ms = line_time});
    open_all(&run);
    for (run.round = 0; run.round < ROUNDS; run.round++)
        one_round(&run);
    close_all(&run);
    world_destroy(run.world);
    if (run.service_log)
        service_log_destroy(run.service_log);
    for (int i = 0; i < PARTITION_COUNT; i++)
        VECTOR_FREE(&run.partitions[i].batches);
    *appended += run.appended;
}

int main(int argc, char **argv) {
    int64_t first = 1, count = 40, appended = 0;
    if ((argc > 1 && !bytes_to_int64(bytes_from_text(argv[1]), &first)) ||
        (argc > 2 && !bytes_to_int64(bytes_from_text(argv[2]), &count))) {
        fprintf(stderr, "usage: %s [FIRST_SEED [COUNT]]\n", argv[0]);
        return 2;
    }
    for (int64_t seed = first; seed < first + count; seed++)
        run_seed((uint64_t)seed, &appended);
    printf("%lld seeds, %lld batches appended: nothing acknowledged was lost\n", (long long)count, (long long)appended);
    return 0;
}
