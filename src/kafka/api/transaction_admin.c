/* transaction_admin.c: DescribeTransactions, ListTransactions, DescribeProducers: what operators see. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "kafka/transactions.h"

/* ---- DescribeTransactions ---- */

static void describe_topics(struct api_request *request, const struct transaction *transaction,
    struct kafka_describe_transactions_reply_transaction *answer) {
    size_t count;
    struct transaction_partition **list = transaction_sorted(transaction, &request->arena, &count);
    int32_t *indexes = ARENA_ARRAY(&request->arena, int32_t, count + 1);
    WIRE_ARRAY(&request->arena, &answer->topics, &kafka_describe_transactions_reply_topic_struct, count);
    answer->topics.count = 0;
    for (size_t i = 0; i < count; i++) {
        indexes[i] = list[i]->partition;
        if (i == 0 || strcmp(list[i]->topic, list[i - 1]->topic) != 0) {
            struct kafka_describe_transactions_reply_topic *topic = &answer->topics.items[answer->topics.count++];
            topic->name = bytes_from_text(list[i]->topic);
            topic->partitions.items = &indexes[i];
        }
        answer->topics.items[answer->topics.count - 1].partitions.count++;
    }
}

void handle_describe_transactions(struct api_request *request) {
    const struct kafka_describe_transactions_request *body = request->body;
    struct kafka_describe_transactions_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->transactions, &kafka_describe_transactions_reply_transaction_struct,
        body->transactional_ids.count);
    for (int32_t i = 0; i < body->transactional_ids.count; i++) {
        struct kafka_describe_transactions_reply_transaction *answer = &reply->transactions.items[i];
        struct bytes id = body->transactional_ids.items[i];
        const struct transaction *transaction = transaction_find(request->broker->transactions, id);
        answer->transactional_id = id;
        answer->state = BYTES("");
        if (id.size == 0 || !transaction) {
            answer->error_code = id.size == 0 ? KAFKA_INVALID_REQUEST : KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
            continue;
        }
        answer->state = bytes_from_text(transaction_state_name(transaction->state));
        answer->timeout_ms = transaction->timeout_ms;
        answer->start_time_ms = transaction->start_ms;
        answer->producer_id = transaction->producer_id;
        answer->producer_epoch = transaction->epoch;
        describe_topics(request, transaction, answer);
    }
    api_reply(request);
}

/* ---- ListTransactions ---- */

struct filter {
    const struct kafka_list_transactions_request *body;
    int64_t now_ms;
    pcre2_code *pattern; /* NULL: every id */
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

static bool in_list(const struct bytes *items, int32_t count, const char *text) {
    for (int32_t i = 0; i < count; i++)
        if (bytes_equal_text(items[i], text))
            return true;
    return false;
}

static bool has_producer(const struct kafka_list_transactions_request *body, int64_t producer_id) {
    for (int32_t i = 0; i < body->producer_ids.count; i++)
        if (body->producer_ids.items[i] == producer_id)
            return true;
    return false;
}

static bool fits(const struct filter *filter, const struct transaction *transaction) {
    const struct kafka_list_transactions_request *body = filter->body;
    if (body->states.count > 0 &&
        !in_list(body->states.items, body->states.count, transaction_state_name(transaction->state)))
        return false;
    if (body->producer_ids.count > 0 && !has_producer(body, transaction->producer_id))
        return false;
    if (body->duration_ms >= 0 && filter->now_ms - transaction->start_ms <= body->duration_ms)
        return false;
    return !filter->pattern || pcre2_match(filter->pattern, (PCRE2_SPTR)transaction->id, strlen(transaction->id), 0, 0,
                                   filter->match, filter->limits) >= 0;
}

/* The whole id must match, as in Kafka. */
static bool compile(struct filter *filter, struct bytes pattern) {
    int code;
    PCRE2_SIZE place;
    if (pattern.size == 0)
        return true;
    filter->pattern = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size,
        PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &place, NULL);
    if (!filter->pattern)
        return false;
    filter->match = pcre2_match_data_create_from_pattern(filter->pattern, NULL);
    filter->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(filter->limits, 100000);
    return true;
}

