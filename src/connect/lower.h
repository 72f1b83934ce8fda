/* lower.h: Spark Connect's plan messages to the nodes of sql/plan.h, unresolved. What is not served is refused by name.
 */
#ifndef CONNECT_LOWER_H
#define CONNECT_LOWER_H

#include "plan.pb-c.h"
#include "sql/error.h"
#include "sql/plan.h"

/* What a plan may refer to besides itself. */
struct lower_context {
    struct arena *arena; /* of the nodes */
    struct sql_error *error;
    /* Content of an artifact by name ("cache/<sha256>"); BYTES_NULL when there is none. */
    struct bytes (*artifact)(void *context, const char *name);
    void *context;
    int depth;
    const Connect__WithRelations *references; /* innermost, for subqueries and spark.sql over DataFrames */
};

const struct relation *lower_relation(struct lower_context *context, const Connect__Relation *relation);
const struct expression *lower_expression(struct lower_context *context, const Connect__Expression *expression);
/* A call of a Python function of the program, of a kind that this place takes. */
enum lower_python_place {
    PYTHON_OVER_COLUMNS,
    PYTHON_OVER_ROWS,
    PYTHON_OVER_GROUPS,
    PYTHON_OVER_COGROUPS,
    PYTHON_WITH_STATE
};
const struct expression *lower_python(struct lower_context *context,
    const Connect__CommonInlineUserDefinedFunction *message, enum lower_python_place place);
/* A constant as a literal node. */
const struct expression *lower_literal(struct lower_context *context, const Connect__Expression__Literal *literal);
const struct type *lower_type(struct lower_context *context, const Connect__DataType *type);
/* A type as the client's message, in the arena. */
Connect__DataType *raise_type(struct arena *arena, const struct type *type);

/* Shared by the lowering files. */
bool lower_expressions(
    struct lower_context *context, Connect__Expression *const *items, size_t count, struct expression_list *list);
struct bytes_list lower_names(struct lower_context *context, char *const *items, size_t count);
struct bytes lower_text(struct lower_context *context, const char *text); /* copied; NULL and "" stay */
const struct expression *lower_sort_order(struct lower_context *context, const Connect__Expression__SortOrder *order);
/* Refuses a oneof member that is not served; always NULL. */
void *lower_refuse(struct lower_context *context, const char *what, const ProtobufCMessage *message);
const struct relation *lower_reference(struct lower_context *context, int64_t plan_id);

#endif
