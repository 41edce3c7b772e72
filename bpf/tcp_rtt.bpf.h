/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule by which data and its acknowledgement become a round trip.
 *
 *   arm      New data (its end beyond any seen) or a SYN arms a free slot with its
 *            end sequence number and the time: the end of every write, if need be by
 *            taking the slot of the write before; of bulk data only a part.
 *   take     An ACK of the other side takes every slot that it covers.
 *   sample   The slot whose end the ACK equals is the sample: exactly that segment,
 *            and none after it, has just been acknowledged. An ACK beyond the slot's
 *            end may have waited for a later segment, so it yields nothing.
 *   mark     Data at a sequence number seen before is a retransmission, or fills a
 *            hole: the slots from there on yield no round trip (Karn's rule), because what
 *            acknowledges them may answer either sending (tcp_recovery.bpf.h).
 *   check    With timestamps, TSecr must not be beyond the slot's TSval: then the ACK
 *            answers something sent later, which this tap has missed.
 */
#ifndef PODRTT_TCP_RTT_BPF_H
#define PODRTT_TCP_RTT_BPF_H

#include "bpf/connection.bpf.h"
#include "bpf/flow_table.bpf.h"
#include "bpf/parse.bpf.h"
#include "bpf/peer.bpf.h"
#include "bpf/probe.bpf.h"
#include "bpf/tcp_connect.bpf.h"
#include "bpf/tcp_recovery.bpf.h"
#include "bpf/tcp_response.bpf.h"

/* Data so far beyond what was seen, or an ACK so far behind it, belongs to another
 * connection or is forged: RFC 7323 allows windows of 1 GiB, but nobody uses them. */
#define MAX_SEQUENCE_GAP (1 << 28)

/* Data that lies further beyond what was seen is forged; else its ACK shows that much has passed unseen. */
#define MAX_HOLE (1 << 22)

/* A SYN that lies no further behind the data seen has been sent before. A new connection
 * between the same ports begins further on (RFC 6191; Linux: 65537 beyond the old end). */
#define MAX_SYN_DISTANCE 65536

/* ---- quiet sides ------------------------------------------------------------------- */

/*
 * Most acknowledgements find nothing to take, because a side is sampled only now and then.
 * That is noted in the flow's first cache line, which every packet reads; the side's own cache lines,
 * which the other CPU writes, are left alone then. Whatever an acknowledgement could end or
 * contradict ends the quiet: a probe, and data that does not follow on the last.
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
    if (!probes && side->phase == PODRTT_SYNCED)
        WRITE_ONCE(flow->quiet[leg], 1);
}

/* ---- acknowledgement --------------------------------------------------------------- */

/* A probe that was taken by an ACK that ends where the probe ends. */
static __always_inline void complete(struct context *context, enum podrtt_leg leg, int slot, __u32 time,
                                     __u32 tsval)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u8 phase = side->phase;
    bool handshake = slot == 0 && phase != PODRTT_SYNCED && phase != PODRTT_WAITING;

    if (handshake)
        side->phase = PODRTT_SYNCED;
    if (time == TIME_UNKNOWN) {
        side->phase = PODRTT_SYNCED;
        count_matched(context, leg);
        return;
    }

    struct timestamps answer = {};
    bool echoes =
        side->flags & PODRTT_TIMESTAMPS && read_timestamps(context->skb, context->packet, &answer);
    if (echoes && is_after(answer.tsecr, tsval))
        return;
    /* Of several SYNs the last one has armed the slot: only its echo tells that it, and
     * not an earlier one, is answered. */
    bool again = phase == PODRTT_SYN_RESENT || phase == PODRTT_CONNECTING_AGAIN;
    if (handshake && again && !(echoes && answer.tsecr == tsval))
        return;

    __u32 sample = time_since(&context->clock, time, eras_since_armed(&context->clock, side));
    take_round_trip(context, leg, handshake ? PODRTT_KIND_HANDSHAKE : PODRTT_KIND_DATA, sample);
}

