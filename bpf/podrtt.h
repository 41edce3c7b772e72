/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the BPF programs and user space: what the maps hold, how
 * they are named and pinned, and how large they are. Every change of a layout in
 * this file needs a new PODRTT_LAYOUT, so that a plugin and a daemon of different
 * versions never read each other's bytes wrongly.
 *
 * Memory, with the default sizes; it does not depend on the number of CPUs:
 *
 *   map          entries   bytes an entry   allocated     total
 *   flows         131072              192   at load     24 MiB
 *   histograms      8192             1728   at load   13.5 MiB
 *   pods            1024              944   at load    0.9 MiB
 *   peers           1024               64   as used   0.06 MiB
 *   peer_names        64               32   at load      2 KiB
 *   drops             10                8   at load      4 KiB
 *   settings           4                8   at load       32 B
 *   events             -                -   at load      1 MiB
 *   totals          8192             1800   as used     14 MiB at most
 *   journal            1             1848   at load      2 KiB
 */
#ifndef PODRTT_H
#define PODRTT_H

#include <linux/types.h>

#ifdef __cplusplus
#define PODRTT_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes))
#else
#define PODRTT_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#endif

/* ---- names ---------------------------------------------------------------------- */

/* Objects are pinned below <pin path>/v<PODRTT_LAYOUT>/ under the names given here. */
#define PODRTT_LAYOUT 1
#define PODRTT_PIN_PATH "/sys/fs/bpf/podrtt"
#define PODRTT_LAYOUT_DIR "v1"
#define PODRTT_LAYOUT_SIZE 8 /* "v12345" */

#define PODRTT_PROGRAM_FROM_POD "podrtt_from_pod" /* packets that leave the pod */
#define PODRTT_PROGRAM_TO_POD "podrtt_to_pod"     /* packets that enter the pod */
/* The same two, to be attached to the interface inside the pod. */
#define PODRTT_PROGRAM_POD_OUT "podrtt_pod_out"
#define PODRTT_PROGRAM_POD_IN "podrtt_pod_in"

#define PODRTT_MAP_FLOWS "flows"
#define PODRTT_MAP_HISTOGRAMS "histograms"
#define PODRTT_MAP_PODS "pods"
#define PODRTT_MAP_PEERS "peers"
#define PODRTT_MAP_PEER_NAMES "peer_names"
#define PODRTT_MAP_DROPS "drops"
#define PODRTT_MAP_TOTALS "totals"
#define PODRTT_MAP_JOURNAL "journal"
#define PODRTT_MAP_SETTINGS "settings"
#define PODRTT_MAP_EVENTS "events"

#define PODRTT_DEFAULT_FLOWS (128 * 1024)
#define PODRTT_DEFAULT_HISTOGRAMS 8192
#define PODRTT_DEFAULT_PODS 1024
#define PODRTT_MAX_PEER_PREFIXES 1024
#define PODRTT_MAX_PEERS 64
#define PODRTT_MAX_TOTALS 8192
#define PODRTT_EVENTS_SIZE (1024 * 1024)

/* ---- pods ----------------------------------------------------------------------- */

/*
 * A pod id is the ifindex of the pod's host veth. The kernel hands ifindexes out in
 * ascending order, so an id is not used again soon, while the veth's name is: Azure
 * CNI derives it from namespace and pod name.
 *
 * Programs attached inside the pod's network namespace, where every pod's interface may
 * have the same ifindex, know the pod by the classid of their filter: the id is that
 * number with PODRTT_ID_IN_POD set, which no ifindex has.
 */
#define PODRTT_ID_IN_POD 0x80000000u
#define PODRTT_MAX_CLASSID 0xffffu /* the kernel hands on 16 bits (struct qdisc_skb_cb) */

#define PODRTT_NAMESPACE_SIZE 64     /* Kubernetes: RFC 1123 label, 63 characters */
#define PODRTT_POD_NAME_SIZE 256     /* Kubernetes: RFC 1123 subdomain, 253 */
#define PODRTT_POD_UID_SIZE 64       /* a UUID; for static pods a hash */
#define PODRTT_CONTAINER_ID_SIZE 128 /* containerd, CRI-O, podman: 64 hexadecimal digits */
#define PODRTT_IFNAME_SIZE 16        /* IFNAMSIZ */
#define PODRTT_NETNS_SIZE 256        /* /var/run/netns/cni-… */
#define PODRTT_NETWORK_SIZE 64       /* "name" of the conflist */

/* No pod: what stands for one while a place in the table of flows changes hands. */
#define PODRTT_ID_BUSY 0xffffffffu

