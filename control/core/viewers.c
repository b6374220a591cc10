#include "control/core/viewers.h"

#include "control/core/event.h"
#include "control/core/guild.h"
#include "engine/base/assert.h"

enum { WORDS_MAX = PERM_BITMAP_WORDS(PERM_ROLESETS_PER_GUILD_MAX) };

struct ctl_viewers ctl_viewers_of(struct ctl_guild *guild, const struct ctl_member *member)
{
    struct ctl_viewers views = {.bits = {0}};
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        if (ctl_guild_may_view(member, guild->channels[i])) {
            views.bits[i / 64] |= UINT64_C(1) << (i % 64);
        }
    }
    return views;
}

static void tell_channel(struct ctl_world *world, const struct ctl_user *user,
                         const struct ctl_channel *channel, bool appears)
{
    struct nx_writer w = ctl_event_scratch(world);
    struct nx_json_out out = ctl_event_begin(&w, appears ? "CHANNEL_CREATE" : "CHANNEL_DELETE");
    ctl_object_channel(&out, channel);
    ctl_event_send_user(world, user, &w, &out, CTL_INTENT_GUILDS);
}

void ctl_viewers_tell(struct ctl_world *world, const struct ctl_member *member,
                      const struct ctl_viewers *before)
{
    struct ctl_guild *guild = member->guild;
    if (member->user->sessions == NULL) {
        return;
    }
    const struct ctl_viewers after = ctl_viewers_of(guild, member);
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        const bool could = (before->bits[i / 64] >> (i % 64) & 1) != 0;
        const bool can = (after.bits[i / 64] >> (i % 64) & 1) != 0;
        if (could != can) {
            tell_channel(world, member->user, guild->channels[i], can);
        }
    }
}

void ctl_viewers_refresh(struct ctl_world *world, struct ctl_guild *guild)
{
    for (uint32_t i = 0; i < guild->channels_count && guild->links != 0; i++) {
        (void)ctl_guild_view_refresh(&world->memory, guild->channels[i]);
    }
}

static void keep_words(const struct ctl_channel *channel, uint64_t words[WORDS_MAX])
{
    NX_ASSERT(channel->view_words_count <= WORDS_MAX);
    memset(words, 0, WORDS_MAX * sizeof(*words));
    if (channel->view_words_count != 0) {
        memcpy(words, channel->view_words, channel->view_words_count * sizeof(*words));
    }
}

/* Somebody whose role set id may not be the same after a change as before it. */
struct named {
    struct ctl_member *member;
    bool could; /* view the channel */
};

static bool is_named(const struct named *named, uint32_t named_count, const struct ctl_member *member)
{
    uint32_t at = 0;
    while (at < named_count && named[at].member != member) {
        at++;
    }
    return at < named_count;
}

/* Tells a channel that appears or vanishes to those for whom it does. `old_words` is the bitmap before the change: it tells
 * of everybody but the `named`. */
static void tell_viewers(struct ctl_world *world, struct ctl_channel *channel, uint64_t old_words[WORDS_MAX],
                         const struct named *named, uint32_t named_count)
{
    const struct ctl_guild *guild = channel->guild;
    uint64_t new_words[WORDS_MAX];
    keep_words(channel, new_words);
    const bool is_same = memcmp(old_words, new_words, sizeof(new_words)) == 0;
    const struct perm_bitmap before = {.words = old_words, .words_count = WORDS_MAX};
    const struct perm_bitmap after = {.words = new_words, .words_count = WORDS_MAX};
    if (guild->links == 0) {
        return;
    }
    for (uint32_t i = 0; i < guild->members.count && !is_same; i++) {
        const struct ctl_member *member = guild->members.entries[i].item;
        const bool can = perm_bitmap_get(&after, member->roleset);
        if (perm_bitmap_get(&before, member->roleset) != can && member->user->sessions != NULL &&
            !is_named(named, named_count, member)) {
            tell_channel(world, member->user, channel, can);
        }
    }
    for (uint32_t i = 0; i < named_count; i++) {
        const struct ctl_member *member = named[i].member;
        const bool can = perm_bitmap_get(&after, member->roleset);
        if (named[i].could != can && member->user->sessions != NULL) {
            tell_channel(world, member->user, channel, can);
        }
    }
}

/* After a change that left every member's role set id alone: new bitmap to the links, channels that appear or vanish to
 * those for whom they do. */
static void channel_changed(struct ctl_world *world, struct ctl_channel *channel)
{
    uint64_t old_words[WORDS_MAX];
    if (channel->guild->links == 0 || channel->view_is_fresh) {
        return;
    }
    keep_words(channel, old_words);
    ctl_event_channel_state(world, channel);
    tell_viewers(world, channel, old_words, NULL, 0);
}

void ctl_viewers_roles_changed(struct ctl_world *world, struct ctl_guild *guild)
{
    for (uint32_t i = 0; i < guild->channels_count; i++) {
        channel_changed(world, guild->channels[i]);
    }
}

void ctl_viewers_tell_roleset(struct ctl_world *world, const struct ctl_member *member)
{
    struct ctl_guild *guild = member->guild;
    if (guild->links == 0) {
        return;
    }
    if (perm_roleset_get(&guild->rolesets, member->roleset)->holders == 1) {
        ctl_event_roleset_view(world, guild, member->roleset);
    }
    const struct nx_bus_member_roleset message = {
        .guild_id = guild->id, .user_id = member->user->id, .roleset = member->roleset};
    for (uint64_t links = ctl_session_registry_links(member->user); links != 0; links &= links - 1) {
        world->sink.member_roleset(world->sink.context, (uint32_t)__builtin_ctzll(links), &message);
    }
}

/* Whom an overwrite names has a role set of their own: it may come or go with the overwrite. */
static uint32_t add_named(struct named *named, uint32_t count, struct ctl_channel *channel, uint64_t user_id)
{
    struct ctl_member *member = ctl_guild_member(channel->guild, user_id);
    if (member == NULL || is_named(named, count, member)) {
        return count;
    }
    named[count] = (struct named){.member = member, .could = ctl_guild_may_view(member, channel)};
    return count + 1;
}

enum nx_err ctl_viewers_set_overwrites(struct ctl_world *world, struct ctl_channel *channel,
                                       const struct ctl_overwrite_set *set, bool is_new)
{
    struct named named[2 * PERM_OVERWRITES_PER_CHANNEL_MAX];
    uint32_t count = 0;
    ctl_viewers_refresh(world, channel->guild);
    for (uint32_t i = 0; i < channel->overwrites_count; i++) {
        if (channel->overwrites[i].target == PERM_TARGET_MEMBER) {
            count = add_named(named, count, channel, channel->overwrites[i].target_id);
        }
    }
    for (uint32_t i = 0; i < set->rows_count; i++) {
        if (set->rows[i].type != 0) {
            count = add_named(named, count, channel, set->rows[i].target_id);
        }
    }
    uint64_t old_words[WORDS_MAX];
    keep_words(channel, old_words);
    const enum nx_err err = ctl_directory_set_overwrites(&world->directory, channel, set);
    if (err != NX_OK) {
        return err;
    }
    ctl_event_channel_state(world, channel);
    for (uint32_t i = 0; i < count; i++) {
        ctl_viewers_tell_roleset(world, named[i].member);
    }
    if (!is_new) {
        tell_viewers(world, channel, old_words, named, count);
    }
    return NX_OK;
}
