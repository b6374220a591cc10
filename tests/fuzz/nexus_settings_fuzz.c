/* Properties: whatever stands in nexus.toml, in the environment or on the command line, every setting is a text that ends and a number of
 * its kind, or there is one line that says what is wrong; the same value set in each of the three places is the same; settings
 * written as a file read back. Input: a row, a value, a line feed, then the file. */
#include "engine/base/addr.h"
#include "engine/base/conf.h"
#include "engine/base/text.h"
#include "engine/base/writer.h"
#include "engine/io/file.h"
#include "engine/io/mem.h"
#include "nexus/settings.h"
#include "tests/fuzz/fuzz.h"

static struct nx_bytes file;
static uint8_t written[65536];
static size_t written_size;

enum nx_err nx_file_read(const char *path, size_t size_max, uint8_t **out, size_t *size)
{
    (void)path;
    if (file.size > size_max) {
        return NX_E_FULL;
    }
    *out = fuzz_copy(file);
    *size = file.size;
    return NX_OK;
}

enum nx_err nx_file_write(const char *path, struct nx_bytes content)
{
    (void)path;
    fuzz_check(content.size <= sizeof(written), "write");
    memcpy(written, content.at, content.size);
    written_size = content.size;
    return NX_OK;
}

void nx_mem_give(void *piece)
{
    free(piece);
}

enum {
    ROWS = 0
#define NX_SETTING(section, key, kind, option, fallback, help) +1
#include "nexus/settings.def"
#undef NX_SETTING
};

static const struct {
    const char *section;
    const char *key;
    const char *variable;
    const char *option;
    enum nx_conf_kind kind;
} rows[ROWS] = {
#define NX_SETTING(section, key, kind, option, fallback, help)                                               \
    {#section, #key, "NEXUS_" #section "_" #key, option, NX_CONF_KIND_##kind},
#include "nexus/settings.def"
#undef NX_SETTING
};

static struct nexus_setting *setting(struct nexus_settings *s, size_t row)
{
    return (struct nexus_setting *)s + row;
}

static void check_line(const char why[NEXUS_SETTINGS_WHY_SIZE])
{
    fuzz_check(memchr(why, '\0', NEXUS_SETTINGS_WHY_SIZE) != NULL && why[0] != '\0', "a reason");
    fuzz_check(strchr(why, '\n') == NULL && strchr(why, '\r') == NULL, "in one line");
}

static void check_all(struct nexus_settings *s)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct nexus_setting *one = setting(s, i);
        fuzz_check(memchr(one->text, '\0', sizeof(one->text)) != NULL, "a text ends");
        fuzz_check(nx_text_is_utf8(nx_bytes_text(one->text)), "and is UTF-8");
        fuzz_check(rows[i].kind != NX_CONF_KIND_BOOL || one->number >> 1 == 0, "true or false");
        fuzz_check(rows[i].kind != NX_CONF_KIND_SIZE || one->number >= 0, "a size");
        fuzz_check(rows[i].kind != NX_CONF_KIND_TEXT || one->number == 0, "a text has no number");
        fuzz_check((one->line != 0) >= (one->origin == NEXUS_SETTING_FILE), "a line of the file");
    }
}

static void check_rules(const struct nexus_settings *s)
{
    char why[NEXUS_SETTINGS_WHY_SIZE];
    struct nx_addr listen;
    const enum nx_err err = nexus_settings_check(s, why);
    if (err != NX_OK) {
        fuzz_check(err == NX_E_MALFORMED, "which verdict");
        check_line(why);
        return;
    }
    fuzz_check(nx_addr_parse(nx_bytes_text(s->server_listen.text), &listen) == NX_OK, "listen");
    fuzz_check(s->server_node.number >= 0 && s->server_node.number <= 1023, "node");
    fuzz_check(s->server_shards.number >= 0 && s->server_shards.number <= 256, "shards");
    fuzz_check(s->media_port.number >= 1 && s->media_port.number <= 65535, "media port");
    fuzz_check(s->database_commit_window.number <= 2000000, "commit window");
    fuzz_check(s->limits_rate_limits.number == 1 || nx_addr_is_loopback(&listen),
               "limits are off on loopback only");
    fuzz_check((s->tls_cert.text[0] == '\0') == (s->tls_key.text[0] == '\0'), "a pair");
}

