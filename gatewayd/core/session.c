#include "gatewayd/core/session.h"

#include "engine/base/assert.h"
#include "engine/base/hash.h"
#include "gatewayd/core/limits.h"

_Static_assert(GW_SESSION_SLAB == 1024 && GW_SESSION_SLABS_MAX == 1024, "gw_session_at() knows these sizes");

enum { PONG_BLOCK = 128 }; /* a size byte and RFC 6455's 125 */

void gw_session_table_init(struct gw_sessions *sessions, const struct gw_memory *memory,
                           uint32_t capacity_max, uint64_t seed)
{
    const uint32_t most = GW_SESSION_SLAB * GW_SESSION_SLABS_MAX;
    *sessions = (struct gw_sessions){.memory = *memory,
                                     .capacity_max = capacity_max < most ? capacity_max : most,
                                     .free_first = GW_SESSION_NONE,
                                     .generation_first = (uint32_t)nx_hash_u64(~seed, most)};
    gw_index_init(&sessions->users, memory, seed, most);
    uint32_t size = GW_RING_SIZE_MIN;
    for (int i = 0; i < 4; i++, size *= GW_RING_GROWTH) {
        gw_slab_init(&sessions->rings[i], memory, size * (uint32_t)sizeof(uint32_t),
                     (size > 4096 ? 1 : 16384 / size));
    }
    gw_slab_init(&sessions->pongs, memory, PONG_BLOCK, 64);
}

static struct gw_slab *ring_slab(struct gw_sessions *sessions, uint32_t ring_mask)
{
    int class = 0;
    for (uint32_t size = GW_RING_SIZE_MIN; size <= ring_mask; size *= GW_RING_GROWTH) {
        class ++;
    }
    return &sessions->rings[class];
}

static void refs_drop(struct gw_sessions *sessions, struct gw_session *session)
{
    if (session->refs_room > GW_SESSION_REFS_INLINE) {
        gw_memory_give(&sessions->memory, session->refs, session->refs_room * sizeof(*session->refs));
    }
    gw_memory_give(&sessions->memory, session->channels, session->channels_room * sizeof(*session->channels));
    session->channels = NULL;
    session->channels_room = 0;
    session->channels_count = 0;
    session->refs = session->refs_inline;
    session->refs_room = GW_SESSION_REFS_INLINE;
    session->refs_count = 0;
}

void gw_session_table_fini(struct gw_sessions *sessions)
{
    for (uint32_t i = 0; i < sessions->slabs_count; i++) {
        for (uint32_t k = 0; k < GW_SESSION_SLAB; k++) {
            struct gw_session *session = &sessions->slabs[i][k];
            if (session->state != GW_SESSION_FREE) {
                refs_drop(sessions, session);
                gw_session_burst_close(sessions, session);
            }
        }
        gw_memory_give(&sessions->memory, sessions->slabs[i], GW_SESSION_SLAB * sizeof(struct gw_session));
    }
    gw_index_fini(&sessions->users);
    for (int i = 0; i < 4; i++) {
        gw_slab_fini(&sessions->rings[i]);
    }
    gw_slab_fini(&sessions->pongs);
    *sessions = (struct gw_sessions){.free_first = GW_SESSION_NONE};
}

static bool grow(struct gw_sessions *sessions)
{
    if (sessions->slabs_count == GW_SESSION_SLABS_MAX || sessions->count >= sessions->capacity_max) {
        return false;
    }
    struct gw_session *slab = gw_memory_take(&sessions->memory, GW_SESSION_SLAB * sizeof(*slab));
    if (slab == NULL) {
        return false;
    }
    const uint32_t first = sessions->slabs_count * GW_SESSION_SLAB;
    sessions->slabs[sessions->slabs_count++] = slab;
    for (uint32_t i = GW_SESSION_SLAB; i-- > 0;) {
        slab[i].index = first + i;
        slab[i].generation = sessions->generation_first;
        slab[i].next_of_user = sessions->free_first;
        sessions->free_first = first + i;
    }
    return true;
}

