/* alloc.h - memory that can run out: malloc() and its kin of our own objects, of SQLite and of OpenSSL, counted and made to fail.
 *
 * Layer:   tests/fault (the linker puts these in place of malloc() and mmap() in our objects: -Wl,--wrap; SQLite and OpenSSL are told)
 * Threads: any
 */
#ifndef TESTS_FAULT_ALLOC_H
#define TESTS_FAULT_ALLOC_H

#include <stdint.h>

/** Tells SQLite and OpenSSL; first of all in main(). */
void alloc_install(void);

/** Lets the from-th request from now fail, and all after it up to `count` of them; 0 nothing any more. */
void alloc_fail_set(uint64_t from, uint64_t count);

/** Returns how many requests came since alloc_fail_set(). */
uint64_t alloc_seen(void);

/** Returns how many were made to fail since alloc_fail_set(). */
uint64_t alloc_failed(void);

/** Returns how many pieces are held now. */
int64_t alloc_live(void);

#endif
