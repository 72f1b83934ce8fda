/* lower_relation.c: relations, one small function each. show_string, html_string and catalog questions are answered by
 * execute.c, not lowered. */
#include <string.h>

#include "base/assert.h"
#include "column/ipc.h"
#include "connect/lower.h"
#include "wire/protobuf.h"
#include "sql/sql.h"

typedef Connect__Relation Relation;

/* Sets field `input` from the message's; leaves the function when that failed. */
#define LOWER_INPUT(node, message)                                                                                     \
    do {                                                                                                               \
        (node)->input = lower_relation(context, (message)->input);                                                     \
        if ((node)->input == NULL)                                                                                     \
            return NULL;                                                                                               \
    } while (0)

/* ---- sources ---- */

static const struct relation *lower_read(struct lower_context *context, const Connect__Read *message) {
    if (message->read_type_case == CONNECT__READ__READ_TYPE_NAMED_TABLE) {
        struct relation_table *table = relation_table_new(context->arena);
        const Connect__Read__NamedTable *named = message->named_table;
        struct option *options = ARENA_ARRAY(context->arena, struct option, named->n_options);
        for (size_t i = 0; i < named->n_options; i++)
            options[i] = (struct option){
                lower_text(context, named->options[i]->key), lower_text(context, named->options[i]->value)};
        table->options = (struct option_list){options, named->n_options};
        table->streaming = message->is_streaming;
        return sql_parse_name(
                   context->arena, lower_text(context, named->unparsed_identifier), &table->parts, context->error)
                   ? &table->base
                   : NULL;
    }
    if (message->read_type_case != CONNECT__READ__READ_TYPE_DATA_SOURCE)
        return lower_refuse(context, "relation", &message->base);
    const Connect__Read__DataSource *source = message->data_source;
    struct relation_read *read = relation_read_new(context->arena);
    struct option *options = ARENA_ARRAY(context->arena, struct option, source->n_options);
    for (size_t i = 0; i < source->n_options; i++)
        options[i] = (struct option){
            lower_text(context, source->options[i]->key), lower_text(context, source->options[i]->value)};
    if (source->n_predicates > 0)
        return lower_refuse(context, "predicates of spark.read.jdbc", NULL);
    read->format = source->format == NULL || source->format[0] == 0 ? BYTES_NULL : lower_text(context, source->format);
    read->schema = source->schema == NULL || source->schema[0] == 0 ? BYTES_NULL : lower_text(context, source->schema);
    read->options = (struct option_list){options, source->n_options};
    read->paths = lower_names(context, source->paths, source->n_paths);
    read->streaming = message->is_streaming;
    return &read->base;
}

static void release_batch(void *batch) {
    batch_release(batch);
}

/* Whether the stream's columns have the declared types, names and nullability aside. */
static bool fields_agree(const struct type *declared, const struct type *found) {
    if (declared->field_count != found->field_count)
        return false;
    for (size_t i = 0; i < declared->field_count; i++)
        if (!type_equal_ignoring_nullability(declared->fields[i].type, found->fields[i].type))
            return false;
    return true;
}

/* The batches' strings and schema live in a carrier batch that each of them keeps, so that they may outlive the request
 * (temporary views). */
static bool read_batches(struct lower_context *context, struct bytes data, struct ipc_stream *stream) {
    struct error cause;
    static const struct type no_columns = {.kind = TYPE_STRUCT};
    struct batch *carrier = batch_create(&no_columns);
    struct bytes copy = arena_copy(&carrier->arena, data);
    bool good = ipc_read_stream(&carrier->arena, copy, stream, &cause);
    if (!good)
        sql_error_from(context->error, &cause);
    else
        stream->schema = type_copy(context->arena, stream->schema);
    for (size_t i = 0; good && i < stream->batch_count; i++)
        batch_keep(stream->batches[i], carrier);
    arena_on_destroy(context->arena, release_batch, carrier);
    return good;
}

static const struct relation *local_from(struct lower_context *context, struct bytes data, struct bytes schema_text) {
    struct relation_local *local = relation_local_new(context->arena);
    struct ipc_stream stream = {0};
    const struct type *declared = NULL;
    if (schema_text.size > 0) {
        declared = sql_parse_schema(context->arena, arena_copy(context->arena, schema_text), context->error);
        if (declared == NULL)
            return NULL;
        if (declared->kind != TYPE_STRUCT)
            return lower_refuse(context, "a local relation whose schema is not a struct", NULL);
    }
    if (data.size > 0 && !read_batches(context, data, &stream))
        return NULL;
    if (declared == NULL && stream.schema == NULL)
        return lower_refuse(context, "a local relation without a schema", NULL);
    bool agree = declared == NULL || stream.schema == NULL || fields_agree(declared, stream.schema);
    local->schema = declared != NULL && agree ? declared : stream.schema;
    local->batches = plan_batches(context->arena, stream.batches, stream.batch_count);
    for (size_t i = 0; i < stream.batch_count; i++)
        batch_release(stream.batches[i]);
    if (agree)
        return &local->base;
    struct relation_to_schema *to_schema = relation_to_schema_new(context->arena);
    to_schema->input = &local->base;
    to_schema->schema = declared;
    return &to_schema->base;
}

static struct bytes artifact(struct lower_context *context, const char *hash) {
    return context->artifact(context->context, arena_printf(context->arena, "cache/%s", hash == NULL ? "" : hash));
}