struct gw_session *gw_session_take(struct gw_sessions *sessions)
{
    if (sessions->count >= sessions->capacity_max ||
        (sessions->free_first == GW_SESSION_NONE && !grow(sessions))) {
        return NULL;
    }
    struct gw_session *session = gw_session_at(sessions, sessions->free_first);
    sessions->free_first = session->next_of_user;
    const uint32_t generation = session->generation + 1 != 0 ? session->generation + 1 : 1;
    *session = (struct gw_session){.index = session->index,
                                   .generation = generation,
                                   .next_dirty = session->next_dirty,
                                   .flags = session->flags & GW_SESSION_LISTED,
                                   .next_urgent = session->next_urgent,
                                   .unsent_limit = GW_UNSENT_SIZE_MAX,
                                   .next_of_user = GW_SESSION_NONE,
                                   .conn = GW_SESSION_NONE,
                                   .head = 1,
                                   .sent = 1,
                                   .tail = 1,
                                   .refs_room = GW_SESSION_REFS_INLINE,
                                   .state = GW_SESSION_HELLO};
    session->refs = session->refs_inline;
    sessions->count++;
    sessions->counts[GW_SESSION_HELLO]++;
    return session;
}

void gw_session_give(struct gw_sessions *sessions, struct gw_session *session)
{
    NX_ASSERT(session->state != GW_SESSION_FREE && session->refs_count == 0);
    NX_ASSERT(!nx_wheel_is_set(&session->timer));
    gw_session_user_remove(sessions, session);
    refs_drop(sessions, session);
    gw_session_burst_close(sessions, session);
    gw_slab_give(&sessions->pongs, session->pong);
    if (session->ring != NULL) {
        gw_slab_give(ring_slab(sessions, session->ring_mask), session->ring);
    }
    session->ring = NULL;
    session->pong = NULL;
    sessions->counts[session->state]--;
    sessions->count--;
    session->state = GW_SESSION_FREE;
    session->conn = GW_SESSION_NONE;
    session->flags &= GW_SESSION_LISTED;
    session->next_of_user = sessions->free_first;
    sessions->free_first = session->index;
}

struct gw_session *gw_session_find(const struct gw_sessions *sessions, uint64_t handle)
{
    const nx_handle name = nx_handle_unpack(handle);
    if (name.index >= sessions->slabs_count * GW_SESSION_SLAB) {
        return NULL;
    }
    struct gw_session *session = gw_session_at(sessions, name.index);
    return session->state != GW_SESSION_FREE && session->generation == name.generation ? session : NULL;
}

uint64_t gw_session_handle(const struct gw_session *session)
{
    return nx_handle_pack((nx_handle){.index = session->index, .generation = session->generation});
}

void gw_session_state_set(struct gw_sessions *sessions, struct gw_session *session,
                          enum gw_session_state state)
{
    sessions->counts[session->state]--;
    sessions->counts[state]++;
    session->state = (uint8_t)state;
}

enum nx_err gw_session_user_add(struct gw_sessions *sessions, struct gw_session *session)
{
    uint32_t first = GW_SESSION_NONE;
    (void)gw_index_get(&sessions->users, session->user_id, &first);
    const enum nx_err err = gw_index_put(&sessions->users, session->user_id, session->index);
    if (err != NX_OK) {
        return NX_E_NO_MEMORY;
    }
    session->next_of_user = first;
    return NX_OK;
}

void gw_session_user_remove(struct gw_sessions *sessions, struct gw_session *session)
{
    uint32_t at;
    if (!gw_index_get(&sessions->users, session->user_id, &at)) {
        return;
    }
    if (at == session->index) {
        if (session->next_of_user == GW_SESSION_NONE) {
            gw_index_remove(&sessions->users, session->user_id);
        } else {
            const enum nx_err err = gw_index_put(&sessions->users, session->user_id, session->next_of_user);
            NX_ASSERT(err == NX_OK); /* The key is there, so no room is needed. */
        }
    } else {
        while (at != GW_SESSION_NONE) {
            struct gw_session *before = gw_session_at(sessions, at);
            if (before->next_of_user == session->index) {
                before->next_of_user = session->next_of_user;
                break;
            }
            at = before->next_of_user;
        }
    }
    session->next_of_user = GW_SESSION_NONE;
}

struct gw_session *gw_session_user_first(const struct gw_sessions *sessions, uint64_t user_id)
{
    uint32_t at;
    return gw_index_get(&sessions->users, user_id, &at) ? gw_session_at(sessions, at) : NULL;
}

