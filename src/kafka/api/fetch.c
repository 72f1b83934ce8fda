/* fetch.c: Fetch. Answers at once when min_bytes are there, a partition has an error, or nothing may be waited for;
 * else when appends have brought enough, or after max_wait_ms. Record data is not read: the answer names ranges of the
 * segment files. */
#include "kafka/internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "kafka/fetch_session.h"

typedef struct kafka_fetch_reply_partition reply_partition;

/* One partition asked for. */
struct fetch_item {
    struct bytes topic; /* request's arena */
    struct uuid topic_id;
    int32_t index, max_bytes, leader_epoch;
    int64_t offset;
};
struct fetch_state {
    struct api_request *request;
    struct world_timer *timer;
    struct fetch_item *items;   /* arena */
    struct log_waiter *waiters; /* arena; one per item */
    int32_t item_count, item_capacity;
    int32_t session_id;
    bool incremental; /* leave out partitions without news */
};

/* ---- which partitions ---- */

static bool uses_ids(const struct api_request *request) {
    return request->version >= 13;
}

static void add_item(struct fetch_state *state, struct fetch_item item) {
    if (state->item_count == state->item_capacity) {
        int32_t capacity = state->item_capacity ? state->item_capacity * 2 : 16;
        struct fetch_item *items = ARENA_ARRAY(&state->request->arena, struct fetch_item, capacity);
        if (state->item_count > 0)
            memcpy(items, state->items, (size_t)state->item_count * sizeof *items);
        state->items = items;
        state->item_capacity = capacity;
    }
    state->items[state->item_count++] = item;
}

static void items_from_request(struct fetch_state *state) {
    const struct kafka_fetch_request *body = state->request->body;
    for (int32_t i = 0; i < body->topics.count; i++)
        for (int32_t j = 0; j < body->topics.items[i].partitions.count; j++) {
            const struct kafka_fetch_request_partition *partition = &body->topics.items[i].partitions.items[j];
            add_item(
                state, (struct fetch_item){body->topics.items[i].name, body->topics.items[i].topic_id, partition->index,
                           partition->max_bytes, partition->current_leader_epoch, partition->fetch_offset});
        }
}

static void items_from_session(struct fetch_state *state, struct fetch_session *session) {
    LIST_FOR_EACH(node, &session->partitions) {
        const struct fetch_partition *partition = CONTAINER_OF(node, struct fetch_partition, node);
        add_item(state, (struct fetch_item){bytes_from_text(arena_strdup(&state->request->arena, partition->topic)),
                            partition->topic_id, partition->index, partition->max_bytes, partition->leader_epoch,
                            partition->fetch_offset});
    }
}

static void update_session(const struct kafka_fetch_request *body, struct fetch_session *session) {
    for (int32_t i = 0; i < body->topics.count; i++)
        for (int32_t j = 0; j < body->topics.items[i].partitions.count; j++) {
            const struct kafka_fetch_request_partition *wanted = &body->topics.items[i].partitions.items[j];
            struct fetch_partition *partition = fetch_session_partition(
                session, body->topics.items[i].name, body->topics.items[i].topic_id, wanted->index);
            partition->fetch_offset = wanted->fetch_offset;
            partition->max_bytes = wanted->max_bytes;
            partition->leader_epoch = wanted->current_leader_epoch;
        }
    for (int32_t i = 0; i < body->forgotten_topics.count; i++)
        for (int32_t j = 0; j < body->forgotten_topics.items[i].partitions.count; j++)
            fetch_session_forget(session, body->forgotten_topics.items[i].name,
                body->forgotten_topics.items[i].topic_id, body->forgotten_topics.items[i].partitions.items[j]);
}