/* cache/<hash> of one piece holds the serialized LocalRelation message. */
/* What a foreachBatch function was given: a table in memory of the session (functions.c). */
static const struct relation *lower_cached_remote(
    struct lower_context *context, const Connect__CachedRemoteRelation *message) {
    struct option name = {BYTES("name"), lower_text(context, message->relation_id)};
    struct relation_read *read = relation_read_new(context->arena);
    read->format = BYTES("memory");
    read->options = options_make(context->arena, &name, 1);
    return &read->base;
}

static const struct relation *lower_cached_local(
    struct lower_context *context, const Connect__CachedLocalRelation *message) {
    struct error cause;
    struct bytes data = artifact(context, message->hash);
    if (data.data == NULL)
        return lower_refuse(
            context, arena_printf(context->arena, "the cached relation %s, which was not sent", message->hash), NULL);
    Connect__LocalRelation *local = (Connect__LocalRelation *)protobuf_unpack(
        context->arena, &connect__local_relation__descriptor, data, PROTOBUF_DEPTH_MAX, &cause);
    if (local == NULL) {
        sql_error_from(context->error, &cause);
        return NULL;
    }
    return local_from(
        context, local->has_data ? PROTOBUF_BYTES(local->data) : BYTES_NULL, bytes_from_text(local->schema));
}

/* Each piece is an Arrow stream of its own; the schema is a piece too. */
static const struct relation *lower_chunked_local(
    struct lower_context *context, const Connect__ChunkedCachedLocalRelation *message) {
    struct bytes schema = message->schemahash == NULL ? BYTES_NULL : artifact(context, message->schemahash);
    const struct relation **pieces = ARENA_ARRAY(context->arena, const struct relation *, message->n_datahashes);
    size_t count = 0;
    for (size_t i = 0; i < message->n_datahashes; i++) {
        struct bytes data = artifact(context, message->datahashes[i]);
        if (data.data == NULL)
            return lower_refuse(context,
                arena_printf(context->arena, "the cached piece %s, which was not sent", message->datahashes[i]), NULL);
        const struct relation *piece = local_from(context, data, schema);
        if (piece == NULL)
            return NULL;
        pieces[count++] = piece;
    }
    if (count == 0)
        return local_from(context, BYTES_NULL, schema);
    struct relation_local *whole = relation_local_new(context->arena);
    size_t batch_count = 0;
    for (size_t i = 0; i < count; i++)
        batch_count += relation_local_of(pieces[i])->batches.count;
    struct batch **batches = ARENA_ARRAY(context->arena, struct batch *, batch_count);
    batch_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct batch_list list = relation_local_of(pieces[i])->batches;
        memcpy(batches + batch_count, list.items, list.count * sizeof *batches);
        batch_count += list.count;
    }
    whole->schema = relation_local_of(pieces[0])->schema;
    whole->batches = plan_batches(context->arena, batches, batch_count);
    return &whole->base;
}

static const struct relation *lower_range(struct lower_context *context, const Connect__Range *message) {
    struct relation_range *range = relation_range_new(context->arena);
    range->start = message->start;
    range->end = message->end;
    range->step = message->has_step ? message->step : 1;
    range->partitions = message->has_num_partitions ? message->num_partitions : 0;
    if (range->step == 0)
        return lower_refuse(context, "range() with step 0", NULL);
    return &range->base;
}

static const struct relation *lower_sql(struct lower_context *context, const Connect__SQL *message) {
    struct relation_sql *sql = relation_sql_new(context->arena);
    size_t named = message->n_named_arguments + message->n_args,
           positional = message->n_pos_arguments + message->n_pos_args;
    size_t count = named > 0 ? named : positional;
    struct bytes *names = ARENA_ARRAY(context->arena, struct bytes, count);
    const struct expression **values = ARENA_ARRAY(context->arena, const struct expression *, count);
    for (size_t i = 0; i < count; i++) {
        if (i < message->n_named_arguments) {
            names[i] = lower_text(context, message->named_arguments[i]->key);
            values[i] = lower_expression(context, message->named_arguments[i]->value);
        } else if (named > 0) {
            names[i] = lower_text(context, message->args[i - message->n_named_arguments]->key);
            values[i] = lower_literal(context, message->args[i - message->n_named_arguments]->value);
        } else if (i < message->n_pos_arguments) {
            values[i] = lower_expression(context, message->pos_arguments[i]);
        } else {
            values[i] = lower_literal(context, message->pos_args[i - message->n_pos_arguments]);
        }
        if (values[i] == NULL)
            return NULL;
    }
    sql->text = lower_text(context, message->query == NULL ? "" : message->query);
    sql->arguments = (struct expression_list){values, count};
    sql->named = named > 0 ? (struct option_list){ARENA_ARRAY(context->arena, struct option, count), count}
                           : (struct option_list){NULL, 0};
    for (size_t i = 0; i < sql->named.count; i++)
        ((struct option *)sql->named.items)[i].name = names[i];
    return &sql->base;
}

static const struct relation *lower_table_function(
    struct lower_context *context, const Connect__UnresolvedTableValuedFunction *message) {
    struct relation_table_function *function = relation_table_function_new(context->arena);
    function->name = lower_text(context, message->function_name);
    return lower_expressions(context, message->arguments, message->n_arguments, &function->arguments) ? &function->base
                                                                                                      : NULL;
}