struct gw_session *gw_session_user_next(const struct gw_sessions *sessions, const struct gw_session *session)
{
    return session->next_of_user == GW_SESSION_NONE ? NULL : gw_session_at(sessions, session->next_of_user);
}

enum nx_err gw_session_ring_open(struct gw_sessions *sessions, struct gw_session *session, uint32_t next_s)
{
    if (session->ring == NULL) {
        session->ring = gw_slab_take(&sessions->rings[0]);
        if (session->ring == NULL) {
            return NX_E_NO_MEMORY;
        }
        session->ring_mask = GW_RING_SIZE_MIN - 1;
    }
    session->head = next_s;
    session->sent = next_s;
    session->tail = next_s;
    session->unsent_size = 0;
    return NX_OK;
}

static bool ring_grow(struct gw_sessions *sessions, struct gw_session *session)
{
    const uint32_t size = session->ring_mask + 1;
    if (size >= GW_RING_SIZE_MAX) {
        return false;
    }
    const uint32_t mask = size * GW_RING_GROWTH - 1;
    uint32_t *ring = gw_slab_take(ring_slab(sessions, mask));
    if (ring == NULL) {
        return false;
    }
    for (uint32_t s = session->tail; s != session->head; s++) {
        ring[s & mask] = session->ring[s & session->ring_mask];
    }
    gw_slab_give(ring_slab(sessions, session->ring_mask), session->ring);
    session->ring = ring;
    session->ring_mask = mask;
    return true;
}

bool gw_session_ring_room(struct gw_sessions *sessions, struct gw_session *session)
{
    if (session->ring == NULL) {
        return false;
    }
    if (session->ring_mask + 1 < GW_REPLAY_MIN && ring_grow(sessions, session)) {
        return true;
    }
    if (session->tail != session->sent) {
        session->tail++;
        return true;
    }
    const bool is_read = session->state != GW_SESSION_DETACHED && (session->flags & GW_SESSION_DOOMED) == 0;
    if (is_read && session->ring_mask + 1 >= GW_UNSENT_MAX) {
        return false;
    }
    if (ring_grow(sessions, session)) {
        return true;
    }
    if (is_read) {
        return false;
    }
    /* Nobody reads: what is oldest is lost, and a resume from before it will be told so. */
    if (session->cut == GW_CUT_FRAME) {
        session->cut = GW_CUT_NONE;
        session->flags |= session->conn != GW_SESSION_NONE ? GW_SESSION_ABORT : 0;
    }
    session->tail++;
    session->sent++;
    return true;
}

enum nx_err gw_session_ref_add(struct gw_sessions *sessions, struct gw_session *session, uint32_t guild,
                               uint32_t member)
{
    if (session->refs_count >= GW_SESSION_GUILDS_MAX) {
        return NX_E_FULL;
    }
    if (session->refs_count == session->refs_room) {
        const uint16_t room = (uint16_t)(session->refs_room * 2);
        struct gw_ref *refs = gw_memory_take(&sessions->memory, room * sizeof(*refs));
        if (refs == NULL) {
            return NX_E_NO_MEMORY;
        }
        memcpy(refs, session->refs, session->refs_count * sizeof(*refs));
        if (session->refs_room > GW_SESSION_REFS_INLINE) {
            gw_memory_give(&sessions->memory, session->refs, session->refs_room * sizeof(*refs));
        }
        session->refs = refs;
        session->refs_room = room;
    }
    session->refs[session->refs_count++] = (struct gw_ref){.guild = guild, .member = member};
    return NX_OK;
}

struct gw_ref *gw_session_ref(struct gw_session *session, uint32_t guild)
{
    for (uint32_t i = 0; i < session->refs_count; i++) {
        if (session->refs[i].guild == guild) {
            return &session->refs[i];
        }
    }
    return NULL;
}

void gw_session_ref_remove(struct gw_session *session, uint32_t guild)
{
    struct gw_ref *ref = gw_session_ref(session, guild);
    if (ref != NULL) {
        *ref = session->refs[--session->refs_count];
    }
}

