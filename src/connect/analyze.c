/* analyze.c: AnalyzePlan: questions about plans and types that need no execution. Those about plans run on the disk
 * pool behind the session's earlier work. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/connect_internal.h"

typedef Connect__AnalyzePlanRequest Request;
typedef Connect__AnalyzePlanResponse Response;

struct analysis {
    struct arena arena;
    struct session *session;
    struct grpc_call *call;
    const Request *request;
    struct sql_error error;
    Response response;
};

#define ANSWER(analysis, member, MEMBER, Type, prefix)                                                                 \
    ((analysis)->response.result_case = CONNECT__ANALYZE_PLAN_RESPONSE__RESULT_##MEMBER,                               \
        (analysis)->response.member = PROTOBUF_NEW(                                                                    \
            &(analysis)->arena, Connect__AnalyzePlanResponse__##Type, connect__analyze_plan_response__##prefix))

static const struct relation *lower_plan(struct analysis *analysis, const Connect__Plan *plan) {
    struct lower_context context;
    const Connect__Plan *opened = plan_open(&analysis->arena, plan, &analysis->error);
    session_lower_context(analysis->session, &analysis->arena, &analysis->error, &context);
    if (opened == NULL || opened->op_type_case != CONNECT__PLAN__OP_TYPE_ROOT)
        return lower_refuse(&context, "analysis of a command", NULL);
    const Connect__Relation *root = opened->root;
    if (root->rel_type_case == CONNECT__RELATION__REL_TYPE_CATALOG)
        return catalog_relation(analysis->session, &analysis->arena, root->catalog, &analysis->error);
    return lower_relation(&context, root);
}

static const struct relation *analyze(struct analysis *analysis, const Connect__Plan *plan) {
    const struct relation *relation = lower_plan(analysis, plan);
    return relation == NULL ? NULL : sql_analyze(analysis->session->sql, &analysis->arena, relation, &analysis->error);
}

static void answer_schema(struct analysis *analysis) {
    const struct relation *relation = analyze(analysis, analysis->request->schema->plan);
    if (relation == NULL)
        return;
    ANSWER(analysis, schema, SCHEMA, Schema, schema);
    analysis->response.schema->schema = raise_type(&analysis->arena, relation_schema(&analysis->arena, relation));
}

static void answer_explain(struct analysis *analysis) {
    static const enum explain_mode modes[] = {
        EXPLAIN_SIMPLE, EXPLAIN_SIMPLE, EXPLAIN_EXTENDED, EXPLAIN_CODEGEN, EXPLAIN_COST, EXPLAIN_FORMATTED};
    const Connect__AnalyzePlanRequest__Explain *asked = analysis->request->explain;
    const struct relation *relation = lower_plan(analysis, asked->plan);
    struct buffer text = {0};
    enum explain_mode mode =
        (unsigned)asked->explain_mode < ARRAY_COUNT(modes) ? modes[asked->explain_mode] : EXPLAIN_SIMPLE;
    if (relation != NULL &&
        sql_explain(analysis->session->sql, &analysis->arena, relation, mode, &text, &analysis->error)) {
        ANSWER(analysis, explain, EXPLAIN, Explain, explain);
        analysis->response.explain->explain_string = protobuf_string(&analysis->arena, buffer_view(&text));
    }
    buffer_free(&text);
}

static void answer_tree(struct analysis *analysis) {
    const Connect__AnalyzePlanRequest__TreeString *asked = analysis->request->tree_string;
    const struct relation *relation = analyze(analysis, asked->plan);
    struct buffer text = {0};
    if (relation == NULL)
        return;
    type_format_tree(relation_schema(&analysis->arena, relation), asked->has_level ? asked->level : 0, &text);
    ANSWER(analysis, tree_string, TREE_STRING, TreeString, tree_string);
    analysis->response.tree_string->tree_string = protobuf_string(&analysis->arena, buffer_view(&text));
    buffer_free(&text);
}

static void answer_is_streaming(struct analysis *analysis) {
    const struct relation *relation = analyze(analysis, analysis->request->is_streaming->plan);
    if (relation == NULL)
        return;
    ANSWER(analysis, is_streaming, IS_STREAMING, IsStreaming, is_streaming);
    analysis->response.is_streaming->has_is_streaming = true;
    analysis->response.is_streaming->is_streaming = relation_is_streaming(relation);
}

static void answer_is_local(struct analysis *analysis) {
    const struct relation *relation = analyze(analysis, analysis->request->is_local->plan);
    if (relation == NULL)
        return;
    ANSWER(analysis, is_local, IS_LOCAL, IsLocal, is_local);
    analysis->response.is_local->has_is_local = true;
    analysis->response.is_local->is_local = relation->node.tag == RELATION_LOCAL;
}

struct files {
    struct arena *arena;
    char **items;
    size_t count, capacity;
};

static enum walk collect_files(const struct node *node, void *context) {
    struct files *files = context;
    if (node->tag == RELATION_SCAN) {
        const struct relation_scan *scan = (const struct relation_scan *)node;
        for (size_t i = 0; i < scan->paths.count && files->count < files->capacity; i++)
            files->items[files->count++] = arena_text(files->arena, scan->paths.items[i]);
    }
    return WALK_CONTINUE;
}

static void answer_input_files(struct analysis *analysis) {
    enum { FILES_MAX = 100000 };
    const struct relation *relation = analyze(analysis, analysis->request->input_files->plan);
    if (relation == NULL)
        return;
    struct files files = {&analysis->arena, ARENA_ARRAY(&analysis->arena, char *, FILES_MAX), 0, FILES_MAX};
    node_walk(&relation->node, collect_files, NULL, &files);
    ANSWER(analysis, input_files, INPUT_FILES, InputFiles, input_files);
    analysis->response.input_files->files = files.items;
    analysis->response.input_files->n_files = files.count;
}

static void answer_same_semantics(struct analysis *analysis) {
    const struct relation *target = analyze(analysis, analysis->request->same_semantics->target_plan);
    const struct relation *other =
        target == NULL ? NULL : analyze(analysis, analysis->request->same_semantics->other_plan);
    if (other == NULL)
        return;
    ANSWER(analysis, same_semantics, SAME_SEMANTICS, SameSemantics, same_semantics);
    analysis->response.same_semantics->has_result = true;
    analysis->response.same_semantics->result = node_equal(&target->node, &other->node);
}

static void answer_semantic_hash(struct analysis *analysis) {
    const struct relation *relation = analyze(analysis, analysis->request->semantic_hash->plan);
    struct buffer text = {0};
    if (relation == NULL)
        return;
    node_print(&relation->node, &text);
    ANSWER(analysis, semantic_hash, SEMANTIC_HASH, SemanticHash, semantic_hash);
    analysis->response.semantic_hash->has_result = true;
    analysis->response.semantic_hash->result = (int32_t)hash_bytes(buffer_view(&text), 0);
    buffer_free(&text);
}

static void answer_ddl_parse(struct analysis *analysis) {
    struct bytes text = bytes_from_text(
        analysis->request->ddl_parse->ddl_string == NULL ? "" : analysis->request->ddl_parse->ddl_string);
    const struct type *type = sql_parse_schema(&analysis->arena, text, &analysis->error);
    if (type == NULL)
        return;
    ANSWER(analysis, ddl_parse, DDL_PARSE, DDLParse, ddlparse);
    analysis->response.ddl_parse->parsed = raise_type(&analysis->arena, type);
}

static void answer_json_to_ddl(struct analysis *analysis) {
    struct bytes text = bytes_from_text(
        analysis->request->json_to_ddl->json_string == NULL ? "" : analysis->request->json_to_ddl->json_string);
    const struct type *type = sql_parse_schema(&analysis->arena, text, &analysis->error);
    struct buffer ddl = {0};
    if (type == NULL)
        return;
    type_format_ddl(type, &ddl);
    ANSWER(analysis, json_to_ddl, JSON_TO_DDL, JsonToDDL, json_to_ddl);
    analysis->response.json_to_ddl->ddl_string = protobuf_string(&analysis->arena, buffer_view(&ddl));
    buffer_free(&ddl);
}

/* cache(), persist(), unpersist(): taken as the hint that they are; plans are computed from their sources each time. */
static void answer_storage(struct analysis *analysis) {
    Connect__StorageLevel *level = PROTOBUF_NEW(&analysis->arena, Connect__StorageLevel, connect__storage_level);
    switch (analysis->request->analyze_case) {
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_PERSIST:
        ANSWER(analysis, persist, PERSIST, Persist, persist);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_UNPERSIST:
        ANSWER(analysis, unpersist, UNPERSIST, Unpersist, unpersist);
        break;
    default:
        level->has_use_disk = level->has_use_memory = level->has_use_off_heap = level->has_deserialized =
            level->has_replication = true;
        level->replication = 1;
        ANSWER(analysis, get_storage_level, GET_STORAGE_LEVEL, GetStorageLevel, get_storage_level);
        analysis->response.get_storage_level->storage_level = level;
    }
}

