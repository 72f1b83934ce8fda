/* rpc.c: Hadoop RPC. A connection starts with "hrpc", version 9, service class, authentication (0 SIMPLE, 0xdf SASL,
 * which is answered with "success, go on as SIMPLE"). Then frames: int32 length, and inside varint-delimited messages:
 * RpcRequestHeader, then by callId the connection context (-3), nothing (-4, ping), SASL (-33), or RequestHeader and
 * the parameters. Calls run side by side on the disk pool; answers carry the callId and come in any order. */
#include "hdfs/hdfs_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include "rpc.pb-c.h"

#define FRAME_SIZE_MAX ((size_t)8 << 20)
#define CALLS_IN_FLIGHT_MAX 64
#define CALL_ID_CONTEXT (-3)
#define CALL_ID_PING (-4)
#define CALL_ID_SASL (-33)
#define CLIENT_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientProtocol"

struct rpc_connection {
    struct hdfs *hdfs;
    bool has_preamble, has_context, has_failed;
    size_t in_flight;
    char user[64];
};

/* One call, from its frame to its answer. */
struct rpc_call {
    struct call call;
    struct net_connection *connection;
    struct rpc_connection *state; /* loop thread, while the connection is open */
    Hadoop__RpcRequestHeader *header;
    struct buffer answer;
};

static bool rpc_open(struct net_connection *connection, void *context) {
    struct rpc_connection *state = calloc(1, sizeof *state);
    ASSERT(state);
    state->hdfs = context;
    net_set_state(connection, state);
    return true;
}

static void rpc_closed(struct net_connection *connection, const struct error *reason) {
    free(net_state(connection));
    net_set_state(connection, NULL);
}

/* ---- answers ---- */

static void append_answer(struct buffer *out, const Hadoop__RpcRequestHeader *request,
    Hadoop__RpcResponseHeader *header, const ProtobufCMessage *message) {
    header->callid = (uint32_t)request->callid;
    header->has_serveripcversionnum = true;
    header->serveripcversionnum = 9;
    header->has_clientid = true;
    header->clientid = request->clientid;
    header->has_retrycount = true;
    header->retrycount = request->retrycount;
    size_t start = out->size;
    buffer_extend(out, 4);
    protobuf_append_delimited(out, &header->base);
    if (message) {
        protobuf_append_delimited(out, message);
    }
    store_be32(out->data + start, (int32_t)(out->size - start - 4));
}

static void append_failure(struct buffer *out, const Hadoop__RpcRequestHeader *request, enum hadoop_exception exception,
    Hadoop__RpcResponseHeader__RpcErrorCode code, const char *message) {
    Hadoop__RpcResponseHeader header = HADOOP__RPC_RESPONSE_HEADER__INIT;
    header.status = code >= HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_UNKNOWN
                        ? HADOOP__RPC_RESPONSE_HEADER__RPC_STATUS__FATAL
                        : HADOOP__RPC_RESPONSE_HEADER__RPC_STATUS__ERROR;
    header.exceptionclassname = (char *)hadoop_exception_class(exception);
    header.errormsg = (char *)message;
    header.has_errordetail = true;
    header.errordetail = code;
    append_answer(out, request, &header, NULL);
}

static void send_failure(struct net_connection *connection, const Hadoop__RpcRequestHeader *request,
    enum hadoop_exception exception, Hadoop__RpcResponseHeader__RpcErrorCode code, const char *message) {
    struct buffer out = {0};
    append_failure(&out, request, exception, code, message);
    net_send_buffer(connection, &out);
}

