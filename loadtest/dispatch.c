#include "loadtest/dispatch.h"

#include <string.h>

bool load_dispatch_number(struct nx_bytes text, const char *key, size_t *hint, uint64_t *out)
{
    const size_t size = strlen(key);
    if (text.at == NULL) {
        return false;
    }
    const uint8_t *at = *hint + size <= text.size ? text.at + *hint : NULL;
    uint64_t value = 0;
    if (at == NULL || memcmp(at, key, size) != 0) {
        at = memmem(text.at, text.size, key, size);
    }
    if (at == NULL) {
        return false;
    }
    *hint = (size_t)(at - text.at);
    const uint8_t *const end = text.at + text.size;
    const uint8_t *digit = at + size;
    for (; digit != end && *digit >= '0' && *digit <= '9'; digit++) {
        value = value * 10 + (uint64_t)(*digit - '0');
    }
    if (digit == at + size) {
        return false;
    }
    *out = value;
    return true;
}

struct load_history_record load_dispatch_message(struct load_dispatch_hints *hints,
                                                 enum load_history_kind kind, struct nx_bytes text)
{
    struct load_history_record record = {.kind = (uint8_t)kind};
    uint64_t seq = 0;
    (void)load_dispatch_number(text, "\"id\":\"", &hints->id, &record.id);
    (void)load_dispatch_number(text, "\"channel_id\":\"", &hints->channel, &record.channel);
    (void)load_dispatch_number(text, "\"seq\":", &hints->seq, &seq);
    record.seq = (uint32_t)seq;
    return record;
}

uint64_t load_dispatch_content_hash(struct nx_bytes text, size_t at)
{
    const uint8_t *quote = memchr(text.at + at, '"', text.size - at);
    return load_history_hash(
        nx_bytes_of(text.at + at, quote != NULL ? (size_t)(quote - text.at) - at : text.size - at));
}
