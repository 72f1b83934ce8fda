/* transfer_write.c: WRITE_BLOCK. A packet is int32 size of checksums and data plus 4, int16 size of its header, the
 * header (PacketHeader), checksums, data. Whole packets are queued on the loop; a pool task checks and writes all that
 * wait and makes their acknowledgements, which therefore name only what is in the file (and on the disk, where
 * syncBlock asked for it). */
#include "hdfs/transfer.h"

#include <inttypes.h>
#include <zlib.h>
#include "wire/crc32c.h"

#define LOGGER "org.apache.hadoop.hdfs.server.datanode.DataNode"
#define PACKET_HEADER_SIZE_MAX 256

uint32_t transfer_checksum(Hadoop__ChecksumType type, const void *data, size_t size) {
    return type == HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C ? crc32c(0, data, size) : (uint32_t)crc32_z(0, data, size);
}

/* ---- preparing ---- */

static const Hadoop__OpWriteBlock *write_message(const struct transfer *transfer) {
    return (const Hadoop__OpWriteBlock *)transfer->message;
}

static bool stage_creates(const Hadoop__OpWriteBlock *message) {
    return message->stage == HADOOP__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE;
}

/* Finds the file of the lease and how much of the block it has. */
static bool find_written(struct transfer *transfer, char **path) {
    const Hadoop__OpWriteBlock *message = write_message(transfer);
    struct store_construction construction;
    struct error error = {0};
    int64_t size = 0;
    *path = transfer_locate(transfer, &size);
    if (!*path) {
        return false;
    }
    if (!store_lease_get_inode(transfer->hdfs->store, &transfer->arena, transfer->inode, NULL, &construction, &error)) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR, "%s: %s", transfer->block_name, error.message);
        return false;
    }
    if (construction.block_index != store_block_index(transfer->block_id) || !construction.has_block) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR, "%s is not the last block of %s",
            transfer->block_name, construction.path);
        return false;
    }
    /* Not every client uses the lease's name here (hdfs-native does not), so the lease of now is the one that must
     * stay. */
    transfer->holder = construction.holder;
    transfer->base = construction.committed_size;
    transfer->block_size = construction.block_size;
    transfer->written = stage_creates(message) ? 0 : size - transfer->base;
    if (!stage_creates(message) && (transfer->written < 0 || (uint64_t)transfer->written < message->minbytesrcvd)) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR,
            "%s has %" PRId64 " bytes, the client expects at least %" PRIu64, transfer->block_name, transfer->written,
            message->minbytesrcvd);
        return false;
    }
    return true;
}

static bool check_request(struct transfer *transfer) {
    const Hadoop__OpWriteBlock *message = write_message(transfer);
    transfer->checksum_type = message->requestedchecksum->type;
    transfer->chunk_size = message->requestedchecksum->bytesperchecksum;
    if (transfer->chunk_size == 0 || transfer->chunk_size > TRANSFER_PACKET_SIZE_MAX ||
        (unsigned)transfer->checksum_type > HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR_INVALID, "checksum type %d over %u bytes is not known",
            (int)transfer->checksum_type, transfer->chunk_size);
        return false;
    }
    if (message->n_targets > 0) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR_UNSUPPORTED,
            "a pipeline of several DataNodes: there is only this one");
        return false;
    }
    return true;
}

static void write_prepare(void *argument) {
    struct transfer *transfer = argument;
    struct error error = {0};
    char *path;
    if (!check_request(transfer) || !find_written(transfer, &path)) {
        return;
    }
    transfer->file =
        world_file_open(transfer->hdfs->world, store_machine_path(transfer->hdfs->store, &transfer->arena, path),
            WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &error);
    if (!transfer->file ||
        (stage_creates(write_message(transfer)) && !world_file_truncate(transfer->file, transfer->base, &error))) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR, "%s: %s", transfer->block_name, error.message);
        return;
    }
    Hadoop__BlockOpResponse response = HADOOP__BLOCK_OP_RESPONSE__INIT;
    response.status = HADOOP__TRANSFER_STATUS__SUCCESS;
    response.firstbadlink = "";
    transfer_append(&transfer->out, &response.base);
}

static void write_prepared(void *argument) {
    struct transfer *transfer = argument;
    if (!transfer_task_ended(transfer)) {
        return;
    }
    transfer_send(transfer);
    if (transfer->has_failed) {
        transfer_end(transfer);
        return;
    }
    if (write_message(transfer)->stage == HADOOP__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_CLOSE_RECOVERY) {
        transfer_reset(transfer); /* all data had arrived; nothing follows */
        return;
    }
    service_log_write(transfer->hdfs->options.datanode_log, LOG_INFO, LOGGER, "Receiving %s src: %s dest: %s",
        transfer->block_name, transfer->peer, transfer->local);
    transfer->state = TRANSFER_WRITING;
    net_resume(transfer->connection);
}