/* What remains of a pod that is gone for good: an entry that has samples but no interface. */
#define PODRTT_ID_REMAINS 0x40000000u

/* Where the number of pods in the metrics is limited: whether one has series of its own. Once
 * decided, that stays, so that no series goes backwards. */
enum podrtt_named {
    PODRTT_NAMED_UNDECIDED,
    PODRTT_NAMED_ITSELF,
    PODRTT_NAMED_OTHER, /* as PODRTT_OTHER */
};
#define PODRTT_OTHER "~other" /* no namespace or pod of Kubernetes can have this name */

/* Identity of a pod as the container runtime gave it. All strings end with a NUL. */
struct podrtt_pod {
    char name_space[PODRTT_NAMESPACE_SIZE];
    char name[PODRTT_POD_NAME_SIZE];
    char uid[PODRTT_POD_UID_SIZE];
    char container_id[PODRTT_CONTAINER_ID_SIZE]; /* of the sandbox (CNI_CONTAINERID) */
    char ifname[PODRTT_IFNAME_SIZE];             /* inside the pod (CNI_IFNAME) */
    char host_ifname[PODRTT_IFNAME_SIZE];        /* for display; never a key */
    char netns[PODRTT_NETNS_SIZE];               /* a path (CNI_NETNS); empty if it is longer */
    char network[PODRTT_NETWORK_SIZE]; /* whose conflist the plugin was called from; empty if longer */
    __u32 host_ifindex;                /* of the host veth: the pod lives as long as that */
    __u32 named;                       /* enum podrtt_named */
    __u64 created;                     /* CLOCK_REALTIME, nanoseconds */
    __u64 deleted;                     /* the same; 0 while the pod lives */
};
PODRTT_ASSERT_SIZE(struct podrtt_pod, 888);

/* ---- peers ---------------------------------------------------------------------- */

/*
 * A peer class names the network that the other end of a connection is in. The
 * class is looked up once per flow by longest prefix, in `peers`; its name is
 * found in `peer_names`, whose entries are never renamed, because histograms that
 * outlive the daemon are keyed by their index.
 */
#define PODRTT_PEER_INTERNET 0 /* what no prefix covers */
#define PODRTT_PEER_NAME_SIZE 32

/* Key of `peers`. IPv4 prefixes are v4-mapped: 96 bits longer, below ::ffff:0:0/96. */
struct podrtt_peer_key {
    __u32 prefix_len; /* bits of address, as BPF_MAP_TYPE_LPM_TRIE wants it */
    __u8 address[16]; /* network byte order */
};
PODRTT_ASSERT_SIZE(struct podrtt_peer_key, 20);

/* ---- flows ---------------------------------------------------------------------- */

/* One TCP connection of one pod; or one series of ICMP echo requests, whose identifier
 * stands for the port of who sends them, while the other's is 0, which TCP does not have. */
struct podrtt_flow_key {
    __u32 pod;             /* pod id; keeps pods with equal addresses apart */
    __be16 pod_port;       /* network byte order */
    __be16 peer_port;      /* network byte order */
    __u8 pod_address[16];  /* network byte order, IPv4 as v4-mapped */
    __u8 peer_address[16]; /* network byte order, IPv4 as v4-mapped */
} __attribute__((aligned(8)));
PODRTT_ASSERT_SIZE(struct podrtt_flow_key, 40);

/* The two legs of a pod's round trip; also the side whose data measures the leg. */
enum podrtt_leg {
    PODRTT_LEG_NETWORK, /* veth -> peer -> veth: data of the pod */
    PODRTT_LEG_POD,     /* veth -> the pod's own stack -> veth: data of the peer */
    PODRTT_LEGS,
};

/* Time in probes and samples is CLOCK_MONOTONIC in units of 32 ns; it wraps after
 * 137 s, longer than TCP leaves data unanswered without sending it again. */
#define PODRTT_TIME_SHIFT 5
#define PODRTT_TIME_UNIT_NS (1 << PODRTT_TIME_SHIFT)

#define PODRTT_DEFAULT_SAMPLE_INTERVAL_MS 10

/* A jiffy where unit tests make the time. Elsewhere it is the kernel's: 1 to 10 ms. */
#define PODRTT_FAKE_JIFFY_NS 1000000

/* A floor window is 149 ticks of 2^26 ns: 10 s. */
#define PODRTT_FLOOR_TICK_SHIFT 26
#define PODRTT_FLOOR_WINDOW_TICKS 149

#define PODRTT_PROBES 3