/* Answers KAFKA_NONE and fills the items, or what is wrong with the session. */
static int16_t choose_partitions(struct fetch_state *state) {
    struct api_request *request = state->request;
    struct fetch_sessions *sessions = request->broker->sessions;
    const struct kafka_fetch_request *body = request->body;
    struct fetch_session *session;
    if (request->version < 7 || body->session_epoch <= 0) {
        if (body->session_id != 0)
            fetch_session_remove(sessions, body->session_id);
        items_from_request(state);
        if (request->version < 7 || body->session_epoch < 0)
            return KAFKA_NONE;
        int32_t id = (int32_t)(world_random_u64(request->broker->world) & INT32_MAX);
        session = id && state->item_count > 0 ? fetch_session_create(sessions, id, uses_ids(request)) : NULL;
        if (session) {
            update_session(body, session);
            state->session_id = id;
        }
        return KAFKA_NONE;
    }
    session = fetch_session_find(sessions, body->session_id);
    if (!session)
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (session->uses_ids != uses_ids(request))
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    if (session->epoch != body->session_epoch)
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    update_session(body, session);
    items_from_session(state, session);
    state->session_id = session->id;
    state->incremental = true;
    return KAFKA_NONE;
}

/* ---- looking at a partition ---- */

static enum log_isolation isolation_of(const struct api_request *request) {
    return ((const struct kafka_fetch_request *)request->body)->isolation_level ? LOG_READ_COMMITTED
                                                                                : LOG_READ_UNCOMMITTED;
}

static const struct topic *find_topic(const struct api_request *request, const struct fetch_item *item) {
    return uses_ids(request) ? topic_find_id(request->broker, item->topic_id)
                             : topic_find(request->broker, item->topic);
}

static int16_t find_log(struct api_request *request, const struct fetch_item *item, struct partition_log **log) {
    const struct topic *topic = find_topic(request, item);
    if (!topic)
        return uses_ids(request) ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    *log = topic_log(topic, item->index);
    if (!*log)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    int32_t epoch = topic->leader_epochs[item->index];
    if (item->leader_epoch >= 0 && item->leader_epoch != epoch)
        return item->leader_epoch < epoch ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
    return KAFKA_NONE;
}

static int64_t readable_end(struct partition_log *log, enum log_isolation isolation) {
    return isolation == LOG_READ_COMMITTED ? log_last_stable_offset(log) : log_high_watermark(log);
}

/* Whether the answer should leave now. */
static bool enough(struct fetch_state *state) {
    struct api_request *request = state->request;
    const struct kafka_fetch_request *body = request->body;
    enum log_isolation isolation = isolation_of(request);
    int64_t size = 0;
    for (int32_t i = 0; i < state->item_count; i++) {
        const struct fetch_item *item = &state->items[i];
        struct partition_log *log = NULL;
        if (find_log(request, item, &log) != KAFKA_NONE || item->offset < log_start_offset(log) ||
            item->offset > log_end_offset(log))
            return true;
        if (item->offset >= readable_end(log, isolation))
            continue;
        if (body->min_bytes <= 1)
            return true;
        struct log_range range = {0};
        struct error error = {0};
        enum log_status status =
            log_read(log, item->offset, (size_t)(item->max_bytes > 0 ? item->max_bytes : 0), isolation, &range, &error);
        size += (int64_t)range.size;
        log_range_release(&range);
        if (status != LOG_STATUS_OK || size >= body->min_bytes)
            return true;
    }
    return size >= body->min_bytes;
}

/* ---- the answer ---- */

static void list_aborted(struct api_request *request, struct partition_log *log, const struct fetch_item *item,
    const struct log_range *range, reply_partition *reply) {
    struct log_aborted_list list = {0};
    struct error error = {0};
    if (log_aborted_in_range(log, item->offset, range, &list, &error)) {
        WIRE_ARRAY(&request->arena, &reply->aborted_transactions, &kafka_fetch_reply_aborted_struct, list.count);
        for (size_t i = 0; i < list.count; i++) {
            reply->aborted_transactions.items[i].producer_id = list.items[i].producer_id;
            reply->aborted_transactions.items[i].first_offset = list.items[i].first_offset;
        }
    } else {
        reply->error_code = kafka_error_from_error(&error);
    }
    VECTOR_FREE(&list);
}

