/* hdfs_test.c: what strangers may send, and what HDFS's rules answer, through the servers' own ports. */
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hdfs/hdfs.h"
#include "hdfs/hdfs_internal.h"
#include "namenode.pb-c.h"
#include "rpc.pb-c.h"

struct fixture {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *pool;
    struct store *store;
    struct hdfs *hdfs;
    struct arena arena;
    char directory[64];
    char message[512], exception[128]; /* of the last failed call */
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error error = {0};
    static const char *const address = "127.0.0.1";
    fixture->world = world_posix_create();
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/hdfs_test.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->loop = world_loop_create(fixture->world, "store", &error);
    fixture->pool = world_pool_create(fixture->world, "disk", 2, WORLD_POOL_NORMAL, &error);
    fixture->store = store_open(
        &(struct store_options){.world = fixture->world, .directory = fixture->directory, .user = "ana"}, &error);
    fixture->hdfs = hdfs_start(&(struct hdfs_options){.world = fixture->world,
                                   .loop = fixture->loop,
                                   .disk_pool = fixture->pool,
                                   .store = fixture->store,
                                   .addresses = &address,
                                   .address_count = 1},
        &error);
    assert_non_null(fixture->hdfs);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    hdfs_stop(fixture->hdfs);
    world_pool_destroy(fixture->pool);
    world_loop_destroy(fixture->loop);
    store_close(fixture->store);
    world_remove_tree(fixture->world, fixture->directory, NULL);
    world_destroy(fixture->world);
    arena_destroy(&fixture->arena);
    free(fixture);
    return 0;
}

/* ---- a small client ---- */

static int connect_to(uint16_t port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&place, sizeof place), 0);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return descriptor;
}

static void send_frame(int descriptor, struct buffer *frame) {
    uint8_t size[4];
    store_be32(size, (int32_t)frame->size);
    assert_int_equal(send(descriptor, size, 4, MSG_NOSIGNAL), 4);
    assert_int_equal(send(descriptor, frame->data, frame->size, MSG_NOSIGNAL), (ssize_t)frame->size);
    buffer_clear(frame);
}

static void append_header(struct buffer *out, int32_t call) {
    Hadoop__RpcRequestHeader header = HADOOP__RPC_REQUEST_HEADER__INIT;
    header.callid = call;
    header.clientid = (ProtobufCBinaryData){16, (uint8_t *)"0123456789abcdef"};
    protobuf_append_delimited(out, &header.base);
}

static int open_as(struct fixture *fixture, const char *user) {
    int descriptor = connect_to(hdfs_namenode_port(fixture->hdfs));
    assert_int_equal(send(descriptor, "hrpc\x09\0\0", 7, MSG_NOSIGNAL), 7);
    struct buffer frame = {0};
    append_header(&frame, -3);
    Hadoop__UserInformation information = HADOOP__USER_INFORMATION__INIT;
    information.effectiveuser = (char *)user;
    Hadoop__IpcConnectionContext context = HADOOP__IPC_CONNECTION_CONTEXT__INIT;
    context.userinfo = &information;
    protobuf_append_delimited(&frame, &context.base);
    send_frame(descriptor, &frame);
    buffer_free(&frame);
    return descriptor;
}

static bool receive_all(int descriptor, uint8_t *out, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t count = recv(descriptor, out + at, size - at, 0);
        if (count <= 0)
            return false;
        at += (size_t)count;
    }
    return true;
}

/* The next answer; NULL after an error, which the fixture then holds, or at the end of the connection. */
static ProtobufCMessage *receive(
    struct fixture *fixture, int descriptor, const ProtobufCMessageDescriptor *kind, int32_t *call) {
    uint8_t size[4];
    fixture->message[0] = fixture->exception[0] = 0;
    if (!receive_all(descriptor, size, 4))
        return NULL;
    size_t count = (size_t)load_be32(size);
    assert_true(count < 1 << 20);
    uint8_t *data = arena_allocate(&fixture->arena, count);
    assert_true(receive_all(descriptor, data, count));
    struct bytes frame = bytes_make(data, count), part;
    assert_int_equal(protobuf_take_delimited(&frame, &part, 1 << 20), 1);
    Hadoop__RpcResponseHeader *header = (Hadoop__RpcResponseHeader *)protobuf_unpack(
        &fixture->arena, &hadoop__rpc_response_header__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL);
    assert_non_null(header);
    if (call)
        *call = (int32_t)header->callid;
    if (header->status != HADOOP__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS) {
        snprintf(fixture->message, sizeof fixture->message, "%s", header->errormsg);
        snprintf(fixture->exception, sizeof fixture->exception, "%s", header->exceptionclassname);
        return NULL;
    }
    assert_int_equal(protobuf_take_delimited(&frame, &part, 1 << 20), 1);
    return protobuf_unpack(&fixture->arena, kind, part, PROTOBUF_DEPTH_USUAL, NULL);
}

static void send_call(int descriptor, int32_t call, const char *method, const ProtobufCMessage *request) {
    struct buffer frame = {0};
    append_header(&frame, call);
    Hadoop__RequestHeader header = HADOOP__REQUEST_HEADER__INIT;
    header.methodname = (char *)method;
    header.declaringclassprotocolname = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
    header.clientprotocolversion = 1;
    protobuf_append_delimited(&frame, &header.base);
    protobuf_append_delimited(&frame, request);
    send_frame(descriptor, &frame);
    buffer_free(&frame);
}

static bool mkdirs(struct fixture *fixture, int descriptor, const char *path) {
    Hadoop__FsPermission mode = HADOOP__FS_PERMISSION__INIT;
    Hadoop__MkdirsRequest request = HADOOP__MKDIRS_REQUEST__INIT;
    mode.perm = 0755;
    request.src = (char *)path;
    request.masked = &mode;
    request.createparent = true;
    send_call(descriptor, 1, "mkdirs", &request.base);
    return receive(fixture, descriptor, &hadoop__mkdirs_response__descriptor, NULL) != NULL;
}

