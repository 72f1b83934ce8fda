/* simulation_test.c: broker, engine and store on one simulated machine that fails at any step, from a seed.
 *
 * Numbers are written to a topic; three queries read it: one copies them to another topic, one writes them to Parquet
 * files, one counts them in windows of event time. The machine crashes between any two events or any two changes of the
 * disk, its disk fails now and then, its clock is set. At the end each number that was acknowledged is in the topic
 * once, and each that is there is once in the copy (as a reader of committed records sees it), once in the files, and
 * once in the count of its window. With `power` crashes are power cuts of a broker that syncs every message.
 *
 * The same runs must find every planted fault (planted_faults.h).
 *
 *   stream_simulation_test [FIRST_SEED [COUNT [FAULT [TEST]]]]    more than 100 seeds: power cuts at every change */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "exec/program.h"
#include "kafka/test_machine.h"
#include "sql/sql.h"
#include "stream/internal.h"
#include "stream/planted_faults.h"
#include "wire/record_batch.h"

enum {
    PARTITION_COUNT = 2,
    LIFE_COUNT = 5,
    SENT_MAX = 2000,
    WINDOW_S = 10,
    UNANSWERED_MAX = 4,
    CLOSING = 1000000000,
    SEEDS_PER_FAULT = 100
};

static uint64_t first_seed = 1, seed_count = 12;
static uint64_t cut_every = 13, cuts_until = 600;

enum { QUERY_COPY, QUERY_FILES, QUERY_COUNTS, QUERY_COUNT };

/* One batch of one producer of its own: sent again as it is, it must not be there twice. */
struct sent {
    struct simulation *simulation;
    int32_t partition;
    int64_t first, count;
    struct buffer bytes;
    unsigned life; /* of the last time */
    bool waiting, acknowledged;
};

/* What runs beside the broker in one life of the machine. */
struct plane {
    struct world_loop *loop;
    struct world_pool *compute_pool;
    struct store *store;
    struct exec_engine *engine;
    struct stream_kafka *kafka;
    struct stream_manager *manager;
    struct stream_session *session;
};

struct numbers {
    int64_t *items;
    size_t count, capacity;
};

struct simulation {
    struct test_machine machine;
    struct plane plane;
    struct stream_query *queries[QUERY_COUNT];
    bool starting[QUERY_COUNT];
    struct sent sent[SENT_MAX];
    size_t sent_count;
    int unanswered;
    int64_t next_number;
    int64_t seen_ends[PARTITION_COUNT]; /* power: the furthest that readers were let */
    int64_t clock_ahead_ms;             /* of the wall clock, by its jumps */
    bool disk_fails, append_failed, no_more;
    bool only_files; /* a power cut takes what nobody synced: no copy, and acknowledged numbers may be lost */
    uint64_t steps;
    unsigned crashes;
    int answers;       /* that are waited for */
    char problem[400]; /* the first that was found; "" none */
};