/* References are what subqueries point to by plan id, or DataFrames that SQL text names: those become common table
 * expressions. */
static const struct relation *lower_with_relations(
    struct lower_context *context, const Connect__WithRelations *message) {
    const Connect__WithRelations *outer = context->references;
    struct bytes *names = ARENA_ARRAY(context->arena, struct bytes, message->n_references);
    const struct relation **plans = ARENA_ARRAY(context->arena, const struct relation *, message->n_references);
    size_t count = 0;
    for (size_t i = 0; i < message->n_references; i++) {
        const Relation *reference = message->references[i];
        if (reference->rel_type_case != CONNECT__RELATION__REL_TYPE_SUBQUERY_ALIAS)
            continue;
        names[count] = lower_text(context, reference->subquery_alias->alias);
        plans[count] = lower_relation(context, reference->subquery_alias->input);
        if (plans[count++] == NULL)
            return NULL;
    }
    context->references = message;
    const struct relation *root = lower_relation(context, message->root);
    context->references = outer;
    if (root == NULL || count == 0)
        return root;
    struct relation_with *with = relation_with_new(context->arena);
    with->names = (struct bytes_list){names, count};
    with->plans = (struct relation_list){plans, count};
    with->body = root;
    return &with->base;
}

const struct relation *lower_reference(struct lower_context *context, int64_t plan_id) {
    const Connect__WithRelations *references = context->references;
    for (size_t i = 0; references != NULL && i < references->n_references; i++)
        if (references->references[i]->common != NULL && references->references[i]->common->plan_id == plan_id)
            return lower_relation(context, references->references[i]);
    return lower_refuse(
        context, arena_printf(context->arena, "a subquery without its plan %lld", (long long)plan_id), NULL);
}

/* ---- steps ---- */

static const struct relation *lower_project(struct lower_context *context, const Connect__Project *message) {
    struct relation_project *project = relation_project_new(context->arena);
    if (message->input != NULL)
        LOWER_INPUT(project, message);
    return lower_expressions(context, message->expressions, message->n_expressions, &project->columns) ? &project->base
                                                                                                       : NULL;
}

static const struct relation *lower_filter(struct lower_context *context, const Connect__Filter *message) {
    struct relation_filter *filter = relation_filter_new(context->arena);
    LOWER_INPUT(filter, message);
    filter->condition = lower_expression(context, message->condition);
    return filter->condition == NULL ? NULL : &filter->base;
}

static const struct relation *lower_join(struct lower_context *context, const Connect__Join *message) {
    static const enum join_type types[] = {
        JOIN_INNER, JOIN_INNER, JOIN_FULL, JOIN_LEFT, JOIN_RIGHT, JOIN_LEFT_ANTI, JOIN_LEFT_SEMI, JOIN_CROSS};
    struct relation_join *join = relation_join_new(context->arena);
    if ((unsigned)message->join_type >= ARRAY_COUNT(types) || message->join_data_type != NULL)
        return lower_refuse(context, "joinWith and this join type", NULL);
    join->type = types[message->join_type];
    join->left = lower_relation(context, message->left);
    join->right = join->left == NULL ? NULL : lower_relation(context, message->right);
    if (join->right == NULL)
        return NULL;
    join->using = lower_names(context, message->using_columns, message->n_using_columns);
    if (message->join_condition != NULL &&
        (join->condition = lower_expression(context, message->join_condition)) == NULL)
        return NULL;
    return &join->base;
}

static const struct relation *lower_set_operation(struct lower_context *context, const Connect__SetOperation *message) {
    static const enum set_kind kinds[] = {SET_UNION, SET_INTERSECT, SET_UNION, SET_EXCEPT};
    struct relation_set_operation *set = relation_set_operation_new(context->arena);
    if (message->set_op_type == 0 || (unsigned)message->set_op_type >= ARRAY_COUNT(kinds))
        return lower_refuse(context, "this set operation", NULL);
    set->kind = kinds[message->set_op_type];
    set->all = message->is_all;
    set->by_name = message->by_name;
    set->allow_missing = message->allow_missing_columns;
    set->left = lower_relation(context, message->left_input);
    set->right = set->left == NULL ? NULL : lower_relation(context, message->right_input);
    return set->right == NULL ? NULL : &set->base;
}

static const struct relation *lower_sort(struct lower_context *context, const Connect__Sort *message) {
    struct relation_sort *sort = relation_sort_new(context->arena);
    LOWER_INPUT(sort, message);
    const struct expression **orders = ARENA_ARRAY(context->arena, const struct expression *, message->n_order);
    for (size_t i = 0; i < message->n_order; i++)
        if ((orders[i] = lower_sort_order(context, message->order[i])) == NULL)
            return NULL;
    sort->orders = (struct expression_list){orders, message->n_order};
    sort->global = !message->has_is_global || message->is_global;
    return &sort->base;
}

static const struct relation *lower_limit(
    struct lower_context *context, const Relation *input, int64_t count, int64_t offset) {
    struct relation_limit *limit = relation_limit_new(context->arena);
    limit->input = lower_relation(context, input);
    limit->count = count;
    limit->offset = offset;
    return limit->input == NULL ? NULL : &limit->base;
}

