/* plan_services.c: Spark, HDFS and JupyterLab. */
#include "compose/plan.h"

#include <stdio.h>

#include "base/assert.h"

bool plan_spark(struct model *model, struct model_service *from, struct compose_service *to) {
    bool is_master = to->kind == COMPOSE_SPARK_MASTER;
    uint16_t port;
    if (!plan_port_variable(model, from, is_master ? "SPARK_MASTER_WEBUI_PORT" : "SPARK_WORKER_WEBUI_PORT",
            is_master ? 8080 : 8081, &port))
        return false;
    plan_open_port(to, port, is_master ? COMPOSE_ROLE_SPARK_MASTER : COMPOSE_ROLE_SPARK_WORKER);
    return true;
}

/* ---- HDFS ---- */

/* Hadoop's port where hdfs://HOST names none, and the course's where nothing names the file system. */
enum { HDFS_PORT = 8020, STANDARD_PORT = 9000 };

static void plan_replication(struct model *model, struct model_service *from) {
    const char *variable, *value = plan_hadoop_property(model, from, "dfs.replication", &variable);
    if (value != NULL && strcmp(value, "1") != 0)
        model_note(model, NOTE_REPLICATION, value);
}

/* fs.defaultFS gives the NameNode's port, and what paths without a scheme mean. */
bool plan_namenode(struct model *model, struct model_service *from, struct compose_service *to, bool first) {
    const char *variable = "", *uri = plan_hadoop_property(model, from, "fs.defaultFS", &variable);
    struct bytes host = BYTES_NULL;
    uint16_t port = STANDARD_PORT;
    bool is_own = false;
    if (uri == NULL)
        uri = plan_hadoop_property(model, from, "fs.default.name", &variable);
    if (uri != NULL && strncmp(uri, "hdfs://", 7) == 0) {
        struct bytes authority = bytes_make(uri + 7, strcspn(uri + 7, "/"));
        if (!plan_split_address(authority, &host, &port)) {
            host = authority;
            port = HDFS_PORT;
        }
    }
    for (size_t i = 0; i < to->names.count; i++)
        is_own = is_own || bytes_equal_ignore_case(host, bytes_from_text(to->names.items[i]));
    if (uri != NULL && !is_own)
        model_note(model, NOTE_DEFAULT_FS, variable, uri, from->name, port);
    plan_open_port(to, port, COMPOSE_ROLE_NAMENODE);
    plan_replication(model, from);
    if (first)
        plan_set(model, "fs.defaultFS",
            arena_printf(model->arena, "hdfs://%s:%u", is_own ? arena_text(model->arena, host) : from->name, port),
            from->name, uri == NULL ? "fs.defaultFS" : variable);
    return true;
}

bool plan_datanode(struct model *model, struct model_service *from, struct compose_service *to) {
    const char *variable;
    (void)plan_hadoop_property(model, from, "fs.defaultFS", &variable); /* the NameNode's counts */
    plan_replication(model, from);
    return true;
}

/* ---- JupyterLab ---- */

enum { VOLUME_COUNT_MAX = 16 }; /* as many as the setting raudal.volumes takes */

/* "" when the command asks for no token, NULL when it says nothing. */
static const char *token_of(const struct model_service *service) {
    static const char *const options[] = {
        "--NotebookApp.token=", "--ServerApp.token=", "--IdentityProvider.token=", "--LabApp.token="};
    const struct model_words *lists[] = {&service->entrypoint, &service->command};
    for (size_t k = 0; k < ARRAY_COUNT(lists); k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            for (size_t n = 0; n < ARRAY_COUNT(options); n++) {
                const char *at = strstr(lists[k]->items[i], options[n]);
                if (at == NULL)
                    continue;
                at += strlen(options[n]);
                return at + strspn(at, "'\"");
            }
    return NULL;
}

static bool is_file(const struct model *model, const char *path) {
    struct buffer text = {0};
    struct error error;
    bool is_read = model->options->read_file(model->options->context, path, 0, &text, &error);
    buffer_free(&text);
    return is_read || error.code == ERROR_LIMIT;
}

/* Folders of the machine that programs know under their container's paths. */
static void plan_volumes(struct model *model, struct model_service *from) {
    struct buffer text = {0};
    size_t count = 0;
    for (size_t i = 0; i < from->volumes.count; i++) {
        const struct model_volume *volume = &from->volumes.items[i];
        if (volume->source == NULL || plan_fits("/etc/*", volume->source))
            continue;
        if (count == VOLUME_COUNT_MAX || strpbrk(volume->source, ",=") != NULL ||
            strpbrk(volume->target, ",=") != NULL || is_file(model, volume->source))
            model_note(model, NOTE_VOLUME_LEFT_OUT, from->name, volume->source, volume->target, VOLUME_COUNT_MAX);
        else if (++count > 0)
            buffer_printf(&text, "%s%s=%s", text.size > 0 ? ", " : "", volume->target, volume->source);
    }
    if (text.size > 0)
        plan_set(model, "raudal.volumes", arena_text(model->arena, buffer_view(&text)), from->name, "volumes");
    buffer_free(&text);
}

bool plan_jupyter(struct model *model, struct model_service *from, struct compose_service *to) {
    uint16_t port;
    const char *token = model_variable(from, "JUPYTER_TOKEN"), *asked = token_of(from);
    if (!plan_port_variable(model, from, "JUPYTER_PORT", 8888, &port))
        return false;
    token = asked != NULL ? arena_text(model->arena, bytes_make(asked, strcspn(asked, "'\" \t\n"))) : token;
    if (token != NULL)
        plan_set(model, "jupyter.token", token[0] == 0 ? "none" : token, from->name, "token");
    plan_open_port(to, port, COMPOSE_ROLE_JUPYTER);
    plan_volumes(model, from);
    return true;
}
