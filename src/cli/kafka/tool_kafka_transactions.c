/* tool_kafka_transactions.c: kafka-transactions: transactions and their producers, looked at and ended by force, with
 * the real tool's options and output. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_table.h"
#include "cli/kafka/kafka_tool.h"

static const struct tool_option options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"broker-id", TOOL_VALUE, "find-hanging, describe-producers: the broker to ask."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"coordinator-epoch", TOOL_VALUE, "abort: epoch of the coordinator."},
    {"duration-filter", TOOL_VALUE, "list: only transactions that run longer than so many ms."},
    {"max-transaction-timeout", TOOL_VALUE, "find-hanging: minutes after which a transaction hangs (15)."},
    {"partition", TOOL_VALUE, "The partition."},
    {"producer-epoch", TOOL_VALUE, "abort: epoch of the producer."},
    {"producer-id", TOOL_VALUE, "abort: id of the producer."},
    {"start-offset", TOOL_VALUE, "abort: where the transaction begins in the partition."},
    {"topic", TOOL_VALUE, "The topic."},
    {"transactional-id", TOOL_VALUE, "describe: the transactional.id."},
    {"transactional-id-pattern", TOOL_VALUE, "list: only ids that match the regular expression."},
    {"transactionalId", TOOL_VALUE, "forceTerminateTransaction: the transactional.id."},
};

static const char *const words[] = {
    "list", "describe", "describe-producers", "abort", "find-hanging", "forceTerminateTransaction"};

static int fail_code(int16_t code) {
    return tool_fail("%s: %s", remote_exception(code), remote_sentence(code));
}

/* The brokers of the cluster. */
struct nodes {
    int32_t *items;
    size_t count, capacity;
};

static bool find_nodes(struct tool *tool, struct nodes *nodes, struct error *error) {
    struct arena arena = {0};
    struct kafka_metadata_reply cluster;
    bool ok = remote_metadata(tool->remote, (const char *const[]){NULL}, 0, false, &cluster, &arena, error);
    for (int32_t i = 0; ok && i < cluster.brokers.count; i++)
        VECTOR_PUSH(nodes, cluster.brokers.items[i].node_id);
    arena_destroy(&arena);
    return ok;
}

/* ---- list ---- */

static int list_of(struct tool *tool, int32_t node, struct tool_table *table) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_list_transactions_request request;
    struct kafka_list_transactions_reply reply;
    int status = 0;
    wire_set_defaults(&kafka_list_transactions_request_struct, &request);
    if (!tool_integer(tool, "duration-filter", -1, &request.duration_ms))
        return 1;
    request.transactional_id_pattern = bytes_from_text(tool_value(tool, "transactional-id-pattern"));
    if (!REMOTE_CALL(tool->remote, node, list_transactions, &request, &reply, &arena, &error))
        status = tool_fail("%s", error.message);
    else if (reply.error_code != 0)
        status = fail_code(reply.error_code);
    for (int32_t i = 0; status == 0 && i < reply.transactions.count; i++) {
        tool_table_add(table, "%.*s", BYTES_ARGS(reply.transactions.items[i].transactional_id));
        tool_table_add(table, "%d", node);
        tool_table_add(table, "%lld", (long long)reply.transactions.items[i].producer_id);
        tool_table_add(table, "%.*s", BYTES_ARGS(reply.transactions.items[i].state));
    }
    arena_destroy(&arena);
    return status;
}

static void add_head(struct tool_table *table, const char *const *names) {
    for (size_t i = 0; i < table->column_count; i++)
        tool_table_add(table, "%s", names[i]);
}

static int list_transactions(struct tool *tool) {
    struct nodes nodes = {0};
    struct error error = {0};
    struct tool_table table = {.column_count = 4};
    add_head(&table, (const char *const[]){"TransactionalId", "Coordinator", "ProducerId", "TransactionState"});
    int status = find_nodes(tool, &nodes, &error) ? 0 : tool_fail("%s", error.message);
    for (size_t i = 0; status == 0 && i < nodes.count; i++)
        status = list_of(tool, nodes.items[i], &table);
    if (status == 0)
        tool_table_print(&table);
    tool_texts_free(&table.cells);
    VECTOR_FREE(&nodes);
    return status;
}

