/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the BPF programs and user space: what the maps hold, how
 * they are named and pinned, and how large they are. A change of a struct, or of the
 * meaning of a number that is stored, needs a new PODRTT_LAYOUT, so that a plugin and a
 * daemon of different versions never misread each other's bytes. A new drop reason,
 * setting or kind does not: the arrays have room for more.
 *
 * Memory, with the default sizes; it does not depend on the number of CPUs:
 *
 *   map          entries   bytes an entry   allocated     total
 *   flows          16384              768   at load     12 MiB
 *   histograms      8192             1728   at load   13.5 MiB
 *   pods            1024              960   at load    0.9 MiB
 *   tcx_pods        1024               56   at load   0.06 MiB
 *   peers           1024               64   as used   0.06 MiB
 *   peer_names        64               32   at load      2 KiB
 *   drops             64                8   at load      4 KiB
 *   settings          16                8   at load    128 B
 *   events             -                -   at load      1 MiB
 *   totals          2048             1800   as used    3.5 MiB at most
 *   journal            1             1856   at load      2 KiB
 */
#ifndef PODRTT_H
#define PODRTT_H

#include <linux/types.h>

#ifdef __cplusplus
#define PODRTT_ASSERT(condition) static_assert(condition)
#else
#define PODRTT_ASSERT(condition) _Static_assert(condition, #condition)
#endif
#define PODRTT_ASSERT_SIZE(type, bytes) PODRTT_ASSERT(sizeof(type) == (bytes))

/* ---- names ---------------------------------------------------------------------- */

/* Objects are pinned below <pin path>/v<PODRTT_LAYOUT>/ under the names given here. */
#define PODRTT_LAYOUT 4
#define PODRTT_PIN_PATH "/sys/fs/bpf/podrtt"
#define PODRTT_TEXT_OF(number) #number
#define PODRTT_TEXT(number) PODRTT_TEXT_OF(number)
#define PODRTT_LAYOUT_DIR "v" PODRTT_TEXT(PODRTT_LAYOUT)
#define PODRTT_LAYOUT_SIZE 8 /* "v12345" and its NUL */

/* For cls_bpf: on the host veth, or on the interface inside the pod. */
#define PODRTT_PROGRAM_FROM_POD "podrtt_from_pod" /* packets that leave the pod */
#define PODRTT_PROGRAM_TO_POD "podrtt_to_pod"     /* packets that enter the pod */
/* The same two for TCX, on the host veth. */
#define PODRTT_PROGRAM_TCX_FROM "podrtt_tcx_from"
#define PODRTT_PROGRAM_TCX_TO "podrtt_tcx_to"

#define PODRTT_MAP_FLOWS "flows"
#define PODRTT_MAP_HISTOGRAMS "histograms"
#define PODRTT_MAP_PODS "pods"
#define PODRTT_MAP_TCX_PODS "tcx_pods"
#define PODRTT_MAP_PEERS "peers"
#define PODRTT_MAP_PEER_NAMES "peer_names"
#define PODRTT_MAP_DROPS "drops"
#define PODRTT_MAP_TOTALS "totals"
#define PODRTT_MAP_JOURNAL "journal"
#define PODRTT_MAP_SETTINGS "settings"
#define PODRTT_MAP_EVENTS "events"

#define PODRTT_DEFAULT_FLOWS (64 * 1024)
#define PODRTT_DEFAULT_HISTOGRAMS 8192
#define PODRTT_DEFAULT_PODS 1024
#define PODRTT_MAX_PEER_PREFIXES 1024
#define PODRTT_MAX_PEERS 64
#define PODRTT_MAX_TOTALS 2048
#define PODRTT_MAX_DROPS 64    /* more than enum podrtt_drop needs */
#define PODRTT_MAX_SETTINGS 16 /* more than enum podrtt_setting needs */
#define PODRTT_EVENTS_SIZE (1024 * 1024)

/* ---- pods ----------------------------------------------------------------------- */

/*
 * A pod id is a number from 1 to PODRTT_MAX_POD_ID, claimed in `pods` by the first to attach to a
 * pod first. It is not given out again while anything keyed by it remains. cls_bpf hands it to
 * the programs as the minor number of the filter's classid, of which the kernel passes on 16
 * bits (struct qdisc_skb_cb), so an id cannot outlive its attachment. TCX has no classid: its
 * programs look the interface up in `tcx_pods`.
 *
 * The classid's major number is PODRTT_SETTING_OWNER: it tells filters of these maps from those
 * of other maps, whose ids mean other pods.
 */
#define PODRTT_MAX_POD_ID 0xffffu