/* A connection whose bytes cannot be understood any more. */
static void fatal(
    struct net_connection *connection, Hadoop__RpcResponseHeader__RpcErrorCode code, const char *message) {
    struct rpc_connection *state = net_state(connection);
    Hadoop__RpcRequestHeader nobody = HADOOP__RPC_REQUEST_HEADER__INIT;
    nobody.callid = -1;
    send_failure(connection, &nobody, EXCEPTION_RPC_SERVER, code, message);
    service_log_write(state->hdfs->options.namenode_log, LOG_WARN, "org.apache.hadoop.ipc.Server",
        "Connection from %s:%u: %s", net_peer(connection)->text, net_peer(connection)->port, message);
    state->has_failed = true;
    net_close(connection);
}

/* ---- calls ---- */

static void call_run(void *argument) {
    struct rpc_call *rpc = argument;
    struct call *call = &rpc->call;
    bool ok = call->method->run(call);
    ASSERT(ok || call->operation.exception != EXCEPTION_NONE);
    if (ok) {
        Hadoop__RpcResponseHeader header = HADOOP__RPC_RESPONSE_HEADER__INIT;
        header.status = HADOOP__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS;
        append_answer(&rpc->answer, rpc->header, &header, call->response);
        return;
    }
    append_failure(&rpc->answer, rpc->header, call->operation.exception,
        HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_APPLICATION, call->operation.message);
    service_log_write(call->operation.hdfs->options.namenode_log, LOG_INFO, "org.apache.hadoop.ipc.Server",
        "IPC Server handler on %u, call Call#%d Retry#%d %s.%s from %s / %s: %s: %.*s",
        hdfs_namenode_port(call->operation.hdfs), rpc->header->callid, rpc->header->retrycount, CLIENT_PROTOCOL,
        call->method->name, call->operation.peer, call->operation.user,
        hadoop_exception_class(call->operation.exception), (int)strcspn(call->operation.message, "\n"),
        call->operation.message);
}

static void call_done(void *argument) {
    struct rpc_call *rpc = argument;
    if (!net_is_closed(rpc->connection)) {
        net_send_buffer(rpc->connection, &rpc->answer);
        if (rpc->state->in_flight-- == CALLS_IN_FLIGHT_MAX) {
            net_resume(rpc->connection);
        }
    }
    rpc->call.operation.hdfs->call_count++;
    rpc->call.operation.hdfs->task_count--;
    net_release(rpc->connection);
    buffer_free(&rpc->answer);
    operation_destroy(&rpc->call.operation);
    free(rpc);
}

static void rpc_call_free(struct rpc_call *rpc) {
    operation_destroy(&rpc->call.operation);
    free(rpc);
}

/* Finds the method and unpacks its parameters; answers and returns false when that fails. */
static bool call_prepare(struct net_connection *connection, struct rpc_call *rpc, struct bytes rest) {
    struct arena *arena = &rpc->call.operation.arena;
    struct bytes part = BYTES_NULL;
    Hadoop__RequestHeader *request = protobuf_take_delimited(&rest, &part, FRAME_SIZE_MAX) == 1
                                         ? (Hadoop__RequestHeader *)protobuf_unpack(arena,
                                               &hadoop__request_header__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL)
                                         : NULL;
    if (!request) {
        send_failure(connection, rpc->header, EXCEPTION_RPC_SERVER,
            HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_DESERIALIZING_REQUEST,
            "the request header of the call cannot be read");
        return false;
    }
    if (strcmp(request->declaringclassprotocolname, CLIENT_PROTOCOL) != 0) {
        send_failure(connection, rpc->header, EXCEPTION_NO_SUCH_PROTOCOL,
            HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_NO_SUCH_PROTOCOL,
            arena_printf(arena, "Unknown protocol: %s", request->declaringclassprotocolname));
        return false;
    }
    rpc->call.method = call_method_find(request->methodname);
    if (!rpc->call.method) {
        send_failure(connection, rpc->header, EXCEPTION_NO_SUCH_METHOD,
            HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_NO_SUCH_METHOD,
            arena_printf(arena, "Unknown method %s called on %s protocol.", request->methodname,
                request->declaringclassprotocolname));
        return false;
    }
    part = BYTES_NULL;
    bool has_part = rest.size == 0 || protobuf_take_delimited(&rest, &part, FRAME_SIZE_MAX) == 1;
    rpc->call.request =
        has_part ? protobuf_unpack(arena, rpc->call.method->request, part, PROTOBUF_DEPTH_USUAL, NULL) : NULL;
    if (!rpc->call.request) {
        send_failure(connection, rpc->header, EXCEPTION_RPC_SERVER,
            HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_RPC_SERVER,
            arena_printf(arena, "the parameters of %s cannot be read", request->methodname));
        return false;
    }
    rpc->call.response = protobuf_make(arena, rpc->call.method->response);
    return true;
}