/* A SYN-ACK may acknowledge data that came with the SYN (RFC 7413), as far as it likes. */
static __always_inline bool answers_syn(const struct packet *packet, const struct podrtt_side *side)
{
    return packet->flags & TCP_SYN && (side->phase == PODRTT_SYN_SENT || side->phase == PODRTT_SYN_RESENT);
}

/* The packet's ACK, against a SYN that waits for its SYN-ACK. */
static __noinline void answer_syn(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];

    if (!end_connect(context, leg))
        return;
    __u64 last = READ_ONCE(side->probe[0]);
    __u32 tsval = READ_ONCE(side->tsval[0]);
    if (last && swap_probe(side, 0, last, 0))
        complete(context, leg, 0, probe_time(last), tsval);
    side->phase = PODRTT_SYNCED;
    begin_quiet(context->flow, leg);
}

/* The slots whose data was sent again, or lies behind such data. Returns the time of the request, if its
 * slot is one of them, else 0. */
static __noinline __u32 take_marked(struct context *context, enum podrtt_leg leg, __u32 request)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u32 request_time = 0;

    for (__u32 i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        enum podrtt_mark mark = probe_mark(side, i);
        if (!probe || mark == PODRTT_MARK_NONE || is_after(probe_end(probe), context->packet->ack) ||
            !swap_probe(side, i, probe, 0))
            continue;
        if (mark == PODRTT_MARK_RESENT && probe_time(probe) != TIME_UNKNOWN)
            end_recovery(context, leg, probe_time(probe));
        if (i == request)
            request_time = probe_time(probe);
    }
    return request_time;
}

