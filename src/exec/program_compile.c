/* program_compile.c: expressions to steps. */
#include "exec/program_internal.h"
#include "sql/function.h"

enum { COMPILE_DEPTH_MAX = 1000 };

struct variable {
    uint32_t id, slot;
    struct variable *outer;
};

struct compiler {
    struct program *program;
    struct sql_error *error;
    struct variable *variables; /* of the lambdas around this place */
    int depth;
};

static bool compile(struct compiler *compiler, const struct expression *expression, uint32_t *result);
static struct program *compile_branch(
    struct compiler *compiler, const struct expression *expression, struct variable *variables, size_t slot_count);

static struct program *program_new(struct arena *arena, const struct exec_settings *settings, size_t slot_count) {
    struct program *program = ARENA_NEW(arena, struct program);
    program->arena = arena;
    program->settings = settings;
    program->slot_count = slot_count;
    program->slots_used = ARENA_ARRAY(arena, bool, slot_count);
    program->never_fails = true;
    return program;
}

static struct step *add_step(struct program *program, enum step_kind kind, const struct expression *expression) {
    if (program->step_count == program->step_capacity) {
        size_t capacity = program->step_capacity * 2 + 8;
        struct step *grown = ARENA_ARRAY(program->arena, struct step, capacity);
        if (program->step_count > 0) {
            memcpy(grown, program->steps, program->step_count * sizeof *grown);
        }
        program->steps = grown;
        program->step_capacity = capacity;
    }
    struct step *step = &program->steps[program->step_count++];
    step->kind = kind;
    step->expression = expression;
    step->type = expression->type;
    return step;
}

static uint32_t last_register(const struct program *program) {
    return (uint32_t)(program->step_count - 1);
}

static void compile_slot(
    struct compiler *compiler, const struct expression *expression, uint32_t slot, uint32_t *result) {
    struct program *program = compiler->program;
    ASSERT(slot < program->slot_count);
    for (size_t i = 0; i < program->step_count; i++) {
        if (program->steps[i].kind == STEP_INPUT && program->steps[i].slot == slot) {
            *result = (uint32_t)i;
            return;
        }
    }
    program->slots_used[slot] = true;
    add_step(program, STEP_INPUT, expression)->slot = slot;
    *result = last_register(program);
}

static void compile_constant(
    struct compiler *compiler, const struct expression *expression, const struct column *value, uint32_t *result) {
    struct column *column = ARENA_NEW(compiler->program->arena, struct column);
    *column = *value;
    column->constant = true;
    column->row_count = 1;
    add_step(compiler->program, STEP_CONSTANT, expression)->value = column;
    *result = last_register(compiler->program);
}

/* Runs the call that was just added when all its arguments are constant; what fails is left to the run, where it may
 * have no rows. */
static void fold(struct compiler *compiler) {
    struct program *program = compiler->program;
    struct step *step = &program->steps[program->step_count - 1];
    if (step->call.entry->flags & KERNEL_NOT_FOLDED) {
        return;
    }
    for (size_t i = 0; i < step->argument_count; i++) {
        if (program->steps[step->arguments[i]].kind != STEP_CONSTANT) {
            return;
        }
    }
    struct arena scratch = {0};
    struct sql_error error = {.arena = &scratch};
    struct column **registers = ARENA_ARRAY(&scratch, struct column *, program->step_count);
    for (size_t i = 0; i < step->argument_count; i++) {
        registers[step->arguments[i]] = program->steps[step->arguments[i]].value;
    }
    struct column **arguments = ARENA_ARRAY(&scratch, struct column *, step->argument_count);
    for (size_t i = 0; i < step->argument_count; i++) {
        arguments[i] = registers[step->arguments[i]];
    }
    struct evaluation evaluation = {
        .arena = &scratch, .row_count = 1, .call = &step->call, .settings = program->settings, .error = &error};
    struct column *value = step->call.entry->kernel(&evaluation, arguments);
    if (!evaluation.failed) {
        struct column *copy = column_copy(program->arena, value);
        copy->constant = true;
        copy->row_count = 1;
        step->kind = STEP_CONSTANT;
        step->value = copy;
    }
    arena_destroy(&scratch);
}

static void note_failing(struct compiler *compiler, const struct step *step) {
    if (step->kind == STEP_CALL && !(step->call.entry->flags & KERNEL_NEVER_FAILS)) {
        compiler->program->never_fails = false;
    }
}

static bool unsupported(struct compiler *compiler, const struct expression *expression, const char *name,
    const struct type *const *types, size_t count) {
    struct buffer text = {0};
    buffer_printf(&text, "%s(", name);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&text, i > 0 ? ", " : "");
        type_format_sql(types[i], &text);
    }
    buffer_append_byte(&text, ')');
    raise_unsupported_feature_not_in_this_program(
        compiler->error, arena_text(compiler->error->arena, buffer_view(&text)), "");
    buffer_free(&text);
    return sql_error_at(compiler->error, expression->node.origin);
}

