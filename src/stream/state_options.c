/* state_options.c: see state_options.h. Checks come in Spark's order, so that of two mistakes the same one is named. */
#include "stream/state_options.h"

#include "stream/state_operators.h"

static struct bytes option(const struct source_request *request, const char *name) {
    return source_option_get(request, name);
}

static bool whole_option(
    const struct source_request *request, const char *name, int64_t standard, int64_t *value, struct sql_error *error) {
    struct bytes text = option(request, name);
    *value = standard;
    return text.data == NULL || bytes_to_int64(text, value) ||
           raise_stds_invalid_option_value_with_message(
               error, name, arena_printf(error->arena, "'%.*s' is no whole number", BYTES_ARGS(text)));
}

static bool truth_option(
    const struct source_request *request, const char *name, bool standard, bool *value, struct sql_error *error) {
    struct bytes text = option(request, name);
    *value = text.data == NULL ? standard : bytes_equal_ignore_case(text, BYTES("true"));
    return text.data == NULL || *value || bytes_equal_ignore_case(text, BYTES("false")) ||
           raise_stds_invalid_option_value_with_message(error, name, "Boolean value is expected");
}

static bool conflict(struct sql_error *error, const char *first, const char *second) {
    return raise_stds_conflict_options(error, arena_printf(error->arena, "['%s', '%s']", first, second));
}

bool state_options_checkpoint(struct store *store, struct arena *arena, const struct source_request *request,
    struct state_options *options, struct sql_error *error) {
    struct bytes path = request->path_count > 0 ? request->paths[0] : option(request, "path");
    struct error problem = {0};
    if (path.data == NULL) {
        return raise_stds_required_option_unspecified(error, "path");
    }
    options->checkpoint = store_resolve(store, arena, arena_text(arena, path),
        request->user.size > 0 ? arena_text(arena, request->user) : NULL, &problem);
    if (options->checkpoint == NULL) {
        return sql_error_from(error, &problem);
    }
    options->shown = options->checkpoint[0] == '/'
                         ? arena_printf(arena, "hdfs://%s%s", store_authority(store), options->checkpoint)
                         : options->checkpoint;
    return true;
}

int64_t state_last_committed(struct store *store, struct arena *arena, const char *checkpoint) {
    struct state_numbers batches = {0};
    state_numbers_list(store, arena, arena_printf(arena, "%s/commits", checkpoint), false, &batches);
    int64_t last = batches.count == 0 ? -1 : batches.items[batches.count - 1];
    VECTOR_FREE(&batches);
    return last;
}

/* A batch whose commit is not there may have left half of its files. */
static bool is_committed(
    struct store *store, struct arena *arena, const struct state_options *options, struct sql_error *error) {
    struct store_stat stat;
    const char *path = arena_printf(arena, "%s/commits/%lld", options->checkpoint, (long long)options->batch_id);
    return (store_stat(store, path, &stat, NULL) && stat.size > 0) ||
           raise_stds_committed_batch_unavailable(error, options->shown);
}

static bool take_last_committed(
    struct store *store, struct arena *arena, struct state_options *options, struct sql_error *error) {
    options->batch_id = state_last_committed(store, arena, options->checkpoint);
    return options->batch_id >= 0 || raise_stds_committed_batch_unavailable(error, options->shown);
}

/* What is read: operator, store, side. */
static bool read_place(
    struct arena *arena, const struct source_request *request, struct state_options *options, struct sql_error *error) {
    struct bytes name = option(request, "storeName"), side = option(request, "joinSide"),
                 variable = option(request, "stateVarName");
    bool flatten;
    if (!whole_option(request, "operatorId", 0, &options->operator_id, error)) {
        return false;
    }
    if (options->operator_id < 0) {
        return raise_stds_invalid_option_value_is_negative(error, "operatorId");
    }
    options->store_name = name.data == NULL ? "default" : arena_text(arena, bytes_trim(name));
    if (options->store_name[0] == 0) {
        return raise_stds_invalid_option_value_is_empty(error, "storeName");
    }
    options->state_variable = variable.data == NULL ? NULL : arena_text(arena, bytes_trim(variable));
    if (!truth_option(request, "readRegisteredTimers", false, &options->registered_timers, error)) {
        return false;
    }
    if (options->registered_timers && options->state_variable != NULL) {
        return conflict(error, "readRegisteredTimers", "stateVarName");
    }
    if (!truth_option(request, "flattenCollectionTypes", true, &flatten, error)) {
        return false;
    }
    if (side.data != NULL) {
        if (!bytes_equal_text(side, "left") && !bytes_equal_text(side, "right") && !bytes_equal_text(side, "none")) {
            return raise_stds_invalid_option_value_with_message(error, "joinSide", "Valid values are left,right,none");
        }
        options->side = bytes_equal_text(side, "left")    ? STATE_JOIN_LEFT
                        : bytes_equal_text(side, "right") ? STATE_JOIN_RIGHT
                                                          : STATE_JOIN_NONE;
    }
    return options->side == STATE_JOIN_NONE || strcmp(options->store_name, "default") == 0 ||
           conflict(error, "joinSide", "storeName");
}