/* The packet's ACK, against the other side's data. */
static __always_inline void acknowledge(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u32 ack = context->packet->ack;

    if (unlikely(side->phase <= PODRTT_CONNECTING_AGAIN)) {
        if (side->phase == PODRTT_UNSEEN)
            note_one_way(context, leg);
        else
            answer_syn(context, leg);
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

    if (behind == 0 && side->run)
        side->run = 0; /* all that was sent has arrived */

    __u32 request = request_slot(side);
    __u32 request_time = 0;
    if (unlikely(side->flags >> PODRTT_MARK_SHIFT(0)))
        request_time = take_marked(context, leg, request);

    int hit = -1;
    __u32 hit_time = 0;
    __u32 hit_tsval = 0;
    for (__u32 i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (!probe || is_after(probe_end(probe), ack))
            continue;
        __u32 tsval = READ_ONCE(side->tsval[i]);
        if (!swap_probe(side, i, probe, 0))
            continue;
        if (probe_end(probe) == ack || probe_time(probe) == TIME_UNKNOWN ||
            (i == 0 && answers_syn(context->packet, side))) {
            hit = i;
            hit_time = probe_time(probe);
            hit_tsval = tsval;
        }
        if (i == request)
            request_time = probe_time(probe);
    }
    hit = hide_from_verifier(hit, ack);
    if (request_time)
        acknowledge_request(context, leg, request, request_time);
    if (hit >= 0)
        complete(context, leg, hit, hit_time, hit_tsval);
    else /* who asks and answers arms the next one soon */
        begin_quiet(context->flow, leg);
}

/* ---- sending ----------------------------------------------------------------------- */

/* A segment's TSval, and whether it has one. */
static __always_inline __u32 read_tsval(struct context *context, bool *has_timestamps)
{
    struct timestamps timestamps = {};

    *has_timestamps = read_timestamps(context->skb, context->packet, &timestamps);
    return timestamps.tsval;
}

static __always_inline void arm(struct context *context, struct podrtt_side *side, __u32 slot, __u32 end,
                                __u32 tsval, bool has_timestamps)
{
    side->era = clock_era(&context->clock);
    arm_slot(side, slot, end, clock_time(&context->clock), tsval);
    if (has_timestamps)
        side->flags |= PODRTT_TIMESTAMPS;
}

/* What is known of a side begins with this packet: whatever acknowledges it is news. */
static __always_inline void begin_side(struct context *context, enum podrtt_leg leg, __u32 end,
                                       enum podrtt_phase phase)
{
    struct podrtt_side *side = &context->flow->side[leg];

    side->end = end;
    side->run = 0;
    side->sent_at = clock_jiffies();
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
    bool again = has_sent_syn(side) && side->end - acknowledged_by < MAX_SYN_DISTANCE;
    bool has_timestamps;
    __u32 tsval = read_tsval(context, &has_timestamps);
    /* Within one tick of the sender's clock its SYNs look alike. */
    bool ambiguous = again && tsval == side->tsval[0];

    end_quiet(context->flow, leg);
    if (again) {
        if (packet->flags & TCP_ACK && side->flags & PODRTT_CLIENT)
            side->flags &= ~PODRTT_CLIENT; /* both have begun */
        else
            count_resent(packet->key.pod, leg);
    }
    if (again && is_connecting(side)) {
        side->phase = PODRTT_CONNECTING_AGAIN; /* the wait goes on */
    } else if (again) {
        discard_probes(side);
        side->phase = PODRTT_SYN_RESENT;
    } else {
        discard_probes(side);
        flush_floor(context->flow, context->packet->key.pod, leg);
        begin_side(context, leg, end, packet->flags & TCP_ACK ? PODRTT_SYN_SENT : PODRTT_CONNECTING);
        side->flags = packet->flags & TCP_ACK ? 0 : PODRTT_CLIENT;
        if (!(packet->flags & TCP_ACK)) {
            context->flow->counted = 0;
            begin_connect(context, leg, acknowledged_by);
        } else if (has_sent_syn(&context->flow->side[other_leg(leg)]) &&
                   !is_connecting(&context->flow->side[other_leg(leg)])) {
            count_matched(context, other_leg(leg)); /* else it answers something else */
        }
    }
    if (ambiguous)
        arm_slot(side, 0, acknowledged_by, TIME_UNKNOWN, tsval);
    else
        arm(context, side, 0, acknowledged_by, tsval, has_timestamps);
}

/*
 * The end of every write is worth a probe: what is acknowledged is the last segment of a request or
 * response, in whatever number of writes and segments it came, and whatever tick of the sender's clock
 * these share. So is what lies before the end, because receivers acknowledge each second segment; but of a
 * request only the first of a tick, if there are ticks. Of bulk a few segments a second are enough: the
 * first of a tick, or one at a time.
 */
static __always_inline bool is_worth_a_probe(bool bulk, bool asks, bool answered, bool ends_write,
                                             bool timestamps, bool new_tick)
{
    if (ends_write || (timestamps && new_tick))
        return true;
    return bulk ? answered : !(asks && timestamps);
}

/* Data that does not follow on what was seen. While the side was quiet nobody looked at what the
 * other end acknowledges: if that was beyond what was seen, data has passed unseen, and this may be
 * sent again. */
static __noinline void note_jump(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_flow *flow = context->flow;
    struct podrtt_side *side = &flow->side[leg];

    if (READ_ONCE(flow->quiet[leg]) && is_after(flow->side[other_leg(leg)].acked, side->end))
        side->phase = PODRTT_UNSEEN;
    end_quiet(flow, leg);
}

/*
 * Where an operator has set an interval, a side is sampled by chance, each write with the same: what comes
 * first after a pause is slower than others, and must be taken no more often, and no less. The chance is
 * 2^-n. It falls when two samples lie closer together than the interval, and rises when they lie four times
 * as far, or none has come for long. It changes seldom, and by chance as well, so that it is the same for
 * all writes of a burst.
 */
static __noinline bool is_chosen(struct podrtt_flow *flow, enum podrtt_leg leg, __u16 now)
{
    __u32 random = bpf_get_prandom_u32();
    __u32 shift = PODRTT_LEG_SHIFT(leg);
    __u32 chance = flow->counted >> shift & PODRTT_LEG_MAX;
    __u16 elapsed = now - flow->armed[leg];
    bool chosen = !(random & ((1u << chance) - 1));
    bool seldom = random >> 30 == 0; /* one in four */

    if (chosen && seldom && elapsed < sample_interval && chance < PODRTT_LEG_MAX)
        flow->counted += 1 << shift;
    else if (chosen && seldom && elapsed >= 4 * sample_interval && chance)
        flow->counted -= 1 << shift;
    else if (!chosen && elapsed >= 32 * sample_interval && chance)
        flow->counted -= 1 << shift; /* it was busy before */
    return chosen;
}

/* The side has sent data in this jiffy, and goes on with a write, or has ended one and the other end has
 * said nothing since. */
static __always_inline bool speaks_alone(const struct podrtt_flow *flow, enum podrtt_leg leg, __u16 now,
                                         bool ends_write)
{
    const struct podrtt_side *side = &flow->side[leg];

    return side->sent_at == now && (!ends_write || side->flags & PODRTT_OPEN);
}

/* A side that speaks alone is watched a few times in a jiffy; one that asks or answers, each time. */
static __always_inline bool is_frequent(const struct podrtt_flow *flow, enum podrtt_leg leg, bool alone)
{
    return alone && (flow->counted >> PODRTT_LEG_SHIFT(leg) & PODRTT_LEG_MAX) == PODRTT_LEG_MAX;
}

/* Before a slot is armed. */
static __always_inline void note_frequency(struct podrtt_flow *flow, enum podrtt_leg leg, bool alone)
{
    __u32 shift = PODRTT_LEG_SHIFT(leg);

    if (alone) {
        if ((flow->counted >> shift & PODRTT_LEG_MAX) < PODRTT_LEG_MAX)
            flow->counted += 1 << shift;
    } else if (flow->counted >> shift & PODRTT_LEG_MAX) {
        flow->counted &= ~(PODRTT_LEG_MAX << shift);
    }
}

/* Adds to what the side has sent in one go; whether that is bulk. */
static __always_inline bool is_bulk(struct podrtt_side *side, __u32 bytes)
{
    __u32 run = side->run + bytes;

    if (run < bytes || run > PODRTT_BULK)
        run = PODRTT_BULK;
    if (side->run != run)
        side->run = run;
    return run == PODRTT_BULK;
}

static __always_inline void note_fin(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];

    if (!(side->flags & PODRTT_FIN))
        report_connection(context->packet, context->flow, other_leg(leg), PODRTT_KIND_CLOSED);
    side->flags |= PODRTT_FIN;
}

