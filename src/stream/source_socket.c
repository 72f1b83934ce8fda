/* source_socket.c: lines of text from a TCP connection, as `nc -lk 9999` gives them. For lessons: after a restart the
 * lines are gone, so a query over it does not recover. The socket lives on the manager's loop; lines wait in memory, at
 * most LINES_MAX of them, then it is not read any more. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/vector.h"
#include "stream/source.h"

enum { LINES_MAX = 1 << 20, LINE_SIZE_MAX = 1 << 20 };

struct line {
    uint8_t *data;
    size_t size;
    int64_t arrived_us;
};

/* What the loop fills and queries read. Counted: the loop's object and the readings. */
struct feed {
    int references;
    struct world_mutex mutex;
    struct world *world;
    struct world_loop *loop;
    struct world_socket *socket;
    char host[64];
    uint16_t port;
    struct buffer rest; /* an unfinished line */
    VECTOR(struct line) lines;
    int64_t first; /* offset of lines.items[0]: those before were committed and are gone */
    struct error problem;
    bool closed, finishing;
    void (*wake)(void *argument);
    void *wake_argument;
};

struct socket_source {
    struct source base;
    struct stream_context context;
    char host[64];
    uint16_t port;
    bool with_timestamp;
    /* a micro-batch */
    struct feed *feed;
    int64_t from, to;
};

