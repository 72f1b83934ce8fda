/* transfer.c: the DataNode's port. An operation is int16 version 28, an operation byte, and a varint-delimited message;
 * what follows depends on it. After a finished operation the next may come on the same connection. */
#include "hdfs/transfer.h"

#include <inttypes.h>
#include <stdlib.h>

#define ENDED_TIMEOUT_MS 10000
#define LOGGER "org.apache.hadoop.hdfs.server.datanode.DataNode"

/* ---- life ---- */

static bool transfer_open(struct net_connection *connection, void *context) {
    struct transfer *transfer = calloc(1, sizeof *transfer);
    ASSERT(transfer);
    transfer->hdfs = context;
    transfer->connection = connection;
    snprintf(transfer->peer, sizeof transfer->peer, "/%s:%u", net_peer(connection)->text, net_peer(connection)->port);
    snprintf(
        transfer->local, sizeof transfer->local, "/%s:%u", net_local(connection)->text, net_local(connection)->port);
    net_set_state(connection, transfer);
    return true;
}

static void close_files(struct transfer *transfer) {
    if (transfer->file) {
        world_file_close(transfer->file);
        transfer->file = NULL;
    }
    store_file_close(transfer->source);
    transfer->source = NULL;
}

static void transfer_free(struct transfer *transfer) {
    close_files(transfer);
    buffer_free(&transfer->queue);
    buffer_free(&transfer->work);
    buffer_free(&transfer->out);
    arena_destroy(&transfer->arena);
    free(transfer);
}

static void transfer_closed(struct net_connection *connection, const struct error *reason) {
    struct transfer *transfer = net_state(connection);
    net_set_state(connection, NULL);
    transfer->is_closed = true;
    if (transfer->state == TRANSFER_WRITING) {
        service_log_write(transfer->hdfs->options.datanode_log, LOG_INFO, LOGGER,
            "%s: the connection from %s ended before the block was finished", transfer->block_name, transfer->peer);
    }
    if (!transfer->is_busy) {
        transfer_free(transfer);
    }
}

void transfer_task(struct transfer *transfer, world_function *work, world_function *done) {
    ASSERT(!transfer->is_busy);
    transfer->is_busy = true;
    transfer->hdfs->task_count++;
    net_retain(transfer->connection);
    world_pool_run(transfer->hdfs->options.disk_pool, transfer->hdfs->loop, work, done, transfer);
}

bool transfer_task_ended(struct transfer *transfer) {
    ASSERT(transfer->is_busy);
    transfer->is_busy = false;
    transfer->hdfs->task_count--;
    net_release(transfer->connection);
    if (transfer->is_closed) {
        transfer_free(transfer);
        return false;
    }
    return true;
}

void transfer_send(struct transfer *transfer) {
    if (transfer->out.size > 0) {
        net_send_buffer(transfer->connection, &transfer->out);
    }
    buffer_clear(&transfer->out);
}

void transfer_reset(struct transfer *transfer) {
    close_files(transfer);
    arena_reset(&transfer->arena);
    transfer->block_name = transfer->client = NULL;
    transfer->message = NULL;
    transfer->is_last = false;
    if (transfer->has_ended) {
        transfer_end(transfer);
        return;
    }
    transfer->state = TRANSFER_OPERATION;
    net_resume(transfer->connection);
}

void transfer_end(struct transfer *transfer) {
    transfer->state = TRANSFER_ENDED;
    net_close(transfer->connection);
}

/* ---- answers ---- */

void transfer_append(struct buffer *out, const ProtobufCMessage *message) {
    protobuf_append_delimited(out, message);
}

void transfer_refuse(struct transfer *transfer, Hadoop__TransferStatus status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    Hadoop__BlockOpResponse response = HADOOP__BLOCK_OP_RESPONSE__INIT;
    response.status = status;
    response.message = arena_vprintf(&transfer->arena, format, arguments);
    response.firstbadlink = "";
    va_end(arguments);
    transfer_append(&transfer->out, &response.base);
    transfer->has_failed = true;
    service_log_write(
        transfer->hdfs->options.datanode_log, LOG_WARN, LOGGER, "%s: %s", transfer->peer, response.message);
}

void transfer_name_block(struct transfer *transfer, const Hadoop__ExtendedBlock *block) {
    transfer->block_id = block->blockid;
    transfer->block_name = arena_printf(
        &transfer->arena, "%s:blk_%" PRIu64 "_%" PRIu64, block->poolid, block->blockid, block->generationstamp);
}

char *transfer_locate(struct transfer *transfer, int64_t *size) {
    struct store *store = transfer->hdfs->store;
    struct store_stat stat;
    char *path = store_block_path(store, &transfer->arena, transfer->block_id);
    if (!path || !store_stat(store, path, &stat, NULL) || stat.is_directory ||
        (store_block_id(stat.inode, 0) ^ transfer->block_id) >> STORE_BLOCK_INDEX_BITS != 0) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR, "Replica not found for %s", transfer->block_name);
        return NULL;
    }
    transfer->inode = stat.inode;
    transfer->block_size = stat.block_size;
    transfer->base = (int64_t)store_block_index(transfer->block_id) * stat.block_size;
    *size = stat.size;
    return path;
}

/* ---- operations ---- */