/*
 * One end of the connection, 64 bytes, which only this end's packets write, but for the
 * probes that the other's acknowledgements take.
 *
 * A probe is `end sequence number << 32 | time`, 0 when the slot is free. Packets
 * of this side arm it, packets of the other side take it, both with one atomic
 * compare-and-swap, so number and time are never torn apart and no lock is needed.
 */
struct podrtt_side {
    __u64 probe[PODRTT_PROBES];
    __u64 bytes;                /* of payload sent, as seen at the veth */
    __u32 tsval[PODRTT_PROBES]; /* TSval (RFC 7323) of the segment that armed the slot */
    __u32 end;                  /* sequence number after the last byte seen */
    __u32 acked;                /* the last acknowledgement number sent */
    __u32 packets;              /* sent, as seen at the veth: a GSO packet is one; wraps */
    __u32 min_rtt;              /* of the leg, units of 32 ns; 0: no sample yet */
    __u8 phase;                 /* enum podrtt_phase */
    __u8 last;                  /* the slot armed last */
    __u8 timestamps;            /* the last armed segment carried timestamps */
    __u8 fin;                   /* enum podrtt_fin */
};
PODRTT_ASSERT_SIZE(struct podrtt_side, 64);

enum podrtt_phase {
    PODRTT_UNSEEN,  /* no data yet: `end` means nothing */
    PODRTT_WAITING, /* met mid-stream: waiting until what was seen first is acknowledged */
    /* In all that follow, new data arms probes. */
    PODRTT_SYN_SENT,   /* probe[0] was armed by a SYN */
    PODRTT_SYN_RESENT, /* probe[0] was armed by a SYN that had been sent before */
    PODRTT_SYNCED,
};

enum podrtt_fin {
    PODRTT_FIN_NONE,
    PODRTT_FIN_SENT,
    PODRTT_FIN_ACKED,
};

/* What stands before the sides is read with every packet, and seldom written. */
struct podrtt_flow {
    struct podrtt_flow_key key; /* pod 0: a free place; PODRTT_ID_BUSY: one that is being taken */
    __u64 floor[PODRTT_LEGS];   /* smallest sample of the window << 32 | the window's first tick */
    __u8 peer;                  /* peer class */
    __u8 counted;               /* enum podrtt_counted */
    __u8 quiet[PODRTT_LEGS];    /* 1: no acknowledgement of this side's data is waited for */
    __u16 armed[PODRTT_LEGS]; /* when a side's data last armed a probe, jiffies; wraps after 65 s or more */
    struct podrtt_side side[PODRTT_LEGS]; /* indexed by the leg that the side's data measures */
};
PODRTT_ASSERT_SIZE(struct podrtt_flow, 192);

/* The table of flows is an array of sets; a flow is in one of the two sets that its key's
 * hash names. */
#define PODRTT_FLOW_WAYS 4

struct podrtt_flow_set {
    struct podrtt_flow way[PODRTT_FLOW_WAYS];
};
PODRTT_ASSERT_SIZE(struct podrtt_flow_set, 768);

/* As what a flow is in the counts of connections, each once. */
enum podrtt_counted {
    PODRTT_COUNTED_MATCHED = 1,
    PODRTT_COUNTED_ONE_WAY = 2,
};

/* ---- histograms ----------------------------------------------------------------- */

enum podrtt_kind {
    PODRTT_KIND_DATA,
    PODRTT_KIND_HANDSHAKE, /* SYN -> SYN-ACK and SYN-ACK -> ACK: no delayed ACK, no data */
    PODRTT_KIND_FLOOR,     /* a flow's smallest sample in a window of 10 s */
    PODRTT_KIND_ECHO,      /* ICMP echo request -> reply, if that is switched on */
    /* No times: leg and peer are 0, and bucket n counts connections, n of enum
     * podrtt_matching. So they survive whatever samples survive. */
    PODRTT_KIND_CONNECTIONS,
    PODRTT_KINDS,
};

/* How the answers of a connection's peers are recognised. */
enum podrtt_matching {
    PODRTT_MATCHING_TIMESTAMPS,
    PODRTT_MATCHING_SEQUENCE, /* without timestamps */
    PODRTT_MATCHING_NONE,     /* the packets of one direction pass unseen */
    PODRTT_MATCHINGS,
};

struct podrtt_histogram_key {
    __u32 pod;
    __u8 leg;
    __u8 kind;
    __u8 peer;
    __u8 pad;
};
PODRTT_ASSERT_SIZE(struct podrtt_histogram_key, 8);