static void feed_release(struct feed *feed) {
    if (feed == NULL || __atomic_sub_fetch(&feed->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (size_t i = 0; i < feed->lines.count; i++) {
        free(feed->lines.items[i].data);
    }
    VECTOR_FREE(&feed->lines);
    buffer_free(&feed->rest);
    world_mutex_destroy(&feed->mutex);
    free(feed);
}

/* ---- on the loop ---- */

static void take_lines(struct feed *feed) {
    struct bytes rest = buffer_view(&feed->rest);
    size_t end, used = 0;
    int64_t now = world_wall_us(feed->world);
    while ((end = bytes_find(rest, '\n', 0)) != SIZE_MAX) {
        size_t size = end > 0 && rest.data[end - 1] == '\r' ? end - 1 : end;
        uint8_t *copy = malloc(size + 1);
        ASSERT(copy != NULL);
        memcpy(copy, rest.data, size);
        VECTOR_PUSH(&feed->lines, ((struct line){copy, size, now}));
        rest = bytes_slice(rest, end + 1, rest.size - end - 1);
        used += end + 1;
    }
    buffer_consume(&feed->rest, used);
}

static void close_socket(struct feed *feed) {
    if (feed->socket != NULL) {
        world_socket_close(feed->socket);
        feed->socket = NULL;
    }
}

static void ready(void *argument, bool readable, bool writable) {
    struct feed *feed = argument;
    struct error problem = {0};
    world_mutex_lock(&feed->mutex);
    bool full = feed->lines.count >= LINES_MAX || feed->rest.size >= LINE_SIZE_MAX;
    ssize_t count = full ? 0 : world_socket_read(feed->socket, buffer_reserve(&feed->rest, 65536), 65536, &problem);
    if (count > 0) {
        feed->rest.size += (size_t)count;
        take_lines(feed);
    }
    if (count < 0 || full) {
        error_set(&feed->problem, full ? ERROR_LIMIT : problem.code,
            full ? "more than %d lines of the socket wait" : "%.0d%s", full ? LINES_MAX : 0,
            full ? "" : problem.message);
        feed->closed = true;
        close_socket(feed);
    }
    void (*wake)(void *argument) = feed->wake;
    void *wake_argument = feed->wake_argument;
    if (wake != NULL) {
        wake(wake_argument);
    }
    world_mutex_unlock(&feed->mutex);
}

static void connect_feed(void *argument) {
    struct feed *feed = argument;
    world_mutex_lock(&feed->mutex);
    feed->socket = world_connect(feed->loop, feed->host, feed->port, &feed->problem);
    feed->closed = feed->socket == NULL;
    if (feed->socket != NULL) {
        world_socket_watch(feed->socket, ready, feed, true, false);
    }
    world_mutex_unlock(&feed->mutex);
}

static void end_feed(void *argument) {
    struct feed *feed = argument;
    close_socket(feed);
    feed_release(feed);
}

/* ---- source ---- */

static const struct type *socket_type(bool with_timestamp) {
    static struct type_field fields[2];
    static struct type types[2] = {{.kind = TYPE_STRUCT, .fields = fields, .field_count = 1},
        {.kind = TYPE_STRUCT, .fields = fields, .field_count = 2}};
    fields[0] = (struct type_field){BYTES("value"), type_simple(TYPE_STRING), true, BYTES_NULL};
    fields[1] = (struct type_field){BYTES("timestamp"), type_simple(TYPE_TIMESTAMP), true, BYTES_NULL};
    return &types[with_timestamp];
}

static void source_close(struct source *base) {
    feed_release(((struct socket_source *)base)->feed);
    free(base);
}

static struct source *source_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    struct bytes host = source_option_get(request, "host"), port = source_option_get(request, "port"),
                 stamp = source_option_get(request, "includeTimestamp");
    int64_t number = 0;
    if (host.size == 0) {
        raise__legacy_error_illegal_argument(error, "Set a host to read from with option(\"host\", ...).");
        return NULL;
    }
    if (!bytes_to_int64(port, &number) || number < 1 || number > 65535) {
        raise__legacy_error_illegal_argument(error, "Set a port to read from with option(\"port\", ...).");
        return NULL;
    }
    struct socket_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    source->with_timestamp = bytes_equal_ignore_case(stamp, BYTES("true"));
    source->base = (struct source){class, socket_type(source->with_timestamp)};
    source->context = *(const struct stream_context *)exec_source_context(request->engine, class);
    source->port = (uint16_t)number;
    host = bytes_equal_ignore_case(host, BYTES("localhost")) ? BYTES("127.0.0.1") : host;
    snprintf(source->host, sizeof source->host, "%.*s", BYTES_ARGS(host));
    return &source->base;
}

struct socket_scan {
    struct source_scan base;
    const struct source_projection *projection;
};
struct socket_partition {
    struct source_partition base;
    bool done;
};

static struct source_scan *scan_begin(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    struct socket_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    *scan = (struct socket_scan){{source, 1, 0}, projection};
    return &scan->base;
}
static void scan_end(struct source_scan *scan) {
    free(scan);
}
static struct source_partition *partition_open(struct source_scan *scan, size_t index, struct sql_error *error) {
    struct socket_partition *partition = calloc(1, sizeof *partition);
    ASSERT(partition != NULL);
    partition->base.scan = scan;
    return &partition->base;
}
static void partition_close(struct source_partition *partition) {
    free(partition);
}

static enum source_result partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct socket_partition *partition = (struct socket_partition *)base;
    struct socket_source *source = (struct socket_source *)base->scan->source;
    const struct source_projection *projection = ((struct socket_scan *)base->scan)->projection;
    if (partition->done || source->from >= source->to) {
        return SOURCE_END;
    }
    partition->done = true;
    size_t count = (size_t)(source->to - source->from);
    struct batch *made = batch_create(projection->schema);
    made->row_count = count;
    for (size_t i = 0; i < projection->column_count; i++) {
        made->columns[i] = column_create(&made->arena, projection->schema->fields[i].type, count);
    }
    struct feed *feed = source->feed;
    world_mutex_lock(&feed->mutex);
    for (size_t row = 0; row < count; row++) {
        const struct line *line = &feed->lines.items[(size_t)(source->from - feed->first) + row];
        for (size_t i = 0; i < projection->column_count; i++) {
            if (projection->columns[i] == 1) {
                COLUMN_VALUES(made->columns[i], int64_t)[row] = line->arrived_us;
            } else {
                struct bytes copy = arena_copy(&made->arena, bytes_make(line->data, line->size));
                COLUMN_VALUES(made->columns[i], struct string_view)
                [row] = (struct string_view){copy.data, (uint32_t)copy.size, 0};
            }
        }
    }
    world_mutex_unlock(&feed->mutex);
    *batch = made;
    return SOURCE_BATCH;
}

const struct source_class socket_source_class = {.name = "socket",
    .streaming = true,
    .open = source_open,
    .close = source_close,
    .scan_begin = scan_begin,
    .scan_end = scan_end,
    .partition_open = partition_open,
    .partition_next = partition_next,
    .partition_close = partition_close};

