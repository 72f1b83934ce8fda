/* model_clients.c: see model.h. Each client has one connection and at most one request under way; what it does next
 * follows from its state and from chance. Everything runs on the clients' loop. */
#include "kafka/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/errors.h"
#include "wire/record_batch.h"

enum { SESSION_TIMEOUT_MS = 6000, TRANSACTION_TIMEOUT_MS = 60000, SHORT_TRANSACTION_TIMEOUT_MS = 2000 };

void model_found(struct model *model, const char *format, ...) {
    va_list arguments;
    if (model->problem[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(model->problem, sizeof model->problem, format, arguments);
    va_end(arguments);
}

/* ---- connections ---- */

struct wire {
    struct actor *actor;        /* NULL: cut off */
    struct net_connection *net; /* NULL: closed */
    int references;             /* the connection's, and that of a post to end it */
};

static void wire_release(struct wire *wire) {
    if (--wire->references == 0)
        free(wire);
}

static void answer(struct actor *actor, const void *reply) {
    void (*answered)(struct actor *, const void *) = actor->answered;
    actor->answered = NULL;
    if (answered)
        answered(actor, reply);
    arena_reset(&actor->arena);
}

static void on_frame(struct net_connection *net, struct bytes frame) {
    struct wire *wire = net_state(net);
    struct actor *actor = wire->actor;
    struct error error = {0};
    if (!actor || !actor->answered)
        return;
    struct bytes rest = arena_copy(&actor->arena, frame);
    size_t header = actor->reply_version >= actor->reply->flexible ? 5 : 4;
    void *reply = arena_allocate(&actor->arena, actor->reply->body->size);
    bool ok = rest.size >= header && (int32_t)load_be32(rest.data) == actor->correlation;
    rest = ok ? bytes_slice(rest, header, rest.size - header) : rest;
    if (!ok || !wire_decode(actor->reply, actor->reply_version, &rest, &actor->arena, reply, &error)) {
        model_found(actor->model, "an answer to %s cannot be read: %s", actor->reply->name, error.message);
        return;
    }
    answer(actor, reply);
}

static bool on_open(struct net_connection *net, void *context) {
    net_set_state(net, context);
    return true;
}

static void on_closed(struct net_connection *net, const struct error *reason) {
    struct wire *wire = net_state(net);
    struct actor *actor = wire->actor;
    wire->net = NULL;
    wire_release(wire);
    net_release(net);
    if (actor) {
        actor->wire = NULL;
        answer(actor, NULL);
    }
}

static const struct net_protocol protocol = {.name = "model", .open = on_open, .frame = on_frame, .closed = on_closed};

static void connect_actor(struct actor *actor) {
    struct error error = {0};
    struct wire *wire = calloc(1, sizeof *wire);
    ASSERT(wire);
    wire->actor = actor;
    wire->references = 1;
    wire->net = net_connect(actor->model->loop, "127.0.0.1", 9092, &protocol, wire, NULL, &error);
    if (!wire->net) {
        free(wire);
        return;
    }
    net_retain(wire->net);
    actor->wire = wire;
}

void model_call(struct actor *actor, const struct wire_message *request, int16_t version, const void *body,
    const struct wire_message *reply, void (*answered)(struct actor *, const void *)) {
    struct buffer frame = {0};
    struct error error = {0};
    if (!actor->wire)
        connect_actor(actor);
    if (!actor->wire)
        return;
    actor->reply = reply;
    actor->reply_version = version;
    actor->answered = answered;
    buffer_extend(&frame, 4);
    store_be16(buffer_extend(&frame, 2), (uint16_t)request->key);
    store_be16(buffer_extend(&frame, 2), (uint16_t)version);
    store_be32(buffer_extend(&frame, 4), (uint32_t)++actor->correlation);
    store_be16(buffer_extend(&frame, 2), 5);
    buffer_append_text(&frame, "model");
    if (version >= request->flexible)
        buffer_append_byte(&frame, 0);
    bool ok = wire_encode(request, version, body, &frame, NULL, &error);
    if (!ok)
        model_found(actor->model, "our own mistake: %s", error.message);
    store_be32(frame.data, (uint32_t)frame.size - 4);
    net_send_buffer(actor->wire->net, &frame);
}
void model_rest(struct actor *actor, int64_t ms) {
    actor->rests_until_ms = world_monotonic_ns(actor->model->machine.world) / 1000000 + ms;
}

/* What a client tries again as it is. */
static bool is_passing(int16_t code) {
    switch (code) {
    case KAFKA_KAFKA_STORAGE_ERROR:
    case KAFKA_NOT_ENOUGH_REPLICAS:
    case KAFKA_REQUEST_TIMED_OUT:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_CONCURRENT_TRANSACTIONS:
        return true;
    default:
        return false;
    }
}

/* ---- batches ---- */

static int64_t new_batch(struct actor *actor, int partition, int count) {
    struct model *model = actor->model;
    int64_t first = (int64_t)model->values.count;
    for (int i = 0; i < count; i++)
        VECTOR_PUSH(&model->values,
            ((struct model_value){
                .partition = partition, .owner = actor->index, .transaction = actor->transaction, .offset = -1}));
    actor->has_batch = true;
    actor->batch_partition = partition;
    actor->batch_count = count;
    actor->batch_first = first;
    return first;
}

/* The batch under way: numbers, with blanks to fill segments. The same bytes each time it is sent. */
static void build_batch(struct actor *actor, struct buffer *out) {
    struct record_builder builder;
    bool in_transaction = actor->transaction >= 0;
    record_builder_begin(&builder, out, 0, in_transaction ? RECORD_BATCH_TRANSACTIONAL : 0);
    for (int i = 0; i < actor->batch_count; i++) {
        char value[1200];
        int64_t number = actor->batch_first + i;
        int size = snprintf(value, sizeof value, "%-*lld", (int)(number * 131 % 900), (long long)number);
        record_builder_add(&builder, i, world_wall_ms(actor->model->machine.world), (struct bytes){0},
            bytes_make(value, (size_t)size), (struct bytes){0}, 0);
    }
    record_builder_end(&builder, actor->producer_id, actor->epoch, actor->sequences[actor->batch_partition], -1);
}

static void send_batch(struct actor *actor, int16_t version, const char *transactional_id,
    void (*answered)(struct actor *, const void *)) {
    struct kafka_produce_request body;
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request_partition partition;
    struct buffer bytes = {0};
    wire_set_defaults(&kafka_produce_request_struct, &body);
    wire_set_defaults(&kafka_produce_request_topic_struct, &topic);
    wire_set_defaults(&kafka_produce_request_partition_struct, &partition);
    build_batch(actor, &bytes);
    body.acks = -1;
    body.timeout_ms = 30000;
    body.transactional_id = transactional_id ? bytes_from_text(transactional_id) : BYTES_NULL;
    body.topics.items = &topic;
    body.topics.count = 1;
    topic.name = BYTES(MODEL_TOPIC);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    partition.index = actor->batch_partition;
    partition.records = buffer_view(&bytes);
    CALL(actor, produce, version, &body, answered);
    buffer_free(&bytes);
}

static void batch_is_stored(struct actor *actor, int64_t base_offset) {
    for (int i = 0; i < actor->batch_count; i++) {
        struct model_value *value = &actor->model->values.items[actor->batch_first + i];
        value->acknowledged = true;
        value->offset = base_offset + i;
    }
    actor->has_batch = false;
    actor->sequences[actor->batch_partition] += actor->batch_count;
}

static int16_t produce_code(const struct kafka_produce_reply *reply, int64_t *base_offset) {
    *base_offset = reply->topics.items[0].partitions.items[0].base_offset;
    return reply->topics.items[0].partitions.items[0].error_code;
}

/* ---- idempotent producers ---- */

static void on_producer_id(struct actor *actor, const void *message) {
    const struct kafka_init_producer_id_reply *reply = message;
    if (!reply || reply->error_code != KAFKA_NONE) {
        model_rest(actor, 20);
        return;
    }
    for (int i = 0; i < ACTOR_COUNT; i++)
        if (i != actor->index && actor->model->actors[i].producer_id == reply->producer_id)
            model_found(actor->model, "producer id %lld is given twice", (long long)reply->producer_id);
    actor->producer_id = reply->producer_id;
    actor->epoch = reply->producer_epoch;
    actor->state = STATE_READY;
}

static void on_produced(struct actor *actor, const void *message) {
    int64_t base_offset = -1;
    int16_t code = message ? produce_code(message, &base_offset) : KAFKA_REQUEST_TIMED_OUT;
    if (code == KAFKA_NONE)
        batch_is_stored(actor, base_offset);
    else if (is_passing(code))
        model_rest(actor, 20);
    else
        model_found(actor->model, "an idempotent producer's batch is refused: %s", kafka_error_name(code));
}

static void producer_acts(struct actor *actor) {
    if (actor->state == STATE_NEW) {
        struct kafka_init_producer_id_request body;
        wire_set_defaults(&kafka_init_producer_id_request_struct, &body);
        CALL(actor, init_producer_id, 4, &body, on_producer_id);
        return;
    }
    if (!actor->has_batch && actor->model->drains)
        return;
    if (!actor->has_batch)
        new_batch(actor, (int)model_chance(actor->model, PARTITION_COUNT), 1 + (int)model_chance(actor->model, 8));
    send_batch(actor, 9, NULL, on_produced);
}

/* ---- transactional producers: those with an even number of KIP-890, the others as before it ---- */

static bool is_new_protocol(const struct actor *actor) {
    return actor->index % 2 == 0;
}
static void player_id(const struct actor *actor, char out[32]) {
    snprintf(out, 32, "player %d", actor->index);
}
static void player_group(const struct actor *actor, char out[32]) {
    snprintf(out, 32, "group %d", actor->index);
}

/* The transaction at hand is over for us; what became of it, its end tells. */
static void leave_transaction(struct actor *actor) {
    actor->state = STATE_NEW;
    actor->transaction = -1;
    actor->has_batch = false;
}

static void on_player_id(struct actor *actor, const void *message) {
    on_producer_id(actor, message);
    memset(actor->sequences, 0, sizeof actor->sequences);
    actor->is_over = actor->state == STATE_READY && actor->model->drains;
}

static void on_played(struct actor *actor, const void *message) {
    int64_t base_offset = -1;
    int16_t code = message ? produce_code(message, &base_offset) : KAFKA_REQUEST_TIMED_OUT;
    if (code == KAFKA_NONE)
        batch_is_stored(actor, base_offset);
    else if (is_passing(code))
        model_rest(actor, 20);
    else
        leave_transaction(actor);
}

static void on_added(struct actor *actor, const void *message) {
    const struct kafka_add_partitions_to_txn_reply *reply = message;
    int16_t code = reply ? reply->topics.items[0].partitions.items[0].error_code : KAFKA_REQUEST_TIMED_OUT;
    if (code == KAFKA_NONE)
        actor->added[actor->batch_partition] = true;
    else if (is_passing(code))
        model_rest(actor, 20);
    else
        leave_transaction(actor);
}

static void on_offsets_added(struct actor *actor, const void *message) {
    const struct kafka_add_offsets_to_txn_reply *reply = message;
    if (reply && reply->error_code == KAFKA_NONE)
        actor->state = STATE_OFFSETS_ADDED;
    else if (reply && !is_passing(reply->error_code))
        leave_transaction(actor);
    else
        model_rest(actor, 20);
}

static void on_offsets(struct actor *actor, const void *message) {
    const struct kafka_txn_offset_commit_reply *reply = message;
    int16_t code = reply ? reply->topics.items[0].partitions.items[0].error_code : KAFKA_REQUEST_TIMED_OUT;
    if (code == KAFKA_NONE) {
        actor->model->transactions.items[actor->transaction].has_offset = true;
        actor->state = STATE_ENDS;
        actor->ends_with_commit = model_chance(actor->model, 4) != 0;
    } else if (is_passing(code)) {
        model_rest(actor, 20);
    } else {
        leave_transaction(actor);
    }
}

static void on_end(struct actor *actor, const void *message) {
    const struct kafka_end_txn_reply *reply = message;
    struct model_transaction *transaction = &actor->model->transactions.items[actor->transaction];
    if (!reply || (reply->error_code != KAFKA_NONE && !is_passing(reply->error_code))) {
        leave_transaction(actor); /* nobody knows how it ended */
        return;
    }
    if (reply->error_code != KAFKA_NONE) {
        model_rest(actor, 20);
        return;
    }
    transaction->outcome = actor->ends_with_commit ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
    actor->transaction = -1;
    actor->state = STATE_READY;
    if (is_new_protocol(actor)) {
        actor->producer_id = reply->producer_id;
        actor->epoch = reply->producer_epoch;
        memset(actor->sequences, 0, sizeof actor->sequences);
    }
}

static void begin_id(struct actor *actor) {
    struct kafka_init_producer_id_request body;
    char id[32];
    player_id(actor, id);
    wire_set_defaults(&kafka_init_producer_id_request_struct, &body);
    body.transactional_id = bytes_from_text(id);
    body.transaction_timeout_ms =
        actor->index == PRODUCER_COUNT ? SHORT_TRANSACTION_TIMEOUT_MS : TRANSACTION_TIMEOUT_MS;
    CALL(actor, init_producer_id, is_new_protocol(actor) ? 5 : 4, &body, on_player_id);
}

static void add_partition(struct actor *actor) {
    struct kafka_add_partitions_to_txn_request body;
    struct kafka_add_partitions_to_txn_request_topic topic;
    int32_t partition = actor->batch_partition;
    char id[32];
    player_id(actor, id);
    wire_set_defaults(&kafka_add_partitions_to_txn_request_struct, &body);
    wire_set_defaults(&kafka_add_partitions_to_txn_request_topic_struct, &topic);
    body.transactional_id = bytes_from_text(id);
    body.producer_id = actor->producer_id;
    body.producer_epoch = actor->epoch;
    body.topics.items = &topic;
    body.topics.count = 1;
    topic.name = BYTES(MODEL_TOPIC);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    CALL(actor, add_partitions_to_txn, 3, &body, on_added);
}

static void commit_player_offset(struct actor *actor) {
    char id[32], group[32];
    player_id(actor, id);
    player_group(actor, group);
    if (!is_new_protocol(actor) && actor->state != STATE_OFFSETS_ADDED) {
        struct kafka_add_offsets_to_txn_request body;
        wire_set_defaults(&kafka_add_offsets_to_txn_request_struct, &body);
        body.transactional_id = bytes_from_text(id);
        body.group_id = bytes_from_text(group);
        body.producer_id = actor->producer_id;
        body.producer_epoch = actor->epoch;
        CALL(actor, add_offsets_to_txn, 3, &body, on_offsets_added);
        return;
    }
    struct kafka_txn_offset_commit_request body;
    struct kafka_txn_offset_commit_request_topic topic;
    struct kafka_txn_offset_commit_request_partition partition;
    wire_set_defaults(&kafka_txn_offset_commit_request_struct, &body);
    wire_set_defaults(&kafka_txn_offset_commit_request_topic_struct, &topic);
    wire_set_defaults(&kafka_txn_offset_commit_request_partition_struct, &partition);
    body.transactional_id = bytes_from_text(id);
    body.group_id = bytes_from_text(group);
    body.producer_id = actor->producer_id;
    body.producer_epoch = actor->epoch;
    body.topics.items = &topic;
    body.topics.count = 1;
    topic.name = BYTES(MODEL_TOPIC);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    partition.offset = actor->model->transactions.items[actor->transaction].number;
    CALL(actor, txn_offset_commit, is_new_protocol(actor) ? 5 : 3, &body, on_offsets);
}

static void end_transaction(struct actor *actor) {
    struct kafka_end_txn_request body;
    char id[32];
    player_id(actor, id);
    wire_set_defaults(&kafka_end_txn_request_struct, &body);
    body.transactional_id = bytes_from_text(id);
    body.producer_id = actor->producer_id;
    body.producer_epoch = actor->epoch;
    body.committed = actor->ends_with_commit;
    if (actor->ends_with_commit)
        actor->model->transactions.items[actor->transaction].outcome = OUTCOME_COMMIT_ASKED;
    CALL(actor, end_txn, is_new_protocol(actor) ? 5 : 3, &body, on_end);
}

static void begin_transaction(struct actor *actor) {
    struct model *model = actor->model;
    actor->transaction = (int)model->transactions.count;
    VECTOR_PUSH(&model->transactions, ((struct model_transaction){.owner = actor->index, .number = ++actor->number}));
    memset(actor->added, 0, sizeof actor->added);
}

static void player_acts(struct actor *actor) {
    struct model *model = actor->model;
    char id[32];
    player_id(actor, id);
    if (actor->state == STATE_NEW) {
        begin_id(actor);
    } else if (model->drains && !actor->is_over) {
        leave_transaction(actor); /* the next one's id ends what was open */
    } else if (actor->is_over) {
        return;
    } else if (actor->transaction < 0) {
        begin_transaction(actor);
    } else if (actor->state == STATE_ENDS) {
        end_transaction(actor);
    } else if (actor->has_batch && !is_new_protocol(actor) && !actor->added[actor->batch_partition]) {
        add_partition(actor);
    } else if (actor->has_batch) {
        send_batch(actor, is_new_protocol(actor) ? 12 : 11, id, on_played);
    } else if (actor->state == STATE_OFFSETS_ADDED) {
        commit_player_offset(actor);
    } else if (model_chance(model, 4) != 0) {
        new_batch(actor, (int)model_chance(model, PARTITION_COUNT), 1 + (int)model_chance(model, 5));
    } else if (model_chance(model, 8) == 0) {
        actor->state = STATE_ENDS;
        actor->ends_with_commit = false;
    } else {
        commit_player_offset(actor);
    }
}

/* ---- members of the group ---- */

static void end_runs(struct actor *actor) {
    for (int i = 0; i < PARTITION_COUNT; i++)
        if (actor->assigned[i] && actor->state == STATE_READY)
            VECTOR_PUSH(&actor->model->runs, actor->runs[i]);
}

static void join_again(struct actor *actor, bool as_nobody) {
    end_runs(actor);
    actor->state = STATE_NEW;
    if (as_nobody)
        actor->member_id[0] = 0;
}

/* True when the code said that the member must join again or wait. */
static bool member_is_over(struct actor *actor, int16_t code) {
    if (code == KAFKA_NONE)
        return false;
    if (code == KAFKA_REBALANCE_IN_PROGRESS || code == KAFKA_ILLEGAL_GENERATION)
        join_again(actor, false);
    else if (code == KAFKA_UNKNOWN_MEMBER_ID)
        join_again(actor, true);
    else
        model_rest(actor, 20);
    return true;
}

static void on_joined(struct actor *actor, const void *message) {
    const struct kafka_join_group_reply *reply = message;
    if (!reply)
        return;
    if (reply->error_code == KAFKA_MEMBER_ID_REQUIRED || reply->error_code == KAFKA_NONE)
        snprintf(actor->member_id, sizeof actor->member_id, "%.*s", BYTES_ARGS(reply->member_id));
    if (reply->error_code == KAFKA_MEMBER_ID_REQUIRED || member_is_over(actor, reply->error_code))
        return;
    actor->generation = reply->generation;
    actor->is_leader = bytes_equal(reply->leader, reply->member_id);
    actor->member_count = reply->members.count < MEMBER_COUNT ? reply->members.count : MEMBER_COUNT;
    for (int i = 0; i < actor->member_count; i++)
        snprintf(
            actor->member_ids[i], sizeof actor->member_ids[i], "%.*s", BYTES_ARGS(reply->members.items[i].member_id));
    actor->state = STATE_JOINED;
}

static void on_synced(struct actor *actor, const void *message) {
    const struct kafka_sync_group_reply *reply = message;
    if (!reply || member_is_over(actor, reply->error_code))
        return;
    memset(actor->assigned, 0, sizeof actor->assigned);
    for (size_t i = 0; i < reply->assignment.size && i < PARTITION_COUNT; i++)
        actor->assigned[reply->assignment.data[i] % PARTITION_COUNT] = true;
    actor->state = STATE_SYNCED;
    actor->synced_life = actor->model->machine.life;
    /* After a power cut the numbers of generations that nobody relied on begin anew. */
    for (int i = 0; i < PARTITION_COUNT; i++)
        for (int k = 0; k < ACTOR_COUNT && actor->assigned[i]; k++) {
            const struct actor *other = &actor->model->actors[k];
            if (other->kind == ACTOR_MEMBER && other != actor && other->state >= STATE_READY &&
                other->state != STATE_JOINED && other->generation == actor->generation && other->assigned[i] &&
                (!actor->model->machine.power || other->synced_life == actor->synced_life) &&
                strcmp(other->member_id, actor->member_id) != 0)
                model_found(actor->model, "partition %d has two members in generation %d", i, actor->generation);
        }
}

void model_begin_run(struct actor *actor, int partition, int64_t offset) {
    int64_t committed = actor->model->committed[actor->kind == ACTOR_CONSUMER][partition];
    offset = offset < 0 ? 0 : offset;
    if (offset < committed)
        model_found(actor->model, "the group's offset of partition %d went back to %lld from %lld", partition,
            (long long)offset, (long long)committed);
    actor->runs[partition] = (struct model_run){.partition = partition, .from = offset, .to = offset};
}

static void on_positions(struct actor *actor, const void *message) {
    const struct kafka_offset_fetch_reply *reply = message;
    if (!reply || member_is_over(actor, reply->error_code))
        return;
    for (int32_t i = 0; reply->topics.count > 0 && i < reply->topics.items[0].partitions.count; i++)
        if (reply->topics.items[0].partitions.items[i].error_code != KAFKA_NONE) {
            model_rest(actor, 20); /* e.g. unstable */
            return;
        }
    for (int32_t i = 0; reply->topics.count > 0 && i < reply->topics.items[0].partitions.count; i++) {
        int partition = reply->topics.items[0].partitions.items[i].index;
        int64_t offset = reply->topics.items[0].partitions.items[i].offset;
        model_begin_run(actor, partition, offset);
    }
    actor->state = STATE_READY;
}

struct aborted_list {
    struct kafka_fetch_reply_aborted *items;
    int32_t count;
};

/* As a client decides it, from producer and first offset alone; a marker takes its transaction off the list. */
static bool is_hidden(struct aborted_list *aborted, const struct record_batch *batch) {
    bool is_control = batch->attributes & RECORD_BATCH_CONTROL, hidden = is_control;
    for (int32_t i = 0; i < aborted->count; i++)
        if (aborted->items[i].producer_id == batch->producer_id &&
            aborted->items[i].first_offset <= batch->base_offset &&
            (is_control || batch->attributes & RECORD_BATCH_TRANSACTIONAL)) {
            hidden = true;
            if (is_control)
                aborted->items[i] = aborted->items[--aborted->count];
            break;
        }
    return hidden;
}

static void take_records(struct actor *actor, int partition, const struct record_batch *batch) {
    struct model *model = actor->model;
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    record_reader_init(&reader, batch, batch->records);
    while (record_reader_next(&reader, &record, &error)) {
        char text[32] = "";
        if (record.offset < actor->runs[partition].to)
            continue;
        memcpy(text, record.value.data, record.value.size < 31 ? record.value.size : 31);
        int64_t number = strtoll(text, NULL, 10);
        if (number < 0 || number >= (int64_t)model->values.count ||
            model->values.items[number].partition != partition) {
            model_found(
                model, "a member reads %lld in partition %d, which was not sent there", (long long)number, partition);
            return;
        }
        model->values.items[number].read = true;
        VECTOR_PUSH(&model->reads, ((struct model_read){partition, record.offset, number}));
        actor->runs[partition].count++;
    }
}

static void on_fetched(struct actor *actor, const void *message) {
    const struct kafka_fetch_reply *reply = message;
    if (!reply || reply->topics.count < 1 || reply->topics.items[0].partitions.count < 1)
        return;
    struct kafka_fetch_reply_partition *from = &reply->topics.items[0].partitions.items[0];
    struct aborted_list aborted = {from->aborted_transactions.items, from->aborted_transactions.count};
    struct record_batch batch;
    if (from->error_code != KAFKA_NONE) {
        if (from->error_code != KAFKA_KAFKA_STORAGE_ERROR)
            model_found(actor->model, "a fetch of partition %d at %lld is refused: %s", from->index,
                (long long)actor->runs[from->index].to, kafka_error_name(from->error_code));
        model_rest(actor, 20);
        return;
    }
    for (struct bytes rest_of = from->records; record_batch_parse(rest_of, &batch) == RECORD_BATCH_OK;
         rest_of = bytes_slice(rest_of, batch.whole.size, rest_of.size - batch.whole.size)) {
        int64_t next = record_batch_last_offset(&batch) + 1;
        if (!record_batch_checksum_ok(&batch))
            model_found(actor->model, "a corrupt batch is served at %lld", (long long)batch.base_offset);
        if (!is_hidden(&aborted, &batch))
            take_records(actor, from->index, &batch);
        if (next > actor->runs[from->index].to)
            actor->runs[from->index].to = next;
    }
}

static void on_group_commit(struct actor *actor, const void *message) {
    const struct kafka_offset_commit_reply *reply = message;
    if (!reply)
        return;
    bool is_consumer = actor->kind == ACTOR_CONSUMER;
    for (int32_t i = 0; i < reply->topics.items[0].partitions.count; i++) {
        int16_t code = reply->topics.items[0].partitions.items[i].error_code;
        if (is_consumer ? model_consumer_is_over(actor, code) : member_is_over(actor, code))
            return;
    }
    for (int32_t i = 0; i < reply->topics.items[0].partitions.count; i++) {
        int partition = reply->topics.items[0].partitions.items[i].index;
        int64_t *committed = &actor->model->committed[is_consumer][partition];
        if (actor->runs[partition].to > *committed)
            *committed = actor->runs[partition].to;
    }
}

static void on_heartbeat(struct actor *actor, const void *message) {
    const struct kafka_heartbeat_reply *reply = message;
    if (reply)
        member_is_over(actor, reply->error_code);
}

static void on_left(struct actor *actor, const void *message) {
    if (message)
        join_again(actor, true);
}

static void join_group(struct actor *actor) {
    struct kafka_join_group_request body;
    struct kafka_join_group_request_protocol protocol_item;
    wire_set_defaults(&kafka_join_group_request_struct, &body);
    wire_set_defaults(&kafka_join_group_request_protocol_struct, &protocol_item);
    body.group_id = BYTES(MODEL_GROUP);
    body.session_timeout_ms = body.rebalance_timeout_ms = SESSION_TIMEOUT_MS;
    body.member_id = bytes_from_text(actor->member_id);
    body.protocol_type = BYTES("consumer");
    body.protocols.items = &protocol_item;
    body.protocols.count = 1;
    protocol_item.name = BYTES("model");
    protocol_item.metadata = BYTES("");
    CALL(actor, join_group, 5, &body, on_joined);
}

static void sync_group(struct actor *actor) {
    struct kafka_sync_group_request body;
    struct kafka_sync_group_request_assignment assignments[MEMBER_COUNT];
    uint8_t partitions[MEMBER_COUNT][PARTITION_COUNT];
    size_t counts[MEMBER_COUNT] = {0};
    wire_set_defaults(&kafka_sync_group_request_struct, &body);
    body.group_id = BYTES(MODEL_GROUP);
    body.generation = actor->generation;
    body.member_id = bytes_from_text(actor->member_id);
    for (int i = 0; i < PARTITION_COUNT && actor->member_count > 0; i++) {
        int member = i % actor->member_count;
        partitions[member][counts[member]++] = (uint8_t)i;
    }
    for (int i = 0; i < actor->member_count; i++) {
        wire_set_defaults(&kafka_sync_group_request_assignment_struct, &assignments[i]);
        assignments[i].member_id = bytes_from_text(actor->member_ids[i]);
        assignments[i].assignment = bytes_make(partitions[i], counts[i]);
    }
    body.assignments.items = assignments;
    body.assignments.count = actor->is_leader ? actor->member_count : 0;
    CALL(actor, sync_group, 3, &body, on_synced);
}

int32_t model_list_assigned(const struct actor *actor, int32_t out[PARTITION_COUNT]) {
    int32_t count = 0;
    for (int i = 0; i < PARTITION_COUNT; i++)
        if (actor->assigned[i] && (actor->kind != ACTOR_CONSUMER || actor->has_position[i]))
            out[count++] = i;
    return count;
}

static void fetch_positions(struct actor *actor) {
    struct kafka_offset_fetch_request body;
    struct kafka_offset_fetch_request_topic topic;
    int32_t partitions[PARTITION_COUNT];
    wire_set_defaults(&kafka_offset_fetch_request_struct, &body);
    wire_set_defaults(&kafka_offset_fetch_request_topic_struct, &topic);
    body.group_id = BYTES(MODEL_GROUP);
    body.topics.items = &topic;
    body.topics.count = 1;
    topic.name = BYTES(MODEL_TOPIC);
    topic.partitions.items = partitions;
    topic.partitions.count = model_list_assigned(actor, partitions);
    CALL(actor, offset_fetch, 5, &body, on_positions);
}

void model_fetch(struct actor *actor, int partition) {
    struct kafka_fetch_request body;
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request_partition part;
    wire_set_defaults(&kafka_fetch_request_struct, &body);
    wire_set_defaults(&kafka_fetch_request_topic_struct, &topic);
    wire_set_defaults(&kafka_fetch_request_partition_struct, &part);
    body.max_wait_ms = (int32_t)model_chance(actor->model, 3) * 50;
    body.min_bytes = 1;
    body.isolation_level = 1;
    body.topics.items = &topic;
    body.topics.count = 1;
    topic.name = BYTES(MODEL_TOPIC);
    topic.partitions.items = &part;
    topic.partitions.count = 1;
    part.index = partition;
    part.fetch_offset = actor->runs[partition].to;
    part.max_bytes = 2000 + (int32_t)model_chance(actor->model, 20000);
    CALL(actor, fetch, 11, &body, on_fetched);
}

void model_commit_positions(struct actor *actor) {
    struct kafka_offset_commit_request body;
    struct kafka_offset_commit_request_topic topic;
    struct kafka_offset_commit_request_partition parts[PARTITION_COUNT];
    int32_t partitions[PARTITION_COUNT], count = model_list_assigned(actor, partitions);
    wire_set_defaults(&kafka_offset_commit_request_struct, &body);
    wire_set_defaults(&kafka_offset_commit_request_topic_struct, &topic);
    body.group_id = actor->kind == ACTOR_CONSUMER ? BYTES(MODEL_NEW_GROUP) : BYTES(MODEL_GROUP);
    body.generation = actor->generation;
    body.member_id = bytes_from_text(actor->member_id);
    body.topics.items = &topic;
    body.topics.count = 1;
    topic.name = BYTES(MODEL_TOPIC);
    topic.partitions.items = parts;
    topic.partitions.count = count;
    for (int32_t i = 0; i < count; i++) {
        wire_set_defaults(&kafka_offset_commit_request_partition_struct, &parts[i]);
        parts[i].index = partitions[i];
        parts[i].offset = actor->runs[partitions[i]].to;
    }
    CALL(actor, offset_commit, actor->kind == ACTOR_CONSUMER ? 9 : 7, &body, on_group_commit);
}

static void heartbeat(struct actor *actor) {
    struct kafka_heartbeat_request body;
    wire_set_defaults(&kafka_heartbeat_request_struct, &body);
    body.group_id = BYTES(MODEL_GROUP);
    body.generation = actor->generation;
    body.member_id = bytes_from_text(actor->member_id);
    CALL(actor, heartbeat, 3, &body, on_heartbeat);
}

static void leave_group(struct actor *actor) {
    struct kafka_leave_group_request body;
    wire_set_defaults(&kafka_leave_group_request_struct, &body);
    body.group_id = BYTES(MODEL_GROUP);
    body.member_id = bytes_from_text(actor->member_id);
    CALL(actor, leave_group, 2, &body, on_left);
}

static void member_runs(struct actor *actor) {
    struct model *model = actor->model;
    int32_t partitions[PARTITION_COUNT], count = model_list_assigned(actor, partitions);
    if (!model->drains && model_chance(model, 300) == 0)
        leave_group(actor);
    else if (!model->drains && model_chance(model, 150) == 0)
        model_rest(actor, SESSION_TIMEOUT_MS + 2000); /* a long pause: the others go on without it */
    else if (count == 0 || model_chance(model, 5) == 0)
        heartbeat(actor);
    else if (model_chance(model, 4) == 0)
        model_commit_positions(actor);
    else
        model_fetch(actor, partitions[model_chance(model, (uint64_t)count)]);
}

static void member_acts(struct actor *actor) {
    if (actor->state == STATE_NEW)
        join_group(actor);
    else if (actor->state == STATE_JOINED)
        sync_group(actor);
    else if (actor->state == STATE_SYNCED)
        fetch_positions(actor);
    else
        member_runs(actor);
}

/* ---- all of them ---- */

static void act(void *argument) {
    struct actor *actor = argument;
    if (!actor->posted) /* of a former life */
        return;
    actor->posted = false;
    if (actor->answered || world_monotonic_ns(actor->model->machine.world) / 1000000 < actor->rests_until_ms)
        return;
    if (actor->kind == ACTOR_PRODUCER)
        producer_acts(actor);
    else if (actor->kind == ACTOR_PLAYER)
        player_acts(actor);
    else if (actor->kind == ACTOR_CONSUMER)
        model_consumer_acts(actor);
    else
        member_acts(actor);
}

void model_act(struct model *model) {
    struct actor *actor = &model->actors[model_chance(model, ACTOR_COUNT)];
    if (actor->posted || actor->answered)
        return;
    actor->posted = true;
    world_loop_post(model->loop, act, actor);
}

void model_clients_begin(struct model *model) {
    kafka_client_topic_id(broker_client(model->machine.broker), MODEL_TOPIC, &model->topic_id);
    for (int i = 0; i < ACTOR_COUNT; i++)
        model->actors[i] = (struct actor){.model = model,
            .index = i,
            .kind = i < PRODUCER_COUNT                                 ? ACTOR_PRODUCER
                    : i < PRODUCER_COUNT + PLAYER_COUNT                ? ACTOR_PLAYER
                    : i < PRODUCER_COUNT + PLAYER_COUNT + MEMBER_COUNT ? ACTOR_MEMBER
                                                                       : ACTOR_CONSUMER,
            .transaction = -1,
            .producer_id = -1};
}

void model_clients_start(struct model *model) {
    struct error error = {0};
    model->loop = world_loop_create(model->machine.world, "clients", &error);
    ASSERT(model->loop);
}

static void abort_wire(void *argument) {
    struct wire *wire = argument;
    if (wire->net)
        net_abort(wire->net, NULL);
    wire_release(wire);
}

void model_clients_cut(struct model *model) {
    for (int i = 0; i < ACTOR_COUNT; i++) {
        struct actor *actor = &model->actors[i];
        struct wire *wire = actor->wire;
        actor->wire = NULL;
        actor->posted = false;
        if (wire) {
            wire->actor = NULL;
            wire->references++;
            world_loop_post(model->loop, abort_wire, wire);
        }
        answer(actor, NULL);
        actor->rests_until_ms = 0;
    }
}

void model_clients_end(struct model *model) {
    for (int i = 0; i < ACTOR_COUNT; i++)
        arena_destroy(&model->actors[i].arena);
}

static bool is_done(const struct actor *actor) {
    if (actor->kind == ACTOR_PRODUCER)
        return !actor->has_batch && !actor->answered;
    return actor->kind >= ACTOR_MEMBER || (actor->is_over && actor->transaction < 0);
}

static bool is_read(struct model *model, int partition) {
    struct partition_log *log = kafka_client_partition(broker_client(model->machine.broker), MODEL_TOPIC, partition);
    bool read = log && log_last_stable_offset(log) == log_end_offset(log) &&
                model->committed[0][partition] >= log_end_offset(log) &&
                model->committed[1][partition] >= log_end_offset(log);
    if (log)
        log_release(log);
    return read;
}

bool model_is_drained(struct model *model) {
    for (int i = 0; i < ACTOR_COUNT; i++)
        if (!is_done(&model->actors[i]))
            return false;
    for (int i = 0; i < PARTITION_COUNT; i++)
        if (!is_read(model, i))
            return false;
    return true;
}

const char *model_who_waits(struct model *model, char out[300]) {
    static const char *const kinds[] = {"producer", "transactional producer", "member", "consumer"};
    size_t size = 0;
    out[0] = 0;
    for (int i = 0; i < ACTOR_COUNT && size < 220; i++) {
        const struct actor *actor = &model->actors[i];
        if (!is_done(actor) || (actor->kind >= ACTOR_MEMBER && (actor->answered || actor->state != STATE_READY)))
            size += (size_t)snprintf(out + size, 300 - size, "%s %d in state %d%s%s; ", kinds[actor->kind], i,
                actor->state, actor->answered ? " for " : "", actor->answered ? actor->reply->name : "");
    }
    for (int i = 0; i < PARTITION_COUNT && size < 270; i++)
        if (!is_read(model, i))
            size += (size_t)snprintf(out + size, 300 - size, "partition %d is not read; ", i);
    return out;
}