static const struct relation *lower_tail(struct lower_context *context, const Connect__Tail *message) {
    struct relation_tail *tail = relation_tail_new(context->arena);
    LOWER_INPUT(tail, message);
    tail->count = message->limit;
    return &tail->base;
}

static bool lower_grouping_sets(
    struct lower_context *context, const Connect__Aggregate *message, struct relation_group_by *group) {
    size_t total = 0;
    for (size_t i = 0; i < message->n_grouping_sets; i++)
        total += message->grouping_sets[i]->n_grouping_set;
    const struct expression **items = ARENA_ARRAY(context->arena, const struct expression *, total);
    struct bytes *sizes = ARENA_ARRAY(context->arena, struct bytes, message->n_grouping_sets);
    size_t at = 0;
    for (size_t i = 0; i < message->n_grouping_sets; i++) {
        const Connect__Aggregate__GroupingSets *set = message->grouping_sets[i];
        for (size_t j = 0; j < set->n_grouping_set; j++)
            if ((items[at++] = lower_expression(context, set->grouping_set[j])) == NULL)
                return false;
        sizes[i] = bytes_from_text(arena_printf(context->arena, "%zu", set->n_grouping_set));
    }
    group->set_items = (struct expression_list){items, total};
    group->set_sizes = (struct bytes_list){sizes, message->n_grouping_sets};
    return true;
}

static const struct relation *lower_aggregate(struct lower_context *context, const Connect__Aggregate *message) {
    static const enum group_type types[] = {GROUP_BY, GROUP_BY, GROUP_ROLLUP, GROUP_CUBE, GROUP_PIVOT, GROUP_SETS};
    struct relation_group_by *group = relation_group_by_new(context->arena);
    if ((unsigned)message->group_type >= ARRAY_COUNT(types))
        return lower_refuse(context, "this kind of grouping", NULL);
    LOWER_INPUT(group, message);
    group->type = types[message->group_type];
    if (!lower_expressions(
            context, message->grouping_expressions, message->n_grouping_expressions, &group->groupings) ||
        !lower_expressions(
            context, message->aggregate_expressions, message->n_aggregate_expressions, &group->aggregates) ||
        !lower_grouping_sets(context, message, group))
        return NULL;
    if (message->pivot == NULL)
        return &group->base;
    const struct expression **values = ARENA_ARRAY(context->arena, const struct expression *, message->pivot->n_values);
    for (size_t i = 0; i < message->pivot->n_values; i++)
        if ((values[i] = lower_literal(context, message->pivot->values[i])) == NULL)
            return NULL;
    group->pivot_column = lower_expression(context, message->pivot->col);
    group->pivot_values = (struct expression_list){values, message->pivot->n_values};
    return group->pivot_column == NULL ? NULL : &group->base;
}

static const struct relation *lower_sample(struct lower_context *context, const Connect__Sample *message) {
    struct relation_sample *sample = relation_sample_new(context->arena);
    LOWER_INPUT(sample, message);
    sample->lower = message->lower_bound;
    sample->upper = message->upper_bound;
    sample->with_replacement = message->with_replacement;
    sample->seed = message->seed;
    return &sample->base;
}

static const struct relation *lower_deduplicate(struct lower_context *context, const Connect__Deduplicate *message) {
    struct relation_deduplicate *deduplicate = relation_deduplicate_new(context->arena);
    LOWER_INPUT(deduplicate, message);
    if (!message->all_columns_as_keys)
        deduplicate->columns = lower_names(context, message->column_names, message->n_column_names);
    deduplicate->within_watermark = message->within_watermark;
    return &deduplicate->base;
}

static const struct relation *lower_subquery_alias(
    struct lower_context *context, const Connect__SubqueryAlias *message) {
    struct relation_subquery_alias *alias = relation_subquery_alias_new(context->arena);
    LOWER_INPUT(alias, message);
    alias->alias = lower_text(context, message->alias);
    return &alias->base;
}

static const struct relation *lower_repartition(struct lower_context *context, const Connect__Repartition *message) {
    struct relation_repartition *repartition = relation_repartition_new(context->arena);
    LOWER_INPUT(repartition, message);
    repartition->partitions = message->num_partitions;
    repartition->shuffle = message->shuffle;
    return &repartition->base;
}

static const struct relation *lower_repartition_by(
    struct lower_context *context, const Connect__RepartitionByExpression *message) {
    struct relation_repartition *repartition = relation_repartition_new(context->arena);
    LOWER_INPUT(repartition, message);
    repartition->partitions = message->has_num_partitions ? message->num_partitions : 0;
    repartition->shuffle = true;
    return lower_expressions(context, message->partition_exprs, message->n_partition_exprs, &repartition->expressions)
               ? &repartition->base
               : NULL;
}

static const struct relation *lower_to_df(struct lower_context *context, const Connect__ToDF *message) {
    struct relation_to_df *to_df = relation_to_df_new(context->arena);
    LOWER_INPUT(to_df, message);
    to_df->columns = lower_names(context, message->column_names, message->n_column_names);
    return &to_df->base;
}

static const struct relation *lower_to_schema(struct lower_context *context, const Connect__ToSchema *message) {
    struct relation_to_schema *to_schema = relation_to_schema_new(context->arena);
    LOWER_INPUT(to_schema, message);
    to_schema->schema = lower_type(context, message->schema);
    return to_schema->schema == NULL ? NULL : &to_schema->base;
}

