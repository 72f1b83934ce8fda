/* web.c: WebHDFS, the REST form of HDFS (docs: WebHDFS REST API). Requests come from the web server's loop, are done on
 * the disk pool and answered on the loop. Failures are JSON RemoteException with the status that Hadoop gives that
 * exception.
 *
 * Reading answers at once; CREATE and APPEND without data are redirected to the same server, as Hadoop redirects to a
 * DataNode, and data that comes at once is taken at once. */
#include "hdfs/web.h"
#include "hdfs/fsck.h"

#include <stdlib.h>

/* ---- arguments ---- */

const char *web_text(struct web_request *request, const char *name, const char *otherwise) {
    struct bytes value = http_query_ignore_case(request->http, name);
    return value.size > 0 ? arena_text(&request->operation.arena, value) : otherwise;
}

bool web_flag(struct web_request *request, const char *name, bool otherwise) {
    struct bytes value = http_query_ignore_case(request->http, name);
    return value.size > 0 ? bytes_equal_ignore_case(value, BYTES("true")) : otherwise;
}

bool web_number(struct web_request *request, const char *name, int64_t otherwise, int64_t *value) {
    struct bytes text = http_query_ignore_case(request->http, name);
    *value = otherwise;
    if (text.size == 0 || bytes_to_int64(text, value)) {
        return true;
    }
    return operation_fail(&request->operation, EXCEPTION_ILLEGAL_ARGUMENT,
        "Invalid value for webhdfs parameter \"%s\": Failed to parse \"%.*s\" as a number", name, BYTES_ARGS(text));
}

bool web_mode(struct web_request *request, const char *name, uint32_t otherwise, uint32_t *mode) {
    struct bytes text = http_query_ignore_case(request->http, name);
    *mode = otherwise;
    if (text.size == 0) {
        return true;
    }
    uint32_t value = 0;
    bool ok = text.size <= 4;
    for (size_t i = 0; ok && i < text.size; i++) {
        ok = text.data[i] >= '0' && text.data[i] <= '7';
        value = value * 8 + (uint32_t)(text.data[i] - '0');
    }
    *mode = value;
    return ok && value <= 01777 ? true
                                : operation_fail(&request->operation, EXCEPTION_ILLEGAL_ARGUMENT,
                                      "Invalid value for webhdfs parameter \"%s\": \"%.*s\" is not an octal permission",
                                      name, BYTES_ARGS(text));
}

/* ---- answers ---- */

static int status_of(enum hadoop_exception exception) {
    switch (exception) {
    case EXCEPTION_FILE_NOT_FOUND:
        return 404;
    case EXCEPTION_ILLEGAL_ARGUMENT:
    case EXCEPTION_HADOOP_ILLEGAL_ARGUMENT:
    case EXCEPTION_UNSUPPORTED_OPERATION:
    case EXCEPTION_INVALID_PATH:
        return 400;
    default:
        return 403;
    }
}

static void append_exception(struct buffer *out, const struct operation *operation) {
    const char *class = hadoop_exception_class(operation->exception);
    const char *simple = strrchr(class, '.') + 1;
    buffer_append_text(out, "{\"RemoteException\":{\"exception\":");
    buffer_append_json_string(out, bytes_from_text(simple));
    buffer_append_text(out, ",\"javaClassName\":");
    buffer_append_json_string(out, bytes_from_text(class));
    buffer_append_text(out, ",\"message\":");
    buffer_append_json_string(out, bytes_from_text(operation->message));
    buffer_append_text(out, "}}");
}

static void web_free(struct web_request *request) {
    if (request->file) {
        world_file_close(request->file);
    }
    request->hdfs->task_count--;
    buffer_free(&request->body);
    operation_destroy(&request->operation);
    free(request);
}

void web_answer(void *argument) {
    struct web_request *request = argument;
    struct http_request *http = request->http;
    if (request->operation.exception != EXCEPTION_NONE) {
        buffer_clear(&request->body);
        append_exception(&request->body, &request->operation);
        request->status = status_of(request->operation.exception);
    }
    if (request->operation.exception == EXCEPTION_NONE && request->location) {
        http_add_header(http, "Location", request->location);
    }
    if (request->operation.exception == EXCEPTION_NONE && request->file) {
        http_respond_file(
            http, 200, "application/octet-stream", request->file, request->file_offset, request->file_size);
    } else if (request->body.size > 0) {
        http_respond_buffer(http, request->status, "application/json", &request->body);
    } else {
        http_respond(http, request->status, request->status == 200 ? "application/octet-stream" : NULL, BYTES(""));
    }
    web_free(request);
}

/* ---- requests ---- */

static void append_argument(void *argument, struct bytes name, struct bytes value) {
    struct buffer *out = argument;
    if (bytes_equal_ignore_case(name, BYTES("noredirect"))) {
        return;
    }
    buffer_append_text(out, out->size > 0 && out->data[out->size - 1] == '?' ? "" : "&");
    http_encode(name, "", out);
    buffer_append_byte(out, '=');
    http_encode(value, "/", out);
}