static void list_states(struct api_request *request) {
    const struct kafka_list_transactions_request *body = request->body;
    struct kafka_list_transactions_reply *reply = request->reply;
    reply->unknown_states.items =
        ARENA_ARRAY(&request->arena, struct bytes, (size_t)(body->states.count > 0 ? body->states.count : 0));
    for (int32_t i = 0; i < body->states.count; i++) {
        bool known = false;
        for (int state = 0; state < TRANSACTION_STATE_COUNT; state++)
            known = known || bytes_equal_text(body->states.items[i], transaction_state_name(state));
        if (!known)
            reply->unknown_states.items[reply->unknown_states.count++] = body->states.items[i];
    }
}

void handle_list_transactions(struct api_request *request) {
    const struct kafka_list_transactions_request *body = request->body;
    struct kafka_list_transactions_reply *reply = request->reply;
    struct transactions *transactions = request->broker->transactions;
    struct filter filter = {.body = body, .now_ms = world_wall_ms(request->broker->world)};
    list_states(request);
    if (compile(&filter, body->transactional_id_pattern)) {
        WIRE_ARRAY(&request->arena, &reply->transactions, &kafka_list_transactions_reply_transaction_struct,
            transactions->by_id.count);
        reply->transactions.count = 0;
        size_t cursor = 0;
        for (struct map_entry *entry; (entry = map_next(&transactions->by_id, &cursor));) {
            const struct transaction *transaction = entry->value;
            if (!fits(&filter, transaction))
                continue;
            struct kafka_list_transactions_reply_transaction *answer =
                &reply->transactions.items[reply->transactions.count++];
            answer->transactional_id = bytes_from_text(transaction->id);
            answer->producer_id = transaction->producer_id;
            answer->state = bytes_from_text(transaction_state_name(transaction->state));
        }
    } else {
        reply->error_code = KAFKA_INVALID_REGULAR_EXPRESSION;
    }
    pcre2_match_context_free(filter.limits);
    pcre2_match_data_free(filter.match);
    pcre2_code_free(filter.pattern);
    api_reply(request);
}

/* ---- DescribeProducers ---- */

static void describe_producers_of(
    struct api_request *request, struct partition_log *log, struct kafka_describe_producers_reply_partition *reply) {
    struct log_producer_list list = {0};
    log_producers(log, &list);
    WIRE_ARRAY(&request->arena, &reply->producers, &kafka_describe_producers_reply_producer_struct, list.count);
    for (size_t i = 0; i < list.count; i++) {
        struct kafka_describe_producers_reply_producer *producer = &reply->producers.items[i];
        producer->producer_id = list.items[i].producer_id;
        producer->producer_epoch = list.items[i].epoch;
        producer->last_sequence = list.items[i].last_sequence;
        producer->last_timestamp = list.items[i].last_timestamp_ms;
        producer->coordinator_epoch = list.items[i].coordinator_epoch;
        producer->transaction_start_offset = list.items[i].transaction_start;
    }
    VECTOR_FREE(&list);
}

void handle_describe_producers(struct api_request *request) {
    const struct kafka_describe_producers_request *body = request->body;
    struct kafka_describe_producers_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_describe_producers_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_describe_producers_request_topic *wanted = &body->topics.items[i];
        struct kafka_describe_producers_reply_topic *answer = &reply->topics.items[i];
        const struct topic *topic = topic_find(request->broker, wanted->name);
        answer->name = wanted->name;
        WIRE_ARRAY(&request->arena, &answer->partitions, &kafka_describe_producers_reply_partition_struct,
            wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++) {
            struct kafka_describe_producers_reply_partition *partition = &answer->partitions.items[j];
            struct partition_log *log = topic ? topic_log(topic, wanted->partitions.items[j]) : NULL;
            partition->index = wanted->partitions.items[j];
            if (log)
                describe_producers_of(request, log, partition);
            else
                partition->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    api_reply(request);
}
