/* hdfs_client.c: see hdfs_client.h. The protocol is described in src/hdfs (rpc.c, transfer.c). */
#include "cli/hdfs/hdfs_client.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "wire/protobuf.h"
#include "rpc.pb-c.h"
#include "transfer.pb-c.h"
#include "wire/crc32c.h"

#define ANSWER_SIZE_MAX ((size_t)128 << 20)
#define PACKET_SIZE_MAX ((size_t)32 << 20)
#define CHUNK_SIZE 512
#define PACKET_DATA_SIZE (126 * CHUNK_SIZE)
#define UNACKNOWLEDGED_MAX 80
#define CLIENT_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientProtocol"

/* ---- sockets ---- */

static int connect_to(const char *host, uint16_t port, struct error *error) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int result = getaddrinfo(host, service, &hints, &found);
    if (result != 0) {
        error_set(error, ERROR_NOT_FOUND, "java.net.UnknownHostException: %s", host);
        return -1;
    }
    int descriptor = -1, problem = ECONNREFUSED;
    for (struct addrinfo *at = found; at && descriptor < 0; at = at->ai_next) {
        descriptor = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (descriptor >= 0 && connect(descriptor, at->ai_addr, at->ai_addrlen) != 0) {
            problem = errno;
            close(descriptor);
            descriptor = -1;
        }
    }
    freeaddrinfo(found);
    if (descriptor < 0) {
        error_system(error, problem, "%s:%u", host, port);
        return -1;
    }
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return descriptor;
}

static bool send_all(int descriptor, struct bytes data) {
    while (data.size > 0) {
        ssize_t count = send(descriptor, data.data, data.size, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        data = bytes_slice(data, (size_t)count, data.size - (size_t)count);
    }
    return true;
}

static bool receive_all(int descriptor, void *out, size_t size) {
    for (uint8_t *at = out; size > 0;) {
        ssize_t count = recv(descriptor, at, size, 0);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        at += count;
        size -= (size_t)count;
    }
    return true;
}

/* One varint-delimited message, byte by byte in its length. */
static ProtobufCMessage *receive_message(int descriptor, struct arena *arena, const ProtobufCMessageDescriptor *kind) {
    uint64_t size = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 28 || !receive_all(descriptor, &byte, 1)) {
            return NULL;
        }
        size |= (uint64_t)(byte & 0x7f) << shift;
    }
    if (size > PACKET_SIZE_MAX) {
        return NULL;
    }
    uint8_t *data = arena_allocate(arena, (size_t)size);
    return receive_all(descriptor, data, (size_t)size)
               ? protobuf_unpack(arena, kind, bytes_make(data, (size_t)size), PROTOBUF_DEPTH_USUAL, NULL)
               : NULL;
}

/* ---- calls ---- */

bool hdfs_client_fail(struct hdfs_client *client, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->message, sizeof client->message, format, arguments);
    va_end(arguments);
    client->exception[0] = 0;
    return false;
}

static void append_header(struct hdfs_client *client, struct buffer *out, int32_t call) {
    Hadoop__RpcRequestHeader header = HADOOP__RPC_REQUEST_HEADER__INIT;
    header.has_rpckind = header.has_rpcop = header.has_retrycount = true;
    header.rpckind = 2;
    header.callid = call;
    header.clientid = (ProtobufCBinaryData){sizeof client->id, client->id};
    header.retrycount = 0;
    protobuf_append_delimited(out, &header.base);
}

bool hdfs_client_open(
    struct hdfs_client *client, const char *host, uint16_t port, const char *user, struct error *error) {
    *client = (struct hdfs_client){.descriptor = connect_to(host, port, error)};
    if (client->descriptor < 0) {
        return false;
    }
    uint32_t number = 0;
    ASSERT(getrandom(client->id, sizeof client->id, 0) == sizeof client->id);
    memcpy(&number, client->id, sizeof number);
    snprintf(client->host, sizeof client->host, "%s", host);
    snprintf(client->user, sizeof client->user, "%s", user);
    snprintf(client->name, sizeof client->name, "DFSClient_NONMAPREDUCE_%u_1", number & 0x7fffffff);
    struct buffer out = {0};
    buffer_append(&out, "hrpc\x09\0\0", 7);
    size_t start = out.size;
    buffer_extend(&out, 4);
    append_header(client, &out, -3);
    Hadoop__UserInformation information = HADOOP__USER_INFORMATION__INIT;
    information.effectiveuser = client->user;
    Hadoop__IpcConnectionContext context = HADOOP__IPC_CONNECTION_CONTEXT__INIT;
    context.userinfo = &information;
    context.protocol = CLIENT_PROTOCOL;
    protobuf_append_delimited(&out, &context.base);
    store_be32(out.data + start, (int32_t)(out.size - start - 4));
    bool ok = send_all(client->descriptor, buffer_view(&out));
    buffer_free(&out);
    return ok ? true : error_system(error, errno, "%s:%u", host, port);
}

