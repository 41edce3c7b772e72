/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule by which data and its acknowledgement become a sample.
 *
 *   arm      New data (its end beyond any seen) or a SYN arms a free slot with its
 *            end sequence number and the time. Of bulk data only a part does.
 *   take     An ACK of the other side takes every slot that it covers.
 *   sample   The slot whose end the ACK equals is the sample: exactly that segment,
 *            and none after it, has just been acknowledged. An ACK beyond the slot's
 *            end may have waited for a later segment, so it yields nothing.
 *   discard  Data at a sequence number seen before is a retransmission, or fills a
 *            hole: the slots from there on are discarded (Karn's rule), because what
 *            acknowledges them may answer either sending.
 *   check    With timestamps, TSecr must not be beyond the slot's TSval: then the ACK
 *            answers something sent later, which this tap has missed.
 */
#ifndef PODRTT_FLOW_BPF_H
#define PODRTT_FLOW_BPF_H

#include "event.bpf.h"
#include "floor.bpf.h"
#include "flow_table.bpf.h"
#include "packet.bpf.h"

/* Data so far beyond what was seen, or an ACK so far behind it, belongs to another
 * connection or is forged: RFC 7323 allows windows of 1 GiB, but nobody uses them. */
#define MAX_SEQUENCE_GAP (1 << 28)

/* A SYN that lies no further behind the data seen has been sent before. A new connection
 * between the same ports begins further on (RFC 6191; Linux: 65537 beyond the old end). */
#define MAX_SYN_DISTANCE 65536

/* The peer class of each prefix, set by the daemon. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, PODRTT_MAX_PEER_PREFIXES);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct podrtt_peer_key);
    __type(value, __u32);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} peers SEC(".maps");

/* What the rule works on: one packet, and the flow it belongs to. */
struct context {
    struct __sk_buff *skb;
    struct packet *packet;
    struct podrtt_flow *flow;
    struct clock clock;
};

/* Sequence numbers and TSvals wrap (RFC 9293, 3.4; RFC 7323, 5.2). */
static __always_inline bool is_after(__u32 a, __u32 b)
{
    return (__s32)(a - b) > 0;
}

static __always_inline enum podrtt_leg other_leg(enum podrtt_leg leg)
{
    return leg == PODRTT_LEG_NETWORK ? PODRTT_LEG_POD : PODRTT_LEG_NETWORK;
}

static __always_inline __u32 probe_end(__u64 probe)
{
    return probe >> 32;
}

static __always_inline __u32 probe_time(__u64 probe)
{
    return (__u32)probe;
}

static __always_inline bool swap_probe(struct podrtt_side *side, int slot, __u64 from, __u64 to)
{
    return __sync_val_compare_and_swap(&side->probe[slot], from, to) == from;
}

/* Two CPUs that arm one slot at the same time lose one of the two probes, no more. */
static __always_inline void arm_slot(struct podrtt_side *side, __u32 slot, __u32 end, __u32 time,
                                     __u32 tsval)
{
    /* Before the probe itself: whoever takes that reads the TSval. */
    WRITE_ONCE(side->tsval[slot], tsval);
    WRITE_ONCE(side->probe[slot], (__u64)end << 32 | time);
    side->last = slot;
}

/* Frees the slots whose data ends after `seq`. */
static __noinline void discard_probes_after(struct podrtt_side *side, __u32 seq)
{
    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (probe && is_after(probe_end(probe), seq))
            swap_probe(side, i, probe, 0);
    }
}

static __noinline void discard_probes(struct podrtt_side *side)
{
    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (probe)
            swap_probe(side, i, probe, 0);
    }
}

/* ---- live events ------------------------------------------------------------------- */

