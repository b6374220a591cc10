#include "control/api/etag.h"

#include "control/api/error.h"
#include "engine/base/hash.h"
#include "engine/base/text.h"

enum { TAG_SIZE = 18 }; /* sixteen digits in quotes */

static uint64_t add(uint64_t hash, uint64_t value)
{
    return nx_hash_u64(hash, value);
}

static uint64_t add_text(uint64_t hash, struct nx_bytes text)
{
    static const uint8_t key[16] = "nexus.etag";
    return add(add(hash, text.size), text.size == 0 ? 0 : nx_hash_sip(key, text.at, text.size));
}

uint64_t api_etag_guild(const struct ctl_guild *guild)
{
    uint64_t hash =
        add_text(add_text(add(add(0, guild->id), guild->owner_id), guild->name), guild->description);
    for (uint32_t i = 0; i < guild->roles_count; i++) {
        const struct ctl_role *role = &guild->roles[i];
        const struct perm_role *perm = &guild->perm_roles[i];
        hash = add_text(add(add(add(hash, role->id), role->color), role->flags), role->name);
        hash = add(add(hash, perm->permissions), (uint64_t)perm->position);
    }
    return hash;
}

uint64_t api_etag_channel(const struct ctl_channel *channel)
{
    uint64_t hash =
        add_text(add_text(add(add(0, channel->id), channel->type), channel->name), channel->topic);
    hash = add(add(add(hash, channel->position), channel->parent_id), channel->slowmode_s);
    hash = add(add(add(hash, channel->bitrate_bps), channel->user_limit), channel->flags);
    uint64_t overwrites = 0; /* their order means nothing */
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        const struct perm_overwrite *one = &channel->overwrites[i];
        overwrites ^= add(add(add(add(1, one->target_id), one->target), one->allow), one->deny);
    }
    return add(hash, overwrites);
}

static struct nx_bytes write_tag(uint64_t tag, uint8_t text[TAG_SIZE])
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(tag >> (56 - 8 * i));
    }
    struct nx_writer w = nx_writer_init(text, TAG_SIZE);
    nx_writer_u8(&w, '"');
    nx_text_hex_encode(nx_bytes_of(bytes, sizeof(bytes)), &w);
    nx_writer_u8(&w, '"');
    return nx_writer_bytes(&w);
}

/* Whether a list of tags, or *, names the tag. Ours have no comma in them, so what is between commas is a tag. */
static bool names(struct nx_bytes list, struct nx_bytes tag)
{
    for (size_t at = 0; at < list.size;) {
        size_t end = at;
        while (end < list.size && list.at[end] != ',') {
            end++;
        }
        const struct nx_bytes one = nx_text_trim(nx_bytes_slice(list, at, end - at));
        if (nx_bytes_is(one, "*") || nx_bytes_equal(one, tag)) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

bool api_etag_matches(struct api_request *r, uint64_t tag)
{
    uint8_t text[TAG_SIZE];
    if (r->headers.if_match.size == 0 || names(r->headers.if_match, write_tag(tag, text))) {
        return true;
    }
    (void)api_error(r, API_ERROR_CHANGED);
    return false;
}

enum api_next api_etag_answer(struct api_request *r, uint64_t tag, enum api_next next)
{
    uint8_t text[TAG_SIZE];
    if (next != API_DONE || r->response.status != 200) {
        return next;
    }
    const struct nx_bytes written = write_tag(tag, text);
    api_request_header(r, "ETag", written);
    if (r->method == NX_BUS_GET && r->headers.if_none_match.size != 0 &&
        names(r->headers.if_none_match, written)) {
        (void)api_request_empty(r);
        r->response.status = 304;
    }
    return next;
}