/* ---- streaming ---- */

struct socket_reading {
    struct stream_reading base;
    struct socket_source *source;
    struct feed *feed;
};

static struct stream_reading *reading_open(
    struct source *base, const struct stream_context *context, const char *checkpoint, struct sql_error *error) {
    struct socket_reading *reading = calloc(1, sizeof *reading);
    struct feed *feed = calloc(1, sizeof *feed);
    ASSERT(reading != NULL && feed != NULL);
    struct socket_source *source = (struct socket_source *)base;
    *reading = (struct socket_reading){{&socket_stream_class, base}, source, feed};
    *feed = (struct feed){.references = 2, .world = context->world, .loop = context->loop, .port = source->port};
    memcpy(feed->host, source->host, sizeof feed->host);
    world_mutex_init(&feed->mutex);
    world_loop_post(context->loop, connect_feed, feed);
    return &reading->base;
}

static void reading_close(struct stream_reading *base) {
    struct socket_reading *reading = (struct socket_reading *)base;
    world_loop_post(reading->feed->loop, end_feed, reading->feed);
    feed_release(reading->feed);
    free(reading);
}

static bool initial(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    buffer_append_text(offset, "-1");
    return true;
}

static bool latest(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    struct feed *feed = ((struct socket_reading *)base)->feed;
    world_mutex_lock(&feed->mutex);
    int64_t end = feed->first + (int64_t)feed->lines.count;
    struct error problem = feed->problem;
    bool broken = feed->closed && problem.code != ERROR_CLOSED && problem.code != ERROR_NONE;
    world_mutex_unlock(&feed->mutex);
    buffer_printf(offset, "%lld", (long long)end - 1); /* Spark's: of the last line */
    return !broken || raise_internal_error(error,
                          arena_printf(error->arena, "The socket %s:%d: %s", feed->host, feed->port, problem.message));
}

static struct source *make_batch(
    struct stream_reading *base, struct bytes start, struct bytes end, struct sql_error *error) {
    struct socket_reading *reading = (struct socket_reading *)base;
    struct socket_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    *source = *reading->source;
    source->feed = reading->feed;
    __atomic_fetch_add(&reading->feed->references, 1, __ATOMIC_RELAXED);
    bool good = bytes_to_int64(start, &source->from) && bytes_to_int64(end, &source->to);
    source->from++;
    source->to++;
    world_mutex_lock(&reading->feed->mutex);
    struct feed *feed = reading->feed;
    good = good && source->from >= feed->first && source->to <= feed->first + (int64_t)feed->lines.count;
    for (; good && feed->first < source->from && feed->lines.count > 0; feed->first++) { /* committed */
        free(feed->lines.items[0].data);
        VECTOR_REMOVE(&feed->lines, 0);
    }
    world_mutex_unlock(&reading->feed->mutex);
    if (!good) {
        raise__legacy_error_illegal_argument(
            error, "The lines of a socket are gone after a restart: start with another checkpoint");
        source_close(&source->base);
        return NULL;
    }
    return &source->base;
}

static void describe(struct stream_reading *base, struct buffer *out) {
    const struct socket_source *source = ((struct socket_reading *)base)->source;
    buffer_printf(out, "TextSocketV2[host: %s, port: %d]", source->host, source->port);
}

static void *subscribe(struct stream_reading *base, void (*wake)(void *argument), void *argument) {
    struct feed *feed = ((struct socket_reading *)base)->feed;
    world_mutex_lock(&feed->mutex);
    feed->wake = wake;
    feed->wake_argument = argument;
    world_mutex_unlock(&feed->mutex);
    return feed;
}

static void unsubscribe(struct stream_reading *base, void *subscription) {
    struct feed *feed = subscription;
    world_mutex_lock(&feed->mutex);
    feed->wake = NULL;
    world_mutex_unlock(&feed->mutex);
}

const struct stream_source_class socket_stream_class = {.class = &socket_source_class,
    .open = reading_open,
    .close = reading_close,
    .initial = initial,
    .latest = latest,
    .batch = make_batch,
    .describe = describe,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe};
