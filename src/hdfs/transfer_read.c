/* transfer_read.c: READ_BLOCK and BLOCK_CHECKSUM. Checksums are computed while sending. A pool task makes packets of up
 * to one piece; the next piece is made when the socket has taken most of the one before. */
#include "hdfs/transfer.h"

#include <inttypes.h>

#define LOGGER "org.apache.hadoop.hdfs.server.datanode.DataNode"
#define PACKET_DATA_SIZE 65536
#define PIECE_SIZE ((int64_t)1 << 20)

static void append_packet_header(
    struct buffer *out, int64_t offset, int64_t sequence, bool is_last, size_t sums_size, size_t data_size) {
    Hadoop__PacketHeader header = HADOOP__PACKET_HEADER__INIT;
    uint8_t packed[64];
    header.offsetinblock = offset;
    header.seqno = sequence;
    header.lastpacketinblock = is_last;
    header.datalen = (int32_t)data_size;
    size_t size = protobuf_c_message_pack(&header.base, packed);
    uint8_t *start = buffer_extend(out, 6);
    store_be32(start, (int32_t)(4 + sums_size + data_size));
    store_be16(start + 4, (int16_t)size);
    buffer_append(out, packed, size);
}

static bool append_packet(struct transfer *transfer, size_t data_size, struct error *error) {
    size_t count = transfer->with_checksums ? (data_size + HDFS_CHUNK_SIZE - 1) / HDFS_CHUNK_SIZE : 0;
    append_packet_header(&transfer->out, transfer->at, transfer->written++, false, 4 * count, data_size);
    uint8_t *sums = buffer_extend(&transfer->out, 4 * count + data_size), *data = sums + 4 * count;
    ssize_t got = store_file_read(transfer->source, data, data_size, transfer->base + transfer->at, error);
    if (got != (ssize_t)data_size) {
        return got < 0 ? false : error_set(error, ERROR_CORRUPT, "the file became shorter while it was read");
    }
    for (size_t i = 0; i < count; i++) {
        size_t start = i * HDFS_CHUNK_SIZE,
               size = data_size - start < HDFS_CHUNK_SIZE ? data_size - start : HDFS_CHUNK_SIZE;
        store_be32(
            sums + 4 * i, (int32_t)transfer_checksum(HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C, data + start, size));
    }
    transfer->at += (int64_t)data_size;
    transfer->hdfs->sent_size += data_size;
    return true;
}

static void append_piece(struct transfer *transfer) {
    struct error error = {0};
    int64_t stop = transfer->at + PIECE_SIZE < transfer->end ? transfer->at + PIECE_SIZE : transfer->end;
    while (transfer->at < stop) {
        int64_t size = stop - transfer->at < PACKET_DATA_SIZE ? stop - transfer->at : PACKET_DATA_SIZE;
        if (!append_packet(transfer, (size_t)size, &error)) {
            service_log_write(
                transfer->hdfs->options.datanode_log, LOG_WARN, LOGGER, "%s: %s", transfer->block_name, error.message);
            transfer->has_failed = true;
            return;
        }
    }
    if (transfer->at == transfer->end) {
        append_packet_header(&transfer->out, transfer->at, transfer->written++, true, 0, 0);
        transfer->is_last = true;
    }
}

static void read_prepare(void *argument) {
    struct transfer *transfer = argument;
    const Hadoop__OpReadBlock *message = (const Hadoop__OpReadBlock *)transfer->message;
    struct error error = {0};
    int64_t size;
    char *path = transfer_locate(transfer, &size);
    if (!path) {
        return;
    }
    int64_t length = size - transfer->base < transfer->block_size ? size - transfer->base : transfer->block_size;
    if (length < 0 || message->offset > (uint64_t)length || message->len > (uint64_t)length - message->offset) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR_INVALID,
            "Offset %" PRIu64 " and length %" PRIu64 " don't match block %s ( blockLen %" PRId64 " )", message->offset,
            message->len, transfer->block_name, length);
        return;
    }
    transfer->source = store_file_open(transfer->hdfs->store, path, &error);
    if (!transfer->source) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR, "%s: %s", transfer->block_name, error.message);
        return;
    }
    transfer->with_checksums = !message->has_sendchecksums || message->sendchecksums;
    int64_t offset = (int64_t)message->offset, end = offset + (int64_t)message->len;
    transfer->at = offset - offset % HDFS_CHUNK_SIZE;
    end += (HDFS_CHUNK_SIZE - end % HDFS_CHUNK_SIZE) % HDFS_CHUNK_SIZE;
    transfer->end = end < length ? end : length;
    transfer->written = 0; /* counts packets */
    Hadoop__Checksum checksum = HADOOP__CHECKSUM__INIT;
    checksum.type =
        transfer->with_checksums ? HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C : HADOOP__CHECKSUM_TYPE__CHECKSUM_NULL;
    checksum.bytesperchecksum = HDFS_CHUNK_SIZE;
    Hadoop__ReadOpChecksumInfo info = HADOOP__READ_OP_CHECKSUM_INFO__INIT;
    info.checksum = &checksum;
    info.chunkoffset = (uint64_t)transfer->at;
    Hadoop__BlockOpResponse response = HADOOP__BLOCK_OP_RESPONSE__INIT;
    response.status = HADOOP__TRANSFER_STATUS__SUCCESS;
    response.firstbadlink = "";
    response.readopchecksuminfo = &info;
    transfer_append(&transfer->out, &response.base);
    append_piece(transfer);
}