/* Fills the reply and takes what was given off *left. The range goes along as the "records" until the answer is sent.
 */
static void read_item(
    struct api_request *request, const struct fetch_item *item, reply_partition *reply, int64_t *left, bool *first) {
    struct partition_log *log = NULL;
    struct error error = {0};
    reply->index = item->index;
    reply->high_watermark = -1;
    reply->aborted_transactions.count = -1;
    reply->records = bytes_make("", 0);
    reply->error_code = find_log(request, item, &log);
    if (reply->error_code != KAFKA_NONE)
        return;
    struct log_range *range = ARENA_NEW(&request->arena, struct log_range);
    enum log_isolation isolation = isolation_of(request);
    int64_t size_max = item->max_bytes < *left ? item->max_bytes : *left;
    enum log_status status =
        log_read(log, item->offset, (size_t)(size_max > 0 ? size_max : 0), isolation, range, &error);
    reply->error_code = kafka_error_from_status(status);
    if (status != LOG_STATUS_OK) {
        if (request->broker->totals.failed_fetches)
            metric_add(request->broker->totals.failed_fetches, 1);
        reply->log_start_offset = log_start_offset(log);
        log_range_release(range);
        return;
    }
    reply->high_watermark = range->high_watermark;
    reply->last_stable_offset = range->last_stable_offset;
    reply->log_start_offset = range->log_start_offset;
    if (isolation == LOG_READ_COMMITTED)
        list_aborted(request, log, item, range, reply);
    /* A first batch over the limit is given only to the first partition with data, so that every consumer gets on. */
    if (range->size == 0 || ((int64_t)range->size > size_max && !*first)) {
        log_range_release(range);
        return;
    }
    *first = false;
    *left -= (int64_t)range->size;
    reply->records = bytes_make(range, range->size);
    struct metric *bytes_out = find_topic(request, item)->bytes_out;
    if (bytes_out)
        metric_add(bytes_out, (int64_t)range->size);
    if (request->broker->totals.bytes_out)
        metric_add(request->broker->totals.bytes_out, (int64_t)range->size);
}

/* True when the partition must be in an incremental answer; remembers what was told. */
static bool has_news(struct fetch_session *session, const struct fetch_item *item, const reply_partition *reply) {
    struct fetch_partition *partition = fetch_session_partition(session, item->topic, item->topic_id, item->index);
    bool news = reply->records.size > 0 || reply->error_code != KAFKA_NONE ||
                partition->high_watermark != reply->high_watermark ||
                partition->log_start_offset != reply->log_start_offset;
    partition->high_watermark = reply->error_code == KAFKA_NONE ? reply->high_watermark : -1;
    partition->log_start_offset = reply->log_start_offset;
    if (reply->records.size > 0)
        fetch_session_rotate(session, partition);
    return news;
}

static bool same_topic(const struct kafka_fetch_reply_topic *topic, const struct fetch_item *item, bool ids) {
    return ids ? uuid_equal(topic->topic_id, item->topic_id) : bytes_equal(topic->name, item->topic);
}