/* Data that follows on nothing, or on a SYN whose SYN-ACK has passed unseen, may be a retransmission; what
 * is sent after its ACK's arrival is not. */
static __noinline void begin_midstream(struct context *context, enum podrtt_leg leg, __u32 end)
{
    struct podrtt_side *side = &context->flow->side[leg];
    const struct podrtt_side *other = &context->flow->side[other_leg(leg)];

    discard_probes(side);
    begin_side(context, leg, end, PODRTT_WAITING);
    arm_slot(side, 0, end, TIME_UNKNOWN, 0);
    if (context->packet->flags & TCP_FIN)
        note_fin(context, leg);
    if (!((side->flags | other->flags) & PODRTT_CLIENT) && has_port_of_client(&context->packet->key, leg))
        side->flags |= PODRTT_CLIENT;
}

/* The packet's data, or FIN. */
static __always_inline void send_data(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_flow *flow = context->flow;
    struct podrtt_side *side = &flow->side[leg];
    const struct packet *packet = context->packet;
    bool fin = packet->flags & TCP_FIN;
    __u32 end = packet->seq + packet->length + fin;

    /* Of another connection, or forged; but if the other end is known, it may be the SYN that was. */
    if (unlikely(is_connecting(side)) && flow->side[other_leg(leg)].phase == PODRTT_UNSEEN &&
        !follows_syn(packet, side))
        return;
    if (unlikely(packet->seq != side->end || side->phase <= PODRTT_CONNECTING_AGAIN))
        note_jump(context, leg);
    if (side->phase <= PODRTT_CONNECTING_AGAIN) {
        begin_midstream(context, leg, end);
        return;
    }

    __s32 gap = (__s32)(packet->seq - side->end);
    if (gap > MAX_HOLE)
        return;
    if (unlikely(fin) && !is_after(side->end, end))
        note_fin(context, leg);
    if (unlikely(side->flags & PODRTT_HOLE) && flow->side[other_leg(leg)].acked == side->end)
        side->flags &= ~PODRTT_HOLE; /* all has arrived */
    if (unlikely(gap) && side->phase >= PODRTT_SYN_SENT) {
        if (gap < 0)
            send_again(context, leg, end);
        else
            note_hole(context, leg, end);
        end_quiet(flow, leg);
    }
    __s32 advance = (__s32)(end - side->end);
    if (advance <= 0)
        return;
    if (unlikely(side->flags & PODRTT_ASKED))
        answer_request(context, other_leg(leg));
    side->end = end;

    /* A FIN without data may be acknowledged at once or by the receiver's own FIN. */
    if (packet->length == 0)
        return;
    __u16 now = clock_jiffies();
    if (side->phase < PODRTT_SYN_SENT) {
        side->sent_at = now;
        return;
    }
    bool ends_write = packet->flags & TCP_PSH;
    bool asks = side->flags & PODRTT_CLIENT && may_ask(context, side, now);
    bool alone = speaks_alone(flow, leg, now, ends_write);
    side->flags = (side->flags & ~PODRTT_REQUEST) | (ends_write ? PODRTT_OPEN : 0);
    side->sent_at = now;
    bool bulk = is_bulk(side, advance);
    bool ends_request = asks && ends_write;
    if (bulk && !ends_request && (__u16)(now - flow->armed[leg]) < bulk_interval)
        return;
    if (sample_interval ? !is_chosen(flow, leg, now) : is_frequent(flow, leg, alone))
        return;
    if (unlikely(side->flags >> PODRTT_MARK_SHIFT(0)))
        forget_marks(side);
    /* The first free slot: requests and responses, which are many, always use the same. */
    __u32 slot = hide_from_verifier(free_slot(side), end);
    __u32 last = last_slot(side);
    if (last >= PODRTT_PROBES)
        return;
    __u64 before = READ_ONCE(side->probe[last]);
    bool answered = !before;
    __u32 last_tsval = READ_ONCE(side->tsval[last]);
    bool has_timestamps;
    __u32 tsval = read_tsval(context, &has_timestamps);
    if (!is_worth_a_probe(bulk, asks, answered, ends_write, has_timestamps, tsval != last_tsval))
        return;
    if (unlikely(before && probe_end(before) == end)) {
        slot = last; /* behind a hole */
    } else if (slot >= PODRTT_PROBES) {
        /* The one armed last moves on to the end of this write. */
        slot = last;
        if ((bulk && !ends_request) || !ends_write || probe_mark(side, slot) == PODRTT_MARK_RESENT)
            return;
    }
    barrier_var(slot); /* so that what is compared is what is used */
    if (slot >= PODRTT_PROBES)
        return;
    if (before && slot == last)
        swap_probe(side, slot, before, 0);
    if (slot == 0)
        side->phase = PODRTT_SYNCED;
    if (!sample_interval)
        note_frequency(flow, leg, alone);
    if (bulk || sample_interval || (__u16)(now - flow->armed[leg]) >= PODRTT_ARMED_STEP)
        flow->armed[leg] = now;
    end_quiet(flow, leg);
    arm(context, side, slot, end, tsval, has_timestamps);
    if (ends_request && !(side->flags & PODRTT_HOLE) && packet->ack == flow->side[other_leg(leg)].end)
        side->flags |= PODRTT_REQUEST;
}