/* Adds a call over registers whose kernel is known. */
static bool add_call(struct compiler *compiler, const struct expression *expression, const struct kernel_call *call,
    const uint32_t *arguments, uint32_t *result) {
    struct program *program = compiler->program;
    struct step *step = add_step(program, STEP_CALL, expression);
    step->call = *call;
    step->argument_count = call->argument_count;
    step->arguments = ARENA_ARRAY(program->arena, uint32_t, call->argument_count);
    for (size_t i = 0; i < call->argument_count; i++) {
        step->arguments[i] = arguments[i];
    }
    if (call->entry->prepare != NULL && !call->entry->prepare(&step->call, program->arena, compiler->error)) {
        return sql_error_at(compiler->error, expression->node.origin);
    }
    fold(compiler);
    note_failing(compiler, &program->steps[program->step_count - 1]);
    *result = last_register(program);
    return true;
}

/* Argument registers of a call, its types and constants. */
static bool compile_arguments(
    struct compiler *compiler, struct expression_list list, struct kernel_call *call, uint32_t **registers) {
    struct arena *arena = compiler->program->arena;
    const struct type **types = ARENA_ARRAY(arena, const struct type *, list.count);
    struct column **constants = ARENA_ARRAY(arena, struct column *, list.count);
    *registers = ARENA_ARRAY(arena, uint32_t, list.count);
    for (size_t i = 0; i < list.count; i++) {
        if (!compile(compiler, list.items[i], &(*registers)[i])) {
            return false;
        }
        const struct step *step = &compiler->program->steps[(*registers)[i]];
        types[i] = list.items[i]->type;
        constants[i] = step->kind == STEP_CONSTANT ? step->value : NULL;
    }
    call->argument_types = types;
    call->argument_count = list.count;
    call->constants = constants;
    return true;
}

/* ---- branches ---- */

static bool compile_branches(
    struct compiler *compiler, struct step *step, const struct expression *const *expressions, size_t count) {
    struct program *program = compiler->program;
    size_t index = (size_t)(step - program->steps);
    struct program **branches = ARENA_ARRAY(program->arena, struct program *, count);
    for (size_t i = 0; i < count; i++) {
        branches[i] = compile_branch(compiler, expressions[i], compiler->variables, program->slot_count);
        if (branches[i] == NULL) {
            return false;
        }
    }
    program->steps[index].branches = branches;
    program->steps[index].branch_count = count;
    return true;
}

static bool compile_and_or(struct compiler *compiler, const struct expression_call *call, uint32_t *result) {
    uint32_t left;
    ASSERT(call->arguments.count == 2);
    if (!compile(compiler, call->arguments.items[0], &left)) {
        return false;
    }
    bool is_and = strcmp(call->function->kernel, "and") == 0;
    struct step *step = add_step(compiler->program, is_and ? STEP_AND : STEP_OR, &call->base);
    step->arguments = ARENA_ARRAY(compiler->program->arena, uint32_t, 1);
    step->arguments[0] = left;
    step->argument_count = 1;
    *result = last_register(compiler->program);
    return compile_branches(compiler, step, &call->arguments.items[1], 1);
}

static bool compile_case(struct compiler *compiler, const struct expression_call *call, uint32_t *result) {
    struct step *step = add_step(compiler->program, STEP_CASE, &call->base);
    *result = last_register(compiler->program);
    return compile_branches(compiler, step, call->arguments.items, call->arguments.count);
}

static bool compile_coalesce(struct compiler *compiler, const struct expression_call *call, uint32_t *result) {
    struct step *step = add_step(compiler->program, STEP_COALESCE, &call->base);
    *result = last_register(compiler->program);
    return compile_branches(compiler, step, call->arguments.items, call->arguments.count);
}

