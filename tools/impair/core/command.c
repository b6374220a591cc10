#include "tools/impair/core/command.h"

#include "tools/impair/core/limits.h"

enum { BOTH_DIRECTIONS = 1 << IMPAIR_SETTING_UP | 1 << IMPAIR_SETTING_DOWN };

/* The words of a line and which is next. */
struct words {
    struct nx_bytes at[IMPAIR_WORDS_MAX];
    size_t count;
    size_t next;
};

static const char *split(struct nx_bytes line, struct words *words)
{
    size_t start = 0;
    *words = (struct words){0};
    if (line.size > IMPAIR_LINE_SIZE_MAX) {
        return "the line is too long";
    }
    for (size_t i = 0; i <= line.size; i++) {
        const uint8_t c = i < line.size ? line.at[i] : ' ';
        const bool is_comment = c == '#' && i == start;
        if (c == ' ' || c == '\t' || c == '\r' || is_comment) {
            if (i > start) {
                if (words->count == IMPAIR_WORDS_MAX) {
                    return "there are too many words";
                }
                words->at[words->count++] = nx_bytes_slice(line, start, i - start);
            }
            start = i + 1;
            if (is_comment) {
                break;
            }
        } else if (c < ' ' || c > '~') {
            return "a character is not printable";
        }
    }
    return NULL;
}

static bool take_word(struct words *words, const char *text)
{
    if (words->next < words->count && nx_bytes_is(words->at[words->next], text)) {
        words->next++;
        return true;
    }
    return false;
}

/* Takes "name=N". NULL when all is well or it is another word. */
static const char *take_number(struct words *words, const char *name, uint32_t *out)
{
    const struct nx_bytes word = words->at[words->next];
    const size_t size = strlen(name);
    uint64_t value;
    if (word.size <= size || memcmp(word.at, name, size) != 0) {
        return NULL;
    }
    const struct nx_bytes digits = nx_bytes_slice(word, size, SIZE_MAX);
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9') {
            return "a route or flow is a number";
        }
    }
    if (impair_setting_size(digits, &value) != NX_OK || value >= IMPAIR_COMMAND_ALL) {
        return "a route or flow is a number";
    }
    *out = (uint32_t)value;
    words->next++;
    return NULL;
}

static const char *parse_scope(struct words *words, struct impair_command *c)
{
    unsigned protocols = 0;
    unsigned directions = 0;
    while (words->next < words->count) {
        const size_t before = words->next;
        if (take_word(words, "udp")) {
            protocols |= IMPAIR_SETTING_UDP;
        } else if (take_word(words, "tcp")) {
            protocols |= IMPAIR_SETTING_TCP;
        } else if (take_word(words, "up")) {
            directions |= 1U << IMPAIR_SETTING_UP;
        } else if (take_word(words, "down")) {
            directions |= 1U << IMPAIR_SETTING_DOWN;
        } else {
            const char *why = take_number(words, "route=", &c->route);
            if (why == NULL && words->next == before) {
                why = take_number(words, "flow=", &c->flow);
            }
            if (why != NULL) {
                return why;
            }
        }
        if (words->next == before) {
            break;
        }
    }
    c->protocols = protocols != 0 ? protocols : IMPAIR_SETTING_BOTH;
    c->directions = directions != 0 ? directions : BOTH_DIRECTIONS;
    if (c->flow != IMPAIR_COMMAND_ALL && c->verb != IMPAIR_COMMAND_REBIND &&
        c->verb != IMPAIR_COMMAND_RESET) {
        return "only rebind and reset can be for one flow";
    }
    if (directions != 0 && (c->verb == IMPAIR_COMMAND_REBIND || c->verb == IMPAIR_COMMAND_RESET)) {
        return "rebind and reset have no direction";
    }
    return NULL;
}

static const char *parse_set(struct words *words, struct impair_command *c)
{
    impair_setting_init(&c->setting);
    if (words->next == words->count) {
        return "set needs key=value";
    }
    for (; words->next < words->count; words->next++) {
        switch (impair_setting_parse(words->at[words->next], c->protocols, &c->setting, &c->mask)) {
        case NX_OK:
            break;
        case NX_E_NOT_FOUND:
            return "there is no such key";
        case NX_E_UNSUPPORTED:
            return "the key has no meaning for this protocol";
        default:
            return "the value is not one of this key";
        }
    }
    return NULL;
}

static const char *parse_blackout(struct words *words, struct impair_command *c)
{
    if (take_word(words, "off")) {
        return NULL;
    }
    if (words->next == words->count ||
        impair_setting_duration(words->at[words->next], &c->duration_ns) != NX_OK || c->duration_ns == 0) {
        return "blackout needs a duration or off";
    }
    words->next++;
    return NULL;
}

