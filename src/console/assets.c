/* assets.c: the files of web/ as answers: compressed as they are kept, unpacked for a client that takes no gzip, and
 * 304 when the client has them. */
#include "console/assets.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/assert.h"
#include "console/page.h"

static int compare_words(const void *name, const void *word) {
    return strcmp(name, ((const struct asset_word *)word)->name);
}

const char *page_word(const struct page *page, const char *name) {
    const struct asset_word *word = bsearch(name, asset_words, asset_word_count, sizeof *asset_words, compare_words);
    ASSERT(word != NULL);
    return word->texts[page->language];
}

static const struct asset *find_asset(struct bytes name) {
    for (size_t i = 0; i < asset_count; i++)
        if (bytes_equal_text(name, assets[i].name))
            return &assets[i];
    return NULL;
}

bool page_has_asset(const char *name) {
    return find_asset(bytes_from_text(name)) != NULL;
}

/* Whether a header that lists things, such as "gzip, deflate;q=0.5", has this one. */
static bool header_lists(struct bytes header, const char *wanted) {
    for (size_t at = 0; at < header.size;) {
        size_t comma = bytes_find(header, ',', at), end = comma == SIZE_MAX ? header.size : comma;
        struct bytes item = bytes_slice(header, at, end - at);
        size_t semicolon = bytes_find(item, ';', 0);
        item = bytes_trim(bytes_slice(item, 0, semicolon == SIZE_MAX ? item.size : semicolon));
        if (bytes_starts_with(item, "W/"))
            item = bytes_slice(item, 2, item.size - 2);
        if (bytes_equal_text(item, wanted) || bytes_equal_text(item, "*"))
            return true;
        at = end + 1;
    }
    return false;
}

static void unpack(const struct asset *asset, struct buffer *out) {
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)asset->packed, .avail_in = (uInt)asset->packed_size};
    ASSERT(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);
    stream.next_out = buffer_extend(out, asset->size);
    stream.avail_out = (uInt)asset->size;
    int status = inflate(&stream, Z_FINISH);
    ASSERT(status == Z_STREAM_END && stream.total_out == asset->size);
    inflateEnd(&stream);
}

void page_asset(struct http_request *request, void *context) {
    const struct asset *asset = find_asset(http_parameter(request, "name"));
    if (asset == NULL) {
        http_respond_text(request, 404, "There is no such file.");
        return;
    }
    http_add_header(request, "ETag", asset->etag);
    http_add_header(request, "Cache-Control", "no-cache");
    http_add_header(request, "Vary", "Accept-Encoding");
    if (header_lists(http_header(request, "If-None-Match"), asset->etag)) {
        http_respond(request, 304, NULL, BYTES(""));
        return;
    }
    struct buffer body = {0};
    if (header_lists(http_header(request, "Accept-Encoding"), "gzip")) {
        http_add_header(request, "Content-Encoding", "gzip");
        buffer_append(&body, asset->packed, asset->packed_size);
    } else {
        unpack(asset, &body);
    }
    http_respond_buffer(request, 200, asset->content_type, &body);
}
