/* assets.h: what tools/web.py made of web/: scripts, styles and pictures, gzip-compressed, and the words of the pages
 * in both languages, for the plain HTML. Constant; any thread. */
#ifndef CONSOLE_ASSETS_H
#define CONSOLE_ASSETS_H

#include <stddef.h>

enum language { LANGUAGE_ENGLISH, LANGUAGE_SPANISH, LANGUAGE_COUNT };

struct asset {
    const char *name;
    const char *content_type;
    const char *etag; /* with its quotes */
    const unsigned char *packed;
    size_t packed_size, size;
};
struct asset_word {
    const char *name; /* "kafka.topics": table and key */
    const char *texts[LANGUAGE_COUNT];
};

/* What stands in each page itself: its style, what fetches its script after the first picture (each with its source as
 * a Content-Security-Policy names it), and the icon as SVG. */
extern const char asset_style[], asset_style_source[], asset_begin[], asset_begin_source[], asset_icon[];

extern const struct asset assets[];
extern const size_t asset_count;
extern const struct asset_word asset_words[]; /* by name */
extern const size_t asset_word_count;

#endif
