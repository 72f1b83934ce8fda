/* web.h: one WebHDFS request; shared by web*.c. */
#ifndef HDFS_WEB_H
#define HDFS_WEB_H

#include "hdfs/hdfs_internal.h"

struct web_request {
    struct operation operation; /* first: who asks, and what fails */
    struct hdfs *hdfs;
    struct http_request *http;
    struct world_loop *loop; /* of the request, also after it broke */
    const struct web_method *method;
    char *path;
    /* the answer */
    int status;
    struct buffer body;      /* JSON, or empty */
    char *location;          /* of a redirect, or of the new file */
    struct world_file *file; /* OPEN: send a range of it */
    int64_t file_offset, file_size;
    struct web_upload *upload;
};

/* Runs on the disk pool; false after operation_fail. */
typedef bool web_handler(struct web_request *request);
struct web_method {
    const char *method, *name;
    web_handler *run;
    bool is_upload; /* CREATE and APPEND: the body is the data */
};
const struct web_method *web_method_find(const char *method, struct bytes name);

/* A query argument as text in the arena; `otherwise` (may be NULL) when it is absent or empty. */
const char *web_text(struct web_request *request, const char *name, const char *otherwise);
bool web_flag(struct web_request *request, const char *name, bool otherwise);
/* false after operation_fail when it is not a number. */
bool web_number(struct web_request *request, const char *name, int64_t otherwise, int64_t *value);
/* Octal permission. */
bool web_mode(struct web_request *request, const char *name, uint32_t otherwise, uint32_t *mode);

/* Answers and frees; loop of the request. */
void web_answer(void *request);
/* Takes the body to the store, then answers. */
void web_upload_start(struct web_request *request);

#endif