void transfer_start_write(struct transfer *transfer) {
    const Hadoop__OpWriteBlock *message = write_message(transfer);
    transfer_name_block(transfer, message->header->baseheader->block);
    transfer->client = message->header->clientname;
    transfer_task(transfer, write_prepare, write_prepared);
}

/* ---- packets ---- */

struct packet {
    int64_t offset, sequence;
    bool is_last, sync;
    struct bytes sums, data;
    size_t size; /* of all of it */
};

/* 1: a whole packet stands at the start; 0: more bytes are needed; -1: this is no packet. */
static int packet_parse(
    const struct transfer *transfer, struct arena *arena, struct bytes input, bool whole, struct packet *packet) {
    if (input.size < 6) {
        return 0;
    }
    int32_t payload = load_be32(input.data);
    size_t header_size = (uint16_t)load_be16(input.data + 4);
    if (payload < 4 || (size_t)payload > TRANSFER_PACKET_SIZE_MAX || header_size > PACKET_HEADER_SIZE_MAX) {
        return -1;
    }
    packet->size = 6 + header_size + (size_t)payload - 4;
    if (input.size < packet->size) {
        return 0;
    }
    if (!whole) {
        return 1;
    }
    Hadoop__PacketHeader *header = (Hadoop__PacketHeader *)protobuf_unpack(
        arena, &hadoop__packet_header__descriptor, bytes_slice(input, 6, header_size), PROTOBUF_DEPTH_USUAL, NULL);
    if (!header || header->datalen < 0 || header->offsetinblock < 0) {
        return -1;
    }
    size_t data_size = (size_t)header->datalen;
    size_t chunk_count = transfer->checksum_type == HADOOP__CHECKSUM_TYPE__CHECKSUM_NULL
                             ? 0
                             : (data_size + transfer->chunk_size - 1) / transfer->chunk_size;
    if (data_size > TRANSFER_PACKET_SIZE_MAX || chunk_count * 4 + data_size != (size_t)payload - 4) {
        return -1;
    }
    packet->offset = header->offsetinblock;
    packet->sequence = header->seqno;
    packet->is_last = header->lastpacketinblock;
    packet->sync = header->has_syncblock && header->syncblock;
    packet->sums = bytes_slice(input, 6 + header_size, chunk_count * 4);
    packet->data = bytes_slice(input, 6 + header_size + chunk_count * 4, data_size);
    return 1;
}

static bool sums_match(const struct transfer *transfer, const struct packet *packet) {
    for (size_t i = 0; i * 4 < packet->sums.size; i++) {
        size_t start = i * transfer->chunk_size;
        size_t size =
            packet->data.size - start < transfer->chunk_size ? packet->data.size - start : transfer->chunk_size;
        if (transfer_checksum(transfer->checksum_type, packet->data.data + start, size) !=
            (uint32_t)load_be32(packet->sums.data + 4 * i)) {
            return false;
        }
    }
    return true;
}

static void append_ack(struct transfer *transfer, int64_t sequence, Hadoop__TransferStatus status) {
    Hadoop__PipelineAck ack = HADOOP__PIPELINE_ACK__INIT;
    uint32_t flag = status;
    ack.seqno = sequence;
    ack.n_reply = ack.n_flag = 1;
    ack.reply = &status;
    ack.flag = &flag;
    ack.has_downstreamacktimenanos = true;
    transfer_append(&transfer->out, &ack.base);
}

static bool packet_failed(
    struct transfer *transfer, const struct packet *packet, Hadoop__TransferStatus status, const char *why) {
    service_log_write(transfer->hdfs->options.datanode_log, LOG_WARN, LOGGER, "%s: packet %" PRId64 " from %s: %s",
        transfer->block_name, packet->sequence, transfer->peer, why);
    append_ack(transfer, packet->sequence, status);
    transfer->has_failed = true;
    return false;
}

static bool packet_write(struct transfer *transfer, const struct packet *packet) {
    struct error error = {0};
    if (packet->data.size > 0) {
        if (packet->offset > transfer->written || packet->offset + (int64_t)packet->data.size > transfer->block_size) {
            return packet_failed(
                transfer, packet, HADOOP__TRANSFER_STATUS__ERROR_INVALID, "it leaves a gap or exceeds the block");
        }
        if (!sums_match(transfer, packet)) {
            return packet_failed(transfer, packet, HADOOP__TRANSFER_STATUS__ERROR_CHECKSUM, "checksum error");
        }
        if (!world_file_write(
                transfer->file, packet->data.data, packet->data.size, transfer->base + packet->offset, &error)) {
            return packet_failed(transfer, packet, HADOOP__TRANSFER_STATUS__ERROR, error.message);
        }
        int64_t end = packet->offset + (int64_t)packet->data.size;
        transfer->written = end > transfer->written ? end : transfer->written;
        transfer->hdfs->received_size += packet->data.size;
    }
    if (packet->sync && !world_file_sync(transfer->file, &error)) {
        return packet_failed(transfer, packet, HADOOP__TRANSFER_STATUS__ERROR, error.message);
    }
    append_ack(transfer, packet->sequence, HADOOP__TRANSFER_STATUS__SUCCESS);
    transfer->is_last = packet->is_last;
    return true;
}