static void build(struct fetch_state *state) {
    struct api_request *request = state->request;
    const struct kafka_fetch_request *body = request->body;
    struct kafka_fetch_reply *reply = request->reply;
    struct fetch_session *session =
        state->session_id ? fetch_session_find(request->broker->sessions, state->session_id) : NULL;
    if (state->session_id && !session) {
        reply->error_code = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        return;
    }
    reply->session_id = state->session_id;
    reply_partition *partitions = wire_new(&request->arena, &kafka_fetch_reply_partition_struct, state->item_count);
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_fetch_reply_topic_struct, state->item_count);
    reply->topics.count = 0;
    int64_t size_max = request->broker->fetch_size_max;
    int64_t left = body->max_bytes < size_max ? body->max_bytes : size_max;
    bool first = true;
    int32_t used = 0;
    for (int32_t i = 0; i < state->item_count; i++) {
        const struct fetch_item *item = &state->items[i];
        reply_partition *partition = &partitions[used];
        read_item(request, item, partition, &left, &first);
        if (session && !has_news(session, item, partition) && state->incremental) {
            wire_set_defaults(&kafka_fetch_reply_partition_struct, partition);
            continue;
        }
        used++;
        struct kafka_fetch_reply_topic *topic =
            reply->topics.count ? &reply->topics.items[reply->topics.count - 1] : NULL;
        if (!topic || !same_topic(topic, item, uses_ids(request))) {
            topic = &reply->topics.items[reply->topics.count++];
            topic->name = item->topic;
            topic->topic_id = item->topic_id;
            topic->partitions.items = partition;
        }
        topic->partitions.count++;
    }
}

/* ---- waiting ---- */

static void stop_waiting(struct fetch_state *state) {
    for (int32_t i = 0; state->waiters && i < state->item_count; i++)
        log_wait_cancel(&state->waiters[i]);
}

static void state_free(struct fetch_state *state) {
    stop_waiting(state);
    if (state->timer)
        world_timer_destroy(state->timer);
    state->request->state = NULL;
    free(state);
}

static void cancel(struct api_request *request) {
    state_free(request->state);
}

static void finish(struct fetch_state *state) {
    struct api_request *request = state->request;
    build(state);
    state_free(state);
    api_reply(request);
}

static void on_timeout(void *argument) {
    finish(argument);
}

static void on_append(struct log_waiter *waiter, bool closed) {
    struct fetch_state *state = waiter->argument;
    api_wake(state->request);
}

/* False when something can be read already. */
static bool wait_for_appends(struct fetch_state *state) {
    struct api_request *request = state->request;
    enum log_isolation isolation = isolation_of(request);
    for (int32_t i = 0; i < state->item_count; i++) {
        struct log_waiter *waiter = &state->waiters[i];
        struct partition_log *log = NULL;
        if (waiter->log)
            continue; /* still waiting */
        if (find_log(request, &state->items[i], &log) != KAFKA_NONE)
            return false;
        int64_t end = log_high_watermark(log), offset = state->items[i].offset;
        *waiter = (struct log_waiter){.wake = on_append, .argument = state};
        /* Behind an open transaction the watermark may be far ahead: wait until it moves. */
        bool behind = offset < readable_end(log, isolation) || end > offset;
        enum log_wait_result waits = log_wait(log, behind ? end : offset, waiter);
        if (waits == LOG_WAIT_OFFLINE && log_failure(log)) /* it may come back: the consumer's time goes by */
            continue;
        if (waits != LOG_WAIT_WAITS)
            return false;
    }
    return true;
}

static void on_wake(struct api_request *request) {
    struct fetch_state *state = request->state;
    if (enough(state) || !wait_for_appends(state))
        finish(state);
}

void handle_fetch(struct api_request *request) {
    const struct kafka_fetch_request *body = request->body;
    struct kafka_fetch_reply *reply = request->reply;
    struct fetch_state *state = calloc(1, sizeof *state);
    ASSERT(state);
    if (request->broker->totals.fetches)
        metric_add(request->broker->totals.fetches, 1);
    state->request = request;
    request->state = state;
    reply->error_code = choose_partitions(state);
    if (reply->error_code != KAFKA_NONE) {
        state_free(state);
        api_reply(request);
        return;
    }
    if (body->max_wait_ms <= 0 || state->item_count == 0 || enough(state)) {
        finish(state);
        return;
    }
    state->waiters = ARENA_ARRAY(&request->arena, struct log_waiter, state->item_count);
    request->wake = on_wake;
    request->cancel = cancel;
    if (!wait_for_appends(state)) {
        finish(state);
        return;
    }
    state->timer = world_timer_create(request->broker->loop, on_timeout, state);
    world_timer_start(state->timer, body->max_wait_ms, 0);
}
