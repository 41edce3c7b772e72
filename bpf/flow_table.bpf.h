/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of flows: where a packet finds what is known of its connection.
 *
 * It is an array of sets of four places. A key's hash names two sets. A new flow takes the
 * first free place of the first set, or else of the second; if both are full, the flow that
 * is worth least makes room. So nearly every flow is in the first place that is looked at,
 * and what a packet needs lies in neighbouring cache lines, behind no pointer.
 *
 * A pod that holds half of the places in reach, or more, makes room itself: whatever connections one
 * pod opens, and whoever answers them, others keep theirs.
 *
 * Nothing is locked. A CPU that takes a place marks it by compare-and-swap, so that it is the only
 * one, and writes the pod id last, so that no other finds half a key. A CPU that is at work on a
 * flow while that makes room, as may happen in any table that evicts, writes into its
 * successor: numbers that match no acknowledgement of that one, but for a chance of 1 to 2^32.
 */
#ifndef PODRTT_FLOW_TABLE_BPF_H
#define PODRTT_FLOW_TABLE_BPF_H

#include "bpf/drop.bpf.h"
#include "bpf/floor.bpf.h"
#include "bpf/histogram_math.h"

/* The connections of all pods. Nobody maps it into memory, but of a map that can be the first
 * value begins a page, so that no two flows share a cache line. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PODRTT_DEFAULT_FLOWS / PODRTT_FLOW_WAYS);
    __type(key, __u32);
    __type(value, struct podrtt_flow_set);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

#define FLOW_KEY_WORDS (sizeof(struct podrtt_flow_key) / sizeof(__u64))

typedef __u64 __attribute__((may_alias)) flow_key_word;

/* The hash NH of UMAC (RFC 4418, 5.2.2), on 32-bit words: without knowing the key nobody can
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

/* Pod, protocol and ports: nearly always enough to tell two flows apart. */
static __always_inline __u64 id_word(const struct podrtt_flow_key *key)
{
    return *(const flow_key_word *)key;
}

static __always_inline bool is_same_key(const struct podrtt_flow_key *a, const struct podrtt_flow_key *b)
{
    const flow_key_word *x = (const flow_key_word *)a;
    const flow_key_word *y = (const flow_key_word *)b;
    __u64 difference = 0;

    if (id_word(a) != id_word(b))
        return false;
    for (__u32 i = 1; i < FLOW_KEY_WORDS; i++)
        difference |= x[i] ^ y[i];
    return !difference;
}

/* A place is named by its number: first all of set 0, and so on. */
#define NO_PLACE (~0u)

static __always_inline struct podrtt_flow *flow_at(__u32 place)
{
    __u32 set_number = place / PODRTT_FLOW_WAYS;
    struct podrtt_flow_set *set = bpf_map_lookup_elem(&flows, &set_number);

    if (!set)
        return NULL;
    barrier_var(place); /* or the compiler adds first and checks after, which the verifier refuses */
    return &set->way[place % PODRTT_FLOW_WAYS];
}

