/* page.h: a request for a page: its data is gathered as a JSON object, wherever that must happen, and then sent as JSON
 * or drawn as HTML on the web loop. */
#ifndef CONSOLE_PAGE_H
#define CONSOLE_PAGE_H

#include <jansson.h>
#include "console/assets.h"
#include "console/console.h"
#include "console/rows.h"

struct kafka_changes;

struct console {
    struct console_options options;
    struct http_server *servers[CONSOLE_PAGE_COUNT];
    struct http_route *routes[CONSOLE_PAGE_COUNT];
    size_t route_counts[CONSOLE_PAGE_COUNT];
    struct kafka_changes *changes; /* NULL without Kafka */
    struct http_server *spark_ui; /* NULL when its port was taken */
    struct http_route *spark_ui_route;
};

struct page {
    struct http_request *request;
    struct console *console;
    json_t *data;                                        /* object; filled in by gather */
    void (*draw)(struct page *page, struct buffer *out); /* NULL: the answer is the JSON itself */
    void (*gather)(struct page *page);                   /* of page_gather_on… */
    const char *text;                                    /* a parameter of the page, e.g. a path; owned */
    struct rows_request rows;                            /* of lists: what the handler read */
    int status;                                          /* 200 until someone says otherwise */
    enum language language;       /* of the plain HTML: ?lang=, else Accept-Language, else English */
    char *root;                   /* relative address of the page's top: "./", "../" …; owned */
    void *state;                  /* of the page's own code */
    void (*release)(void *state); /* frees it when the answer went out; NULL: nothing to free */
};

/* Made in a handler. */
struct page *page_create(
    struct http_request *request, struct console *console, void (*draw)(struct page *page, struct buffer *out));
/* Draws and answers; frees the page. Web loop. */
void page_finish(struct page *page);
/* Frees a page whose request is answered by other means. */
void page_discard(struct page *page);
/* Makes the answer {"message": …} with the status that fits the error; page_finish sends it. */
void page_fail(struct page *page, const struct error *error);
/* page_finish on the web loop, from any thread. */
void page_post_finish(struct page *page);
/* The same for the end of something asked for; the argument is the page. With an error, that is the answer. */
void page_post_done(void *argument, const struct error *error);
/* Runs gather on the disk pool / the spark loop, then finishes. */
void page_gather_on_disk_pool(struct page *page, void (*gather)(struct page *page));
void page_gather_on_spark_loop(struct page *page, void (*gather)(struct page *page));

/* ---- drawing ---- */

/* Everything up to <main> and the headline; what follows until page_end is the plain HTML, which the script of this
 * kind of page (web/), if there is one, takes over. Addresses in it are relative to page->root. */
void page_begin(
    const struct page *page, struct buffer *out, enum console_page kind, const char *title, const char *headline);
void page_end(struct buffer *out);
/* A text of web/words in the page's language: "common.search" is the key search of common.json. */
const char *page_word(const struct page *page, const char *name);
/* A list line "<li><strong>name:</strong> value</li>" with printf. */
void page_fact(struct buffer *out, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* <h2 id=…>headline</h2><table><thead> of the names up to NULL. */
void page_table_begin(struct buffer *out, const char *headline, ...) __attribute__((sentinel));
void page_table_end(struct buffer *out);
/* Cells: text is escaped; a link's href too. */
void page_cell(struct buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_number_cell(struct buffer *out, int64_t number);
void page_link_cell(struct buffer *out, const char *href, const char *text);
/* "3.8 KB" */
void page_format_size(int64_t size, char out[32]);
/* "2 min 5 s" */
void page_format_duration(int64_t duration_ms, char out[32]);
const char *page_text(const json_t *object, const char *name); /* "" when absent */
int64_t page_number(const json_t *object, const char *name);

/* ---- the four servers' routes ---- */
extern const struct http_route kafka_routes[], master_routes[], worker_routes[], namenode_routes[];
extern const struct http_route spark_ui_route;
extern const size_t kafka_route_count, master_route_count, worker_route_count, namenode_route_count;
/* On each of them: /metrics and /assets/{name}. Context: the console. */
void page_metrics(struct http_request *request, void *context);
void page_asset(struct http_request *request, void *context);
bool page_has_asset(const char *name);
#define PAGE_COMMON_ROUTES                                                                                             \
    {"GET", "/metrics", page_metrics, NULL, HTTP_BODY_BUFFERED, 0}, {                                                  \
        "GET", "/assets/{name}", page_asset, NULL, HTTP_BODY_BUFFERED, 0                                               \
    }

#endif