static bool compile_lambda_call(
    struct compiler *compiler, const struct expression_call *call, lambda_function *function, uint32_t *result) {
    struct program *program = compiler->program;
    struct arena *arena = program->arena;
    size_t count = call->arguments.count, plain = 0, branch_count = 0;
    uint32_t *registers = ARENA_ARRAY(arena, uint32_t, count);
    struct program_lambda *lambda = ARENA_NEW(arena, struct program_lambda);
    struct program **branches = ARENA_ARRAY(arena, struct program *, 2);
    for (size_t i = 0; i < count; i++) {
        const struct expression *argument = call->arguments.items[i];
        if (argument->node.tag != EXPRESSION_LAMBDA) {
            if (!compile(compiler, argument, &registers[plain++])) {
                return false;
            }
            continue;
        }
        const struct expression_lambda *node = expression_lambda_of(argument);
        ASSERT(branch_count < 2 && node->parameters.count <= 3);
        struct variable *variables = compiler->variables;
        size_t slots = program->slot_count;
        for (size_t j = 0; j < node->parameters.count; j++) {
            struct variable *variable = ARENA_NEW(arena, struct variable);
            *variable = (struct variable){
                expression_lambda_variable_of(node->parameters.items[j])->id, (uint32_t)slots, variables};
            lambda->slots[branch_count][j] = (uint32_t)slots++;
            variables = variable;
        }
        lambda->variable_counts[branch_count] = node->parameters.count;
        branches[branch_count] = compile_branch(compiler, node->body, variables, slots);
        if (branches[branch_count++] == NULL) {
            return false;
        }
    }
    struct step *step = add_step(program, STEP_LAMBDA, &call->base);
    step->arguments = registers;
    step->argument_count = plain;
    step->branches = branches;
    step->branch_count = branch_count;
    step->lambda = lambda;
    lambda->function = function;
    struct step *copy = ARENA_NEW(arena, struct step); /* the program's own steps may still move */
    *copy = *step;
    lambda->step = copy;
    *result = last_register(program);
    return true;
}

static struct program *compile_branch(
    struct compiler *compiler, const struct expression *expression, struct variable *variables, size_t slot_count) {
    struct program *parent = compiler->program;
    struct compiler inner = {.program = program_new(parent->arena, parent->settings, slot_count),
        .error = compiler->error,
        .variables = variables,
        .depth = compiler->depth};
    uint32_t *output = ARENA_ARRAY(parent->arena, uint32_t, 1);
    if (!compile(&inner, expression, output)) {
        return NULL;
    }
    inner.program->outputs = output;
    inner.program->output_count = 1;
    parent->never_fails = parent->never_fails && inner.program->never_fails;
    for (size_t i = 0; i < parent->slot_count; i++) {
        parent->slots_used[i] = parent->slots_used[i] || inner.program->slots_used[i];
    }
    return inner.program;
}

/* ---- nodes ---- */

static bool compile_call(struct compiler *compiler, const struct expression_call *call, uint32_t *result) {
    const char *kernel = call->function->kernel;
    if (strcmp(kernel, "and") == 0 || strcmp(kernel, "or") == 0) {
        return compile_and_or(compiler, call, result);
    }
    if (strcmp(kernel, "case_when") == 0 || strcmp(kernel, "if") == 0) {
        return compile_case(compiler, call, result);
    }
    if (strcmp(kernel, "coalesce") == 0) {
        return compile_coalesce(compiler, call, result);
    }
    lambda_function *function = lambda_find(kernel);
    for (size_t i = 0; i < call->arguments.count && function != NULL; i++) {
        if (call->arguments.items[i]->node.tag == EXPRESSION_LAMBDA) {
            return compile_lambda_call(compiler, call, function, result);
        }
    }
    struct kernel_call kernel_call = {.result_type = call->base.type,
        .settings = compiler->program->settings,
        .ansi = call->ansi && !call->try,
        .try = call->try,
        .expression = call};
    uint32_t *registers;
    if (!compile_arguments(compiler, call->arguments, &kernel_call, &registers)) {
        return false;
    }
    kernel_call.entry = kernel_find(kernel, kernel_call.argument_types, kernel_call.argument_count);
    if (kernel_call.entry == NULL) {
        return unsupported(
            compiler, &call->base, call->function->name, kernel_call.argument_types, kernel_call.argument_count);
    }
    return add_call(compiler, &call->base, &kernel_call, registers, result);
}

static bool compile_cast(struct compiler *compiler, const struct expression_cast *cast, uint32_t *result) {
    uint32_t child;
    if (!compile(compiler, cast->child, &child)) {
        return false;
    }
    if (type_equal_ignoring_nullability(cast->child->type, cast->base.type)) {
        *result = child;
        return true;
    }
    struct arena *arena = compiler->program->arena;
    const struct type **types = ARENA_ARRAY(arena, const struct type *, 1);
    types[0] = cast->child->type;
    struct kernel_call call = {.result_type = cast->base.type,
        .argument_types = types,
        .argument_count = 1,
        .settings = compiler->program->settings,
        .ansi = cast->mode == CAST_ANSI,
        .try = cast->mode == CAST_TRY};
    if (!cast_prepare(&call, arena, types[0], cast->base.type, cast->mode)) {
        const struct type *both[2] = {types[0], cast->base.type};
        return unsupported(compiler, &cast->base, "CAST", both, 2);
    }
    return add_call(compiler, &cast->base, &call, &child, result);
}