static __always_inline __u32 find_in_set(const struct podrtt_flow_key *key, __u32 set_number)
{
    struct podrtt_flow_set *set = bpf_map_lookup_elem(&flows, &set_number);

    if (set)
        for (__u32 i = 0; i < PODRTT_FLOW_WAYS; i++)
            if (is_same_key(&set->way[i].key, key))
                return set_number * PODRTT_FLOW_WAYS + i;
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

/* NULL if there is none. */
static __always_inline struct podrtt_flow *find_flow(const struct podrtt_flow_key *key, __u64 hash)
{
    struct podrtt_flow *flow = flow_at(first_set(hash) * PODRTT_FLOW_WAYS);

    if (likely(flow && is_same_key(&flow->key, key)))
        return flow;
    return flow_at(find_place(key, hash));
}

/* How long no data of a flow has armed a probe, jiffies. */
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

/* The state of a place, as flow.h has it. */
static __always_inline __u32 *flow_state(struct podrtt_flow *flow)
{
    return (__u32 *)&flow->key;
}

static __always_inline __u32 state_of_key(const struct podrtt_flow_key *key)
{
    return (__u32)id_word(key);
}

#define BUSY_WORTH (1ull << 58)

/* What keeps a flow in its place. A free place is worth nothing; a flow without samples less
 * than one with, so that floods and scans push out each other; of others the one whose
 * samples are older. */
static __always_inline __u64 flow_worth(struct podrtt_flow *flow, __u16 now)
{
    __u32 state = READ_ONCE(*flow_state(flow));

    if (state == PODRTT_FLOW_FREE)
        return 0;
    if (state == PODRTT_FLOW_BUSY)
        return BUSY_WORTH;
    __u32 tick = (__u32)flow->floor[0];
    if ((__u32)flow->floor[1] > tick)
        tick = (__u32)flow->floor[1];
    return 1 + ((__u64)has_samples(flow) << 48) + ((__u64)tick << 16) + (__u16)~idle_time(flow, now);
}

/* A place's worth, and behind it which of the places in reach it is: so that the least of two is
 * found without a branch, of which the verifier would follow both ways for each place. */
#define REACH (2 * PODRTT_FLOW_WAYS)
#define RANK(worth, index) ((worth) * REACH + (index))
#define RANK_BUSY RANK(BUSY_WORTH, 0)

/* A pod that holds this many of the places in reach makes room among its own, so that a flood of
 * one pod's connections does not cost the other pods their flows. Few, because a pod with none in
 * reach has to be able to take a place from another. */
#define FAIR_SHARE (PODRTT_FLOW_WAYS / 2)

/* Below 2^63. */
static __always_inline __u64 lesser(__u64 a, __u64 b)
{
    return b + ((a - b) & (0 - (__u64)podrtt_is_above(b, a)));
}

/* Of the places in reach: the one that is worth least, the same of those of one pod, and how many
 * these are. */
struct choice {
    __u64 of_all;
    __u64 of_pod;
    __u64 held_by_pod;
};

static __always_inline void consider(__u64 hash, __u32 set_number, __u32 first, __u16 now, __u16 pod,
                                     struct choice *choice)
{
    struct podrtt_flow_set *set = bpf_map_lookup_elem(&flows, &set_number);

    if (!set)
        return;
    for (__u32 i = 0; i < PODRTT_FLOW_WAYS; i++) {
        __u64 rank = hide_from_verifier(RANK(flow_worth(&set->way[i], now), first + i), hash);
        __u64 other = (__u16)READ_ONCE(*flow_state(&set->way[i])) ^ pod; /* 0: the pod's own */
        __u64 own = (other - 1) >> 63;

        choice->of_all = lesser(rank, choice->of_all);
        choice->of_pod = lesser(own * rank + (1 - own) * RANK_BUSY, choice->of_pod);
        choice->held_by_pod += own;
    }
}

/* The place for a new flow of a pod. Not static, as above. */
__noinline __u32 choose_place(__u64 hash, __u32 now, __u32 pod)
{
    struct choice choice = {RANK_BUSY, RANK_BUSY, 0};

    consider(hash, first_set(hash), 0, now, pod, &choice);
    consider(hash, second_set(hash), PODRTT_FLOW_WAYS, now, pod, &choice);
    __u64 rank = choice.of_all;
    if (rank >= REACH && choice.held_by_pod >= FAIR_SHARE) /* none is free */
        rank = choice.of_pod;
    if (rank >= RANK_BUSY)
        return NO_PLACE;
    __u32 index = rank % REACH;
    __u32 set_number = index < PODRTT_FLOW_WAYS ? first_set(hash) : second_set(hash);
    return set_number * PODRTT_FLOW_WAYS + index % PODRTT_FLOW_WAYS;
}

/* Gives a flow a place; NULL if another CPU takes that place at this moment. What the flow
 * leaves that makes room is recorded. */
static __noinline struct podrtt_flow *create_flow(const struct podrtt_flow_key *key, __u64 hash, __u8 peer)
{
    __u16 now = clock_jiffies();
    struct podrtt_flow *flow = flow_at(choose_place(hash, now, key->pod));

    if (!flow)
        return NULL;
    __u32 state = READ_ONCE(*flow_state(flow));
    if (state == PODRTT_FLOW_BUSY ||
        __sync_val_compare_and_swap(flow_state(flow), state, PODRTT_FLOW_BUSY) != state)
        return NULL;
    if (state != PODRTT_FLOW_FREE) {
        count_drop(has_samples(flow) ? PODRTT_DROP_FLOW_IDLE : PODRTT_DROP_FLOW_UNANSWERED);
        flush_floors(flow, (__u16)state);
    }
    __builtin_memset(flow->floor, 0, sizeof(*flow) - offsetof(struct podrtt_flow, floor));
    flow->peer = peer;
    for (int i = 0; i < PODRTT_LEGS; i++)
        flow->armed[i] = now - sample_interval; /* the first data may arm at once */
    __builtin_memcpy(&flow->key.pod_port, &key->pod_port, sizeof(*key) - sizeof(state));
    __sync_lock_test_and_set(flow_state(flow), state_of_key(key));
    return flow;
}

/* Frees the flow's place, unless that has gone to another meanwhile. */
static __always_inline void delete_flow(struct podrtt_flow *flow, const struct podrtt_flow_key *key)
{
    __sync_val_compare_and_swap((flow_key_word *)&flow->key, id_word(key), 0);
}

#endif