static void found(struct simulation *simulation, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void found(struct simulation *simulation, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (simulation->problem[0] == 0) {
        vsnprintf(simulation->problem, sizeof simulation->problem, format, arguments);
    }
    va_end(arguments);
}

static uint64_t chance(struct simulation *simulation, uint64_t limit) {
    return test_machine_random(&simulation->machine, limit);
}

/* ---- plans ---- */

static void close_source(void *source) {
    ((struct source *)source)->class->close(source);
}

/* Views and the sources that they read, for one plan. */
struct views {
    struct plane *plane;
    struct arena *arena; /* of the plan: the sources live as long */
    struct sql_session *sql;
};

static bool describe_source(void *context, struct arena *arena, const struct relation_read *read,
    struct source_description *description, struct sql_error *error) {
    struct views *views = context;
    struct plane *plane = views->plane;
    struct source_option *options = ARENA_ARRAY(arena, struct source_option, read->options.count + 1);
    struct exec_settings *settings = ARENA_NEW(arena, struct exec_settings);
    struct source_request *request = ARENA_NEW(arena, struct source_request);
    const struct source_class *class = exec_find_source(plane->engine, read->format);
    for (size_t i = 0; i < read->options.count; i++) {
        options[i] = (struct source_option){read->options.items[i].name, read->options.items[i].value};
    }
    exec_settings_default(settings);
    *request = (struct source_request){.engine = plane->engine,
        .world = store_world(plane->store),
        .format = read->format,
        .options = options,
        .option_count = read->options.count,
        .paths = read->paths.items,
        .path_count = read->paths.count,
        .settings = settings,
        .user = BYTES("test"),
        .streaming = read->streaming};
    struct source *source = class->open(class, request, error);
    if (source == NULL) {
        return false;
    }
    arena_on_destroy(views->arena, close_source, source);
    *description = (struct source_description){source->schema, source, read->paths};
    return true;
}

static bool evaluate(void *context, struct arena *arena, const struct expression *expression,
    const struct column **value, struct sql_error *error) {
    struct exec_settings settings;
    exec_settings_default(&settings);
    return program_evaluate_constant(arena, &settings, expression, value, error);
}

static void open_views(struct views *views, struct plane *plane, struct arena *arena) {
    *views = (struct views){plane, arena, NULL};
    struct sql_environment environment = {
        .world = store_world(plane->store), .context = views, .describe_source = describe_source, .evaluate = evaluate};
    views->sql = sql_session_create(&environment);
}

static void view(struct sql_session *sql, const char *name, const struct relation *relation, struct sql_error *error) {
    assert_true(sql_create_view(sql, bytes_from_text(name), relation, BYTES_NULL, true, false, error));
}

static void view_of_topic(
    struct sql_session *sql, struct arena *arena, const char *topic, bool streaming, struct sql_error *error) {
    struct option *options = ARENA_ARRAY(arena, struct option, 4);
    options[0] = (struct option){BYTES("kafka.bootstrap.servers"), BYTES("127.0.0.1:9092")};
    options[1] = (struct option){BYTES("subscribe"), bytes_from_text(topic)};
    options[2] = (struct option){BYTES("startingOffsets"), BYTES("earliest")};
    options[3] = (struct option){BYTES("kafka.isolation.level"), BYTES("read_committed")};
    struct relation_read *read = relation_read_new(arena);
    read->format = BYTES("kafka");
    read->options = (struct option_list){options, 4};
    read->streaming = streaming;
    view(sql, topic, &read->base, error);
}

static const struct relation *parse(struct arena *arena, const char *text, struct sql_error *error) {
    return (const struct relation *)sql_parse_statement(arena, bytes_from_text(text), error);
}

static const struct relation *plan_of(
    struct sql_session *sql, struct arena *arena, const struct relation *relation, struct sql_error *error) {
    relation = sql_analyze(sql, arena, relation, error);
    return relation == NULL ? NULL : sql_optimize(sql, arena, relation, error);
}

static const struct relation *plan_query(
    struct sql_session *sql, struct arena *arena, int kind, struct sql_error *error) {
    static const char *const texts[] = {"SELECT CAST(value AS STRING) AS value FROM numbers",
        "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS n FROM numbers",
        "SELECT unix_seconds(w.start) AS start, c, s FROM (SELECT window(ts, '10 seconds') AS w, count(*) AS c, "
        "sum(n) AS s FROM timed GROUP BY window(ts, '10 seconds'))"};
    view_of_topic(sql, arena, "numbers", true, error);
    if (kind == QUERY_COUNTS) {
        struct relation_with_watermark *timed = relation_with_watermark_new(arena);
        timed->input = parse(arena,
            "SELECT timestamp_seconds(n) AS ts, n FROM (SELECT CAST(CAST(value AS STRING) AS BIGINT) AS n FROM "
            "numbers)",
            error);
        timed->column = BYTES("ts");
        timed->delay = BYTES("60 seconds");
        view(sql, "timed", &timed->base, error);
    }
    const struct relation *plan = plan_of(sql, arena, parse(arena, texts[kind], error), error);
    assert_non_null(plan);
    return plan;
}

/* ---- a life of the machine ---- */

static void start_plane(struct simulation *simulation) {
    struct plane *plane = &simulation->plane;
    struct test_machine *machine = &simulation->machine;
    struct error error = {0};
    plane->loop = world_loop_create(machine->world, "spark", &error);
    plane->compute_pool = world_pool_create(machine->world, "compute", 2, WORLD_POOL_NORMAL, &error);
    struct store_options store = {.world = machine->world, .directory = "/store", .user = "test"};
    plane->store = store_open(&store, &error);
    assert_non_null(plane->store);
    struct exec_options engine = {
        .world = machine->world, .pool = plane->compute_pool, .spill_directory = "/spill", .memory_size = 256 << 20};
    plane->engine = exec_engine_create(&engine, &error);
    assert_non_null(plane->engine);
    plane->kafka = stream_kafka_embedded_create(broker_client(machine->broker));
    struct stream_manager_options options = {.world = machine->world,
        .loop = plane->loop,
        .disk_pool = machine->disk_pool,
        .engine = plane->engine,
        .store = plane->store,
        .kafka = plane->kafka,
        .notes_directory = "file:/notes"};
    plane->manager = stream_manager_create(&options, &error);
    plane->session = stream_session_create(plane->manager);
    planted_fault_loop = machine->loop;
}

static void answered(void *argument) {
    ((struct simulation *)argument)->answers--;
}

static bool is_answered(void *argument) {
    return ((struct simulation *)argument)->answers == 0;
}

static void await(struct simulation *simulation, struct world *world, const char *what) {
    if (!sim_run_until(world, is_answered, simulation, 600000)) {
        found(simulation, "%s does not end", what);
        simulation->answers = 0;
    }
}

static void end_session(void *argument) {
    struct simulation *simulation = argument;
    stream_session_destroy(simulation->plane.session, answered, simulation);
}

static void end_manager(void *argument) {
    struct simulation *simulation = argument;
    for (int i = 0; i < QUERY_COUNT; i++) {
        stream_query_release(simulation->queries[i]);
        simulation->queries[i] = NULL;
        simulation->starting[i] = false;
    }
    stream_manager_destroy(simulation->plane.manager, answered, simulation);
}

/* Of a world that nobody looks at any more: that its memory is freed. */
static void stop_plane(struct simulation *simulation, struct world *world) {
    struct plane *plane = &simulation->plane;
    simulation->answers = 1;
    world_loop_post(plane->loop, end_session, simulation);
    await(simulation, world, "the session");
    sim_run_for(world, 2000); /* starts under way are refused */
    simulation->answers = 1;
    world_loop_post(plane->loop, end_manager, simulation);
    await(simulation, world, "the manager");
    sim_run_for(world, 1000);
    stream_kafka_embedded_destroy(plane->kafka);
    exec_engine_destroy(plane->engine);
    store_close(plane->store);
    world_pool_destroy(plane->compute_pool);
    world_loop_destroy(plane->loop);
}

/* ---- queries ---- */

struct starting {
    struct simulation *simulation;
    int kind;
    unsigned life;
    struct arena arena;
    struct stream_start start;
    struct sql_error error;
    struct views views;
};

static void release(void *argument) {
    struct starting *starting = argument;
    sql_session_destroy(starting->views.sql);
    arena_destroy(&starting->arena);
    free(starting);
}

static bool may_fail(const struct simulation *simulation) {
    return simulation->disk_fails || sim_disk_has_stopped(simulation->machine.world);
}

/* What a start leaves behind; the plan's own memory may be gone when it is called. */
struct ticket {
    struct simulation *simulation;
    int kind;
    unsigned life;
};

static void started(void *argument, struct stream_query *query, const struct sql_error *error) {
    struct ticket *ticket = argument;
    struct simulation *simulation = ticket->simulation;
    bool mine = ticket->life == simulation->machine.life;
    if (!mine) {
        stream_query_release(query);
    } else {
        simulation->queries[ticket->kind] = query;
        simulation->starting[ticket->kind] = false;
        if (query == NULL && !may_fail(simulation)) {
            found(simulation, "query %d does not start: %s", ticket->kind, sql_error_message(error));
        }
    }
    free(ticket);
}

static void start_query(void *argument) {
    const struct source_option options[][3] = {
        {{BYTES("kafka.bootstrap.servers"), BYTES("127.0.0.1:9092")}, {BYTES("topic"), BYTES("copies")},
            {BYTES("checkpointLocation"), BYTES("/cp/copy")}},
        {{BYTES("checkpointLocation"), BYTES("/cp/files")}, {BYTES("path"), BYTES("/files")}},
        {{BYTES("checkpointLocation"), BYTES("/cp/counts")}, {BYTES("path"), BYTES("/counts")}}};
    struct starting *starting = argument;
    struct stream_start *start = &starting->start;
    struct ticket *ticket = malloc(sizeof *ticket);
    *ticket = (struct ticket){starting->simulation, starting->kind, starting->life};
    open_views(&starting->views, &starting->simulation->plane, &starting->arena);
    start->plan = plan_query(starting->views.sql, &starting->arena, starting->kind, &starting->error);
    start->release = release;
    start->release_argument = starting;
    exec_settings_default(&start->settings);
    start->format = starting->kind == QUERY_COPY ? BYTES("kafka") : BYTES("parquet");
    start->options = options[starting->kind];
    start->option_count = starting->kind == QUERY_COPY ? 3 : 2;
    stream_query_start(starting->simulation->plane.session, start, started, ticket);
}

static void restart_queries(struct simulation *simulation) {
    for (int i = 0; i < QUERY_COUNT; i++) {
        struct stream_query *query = simulation->queries[i];
        if (simulation->starting[i] || (query != NULL && stream_query_is_active(query)) ||
            (i == QUERY_COPY && simulation->only_files)) {
            continue;
        }
        if (query != NULL) {
            const struct sql_error *error = stream_query_exception(query);
            if (!may_fail(simulation)) {
                found(simulation, "query %d ends: %s", i, error == NULL ? "" : sql_error_message(error));
            }
            stream_query_release(query);
            simulation->queries[i] = NULL;
        }
        struct starting *starting = calloc(1, sizeof *starting);
        starting->simulation = simulation;
        starting->kind = i;
        starting->life = simulation->machine.life;
        starting->error.arena = &starting->arena;
        simulation->starting[i] = true;
        world_loop_post(simulation->plane.loop, start_query, starting);
    }
}

/* ---- producing ---- */

static void append_done(void *argument, int64_t base_offset, const struct error *error) {
    struct sent *sent = argument;
    struct simulation *simulation = sent->simulation;
    if (sent->life != simulation->machine.life || !sent->waiting) {
        return;
    }
    sent->waiting = false;
    simulation->unanswered--;
    sent->acknowledged = sent->acknowledged || error->code == ERROR_NONE;
    simulation->append_failed = simulation->append_failed || error->code != ERROR_NONE;
}

static void send(struct simulation *simulation, struct sent *sent) {
    sent->life = simulation->machine.life;
    sent->waiting = true;
    simulation->unanswered++;
    kafka_client_append(broker_client(simulation->machine.broker), "numbers", sent->partition,
        buffer_view(&sent->bytes), append_done, sent);
}

static void send_new(struct simulation *simulation, int32_t partition, int64_t first, int64_t count) {
    assert_true(simulation->sent_count < SENT_MAX);
    struct sent *sent = &simulation->sent[simulation->sent_count++];
    struct record_builder builder;
    *sent = (struct sent){.simulation = simulation, .partition = partition, .first = first, .count = count};
    record_builder_begin(&builder, &sent->bytes, 0, 0);
    for (int32_t i = 0; i < count; i++) {
        char text[24];
        int size = snprintf(text, sizeof text, "%lld", (long long)(first + i));
        record_builder_add(&builder, i, world_wall_ms(simulation->machine.world), BYTES_NULL,
            bytes_make(text, (size_t)size), BYTES_NULL, 0);
    }
    record_builder_end(&builder, 1000000 + (int64_t)simulation->sent_count, 0, 0, -1);
    send(simulation, sent);
}

static void produce(struct simulation *simulation) {
    if (simulation->append_failed || simulation->unanswered >= UNANSWERED_MAX ||
        simulation->sent_count > SENT_MAX - 10) {
        return;
    }
    if (simulation->sent_count > 0 && chance(simulation, 5) == 0) { /* an answer that got lost on its way */
        struct sent *sent = &simulation->sent[chance(simulation, simulation->sent_count)];
        if (!sent->waiting) {
            send(simulation, sent);
        }
        return;
    }
    int64_t count = 1 + (int64_t)chance(simulation, 5);
    send_new(simulation, (int32_t)chance(simulation, PARTITION_COUNT), simulation->next_number, count);
    simulation->next_number += count;
}

/* As producers do: what was not acknowledged comes first, in its order. */
static void send_again(struct simulation *simulation) {
    simulation->unanswered = 0;
    simulation->append_failed = false;
    for (size_t i = 0; i < simulation->sent_count; i++) {
        simulation->sent[i].waiting = false;
        if (!simulation->sent[i].acknowledged) {
            send(simulation, &simulation->sent[i]);
        }
    }
}

/* ---- what came out ---- */

static struct exec_query *run_text(struct simulation *simulation, struct sql_session *sql, struct arena *arena,
    const char *text, struct batch ***batches, size_t *count) {
    struct sql_error error = {.arena = arena};
    struct exec_settings settings;
    exec_settings_default(&settings);
    view_of_topic(sql, arena, "numbers", false, &error);
    view_of_topic(sql, arena, "copies", false, &error);
    const struct relation *plan = plan_of(sql, arena, parse(arena, text, &error), &error);
    struct exec_query *query =
        plan == NULL ? NULL : exec_query_create(simulation->plane.engine, plan, &settings, &error);
    if (query == NULL || !exec_query_run(query, batches, count, &error)) {
        found(simulation, "%s: %s", text, sql_error_message(&error));
        *count = 0;
        *batches = NULL;
    }
    return query;
}

static int compare_numbers(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* All columns are BIGINT; rows follow each other. */
static void read_numbers(struct simulation *simulation, const char *text, size_t columns, struct numbers *numbers) {
    struct arena arena = {0};
    struct batch **batches;
    size_t count;
    struct views views;
    open_views(&views, &simulation->plane, &arena);
    struct exec_query *query = run_text(simulation, views.sql, &arena, text, &batches, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t row = 0; row < batches[i]->row_count; row++) {
            for (size_t c = 0; c < columns; c++) {
                VECTOR_PUSH(numbers, COLUMN_AT(batches[i]->columns[c], int64_t, row));
            }
        }
        batch_release(batches[i]);
    }
    free(batches);
    if (query != NULL) {
        exec_query_destroy(query);
    }
    sql_session_destroy(views.sql);
    arena_destroy(&arena);
    if (numbers->count > 0) {
        qsort(numbers->items, numbers->count / columns, columns * sizeof *numbers->items, compare_numbers);
    }
}

static void check_sent(struct simulation *simulation, const struct numbers *there) {
    for (size_t i = 1; i < there->count; i++) {
        if (there->items[i] == there->items[i - 1]) {
            found(simulation, "%lld is twice in the topic", (long long)there->items[i]);
        }
    }
    for (size_t i = 0; i < simulation->sent_count; i++) {
        const struct sent *sent = &simulation->sent[i];
        for (int64_t j = 0; j < sent->count && sent->acknowledged && !simulation->only_files; j++) {
            int64_t number = sent->first + j;
            if (there->count == 0 ||
                bsearch(&number, there->items, there->count, sizeof number, compare_numbers) == NULL) {
                found(simulation, "%lld was acknowledged and is not in the topic", (long long)number);
            }
        }
    }
}

static void check_copy(
    struct simulation *simulation, const char *what, const struct numbers *there, const struct numbers *copy) {
    size_t i = 0, j = 0;
    while (i < there->count || j < copy->count) {
        if (j < copy->count && j > 0 && copy->items[j] == copy->items[j - 1]) {
            found(simulation, "%lld is twice in the %s", (long long)copy->items[j], what);
            return;
        }
        if (i == there->count || j == copy->count || there->items[i] != copy->items[j]) {
            found(simulation, "the %s and the topic differ at %lld", what,
                (long long)(i < there->count ? there->items[i] : copy->items[j]));
            return;
        }
        i++, j++;
    }
}

static void check_counts(struct simulation *simulation, const struct numbers *there, const struct numbers *counts) {
    size_t at = 0;
    for (size_t i = 0; i < there->count && there->items[i] < CLOSING;) {
        int64_t start = there->items[i] / WINDOW_S * WINDOW_S, count = 0, sum = 0;
        for (; i < there->count && there->items[i] < start + WINDOW_S; i++) {
            count++;
            sum += there->items[i];
        }
        if (at + 3 > counts->count || counts->items[at] != start || counts->items[at + 1] != count ||
            counts->items[at + 2] != sum) {
            found(simulation, "the window of %lld has %lld numbers, not those of its row", (long long)start,
                (long long)count);
            return;
        }
        at += 3;
    }
    if (at != counts->count) {
        found(simulation, "the window of %lld comes out twice, or was not to come", (long long)counts->items[at]);
    }
}

/* A batch begins with the watermark that the one before ended with, and none is lower than one before. */
static void check_watermarks(struct simulation *simulation) {
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    struct checkpoint checkpoint = {simulation->plane.store, "/cp/counts"};
    int64_t offsets, commits, next, before = 0;
    enum planted_fault planted = planted_fault;
    planted_fault = FAULT_NONE; /* the checkpoint as it is */
    if (checkpoint_latest(&checkpoint, &offsets, &commits, &error)) {
        for (int64_t batch_id = commits > 80 ? commits - 80 : 0; batch_id <= commits; batch_id++) {
            struct offset_entry entry = {0};
            if (!checkpoint_read_settings(&checkpoint, batch_id, &entry, &error) ||
                !checkpoint_read_commit(&checkpoint, batch_id, &next, &error)) {
                found(simulation, "batch %lld of the checkpoint cannot be read: %s", (long long)batch_id,
                    sql_error_message(&error));
                break;
            }
            if (entry.watermark_ms < before || next < before) {
                found(simulation, "the watermark goes back in batch %lld", (long long)batch_id);
            }
            before = next;
            offset_entry_free(&entry);
        }
    }
    planted_fault = planted;
    arena_destroy(&arena);
}

static void check_outputs(struct simulation *simulation) {
    struct numbers there = {0}, copies = {0}, files = {0}, counts = {0};
    read_numbers(simulation, "SELECT CAST(CAST(value AS STRING) AS BIGINT) FROM numbers", 1, &there);
    read_numbers(simulation, "SELECT CAST(CAST(value AS STRING) AS BIGINT) FROM copies", 1, &copies);
    read_numbers(simulation, "SELECT n FROM parquet.`/files`", 1, &files);
    read_numbers(simulation, "SELECT start, c, s FROM parquet.`/counts`", 3, &counts);
    check_sent(simulation, &there);
    if (!simulation->only_files) {
        check_copy(simulation, "copy", &there, &copies);
    }
    check_copy(simulation, "files", &there, &files);
    check_counts(simulation, &there, &counts);
    check_watermarks(simulation);
    VECTOR_FREE(&there);
    VECTOR_FREE(&copies);
    VECTOR_FREE(&files);
    VECTOR_FREE(&counts);
}

/* ---- runs ---- */

static void step(struct simulation *simulation) {
    simulation->steps++;
    sim_step(simulation->machine.world);
    for (int32_t i = 0; i < PARTITION_COUNT && simulation->machine.power; i++) {
        struct partition_log *log = kafka_client_partition(broker_client(simulation->machine.broker), "numbers", i);
        int64_t end = log == NULL ? 0 : log_high_watermark(log);
        simulation->seen_ends[i] = end > simulation->seen_ends[i] ? end : simulation->seen_ends[i];
        if (log != NULL) {
            log_release(log);
        }
    }
}

/* Never further from the first time than this. After a larger jump queries end as with a real broker: a record whose
 * stamp is more than an hour ahead of its clock is refused (message.timestamp.after.max.ms), and a transaction that it
 * thinks older than 15 minutes is aborted and its producer shut out. */
static void jump_wall_clock(struct simulation *simulation) {
    enum { FURTHEST_MS = 7 * 60 * 1000 };
    int64_t to = (int64_t)chance(simulation, 2 * FURTHEST_MS) - FURTHEST_MS;
    sim_jump_wall_clock(simulation->machine.world, to - simulation->clock_ahead_ms);
    simulation->clock_ahead_ms = to;
}

static void one_life(struct simulation *simulation) {
    struct world *world = simulation->machine.world;
    uint64_t end = 500 + chance(simulation, 500);
    uint64_t manner = chance(simulation, 4);
    simulation->disk_fails = manner == 3 && !simulation->machine.power;
    if (manner < 2) {
        sim_stop_disk_after(world, 1 + chance(simulation, 700));
    }
    send_again(simulation);
    for (uint64_t i = 0; i < end && !sim_disk_has_stopped(world); i++) {
        if (simulation->disk_fails && i == end / 2) {
            sim_faults(world)->write_error_ppm = sim_faults(world)->no_space_ppm = 20000;
        }
        if (i % 40 == 0 && !simulation->machine.power) {
            restart_queries(simulation);
        }
        if (chance(simulation, 8) == 0) {
            produce(simulation);
        }
        if (chance(simulation, 200) == 0) {
            jump_wall_clock(simulation);
        }
        step(simulation);
    }
    sim_faults(world)->write_error_ppm = sim_faults(world)->no_space_ppm = 0;
}

static void crash(struct simulation *simulation, uint64_t seed) {
    struct test_machine former;
    test_machine_crash(&simulation->machine, seed, &former);
    stop_plane(simulation, former.world);
    test_machine_bury(&former);
    planted_fault_crash();
    simulation->disk_fails = false;
    simulation->crashes++;
    test_machine_start(&simulation->machine);
    start_plane(simulation);
    for (int32_t i = 0; i < PARTITION_COUNT && simulation->machine.power; i++) {
        struct partition_log *log = kafka_client_partition(broker_client(simulation->machine.broker), "numbers", i);
        if (log == NULL || log_end_offset(log) < simulation->seen_ends[i]) {
            found(simulation, "partition %d was read up to %lld and ends before it", (int)i,
                (long long)simulation->seen_ends[i]);
        }
        if (log != NULL) {
            log_release(log);
        }
    }
}

static void processed(void *argument, bool terminated, const struct sql_error *error) {
    answered(argument);
}

static void process_all(void *argument) {
    struct simulation *simulation = argument;
    for (int i = 0; i < QUERY_COUNT; i++) {
        if (simulation->queries[i] != NULL) {
            simulation->answers++;
            stream_query_process_all(simulation->queries[i], processed, simulation);
        }
    }
    simulation->answers--;
}

static void catch_up(struct simulation *simulation) {
    sim_run_for(simulation->machine.world, 3000); /* answers and starts under way */
    restart_queries(simulation);
    sim_run_for(simulation->machine.world, 3000);
    simulation->answers = 1;
    world_loop_post(simulation->plane.loop, process_all, simulation);
    await(simulation, simulation->machine.world, "the rest");
}

/* Everything that is left, then records that close the windows. */
static void finish(struct simulation *simulation) {
    send_again(simulation);
    restart_queries(simulation);
    catch_up(simulation);
    for (int32_t i = 0; i < PARTITION_COUNT; i++) {
        send_new(simulation, i, CLOSING + i, 1);
    }
    catch_up(simulation);
    catch_up(simulation);
    check_outputs(simulation);
}

static void finish_power(struct simulation *simulation) {
    struct numbers there = {0};
    send_again(simulation);
    sim_run_for(simulation->machine.world, 5000);
    read_numbers(simulation, "SELECT CAST(CAST(value AS STRING) AS BIGINT) FROM numbers", 1, &there);
    check_sent(simulation, &there);
    VECTOR_FREE(&there);
}

static struct simulation *begin(uint64_t seed, bool power, enum planted_fault fault) {
    struct simulation *simulation = calloc(1, sizeof *simulation);
    planted_fault = fault;
    test_machine_create(&simulation->machine, seed, power);
    start_plane(simulation);
    test_machine_make_topic(&simulation->machine, "numbers", PARTITION_COUNT);
    test_machine_make_topic(&simulation->machine, "copies", PARTITION_COUNT);
    return simulation;
}

/* problem: 400 bytes, "" when all was well. */
static void end(struct simulation *simulation, char *problem) {
    simulation->machine.life++;
    stop_plane(simulation, simulation->machine.world);
    test_machine_bury(&simulation->machine);
    planted_fault_crash();
    memcpy(problem, simulation->problem, sizeof simulation->problem);
    for (size_t i = 0; i < simulation->sent_count; i++) {
        buffer_free(&simulation->sent[i].bytes);
    }
    free(simulation);
    planted_fault = FAULT_NONE;
}

static uint64_t run(uint64_t seed, bool power, enum planted_fault fault, char *problem) {
    struct simulation *simulation = begin(seed, power, fault);
    for (uint64_t life = 0; (life < LIFE_COUNT || simulation->steps < 2000) && simulation->problem[0] == 0; life++) {
        one_life(simulation);
        crash(simulation, seed * 100 + life);
    }
    if (simulation->problem[0] == 0 && power) {
        finish_power(simulation);
    } else if (simulation->problem[0] == 0) {
        finish(simulation);
    }
    uint64_t fingerprint = sim_fingerprint(simulation->machine.world);
    end(simulation, problem);
    return fingerprint;
}

static void run_all(bool power) {
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        char problem[400];
        run(seed, power, FAULT_NONE, problem);
        if (problem[0] != 0) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, problem);
        }
    }
}

