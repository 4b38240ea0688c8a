/* Included before each C file of a library: one of its allocations fails, and those that were not freed are counted. */
#include <stdlib.h>

#define SHARED __attribute__((weak, visibility("default")))

SHARED int until_failure = -1, unfreed = 0;

static inline void *counted(void *memory) { return unfreed += memory != NULL, memory; }

static inline void freed(void *memory) {
    unfreed -= memory != NULL;
    free(memory);
}

#define malloc(size) counted(until_failure-- == 0 ? NULL : malloc(size))
#define calloc(count, size) counted(until_failure-- == 0 ? NULL : calloc(count, size))
#define free(memory) freed(memory)