static bool read_change_feed(struct store *store, struct arena *arena, const struct source_request *request,
    struct state_options *options, struct sql_error *error) {
    static const char *const others[] = {"batchId", "snapshotStartBatchId", "snapshotPartitionId"};
    if (options->side != STATE_JOIN_NONE) {
        return conflict(error, "joinSide", "readChangeFeed");
    }
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        if (option(request, others[i]).data != NULL) {
            return conflict(error, others[i], "readChangeFeed");
        }
    }
    if (option(request, "changeStartBatchId").data == NULL) {
        return raise_stds_required_option_unspecified(error, "changeStartBatchId");
    }
    if (!whole_option(request, "changeStartBatchId", 0, &options->change_start, error) ||
        !whole_option(request, "changeEndBatchId", -1, &options->batch_id, error) ||
        (option(request, "changeEndBatchId").data == NULL && !take_last_committed(store, arena, options, error))) {
        return false;
    }
    if (options->change_start < 0) {
        return raise_stds_invalid_option_value_is_negative(error, "changeStartBatchId");
    }
    return options->batch_id >= options->change_start ||
           raise_stds_invalid_option_value_with_message(error, "changeEndBatchId",
               arena_printf(error->arena,
                   "changeEndBatchId cannot be smaller than changeStartBatchId. Please check the input to "
                   "changeEndBatchId, or if you are using its default value, make sure that changeStartBatchId is "
                   "less than %lld.",
                   (long long)options->batch_id));
}

static bool read_batch(struct store *store, struct arena *arena, const struct source_request *request,
    struct state_options *options, struct sql_error *error) {
    static const char *const feed[] = {"changeStartBatchId", "changeEndBatchId"};
    bool has_start = option(request, "snapshotStartBatchId").data != NULL,
         has_partition = option(request, "snapshotPartitionId").data != NULL;
    for (size_t i = 0; i < ARRAY_COUNT(feed); i++) {
        if (option(request, feed[i]).data != NULL) {
            return raise_stds_invalid_option_value_with_message(
                error, feed[i], "Only specify this option when readChangeFeed is set to true.");
        }
    }
    if (!whole_option(request, "batchId", -1, &options->batch_id, error) ||
        !whole_option(request, "snapshotStartBatchId", -1, &options->snapshot_batch_id, error) ||
        !whole_option(request, "snapshotPartitionId", -1, &options->snapshot_partition, error) ||
        (option(request, "batchId").data == NULL && !take_last_committed(store, arena, options, error))) {
        return false;
    }
    if (options->batch_id < 0) {
        return raise_stds_invalid_option_value_is_negative(error, "batchId");
    }
    if (has_start && options->snapshot_batch_id < 0) {
        return raise_stds_invalid_option_value_is_negative(error, "snapshotStartBatchId");
    }
    if (has_start && options->snapshot_batch_id > options->batch_id) {
        return raise_stds_invalid_option_value_with_message(error, "snapshotStartBatchId",
            arena_printf(error->arena, "value should be less than or equal to %lld", (long long)options->batch_id));
    }
    if (has_partition && options->snapshot_partition < 0) {
        return raise_stds_invalid_option_value_is_negative(error, "snapshotPartitionId");
    }
    return has_start == has_partition || raise_stds_required_option_unspecified(
                                             error, has_partition ? "snapshotStartBatchId" : "snapshotPartitionId");
}

bool state_options_read(struct store *store, struct arena *arena, const struct source_request *request,
    struct state_options *options, struct sql_error *error) {
    *options = (struct state_options){.snapshot_batch_id = -1, .snapshot_partition = -1};
    return state_options_checkpoint(store, arena, request, options, error) &&
           read_place(arena, request, options, error) &&
           truth_option(request, "readChangeFeed", false, &options->change_feed, error) &&
           (options->change_feed ? read_change_feed(store, arena, request, options, error)
                                 : read_batch(store, arena, request, options, error)) &&
           is_committed(store, arena, options, error);
}

const char *state_options_text(struct arena *arena, const struct state_options *options) {
    static const char *const sides[] = {"none", "left", "right"};
    const char *text = arena_printf(arena,
        "StateSourceOptions(checkpointLocation=%s, batchId=%lld, operatorId=%lld, storeName=%s, joinSide=%s, "
        "stateVarName=%s, +flattenCollectionTypes=true",
        options->shown, (long long)options->batch_id, (long long)options->operator_id, options->store_name,
        sides[options->side], options->state_variable == NULL ? "None" : options->state_variable);
    if (options->snapshot_batch_id >= 0) {
        text = arena_printf(arena, "%s, snapshotStartBatchId=%lld, snapshotPartitionId=%lld", text,
            (long long)options->snapshot_batch_id, (long long)options->snapshot_partition);
    }
    if (options->change_feed) {
        text = arena_printf(arena, "%s, changeStartBatchId=%lld, changeEndBatchId=%lld", text,
            (long long)options->change_start, (long long)options->batch_id);
    }
    return arena_printf(arena, "%s)", text);
}
