/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of flows: where a packet finds what is known of its connection.
 *
 * It is an array of sets of four places. A key's hash names two sets. A new flow takes the
 * first free place of the first set, or else of the second; if both are full, the flow that
 * is worth least makes room. So nearly every flow is in the first place that is looked at,
 * and what a packet needs lies in neighbouring cache lines, behind no pointer.
 *
 * Nothing is locked. Who takes a place marks it by compare-and-swap, so that it is one CPU,
 * and writes the id last, so that no other finds half a key. A CPU that is at work on a
 * flow while that makes room, as may happen in any table that evicts, writes into its
 * successor: numbers that match no acknowledgement of that one, but for a chance of 1 to 2^32.
 */
#ifndef PODRTT_FLOW_TABLE_BPF_H
#define PODRTT_FLOW_TABLE_BPF_H

#include "drop.bpf.h"
#include "floor.bpf.h"

/* The connections of all pods. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PODRTT_DEFAULT_FLOWS / PODRTT_FLOW_WAYS);
    __type(key, __u32);
    __type(value, struct podrtt_flow_set);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

/* The entries of `flows`, and the secret key of its hash; set before loading. */
const volatile __u32 flow_sets = PODRTT_DEFAULT_FLOWS / PODRTT_FLOW_WAYS;
const volatile __u32 flow_hash_key[sizeof(struct podrtt_flow_key) / sizeof(__u32)];

#define FLOW_KEY_WORDS (sizeof(struct podrtt_flow_key) / sizeof(__u64))

typedef __u64 __attribute__((may_alias)) flow_key_word;

/* The hash NH of UMAC (RFC 4418, 5.2.2), on 32-bit words: who does not know the key cannot
 * make keys of flows collide. Five multiplications that do not wait for each other. It is
 * linear in a port, say, so the halves are mixed in the end. */
static __always_inline __u64 hash_flow_key(const struct podrtt_flow_key *key)
{
    const flow_key_word *words = (const flow_key_word *)key;
    __u64 hash = 0;

    for (__u32 i = 0; i < FLOW_KEY_WORDS; i++)
        hash += (__u64)((__u32)words[i] + flow_hash_key[2 * i]) *
                ((__u32)(words[i] >> 32) + flow_hash_key[2 * i + 1]);
    return hash ^ hash >> 32;
}

/* The numbers of a key's two sets: multiplicative hashing, by the golden ratio and by the
 * square root of 2, scaled to the number of sets. */
static __always_inline __u32 first_set(__u64 hash)
{
    return (hash * 0x9e3779b97f4a7c15 >> 32) * flow_sets >> 32;
}

static __always_inline __u32 second_set(__u64 hash)
{
    return (hash * 0xb504f333f9de6485 >> 32) * flow_sets >> 32;
}

static __always_inline flow_key_word id_word(const struct podrtt_flow_key *key)
{
    return *(const flow_key_word *)key;
}

/* A place is named by its number: first all of set 0, and so on. */
#define NO_PLACE (~0u)

static __always_inline struct podrtt_flow_set *set_of(__u32 place)
{
    __u32 number = place / PODRTT_FLOW_WAYS;

    return bpf_map_lookup_elem(&flows, &number);
}

static __always_inline bool is_in(const struct podrtt_flow_set *set, __u32 way,
                                  const struct podrtt_flow_key *key)
{
    const flow_key_word *wanted = (const flow_key_word *)key;
    const flow_key_word *addresses = (const flow_key_word *)set->flow[way].addresses;

    if (*(const volatile flow_key_word *)&set->id[way] != wanted[0])
        return false;
    return !((addresses[0] ^ wanted[1]) | (addresses[1] ^ wanted[2]) | (addresses[2] ^ wanted[3]) |
             (addresses[3] ^ wanted[4]));
}

static __always_inline __u32 find_in_set(const struct podrtt_flow_key *key, __u32 number)
{
    struct podrtt_flow_set *set = bpf_map_lookup_elem(&flows, &number);

    if (set)
        for (__u32 way = 0; way < PODRTT_FLOW_WAYS; way++)
            if (is_in(set, way, key))
                return number * PODRTT_FLOW_WAYS + way;
    return NO_PLACE;
}

/* Not static, so that the verifier looks at what follows once, and not for each place. */
__noinline __u32 find_place(const struct podrtt_flow_key *key, __u64 hash)
{
    if (!key)
        return NO_PLACE;
    __u32 place = find_in_set(key, first_set(hash));

    return place != NO_PLACE ? place : find_in_set(key, second_set(hash));
}