static void each_row_comes_out_once_over_crashes(void **state) {
    run_all(false);
}

static void synced_records_survive_power_cuts(void **state) {
    run_all(true);
}

/* The disk refuses an index entry behind records that it took: the partition goes offline before the records are
 * synced, and they were acknowledged all the same. */
static void records_before_a_failed_index_entry_are_not_acknowledged(void **state) {
    char problem[400];
    run(1442, true, FAULT_NONE, problem);
    assert_string_equal(problem, "");
}

static void a_seed_replays(void **state) {
    char problem[400];
    assert_true(run(first_seed, false, FAULT_NONE, problem) == run(first_seed, false, FAULT_NONE, problem));
}

/* The queries stop and say why; when there is room again they go on without a loss and without a row twice. */
static void a_disk_that_refuses_stops_the_queries(void **state) {
    static const char *const reasons[] = {"No space left on device", "Input/output error"};
    int ended = 0;
    for (uint64_t seed = 0; seed < 24; seed++) {
        char problem[400];
        struct simulation *simulation = begin(first_seed + seed, false, FAULT_NONE);
        struct sim_faults *faults = sim_faults(simulation->machine.world);
        restart_queries(simulation);
        sim_run_for(simulation->machine.world, 5000);
        send_new(simulation, 0, 0, 5);
        sim_run_for(simulation->machine.world, 5000);
        send_new(simulation, 1, 5, 3);
        simulation->next_number = 8;
        while (simulation->unanswered > 0) {
            step(simulation);
        }
        for (uint64_t i = 0; i < seed; i++) { /* at another step of the batch each time */
            step(simulation);
        }
        *(seed % 2 == 0 ? &faults->no_space_ppm : &faults->write_error_ppm) = 1000000;
        sim_run_for(simulation->machine.world, 60000);
        for (int i = 0; i < QUERY_COUNT; i++) { /* some may have been through with it just before */
            struct stream_query *query = simulation->queries[i];
            const struct sql_error *error = stream_query_exception(query);
            ended += error != NULL;
            bool waits = error == NULL && query->state == QUERY_WAITING;
            if (!waits && (error == NULL || strcmp(sql_error_condition(error), "STREAM_FAILED") != 0 ||
                              strstr(sql_error_message(error), reasons[seed % 2]) == NULL)) {
                fail_msg("seed %llu: %s", (unsigned long long)seed,
                    error == NULL ? "a query neither waits nor ends" : sql_error_message(error));
            }
        }
        faults->no_space_ppm = faults->write_error_ppm = 0;
        crash(simulation, seed);
        finish(simulation);
        end(simulation, problem);
        if (problem[0] != 0) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, problem);
        }
    }
    assert_true(ended > 24);
}