static __noinline void report_sample(struct context *context, enum podrtt_leg leg, enum podrtt_kind kind,
                                     __u32 sample)
{
    const struct podrtt_flow *flow = context->flow;
    struct podrtt_event *event = reserve_event();

    if (!event)
        return;
    event->time = clock_ns(&context->clock);
    event->rtt = (__u64)sample * PODRTT_TIME_UNIT_NS;
    event->min_rtt = (__u64)flow->side[leg].min_rtt * PODRTT_TIME_UNIT_NS;
    for (int i = 0; i < PODRTT_LEGS; i++) {
        event->bytes[i] = flow->side[i].bytes;
        event->packets[i] = flow->side[i].packets;
    }
    __builtin_memcpy(&event->flow, &context->packet->key, sizeof(event->flow));
    event->ack = context->packet->ack;
    event->leg = leg;
    event->kind = kind;
    event->peer = flow->peer;
    event->pad = 0;
    bpf_ringbuf_submit(event, 0);
}

/* ---- counts of connections ----------------------------------------------------------- */

static __noinline void count_flow(struct context *context, enum podrtt_matching matching)
{
    struct podrtt_flow *flow = context->flow;
    __u8 as = matching == PODRTT_MATCHING_NONE ? PODRTT_COUNTED_ONE_WAY : PODRTT_COUNTED_MATCHED;

    if (flow->counted & as)
        return;
    flow->counted |= as;
    count_connection(context->packet->key.pod, matching);
}

/* A connection of which both ends have been seen. */
static __noinline void count_matched(struct context *context)
{
    struct timestamps timestamps;

    count_flow(context, read_timestamps(context->skb, context->packet, &timestamps)
                            ? PODRTT_MATCHING_TIMESTAMPS
                            : PODRTT_MATCHING_SEQUENCE);
}

/* A packet that acknowledges what was never seen. If it goes on where the SYN or SYN-ACK of
 * its own end began, then packets of the other direction do not come by here. A SYN-ACK
 * alone says nothing: it may be a stray one, which the other end will refuse. */
static __noinline void note_one_way(struct context *context, enum podrtt_leg unseen)
{
    const struct podrtt_side *own = &context->flow->side[other_leg(unseen)];

    if (own->phase >= PODRTT_SYN_SENT && !(context->packet->flags & TCP_SYN) &&
        !context->flow->side[unseen].packets)
        count_flow(context, PODRTT_MATCHING_NONE);
}

/* ---- samples ------------------------------------------------------------------------ */

/* False if it is too old to be one. */
static __always_inline bool take_sample(struct context *context, enum podrtt_leg leg, enum podrtt_kind kind,
                                        __u32 sample)
{
    struct podrtt_side *side = &context->flow->side[leg];

    if (unlikely(sample > PODRTT_MAX_SAMPLE)) {
        count_drop(PODRTT_DROP_STALE);
        return false;
    }
    record_sample(context->packet->key.pod, leg, kind, context->flow->peer, sample);
    if (side->min_rtt == 0 || sample < side->min_rtt)
        side->min_rtt = sample;
    if (unlikely(events_are_read(&context->clock)))
        report_sample(context, leg, kind, sample);
    return true;
}

/* ---- quiet sides ------------------------------------------------------------------- */

/*
 * Most acknowledgements find nothing to take, for a side is sampled only now and then.
 * That stands beside the flow's key, which every packet reads; the side's own cache lines,
 * which the other CPU writes, are left alone then. Whatever an acknowledgement might have
 * to tell of ends the quiet: a probe, a FIN, and data that does not follow on the last.
 */
static __always_inline void end_quiet(struct podrtt_flow *flow, enum podrtt_leg leg)
{
    if (READ_ONCE(flow->quiet[leg]))
        WRITE_ONCE(flow->quiet[leg], 0);
}

/* A probe that is armed at this moment may be overlooked: then it yields no sample. */
static __always_inline void begin_quiet(struct podrtt_flow *flow, enum podrtt_leg leg)
{
    const struct podrtt_side *side = &flow->side[leg];
    __u64 probes = 0;

    for (int i = 0; i < PODRTT_PROBES; i++)
        probes |= READ_ONCE(side->probe[i]);
    if (!probes && side->phase == PODRTT_SYNCED && side->fin == PODRTT_FIN_NONE)
        WRITE_ONCE(flow->quiet[leg], 1);
}

