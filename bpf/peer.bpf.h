/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The class of the network that the other end of a connection is in. */
#ifndef PODRTT_PEER_BPF_H
#define PODRTT_PEER_BPF_H

#include "bpf/packet.bpf.h"

/* The peer class of each prefix, set by the daemon. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, PODRTT_MAX_PEER_PREFIXES);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct podrtt_peer_key);
    __type(value, __u32);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} peers SEC(".maps");

static __always_inline __u8 find_peer(const struct packet *packet)
{
    struct podrtt_peer_key key = {.prefix_len = 8 * sizeof(key.address)};

    __builtin_memcpy(key.address, packet->key.peer_address, sizeof(key.address));
    __u32 *peer = bpf_map_lookup_elem(&peers, &key);
    return peer ? *peer : PODRTT_PEER_INTERNET;
}

#endif