void hdfs_client_close(struct hdfs_client *client) {
    if (client->descriptor >= 0) {
        close(client->descriptor);
    }
    client->descriptor = -1;
}

static ProtobufCMessage *take_answer(
    struct hdfs_client *client, struct arena *arena, struct bytes frame, const ProtobufCMessageDescriptor *kind) {
    struct bytes part;
    Hadoop__RpcResponseHeader *header = NULL;
    if (protobuf_take_delimited(&frame, &part, ANSWER_SIZE_MAX) == 1) {
        header = (Hadoop__RpcResponseHeader *)protobuf_unpack(
            arena, &hadoop__rpc_response_header__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL);
    }
    if (!header) {
        hdfs_client_fail(client, "%s answers something else than Hadoop RPC", client->host);
        return NULL;
    }
    if (header->status != HADOOP__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS) {
        hdfs_client_fail(client, "%s", header->errormsg ? header->errormsg : "the server gave no reason");
        snprintf(client->exception, sizeof client->exception, "%s",
            header->exceptionclassname ? header->exceptionclassname : "java.io.IOException");
        return NULL;
    }
    ProtobufCMessage *answer = protobuf_take_delimited(&frame, &part, ANSWER_SIZE_MAX) == 1
                                   ? protobuf_unpack(arena, kind, part, PROTOBUF_DEPTH_USUAL, NULL)
                                   : NULL;
    if (!answer) {
        hdfs_client_fail(client, "the answer of %s cannot be read", client->host);
    }
    return answer;
}

ProtobufCMessage *hdfs_client_call(struct hdfs_client *client, struct arena *arena, const char *method,
    const ProtobufCMessage *request, const ProtobufCMessageDescriptor *answer) {
    struct buffer out = {0};
    buffer_extend(&out, 4);
    append_header(client, &out, client->next_call++);
    Hadoop__RequestHeader header = HADOOP__REQUEST_HEADER__INIT;
    header.methodname = (char *)method;
    header.declaringclassprotocolname = CLIENT_PROTOCOL;
    header.clientprotocolversion = 1;
    protobuf_append_delimited(&out, &header.base);
    protobuf_append_delimited(&out, request);
    store_be32(out.data, (int32_t)(out.size - 4));
    bool ok = send_all(client->descriptor, buffer_view(&out));
    uint8_t length[4];
    ok = ok && receive_all(client->descriptor, length, sizeof length);
    size_t size = ok ? (size_t)(uint32_t)load_be32(length) : 0;
    buffer_clear(&out);
    ok = ok && size <= ANSWER_SIZE_MAX && receive_all(client->descriptor, buffer_extend(&out, size), size);
    ProtobufCMessage *message = NULL;
    if (ok) {
        struct bytes frame = arena_copy(arena, buffer_view(&out));
        message = take_answer(client, arena, frame, answer);
    } else {
        hdfs_client_fail(
            client, "the connection to %s broke: %s", client->host, errno ? strerror(errno) : "it was closed");
    }
    buffer_free(&out);
    return message;
}

/* ---- reading ---- */

static void send_operation(struct buffer *out, uint8_t code, const ProtobufCMessage *message) {
    uint8_t start[3] = {0, 28, code};
    buffer_append(out, start, sizeof start);
    protobuf_append_delimited(out, message);
}