/* ---- acknowledgement --------------------------------------------------------------- */

/* A probe that was taken by an ACK that ends where the probe ends. */
static __always_inline void complete(struct context *context, enum podrtt_leg leg, int slot, __u32 time,
                                     __u32 tsval)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u8 phase = side->phase;
    bool handshake = slot == 0 && (phase == PODRTT_SYN_SENT || phase == PODRTT_SYN_RESENT);

    if (handshake)
        side->phase = PODRTT_SYNCED;
    if (time == TIME_UNKNOWN) {
        side->phase = PODRTT_SYNCED;
        count_matched(context);
        return;
    }

    struct timestamps answer;
    bool echoes = side->timestamps && read_timestamps(context->skb, context->packet, &answer);
    if (echoes && is_after(answer.tsecr, tsval))
        return;
    /* Of several SYNs the last one has armed the slot: only its echo tells that it, and
     * not an earlier one, is answered. */
    if (handshake && phase == PODRTT_SYN_RESENT && !(echoes && answer.tsecr == tsval))
        return;

    __u32 sample = clock_time(&context->clock) - time;
    if (take_sample(context, leg, handshake ? PODRTT_KIND_HANDSHAKE : PODRTT_KIND_DATA, sample))
        update_floor(context->flow, context->packet->key.pod, leg, sample, &context->clock);
}

/* The packet's ACK, against the other side's data. */
static __always_inline void acknowledge(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u32 ack = context->packet->ack;

    if (unlikely(side->phase == PODRTT_UNSEEN)) {
        note_one_way(context, leg);
        return;
    }

    /* Data that was never seen is acknowledged, or data seen is far beyond what the
     * receiver has: what is known of this side is wrong. Start again with its next data. */
    __s32 behind = (__s32)(side->end - ack);
    if (behind < 0 || behind > MAX_SEQUENCE_GAP) {
        end_quiet(context->flow, leg);
        discard_probes(side);
        side->phase = PODRTT_UNSEEN;
        return;
    }

    if (side->fin == PODRTT_FIN_SENT && behind == 0)
        side->fin = PODRTT_FIN_ACKED;

    int hit = -1;
    __u32 hit_time = 0;
    __u32 hit_tsval = 0;
    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (!probe || is_after(probe_end(probe), ack))
            continue;
        __u32 tsval = READ_ONCE(side->tsval[i]);
        if (!swap_probe(side, i, probe, 0))
            continue;
        if (probe_end(probe) == ack || probe_time(probe) == TIME_UNKNOWN) {
            hit = i;
            hit_time = probe_time(probe);
            hit_tsval = tsval;
        }
    }
    if (hit >= 0)
        complete(context, leg, hit, hit_time, hit_tsval);
    begin_quiet(context->flow, leg);
}

/* ---- sending ----------------------------------------------------------------------- */

static __always_inline __u32 read_tsval(struct context *context, struct podrtt_side *side)
{
    struct timestamps timestamps = {};

    side->timestamps = read_timestamps(context->skb, context->packet, &timestamps);
    return timestamps.tsval;
}

/* What is known of a side begins with this packet: whatever acknowledges it is news. */
static __always_inline void begin_side(struct context *context, enum podrtt_leg leg, __u32 end,
                                       enum podrtt_phase phase)
{
    struct podrtt_side *side = &context->flow->side[leg];

    side->end = end;
    side->phase = phase;
    context->flow->side[other_leg(leg)].acked = context->packet->seq;
}