static const char *parse_time(struct words *words, struct impair_command *c)
{
    const struct nx_bytes word = words->at[words->next];
    if (word.at[0] < '0' || word.at[0] > '9') {
        return NULL;
    }
    if (impair_setting_duration(word, &c->at_ns) != NX_OK) {
        return "the time is not a duration";
    }
    c->has_time = true;
    words->next++;
    if (take_word(words, "every")) {
        if (words->next == words->count ||
            impair_setting_duration(words->at[words->next], &c->every_ns) != NX_OK ||
            c->every_ns < IMPAIR_EVERY_NS_MIN) {
            return "every needs a duration of at least 1ms";
        }
        words->next++;
    }
    return words->next < words->count ? NULL : "a command is missing";
}

static const char *parse_verb(struct words *words, struct impair_command *c)
{
    static const struct {
        const char *name;
        enum impair_command_verb verb;
    } verbs[] = {{"set", IMPAIR_COMMAND_SET},           {"clear", IMPAIR_COMMAND_CLEAR},
                 {"blackout", IMPAIR_COMMAND_BLACKOUT}, {"rebind", IMPAIR_COMMAND_REBIND},
                 {"reset", IMPAIR_COMMAND_RESET},       {"stats", IMPAIR_COMMAND_STATS},
                 {"quit", IMPAIR_COMMAND_QUIT}};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (take_word(words, verbs[i].name)) {
            c->verb = verbs[i].verb;
            return NULL;
        }
    }
    return "there is no such command";
}

enum nx_err impair_command_parse(struct nx_bytes line, struct impair_command *out, const char **why)
{
    struct words words;
    struct impair_command c = {.protocols = IMPAIR_SETTING_BOTH,
                               .directions = BOTH_DIRECTIONS,
                               .route = IMPAIR_COMMAND_ALL,
                               .flow = IMPAIR_COMMAND_ALL};
    const char *wrong = split(line, &words);
    if (wrong == NULL && words.count > 0) {
        wrong = parse_time(&words, &c);
        wrong = wrong != NULL ? wrong : parse_verb(&words, &c);
        if (wrong == NULL && c.verb != IMPAIR_COMMAND_STATS && c.verb != IMPAIR_COMMAND_QUIT) {
            wrong = parse_scope(&words, &c);
        }
        if (wrong == NULL && c.verb == IMPAIR_COMMAND_SET) {
            wrong = parse_set(&words, &c);
        }
        if (wrong == NULL && c.verb == IMPAIR_COMMAND_BLACKOUT) {
            wrong = parse_blackout(&words, &c);
        }
        if (wrong == NULL && words.next < words.count) {
            wrong = "there are words too many";
        }
    }
    if (wrong != NULL) {
        *why = wrong;
        return NX_E_MALFORMED;
    }
    *out = c;
    return NX_OK;
}

bool impair_command_matches(const struct impair_command *command, enum impair_setting_protocol protocol,
                            uint32_t route, enum impair_setting_direction direction)
{
    return (command->protocols & protocol) != 0 && (command->directions >> direction & 1) != 0 &&
           (command->route == IMPAIR_COMMAND_ALL || command->route == route);
}

void impair_command_apply(const struct impair_command *command, struct impair_setting *setting, nx_time now)
{
    if (command->verb == IMPAIR_COMMAND_SET) {
        impair_setting_merge(setting, &command->setting, command->mask);
    } else if (command->verb == IMPAIR_COMMAND_CLEAR) {
        impair_setting_init(setting);
    } else if (command->verb == IMPAIR_COMMAND_BLACKOUT) {
        setting->dark_from = now;
        setting->dark_until = nx_time_add_ns(now, command->duration_ns);
    }
}

void impair_command_script_init(struct impair_command_script *script, struct nx_bytes text)
{
    *script = (struct impair_command_script){.rest = text};
    if (text.size > IMPAIR_SCRIPT_SIZE_MAX) {
        script->why = "the script is too large";
    }
}

bool impair_command_script_next(struct impair_command_script *script, struct impair_command *out)
{
    while (script->why == NULL && script->rest.size > 0) {
        const uint8_t *feed = memchr(script->rest.at, '\n', script->rest.size);
        const size_t size = feed != NULL ? (size_t)(feed - script->rest.at) : script->rest.size;
        const struct nx_bytes line = nx_bytes_slice(script->rest, 0, size);
        struct impair_command command;
        script->rest = nx_bytes_slice(script->rest, size + 1, SIZE_MAX);
        script->line++;
        if (impair_command_parse(line, &command, &script->why) != NX_OK) {
            return false;
        }
        if (command.verb != IMPAIR_COMMAND_NOTHING) {
            *out = command;
            return true;
        }
    }
    return false;
}
