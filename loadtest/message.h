/* message.h - a message as REST answers it, as far as a history needs it.
 *
 * Spec:    Message of api/openapi.yaml
 * Layer:   loadtest
 * Threads: any; values
 * Limits:  none of its own
 */
#ifndef LOAD_MESSAGE_H
#define LOAD_MESSAGE_H

#include "engine/wire/json.h"

/** One message; a tombstone has no author and no content. */
struct load_message {
    uint64_t id;
    uint64_t author;
    uint32_t seq;
    bool is_deleted;
    bool is_edited;
    struct nx_bytes content; /**< borrowed */
};

/** Reads a message object; `scratch` takes a content with escapes. Returns NX_OK; NX_E_MALFORMED. */
NX_MUST_USE enum nx_err load_message_read(struct nx_json object, struct nx_writer *scratch,
                                          struct load_message *out);

#endif