static void piece_make(void *argument) {
    append_piece(argument);
}

static void piece_made(void *argument) {
    struct transfer *transfer = argument;
    if (!transfer_task_ended(transfer)) {
        return;
    }
    transfer_send(transfer);
    if (transfer->has_failed) {
        transfer_end(transfer);
    } else if (transfer->is_last) {
        transfer->state = TRANSFER_READ_STATUS;
        net_resume(transfer->connection);
    } else {
        transfer->state = TRANSFER_READING;
        transfer_read_on(transfer);
    }
}

void transfer_read_on(struct transfer *transfer) {
    if (!net_output_full(transfer->connection)) {
        transfer_task(transfer, piece_make, piece_made);
    }
}

void transfer_start_read(struct transfer *transfer) {
    const Hadoop__OpReadBlock *message = (const Hadoop__OpReadBlock *)transfer->message;
    transfer_name_block(transfer, message->header->baseheader->block);
    transfer->client = message->header->clientname;
    transfer_task(transfer, read_prepare, piece_made);
}

/* ---- checksum of a block ---- */

static void checksum_compute(void *argument) {
    struct transfer *transfer = argument;
    const Hadoop__OpBlockChecksum *message = (const Hadoop__OpBlockChecksum *)transfer->message;
    struct error error = {0};
    int64_t size;
    uint8_t md5[16];
    char *path = transfer_locate(transfer, &size);
    if (!path) {
        return;
    }
    int64_t length = size - transfer->base < transfer->block_size ? size - transfer->base : transfer->block_size;
    uint64_t wanted = message->header->block->numbytes;
    if (length < 0 || wanted > (uint64_t)length) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR_INVALID, "%s has %" PRId64 " bytes, not %" PRIu64,
            transfer->block_name, length, wanted);
        return;
    }
    if (message->blockchecksumoptions && message->blockchecksumoptions->has_blockchecksumtype &&
        message->blockchecksumoptions->blockchecksumtype != HADOOP__BLOCK_CHECKSUM_TYPE__MD5CRC) {
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR_UNSUPPORTED,
            "dfs.checksum.combine.mode=COMPOSITE_CRC is not supported, MD5MD5CRC is");
        return;
    }
    struct store_file *file = store_file_open(transfer->hdfs->store, path, &error);
    if (!file || !block_checksum(file, transfer->base, (int64_t)wanted, md5, &error)) {
        store_file_close(file);
        transfer_refuse(transfer, HADOOP__TRANSFER_STATUS__ERROR, "%s: %s", transfer->block_name, error.message);
        return;
    }
    store_file_close(file);
    Hadoop__BlockChecksumOptions options = HADOOP__BLOCK_CHECKSUM_OPTIONS__INIT;
    options.has_blockchecksumtype = true;
    options.blockchecksumtype = HADOOP__BLOCK_CHECKSUM_TYPE__MD5CRC;
    Hadoop__OpBlockChecksumResponse checksum = HADOOP__OP_BLOCK_CHECKSUM_RESPONSE__INIT;
    checksum.bytespercrc = HDFS_CHUNK_SIZE;
    checksum.crcperblock = (uint64_t)((length + HDFS_CHUNK_SIZE - 1) / HDFS_CHUNK_SIZE);
    checksum.blockchecksum = (ProtobufCBinaryData){sizeof md5, md5};
    checksum.has_crctype = true;
    checksum.crctype = HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    checksum.blockchecksumoptions = &options;
    Hadoop__BlockOpResponse response = HADOOP__BLOCK_OP_RESPONSE__INIT;
    response.status = HADOOP__TRANSFER_STATUS__SUCCESS;
    response.firstbadlink = "";
    response.checksumresponse = &checksum;
    transfer_append(&transfer->out, &response.base);
}

static void checksum_computed(void *argument) {
    struct transfer *transfer = argument;
    if (!transfer_task_ended(transfer)) {
        return;
    }
    transfer_send(transfer);
    if (transfer->has_failed) {
        transfer_end(transfer);
    } else {
        transfer_reset(transfer);
    }
}

void transfer_start_checksum(struct transfer *transfer) {
    const Hadoop__OpBlockChecksum *message = (const Hadoop__OpBlockChecksum *)transfer->message;
    transfer_name_block(transfer, message->header->block);
    transfer->client = "";
    transfer_task(transfer, checksum_compute, checksum_computed);
}