/* A SYN begins a connection, on this side; the other side's SYN will do the same there. */
static __noinline void send_syn(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];
    const struct packet *packet = context->packet;
    __u32 acknowledged_by = packet->seq + 1; /* even if the SYN carries data (RFC 7413) */
    __u32 end = acknowledged_by + packet->length;
    bool again = side->phase >= PODRTT_SYN_SENT && side->end - acknowledged_by < MAX_SYN_DISTANCE;
    __u32 tsval = read_tsval(context, side);

    end_quiet(context->flow, leg);
    discard_probes(side);
    if (again) {
        side->phase = PODRTT_SYN_RESENT;
    } else {
        flush_floor(context->flow, context->packet->key.pod, leg);
        begin_side(context, leg, end, PODRTT_SYN_SENT);
        side->fin = PODRTT_FIN_NONE;
        if (!(packet->flags & TCP_ACK))
            context->flow->counted = 0;
        else if (context->flow->side[other_leg(leg)].phase != PODRTT_UNSEEN)
            count_matched(context);
    }
    arm_slot(side, 0, acknowledged_by, clock_time(&context->clock), tsval);
}

/*
 * Every request and every response is worth a probe, while of bulk data a few in a round
 * trip are enough: one for each tick of the sender's clock, or one at a time if it has
 * none. The end of a write is best, for its ACK waits for nothing that follows.
 */
static __always_inline bool is_worth_a_probe(bool answered, bool ends_write, bool timestamps, bool new_tick)
{
    if (timestamps)
        return new_tick || (answered && ends_write);
    return answered || ends_write;
}

/* The packet's data, or FIN. */
static __always_inline void send_data(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];
    const struct packet *packet = context->packet;
    bool fin = packet->flags & TCP_FIN;
    __u32 end = packet->seq + packet->length + fin;

    if (packet->seq != side->end || fin || side->phase == PODRTT_UNSEEN)
        end_quiet(context->flow, leg);
    if (fin && side->fin == PODRTT_FIN_NONE)
        side->fin = PODRTT_FIN_SENT;
    if (side->phase == PODRTT_UNSEEN) {
        /* It may be a retransmission; what is sent after its ACK's arrival is not. */
        begin_side(context, leg, end, PODRTT_WAITING);
        arm_slot(side, 0, end, TIME_UNKNOWN, 0);
        return;
    }

    __s32 gap = (__s32)(packet->seq - side->end);
    if (gap > MAX_SEQUENCE_GAP)
        return;
    if (gap < 0 && side->phase >= PODRTT_SYN_SENT)
        discard_probes_after(side, packet->seq);
    if (!is_after(end, side->end))
        return;
    side->end = end;

    /* A FIN without data may be acknowledged at once or by the receiver's own FIN. */
    if (packet->length == 0 || side->phase < PODRTT_SYN_SENT)
        return;
    __u16 now = clock_jiffies();
    if ((__u16)(now - context->flow->armed[leg]) < sample_interval)
        return;
    /* The first free slot: requests and responses, which are many, always use the same. */
    __u32 slot = 0;
    while (slot < PODRTT_PROBES && READ_ONCE(side->probe[slot]))
        slot++;
    if (slot == PODRTT_PROBES)
        return;
    __u32 last = side->last;
    if (last >= PODRTT_PROBES) /* never; the verifier cannot know */
        return;
    bool answered = !READ_ONCE(side->probe[last]);
    bool ends_write = packet->flags & TCP_PSH;
    __u32 tsval = read_tsval(context, side);
    if (!is_worth_a_probe(answered, ends_write, side->timestamps, tsval != side->tsval[last]))
        return;
    if (slot == 0)
        side->phase = PODRTT_SYNCED;
    context->flow->armed[leg] = now;
    end_quiet(context->flow, leg);
    arm_slot(side, slot, end, clock_time(&context->clock), tsval);
}

/* ---- flows -------------------------------------------------------------------------- */

static __always_inline __u8 find_peer(const struct packet *packet)
{
    struct podrtt_peer_key key = {.prefix_len = 8 * sizeof(key.address)};

    __builtin_memcpy(key.address, packet->key.peer_address, sizeof(key.address));
    __u32 *peer = bpf_map_lookup_elem(&peers, &key);
    return peer ? *peer : PODRTT_PEER_INTERNET;
}