static void call_start(
    struct net_connection *connection, struct rpc_connection *state, struct rpc_call *rpc, struct bytes rest) {
    if (!state->has_context) {
        rpc_call_free(rpc);
        fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_INVALID_RPC_HEADER,
            "Connection context not established");
        return;
    }
    if (!call_prepare(connection, rpc, rest)) {
        rpc_call_free(rpc);
        return;
    }
    rpc->state = state;
    rpc->connection = net_retain(connection);
    if (++state->in_flight == CALLS_IN_FLIGHT_MAX) {
        net_pause(connection);
    }
    state->hdfs->task_count++;
    world_pool_run(state->hdfs->options.disk_pool, state->hdfs->loop, call_run, call_done, rpc);
}

/* ---- what comes before calls ---- */

static void take_context(
    struct net_connection *connection, struct rpc_connection *state, struct bytes rest, struct arena *arena) {
    struct bytes part = BYTES_NULL;
    Hadoop__IpcConnectionContext *context = NULL;
    if (protobuf_take_delimited(&rest, &part, FRAME_SIZE_MAX) == 1) {
        context = (Hadoop__IpcConnectionContext *)protobuf_unpack(
            arena, &hadoop__ipc_connection_context__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL);
    }
    if (!context) {
        fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_DESERIALIZING_REQUEST,
            "the connection context cannot be read");
        return;
    }
    const char *user = context->userinfo && context->userinfo->effectiveuser ? context->userinfo->effectiveuser : "";
    snprintf(state->user, sizeof state->user, "%s", user);
    state->has_context = true;
}

static void answer_sasl(struct net_connection *connection, const Hadoop__RpcRequestHeader *request, struct bytes rest,
    struct arena *arena) {
    struct bytes part = BYTES_NULL;
    Hadoop__RpcSasl *sasl = NULL;
    if (protobuf_take_delimited(&rest, &part, FRAME_SIZE_MAX) == 1) {
        sasl =
            (Hadoop__RpcSasl *)protobuf_unpack(arena, &hadoop__rpc_sasl__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL);
    }
    if (!sasl || sasl->state != HADOOP__RPC_SASL__SASL_STATE__NEGOTIATE) {
        fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_UNAUTHORIZED,
            "SIMPLE authentication is the only one here; set hadoop.security.authentication=simple");
        return;
    }
    Hadoop__RpcSasl success = HADOOP__RPC_SASL__INIT;
    success.state = HADOOP__RPC_SASL__SASL_STATE__SUCCESS;
    Hadoop__RpcResponseHeader header = HADOOP__RPC_RESPONSE_HEADER__INIT;
    header.status = HADOOP__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS;
    struct buffer out = {0};
    append_answer(&out, request, &header, &success.base);
    net_send_buffer(connection, &out);
}