static const struct operation_kind {
    uint8_t code;
    const char *name;
    const ProtobufCMessageDescriptor *message;
    void (*start)(struct transfer *transfer);
} kinds[] = {
    {80, "WRITE_BLOCK", &hadoop__op_write_block__descriptor, transfer_start_write},
    {81, "READ_BLOCK", &hadoop__op_read_block__descriptor, transfer_start_read},
    {85, "BLOCK_CHECKSUM", &hadoop__op_block_checksum__descriptor, transfer_start_checksum},
};

static size_t refuse_input(struct transfer *transfer, struct bytes input, const char *why) {
    service_log_write(transfer->hdfs->options.datanode_log, LOG_WARN, LOGGER, "%s: %s", transfer->peer, why);
    transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR_UNSUPPORTED, "%s", why);
    transfer_send(transfer);
    transfer_end(transfer);
    return input.size;
}

static size_t take_operation(struct transfer *transfer, struct bytes input) {
    if (input.size < 3) {
        return 0;
    }
    if (load_be16(input.data) != TRANSFER_VERSION) {
        bool sasl = input.size >= 4 && (uint32_t)load_be32(input.data) == 0xdeadbeefu;
        return refuse_input(transfer, input,
            sasl ? "SASL for data transfer is not supported here: leave dfs.data.transfer.protection unset"
                 : "these are not the bytes of a DataNode client (Version Mismatch (Expected: 28))");
    }
    const struct operation_kind *kind = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        kind = kinds[i].code == input.data[2] ? &kinds[i] : kind;
    }
    if (!kind) {
        return refuse_input(
            transfer, input, arena_printf(&transfer->arena, "Unknown op %u in data stream", input.data[2]));
    }
    struct bytes rest = bytes_slice(input, 3, input.size - 3), part;
    int taken = protobuf_take_delimited(&rest, &part, TRANSFER_HEADER_SIZE_MAX);
    if (taken == 0) {
        return 0;
    }
    transfer->message = taken > 0 ? protobuf_unpack(&transfer->arena, kind->message, arena_copy(&transfer->arena, part),
                                        PROTOBUF_DEPTH_USUAL, NULL)
                                  : NULL;
    if (!transfer->message) {
        return refuse_input(
            transfer, input, arena_printf(&transfer->arena, "the header of %s cannot be read", kind->name));
    }
    transfer->state = TRANSFER_PREPARING;
    transfer->has_failed = transfer->is_last = false;
    transfer->started_ns = world_monotonic_ns(transfer->hdfs->world);
    net_pause(transfer->connection);
    kind->start(transfer);
    return input.size - rest.size;
}

static size_t take_read_status(struct transfer *transfer, struct bytes input) {
    struct bytes rest = input, part;
    int taken = protobuf_take_delimited(&rest, &part, TRANSFER_HEADER_SIZE_MAX);
    if (taken < 0) {
        return refuse_input(transfer, input, "the status after a read cannot be read");
    }
    if (taken == 0) {
        return 0;
    }
    transfer_reset(transfer);
    return input.size - rest.size;
}

static size_t transfer_data(struct net_connection *connection, struct bytes input) {
    struct transfer *transfer = net_state(connection);
    size_t used = 0;
    while (used < input.size) {
        struct bytes rest = bytes_slice(input, used, input.size - used);
        size_t now = 0;
        switch (transfer->state) {
        case TRANSFER_OPERATION:
            now = take_operation(transfer, rest);
            break;
        case TRANSFER_WRITING:
            now = transfer_take_packets(transfer, rest);
            break;
        case TRANSFER_READ_STATUS:
            now = take_read_status(transfer, rest);
            break;
        case TRANSFER_ENDED:
            return input.size;
        case TRANSFER_PREPARING:
        case TRANSFER_READING:
            return used;
        }
        if (now == 0) {
            break;
        }
        used += now;
    }
    return used;
}

static void transfer_writable(struct net_connection *connection) {
    struct transfer *transfer = net_state(connection);
    if (transfer && transfer->state == TRANSFER_READING && !transfer->is_busy) {
        transfer_read_on(transfer);
    }
}

/* Some clients end their side right after the last packet and then read the acknowledgements. */
static bool transfer_ended(struct net_connection *connection) {
    struct transfer *transfer = net_state(connection);
    transfer->has_ended = transfer->state == TRANSFER_WRITING && (transfer->is_busy || transfer->queue.size > 0);
    if (transfer->has_ended) {
        net_set_idle_timeout(connection, ENDED_TIMEOUT_MS);
    }
    return transfer->has_ended;
}

void transfer_announce_restart(void *unused, struct net_connection *connection) {
    struct transfer *transfer = net_state(connection);
    if (!transfer || transfer->state != TRANSFER_WRITING) {
        return;
    }
    Hadoop__PipelineAck ack = HADOOP__PIPELINE_ACK__INIT;
    Hadoop__TransferStatus status = HADOOP__TRANSFER_STATUS__OOB_RESTART;
    uint32_t flag = HADOOP__TRANSFER_STATUS__OOB_RESTART;
    ack.seqno = -2; /* no packet: a message out of band */
    ack.n_reply = ack.n_flag = 1;
    ack.reply = &status;
    ack.flag = &flag;
    struct buffer out = {0};
    transfer_append(&out, &ack.base);
    net_send_buffer(connection, &out);
    net_flush(connection);
}

const struct net_protocol hdfs_transfer_protocol = {.name = "datanode",
    .open = transfer_open,
    .data = transfer_data,
    .writable = transfer_writable,
    .ended = transfer_ended,
    .closed = transfer_closed};