/*
 * Buckets are those of a Prometheus native histogram of schema 3 in seconds: eight
 * per power of two, upper bounds included. Bucket 0 ends at 2^-20 s, bucket i at
 * 2^(-20 + i/8) s, the last one at 2^6 s.
 */
#define PODRTT_SCHEMA 3
#define PODRTT_MIN_EXPONENT (-20)
#define PODRTT_MAX_EXPONENT 6
#define PODRTT_BUCKETS (1 + (PODRTT_MAX_EXPONENT - PODRTT_MIN_EXPONENT) * (1 << PODRTT_SCHEMA))
#define PODRTT_MAX_SAMPLE (2000000000u) /* 2^6 s in units of 32 ns */

struct podrtt_histogram {
    __u64 sum; /* nanoseconds */
    __u64 bucket[PODRTT_BUCKETS];
};
PODRTT_ASSERT_SIZE(struct podrtt_histogram, 1680);

/*
 * `histograms` is an array of places. A key is in one of the PODRTT_HISTOGRAM_TRIES places at
 * which podrtt_histogram_index() lets it be looked for, seldom in two: then its counts are
 * the sum of both. A place that is free has no counts, and no pod id is 0. Who takes one writes the key by
 * compare-and-swap; user space, which alone frees places, does that when no sample can come any more.
 *
 * Key and sum share a cache line; the padding keeps it so.
 */
struct podrtt_histogram_place {
    __u64 key; /* the bytes of a struct podrtt_histogram_key; 0: free */
    struct podrtt_histogram histogram;
    __u64 pad[5];
};
PODRTT_ASSERT_SIZE(struct podrtt_histogram_place, 1728);

#define PODRTT_HISTOGRAM_TRIES 64

/* Where a key is looked for at a try, 0 to PODRTT_HISTOGRAM_TRIES - 1, in an array of `places`, a
 * power of two and no less than tries: each time at another place (triangular probing). */
static inline __attribute__((always_inline)) __u32 podrtt_histogram_index(__u64 key, __u32 attempt,
                                                                          __u32 places)
{
    const __u64 golden_ratio = 0x9e3779b97f4a7c15;

    return ((__u32)(key * golden_ratio >> 32) + attempt * (attempt + 1) / 2) & (places - 1);
}

/* 1 if value > limit, else 0; both below 2^63. Without a branch, and the compiler may not
 * make one of it. */
static inline __attribute__((always_inline)) __u32 podrtt_is_above(__u64 value, __u64 limit)
{
    __u64 difference = limit - value;

    __asm__("" : "+r"(difference));
    return (__u32)(difference >> 63);
}

/*
 * Bucket of a sample in units of 32 ns, at most PODRTT_MAX_SAMPLE.
 *
 * A unit is 2^-4 / 5^9 s, so sample * floor(2^53 / 5^9) is the sample in seconds
 * with 57 fractional bits. The factor is rounded down: a sample of exactly a power
 * of two comes out just below it, in the bucket that ends there, as it must.
 *
 * Which way a sample falls cannot be predicted, and a wrong guess costs as much as all of
 * this: so there are no branches but for what is below the first bucket's bound.
 */
static inline __attribute__((always_inline)) __u32 podrtt_bucket(__u32 sample)
{
    const __u32 fraction_bits = 57;
    const __u32 first_bit = fraction_bits + PODRTT_MIN_EXPONENT;
    __u64 seconds = (__u64)sample * 4611686018ull;

    if (seconds >> first_bit == 0)
        return 0;

    /* The BPF machine counts no leading zeros: the octave's bits, from the highest on. */
    __u64 rest = seconds >> first_bit;
    __u32 octave = 0;
    for (__u32 step = 16; step; step /= 2) {
        __u32 shift = podrtt_is_above(rest, (1ull << step) - 1) * step;
        rest >>= shift;
        octave += shift;
    }
    __u64 mantissa = seconds >> (octave + first_bit - 31); /* 2^31 and up */

    /* 2^31 * 2^(n/8) for n = 1 … 7, less one */
    __u32 eighths = podrtt_is_above(mantissa, 2341847523u) + podrtt_is_above(mantissa, 2553802833u) +
                    podrtt_is_above(mantissa, 2784941737u) + podrtt_is_above(mantissa, 3037000499u) +
                    podrtt_is_above(mantissa, 3311872528u) + podrtt_is_above(mantissa, 3611622602u) +
                    podrtt_is_above(mantissa, 3938502375u);

    return 1 + octave * (1 << PODRTT_SCHEMA) + eighths;
}