enum nx_err gw_session_channel_add(struct gw_sessions *sessions, struct gw_session *session, uint32_t channel)
{
    if (session->channels_count == session->channels_room) {
        if (session->channels_room >= UINT16_MAX / 2) {
            return NX_E_FULL;
        }
        const uint16_t room = session->channels_room == 0 ? 8 : (uint16_t)(session->channels_room * 2);
        uint32_t *channels = gw_memory_take(&sessions->memory, room * sizeof(*channels));
        if (channels == NULL) {
            return NX_E_NO_MEMORY;
        }
        if (session->channels != NULL) {
            memcpy(channels, session->channels, session->channels_count * sizeof(*channels));
            gw_memory_give(&sessions->memory, session->channels, session->channels_room * sizeof(*channels));
        }
        session->channels = channels;
        session->channels_room = room;
    }
    session->channels[session->channels_count++] = channel;
    return NX_OK;
}

void gw_session_channel_remove(struct gw_session *session, uint32_t channel)
{
    for (uint32_t i = 0; i < session->channels_count; i++) {
        if (session->channels[i] == channel) {
            session->channels[i] = session->channels[--session->channels_count];
            return;
        }
    }
}

bool gw_session_channel_has(const struct gw_session *session, uint32_t channel)
{
    for (uint32_t i = 0; i < session->channels_count; i++) {
        if (session->channels[i] == channel) {
            return true;
        }
    }
    return false;
}

enum nx_err gw_session_burst_open(struct gw_sessions *sessions, struct gw_session *session, uint32_t first_s)
{
    if (session->burst == NULL) {
        session->burst = gw_memory_take(&sessions->memory, sizeof(*session->burst));
        if (session->burst == NULL) {
            return NX_E_NO_MEMORY;
        }
    }
    session->burst->first_s = first_s;
    session->burst->commit_s = first_s; /* A write may be under way that knows nothing of it. */
    return NX_OK;
}

enum nx_err gw_session_burst_add(struct gw_sessions *sessions, struct gw_session *session,
                                 const struct nx_bytes *parts, uint32_t parts_count)
{
    struct gw_burst *burst = session->burst;
    size_t size = 0;
    for (uint32_t i = 0; i < parts_count; i++) {
        size += parts[i].size;
    }
    if (size > GW_BURST_SIZE_MAX || burst->size + size + sizeof(uint32_t) > GW_BURST_SIZE_MAX) {
        return NX_E_FULL;
    }
    const size_t need = burst->size + sizeof(uint32_t) + size;
    if (need > burst->room) {
        size_t room = burst->room == 0 ? 2048 : burst->room * 2;
        room = room < need ? (need + 2047) / 2048 * 2048 : room;
        uint8_t *bytes = gw_memory_take(&sessions->memory, room);
        if (bytes == NULL) {
            return NX_E_NO_MEMORY;
        }
        if (burst->size != 0) {
            memcpy(bytes, burst->bytes, burst->size);
        }
        gw_memory_give(&sessions->memory, burst->bytes, burst->room);
        burst->bytes = bytes;
        burst->room = room;
    }
    const uint32_t field = (uint32_t)size;
    memcpy(burst->bytes + burst->size, &field, sizeof(field));
    burst->size += sizeof(field);
    for (uint32_t i = 0; i < parts_count; i++) {
        if (parts[i].size != 0) {
            memcpy(burst->bytes + burst->size, parts[i].at, parts[i].size);
            burst->size += parts[i].size;
        }
    }
    return NX_OK;
}

void gw_session_burst_free(struct gw_sessions *sessions, struct gw_burst *burst)
{
    gw_memory_give(&sessions->memory, burst->bytes, burst->room);
    gw_memory_give(&sessions->memory, burst, sizeof(*burst));
}

void gw_session_burst_close(struct gw_sessions *sessions, struct gw_session *session)
{
    if (session->burst != NULL) {
        gw_session_burst_free(sessions, session->burst);
        session->burst = NULL;
    }
}

uint64_t gw_session_bytes(const struct gw_sessions *sessions)
{
    uint64_t bytes = (uint64_t)sessions->slabs_count * GW_SESSION_SLAB * sizeof(struct gw_session);
    for (int i = 0; i < 4; i++) {
        bytes += gw_slab_bytes(&sessions->rings[i]);
    }
    return bytes + gw_slab_bytes(&sessions->pongs) + sessions->users.block_size;
}
