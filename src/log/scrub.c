/* scrub.c: the background verification. From time to time every batch of every partition is read and checked once more,
 * at a bounded rate, so that damage is known before somebody needs what it hit. One piece of one segment at a time, on
 * the disk pool; the place is kept by names, so partitions and segments may come and go meanwhile. */
#include "log/internal.h"

#include <stdlib.h>

#include "base/assert.h"

#define FIRST_PASS_DELAY_MS (10 * 60 * 1000)
#define PIECE_SIZE_MAX (1 << 20)

struct scrub {
    bool running, in_pass;
    VECTOR(char *) names;                       /* partitions of this pass that are left, the last is at hand */
    int64_t base_offset, position;              /* where to go on in that one */
    int64_t next_pass_ms, allowance, filled_ms; /* monotonic; bytes that may be read now */
    int64_t found;                              /* bad batches of this pass */
};

struct scrub_job {
    struct log_manager *manager;
    struct partition_log *log; /* counted */
    struct segment *segment;
    int64_t from, to, wanted, bad_before, bad_after;
    bool ok;
};

static void clear_names(struct scrub *scrub) {
    for (size_t i = 0; i < scrub->names.count; i++)
        free(scrub->names.items[i]);
    scrub->names.count = 0;
}

void scrub_free(struct log_manager *manager) {
    if (!manager->scrub)
        return;
    clear_names(manager->scrub);
    VECTOR_FREE(&manager->scrub->names);
    free(manager->scrub);
    manager->scrub = NULL;
}

static void scrub_work(void *argument) {
    struct scrub_job *job = argument;
    struct error error;
    job->bad_before = log_quarantined_count(job->log);
    job->ok =
        !log_is_closed(job->log) && log_verify_again(job->log, job->segment, job->from, job->wanted, &job->to, &error);
    job->bad_after = log_quarantined_count(job->log);
}

static void next_partition(struct scrub *scrub) {
    free(VECTOR_POP(&scrub->names));
    scrub->base_offset = -1;
    scrub->position = 0;
}

static void end_pass(struct log_manager *manager, int64_t now_ms) {
    struct scrub *scrub = manager->scrub;
    scrub->in_pass = false;
    scrub->next_pass_ms = now_ms + manager->options.scrub_interval_ms;
    if (manager->scrub_passes)
        metric_add(manager->scrub_passes, 1);
    service_log_write(manager->service_log, scrub->found > 0 ? LOG_WARN : LOG_INFO, "kafka.log.LogManager",
        "Verified all partitions: %lld corrupt batches found", (long long)scrub->found);
}

static void go_on(struct log_manager *manager, int64_t now_ms);

static void scrub_done(void *argument) {
    struct scrub_job *job = argument;
    struct log_manager *manager = job->manager;
    struct scrub *scrub = manager->scrub;
    int64_t read = job->ok ? job->to - job->from : 0;
    scrub->running = false;
    scrub->found += job->bad_after > job->bad_before ? job->bad_after - job->bad_before : 0;
    scrub->allowance -= read;
    scrub->base_offset = job->segment->base_offset;
    scrub->position = job->to;
    bool bad = job->ok && job->to == job->from && job->bad_after > job->bad_before;
    /* A segment that cannot be opened is gone, or its errors have come up elsewhere: the next one. */
    if (!bad && (!job->ok || read == 0))
        scrub->position = INT64_MAX;
    if (manager->scrubbed_bytes)
        metric_add(manager->scrubbed_bytes, read);
    segment_release(job->segment);
    log_release(job->log);
    free(job);
    if (!manager_is_closing(manager))
        go_on(manager, manager_now_ms(manager));
    manager_release(manager);
}

/* The segment at hand, retained: the one where the last piece ended while it has more, else the one after. NULL: no
 * more. */
