#include "nexus/settings.h"

#include "engine/base/addr.h"
#include "engine/base/conf.h"
#include "engine/io/file.h"
#include "engine/io/mem.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* The table behind the struct: where each setting lives and how it is read. */
static const struct row {
    const char *section;
    const char *key;
    const char *option;
    const char *fallback;
    const char *help;
    size_t offset;
    enum nx_conf_kind kind;
} ROWS[] = {
#define NX_SETTING(section, key, kind, option, fallback, help)                                               \
    {#section,           #key, option, fallback, help, offsetof(struct nexus_settings, section##_##key),     \
     NX_CONF_KIND_##kind},
#include "nexus/settings.def"
#undef NX_SETTING
};
enum { ROWS_COUNT = sizeof(ROWS) / sizeof(ROWS[0]) };

static struct nexus_setting *setting_of(struct nexus_settings *settings, const struct row *row)
{
    return (struct nexus_setting *)((char *)settings + row->offset);
}

/* Texts arrive decoded; numbers keep their written form beside the value, for messages. */
static enum nx_err set(struct nexus_settings *settings, const struct row *row, struct nx_bytes text,
                       enum nexus_setting_origin origin)
{
    struct nexus_setting *setting = setting_of(settings, row);
    struct nx_conf_value value = {.integer = 0};
    if (text.size >= NEXUS_SETTING_TEXT_MAX || (text.size != 0 && memchr(text.at, 0, text.size) != NULL)) {
        return NX_E_MALFORMED;
    }
    const enum nx_err err = nx_conf_parse(text, row->kind, &value);
    if (err != NX_OK) {
        return err;
    }
    if (text.size != 0) {
        memcpy(setting->text, text.at, text.size);
    }
    setting->text[text.size] = '\0';
    setting->number = value.integer;
    setting->origin = origin;
    return NX_OK;
}

void nexus_settings_init(struct nexus_settings *settings)
{
    memset(settings, 0, sizeof(*settings));
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        if (set(settings, &ROWS[i], nx_bytes_text(ROWS[i].fallback), NEXUS_SETTING_DEFAULT) != NX_OK) {
            abort(); /* a default in settings.def that is not of its own kind */
        }
    }
}

static const struct row *row_find(struct nx_bytes section, struct nx_bytes key)
{
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        if (nx_bytes_is(section, ROWS[i].section) && nx_bytes_is(key, ROWS[i].key)) {
            return &ROWS[i];
        }
    }
    return NULL;
}

static const char *kind_text(enum nx_conf_kind kind)
{
    switch (kind) {
    case NX_CONF_KIND_TEXT:
        return "a text in quotes";
    case NX_CONF_KIND_INTEGER:
        return "a whole number";
    case NX_CONF_KIND_SIZE:
        return "a size such as 16MiB";
    case NX_CONF_KIND_DURATION:
        return "a duration such as 30s";
    case NX_CONF_KIND_BOOL:
        return "true or false";
    }
    return "something else";
}

/* One entry of the file. An integer may stand for a size or duration only with its unit, except 0. */
static enum nx_err entry_apply(struct nexus_settings *settings, const char *path,
                               const struct nx_conf_entry *entry, char *why)
{
    const struct row *row = row_find(entry->section, entry->key);
    if (row == NULL) {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s:%u: there is no setting %.*s in [%.*s]", path, entry->line,
                 (int)entry->key.size, (const char *)entry->key.at, (int)entry->section.size,
                 entry->section.size != 0 ? (const char *)entry->section.at : "");
        return NX_E_MALFORMED;
    }
    const uint32_t first = setting_of(settings, row)->line;
    if (first != 0) {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s:%u: %s in [%s] is set twice, first in line %u", path,
                 entry->line, row->key, row->section, first);
        return NX_E_MALFORMED;
    }
    if (entry->value.kind != row->kind) {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s:%u: %s must be %s", path, entry->line, row->key,
                 kind_text(row->kind));
        return NX_E_MALFORMED;
    }
    struct nexus_setting *setting = setting_of(settings, row);
    setting->line = entry->line;
    if (row->kind != NX_CONF_KIND_TEXT) {
        setting->number = entry->value.integer;
        setting->origin = NEXUS_SETTING_FILE;
        return NX_OK;
    }
    char text[NEXUS_SETTING_TEXT_MAX];
    struct nx_writer w = nx_writer_init(text, sizeof(text) - 1);
    nx_conf_text(&entry->value, &w);
    if (!nx_writer_ok(&w) || set(settings, row, nx_writer_bytes(&w), NEXUS_SETTING_FILE) != NX_OK) {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s:%u: %s is too long", path, entry->line, row->key);
        return NX_E_MALFORMED;
    }
    return NX_OK;
}

enum nx_err nexus_settings_file(struct nexus_settings *settings, const char *path,
                                char why[NEXUS_SETTINGS_WHY_SIZE])
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum nx_err err = nx_file_read(path, NX_CONF_SIZE_MAX, &bytes, &size);
    if (err != NX_OK) {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s: %s", path, nx_err_text(err));
        return err;
    }
    struct nx_conf conf;
    struct nx_conf_entry entry;
    nx_conf_init(&conf, nx_bytes_of(bytes, size));
    while (err == NX_OK && nx_conf_next(&conf, &entry)) {
        err = entry_apply(settings, path, &entry, why);
    }
    if (err == NX_OK && !nx_conf_ok(&conf)) {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s:%u: %s", path, conf.line, conf.why);
        err = NX_E_MALFORMED;
    }
    nx_mem_give(bytes);
    return err;
}