/* ---- drops ---------------------------------------------------------------------- */

/* What was left out, by reason. Index into `drops`. */
enum podrtt_drop {
    PODRTT_DROP_TRUNCATED,       /* packet: shorter than its headers say */
    PODRTT_DROP_BAD_HEADER,      /* packet: a header length that cannot be */
    PODRTT_DROP_FRAGMENT,        /* packet: a fragment without a TCP header */
    PODRTT_DROP_STALE,           /* sample: longer than the largest bucket */
    PODRTT_DROP_HISTOGRAMS_FULL, /* sample: no room for a new histogram */
    PODRTT_DROP_EVENTS_FULL,     /* event: the reader was too slow */
    PODRTT_DROP_NO_VETH,         /* pod: its interface is no veth; counted by the plugin */
    PODRTT_DROP_ADD_FAILED,      /* pod: another reason to go on without; the same */
    /* flow: made room for another one, because … */
    PODRTT_DROP_FLOW_UNANSWERED, /* it has had no sample yet */
    PODRTT_DROP_FLOW_IDLE,       /* its last samples were the oldest */
    PODRTT_DROPS,
};

/* ---- settings ------------------------------------------------------------------- */

/* Index into `settings`, an array of u64. */
enum podrtt_setting {
    /* Until then (CLOCK_MONOTONIC, nanoseconds) every sample is reported as an event. A
     * reader moves it on while it reads, so nobody pays for one that was killed. */
    PODRTT_SETTING_EVENTS_UNTIL,
    PODRTT_SETTING_ECHO,   /* 1: ICMP echo is measured, too */
    PODRTT_SETTING_ATTACH, /* enum podrtt_attach; for who attaches */
    PODRTT_SETTING_SEED,   /* secret of the flow table's hash; for who loads. 0: none yet */
    PODRTT_SETTINGS,
};

/* How programs are attached to a pod. */
enum podrtt_attach {
    PODRTT_ATTACH_AUTO,
    PODRTT_ATTACH_CLSACT, /* to the host veth, by clsact and cls_bpf */
    PODRTT_ATTACH_TCX,    /* to the host veth, by TCX, before all others (Linux 6.6) */
    PODRTT_ATTACH_POD,    /* to the interface inside the pod, by clsact and cls_bpf */
};

/* ---- live events ----------------------------------------------------------------- */

/* One sample, as it was taken. */
struct podrtt_event {
    __u64 time;       /* CLOCK_MONOTONIC, nanoseconds */
    __u64 rtt;        /* nanoseconds */
    __u64 min_rtt;    /* of this flow and leg so far, nanoseconds */
    __u64 bytes[2];   /* as in struct podrtt_side, this packet included; indexed as sides are */
    __u32 packets[2]; /* the same */
    struct podrtt_flow_key flow;
    __u32 ack; /* number of the acknowledgement that ended the round trip; host byte order */
    __u8 leg;
    __u8 kind;
    __u8 peer;
    __u8 pad;
};
PODRTT_ASSERT_SIZE(struct podrtt_event, 96);

/* ---- totals of namespaces, kept by user space ------------------------------------ */

struct podrtt_total_key {
    char name_space[PODRTT_NAMESPACE_SIZE];
    __u8 leg;
    __u8 kind;
    __u8 peer;
    __u8 pad;
};
PODRTT_ASSERT_SIZE(struct podrtt_total_key, 68);

enum podrtt_move {
    PODRTT_MOVE_NONE,
    PODRTT_MOVE_TO_TOTAL, /* into the total of the pod's namespace */
    PODRTT_MOVE_TO_POD,   /* into a pod of the same name that is gone, too */
    /* The same, from the map that another layout has pinned. */
    PODRTT_MOVE_LAYOUT_POD,
    PODRTT_MOVE_LAYOUT_TOTAL,
};

/*
 * A deleted pod's histogram is moved in steps that a crash may separate. The journal
 * holds the outcome before the first of them, so that the next start can repeat the
 * steps and no sample is lost or counted twice.
 */
struct podrtt_journal {
    __u32 move;                         /* enum podrtt_move */
    char layout[PODRTT_LAYOUT_SIZE];    /* the other layout's directory */
    struct podrtt_total_key from_total; /* one of these two is to be deleted */
    struct podrtt_histogram_key from;
    struct podrtt_histogram_key to_pod; /* one of these two is to become … */
    struct podrtt_total_key to_total;
    struct podrtt_histogram result; /* … this */
};
PODRTT_ASSERT_SIZE(struct podrtt_journal, 1848);

#endif
