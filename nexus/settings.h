/* settings.h - every setting of the product: defaults, nexus.toml, environment, command line, in that order.
 *
 * Layer:   nexus
 * Threads: before start
 * Limits:  texts of at most NEXUS_SETTING_TEXT_MAX bytes
 * Idiom:   init, then file, then environment, then one call per option; each error is one clear line that names the place.
 */
#ifndef NEXUS_SETTINGS_H
#define NEXUS_SETTINGS_H

#include "engine/base/bytes.h"
#include "engine/base/err.h"

#include <stdint.h>

enum { NEXUS_SETTING_TEXT_MAX = 512, NEXUS_SETTINGS_WHY_SIZE = 512 };

/** One value; `text` is NUL-terminated and always set, `number` for all kinds but TEXT. */
struct nexus_setting {
    char text[NEXUS_SETTING_TEXT_MAX];
    int64_t number;
    enum nexus_setting_origin {
        NEXUS_SETTING_DEFAULT,
        NEXUS_SETTING_FILE,
        NEXUS_SETTING_ENVIRONMENT,
        NEXUS_SETTING_OPTION
    } origin;
    uint32_t line; /**< of the file, when it comes from there */
};

/** All of them: settings.server_listen and so on. */
struct nexus_settings {
#define NX_SETTING(section, key, kind, option, fallback, help) struct nexus_setting section##_##key;
#include "nexus/settings.def"
#undef NX_SETTING
};

/** Sets every default. */
void nexus_settings_init(struct nexus_settings *settings);

/** Reads the file at `path`. Returns NX_OK; NX_E_NOT_FOUND when there is none; NX_E_MALFORMED, `why` says where. */
NX_MUST_USE enum nx_err nexus_settings_file(struct nexus_settings *settings, const char *path,
                                            char why[NEXUS_SETTINGS_WHY_SIZE]);

/** Reads NEXUS_SECTION_KEY variables. Returns NX_OK; NX_E_MALFORMED, `why` says which. */
NX_MUST_USE enum nx_err nexus_settings_environment(struct nexus_settings *settings,
                                                   char why[NEXUS_SETTINGS_WHY_SIZE]);

/** Applies --`option` `value`. Returns NX_OK; NX_E_NOT_FOUND when there is no such option; NX_E_MALFORMED, `why` says why. */
NX_MUST_USE enum nx_err nexus_settings_option(struct nexus_settings *settings, const char *option,
                                              const char *value, char why[NEXUS_SETTINGS_WHY_SIZE]);

/** Checks what belongs together (addresses parse, TLS pair complete...). Returns NX_OK; NX_E_MALFORMED, `why` says what. */
NX_MUST_USE enum nx_err nexus_settings_check(const struct nexus_settings *settings,
                                             char why[NEXUS_SETTINGS_WHY_SIZE]);

/** Writes a commented nexus.toml with every default to `path`. Returns NX_OK; NX_E_IO. */
NX_MUST_USE enum nx_err nexus_settings_write(const char *path);

/** Prints one line of help per option to standard output. */
void nexus_settings_help(void);

#endif