/* ---- describe ---- */

static bool coordinator_of(struct tool *tool, const char *id, int32_t *node, struct error *error) {
    struct arena arena = {0};
    struct kafka_find_coordinator_request request;
    struct kafka_find_coordinator_reply reply;
    struct bytes key = bytes_from_text(id);
    wire_set_defaults(&kafka_find_coordinator_request_struct, &request);
    request.key_type = 1;
    int16_t version = remote_version(tool->remote, REMOTE_ANY, &kafka_find_coordinator_request_message, error);
    if (version >= 4) {
        request.keys.items = &key;
        request.keys.count = 1;
    } else {
        request.key = key;
    }
    bool ok = version >= 0 && REMOTE_CALL(tool->remote, REMOTE_ANY, find_coordinator, &request, &reply, &arena, error);
    *node = ok && reply.coordinators.count == 1 ? reply.coordinators.items[0].node_id : ok ? reply.node_id : -1;
    arena_destroy(&arena);
    return ok && (*node >= 0 || error_set(error, ERROR_NOT_FOUND, "%s: %s", remote_exception(15), remote_sentence(15)));
}

static void describe_row(
    struct tool_table *table, int32_t node, const struct kafka_describe_transactions_reply_transaction *from) {
    struct buffer places = {0};
    add_head(table,
        (const char *const[]){"CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState",
            "TransactionTimeoutMs", "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions"});
    for (int32_t t = 0; t < from->topics.count; t++)
        for (int32_t p = 0; p < from->topics.items[t].partitions.count; p++)
            buffer_printf(&places, "%s%.*s-%d", places.size ? "," : "", BYTES_ARGS(from->topics.items[t].name),
                from->topics.items[t].partitions.items[p]);
    tool_table_add(table, "%d", node);
    tool_table_add(table, "%.*s", BYTES_ARGS(from->transactional_id));
    tool_table_add(table, "%lld", (long long)from->producer_id);
    tool_table_add(table, "%d", from->producer_epoch);
    tool_table_add(table, "%.*s", BYTES_ARGS(from->state));
    tool_table_add(table, "%d", from->timeout_ms);
    if (from->start_time_ms >= 0) {
        tool_table_add(table, "%lld", (long long)from->start_time_ms);
        tool_table_add(table, "%lld", (long long)(remote_wall_ms() - from->start_time_ms));
    } else {
        tool_table_add(table, "None");
        tool_table_add(table, "None");
    }
    tool_table_add(table, "%s", places.size ? buffer_text(&places) : "");
    buffer_free(&places);
}

static int describe_transaction(struct tool *tool) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_describe_transactions_request request;
    struct kafka_describe_transactions_reply reply;
    struct tool_table table = {.column_count = 9};
    const char *id = tool_value(tool, "transactional-id");
    int32_t node;
    int status = 0;
    if (!id)
        return tool_usage_error(tool, "argument --transactional-id is required");
    wire_set_defaults(&kafka_describe_transactions_request_struct, &request);
    struct bytes name = bytes_from_text(id);
    request.transactional_ids.items = &name;
    request.transactional_ids.count = 1;
    if (!coordinator_of(tool, id, &node, &error) ||
        !REMOTE_CALL(tool->remote, node, describe_transactions, &request, &reply, &arena, &error))
        status = tool_fail("Failed to describe transaction state of transactional-id `%s`: %s", id, error.message);
    else if (reply.transactions.count == 1 && reply.transactions.items[0].error_code == 105)
        status = tool_fail(
            "Failed to describe transaction state of transactional-id `%s`: DescribeTransactions request for "
            "transactionalId `%s` failed because the ID could not be found. Enable debug logging for additional "
            "detail.",
            id, id);
    else if (reply.transactions.count != 1 || reply.transactions.items[0].error_code != 0)
        status = fail_code(reply.transactions.count == 1 ? reply.transactions.items[0].error_code : -1);
    if (status == 0) {
        describe_row(&table, node, &reply.transactions.items[0]);
        tool_table_print(&table);
    }
    arena_destroy(&arena);
    return status;
}

