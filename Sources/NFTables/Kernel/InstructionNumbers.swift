// Numbers of the kernel that instructions are made of (linux/netfilter/nf_tables.h, linux/netfilter/nf_nat.h).

/// `NFT_FIB_RESULT_ADDRTYPE`.
let fibResultAddressType: UInt32 = 3
/// `NFT_BYTEORDER_HTON`.
let hostToNetwork: UInt32 = 1
/// `NFT_NG_RANDOM`.
let numgenRandom: UInt32 = 1
/// `NFT_NG_INCREMENTAL`.
let numgenIncremental: UInt32 = 0
/// `NFT_PAYLOAD_CSUM_INET`.
let internetChecksum: UInt32 = 1
/// `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`.
let pseudoHeader: UInt32 = 1
/// `NFT_DYNSET_F_INV`.
let dynsetInverted: UInt32 = 1
/// `NFT_LIMIT_F_INV`, `NFT_CONNLIMIT_F_INV`.
let inverted: UInt32 = 1
/// `NFT_LOOKUP_F_INV`.
let lookupInverted: UInt32 = 1
/// `NFT_NAT_DNAT`.
let natDestination: UInt32 = 1
/// `NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED`.
let natRangeGiven: UInt32 = 3