static int connect_datanode(struct hdfs_client *client, const Hadoop__LocatedBlock *block) {
    struct error error = {0};
    if (block->n_locs == 0) {
        hdfs_client_fail(
            client, "Could not obtain block: %s:blk_%llu", block->b->poolid, (unsigned long long)block->b->blockid);
        return -1;
    }
    int descriptor = connect_to(block->locs[0]->id->ipaddr, (uint16_t)block->locs[0]->id->xferport, &error);
    if (descriptor < 0) {
        hdfs_client_fail(client, "the DataNode cannot be reached: %s", error.message);
    }
    return descriptor;
}

static bool send_and_check(struct hdfs_client *client, struct arena *arena, int descriptor, uint8_t code,
    const ProtobufCMessage *message, Hadoop__BlockOpResponse **response) {
    struct buffer out = {0};
    send_operation(&out, code, message);
    bool ok = send_all(descriptor, buffer_view(&out));
    buffer_free(&out);
    *response =
        ok ? (Hadoop__BlockOpResponse *)receive_message(descriptor, arena, &hadoop__block_op_response__descriptor)
           : NULL;
    if (!*response) {
        return hdfs_client_fail(client, "the DataNode closed the connection");
    }
    if ((*response)->status != HADOOP__TRANSFER_STATUS__SUCCESS) {
        return hdfs_client_fail(
            client, "the DataNode refused: %s", (*response)->message ? (*response)->message : "no reason given");
    }
    return true;
}

/* One packet in `packet`; its header in *header; *data: its bytes. */
static bool receive_packet(int descriptor, struct arena *arena, struct buffer *packet, Hadoop__PacketHeader **header,
    struct bytes *data, struct bytes *sums) {
    uint8_t start[6];
    if (!receive_all(descriptor, start, sizeof start)) {
        return false;
    }
    size_t payload = (size_t)(uint32_t)load_be32(start), header_size = (uint16_t)load_be16(start + 4);
    if (payload < 4 || payload > PACKET_SIZE_MAX || header_size > 1024) {
        return false;
    }
    buffer_clear(packet);
    uint8_t *bytes = buffer_extend(packet, header_size + payload - 4);
    if (!receive_all(descriptor, bytes, header_size + payload - 4)) {
        return false;
    }
    *header = (Hadoop__PacketHeader *)protobuf_unpack(
        arena, &hadoop__packet_header__descriptor, bytes_make(bytes, header_size), PROTOBUF_DEPTH_USUAL, NULL);
    if (!*header || (*header)->datalen < 0 || (size_t)(*header)->datalen > payload - 4) {
        return false;
    }
    size_t data_size = (size_t)(*header)->datalen;
    *sums = bytes_make(bytes + header_size, payload - 4 - data_size);
    *data = bytes_make(bytes + header_size + sums->size, data_size);
    return true;
}

static bool sums_match(struct bytes data, struct bytes sums) {
    size_t count = (data.size + CHUNK_SIZE - 1) / CHUNK_SIZE;
    for (size_t i = 0; i < count && sums.size == count * 4; i++) {
        size_t start = i * CHUNK_SIZE, size = data.size - start < CHUNK_SIZE ? data.size - start : CHUNK_SIZE;
        if (crc32c(0, data.data + start, size) != (uint32_t)load_be32(sums.data + 4 * i)) {
            return false;
        }
    }
    return true;
}

static bool read_packets(struct hdfs_client *client, int descriptor, int64_t from, int64_t to, bool checks,
    hdfs_sink *sink, void *argument) {
    struct buffer packet = {0};
    bool ok = true, is_last = false;
    while (ok && !is_last) {
        struct arena arena = {0};
        Hadoop__PacketHeader *header;
        struct bytes data, sums;
        ok = receive_packet(descriptor, &arena, &packet, &header, &data, &sums);
        if (!ok) {
            hdfs_client_fail(client, "the DataNode closed the connection in the middle of a block");
        } else if (checks && !sums_match(data, sums)) {
            ok = hdfs_client_fail(
                client, "Checksum error at offset %lld of the block", (long long)header->offsetinblock);
        } else {
            int64_t start = header->offsetinblock, end = start + (int64_t)data.size;
            int64_t low = from > start ? from : start, high = to < end ? to : end;
            is_last = header->lastpacketinblock;
            if (low < high && !sink(argument, bytes_slice(data, (size_t)(low - start), (size_t)(high - low)))) {
                ok = hdfs_client_fail(client, "the output cannot be written: %s", strerror(errno));
            }
        }
        arena_destroy(&arena);
    }
    buffer_free(&packet);
    return ok;
}

