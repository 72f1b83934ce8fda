/* web_upload.c: the data of CREATE and APPEND. Pieces are gathered to about a megabyte and written on the disk pool;
 * the next are asked for only then, so a slow disk slows the client. CREATE appears whole at the end: a broken upload
 * leaves nothing. APPEND writes onto the file and, when it breaks, keeps what was written, as HDFS does. */
#include "hdfs/web.h"

#include <inttypes.h>
#include <stdlib.h>

#define PIECE_SIZE ((size_t)1 << 20)

struct web_upload {
    struct store_writer *writer; /* CREATE */
    struct world_file *file;     /* APPEND */
    int64_t at;
    char holder[64];
    uint32_t mode;
    struct buffer data;
    bool is_last;           /* all data is in `data` */
    bool is_open;           /* prepared */
    bool is_busy;           /* a pool task runs */
    _Atomic bool is_broken; /* the client went away */
};

static bool is_append(const struct web_request *request) {
    return strcmp(request->method->method, "POST") == 0;
}

/* ---- disk pool ---- */

static bool open_create(struct web_request *request) {
    struct web_upload *upload = request->upload;
    struct operation *operation = &request->operation;
    struct file_create create = {
        .overwrite = web_flag(request, "overwrite", false), .create_parent = web_flag(request, "createparent", true)};
    struct store_stat stat;
    struct error error = {0};
    if (!web_number(request, "blocksize", 0, &create.block_size) ||
        !web_mode(request, "permission", 0644, &upload->mode) || !file_may_create(operation, request->path, &create)) {
        return false;
    }
    if (store_stat(operation->store, request->path, &stat, NULL) && (stat.is_directory || !create.overwrite)) {
        return operation_fail(operation, EXCEPTION_FILE_ALREADY_EXISTS,
            stat.is_directory ? "%s already exists as a directory" : "%s for client %s already exists", request->path,
            operation->peer);
    }
    upload->writer =
        store_writer_open(operation->store, request->path, create.overwrite ? STORE_WRITE_REPLACE : 0, &error);
    return upload->writer ? true : operation_error(operation, &error);
}

static bool open_append(struct web_request *request) {
    struct web_upload *upload = request->upload;
    struct operation *operation = &request->operation;
    struct store_construction construction;
    struct error error = {0};
    if (!file_append(operation, request->path, upload->holder, &construction)) {
        return false;
    }
    char *machine = store_machine_path(operation->store, &operation->arena, request->path);
    upload->file = world_file_open(request->hdfs->world, machine, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &error);
    upload->at = upload->file ? world_file_size(upload->file, &error) : -1;
    return upload->at >= 0 ? true : operation_error(operation, &error);
}

static bool write_data(struct web_request *request) {
    struct web_upload *upload = request->upload;
    struct error error = {0};
    bool ok = upload->writer ? store_writer_write(upload->writer, upload->data.data, upload->data.size, &error)
                             : world_file_write(upload->file, upload->data.data, upload->data.size, upload->at, &error);
    upload->at += (int64_t)upload->data.size;
    request->hdfs->received_size += upload->data.size;
    buffer_clear(&upload->data);
    return ok ? true : operation_error(&request->operation, &error);
}

static bool commit(struct web_request *request) {
    struct operation *operation = &request->operation;
    struct error error = {0};
    if (!request->upload->writer) {
        return true;
    }
    char *parent = store_path_parent(&operation->arena, request->path);
    if (!store_exists(operation->store, parent) &&
        !store_mkdirs(operation->store, parent, &(struct store_owner){operation->user, NULL, 0}, &error)) {
        return operation_error(operation, &error);
    }
    bool ok = store_writer_commit(request->upload->writer, &error);
    request->upload->writer = NULL;
    if (ok && strcmp(operation->user, store_user(operation->store)) != 0) {
        ok = store_set_owner(operation->store, request->path, operation->user, NULL, &error);
    }
    if (ok && request->upload->mode != 0644) {
        ok = store_set_mode(operation->store, request->path, request->upload->mode, &error);
    }
    return ok ? true : operation_error(operation, &error);
}

static void close_upload(struct web_request *request) {
    struct web_upload *upload = request->upload;
    store_writer_abort(upload->writer);
    upload->writer = NULL;
    if (upload->file) {
        world_file_close(upload->file);
        store_lease_recover(request->operation.store, request->path, NULL);
        upload->file = NULL;
    }
}

static void upload_work(void *argument) {
    struct web_request *request = argument;
    struct web_upload *upload = request->upload;
    bool ok = true;
    if (!upload->is_open) {
        ok = is_append(request) ? open_append(request) : open_create(request);
        upload->is_open = true;
    }
    ok = ok && (upload->data.size == 0 || write_data(request));
    if (ok && upload->is_last && !upload->is_broken) {
        ok = commit(request);
    }
    if (!ok || upload->is_last || upload->is_broken) {
        close_upload(request);
    }
}

/* ---- loop ---- */

static void take_piece(struct http_request *http, void *argument, struct bytes piece);

static void upload_free(struct web_request *request) {
    buffer_free(&request->upload->data);
    free(request->upload);
    request->upload = NULL;
}

static void upload_end(struct web_request *request) {
    upload_free(request);
    if (!is_append(request) && request->operation.exception == EXCEPTION_NONE) {
        request->status = 201;
        request->location = arena_printf(&request->operation.arena, "hdfs://%s:%u%s", request->operation.local,
            hdfs_namenode_port(request->hdfs), request->path);
    }
    http_set_state(request->http, NULL);
    web_answer(request);
}

static void upload_run(struct web_request *request);

static void upload_done(void *argument) {
    struct web_request *request = argument;
    struct web_upload *upload = request->upload;
    upload->is_busy = false;
    bool closed = !upload->writer && !upload->file;
    if (closed) {
        upload_end(request);
    } else if (upload->is_broken) {
        upload_run(request); /* to close */
    } else {
        http_read_body(request->http, take_piece, request);
    }
}

static void upload_run(struct web_request *request) {
    request->upload->is_busy = true;
    world_pool_run(request->hdfs->options.disk_pool, request->loop, upload_work, upload_done, request);
}

static void take_piece(struct http_request *http, void *argument, struct bytes piece) {
    struct web_request *request = argument;
    struct web_upload *upload = request->upload;
    buffer_append_bytes(&upload->data, piece);
    upload->is_last = piece.size == 0;
    if (upload->is_last || upload->data.size >= PIECE_SIZE) {
        upload_run(request);
    } else {
        http_read_body(http, take_piece, request);
    }
}

/* The client went away in the middle. */
static void upload_broken(struct http_request *http, void *state, bool broken) {
    struct web_request *request = state;
    if (!request) {
        return;
    }
    request->upload->is_broken = true;
    if (!request->upload->is_busy) {
        upload_run(request);
    }
}

void web_upload_start(struct web_request *request) {
    struct web_upload *upload = calloc(1, sizeof *upload);
    ASSERT(upload);
    request->upload = upload;
    snprintf(upload->holder, sizeof upload->holder, "WebHDFS_%016" PRIx64, world_random_u64(request->hdfs->world));
    http_set_state(request->http, request);
    http_on_end(request->http, upload_broken);
    upload_run(request);
}