/* The power fails at that change of the disk, in some runs after a kill of the process; then everything goes on. */
static void cut_power_at(uint64_t change, enum planted_fault fault, char *problem) {
    enum { ROUNDS = 25 };
    struct simulation *simulation = begin(first_seed + change, false, fault);
    uint64_t killed_at = chance(simulation, 2 * ROUNDS);
    simulation->only_files = true;
    restart_queries(simulation);
    sim_run_for(simulation->machine.world, 2000);
    sim_stop_disk_after(simulation->machine.world, change);
    for (uint64_t i = 0; i < ROUNDS && !sim_disk_has_stopped(simulation->machine.world); i++) {
        produce(simulation);
        sim_run_for(simulation->machine.world, 200 + (int64_t)chance(simulation, 1500)); /* a sync is due every 2 s */
        if (i == killed_at) {
            simulation->machine.cuts_power = false;
            crash(simulation, change);
            restart_queries(simulation);
            sim_stop_disk_after(simulation->machine.world, change);
        }
    }
    simulation->machine.cuts_power = true;
    crash(simulation, change);
    send_new(simulation, (int32_t)change % PARTITION_COUNT, simulation->next_number, 5);
    simulation->next_number += 5;
    finish(simulation);
    end(simulation, problem);
}

/* Queries into files and their state at default settings: they go back to what is whole. */
static void a_power_cut_takes_no_row_twice(void **state) {
    for (uint64_t change = 1; change < cuts_until; change += cut_every) {
        char problem[400];
        cut_power_at(change, FAULT_NONE, problem);
        if (problem[0] != 0) {
            fail_msg("change %llu: %s", (unsigned long long)change, problem);
        }
    }
}

