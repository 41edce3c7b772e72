/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long each command holds the kernel's lock of network configuration (RTNL). */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct command {
    char name[16];
};

struct held {
    __u64 ns;
    __u64 times;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64); /* thread */
    __type(value, __u64);
} since SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct command);
    __type(value, struct held);
} held SEC(".maps");

static void note_locked(void)
{
    __u64 thread = bpf_get_current_pid_tgid();
    __u64 now = bpf_ktime_get_ns();

    bpf_map_update_elem(&since, &thread, &now, BPF_ANY);
}

SEC("fexit/rtnl_lock")
int locked(void *context __attribute__((unused)))
{
    note_locked();
    return 0;
}

SEC("fexit/rtnl_lock_killable")
int locked_killable(__u64 *context)
{
    if (context[0] == 0) /* no arguments, so this is the result */
        note_locked();
    return 0;
}

SEC("fentry/__rtnl_unlock")
int unlocked(void *context __attribute__((unused)))
{
    __u64 thread = bpf_get_current_pid_tgid();
    __u64 *start = bpf_map_lookup_elem(&since, &thread);
    struct command command = {};
    struct held none = {};

    if (!start)
        return 0;
    bpf_get_current_comm(command.name, sizeof(command.name));
    bpf_map_update_elem(&held, &command, &none, BPF_NOEXIST);
    struct held *sum = bpf_map_lookup_elem(&held, &command);
    if (sum) {
        __sync_fetch_and_add(&sum->ns, bpf_ktime_get_ns() - *start);
        __sync_fetch_and_add(&sum->times, 1);
    }
    bpf_map_delete_elem(&since, &thread);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
