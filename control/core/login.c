#include "control/core/login.h"

#include "engine/base/assert.h"

enum nx_err ctl_login_init(struct ctl_login *login, const struct ctl_memory *memory, uint64_t seed)
{
    *login = (struct ctl_login){.revoked = NULL};
    login->alive_memory = ctl_memory_take(memory, nx_map_size_needed(CTL_LOGINS_MAX));
    login->revoked = ctl_memory_take(memory, CTL_REVOKED_MAX * sizeof(*login->revoked));
    if (login->alive_memory == NULL || login->revoked == NULL) {
        ctl_login_fini(login, memory);
        return NX_E_NO_MEMORY;
    }
    nx_map_init(&login->alive, login->alive_memory, CTL_LOGINS_MAX, seed);
    return NX_OK;
}

void ctl_login_fini(struct ctl_login *login, const struct ctl_memory *memory)
{
    ctl_memory_give(memory, login->alive_memory, nx_map_size_needed(CTL_LOGINS_MAX));
    ctl_memory_give(memory, login->revoked, CTL_REVOKED_MAX * sizeof(*login->revoked));
    *login = (struct ctl_login){.revoked = NULL};
}

bool ctl_login_is_alive(const struct ctl_login *login, uint64_t sid)
{
    return nx_map_get(&login->alive, sid, NULL);
}

void ctl_login_note(struct ctl_login *login, uint64_t sid)
{
    if (nx_map_put(&login->alive, sid, 1) == NX_E_FULL) {
        /* Forgetting is safe: what is not remembered is asked for. */
        nx_map_clear(&login->alive);
        const enum nx_err err = nx_map_put(&login->alive, sid, 1);
        NX_ASSERT(err == NX_OK);
    }
}

void ctl_login_revoke(struct ctl_login *login, uint64_t user_id, uint64_t sid, uint64_t up_to,
                      int64_t wall_ms)
{
    login->epoch++;
    if (sid == 0) {
        nx_map_clear(&login->alive);
    } else {
        nx_map_remove(&login->alive, sid);
    }
    login->revoked[login->revoked_next] = (struct ctl_login_revoked){
        .user_id = user_id, .sid = sid, .up_to = up_to, .until_ms = wall_ms + CTL_ACCESS_TOKEN_S * 1000LL};
    login->revoked_next = (login->revoked_next + 1) % CTL_REVOKED_MAX;
    login->revoked_count += login->revoked_count < CTL_REVOKED_MAX;
}

bool ctl_login_revoked_next(const struct ctl_login *login, int64_t wall_ms, uint32_t *cursor,
                            struct ctl_login_revoked *out)
{
    while (*cursor < login->revoked_count) {
        const struct ctl_login_revoked *one = &login->revoked[(*cursor)++];
        if (one->until_ms > wall_ms) {
            *out = *one;
            return true;
        }
    }
    return false;
}
