internal import Glibc
internal import NetAddress
internal import NetlinkWire

/// Types of messages and groups of rtnetlink (linux/rtnetlink.h).
enum RouteMessage {
    static let newLink: UInt16 = 16
    static let deleteLink: UInt16 = 17
    static let getLink: UInt16 = 18
    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    /// `RTNLGRP_IPV4_IFADDR`.
    static let groupIPv4Addresses: UInt32 = 5
    /// `RTNLGRP_IPV6_IFADDR`.
    static let groupIPv6Addresses: UInt32 = 9
}

/// Attributes of links (linux/if_link.h).
enum LinkAttribute {
    /// `IFLA_IFNAME`.
    static let name: UInt16 = 3
    /// `IFLA_LINKINFO`, which holds `IFLA_INFO_KIND`.
    static let info: UInt16 = 18
    static let infoKind: UInt16 = 1
    /// `IFLA_IFALIAS`.
    static let alias: UInt16 = 20
}

/// Attributes of addresses (linux/if_addr.h).
enum AddressAttribute {
    /// `IFA_ADDRESS`, and `IFA_LOCAL`, which differs from it where the interface has a peer, and then it is the own one.
    static let address: UInt16 = 1
    static let local: UInt16 = 2
}

extension MessageBuffer {
    /// Appends struct ifinfomsg (linux/rtnetlink.h): which link, which flags it is to have, and which of them count.
    mutating func linkHeader(index: UInt32 = 0, flags: UInt32 = 0, changing: UInt32 = 0) {
        // The family and the type of hardware are of no interest.
        append(0 as UInt32)
        append(index)
        append(flags)
        append(changing)
    }

    /// Appends struct ifaddrmsg (linux/if_addr.h) for a single address, with the scope of everywhere.
    mutating func addressHeader(_ address: IPAddress, flags: UInt8, link: UInt32) {
        append(UInt8(truncatingIfNeeded: address.family == .ipv4 ? AF_INET : AF_INET6))
        append(UInt8(truncatingIfNeeded: address.family.addressBits))
        append(flags)
        append(0 as UInt8)
        append(link)
    }
}