static void find_fault(enum planted_fault fault) {
    bool power = fault == FAULT_SYNC_SKIPPED || fault == FAULT_HIGH_WATERMARK_TOO_HIGH;
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS_PER_FAULT; seed++) {
        char problem[400];
        if (fault == FAULT_BATCHES_NOT_SYNCED) {
            cut_power_at(7 * seed, fault, problem);
        } else {
            run(seed, power, fault, problem);
        }
        if (problem[0] != 0) {
            print_message("%s: seed %llu: %s\n", planted_fault_name(fault), (unsigned long long)seed, problem);
            return;
        }
    }
    fail_msg("nobody finds the planted fault: %s", planted_fault_name(fault));
}

static enum planted_fault wanted_fault;

static void every_planted_fault_is_found(void **state) {
    for (enum planted_fault fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
        if (wanted_fault == FAULT_NONE || wanted_fault == fault) {
            find_fault(fault);
        }
    }
}

int main(int count, char **words) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_planted_fault_is_found),
        cmocka_unit_test(each_row_comes_out_once_over_crashes), cmocka_unit_test(synced_records_survive_power_cuts),
        cmocka_unit_test(records_before_a_failed_index_entry_are_not_acknowledged),
        cmocka_unit_test(a_disk_that_refuses_stops_the_queries), cmocka_unit_test(a_power_cut_takes_no_row_twice),
        cmocka_unit_test(a_seed_replays)};
    first_seed = count > 1 ? strtoull(words[1], NULL, 10) : first_seed;
    seed_count = count > 2 ? strtoull(words[2], NULL, 10) : seed_count;
    cut_every = seed_count > 100 ? 1 : cut_every;
    if (count > 4)
        cmocka_set_test_filter(words[4]);
    wanted_fault = count > 3 ? (enum planted_fault)strtoull(words[3], NULL, 10) : FAULT_NONE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