static void value_write(struct nx_writer *w, size_t row, const struct nexus_setting *one)
{
    static const char *const units[] = {
        [NX_CONF_KIND_INTEGER] = "", [NX_CONF_KIND_SIZE] = "B", [NX_CONF_KIND_DURATION] = "ns"};
    if (rows[row].kind == NX_CONF_KIND_BOOL) {
        nx_writer_text(w, one->number != 0 ? "true" : "false");
    } else if (rows[row].kind != NX_CONF_KIND_TEXT) {
        nx_writer_text(w, one->number < 0 ? "-" : "");
        nx_writer_decimal(w, one->number < 0 ? -(uint64_t)one->number : (uint64_t)one->number);
        nx_writer_text(w, units[rows[row].kind]);
    } else {
        nx_writer_u8(w, '"');
        for (const char *at = one->text; *at != '\0'; at++) {
            char code[8];
            const unsigned char c = (unsigned char)*at;
            if (c < 0x20 || c == 0x7f) {
                (void)snprintf(code, sizeof(code), "\\u%04x", c);
                nx_writer_text(w, code);
            } else {
                nx_writer_text(w, c == '"' || c == '\\' ? "\\" : "");
                nx_writer_u8(w, c);
            }
        }
        nx_writer_u8(w, '"');
    }
}

/* Writes all as a file and reads them back. */
static void check_again(struct nexus_settings *s)
{
    static uint8_t room[65536];
    static struct nexus_settings again;
    char why[NEXUS_SETTINGS_WHY_SIZE];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    for (size_t i = 0; i < ROWS; i++) {
        nx_writer_text(&w, "[");
        nx_writer_text(&w, rows[i].section);
        nx_writer_text(&w, "]\n");
        nx_writer_text(&w, rows[i].key);
        nx_writer_text(&w, " = ");
        value_write(&w, i, setting(s, i));
        nx_writer_text(&w, "\n");
    }
    file = nx_writer_bytes(&w);
    nexus_settings_init(&again);
    const enum nx_err err = nexus_settings_file(&again, "again", why);
    fuzz_check(nx_writer_ok(&w) && err == NX_OK, err == NX_OK ? "room" : why);
    for (size_t i = 0; i < ROWS; i++) {
        fuzz_check(setting(s, i)->number == setting(&again, i)->number, "the same number");
        fuzz_check(rows[i].kind != NX_CONF_KIND_TEXT ||
                       strcmp(setting(s, i)->text, setting(&again, i)->text) == 0,
                   "the same text");
    }
}

/* The same value in the environment and as an option. */
static void check_value(size_t row, const char *value)
{
    static struct nexus_settings from_environment;
    static struct nexus_settings from_option;
    char why[NEXUS_SETTINGS_WHY_SIZE];
    char variable[64];
    snprintf(variable, sizeof(variable), "%s", rows[row].variable);
    for (char *at = variable; *at != '\0'; at++) {
        *at = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    }
    nexus_settings_init(&from_environment);
    nexus_settings_init(&from_option);
    (void)setenv(variable, value, 1);
    const enum nx_err err = nexus_settings_environment(&from_environment, why);
    (void)unsetenv(variable);
    struct nx_conf_value parsed = {.integer = 0};
    const bool is_good = strlen(value) < NEXUS_SETTING_TEXT_MAX &&
                         nx_conf_parse(nx_bytes_text(value), rows[row].kind, &parsed) == NX_OK;
    fuzz_check((err == NX_OK) == is_good, "verdict");
    const struct nexus_setting *one = setting(&from_environment, row);
    if (is_good) {
        fuzz_check(one->number == parsed.integer && strcmp(one->text, value) == 0 &&
                       one->origin == NEXUS_SETTING_ENVIRONMENT,
                   "value");
        check_rules(&from_environment);
    } else {
        check_line(why);
    }
    const enum nx_err option_err = nexus_settings_option(&from_option, rows[row].option, value, why);
    if (rows[row].option[0] == '\0') {
        fuzz_check(option_err == NX_E_NOT_FOUND, "no such option");
        check_line(why);
        return;
    }
    fuzz_check(option_err == err, "the same verdict");
    if (option_err != NX_OK) {
        check_line(why);
        return;
    }
    const struct nexus_setting *two = setting(&from_option, row);
    fuzz_check(one->number == two->number && strcmp(one->text, two->text) == 0 &&
                   two->origin == NEXUS_SETTING_OPTION,
               "the same value");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct nexus_settings settings;
    char why[NEXUS_SETTINGS_WHY_SIZE];
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const size_t row = fuzz_u8(&input) % ROWS;
    char *value = fuzz_text(fuzz_until(&input, '\n'));
    check_value(row, value);
    free(value);
    file = input;
    nexus_settings_init(&settings);
    const enum nx_err err = nexus_settings_file(&settings, "nexus.toml", why);
    if (err != NX_OK) {
        check_line(why);
    }
    check_all(&settings);
    check_rules(&settings);
    if (err == NX_OK) {
        check_again(&settings);
    }
    fuzz_check(nexus_settings_write("nexus.toml") == NX_OK && written_size != 0, "the first file");
    return 0;
}