static const struct relation *lower_with_columns(struct lower_context *context, const Connect__WithColumns *message) {
    struct relation_with_columns *with = relation_with_columns_new(context->arena);
    LOWER_INPUT(with, message);
    const struct expression **columns = ARENA_ARRAY(context->arena, const struct expression *, message->n_aliases);
    for (size_t i = 0; i < message->n_aliases; i++) {
        struct expression_alias *alias = expression_alias_new(context->arena);
        alias->child = lower_expression(context, message->aliases[i]->expr);
        alias->names = lower_names(context, message->aliases[i]->name, message->aliases[i]->n_name);
        alias->metadata = lower_text(context, message->aliases[i]->metadata);
        columns[i] = &alias->base;
        if (alias->child == NULL)
            return NULL;
    }
    with->columns = (struct expression_list){columns, message->n_aliases};
    return &with->base;
}

static const struct relation *lower_renamed(struct lower_context *context, const Connect__WithColumnsRenamed *message) {
    struct relation_with_columns_renamed *renamed = relation_with_columns_renamed_new(context->arena);
    LOWER_INPUT(renamed, message);
    size_t count = message->n_renames + message->n_rename_columns_map;
    struct bytes *old = ARENA_ARRAY(context->arena, struct bytes, count),
                 *new = ARENA_ARRAY(context->arena, struct bytes, count);
    for (size_t i = 0; i < message->n_renames; i++) {
        old[i] = lower_text(context, message->renames[i]->col_name);
        new[i] = lower_text(context, message->renames[i]->new_col_name);
    }
    for (size_t i = 0; i < message->n_rename_columns_map; i++) { /* clients before 4.0 */
        old[message->n_renames + i] = lower_text(context, message->rename_columns_map[i]->key);
        new[message->n_renames + i] = lower_text(context, message->rename_columns_map[i]->value);
    }
    renamed->old = (struct bytes_list){old, count};
    renamed->new = (struct bytes_list){new, count};
    return &renamed->base;
}

static const struct relation *lower_drop(struct lower_context *context, const Connect__Drop *message) {
    struct relation_drop *drop = relation_drop_new(context->arena);
    LOWER_INPUT(drop, message);
    drop->names = lower_names(context, message->column_names, message->n_column_names);
    return lower_expressions(context, message->columns, message->n_columns, &drop->columns) ? &drop->base : NULL;
}

static const struct relation *lower_hint(struct lower_context *context, const Connect__Hint *message) {
    struct relation_hint *hint = relation_hint_new(context->arena);
    LOWER_INPUT(hint, message);
    hint->name = lower_text(context, message->name);
    return lower_expressions(context, message->parameters, message->n_parameters, &hint->parameters) ? &hint->base
                                                                                                     : NULL;
}

static const struct relation *lower_unpivot(struct lower_context *context, const Connect__Unpivot *message) {
    struct relation_unpivot *unpivot = relation_unpivot_new(context->arena);
    LOWER_INPUT(unpivot, message);
    unpivot->variable_name = lower_text(context, message->variable_column_name);
    unpivot->value_name = lower_text(context, message->value_column_name);
    if (!lower_expressions(context, message->ids, message->n_ids, &unpivot->ids))
        return NULL;
    if (message->values != NULL &&
        !lower_expressions(context, message->values->values, message->values->n_values, &unpivot->values))
        return NULL;
    return &unpivot->base;
}

static const struct relation *lower_watermark(struct lower_context *context, const Connect__WithWatermark *message) {
    struct relation_with_watermark *watermark = relation_with_watermark_new(context->arena);
    LOWER_INPUT(watermark, message);
    watermark->column = lower_text(context, message->event_time);
    watermark->delay = lower_text(context, message->delay_threshold);
    return &watermark->base;
}

static const struct relation *lower_observe(struct lower_context *context, const Connect__CollectMetrics *message) {
    struct relation_collect_metrics *metrics = relation_collect_metrics_new(context->arena);
    LOWER_INPUT(metrics, message);
    metrics->name = lower_text(context, message->name);
    return lower_expressions(context, message->metrics, message->n_metrics, &metrics->metrics) ? &metrics->base : NULL;
}

/* ---- the program's functions over rows ---- */

static const struct relation *lower_map_partitions(
    struct lower_context *context, const Connect__MapPartitions *message) {
    struct relation_map_partitions *map = relation_map_partitions_new(context->arena);
    LOWER_INPUT(map, message);
    map->function = lower_python(context, message->func, PYTHON_OVER_ROWS);
    return map->function == NULL ? NULL : &map->base;
}

static const struct relation *lower_group_map(struct lower_context *context, const Connect__GroupMap *message) {
    struct relation_map_groups *map = relation_map_groups_new(context->arena);
    LOWER_INPUT(map, message);
    if (message->n_sorting_expressions > 0)
        return lower_refuse(context, "sorted groups of a function", NULL);
    map->function = lower_python(context, message->func, PYTHON_OVER_GROUPS);
    return map->function != NULL && lower_expressions(context, message->grouping_expressions,
                                        message->n_grouping_expressions, &map->groupings)
               ? &map->base
               : NULL;
}

