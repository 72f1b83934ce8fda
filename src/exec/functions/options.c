/* options.c: see options.h. */
#include "exec/functions/options.h"

#include "exec/value.h"

struct format_options options_of_call(const struct kernel_call *call, struct arena *arena) {
    for (size_t i = call->argument_count; i > 1; i--) {
        const struct column *map = call->constants[i - 1];
        if (map == NULL || map->type->kind != TYPE_MAP || column_is_null(map, 0)) {
            continue;
        }
        size_t count = (size_t)(map->offsets[1] - map->offsets[0]);
        struct format_option *items = ARENA_ARRAY(arena, struct format_option, count);
        for (size_t j = 0; j < count; j++) {
            size_t at = (size_t)map->offsets[0] + j;
            items[j].name = string_view_bytes(COLUMN_AT(map->children[0], struct string_view, at));
            items[j].value = string_view_bytes(COLUMN_AT(map->children[1], struct string_view, at));
        }
        return (struct format_options){items, count};
    }
    return (struct format_options){0};
}