/* ---- flows -------------------------------------------------------------------------- */

/* A flow that begins with this packet; NULL if there is none to begin, or no room. */
static __noinline struct podrtt_flow *begin_flow(const struct packet *packet, __u64 hash)
{
    /* Only what arms a probe is worth an entry. */
    if (packet->flags & (TCP_RST | TCP_FIN) || !(packet->length || packet->flags & TCP_SYN))
        return NULL;
    return create_flow(&packet->key, hash, find_peer(packet));
}

/*
 * Whether the receiver would take a reset: it must be exactly where the next byte is expected (RFC
 * 5961, 3.2), or acknowledge the SYN that it refuses (RFC 9293, 3.10.7.3). Of what the sender's side
 * was seen to send, and what the receiver has acknowledged, the next byte is at one of the two.
 */
static __noinline bool ends_connection(const struct packet *packet, const struct podrtt_side *sender,
                                       const struct podrtt_side *receiver)
{
    if (is_connecting(receiver))
        return acknowledges_syn(packet, receiver);
    if (is_connecting(sender)) /* it may only refuse what it was answered, and goes on waiting */
        return packet->seq == sender->end;
    if (sender->phase != PODRTT_UNSEEN && packet->seq == sender->end)
        return true;
    if (receiver->acked && packet->seq == receiver->acked)
        return true;
    return false;
}