#define PODRTT_NAMESPACE_SIZE 64     /* Kubernetes: RFC 1123 label, 63 characters */
#define PODRTT_POD_NAME_SIZE 256     /* Kubernetes: RFC 1123 subdomain, 253 */
#define PODRTT_POD_UID_SIZE 64       /* a UUID; for static pods a hash */
#define PODRTT_CONTAINER_ID_SIZE 128 /* containerd, CRI-O, podman: 64 hexadecimal digits */
#define PODRTT_IFNAME_SIZE 16        /* IFNAMSIZ */
#define PODRTT_NETNS_SIZE 248        /* /var/run/netns/cni-… */
#define PODRTT_NETWORK_SIZE 64       /* "name" of the conflist */

/* Where the number of pods in the metrics is limited: whether one has series of its own. Once
 * decided, that stays, so that no series goes backwards. */
enum podrtt_named {
    PODRTT_NAMED_UNDECIDED,
    PODRTT_NAMED_ITSELF,
    PODRTT_NAMED_OTHER, /* as PODRTT_OTHER */
};
#define PODRTT_OTHER "~other" /* no namespace or pod of Kubernetes can have this name */
#define PODRTT_GONE "~gone"   /* nor this: of namespaces without pods */

/* How programs are attached to a pod. */
enum podrtt_attach {
    PODRTT_ATTACH_AUTO,
    PODRTT_ATTACH_CLSACT, /* to the host veth, by clsact and cls_bpf */
    PODRTT_ATTACH_TCX,    /* to the host veth, by TCX, before all others (Linux 6.6) */
    PODRTT_ATTACH_POD,    /* to the interface inside the pod, by clsact and cls_bpf */
};

/* Identity of a pod as the container runtime gave it, and where it is. All strings end with a
 * NUL. A record without an interface keeps the samples of a pod that is gone. */
struct podrtt_pod {
    char name_space[PODRTT_NAMESPACE_SIZE];
    char name[PODRTT_POD_NAME_SIZE];
    char uid[PODRTT_POD_UID_SIZE];
    char container_id[PODRTT_CONTAINER_ID_SIZE]; /* of the sandbox (CNI_CONTAINERID) */
    char ifname[PODRTT_IFNAME_SIZE];             /* inside the pod (CNI_IFNAME) */
    char host_ifname[PODRTT_IFNAME_SIZE];        /* for display; never a key */
    char netns[PODRTT_NETNS_SIZE];               /* a path (CNI_NETNS); empty if it is longer */
    __u64 since;                       /* when the oldest was created whose samples it has; 0: itself */
    char network[PODRTT_NETWORK_SIZE]; /* whose conflist the plugin was called from; empty if longer */
    __u64 netns_cookie;                /* of the network namespace (SO_NETNS_COOKIE); 0: not known */
    __u64 created;                     /* CLOCK_REALTIME, nanoseconds */
    __u64 deleted;                     /* the same; 0 while the pod lives */
    __u32 host_ifindex;                /* of the host veth; 0: no interface */
    __u32 pod_ifindex;                 /* of the interface inside; 0: not known */
    __u32 attach; /* enum podrtt_attach: POD where its programs are inside, else AUTO */
    __u32 named;  /* enum podrtt_named */
};
PODRTT_ASSERT_SIZE(struct podrtt_pod, 904);

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

/* One TCP connection of one pod; or one series of ICMP echo requests, whose identifier stands for
 * the port of their sender, while the other's is 0; or one DNS query, whose ID stands for the port of the
 * server, which is 53. */