/* ---- describe-producers, find-hanging ---- */

typedef struct kafka_describe_producers_reply_partition producers;

/* Producers of one partition, asked of its only leader. False after what is wrong was printed. */
static bool ask_producers(
    struct tool *tool, const char *topic, int32_t partition, struct arena *arena, const producers **found) {
    struct error error = {0};
    struct kafka_metadata_reply cluster;
    struct kafka_describe_producers_request request;
    struct kafka_describe_producers_reply *reply = ARENA_NEW(arena, struct kafka_describe_producers_reply);
    int32_t leader = -1;
    bool ok = remote_metadata(tool->remote, &topic, 1, false, &cluster, arena, &error);
    for (int32_t p = 0; ok && cluster.topics.count == 1 && p < cluster.topics.items[0].partitions.count; p++)
        if (cluster.topics.items[0].partitions.items[p].index == partition)
            leader = cluster.topics.items[0].partitions.items[p].leader_id;
    if (ok && leader < 0) {
        tool_fail("Failed to describe producers for partition `%s-%d` on the leader: %s", topic, partition,
            remote_sentence(3));
        return false;
    }
    wire_set_defaults(&kafka_describe_producers_request_struct, &request);
    WIRE_ARRAY(arena, &request.topics, &kafka_describe_producers_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(topic);
    request.topics.items[0].partitions.items = &partition;
    request.topics.items[0].partitions.count = 1;
    ok = ok && REMOTE_CALL(tool->remote, leader, describe_producers, &request, reply, arena, &error);
    if (!ok) {
        tool_fail("%s", error.message);
        return false;
    }
    *found = &reply->topics.items[0].partitions.items[0];
    if ((*found)->error_code != 0)
        fail_code((*found)->error_code);
    return (*found)->error_code == 0;
}

static int describe_producers(struct tool *tool) {
    struct arena arena = {0};
    struct tool_table table = {.column_count = 6};
    const producers *found;
    const char *topic = tool_value(tool, "topic");
    int64_t partition;
    if (!topic || !tool_value(tool, "partition"))
        return tool_usage_error(tool, "argument %s is required", topic ? "--partition" : "--topic");
    if (!tool_integer(tool, "partition", 0, &partition))
        return 1;
    bool ok = ask_producers(tool, topic, (int32_t)partition, &arena, &found);
    add_head(&table, (const char *const[]){"ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence",
                         "LastTimestamp", "CurrentTransactionStartOffset"});
    for (int32_t i = 0; ok && i < found->producers.count; i++) {
        const struct kafka_describe_producers_reply_producer *producer = &found->producers.items[i];
        tool_table_add(&table, "%lld", (long long)producer->producer_id);
        tool_table_add(&table, "%d", producer->producer_epoch);
        tool_table_add(&table, "%d", producer->coordinator_epoch);
        tool_table_add(&table, "%d", producer->last_sequence);
        tool_table_add(&table, "%lld", (long long)producer->last_timestamp);
        if (producer->transaction_start_offset >= 0)
            tool_table_add(&table, "%lld", (long long)producer->transaction_start_offset);
        else
            tool_table_add(&table, "None");
    }
    if (ok)
        tool_table_print(&table);
    tool_texts_free(&table.cells);
    arena_destroy(&arena);
    return ok ? 0 : 1;
}

/* A transaction hangs when a partition has it open although no coordinator knows of it: here the broker that owns both
 * ends such ones itself when it starts, so a partition with an open transaction of that age is only listed when the
 * coordinator does not run it. */
static bool is_known(struct tool *tool, int64_t producer_id, struct arena *arena) {
    struct error error = {0};
    struct kafka_list_transactions_request request;
    struct kafka_list_transactions_reply reply;
    wire_set_defaults(&kafka_list_transactions_request_struct, &request);
    request.duration_ms = -1;
    request.producer_ids.items = &producer_id;
    request.producer_ids.count = 1;
    if (!REMOTE_CALL(tool->remote, REMOTE_ANY, list_transactions, &request, &reply, arena, &error))
        return true;
    for (int32_t i = 0; i < reply.transactions.count; i++)
        if (bytes_equal_text(reply.transactions.items[i].state, "Ongoing"))
            return true;
    return false;
}

static int find_hanging(struct tool *tool) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_metadata_reply cluster;
    struct tool_table table = {.column_count = 8};
    const char *topic = tool_value(tool, "topic");
    int64_t timeout_minutes, partition;
    if (!topic && !tool_value(tool, "broker-id"))
        return tool_fail(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search");
    if (!tool_integer(tool, "max-transaction-timeout", 15, &timeout_minutes) ||
        !tool_integer(tool, "partition", -1, &partition))
        return 1;
    bool ok = remote_metadata(tool->remote, topic ? &topic : NULL, topic ? 1 : 0, false, &cluster, &arena, &error) ||
              tool_fail("%s", error.message) == 0;
    add_head(&table, (const char *const[]){"Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch",
                         "StartOffset", "LastTimestamp", "Duration(min)"});
    for (int32_t t = 0; ok && t < cluster.topics.count; t++)
        for (int32_t p = 0; ok && p < cluster.topics.items[t].partitions.count; p++) {
            const producers *found;
            const char *name = arena_text(&arena, cluster.topics.items[t].name);
            int32_t index = cluster.topics.items[t].partitions.items[p].index;
            if (partition >= 0 && partition != index)
                continue;
            ok = ask_producers(tool, name, index, &arena, &found);
            for (int32_t i = 0; ok && i < found->producers.count; i++) {
                const struct kafka_describe_producers_reply_producer *producer = &found->producers.items[i];
                int64_t age_ms = remote_wall_ms() - producer->last_timestamp;
                if (producer->transaction_start_offset < 0 || age_ms < timeout_minutes * 60000 ||
                    is_known(tool, producer->producer_id, &arena))
                    continue;
                tool_table_add(&table, "%s", name);
                tool_table_add(&table, "%d", index);
                tool_table_add(&table, "%lld", (long long)producer->producer_id);
                tool_table_add(&table, "%d", producer->producer_epoch);
                tool_table_add(&table, "%d", producer->coordinator_epoch);
                tool_table_add(&table, "%lld", (long long)producer->transaction_start_offset);
                tool_table_add(&table, "%lld", (long long)producer->last_timestamp);
                tool_table_add(&table, "%lld", (long long)(age_ms / 60000));
            }
        }
    if (ok)
        tool_table_print(&table);
    tool_texts_free(&table.cells);
    arena_destroy(&arena);
    return ok ? 0 : 1;
}

/* ---- abort, forceTerminateTransaction ---- */

/* The producer whose transaction begins at the offset, unless the options name it. */
static int find_producer(
    struct tool *tool, int64_t start_offset, struct kafka_write_txn_markers_request_marker *marker) {
    struct arena arena = {0};
    const producers *found;
    int64_t partition, producer_id, producer_epoch, coordinator_epoch;
    if (!tool_integer(tool, "partition", 0, &partition) || !tool_integer(tool, "producer-id", -1, &producer_id) ||
        !tool_integer(tool, "producer-epoch", -1, &producer_epoch) ||
        !tool_integer(tool, "coordinator-epoch", 0, &coordinator_epoch))
        return 1;
    marker->producer_id = producer_id;
    marker->producer_epoch = (int16_t)producer_epoch;
    marker->coordinator_epoch = (int32_t)coordinator_epoch;
    if (producer_id >= 0)
        return 0;
    bool ok = ask_producers(tool, tool_value(tool, "topic"), (int32_t)partition, &arena, &found), seen = false;
    for (int32_t i = 0; ok && i < found->producers.count; i++) {
        const struct kafka_describe_producers_reply_producer *producer = &found->producers.items[i];
        if (producer->transaction_start_offset != start_offset)
            continue;
        seen = true;
        marker->producer_id = producer->producer_id;
        marker->producer_epoch = (int16_t)producer->producer_epoch;
        marker->coordinator_epoch = producer->coordinator_epoch < 0 ? 0 : producer->coordinator_epoch;
    }
    arena_destroy(&arena);
    if (ok && !seen)
        return tool_fail("Could not find any open transactions starting at offset %lld on partition %s-%lld",
            (long long)start_offset, tool_value(tool, "topic"), (long long)partition);
    return ok ? 0 : 1;
}

static int abort_transaction(struct tool *tool) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_write_txn_markers_request request;
    struct kafka_write_txn_markers_reply reply;
    int64_t start_offset, partition;
    if (!tool_value(tool, "topic") || !tool_value(tool, "partition"))
        return tool_usage_error(tool, "argument %s is required", tool_value(tool, "topic") ? "--partition" : "--topic");
    if (!tool_value(tool, "start-offset") && !tool_value(tool, "producer-id"))
        return tool_fail(
            "The transaction to abort must be identified either with --start-offset (for newer brokers) or with "
            "--producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)");
    if (!tool_integer(tool, "start-offset", -1, &start_offset) || !tool_integer(tool, "partition", 0, &partition))
        return 1;
    wire_set_defaults(&kafka_write_txn_markers_request_struct, &request);
    WIRE_ARRAY(&arena, &request.markers, &kafka_write_txn_markers_request_marker_struct, 1);
    int status = find_producer(tool, start_offset, &request.markers.items[0]);
    int32_t index = (int32_t)partition;
    WIRE_ARRAY(&arena, &request.markers.items[0].topics, &kafka_write_txn_markers_request_topic_struct, 1);
    request.markers.items[0].topics.items[0].name = bytes_from_text(tool_value(tool, "topic"));
    request.markers.items[0].topics.items[0].partitions.items = &index;
    request.markers.items[0].topics.items[0].partitions.count = 1;
    if (status == 0 && !REMOTE_CALL(tool->remote, REMOTE_ANY, write_txn_markers, &request, &reply, &arena, &error))
        status = tool_fail("%s", error.message);
    else if (status == 0 && reply.markers.count == 1 && reply.markers.items[0].topics.count == 1 &&
             reply.markers.items[0].topics.items[0].partitions.items[0].error_code != 0)
        status = fail_code(reply.markers.items[0].topics.items[0].partitions.items[0].error_code);
    arena_destroy(&arena);
    return status;
}