/* Both ends have sent a FIN, and acknowledged the other's. */
static __always_inline bool is_over(const struct podrtt_side *one, const struct podrtt_side *other)
{
    return one->flags & other->flags & PODRTT_FIN && one->acked == other->end && other->acked == one->end;
}

/* Takes one segment of a flow into account; `own` is the leg that its sender's data measures.
 * True if the connection is over, so that it takes no room from the living. */
static __always_inline bool process_segment(struct __sk_buff *skb, struct packet *packet,
                                            struct podrtt_flow *flow, enum podrtt_leg own)
{
    struct context context = {.skb = skb, .packet = packet, .flow = flow};
    struct podrtt_side *side = &flow->side[own];
    side->sent += (1ull << PODRTT_PACKETS_SHIFT) + packet->length;
    if (unlikely(packet->flags & TCP_RST)) {
        if (!ends_connection(packet, side, &flow->side[other_leg(own)]))
            return false;
        if (is_connecting(&flow->side[other_leg(own)]))
            count_connect(packet->key.pod, other_leg(own), PODRTT_CONNECT_REFUSED);
        if (!(side->flags & PODRTT_FIN))
            report_connection(packet, flow, other_leg(own), PODRTT_KIND_CLOSED);
        flush_floors(flow, packet->key.pod);
        return true;
    }
    /* Most data of one-way bulk acknowledges nothing new: the other side's cache line,
     * which the other CPU writes, is left alone then. */
    if (packet->flags & TCP_ACK && (packet->ack != side->acked || packet->flags & TCP_SYN)) {
        side->acked = packet->ack;
        side->run = 0;
        side->flags &= ~(PODRTT_OPEN | PODRTT_REQUEST);
        if (!READ_ONCE(flow->quiet[other_leg(own)]))
            acknowledge(&context, other_leg(own));
    }
    if (unlikely(packet->flags & TCP_SYN))
        send_syn(&context, own);
    else if (packet->length || packet->flags & TCP_FIN)
        send_data(&context, own);

    if (unlikely(side->flags & PODRTT_FIN) && is_over(side, &flow->side[other_leg(own)])) {
        flush_floors(flow, packet->key.pod);
        return true;
    }
    return false;
}

static __always_inline void process_tcp(struct __sk_buff *skb, struct packet *packet,
                                        enum direction direction)
{
    hide_path_from_verifier(packet);
    __u64 hash = hash_flow_key(&packet->key);
    struct podrtt_flow *flow = find_flow(&packet->key, hash);
    if (unlikely(!flow))
        flow = begin_flow(packet, hash);
    if (flow && unlikely(process_segment(skb, packet, flow, (enum podrtt_leg)direction)))
        delete_flow(flow, &packet->key);
}

#endif