static void work(void *argument) {
    struct analysis *analysis = argument;
    switch (analysis->request->analyze_case) {
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_SCHEMA:
        answer_schema(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_EXPLAIN:
        answer_explain(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_TREE_STRING:
        answer_tree(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_IS_LOCAL:
        answer_is_local(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_IS_STREAMING:
        answer_is_streaming(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_INPUT_FILES:
        answer_input_files(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_SPARK_VERSION:
        ANSWER(analysis, spark_version, SPARK_VERSION, SparkVersion, spark_version);
        analysis->response.spark_version->version = (char *)CONNECT_SPARK_VERSION;
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_DDL_PARSE:
        answer_ddl_parse(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_SAME_SEMANTICS:
        answer_same_semantics(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_SEMANTIC_HASH:
        answer_semantic_hash(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_PERSIST:
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_UNPERSIST:
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_GET_STORAGE_LEVEL:
        answer_storage(analysis);
        break;
    case CONNECT__ANALYZE_PLAN_REQUEST__ANALYZE_JSON_TO_DDL:
        answer_json_to_ddl(analysis);
        break;
    default:
        raise_unsupported_feature_not_in_this_program(&analysis->error, "This analysis", "");
    }
}

static void done(void *argument) {
    struct analysis *analysis = argument;
    if (!grpc_call_is_over(analysis->call)) {
        analysis->response.session_id = analysis->session->id;
        analysis->response.server_side_session_id = analysis->session->server_side_id;
        if (analysis->error.condition != 0)
            errors_finish(analysis->call, analysis->session, &analysis->error);
        else
            service_answer(analysis->call, &analysis->response.base);
    }
    grpc_call_release(analysis->call);
    session_release(analysis->session);
    arena_destroy(&analysis->arena);
    free(analysis);
}

void analyze_plan(struct grpc_call *call, struct bytes message) {
    struct analysis *analysis = calloc(1, sizeof *analysis);
    ASSERT(analysis != NULL);
    analysis->request =
        (Request *)service_unpack(call, &analysis->arena, &connect__analyze_plan_request__descriptor, message);
    if (analysis->request != NULL)
        analysis->session = service_session(call, REQUEST_HEAD(analysis->request));
    if (analysis->session == NULL) {
        arena_destroy(&analysis->arena);
        free(analysis);
        return;
    }
    connect__analyze_plan_response__init(&analysis->response);
    analysis->error.arena = &analysis->arena;
    analysis->call = grpc_call_retain(call);
    session_run(analysis->session, work, done, analysis);
}
