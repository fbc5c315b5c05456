/* To be preloaded: memory that TVM's runtime asks for lies between pages that may not be touched, so a kernel that reads or
 * writes outside of it ends the process, whether or not the value would have been used.
 *
 * GUARD=start puts it right behind such a page, GUARD=end right before one, as closely as its alignment allows. Nothing is
 * given back: it is made for one short run. At the end, how many pieces there were is printed to stderr.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, GUARD = 64 * PAGE, MOST = 1 << 16 };

static struct {
    char *from, *to;
} pieces[MOST];
static int count;

int posix_memalign(void **place, size_t alignment, size_t size) {
    const char *where = getenv("GUARD");
    size_t body = (size + PAGE - 1) / PAGE * PAGE;
    int number = __sync_fetch_and_add(&count, 1);
    char *start = mmap(NULL, body + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (number >= MOST || start == MAP_FAILED) return ENOMEM;
    pieces[number].from = start;
    pieces[number].to = start + body + 2 * GUARD;
    start += GUARD;
    if (mprotect(start, body, PROT_READ | PROT_WRITE)) return ENOMEM;
    if (where && !strcmp(where, "end")) start = (char *)((uintptr_t)(start + body - size) / alignment * alignment);
    *place = start;
    return 0;
}

void free(void *place) {
    static void (*others)(void *);
    char *given = place;
    if (!others) others = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    for (int i = 0; i < count; i++)
        if (pieces[i].from <= given && given < pieces[i].to) return;
    others(place);
}

__attribute__((destructor)) static void tell(void) { fprintf(stderr, "guarded: %d\n", count); }