/* A flow that begins with this packet; NULL if there is none to begin, or no room. */
static __noinline struct podrtt_flow *begin_flow(const struct packet *packet, __u64 hash)
{
    /* Only what arms a probe is worth an entry. */
    if (packet->flags & TCP_RST || !(packet->length || packet->flags & TCP_SYN))
        return NULL;
    return create_flow(&packet->key, hash, find_peer(packet));
}

/* Takes one segment into account; `own` is the leg that its sender's data measures. True if
 * the connection is over, so that it takes no room from the living. */
static __always_inline bool process_segment(struct __sk_buff *skb, struct packet *packet,
                                            struct podrtt_flow *flow, enum podrtt_leg own)
{
    struct context context = {.skb = skb, .packet = packet, .flow = flow};
    struct podrtt_side *side = &flow->side[own];
    side->bytes += packet->length;
    side->packets++;
    if (unlikely(packet->flags & TCP_RST)) {
        flush_floors(flow, packet->key.pod);
        return true;
    }
    /* Most data of one-way bulk acknowledges nothing new: the other side's cache line,
     * which the other CPU writes, is left alone then. */
    if (packet->flags & TCP_ACK && packet->ack != side->acked) {
        side->acked = packet->ack;
        if (!READ_ONCE(flow->quiet[other_leg(own)]))
            acknowledge(&context, other_leg(own));
    }
    if (unlikely(packet->flags & TCP_SYN))
        send_syn(&context, own);
    else if (packet->length || packet->flags & TCP_FIN)
        send_data(&context, own);

    if (unlikely(side->fin == PODRTT_FIN_ACKED) && flow->side[other_leg(own)].fin == PODRTT_FIN_ACKED) {
        flush_floors(flow, packet->key.pod);
        return true;
    }
    return false;
}

/* ---- ICMP echo ------------------------------------------------------------------------ */

/* Distinguishes the sequence number 0 from a free slot. */
#define ECHO_END(sequence) ((sequence) | 1u << 16)

/* A request arms a slot, the oldest if none is free. One that is sent twice cannot be told
 * from the first one by its reply. */
static __always_inline void send_echo(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u32 end = ECHO_END(context->packet->seq);
    __u32 slot = side->last + 1;
    bool twice = false;

    barrier_var(slot); /* so that what is compared is what is used, as the verifier wants it */
    if (slot >= PODRTT_PROBES)
        slot = 0;
    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (probe && probe_end(probe) == end)
            twice = swap_probe(side, i, probe, 0);
    }
    if (!twice)
        arm_slot(side, slot, end, clock_time(&context->clock), 0);
}

static __always_inline void answer_echo(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];

    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (!probe || probe_end(probe) != ECHO_END(context->packet->seq) || !swap_probe(side, i, probe, 0))
            continue;
        __u32 sample = clock_time(&context->clock) - probe_time(probe);
        take_sample(context, leg, PODRTT_KIND_ECHO, sample);
        return;
    }
}

/* Takes one ICMP echo message into account, if that is wanted. */
static __noinline void process_echo(struct __sk_buff *skb, struct packet *packet, enum podrtt_leg own)
{
    __u32 key = PODRTT_SETTING_ECHO;
    __u64 *wanted = bpf_map_lookup_elem(&settings, &key);

    if (!wanted || !*wanted)
        return;
    struct context context = {.skb = skb, .packet = packet};
    __u64 hash = hash_flow_key(&packet->key);
    context.flow = find_flow(&packet->key, hash);
    if (!context.flow && packet->flags & ECHO_REQUEST)
        context.flow = create_flow(&packet->key, hash, find_peer(packet));
    if (!context.flow)
        return;
    context.flow->side[own].packets++;
    if (packet->flags & ECHO_REQUEST)
        send_echo(&context, own);
    else
        answer_echo(&context, other_leg(own));
}

#endif