struct podrtt_flow_key {
    __u16 pod;             /* pod id; keeps pods with equal addresses apart */
    __u8 protocol;         /* IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6 or IPPROTO_UDP */
    __u8 pad;              /* 0 */
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

/* A jiffy where unit tests make the time. Elsewhere it is the kernel's: 1 to 10 ms. */
#define PODRTT_FAKE_JIFFY_NS 1000000

/* ---- histograms ----------------------------------------------------------------- */

/* What is measured. bpf/user/kinds.h has a row for each. */
enum podrtt_kind {
    PODRTT_KIND_DATA,
    PODRTT_KIND_HANDSHAKE, /* SYN -> SYN-ACK and SYN-ACK -> ACK: no delayed ACK, no data */
    PODRTT_KIND_FLOOR,     /* a flow's smallest sample in a window of 10 s */
    PODRTT_KIND_ECHO,      /* ICMP echo request -> reply, if that is switched on */
    PODRTT_KIND_CONNECT,   /* a connection's first SYN -> the SYN-ACK that answers it */
    PODRTT_KIND_RECOVERY,  /* data's first sending -> the ACK that covers it, of what was sent again */
    PODRTT_KIND_RESPONSE,  /* the last byte of a request -> the first byte of its answer */
    PODRTT_KIND_DNS,       /* a DNS query, however often it is sent -> its answer */
    PODRTT_KINDS,
    /* No times: peer is 0, and each bucket counts what enum podrtt_count says. So counts survive whatever
     * samples survive. */
    PODRTT_KIND_COUNTS = 32,
    /* Of live events alone. */
    PODRTT_KIND_OPENED = 64, /* a connection whose both ends have been seen */
    PODRTT_KIND_CLOSED,      /* by one end, or by a reset for both */
};

/* A bucket of PODRTT_KIND_COUNTS. bpf/user/kinds.h has a row for each but connections. */
enum podrtt_count {
    PODRTT_COUNT_CONNECTIONS,      /* + enum podrtt_matching; leg is 0 */
    PODRTT_COUNT_CONNECTS = 8,     /* + enum podrtt_connect */
    PODRTT_COUNT_RESENT = 16,      /* packets of TCP that were sent again */
    PODRTT_COUNT_DNS_QUERIES,      /* each once */
    PODRTT_COUNT_DNS_ANSWERS = 32, /* + RCODE (RFC 1035, 4.1.1), 0 to 15 */
};

/* Into so many parts the peers are divided by their addresses: what is seen with one of them alone may be
 * his doing. */
#define PODRTT_PEER_PARTS 4

/* How the answers of a connection's peers are recognised. */
enum podrtt_matching {
    PODRTT_MATCHING_TIMESTAMPS,
    PODRTT_MATCHING_SEQUENCE, /* without timestamps */
    PODRTT_MATCHING_NONE,     /* the packets of one direction pass unseen; + the part of the peers */
    PODRTT_MATCHINGS = PODRTT_MATCHING_NONE + PODRTT_PEER_PARTS,
};

/* What becomes of a connection that one end begins. */
enum podrtt_connect {
    PODRTT_CONNECT_BEGUN,    /* by its first SYN */
    PODRTT_CONNECT_ANSWERED, /* by a SYN-ACK, however late */
    PODRTT_CONNECT_REFUSED,  /* by a reset */
    PODRTT_CONNECT_RESULTS,
};

struct podrtt_histogram_key {
    __u32 pod; /* pod id */
    __u8 leg;
    __u8 kind;
    __u8 peer;
    __u8 pad;
};
PODRTT_ASSERT_SIZE(struct podrtt_histogram_key, 8);

/*
 * Buckets are those of a Prometheus native histogram of schema 3 in seconds: eight
 * per power of two, upper bounds included. Bucket 0 ends at 2^-20 s, bucket i at
 * 2^(-20 + i/8) s, the last one at 2^6 s. histogram_math.h has the arithmetic.
 */
#define PODRTT_SCHEMA 3
#define PODRTT_MIN_EXPONENT (-20)
#define PODRTT_MAX_EXPONENT 6
#define PODRTT_BUCKETS (1 + (PODRTT_MAX_EXPONENT - PODRTT_MIN_EXPONENT) * (1 << PODRTT_SCHEMA))

struct podrtt_histogram {
    __u64 sum; /* nanoseconds */
    __u64 bucket[PODRTT_BUCKETS];
};
PODRTT_ASSERT_SIZE(struct podrtt_histogram, 1680);

/* A bit of a histogram's words: what the journal adds is in it. No count comes near it. */
#define PODRTT_ADDED (1ull << 63)

/*
 * `histograms` is an array of places. A key is in one of the PODRTT_HISTOGRAM_TRIES places that
 * podrtt_histogram_index() names, seldom in two: then its counts are the sum of both. A free
 * place has no counts, and no pod id is 0. A place is taken by a compare-and-swap of its key;
 * user space alone frees places, when no sample can come any more.
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

/* ---- drops ---------------------------------------------------------------------- */

/* What was left out, by reason. Index into `drops`; bpf/user/kinds.h has a row for each. */
enum podrtt_drop {
    PODRTT_DROP_TRUNCATED,       /* packet: shorter than its headers say */
    PODRTT_DROP_BAD_HEADER,      /* packet: a header length that cannot be */
    PODRTT_DROP_FRAGMENT,        /* packet: a fragment without a TCP header */
    PODRTT_DROP_STALE,           /* sample: longer than the largest bucket */
    PODRTT_DROP_HISTOGRAMS_FULL, /* sample: no room for a new histogram */
    PODRTT_DROP_EVENTS_FULL,     /* event: the reader was too slow */
    PODRTT_DROP_NO_VETH,         /* pod: its interface is not a veth; counted by the plugin */
    PODRTT_DROP_ADD_FAILED,      /* pod: could not be attached to for another reason; the same */
    /* flow: made room for another one, because … */
    PODRTT_DROP_FLOW_UNANSWERED, /* it has had no sample yet */
    PODRTT_DROP_FLOW_IDLE,       /* its last samples were the oldest */
    PODRTT_DROP_NO_POD,          /* packet: the filter or the interface names no pod */
    PODRTT_DROP_ADD_LATE,        /* pod: the plugin's deadline has passed; counted by the plugin */
    PODRTT_DROP_DNS_UNASKED,     /* packet: a DNS answer that nobody waits for */
    PODRTT_DROP_DNS_TRUNCATED,   /* packet: a DNS message shorter than its header, or than UDP says */
    PODRTT_DROPS,
};
PODRTT_ASSERT(PODRTT_DROPS <= PODRTT_MAX_DROPS);

/* ---- settings ------------------------------------------------------------------- */

/* Index into `settings`, an array of u64. */
enum podrtt_setting {
    /* Until then (CLOCK_MONOTONIC, nanoseconds) every sample is reported as an event. A
     * reader moves it on while it reads, so a reader that was killed costs nothing. */
    PODRTT_SETTING_EVENTS_UNTIL,
    PODRTT_SETTING_ECHO,    /* 1: ICMP echo is measured, too */
    PODRTT_SETTING_ATTACH,  /* enum podrtt_attach; for the plugin */
    PODRTT_SETTING_SEED,    /* secret of the flow table's hash; for the loader. 0: none yet */
    PODRTT_SETTING_OWNER,   /* 1 to 0xffff: major number of the filters' classids */
    PODRTT_SETTING_NEXT_ID, /* where the search for a free pod id begins: a hint */
    PODRTT_SETTING_DNS,     /* 1: DNS is measured, too */
    PODRTT_SETTINGS,
};
PODRTT_ASSERT(PODRTT_SETTINGS <= PODRTT_MAX_SETTINGS);

/* ---- live events ----------------------------------------------------------------- */

/* What a connection was opened or closed by. */
enum podrtt_reason {
    PODRTT_REASON_SYN_ACK,
    PODRTT_REASON_FIRST, /* the first packet that told, of a connection met later */
    PODRTT_REASON_FIN,
    PODRTT_REASON_RST,
    PODRTT_REASONS,
};

/* One sample, as it was taken; or that a connection was opened or closed. */
struct podrtt_event {
    __u64 time;       /* CLOCK_MONOTONIC, nanoseconds */
    __u64 rtt;        /* nanoseconds; of PODRTT_KIND_OPENED and _CLOSED enum podrtt_reason */
    __u64 min_rtt;    /* of this flow and leg so far, nanoseconds */
    __u64 bytes[2];   /* of payload sent by each side, this packet included; indexed as sides are; wraps at
                         2^40 */
    __u32 packets[2]; /* the same of packets; wraps at 2^24 */
    struct podrtt_flow_key flow;
    __u32 ack; /* number of the acknowledgement that ended the time, or the ID of DNS; host byte order */
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
    PODRTT_MOVE_TO_POD,   /* until layout 3: the outcome, into a pod of the same name that is gone, too */
    /* The same, from the map that another layout has pinned. */
    PODRTT_MOVE_LAYOUT_POD,
    PODRTT_MOVE_LAYOUT_TOTAL,
    PODRTT_MOVE_TO_GONE, /* of a namespace's total, into that of all that are gone */
    /* Into a pod of the same name, for which programs may be counting. */
    PODRTT_MOVE_ADD,
    PODRTT_MOVE_LAYOUT_ADD,
};

/*
 * A deleted pod's histogram is moved in steps that a crash may separate. The journal
 * holds what is to be written before the first of them, so that the next start can repeat the
 * steps and no sample is lost or counted twice: of a total, the outcome; for a pod, what is
 * added to its counts, each with PODRTT_ADDED in the same step, which says that it is done. When
 * nothing is being moved, result.sum is the time of the last move's end (CLOCK_MONOTONIC), so that
 * whoever reads the maps from outside can tell that there was one meanwhile.
 */
struct podrtt_journal {
    __u32 move;                         /* enum podrtt_move */
    char layout[PODRTT_LAYOUT_SIZE];    /* the other layout's directory */
    struct podrtt_total_key from_total; /* one of these two is to be deleted */
    struct podrtt_histogram_key from;
    struct podrtt_histogram_key to_pod; /* one of these two is to become … */
    struct podrtt_total_key to_total;
    __u32 is_added;                 /* for a pod: nothing is left to do but to remove PODRTT_ADDED */
    struct podrtt_histogram result; /* … this, or have it added */
};
PODRTT_ASSERT_SIZE(struct podrtt_journal, 1848);

#endif