enum nx_err nexus_settings_environment(struct nexus_settings *settings, char why[NEXUS_SETTINGS_WHY_SIZE])
{
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        char name[128];
        struct nx_writer w = nx_writer_init(name, sizeof(name) - 1);
        nx_conf_env_name(nx_bytes_text(ROWS[i].section), nx_bytes_text(ROWS[i].key), &w);
        name[w.size] = '\0';
        const char *value = getenv(name);
        if (value != NULL &&
            set(settings, &ROWS[i], nx_bytes_text(value), NEXUS_SETTING_ENVIRONMENT) != NX_OK) {
            snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s must be %s", name, kind_text(ROWS[i].kind));
            return NX_E_MALFORMED;
        }
    }
    return NX_OK;
}

enum nx_err nexus_settings_option(struct nexus_settings *settings, const char *option, const char *value,
                                  char why[NEXUS_SETTINGS_WHY_SIZE])
{
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        if (ROWS[i].option[0] == '\0' || strcmp(ROWS[i].option, option) != 0) {
            continue;
        }
        if (set(settings, &ROWS[i], nx_bytes_text(value), NEXUS_SETTING_OPTION) != NX_OK) {
            snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "--%s must be %s", option, kind_text(ROWS[i].kind));
            return NX_E_MALFORMED;
        }
        return NX_OK;
    }
    snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "there is no option --%s", option);
    return NX_E_NOT_FOUND;
}

static bool addr_ok(const char *text)
{
    struct nx_addr addr;
    return nx_addr_parse(nx_bytes_text(text), &addr) == NX_OK;
}

/* What is wrong and with which setting; NULL when all is well. */
static const char *find_wrong(const struct nexus_settings *s, const struct nexus_setting **which)
{
    struct nx_addr listen;
    *which = &s->server_listen;
    if (nx_addr_parse(nx_bytes_text(s->server_listen.text), &listen) != NX_OK) {
        return "listen must be ADDRESS:PORT, such as 0.0.0.0:8080 or [::]:8080";
    }
    *which = &s->server_admin;
    if (s->server_admin.text[0] != '\0' && !addr_ok(s->server_admin.text)) {
        return "admin must be ADDRESS:PORT, such as 127.0.0.1:9090, or empty for none";
    }
    *which = s->tls_cert.text[0] == '\0' ? &s->tls_key : &s->tls_cert;
    if ((s->tls_cert.text[0] == '\0') != (s->tls_key.text[0] == '\0')) {
        return "tls cert and key are needed together";
    }
    const struct {
        const struct nexus_setting *setting;
        int64_t min, max;
        const char *wrong;
    } ranges[] = {
        {&s->server_node, 0, 1023, "node must be 0..1023"},
        {&s->server_shards, 0, 256, "shards must be 0..256"},
        {&s->media_port, 1, 65000, "media port must be 1..65000"},
        {&s->limits_event_log, 1 << 20, (int64_t)4 << 30, "event_log must be 1MiB..4GiB"},
        {&s->database_commit_window, 0, 2000000, "commit_window must be 0..2ms"},
        {&s->limits_sessions, 1, INT64_MAX, "sessions must be at least 1"},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        *which = ranges[i].setting;
        if (ranges[i].setting->number < ranges[i].min || ranges[i].setting->number > ranges[i].max) {
            return ranges[i].wrong;
        }
    }
    *which = &s->limits_rate_limits;
    return s->limits_rate_limits.number == 0 && !nx_addr_is_loopback(&listen)
               ? "rate limits can only be off while listening on loopback (--listen 127.0.0.1:PORT)"
               : NULL;
}

enum nx_err nexus_settings_check(const struct nexus_settings *s, char why[NEXUS_SETTINGS_WHY_SIZE])
{
    const struct nexus_setting *which;
    const char *wrong = find_wrong(s, &which);
    if (wrong == NULL) {
        return NX_OK;
    }
    if (which->origin == NEXUS_SETTING_FILE) {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "line %u of the settings file: %s", which->line, wrong);
    } else {
        snprintf(why, NEXUS_SETTINGS_WHY_SIZE, "%s", wrong);
    }
    return NX_E_MALFORMED;
}

enum nx_err nexus_settings_write(const char *path)
{
    char text[8192];
    size_t size = (size_t)snprintf(
        text, sizeof(text),
        "# Settings of Nexus. Every line shows a default; take the # away to change it.\n"
        "# NEXUS_SECTION_KEY in the environment and options of nexus serve override this file.\n");
    const char *section = "";
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        if (strcmp(section, ROWS[i].section) != 0) {
            section = ROWS[i].section;
            size += (size_t)snprintf(text + size, sizeof(text) - size, "\n[%s]\n", section);
        }
        const char *quote = ROWS[i].kind == NX_CONF_KIND_TEXT ? "\"" : "";
        size += (size_t)snprintf(text + size, sizeof(text) - size, "# %s\n# %s = %s%s%s\n", ROWS[i].help,
                                 ROWS[i].key, quote, ROWS[i].fallback, quote);
    }
    return nx_file_write(path, nx_bytes_of(text, size));
}

void nexus_settings_help(void)
{
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        if (ROWS[i].option[0] != '\0') {
            printf("  --%-16s %s%s%s%s\n", ROWS[i].option, ROWS[i].help,
                   ROWS[i].fallback[0] != '\0' ? " [" : "", ROWS[i].fallback,
                   ROWS[i].fallback[0] != '\0' ? "]" : "");
        }
    }
}