/* The lease may have been taken over, or the file deleted, since the last packet. */
static bool still_ours(struct transfer *transfer, struct arena *arena) {
    struct store_construction construction;
    struct error error = {0};
    if (store_lease_get_inode(transfer->hdfs->store, arena, transfer->inode, transfer->holder, &construction, &error) &&
        construction.block_index == store_block_index(transfer->block_id)) {
        return true;
    }
    service_log_write(transfer->hdfs->options.datanode_log, LOG_WARN, LOGGER, "%s: %s lost its lease %s",
        transfer->block_name, transfer->client, error.message);
    transfer->has_failed = true;
    return false;
}

static void write_packets(void *argument) {
    struct transfer *transfer = argument;
    struct arena arena = {0};
    struct bytes rest = buffer_view(&transfer->work);
    bool ok = still_ours(transfer, &arena);
    while (ok && rest.size > 0 && !transfer->is_last) {
        struct packet packet;
        ok = packet_parse(transfer, &arena, rest, true, &packet) == 1;
        if (!ok) {
            transfer->has_failed = true;
            service_log_write(transfer->hdfs->options.datanode_log, LOG_WARN, LOGGER, "%s: malformed packet from %s",
                transfer->block_name, transfer->peer);
            break;
        }
        ok = packet_write(transfer, &packet);
        rest = bytes_slice(rest, packet.size, rest.size - packet.size);
        arena_reset(&arena);
    }
    buffer_clear(&transfer->work);
    arena_destroy(&arena);
}

static void write_on(struct transfer *transfer);

static void packets_written(void *argument) {
    struct transfer *transfer = argument;
    if (!transfer_task_ended(transfer)) {
        return;
    }
    transfer_send(transfer);
    if (transfer->has_failed) {
        transfer_end(transfer);
        return;
    }
    if (transfer->is_last) {
        struct service_log *log = transfer->hdfs->options.datanode_log;
        service_log_write(log, LOG_INFO, LOGGER ".clienttrace",
            "src: %s, dest: %s, volume: , bytes: %" PRId64
            ", op: HDFS_WRITE, cliID: %s, offset: 0, srvID: %s, blockid: %s, duration(ns): %" PRId64,
            transfer->peer, transfer->local, transfer->written, transfer->client, transfer->hdfs->datanode_uuid,
            transfer->block_name, world_monotonic_ns(transfer->hdfs->world) - transfer->started_ns);
        service_log_write(
            log, LOG_INFO, LOGGER, "PacketResponder: %s, type=LAST_IN_PIPELINE terminating", transfer->block_name);
        buffer_clear(&transfer->queue);
        transfer_reset(transfer);
        return;
    }
    bool was_paused = transfer->is_paused;
    if (transfer->is_paused && transfer->queue.size < TRANSFER_QUEUE_SIZE_MAX / 2) {
        transfer->is_paused = false;
        net_resume(transfer->connection);
    }
    if (transfer->has_ended && transfer->queue.size == 0 && !was_paused) {
        transfer_end(transfer); /* without its last packet: nothing more comes */
        return;
    }
    write_on(transfer);
}

static void write_on(struct transfer *transfer) {
    if (transfer->is_busy || transfer->queue.size == 0 || transfer->state != TRANSFER_WRITING) {
        return;
    }
    struct buffer written = transfer->work;
    transfer->work = transfer->queue;
    transfer->queue = written;
    transfer_task(transfer, write_packets, packets_written);
}

size_t transfer_take_packets(struct transfer *transfer, struct bytes input) {
    size_t used = 0;
    for (;;) {
        struct packet packet;
        int parsed = packet_parse(transfer, NULL, bytes_slice(input, used, input.size - used), false, &packet);
        if (parsed < 0) {
            service_log_write(transfer->hdfs->options.datanode_log, LOG_WARN, LOGGER, "%s: malformed packet from %s",
                transfer->block_name, transfer->peer);
            transfer_end(transfer);
            return input.size;
        }
        if (parsed == 0) {
            break;
        }
        used += packet.size;
    }
    buffer_append(&transfer->queue, input.data, used);
    if (transfer->queue.size > TRANSFER_QUEUE_SIZE_MAX) {
        transfer->is_paused = true;
        net_pause(transfer->connection);
    }
    write_on(transfer);
    return used;
}