/* ---- messages from strangers ---- */

static void test_random_frames_close_only_their_connection(void **state) {
    struct fixture *fixture = *state;
    srandom(7);
    for (int round = 0; round < 200; round++) {
        bool to_namenode = round % 2;
        int descriptor =
            connect_to(to_namenode ? hdfs_namenode_port(fixture->hdfs) : hdfs_datanode_port(fixture->hdfs));
        uint8_t bytes[400];
        size_t size = (size_t)random() % sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)random();
        if (to_namenode && size > 12) {
            memcpy(bytes, "hrpc\x09\0\0", 7);
            store_be32(bytes + 7, (int32_t)(size - 11)); /* a frame of random bytes */
        } else if (size > 3) {
            memcpy(bytes, "\0\x1c", 2);
            bytes[2] = (uint8_t)(80 + random() % 6);
        }
        send(descriptor, bytes, size, MSG_NOSIGNAL);
        close(descriptor);
    }
    int descriptor = open_as(fixture, "ana");
    assert_true(mkdirs(fixture, descriptor, "/still/here"));
    close(descriptor);
}

/* ---- RPC ---- */

static void test_calls_are_answered_by_their_number(void **state) {
    struct fixture *fixture = *state;
    int descriptor = open_as(fixture, "ana");
    Hadoop__GetFileInfoRequest request = HADOOP__GET_FILE_INFO_REQUEST__INIT;
    request.src = "/";
    bool seen[100] = {0};
    for (int32_t call = 0; call < 100; call++)
        send_call(descriptor, call, "getFileInfo", &request.base);
    for (int i = 0; i < 100; i++) {
        int32_t call = -1;
        assert_non_null(receive(fixture, descriptor, &hadoop__get_file_info_response__descriptor, &call));
        assert_true(call >= 0 && call < 100 && !seen[call]);
        seen[call] = true;
    }
    close(descriptor);
}

static void test_an_unknown_method_is_named(void **state) {
    struct fixture *fixture = *state;
    int descriptor = open_as(fixture, "ana");
    Hadoop__GetFileInfoRequest request = HADOOP__GET_FILE_INFO_REQUEST__INIT;
    request.src = "/";
    send_call(descriptor, 1, "frobnicate", &request.base);
    assert_null(receive(fixture, descriptor, &hadoop__get_file_info_response__descriptor, NULL));
    assert_string_equal(fixture->exception, "org.apache.hadoop.ipc.RpcNoSuchMethodException");
    assert_non_null(strstr(fixture->message, "frobnicate"));
    assert_true(mkdirs(fixture, descriptor, "/goes/on")); /* the connection lives */
    close(descriptor);
}

static void test_http_on_the_rpc_port_is_explained(void **state) {
    struct fixture *fixture = *state;
    int descriptor = connect_to(hdfs_namenode_port(fixture->hdfs));
    send(descriptor, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
    char answer[512] = {0};
    assert_true(recv(descriptor, answer, sizeof answer - 1, 0) > 0);
    assert_non_null(strstr(answer, "It looks like you are making an HTTP request to a Hadoop IPC port"));
    close(descriptor);
}

static void test_paths_that_leave_the_tree_are_refused(void **state) {
    struct fixture *fixture = *state;
    int descriptor = open_as(fixture, "ana");
    const char *const bad[] = {"", "relative", "/a/../b", "/a//b", "/a:b", "/.raudal/tmp/x", "/.raudal"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(mkdirs(fixture, descriptor, bad[i]));
    close(descriptor);
}

/* ---- permissions ---- */

static void test_permissions_are_those_of_hdfs(void **state) {
    struct fixture *fixture = *state;
    int ana = open_as(fixture, "ana"), bob = open_as(fixture, "bob");
    assert_true(mkdirs(fixture, ana, "/data"));
    assert_false(mkdirs(fixture, bob, "/data/mine"));
    assert_string_equal(fixture->exception, "org.apache.hadoop.security.AccessControlException");
    assert_ptr_equal(strstr(fixture->message, "Permission denied: user=bob, access=WRITE, "
                                              "inode=\"/data\":ana:supergroup:drwxr-xr-x: /data belongs to ana."),
        fixture->message);
    assert_non_null(strstr(fixture->message, "/user/bob"));
    /* His home is made when he first uses it. */
    assert_true(mkdirs(fixture, bob, "/user/bob/mine"));
    struct store_stat stat;
    assert_true(store_stat(fixture->store, "/user/bob", &stat, NULL));
    close(ana);
    close(bob);
}

static void test_the_text_of_modes(void **state) {
    char text[12];
    store_mode_text(0755, text);
    assert_string_equal(text, "rwxr-xr-x");
    store_mode_text(01777, text);
    assert_string_equal(text, "rwxrwxrwt");
    store_mode_text(01640, text);
    assert_string_equal(text, "rw-r----T");
}

static void test_the_methods_are_sorted(void **state) {
    const char *const names[] = {
        "abandonBlock", "getFileInfo", "getXAttrs", "rename2", "updatePipeline", "setSafeMode"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_string_equal(call_method_find(names[i])->name, names[i]);
    assert_null(call_method_find("getfileinfo"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_of_modes),
        cmocka_unit_test(test_the_methods_are_sorted),
        cmocka_unit_test_setup_teardown(test_random_frames_close_only_their_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_are_answered_by_their_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unknown_method_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http_on_the_rpc_port_is_explained, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths_that_leave_the_tree_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permissions_are_those_of_hdfs, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
