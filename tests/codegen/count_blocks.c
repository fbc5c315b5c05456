/* A plugin for QEMU's user mode: how often each translated block runs.
 *
 * qemu-aarch64 -plugin count_blocks.so,out=FILE PROGRAM writes a line for each block when the program ends: the address of
 * its first instruction, how many instructions of four bytes it has, how often it ran. The declarations are those of
 * <qemu-plugin.h>, which Debian does not package. Counts are exact for programs of one thread.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

#ifndef API
#define API 1
#endif
__attribute__((visibility("default"))) int qemu_plugin_version = API;

/* A block may be translated again: then it has two of these, and a reader adds them up. */
struct block {
    uint64_t address, runs;
    size_t instructions;
    struct block *next;
};

static struct block *blocks;
static char *out;

static void ran(unsigned vcpu, void *data)
{
    (void)vcpu;
    __atomic_fetch_add(&((struct block *)data)->runs, 1, __ATOMIC_RELAXED);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block)
        abort();
    block->address = qemu_plugin_tb_vaddr(tb);
    block->instructions = qemu_plugin_tb_n_insns(tb);
    do
        block->next = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE);
    while (!__sync_bool_compare_and_swap(&blocks, block->next, block));
    qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, 0, block);
}

static void ended(qemu_plugin_id_t id, void *data)
{
    FILE *file = fopen(out, "w");
    (void)id, (void)data;
    if (!file) {
        perror(out);
        return;
    }
    for (struct block *block = blocks; block; block = block->next)
        if (block->runs)
            fprintf(file, "%" PRIx64 " %zu %" PRIu64 "\n", block->address, block->instructions, block->runs);
    fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                                               char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4))
        return -1;
    out = strdup(argv[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
