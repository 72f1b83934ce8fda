/* program.c: runs programs. See program.h; program_compile.c makes them. */
#include "exec/program_internal.h"

size_t program_output_count(const struct program *program) {
    return program->output_count;
}

const struct type *program_output_type(const struct program *program, size_t index) {
    return program->steps[program->outputs[index]].type;
}

bool program_never_fails(const struct program *program) {
    return program->never_fails;
}

static struct column *run_call(const struct step *step, const struct frame *frame, struct column *const *registers) {
    struct column *few[8], **arguments = few;
    if (step->argument_count > ARRAY_COUNT(few)) {
        arguments = ARENA_ARRAY(frame->arena, struct column *, step->argument_count);
    }
    bool constant = (step->call.entry->flags & KERNEL_NOT_FOLDED) == 0;
    for (size_t i = 0; i < step->argument_count; i++) {
        arguments[i] = registers[step->arguments[i]];
        constant = constant && arguments[i]->constant;
    }
    struct evaluation evaluation = {
        .arena = frame->arena,
        .row_count = constant ? 1 : frame->row_count,
        .call = &step->call,
        .settings = frame->settings,
        .error = frame->error,
        .partition = frame->partition,
        .first_row = frame->first_row,
    };
    struct column *result = step->call.entry->kernel(&evaluation, arguments);
    if (evaluation.failed) {
        if (step->expression != NULL) {
            sql_error_at(frame->error, step->expression->node.origin);
        }
        return NULL;
    }
    if (constant && !result->constant) {
        ASSERT(result->row_count == 1);
        result->constant = true;
    }
    ASSERT(result->constant || result->row_count == frame->row_count);
    return result;
}

/* A null struct's fields are null whatever the child holds. */
static struct column *run_field(const struct step *step, const struct frame *frame, struct column *const *registers) {
    const struct column *parent = registers[step->arguments[0]];
    struct column *child = ARENA_NEW(frame->arena, struct column);
    *child = *parent->children[step->slot];
    child->constant = child->constant || parent->constant;
    if (parent->validity == NULL || child->type->kind == TYPE_NULL) {
        return child;
    }
    size_t size = (parent->row_count + 7) / 8;
    uint8_t *bits = ARENA_ARRAY(frame->arena, uint8_t, bitmap_size(parent->row_count));
    memcpy(bits, parent->validity, size);
    for (size_t i = 0; i < size && child->validity != NULL; i++) {
        bits[i] &= child->validity[i];
    }
    child->validity = bits;
    return child;
}

static struct column *run_lambda(const struct step *step, const struct frame *frame, struct column *const *registers) {
    struct column **arguments = ARENA_ARRAY(frame->arena, struct column *, step->argument_count);
    for (size_t i = 0; i < step->argument_count; i++) {
        arguments[i] = column_flatten(frame->arena, registers[step->arguments[i]], frame->row_count);
    }
    return step->lambda->function(step->lambda, frame, arguments);
}

static struct column *run_step(const struct step *step, const struct frame *frame, struct column *const *registers) {
    switch (step->kind) {
    case STEP_INPUT:
        return frame->inputs[step->slot];
    case STEP_CONSTANT:
        return step->value;
    case STEP_CALL:
        return run_call(step, frame, registers);
    case STEP_FIELD:
        return run_field(step, frame, registers);
    case STEP_AND:
    case STEP_OR:
        return branch_and_or(step, frame, registers[step->arguments[0]]);
    case STEP_CASE:
        return branch_case(step, frame);
    case STEP_COALESCE:
        return branch_coalesce(step, frame);
    case STEP_LAMBDA:
        return run_lambda(step, frame, registers);
    }
    UNREACHABLE();
}

bool program_run(const struct program *program, const struct frame *frame, struct column **outputs) {
    struct column *few[32], **registers = few;
    if (program->step_count > ARRAY_COUNT(few)) {
        registers = ARENA_ARRAY(frame->arena, struct column *, program->step_count);
    }
    for (size_t i = 0; i < program->step_count; i++) {
        registers[i] = run_step(&program->steps[i], frame, registers);
        if (registers[i] == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < program->output_count; i++) {
        outputs[i] = registers[program->outputs[i]];
    }
    return true;
}

struct column *program_run_lambda(const struct program *program, const struct frame *frame, const uint32_t *indexes,
    size_t count, struct column *const *variables, const uint32_t *slots, size_t variable_count) {
    struct frame inner = *frame;
    struct column **inputs = ARENA_ARRAY(frame->arena, struct column *, program->slot_count);
    for (size_t i = 0; i < variable_count; i++) {
        inputs[slots[i]] = variables[i];
    }
    for (size_t i = 0; i < program->slot_count; i++) {
        if (program->slots_used[i] && inputs[i] == NULL) {
            inputs[i] =
                indexes == NULL ? frame->inputs[i] : column_take(frame->arena, frame->inputs[i], indexes, count);
        }
    }
    inner.inputs = inputs;
    inner.row_count = count;
    struct column *result;
    return program_run(program, &inner, &result) ? result : NULL;
}

struct column *program_run_rows(
    const struct program *program, const struct frame *frame, const uint32_t *indexes, size_t count) {
    if (indexes == NULL) {
        struct column *result;
        return program_run(program, frame, &result) ? result : NULL;
    }
    return program_run_lambda(program, frame, indexes, count, NULL, NULL, 0);
}

size_t program_select(const struct column *condition, size_t row_count, uint32_t *indexes) {
    const uint8_t *values = condition->values;
    size_t count = 0;
    if (condition->constant) {
        if (column_is_null(condition, 0) || condition->type->kind == TYPE_NULL || values[0] == 0) {
            return 0;
        }
        for (size_t i = 0; i < row_count; i++) {
            indexes[i] = (uint32_t)i;
        }
        return row_count;
    }
    if (condition->validity == NULL) {
        for (size_t i = 0; i < row_count; i++) {
            indexes[count] = (uint32_t)i;
            count += values[i];
        }
        return count;
    }
    for (size_t i = 0; i < row_count; i++) {
        indexes[count] = (uint32_t)i;
        count += (size_t)(values[i] & bit_get(condition->validity, i));
    }
    return count;
}