static struct segment *segment_at_hand(struct partition_log *log, struct scrub *scrub) {
    struct segment *segment = NULL;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < log->segments.count && !segment; i++) {
        struct segment *each = log->segments.items[i];
        bool goes_on = each->base_offset == scrub->base_offset && scrub->position < each->size;
        if (each->base_offset > scrub->base_offset && each->size > 0)
            scrub->position = 0;
        if (goes_on || (each->base_offset > scrub->base_offset && each->size > 0))
            segment = segment_retain(each);
    }
    world_mutex_unlock(&log->mutex);
    return segment;
}

static void start_piece(struct log_manager *manager, int64_t wanted) {
    struct scrub *scrub = manager->scrub;
    while (scrub->names.count > 0) {
        struct partition_log *log = map_get_text(&manager->logs, scrub->names.items[scrub->names.count - 1]);
        struct segment *segment = log && !log->failure ? segment_at_hand(log, scrub) : NULL;
        if (!segment) {
            next_partition(scrub);
            continue;
        }
        struct scrub_job *job = calloc(1, sizeof *job);
        ASSERT(job);
        *job = (struct scrub_job){.manager = manager_retain(manager),
            .log = log_retain(log),
            .segment = segment,
            .from = scrub->position,
            .to = scrub->position,
            .wanted = wanted};
        scrub->running = true;
        manager_run(manager, scrub_work, scrub_done, job);
        return;
    }
}

static void begin_pass(struct log_manager *manager) {
    struct scrub *scrub = manager->scrub;
    size_t cursor = 0;
    clear_names(scrub);
    for (struct partition_log *log; (log = log_next(manager, &cursor));)
        VECTOR_PUSH(&scrub->names, strdup(log->name));
    scrub->in_pass = true;
    scrub->base_offset = -1;
    scrub->position = scrub->found = scrub->allowance = 0;
}

/* The next piece, if something may be read now. */
static void go_on(struct log_manager *manager, int64_t now_ms) {
    struct scrub *scrub = manager->scrub;
    if (scrub->running || scrub->allowance <= 0)
        return;
    start_piece(manager, scrub->allowance < PIECE_SIZE_MAX ? scrub->allowance : PIECE_SIZE_MAX);
    if (!scrub->running && scrub->in_pass && scrub->names.count == 0)
        end_pass(manager, now_ms);
}

void scrub_tick(struct log_manager *manager, int64_t now_ms) {
    const struct log_manager_options *options = &manager->options;
    struct scrub *scrub = manager->scrub;
    if (options->scrub_bytes_per_s <= 0)
        return;
    if (!scrub) {
        scrub = manager->scrub = calloc(1, sizeof *scrub);
        ASSERT(scrub);
        scrub->next_pass_ms = now_ms + (options->scrub_interval_ms < FIRST_PASS_DELAY_MS ? options->scrub_interval_ms
                                                                                         : FIRST_PASS_DELAY_MS);
    }
    if (!scrub->in_pass) {
        if (now_ms < scrub->next_pass_ms)
            return;
        begin_pass(manager);
        scrub->filled_ms = now_ms;
    }
    int64_t more = (now_ms - scrub->filled_ms) * options->scrub_bytes_per_s / 1000;
    scrub->allowance += more;
    if (scrub->allowance > options->scrub_bytes_per_s)
        scrub->allowance = options->scrub_bytes_per_s;
    scrub->filled_ms = now_ms;
    go_on(manager, now_ms);
}

bool log_manager_run_scrub(struct log_manager *manager, struct error *error) {
    size_t cursor = 0;
    bool ok = true;
    for (struct partition_log *log; (log = log_next(manager, &cursor));)
        for (size_t i = 0; i < log->segments.count; i++) {
            struct segment *segment = log->segments.items[i];
            int64_t position = 0, reached = 0;
            while (position < segment->size) {
                int64_t known = log->quarantine_count;
                if (!log_verify_again(log, segment, position, PIECE_SIZE_MAX, &reached, error)) {
                    ok = false;
                    break;
                }
                if (reached == position && log->quarantine_count == known)
                    break;
                position = reached;
            }
        }
    return ok;
}