static const struct relation *lower_cogroup_map(struct lower_context *context, const Connect__CoGroupMap *message) {
    struct relation_map_groups *map = relation_map_groups_new(context->arena);
    LOWER_INPUT(map, message);
    if (message->n_input_sorting_expressions + message->n_other_sorting_expressions > 0)
        return lower_refuse(context, "sorted groups of a function", NULL);
    map->other = lower_relation(context, message->other);
    map->function = map->other == NULL ? NULL : lower_python(context, message->func, PYTHON_OVER_COGROUPS);
    return map->function != NULL &&
                   lower_expressions(context, message->input_grouping_expressions,
                       message->n_input_grouping_expressions, &map->groupings) &&
                   lower_expressions(context, message->other_grouping_expressions,
                       message->n_other_grouping_expressions, &map->other_groupings)
               ? &map->base
               : NULL;
}

/* A table function is a function over one row, which has its arguments: _0, _1 …, =name for named ones; before them a
 * column that is there when there are none. */
static const struct relation *lower_udtf(
    struct lower_context *context, const Connect__CommonInlineUserDefinedTableFunction *message) {
    struct arena *arena = context->arena;
    const Connect__PythonUDTF *function = message->python_udtf;
    if (function == NULL || (function->eval_type != 300 && function->eval_type != 301)) /* rows; the same as Arrow */
        return lower_refuse(context, "a table function of this kind", NULL);
    if (function->return_type == NULL)
        return lower_refuse(context, "a table function with an analyze method", NULL);
    struct relation_project *row = relation_project_new(arena);
    struct relation_map_partitions *map = relation_map_partitions_new(arena);
    struct expression_python_udf *call = expression_python_udf_new(arena);
    struct expression_list arguments;
    if (!lower_expressions(context, message->arguments, message->n_arguments, &arguments))
        return NULL;
    const struct expression **items = arena_allocate(arena, (arguments.count + 1) * sizeof *items);
    for (size_t i = 0; i <= arguments.count; i++) {
        const struct expression *value = i == 0 ? literal_boolean(arena, true) : arguments.items[i - 1];
        struct expression_alias *alias = expression_alias_new(arena);
        const char *name = i == 0 ? "row" : arena_printf(arena, "_%zu", i - 1);
        if (value->node.tag == EXPRESSION_NAMED_ARGUMENT) {
            name = arena_printf(arena, "=%.*s", BYTES_ARGS(expression_named_argument_of(value)->name));
            value = expression_named_argument_of(value)->value;
        }
        alias->child = value;
        alias->names = names_of(arena, 1, name);
        items[i] = &alias->base;
    }
    row->columns = (struct expression_list){items, arguments.count + 1};
    call->name = lower_text(context, message->function_name);
    call->command = arena_copy(arena, PROTOBUF_BYTES(function->command));
    call->eval_type = function->eval_type;
    call->deterministic = message->deterministic;
    call->python_version = lower_text(context, function->python_ver == NULL ? "" : function->python_ver);
    call->result = lower_type(context, function->return_type);
    map->input = &row->base;
    map->function = &call->base;
    return call->result == NULL ? NULL : &map->base;
}

static bool lower_timeout(struct lower_context *context, const char *name, enum group_timeout *timeout) {
    static const char *const names[] = {[TIMEOUT_NONE] = "NoTimeout",
        [TIMEOUT_PROCESSING_TIME] = "ProcessingTimeTimeout",
        [TIMEOUT_EVENT_TIME] = "EventTimeTimeout"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *timeout = (enum group_timeout)i;
            return true;
        }
    return lower_refuse(context, arena_printf(context->arena, "the timeout %s of groups", name == NULL ? "" : name),
               NULL) != NULL;
}

static const struct relation *lower_groups_with_state(
    struct lower_context *context, const Connect__ApplyInPandasWithState *message) {
    struct relation_groups_with_state *groups = relation_groups_with_state_new(context->arena);
    struct bytes mode = bytes_from_text(message->output_mode == NULL ? "" : message->output_mode);
    LOWER_INPUT(groups, message);
    groups->updates = bytes_equal_ignore_case(mode, BYTES("update"));
    if (!groups->updates && !bytes_equal_ignore_case(mode, BYTES("append")))
        return lower_refuse(context,
            arena_printf(context->arena, "the output mode %.*s of applyInPandasWithState", BYTES_ARGS(mode)), NULL);
    groups->function = lower_python(context, message->func, PYTHON_WITH_STATE);
    if (groups->function == NULL || !lower_timeout(context, message->timeout_conf, &groups->timeout) ||
        !lower_expressions(context, message->grouping_expressions, message->n_grouping_expressions, &groups->keys))
        return NULL;
    groups->state = sql_parse_schema(context->arena, lower_text(context, message->state_schema), context->error);
    return groups->state == NULL ? NULL : &groups->base;
}

/* ---- missing values and statistics ---- */

static bool lower_literals(struct lower_context *context, Connect__Expression__Literal *const *items, size_t count,
    struct expression_list *list) {
    const struct expression **lowered = ARENA_ARRAY(context->arena, const struct expression *, count);
    for (size_t i = 0; i < count; i++)
        if ((lowered[i] = lower_literal(context, items[i])) == NULL)
            return false;
    *list = (struct expression_list){lowered, count};
    return true;
}