/* A new producer of the id shuts out the present one, which ends its transaction. */
static int terminate(struct tool *tool) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_init_producer_id_request request;
    struct kafka_init_producer_id_reply reply;
    const char *id = tool_value(tool, "transactionalId");
    int32_t node;
    int status = 0;
    if (!id)
        return tool_usage_error(tool, "argument --transactionalId is required");
    wire_set_defaults(&kafka_init_producer_id_request_struct, &request);
    request.transactional_id = bytes_from_text(id);
    request.transaction_timeout_ms = 1;
    request.producer_id = -1;
    request.producer_epoch = -1;
    bool ok = coordinator_of(tool, id, &node, &error);
    for (int attempt = 0; ok && attempt < 100; attempt++) {
        ok = REMOTE_CALL(tool->remote, node, init_producer_id, &request, &reply, &arena, &error);
        if (!ok || reply.error_code != 51) /* the transaction before is being ended */
            break;
    }
    if (!ok)
        status = tool_fail("%s", error.message);
    else if (reply.error_code != 0)
        status = fail_code(reply.error_code);
    arena_destroy(&arena);
    return status;
}

static int run_word(struct tool *tool, const char *word) {
    static int (*const functions[])(struct tool *) = {
        list_transactions, describe_transaction, describe_producers, abort_transaction, find_hanging, terminate};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcmp(words[i], word) == 0)
            return functions[i](tool);
    return 1;
}

int tool_kafka_transactions_main(int argc, char **argv) {
    struct tool tool = {.purpose =
                            "Look at transactions: list, describe, describe-producers, find-hanging; end one: abort, "
                            "forceTerminateTransaction.",
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    int status = 1;
    const char *word = tool_take_word(&argc, argv, words, ARRAY_COUNT(words));
    if (tool_parse(&tool, argc, argv, &status)) {
        if (!word)
            status = tool_usage_error(&tool, "too few arguments: a command is needed");
        else
            status = tool_connect(&tool, "adminclient-1") ? run_word(&tool, word) : 1;
    }
    tool_free(&tool);
    return status;
}