static bool read_block(struct hdfs_client *client, Hadoop__LocatedBlock *block, int64_t from, int64_t to,
    hdfs_sink *sink, void *argument) {
    struct arena arena = {0};
    Hadoop__BaseHeader base = HADOOP__BASE_HEADER__INIT;
    base.block = block->b;
    base.token = block->blocktoken;
    Hadoop__ClientOperationHeader header = HADOOP__CLIENT_OPERATION_HEADER__INIT;
    header.baseheader = &base;
    header.clientname = client->name;
    Hadoop__OpReadBlock message = HADOOP__OP_READ_BLOCK__INIT;
    message.header = &header;
    message.offset = (uint64_t)from;
    message.len = (uint64_t)(to - from);
    Hadoop__BlockOpResponse *response;
    int descriptor = connect_datanode(client, block);
    bool ok = descriptor >= 0 && send_and_check(client, &arena, descriptor, 81, &message.base, &response);
    if (ok) {
        Hadoop__ReadOpChecksumInfo *info = response->readopchecksuminfo;
        bool checks = info && info->checksum->type == HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C &&
                      info->checksum->bytesperchecksum == CHUNK_SIZE;
        ok = read_packets(client, descriptor, from, to, checks, sink, argument);
    }
    if (ok) {
        Hadoop__ClientReadStatus status = HADOOP__CLIENT_READ_STATUS__INIT;
        status.status = HADOOP__TRANSFER_STATUS__CHECKSUM_OK;
        struct buffer out = {0};
        protobuf_append_delimited(&out, &status.base);
        send_all(descriptor, buffer_view(&out));
        buffer_free(&out);
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
    arena_destroy(&arena);
    return ok;
}

bool hdfs_client_read(
    struct hdfs_client *client, const char *path, int64_t offset, int64_t length, hdfs_sink *sink, void *argument) {
    struct arena arena = {0};
    Hadoop__GetBlockLocationsRequest request = HADOOP__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    request.src = (char *)path;
    request.offset = (uint64_t)offset;
    request.length = (uint64_t)length;
    Hadoop__GetBlockLocationsResponse *answer = (Hadoop__GetBlockLocationsResponse *)hdfs_client_call(
        client, &arena, "getBlockLocations", &request.base, &hadoop__get_block_locations_response__descriptor);
    bool ok = answer != NULL;
    int64_t stop = length > INT64_MAX - offset ? INT64_MAX : offset + length;
    for (size_t i = 0; ok && answer->locations && i < answer->locations->n_blocks; i++) {
        Hadoop__LocatedBlock *block = answer->locations->blocks[i];
        int64_t start = (int64_t)block->offset, end = start + (int64_t)block->b->numbytes;
        int64_t low = offset > start ? offset : start, high = stop < end ? stop : end;
        ok = low >= high || read_block(client, block, low - start, high - start, sink, argument);
    }
    arena_destroy(&arena);
    return ok;
}

/* ---- checksums ---- */

static bool block_checksum(struct hdfs_client *client, struct arena *arena, Hadoop__LocatedBlock *block,
    Hadoop__OpBlockChecksumResponse **sum) {
    Hadoop__BaseHeader base = HADOOP__BASE_HEADER__INIT;
    base.block = block->b;
    base.token = block->blocktoken;
    Hadoop__OpBlockChecksum message = HADOOP__OP_BLOCK_CHECKSUM__INIT;
    message.header = &base;
    Hadoop__BlockOpResponse *response;
    int descriptor = connect_datanode(client, block);
    bool ok = descriptor >= 0 && send_and_check(client, arena, descriptor, 85, &message.base, &response);
    if (descriptor >= 0) {
        close(descriptor);
    }
    ok = ok && (response->checksumresponse ? true : hdfs_client_fail(client, "the DataNode gave no checksum"));
    *sum = ok ? response->checksumresponse : NULL;
    return ok;
}

bool hdfs_client_checksum(struct hdfs_client *client, const char *path, uint8_t sum[28]) {
    struct arena arena = {0};
    Hadoop__GetBlockLocationsRequest request = HADOOP__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    request.src = (char *)path;
    request.length = INT64_MAX;
    Hadoop__GetBlockLocationsResponse *answer = (Hadoop__GetBlockLocationsResponse *)hdfs_client_call(
        client, &arena, "getBlockLocations", &request.base, &hadoop__get_block_locations_response__descriptor);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    ASSERT(digest && EVP_DigestInit_ex(digest, EVP_md5(), NULL));
    size_t count = answer && answer->locations ? answer->locations->n_blocks : 0;
    bool ok = answer != NULL;
    store_be32(sum, count > 0 ? CHUNK_SIZE : 0);
    store_be64(sum + 4, 0);
    for (size_t i = 0; ok && i < count; i++) {
        Hadoop__OpBlockChecksumResponse *block;
        ok = block_checksum(client, &arena, answer->locations->blocks[i], &block);
        if (ok) {
            EVP_DigestUpdate(digest, block->blockchecksum.data, block->blockchecksum.len);
            store_be32(sum, (int32_t)block->bytespercrc);
            if (count > 1 && i == 0) {
                store_be64(sum + 4, (int64_t)block->crcperblock);
            }
        }
    }
    /* Hadoop digests the whole of a buffer that starts with 32 bytes and doubles, its unused zeros included. */
    for (size_t capacity = 32, used = 16 * count;; capacity *= 2) {
        if (used <= capacity) {
            uint8_t *zeros = arena_allocate_zeroed(&arena, capacity - used + 1);
            EVP_DigestUpdate(digest, zeros, capacity - used);
            break;
        }
    }
    unsigned length = 16;
    EVP_DigestFinal_ex(digest, sum + 12, &length);
    EVP_MD_CTX_free(digest);
    arena_destroy(&arena);
    return ok;
}

/* ---- writing ---- */

static void upload_init(struct hdfs_upload *upload, struct hdfs_client *client, const char *path) {
    *upload = (struct hdfs_upload){.client = client, .descriptor = -1};
    upload->path = arena_strdup(&upload->arena, path);
}

bool hdfs_upload_create(struct hdfs_upload *upload, struct hdfs_client *client, const char *path, bool overwrite) {
    upload_init(upload, client, path);
    Hadoop__FsPermission mode = HADOOP__FS_PERMISSION__INIT;
    mode.perm = 0644;
    Hadoop__GetServerDefaultsRequest nothing = HADOOP__GET_SERVER_DEFAULTS_REQUEST__INIT;
    Hadoop__GetServerDefaultsResponse *defaults = (Hadoop__GetServerDefaultsResponse *)hdfs_client_call(
        client, &upload->arena, "getServerDefaults", &nothing.base, &hadoop__get_server_defaults_response__descriptor);
    if (!defaults) {
        return false;
    }
    Hadoop__CreateRequest request = HADOOP__CREATE_REQUEST__INIT;
    request.src = upload->path;
    request.masked = &mode;
    request.clientname = client->name;
    request.createflag = 1 | (overwrite ? 2u : 0);
    request.createparent = true;
    request.replication = defaults->serverdefaults->replication;
    request.blocksize = defaults->serverdefaults->blocksize;
    Hadoop__CreateResponse *answer = (Hadoop__CreateResponse *)hdfs_client_call(
        client, &upload->arena, "create", &request.base, &hadoop__create_response__descriptor);
    if (!answer) {
        return false;
    }
    upload->file_id = answer->fs ? answer->fs->fileid : 0;
    upload->block_size = (int64_t)request.blocksize;
    return true;
}

/* Starts sending to a block's DataNode. */
static bool open_block(
    struct hdfs_upload *upload, Hadoop__LocatedBlock *located, Hadoop__OpWriteBlock__BlockConstructionStage stage) {
    struct hdfs_client *client = upload->client;
    Hadoop__BaseHeader base = HADOOP__BASE_HEADER__INIT;
    base.block = upload->block = located->b;
    base.token = located->blocktoken;
    Hadoop__ClientOperationHeader header = HADOOP__CLIENT_OPERATION_HEADER__INIT;
    header.baseheader = &base;
    header.clientname = client->name;
    Hadoop__Checksum checksum = HADOOP__CHECKSUM__INIT;
    checksum.type = HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    checksum.bytesperchecksum = CHUNK_SIZE;
    Hadoop__OpWriteBlock message = HADOOP__OP_WRITE_BLOCK__INIT;
    message.header = &header;
    message.stage = stage;
    message.pipelinesize = 1;
    message.minbytesrcvd = message.maxbytesrcvd = located->b->numbytes;
    message.latestgenerationstamp = located->b->generationstamp;
    message.requestedchecksum = &checksum;
    Hadoop__BlockOpResponse *response;
    upload->block_written = (int64_t)located->b->numbytes;
    upload->sequence = 0;
    upload->unacknowledged = 0;
    upload->descriptor = connect_datanode(client, located);
    return upload->descriptor >= 0 &&
           send_and_check(client, &upload->arena, upload->descriptor, 80, &message.base, &response);
}

bool hdfs_upload_append(struct hdfs_upload *upload, struct hdfs_client *client, const char *path) {
    upload_init(upload, client, path);
    Hadoop__AppendRequest request = HADOOP__APPEND_REQUEST__INIT;
    request.src = upload->path;
    request.clientname = client->name;
    Hadoop__AppendResponse *answer = (Hadoop__AppendResponse *)hdfs_client_call(
        client, &upload->arena, "append", &request.base, &hadoop__append_response__descriptor);
    if (!answer) {
        return false;
    }
    upload->file_id = answer->stat ? answer->stat->fileid : 0;
    upload->block_size = answer->stat ? (int64_t)answer->stat->blocksize : 134217728;
    if (!answer->block) {
        return true;
    }
    Hadoop__UpdateBlockForPipelineRequest update = HADOOP__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    update.block = answer->block->b;
    update.clientname = client->name;
    Hadoop__UpdateBlockForPipelineResponse *updated =
        (Hadoop__UpdateBlockForPipelineResponse *)hdfs_client_call(client, &upload->arena, "updateBlockForPipeline",
            &update.base, &hadoop__update_block_for_pipeline_response__descriptor);
    if (!updated) {
        return false;
    }
    answer->block->b->generationstamp = updated->block->b->generationstamp;
    return open_block(upload, answer->block, HADOOP__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_APPEND);
}

static bool add_block(struct hdfs_upload *upload) {
    Hadoop__AddBlockRequest request = HADOOP__ADD_BLOCK_REQUEST__INIT;
    request.src = upload->path;
    request.clientname = upload->client->name;
    request.previous = upload->block;
    request.has_fileid = true;
    request.fileid = upload->file_id;
    Hadoop__AddBlockResponse *answer = (Hadoop__AddBlockResponse *)hdfs_client_call(
        upload->client, &upload->arena, "addBlock", &request.base, &hadoop__add_block_response__descriptor);
    return answer &&
           open_block(upload, answer->block, HADOOP__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE);
}

static bool take_ack(struct hdfs_upload *upload) {
    struct arena arena = {0};
    Hadoop__PipelineAck *ack =
        (Hadoop__PipelineAck *)receive_message(upload->descriptor, &arena, &hadoop__pipeline_ack__descriptor);
    bool ok = ack && ack->n_reply > 0 && ack->reply[0] == HADOOP__TRANSFER_STATUS__SUCCESS;
    if (!ok) {
        hdfs_client_fail(upload->client, "the DataNode %s while %s was written",
            ack ? "refused a packet" : "closed the connection", upload->path);
    }
    upload->unacknowledged -= ok;
    arena_destroy(&arena);
    return ok;
}

static bool send_packet(struct hdfs_upload *upload, struct bytes data, bool is_last) {
    Hadoop__PacketHeader header = HADOOP__PACKET_HEADER__INIT;
    uint8_t packed[64];
    size_t chunk_first = (size_t)(upload->block_written % CHUNK_SIZE);
    header.offsetinblock = upload->block_written;
    header.seqno = upload->sequence++;
    header.lastpacketinblock = is_last;
    header.datalen = (int32_t)data.size;
    size_t header_size = protobuf_c_message_pack(&header.base, packed);
    struct buffer out = {0};
    uint8_t *start = buffer_extend(&out, 6);
    store_be16(start + 4, (int16_t)header_size);
    buffer_append(&out, packed, header_size);
    size_t sums_start = out.size;
    ASSERT(chunk_first == 0 || data.size <= CHUNK_SIZE - chunk_first);
    for (size_t at = 0; at < data.size; at += CHUNK_SIZE) {
        size_t size = data.size - at < CHUNK_SIZE ? data.size - at : CHUNK_SIZE;
        store_be32(buffer_extend(&out, 4), (int32_t)crc32c(0, data.data + at, size));
    }
    store_be32(out.data, (int32_t)(4 + out.size - sums_start + data.size));
    buffer_append_bytes(&out, data);
    bool ok = send_all(upload->descriptor, buffer_view(&out));
    buffer_free(&out);
    upload->block_written += (int64_t)data.size;
    upload->unacknowledged++;
    while (ok && upload->unacknowledged > (is_last ? 0 : UNACKNOWLEDGED_MAX)) {
        ok = take_ack(upload);
    }
    return ok ? true
              : hdfs_client_fail(upload->client, "%s",
                    upload->client->message[0] ? upload->client->message : "the DataNode closed the connection");
}

static bool end_block(struct hdfs_upload *upload) {
    if (upload->descriptor < 0) {
        return true;
    }
    bool ok = send_packet(upload, BYTES_NULL, true);
    close(upload->descriptor);
    upload->descriptor = -1;
    upload->block->has_numbytes = true;
    upload->block->numbytes = (uint64_t)upload->block_written;
    return ok;
}

/* How many bytes the next packet takes: up to a chunk's end when the block's end lies inside a chunk, up to the block's
 * end, else a full packet. */
static size_t packet_room(const struct hdfs_upload *upload) {
    int64_t left = upload->block_size - upload->block_written;
    int64_t room =
        upload->block_written % CHUNK_SIZE ? CHUNK_SIZE - upload->block_written % CHUNK_SIZE : PACKET_DATA_SIZE;
    return (size_t)(room < left ? room : left);
}

static bool flush(struct hdfs_upload *upload, bool all) {
    while (upload->packet.size > 0) {
        if (upload->descriptor >= 0 && upload->block_written == upload->block_size && !end_block(upload)) {
            return false;
        }
        if (upload->descriptor < 0 && !add_block(upload)) {
            return false;
        }
        size_t room = packet_room(upload);
        if (upload->packet.size < room && !all) {
            break;
        }
        size_t size = upload->packet.size < room ? upload->packet.size : room;
        if (!send_packet(upload, bytes_make(upload->packet.data, size), false)) {
            return false;
        }
        buffer_consume(&upload->packet, size);
    }
    return true;
}

bool hdfs_upload_write(struct hdfs_upload *upload, struct bytes data) {
    buffer_append_bytes(&upload->packet, data);
    return upload->packet.size < PACKET_DATA_SIZE || flush(upload, false);
}

void hdfs_upload_abandon(struct hdfs_upload *upload) {
    if (upload->descriptor >= 0) {
        close(upload->descriptor);
    }
    upload->descriptor = -1;
    buffer_free(&upload->packet);
    arena_destroy(&upload->arena);
}

bool hdfs_upload_close(struct hdfs_upload *upload) {
    bool ok = flush(upload, true) && end_block(upload);
    Hadoop__CompleteRequest request = HADOOP__COMPLETE_REQUEST__INIT;
    request.src = upload->path;
    request.clientname = upload->client->name;
    request.last = upload->block;
    request.has_fileid = true;
    request.fileid = upload->file_id;
    for (int attempt = 0; ok; attempt++) {
        Hadoop__CompleteResponse *answer = (Hadoop__CompleteResponse *)hdfs_client_call(
            upload->client, &upload->arena, "complete", &request.base, &hadoop__complete_response__descriptor);
        ok = answer != NULL;
        if (ok && answer->result) {
            break;
        }
        if (ok && attempt == 5) {
            ok = hdfs_client_fail(
                upload->client, "Unable to close file because the last block does not have enough number of replicas.");
        } else if (ok) {
            usleep(100000u << attempt);
        }
    }
    hdfs_upload_abandon(upload);
    return ok;
}