static bool compile_field(struct compiler *compiler, const struct expression_field *field, uint32_t *result) {
    uint32_t child;
    if (!compile(compiler, field->child, &child)) {
        return false;
    }
    struct step *step = add_step(compiler->program, STEP_FIELD, &field->base);
    step->arguments = ARENA_ARRAY(compiler->program->arena, uint32_t, 1);
    step->arguments[0] = child;
    step->argument_count = 1;
    step->slot = (uint32_t)field->ordinal;
    *result = last_register(compiler->program);
    return true;
}

static bool compile_variable(
    struct compiler *compiler, const struct expression_lambda_variable *variable, uint32_t *result) {
    for (const struct variable *known = compiler->variables; known != NULL; known = known->outer) {
        if (known->id == variable->id) {
            compile_slot(compiler, &variable->base, known->slot, result);
            return true;
        }
    }
    return raise_internal_error(compiler->error, "a lambda variable stands outside of its lambda");
}

static enum walk find_volatile(const struct node *node, void *context) {
    if (node->tag == EXPRESSION_CALL &&
        ((const struct expression_call *)node)->function->volatility == VOLATILITY_VOLATILE) {
        return WALK_ABORT;
    }
    return WALK_CONTINUE;
}

static bool is_volatile(const struct expression *expression) {
    return !node_walk(&expression->node, find_volatile, NULL, NULL);
}

/* A register that already holds this expression. */
static bool find_equal(struct compiler *compiler, const struct expression *expression, uint32_t *result) {
    const struct program *program = compiler->program;
    if (expression->node.tag == EXPRESSION_COLUMN || expression->node.tag == EXPRESSION_LITERAL ||
        is_volatile(expression)) {
        return false;
    }
    for (size_t i = 0; i < program->step_count; i++) {
        const struct expression *known = program->steps[i].expression;
        if (known == expression ||
            (known->node.tag == expression->node.tag && type_equal(known->type, expression->type) &&
                node_equal(&known->node, &expression->node))) {
            *result = (uint32_t)i;
            return true;
        }
    }
    return false;
}

static bool compile_node(struct compiler *compiler, const struct expression *expression, uint32_t *result) {
    switch (expression->node.tag) {
    case EXPRESSION_LITERAL:
        compile_constant(compiler, expression, expression_literal_of(expression)->value, result);
        return true;
    case EXPRESSION_COLUMN:
        ASSERT(expression_column_of(expression)->ordinal >= 0);
        compile_slot(compiler, expression, (uint32_t)expression_column_of(expression)->ordinal, result);
        return true;
    case EXPRESSION_CALL:
        return compile_call(compiler, expression_call_of(expression), result);
    case EXPRESSION_CAST:
        return compile_cast(compiler, expression_cast_of(expression), result);
    case EXPRESSION_FIELD:
        return compile_field(compiler, expression_field_of(expression), result);
    case EXPRESSION_ALIAS:
        return compile(compiler, expression_alias_of(expression)->child, result);
    case EXPRESSION_SORT_ORDER:
        return compile(compiler, expression_sort_order_of(expression)->child, result);
    case EXPRESSION_LAMBDA_VARIABLE:
        return compile_variable(compiler, expression_lambda_variable_of(expression), result);
    default:
        return raise_unsupported_feature_not_in_this_program(compiler->error, node_name(&expression->node), "");
    }
}

static bool compile(struct compiler *compiler, const struct expression *expression, uint32_t *result) {
    if (compiler->depth >= COMPILE_DEPTH_MAX) {
        return raise_internal_error(compiler->error, "the expression nests too deep");
    }
    if (find_equal(compiler, expression, result)) {
        return true;
    }
    compiler->depth++;
    bool compiled = compile_node(compiler, expression, result);
    compiler->depth--;
    return compiled;
}

struct program *program_compile(struct arena *arena, const struct exec_settings *settings,
    const struct expression *const *expressions, size_t count, size_t input_count, struct sql_error *error) {
    struct compiler compiler = {.program = program_new(arena, settings, input_count), .error = error};
    uint32_t *outputs = ARENA_ARRAY(arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        if (!compile(&compiler, expressions[i], &outputs[i])) {
            return NULL;
        }
    }
    compiler.program->outputs = outputs;
    compiler.program->output_count = count;
    return compiler.program;
}

bool program_evaluate_constant(struct arena *arena, const struct exec_settings *settings,
    const struct expression *expression, const struct column **value, struct sql_error *error) {
    struct arena scratch = {0};
    struct program *program = program_compile(&scratch, settings, &expression, 1, 0, error);
    struct frame frame = {.arena = &scratch, .settings = settings, .error = error, .row_count = 1};
    struct column *result = NULL;
    bool done = program != NULL && program_run(program, &frame, &result);
    if (done) {
        struct column *copy = column_copy(arena, result);
        copy->constant = true;
        copy->row_count = 1;
        *value = copy;
    }
    arena_destroy(&scratch);
    return done;
}