static const struct relation *lower_fill_na(struct lower_context *context, const Connect__NAFill *message) {
    struct relation_fill_na *fill = relation_fill_na_new(context->arena);
    LOWER_INPUT(fill, message);
    fill->columns = lower_names(context, message->cols, message->n_cols);
    return lower_literals(context, message->values, message->n_values, &fill->values) ? &fill->base : NULL;
}

static const struct relation *lower_drop_na(struct lower_context *context, const Connect__NADrop *message) {
    struct relation_drop_na *drop = relation_drop_na_new(context->arena);
    LOWER_INPUT(drop, message);
    drop->columns = lower_names(context, message->cols, message->n_cols);
    drop->min_non_nulls = message->has_min_non_nulls ? message->min_non_nulls : -1;
    return &drop->base;
}

static const struct relation *lower_replace(struct lower_context *context, const Connect__NAReplace *message) {
    struct relation_replace *replace = relation_replace_new(context->arena);
    LOWER_INPUT(replace, message);
    size_t count = message->n_replacements;
    const struct expression **old = ARENA_ARRAY(context->arena, const struct expression *, count);
    const struct expression **new = ARENA_ARRAY(context->arena, const struct expression *, count);
    for (size_t i = 0; i < count; i++) {
        old[i] = lower_literal(context, message->replacements[i]->old_value);
        new[i] = old[i] == NULL ? NULL : lower_literal(context, message->replacements[i]->new_value);
        if (new[i] == NULL)
            return NULL;
    }
    replace->columns = lower_names(context, message->cols, message->n_cols);
    replace->old = (struct expression_list){old, count};
    replace->new = (struct expression_list){new, count};
    return &replace->base;
}

static const struct relation *lower_describe(struct lower_context *context, const Connect__StatDescribe *message) {
    struct relation_describe *describe = relation_describe_new(context->arena);
    LOWER_INPUT(describe, message);
    describe->columns = lower_names(context, message->cols, message->n_cols);
    return &describe->base;
}

static const struct relation *lower_summary(struct lower_context *context, const Connect__StatSummary *message) {
    struct relation_summary *summary = relation_summary_new(context->arena);
    LOWER_INPUT(summary, message);
    summary->statistics = lower_names(context, message->statistics, message->n_statistics);
    return &summary->base;
}

/* df.cov and df.corr: one aggregate over two columns. */
static const struct relation *lower_statistic(
    struct lower_context *context, const Relation *input, const char *function, const char *left, const char *right) {
    struct relation_group_by *group = relation_group_by_new(context->arena);
    struct expression_attribute *columns[2];
    const char *names[2] = {left, right};
    group->input = lower_relation(context, input);
    if (group->input == NULL)
        return NULL;
    for (int i = 0; i < 2; i++) {
        columns[i] = expression_attribute_new(context->arena);
        columns[i]->plan_id = -1;
        if (!sql_parse_name(context->arena, lower_text(context, names[i] == NULL ? "" : names[i]), &columns[i]->parts,
                context->error))
            return NULL;
    }
    struct expression_alias *alias = expression_alias_new(context->arena);
    alias->child = function_call(context->arena, function, 2, &columns[0]->base, &columns[1]->base);
    alias->names = names_of(context->arena, 1, strcmp(function, "corr") == 0 ? "corr" : "cov");
    group->type = GROUP_BY;
    group->aggregates = expressions_of(context->arena, 1, &alias->base);
    return &group->base;
}

static const struct relation *lower_correlation(struct lower_context *context, const Connect__StatCorr *message) {
    if (message->method != NULL && strcmp(message->method, "pearson") != 0)
        return lower_refuse(context, arena_printf(context->arena, "the correlation method %s", message->method), NULL);
    return lower_statistic(context, message->input, "corr", message->col1, message->col2);
}

/* ---- all ---- */