static void take_frame(struct net_connection *connection, struct rpc_connection *state, struct bytes frame) {
    struct rpc_call *rpc = calloc(1, sizeof *rpc);
    ASSERT(rpc);
    operation_init(&rpc->call.operation, state->hdfs, bytes_from_text(state->user), net_peer(connection)->text,
        net_local(connection)->text);
    struct arena *arena = &rpc->call.operation.arena;
    struct bytes part = BYTES_NULL;
    if (protobuf_take_delimited(&frame, &part, FRAME_SIZE_MAX) == 1) {
        rpc->header = (Hadoop__RpcRequestHeader *)protobuf_unpack(
            arena, &hadoop__rpc_request_header__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL);
    }
    if (!rpc->header) {
        rpc_call_free(rpc);
        fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_INVALID_RPC_HEADER,
            "the RPC header cannot be read");
        return;
    }
    switch (rpc->header->callid) {
    case CALL_ID_CONTEXT:
        take_context(connection, state, frame, arena);
        rpc_call_free(rpc);
        return;
    case CALL_ID_SASL:
        answer_sasl(connection, rpc->header, frame, arena);
        rpc_call_free(rpc);
        return;
    case CALL_ID_PING:
        rpc_call_free(rpc);
        return;
    default:
        if (rpc->header->has_rpckind && rpc->header->rpckind != 2) {
            rpc_call_free(rpc);
            fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_UNSUPPORTED_SERIALIZATION,
                "only protocol buffer calls are understood");
            return;
        }
        call_start(connection, state, rpc, frame);
    }
}

/* Returns the bytes used, 0 when more are needed or the connection was closed. */
static size_t take_preamble(struct net_connection *connection, struct rpc_connection *state, struct bytes input) {
    static const char http_answer[] = "HTTP/1.1 404 Not Found\r\nContent-type: text/plain\r\n\r\n"
                                      "It looks like you are making an HTTP request to a Hadoop IPC port. This is not "
                                      "the correct port for the web interface on this daemon.\r\n";
    if (input.size >= 4 && memcmp(input.data, "hrpc", 4) != 0) {
        if (memcmp(input.data, "GET ", 4) == 0 || memcmp(input.data, "POST", 4) == 0 ||
            memcmp(input.data, "PUT ", 4) == 0) {
            net_send_copy(connection, BYTES(http_answer));
        }
        service_log_write(state->hdfs->options.namenode_log, LOG_WARN, "org.apache.hadoop.ipc.Server",
            "Incorrect RPC Header length or header from %s:%u", net_peer(connection)->text, net_peer(connection)->port);
        state->has_failed = true;
        net_close(connection);
        return 0;
    }
    if (input.size < 7) {
        return 0;
    }
    if (input.data[4] != 9) {
        fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_VERSION_MISMATCH,
            "Server IPC version 9 cannot communicate with client of another version");
        return 0;
    }
    if (input.data[6] != 0 && input.data[6] != 0xdf) {
        fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_UNAUTHORIZED,
            "unknown authentication; SIMPLE is the only one here");
        return 0;
    }
    state->has_preamble = true;
    return 7;
}

static size_t rpc_data(struct net_connection *connection, struct bytes input) {
    struct rpc_connection *state = net_state(connection);
    size_t used = 0;
    if (!state->has_preamble) {
        used = take_preamble(connection, state, input);
        if (!state->has_preamble) {
            return state->has_failed ? input.size : 0;
        }
    }
    while (input.size - used >= 4 && !state->has_failed && state->in_flight < CALLS_IN_FLIGHT_MAX) {
        int32_t size = load_be32(input.data + used);
        if (size < 0 || (size_t)size > FRAME_SIZE_MAX) {
            fatal(connection, HADOOP__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__FATAL_INVALID_RPC_HEADER,
                "Requested data length is longer than 8 MiB");
            return input.size;
        }
        if (input.size - used - 4 < (size_t)size) {
            break;
        }
        struct bytes frame = bytes_slice(input, used + 4, (size_t)size);
        used += 4 + (size_t)size;
        if (size > 0) {
            take_frame(connection, state, frame);
        }
    }
    return state->has_failed ? input.size : used;
}

const struct net_protocol hdfs_rpc_protocol = {
    .name = "namenode", .open = rpc_open, .data = rpc_data, .closed = rpc_closed};
