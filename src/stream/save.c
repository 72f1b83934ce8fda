/* save.c: batch writes (df.write…save()): begin, run, commit, each where it may wait. */
#include <stdlib.h>

#include "base/assert.h"
#include "stream/internal.h"

struct stream_save {
    struct list_node node;
    struct stream_manager *manager;
    struct stream_write write;
    void (*done)(void *argument, const struct sql_error *error);
    void *argument;
    struct arena arena;
    struct sql_error error;
    struct exec_query *exec;
    const struct sink_class *sink_class;
    struct sink *sink;
    struct sink_request request;
    bool nothing, cancelled, running;
    struct world_mutex mutex;
    bool failed;
    struct error problem;
};

static void note(struct stream_save *save, const struct error *problem) {
    world_mutex_lock(&save->mutex);
    if (!save->failed) {
        save->failed = true;
        save->problem = *problem;
    }
    world_mutex_unlock(&save->mutex);
}

static void end_save(void *argument) {
    struct stream_save *save = argument;
    bool bad = save->error.condition != 0 || save->failed;
    if (save->sink != NULL && bad && save->sink_class->abort != NULL) {
        save->sink_class->abort(save->sink);
    }
    if (save->error.condition == 0 && save->failed) {
        struct buffer description = {0};
        save->sink_class->describe(save->sink, &description);
        raise_task_write_failed(&save->error, buffer_text(&description), save->problem.message);
        buffer_free(&description);
    }
    if (save->sink != NULL) {
        save->sink_class->destroy(save->sink);
    }
    if (save->exec != NULL && save->write.ran != NULL) {
        save->write.ran(save->argument, save->exec);
    }
    if (save->exec != NULL) {
        exec_query_destroy(save->exec);
    }
    list_remove(&save->node);
    save->done(save->argument, bad ? &save->error : NULL);
    struct stream_manager *manager = save->manager;
    world_mutex_destroy(&save->mutex);
    arena_destroy(&save->arena);
    free(save);
    manager_check_gone(manager);
}

static void post_end(struct stream_save *save) {
    world_loop_post(save->manager->options.loop, end_save, save);
}

static void committed(void *argument, const struct error *error) {
    struct stream_save *save = argument;
    if (error != NULL) {
        note(save, error);
    }
    post_end(save);
}

static void commit(void *argument) {
    struct stream_save *save = argument;
    save->sink_class->commit(save->sink, 0, committed, save);
}

static enum exec_demand take_batch(void *argument, struct batch *batch, size_t partition) {
    struct stream_save *save = argument;
    struct error problem = {0};
    if (!save->sink_class->write(save->sink, batch, partition, &problem)) {
        note(save, &problem);
        return EXEC_ENOUGH;
    }
    return EXEC_MORE;
}

static void take_end(void *argument, size_t partition) {
    struct stream_save *save = argument;
    struct error problem = {0};
    if (save->sink_class->end_partition != NULL && !save->sink_class->end_partition(save->sink, partition, &problem)) {
        note(save, &problem);
    }
}

static void take_done(void *argument, const struct sql_error *error) {
    struct stream_save *save = argument;
    if (error != NULL) {
        sql_error_copy(&save->error, error);
    }
    if (save->error.condition != 0 || save->failed) {
        post_end(save);
    } else {
        world_pool_submit(save->manager->options.disk_pool, commit, save);
    }
}

static void open_save(void *argument) {
    struct stream_save *save = argument;
    save->exec =
        exec_query_create(save->manager->options.engine, save->write.plan, &save->write.settings, &save->error);
    if (save->exec == NULL) {
        return;
    }
    if (exec_query_stream_count(save->exec) > 0) {
        raise_streaming_source_without_start(&save->error);
        return;
    }
    save->request = (struct sink_request){.context = &save->manager->context,
        .schema = exec_query_schema(save->exec),
        .settings = &save->write.settings,
        .format = save->write.format,
        .options = save->write.options,
        .option_count = save->write.option_count,
        .path = save->write.path,
        .partition_columns = save->write.partition_columns,
        .partition_column_count = save->write.partition_column_count,
        .user = save->write.user,
        .mode = save->write.mode,
        .console = save->write.console,
        .callback_argument = save->write.callback_argument};
    save->sink = save->sink_class->create(save->sink_class, &save->request, &save->error);
    if (save->sink != NULL) {
        (void)save->sink_class->begin(save->sink, 0, &save->nothing, &save->error);
    }
}

static void opened(void *argument) {
    struct stream_save *save = argument;
    if (save->error.condition == 0 && save->cancelled) {
        raise_operation_canceled(&save->error);
    }
    if (save->error.condition != 0 || save->nothing) {
        end_save(save);
        return;
    }
    struct exec_consumer consumer = {save, take_batch, take_end, take_done};
    save->running = true;
    exec_query_start(save->exec, EXEC_OUTPUT_PARTITIONED, &consumer);
}

struct stream_save *stream_save_start(struct stream_manager *manager, const struct stream_write *write,
    void (*done)(void *argument, const struct sql_error *error), void *argument) {
    struct stream_save *save = calloc(1, sizeof *save);
    ASSERT(save != NULL);
    *save = (struct stream_save){.manager = manager, .write = *write, .done = done, .argument = argument};
    save->error.arena = &save->arena;
    save->sink_class = sink_find(write->format);
    world_mutex_init(&save->mutex);
    list_append(&manager->saves, &save->node);
    if (save->sink_class == NULL || save->sink_class == &memory_sink_class) {
        raise_data_source_not_found(&save->error, arena_text(&save->arena, write->format));
        world_loop_post(manager->options.loop, end_save, save);
    } else {
        world_pool_run(manager->options.disk_pool, manager->options.loop, open_save, opened, save);
    }
    return save;
}

void stream_save_cancel(struct stream_save *save) {
    save->cancelled = true;
    if (save->running) {
        exec_query_cancel(save->exec);
    }
}
