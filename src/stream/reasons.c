/* reasons.c: the reasons of stream.h as sentences, from schema/reasons.def. */
#include "base/assert.h"
#include "stream/stream.h"

static const struct {
    const char *name, *sentence[2];
} table[] = {
#define REASON(kind, name, english, spanish) [STREAM_REASON_##kind] = {name, {english, spanish}},
#include "reasons.def"
#undef REASON
};

const char *stream_reason_name(enum stream_reason_kind kind) {
    return table[kind].name;
}

void stream_reason_format(const struct stream_reason *reason, bool spanish, struct buffer *out) {
    const char *at = table[reason->kind].sentence[spanish], *bar = strchr(at, '|'), *end = at + strlen(at);
    if (bar != NULL) {
        at = reason->count == 1 ? at : bar + 1;
        end = reason->count == 1 ? bar : end;
    }
    bool left_out = false;
    for (; at < end; at++) {
        if (*at == '[' || *at == ']') {
            left_out = *at == '[' && reason->other[0] == 0;
        } else if (!left_out && *at == '{' && end - at > 2 && at[2] == '}') {
            if (at[1] == 'n') {
                buffer_printf(out, "%lld", (long long)reason->count);
            } else {
                const char *text = at[1] == 's' ? reason->subject : at[1] == 'o' ? reason->other : reason->third;
                buffer_append_text(out, text == NULL ? "" : text);
            }
            at += 2;
        } else if (!left_out) {
            buffer_append_byte(out, (uint8_t)*at);
        }
    }
}