static const struct relation *lower_member(struct lower_context *context, const Relation *message) {
    switch (message->rel_type_case) {
    case CONNECT__RELATION__REL_TYPE_READ:
        return lower_read(context, message->read);
    case CONNECT__RELATION__REL_TYPE_PROJECT:
        return lower_project(context, message->project);
    case CONNECT__RELATION__REL_TYPE_FILTER:
        return lower_filter(context, message->filter);
    case CONNECT__RELATION__REL_TYPE_JOIN:
        return lower_join(context, message->join);
    case CONNECT__RELATION__REL_TYPE_SET_OP:
        return lower_set_operation(context, message->set_op);
    case CONNECT__RELATION__REL_TYPE_SORT:
        return lower_sort(context, message->sort);
    case CONNECT__RELATION__REL_TYPE_LIMIT:
        return lower_limit(context, message->limit->input, message->limit->limit, 0);
    case CONNECT__RELATION__REL_TYPE_OFFSET:
        return lower_limit(context, message->offset->input, -1, message->offset->offset);
    case CONNECT__RELATION__REL_TYPE_TAIL:
        return lower_tail(context, message->tail);
    case CONNECT__RELATION__REL_TYPE_AGGREGATE:
        return lower_aggregate(context, message->aggregate);
    case CONNECT__RELATION__REL_TYPE_SQL:
        return lower_sql(context, message->sql);
    case CONNECT__RELATION__REL_TYPE_LOCAL_RELATION:
        return local_from(context,
            message->local_relation->has_data ? PROTOBUF_BYTES(message->local_relation->data) : BYTES_NULL,
            bytes_from_text(message->local_relation->schema));
    case CONNECT__RELATION__REL_TYPE_CACHED_LOCAL_RELATION:
        return lower_cached_local(context, message->cached_local_relation);
    case CONNECT__RELATION__REL_TYPE_CACHED_REMOTE_RELATION:
        return lower_cached_remote(context, message->cached_remote_relation);
    case CONNECT__RELATION__REL_TYPE_CHUNKED_CACHED_LOCAL_RELATION:
        return lower_chunked_local(context, message->chunked_cached_local_relation);
    case CONNECT__RELATION__REL_TYPE_SAMPLE:
        return lower_sample(context, message->sample);
    case CONNECT__RELATION__REL_TYPE_DEDUPLICATE:
        return lower_deduplicate(context, message->deduplicate);
    case CONNECT__RELATION__REL_TYPE_RANGE:
        return lower_range(context, message->range);
    case CONNECT__RELATION__REL_TYPE_SUBQUERY_ALIAS:
        return lower_subquery_alias(context, message->subquery_alias);
    case CONNECT__RELATION__REL_TYPE_REPARTITION:
        return lower_repartition(context, message->repartition);
    case CONNECT__RELATION__REL_TYPE_REPARTITION_BY_EXPRESSION:
        return lower_repartition_by(context, message->repartition_by_expression);
    case CONNECT__RELATION__REL_TYPE_TO_DF:
        return lower_to_df(context, message->to_df);
    case CONNECT__RELATION__REL_TYPE_TO_SCHEMA:
        return lower_to_schema(context, message->to_schema);
    case CONNECT__RELATION__REL_TYPE_WITH_COLUMNS:
        return lower_with_columns(context, message->with_columns);
    case CONNECT__RELATION__REL_TYPE_WITH_COLUMNS_RENAMED:
        return lower_renamed(context, message->with_columns_renamed);
    case CONNECT__RELATION__REL_TYPE_DROP:
        return lower_drop(context, message->drop);
    case CONNECT__RELATION__REL_TYPE_HINT:
        return lower_hint(context, message->hint);
    case CONNECT__RELATION__REL_TYPE_UNPIVOT:
        return lower_unpivot(context, message->unpivot);
    case CONNECT__RELATION__REL_TYPE_MAP_PARTITIONS:
        return lower_map_partitions(context, message->map_partitions);
    case CONNECT__RELATION__REL_TYPE_COMMON_INLINE_USER_DEFINED_TABLE_FUNCTION:
        return lower_udtf(context, message->common_inline_user_defined_table_function);
    case CONNECT__RELATION__REL_TYPE_COLLECT_METRICS:
        return lower_observe(context, message->collect_metrics);
    case CONNECT__RELATION__REL_TYPE_GROUP_MAP:
        return lower_group_map(context, message->group_map);
    case CONNECT__RELATION__REL_TYPE_APPLY_IN_PANDAS_WITH_STATE:
        return lower_groups_with_state(context, message->apply_in_pandas_with_state);
    case CONNECT__RELATION__REL_TYPE_CO_GROUP_MAP:
        return lower_cogroup_map(context, message->co_group_map);
    case CONNECT__RELATION__REL_TYPE_WITH_WATERMARK:
        return lower_watermark(context, message->with_watermark);
    case CONNECT__RELATION__REL_TYPE_WITH_RELATIONS:
        return lower_with_relations(context, message->with_relations);
    case CONNECT__RELATION__REL_TYPE_UNRESOLVED_TABLE_VALUED_FUNCTION:
        return lower_table_function(context, message->unresolved_table_valued_function);
    case CONNECT__RELATION__REL_TYPE_FILL_NA:
        return lower_fill_na(context, message->fill_na);
    case CONNECT__RELATION__REL_TYPE_DROP_NA:
        return lower_drop_na(context, message->drop_na);
    case CONNECT__RELATION__REL_TYPE_REPLACE:
        return lower_replace(context, message->replace);
    case CONNECT__RELATION__REL_TYPE_DESCRIBE:
        return lower_describe(context, message->describe);
    case CONNECT__RELATION__REL_TYPE_SUMMARY:
        return lower_summary(context, message->summary);
    case CONNECT__RELATION__REL_TYPE_COV:
        return lower_statistic(context, message->cov->input, "covar_samp", message->cov->col1, message->cov->col2);
    case CONNECT__RELATION__REL_TYPE_CORR:
        return lower_correlation(context, message->corr);
    default:
        return lower_refuse(context, "relation", &message->base);
    }
}

const struct relation *lower_relation(struct lower_context *context, const Relation *message) {
    if (message == NULL)
        return lower_refuse(context, "a missing relation", NULL);
    if (context->depth >= PLAN_DEPTH_MAX)
        return lower_refuse(
            context, arena_printf(context->arena, "a plan nested more than %d levels deep", PLAN_DEPTH_MAX), NULL);
    context->depth++;
    const struct relation *lowered = lower_member(context, message);
    context->depth--;
    if (lowered != NULL && message->common != NULL && message->common->has_plan_id && !lowered->has_plan_id) {
        struct relation *marked = (struct relation *)lowered; /* just made, not handed on yet */
        marked->has_plan_id = true;
        marked->plan_id = message->common->plan_id;
    }
    return lowered;
}