static __always_inline struct podrtt_flow *flow_at(__u32 place)
{
    struct podrtt_flow_set *set = set_of(place);

    if (!set)
        return NULL;
    barrier_var(place); /* or the compiler adds first and checks after, which the verifier refuses */
    return &set->flow[place % PODRTT_FLOW_WAYS];
}

/* NULL if there is none. */
static __always_inline struct podrtt_flow *find_flow(const struct podrtt_flow_key *key, __u64 hash)
{
    __u32 number = first_set(hash);
    struct podrtt_flow_set *set = bpf_map_lookup_elem(&flows, &number);

    if (likely(set && is_in(set, 0, key)))
        return &set->flow[0];
    return flow_at(find_place(key, hash));
}

/* How long no data of a flow has armed a probe, units of 2^20 ns. */
static __always_inline __u16 idle_time(const struct podrtt_flow *flow, __u16 now)
{
    __u16 one = now - flow->armed[0];
    __u16 other = now - flow->armed[1];

    return one < other ? one : other;
}

static __always_inline bool has_samples(const struct podrtt_flow *flow)
{
    return flow->floor[0] || flow->floor[1];
}

/* What keeps a flow in its place: one without samples less than one with, so that floods and
 * scans push out each other; of others the one whose samples are older less. Above 0. */
static __always_inline __u64 flow_worth(const struct podrtt_flow *flow, __u16 now)
{
    __u32 tick = (__u32)flow->floor[0];

    if ((__u32)flow->floor[1] > tick)
        tick = (__u32)flow->floor[1];
    return 1 + ((__u64)has_samples(flow) << 48) + ((__u64)tick << 16) + (__u16)~idle_time(flow, now);
}

struct candidate {
    __u32 place;
    __u64 worth; /* 0: a free place */
};

static __always_inline void consider(__u32 number, __u16 now, struct candidate *least)
{
    struct podrtt_flow_set *set = bpf_map_lookup_elem(&flows, &number);

    if (!set)
        return;
    for (__u32 way = 0; way < PODRTT_FLOW_WAYS && least->worth; way++) {
        __u32 pod = READ_ONCE(set->id[way].pod);
        if (pod == PODRTT_ID_BUSY)
            continue;
        __u64 worth = pod ? flow_worth(&set->flow[way], now) : 0;
        if (worth < least->worth)
            *least = (struct candidate){number * PODRTT_FLOW_WAYS + way, worth};
    }
}

/* The place for a new flow. Not static, as above. */
__noinline __u32 choose_place(__u64 hash, __u32 now)
{
    struct candidate least = {NO_PLACE, ~0ull};

    consider(first_set(hash), now, &least);
    consider(second_set(hash), now, &least);
    return least.place;
}

/* Gives a flow a place; NULL if another CPU takes that place at this moment. What the flow
 * leaves that makes room is recorded. */
static __noinline struct podrtt_flow *create_flow(const struct podrtt_flow_key *key, __u64 hash, __u8 peer)
{
    __u16 now = clock_coarse_time();
    __u32 place = choose_place(hash, now);
    struct podrtt_flow_set *set = set_of(place);

    if (!set)
        return NULL;
    barrier_var(place); /* as above */
    __u32 way = place % PODRTT_FLOW_WAYS;
    struct podrtt_flow *flow = &set->flow[way];
    struct podrtt_flow_id *id = &set->id[way];

    __u32 pod = READ_ONCE(id->pod);
    if (pod == PODRTT_ID_BUSY || __sync_val_compare_and_swap(&id->pod, pod, PODRTT_ID_BUSY) != pod)
        return NULL;
    if (pod) {
        count_drop(has_samples(flow) ? PODRTT_DROP_FLOW_IDLE : PODRTT_DROP_FLOW_UNANSWERED);
        flush_floors(flow, pod);
    }
    __builtin_memcpy(flow->addresses, key->pod_address, sizeof(flow->addresses));
    __builtin_memset(flow->floor, 0, sizeof(*flow) - sizeof(flow->addresses));
    flow->peer = peer;
    for (int i = 0; i < PODRTT_LEGS; i++)
        flow->armed[i] = now - sample_interval; /* the first data may arm at once */
    __sync_lock_test_and_set((flow_key_word *)id, id_word(key));
    return flow;
}

static __noinline void delete_flow(const struct podrtt_flow_key *key, __u64 hash)
{
    __u32 place = find_place(key, hash);
    struct podrtt_flow_set *set = set_of(place);

    if (!set)
        return;
    barrier_var(place); /* as above */
    __sync_val_compare_and_swap((flow_key_word *)&set->id[place % PODRTT_FLOW_WAYS], id_word(key), 0);
}

#endif