/* The address where the data goes: this server, under the name the client used or dfs.datanode.hostname. */
static char *data_location(struct web_request *request) {
    const struct world_address *local = http_local(request->http);
    struct bytes host = http_header(request->http, "Host");
    struct buffer out = {0};
    if (request->hdfs->datanode_hostname) {
        buffer_printf(&out, "http://%s:%u", request->hdfs->datanode_hostname, local->port);
    } else if (host.size > 0) {
        buffer_printf(&out, "http://%.*s", BYTES_ARGS(host));
    } else {
        buffer_printf(&out, "http://%s:%u", local->text, local->port);
    }
    buffer_append_text(&out, "/webhdfs/v1");
    http_encode(bytes_from_text(request->path), "/", &out);
    buffer_append_byte(&out, '?');
    http_query_each(request->http, append_argument, &out);
    buffer_printf(&out, "&namenoderpcaddress=%s:%u", local->text, hdfs_namenode_port(request->hdfs));
    char *location = arena_text(&request->operation.arena, buffer_view(&out));
    buffer_free(&out);
    return location;
}

static bool has_body(struct web_request *request) {
    struct bytes encoding = http_header(request->http, "Transfer-Encoding");
    return http_content_length(request->http) > 0 || encoding.size > 0;
}

/* Sends the client to where the data goes. */
static void redirect(struct web_request *request) {
    char *location = data_location(request);
    if (web_flag(request, "noredirect", false)) {
        buffer_append_text(&request->body, "{\"Location\":");
        buffer_append_json_string(&request->body, bytes_from_text(location));
        buffer_append_byte(&request->body, '}');
        request->status = 200;
    } else {
        request->location = location;
        request->status = 307;
    }
    web_answer(request);
}

static void work(void *argument) {
    struct web_request *request = argument;
    bool ok = request->method->run(request);
    ASSERT(ok || request->operation.exception != EXCEPTION_NONE);
}

static struct web_request *web_request_create(struct hdfs *hdfs, struct http_request *http) {
    struct web_request *request = calloc(1, sizeof *request);
    ASSERT(request);
    struct bytes user = http_query_ignore_case(http, "user.name");
    operation_init(&request->operation, hdfs, user, http_peer(http)->text, http_local(http)->text);
    request->hdfs = hdfs;
    request->http = http;
    request->loop = http_loop(http);
    request->status = 200;
    struct bytes rest = http_parameter(http, "path");
    while (rest.size > 0 && rest.data[rest.size - 1] == '/') {
        rest.size--;
    }
    while (rest.size > 0 && rest.data[0] == '/') {
        rest = bytes_slice(rest, 1, rest.size - 1);
    }
    request->path = arena_printf(&request->operation.arena, "/%.*s", BYTES_ARGS(rest));
    hdfs->task_count++;
    return request;
}

static void web_handle(struct http_request *http, void *context) {
    struct hdfs *hdfs = context;
    struct web_request *request = web_request_create(hdfs, http);
    struct bytes name = http_query_ignore_case(http, "op");
    request->method = web_method_find(http_method(http), name);
    if (!request->method) {
        operation_fail(&request->operation, EXCEPTION_ILLEGAL_ARGUMENT,
            "Invalid value for webhdfs parameter \"op\": %s has no operation \"%.*s\"", http_method(http),
            BYTES_ARGS(name));
        web_answer(request);
        return;
    }
    bool is_data_request = http_query_ignore_case(http, "namenoderpcaddress").data != NULL;
    if (request->method->is_upload && !is_data_request && !has_body(request)) {
        redirect(request);
    } else if (request->method->is_upload) {
        web_upload_start(request);
    } else if (bytes_equal_ignore_case(name, BYTES("OPEN")) && web_flag(request, "noredirect", false)) {
        redirect(request);
    } else {
        world_pool_run(hdfs->options.disk_pool, request->loop, work, web_answer, request);
    }
}

void hdfs_web_init(struct hdfs *hdfs) {
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE"};
    static const char *const patterns[] = {"/webhdfs/v1/{path...}", "/webhdfs/v1"};
    STATIC_ASSERT(ARRAY_COUNT(methods) * ARRAY_COUNT(patterns) + 1 == ARRAY_COUNT(((struct hdfs *)0)->routes),
        "a route for each, and one for fsck");
    hdfs->routes[ARRAY_COUNT(hdfs->routes) - 1] =
        (struct http_route){.method = "GET", .pattern = "/fsck", .handler = fsck_handle, .context = hdfs};
    for (size_t i = 0; i + 1 < ARRAY_COUNT(hdfs->routes); i++) {
        hdfs->routes[i] = (struct http_route){.method = methods[i % ARRAY_COUNT(methods)],
            .pattern = patterns[i / ARRAY_COUNT(methods)],
            .handler = web_handle,
            .context = hdfs,
            .body_mode = HTTP_BODY_STREAMED};
    }
}

const struct http_route *hdfs_web_routes(struct hdfs *hdfs, size_t *count) {
    *count = ARRAY_COUNT(hdfs->routes);
    return hdfs->routes;
}
