/* Properties: all views lie inside the file and in order; lines rise; texts decode to valid UTF-8 no longer than they
 * are written; a value that needs no escape parses the same outside a file; reading stops at an error for good. */
#include "engine/base/conf.h"
#include "engine/base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* The variable's name is its own inverse but for case and dashes. */
static void check_name(struct nx_bytes section, struct nx_bytes key)
{
    uint8_t room[6 + 2 * (NX_CONF_NAME_SIZE_MAX + 1)];
    struct nx_writer out = nx_writer_init(room, sizeof(room));
    nx_conf_env_name(section, key, &out);
    expect(nx_writer_ok(&out) && out.size == 6 + (section.size != 0 ? section.size + 1 : 0) + key.size);
    for (size_t i = 0; i < out.size; i++) {
        const uint8_t c = room[i];
        expect((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
    }
}

static void check_entry(const struct nx_conf_entry *entry, const uint8_t *from, const uint8_t *end)
{
    expect(entry->key.size > 0 && entry->key.at >= from && entry->key.at + entry->key.size < end);
    check_name(entry->section, entry->key);
    if (entry->value.kind != NX_CONF_KIND_TEXT) {
        expect(entry->value.text.size == 0);
        expect(entry->value.kind != NX_CONF_KIND_BOOL || entry->value.integer >> 1 == 0);
        return;
    }
    const struct nx_bytes text = entry->value.text;
    expect(text.at > entry->key.at && text.at + text.size < end && text.size <= NX_CONF_VALUE_SIZE_MAX);
    uint8_t room[NX_CONF_VALUE_SIZE_MAX];
    struct nx_writer out = nx_writer_init(room, text.size);
    nx_conf_text(&entry->value, &out);
    expect(nx_writer_ok(&out) && nx_text_is_utf8(nx_writer_bytes(&out)));
    struct nx_conf_value value;
    if (entry->value.is_plain) {
        expect(nx_bytes_equal(nx_writer_bytes(&out), text));
        expect(nx_conf_parse(text, NX_CONF_KIND_TEXT, &value) == NX_OK && nx_bytes_equal(value.text, text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_conf conf;
    struct nx_conf_entry entry;
    uint32_t line = 0;
    const uint8_t *from = bytes;
    nx_conf_init(&conf, nx_bytes_of(bytes, size));
    while (nx_conf_next(&conf, &entry)) {
        expect(nx_conf_ok(&conf) && entry.line > line && entry.line == conf.line);
        check_entry(&entry, from, bytes + size);
        from = entry.key.at + entry.key.size;
        line = entry.line;
    }
    expect(nx_conf_ok(&conf) == (conf.rest.size == 0 && conf.why == NULL));
    expect(!nx_conf_next(&conf, &entry));
    for (enum nx_conf_kind kind = NX_CONF_KIND_TEXT; kind <= NX_CONF_KIND_BOOL; kind++) {
        struct nx_conf_value value;
        if (nx_conf_parse(nx_bytes_of(bytes, size), kind, &value) == NX_OK) {
            expect(value.kind == kind && (kind != NX_CONF_KIND_SIZE || value.integer >= 0));
        }
    }
    return 0;
}
