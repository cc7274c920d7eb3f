#if IPSet

    internal import CIPSet
    internal import NetAddress

    /// What a session's next command is about. The library copies every value; numbers are in host order, addresses in
    /// network order.
    struct LibraryData {
        private let data: OpaquePointer
        private let session: OpaquePointer
        /// The library's description of the type that was used last.
        private var known: (type: SetType, description: UnsafePointer<ipset_type>)?

        init(_ session: OpaquePointer) {
            self.session = session
            data = ipset_session_data(session)
        }

        func reset() { ipset_data_reset(data) }

        private func set<Value: BitwiseCopyable>(_ option: ipset_opt, _ value: Value) {
            withUnsafePointer(to: value) { _ = ipset_data_set(data, option, $0) }
        }

        /// Sets a flag, which takes any value.
        private func set(_ option: ipset_opt) { set(option, 1 as UInt32) }

        private func set(_ option: ipset_opt, _ address: IPAddress) {
            switch address.family {
            case .ipv4: set(option, UInt32(truncatingIfNeeded: address.low).bigEndian)
            case .ipv6: set(option, (address.high.bigEndian, address.low.bigEndian))
            }
        }

        /// A name that is known to fit.
        func set(name: String) { name.withCString { _ = ipset_data_set(data, IPSET_SETNAME, $0) } }

        func set(otherName: String) { otherName.withCString { _ = ipset_data_set(data, IPSET_OPT_SETNAME2, $0) } }

        /// All but the name that is needed to make a set.
        ///
        /// - Returns: false if the kernel lacks the type, which it is asked about.
        func set(_ spec: SetSpec) -> Bool {
            spec.type.rawValue.withCString { _ = ipset_data_set(data, IPSET_OPT_TYPENAME, $0) }
            if spec.type.isHash { set(IPSET_OPT_FAMILY, spec.family.setNumber) }
            guard ipset_type_get(session, IPSET_CMD_CREATE) != nil else { return false }
            if spec.type.isHash {
                if let hashSize = spec.hashSize { set(IPSET_OPT_HASHSIZE, hashSize) }
                set(IPSET_OPT_MAXELEM, spec.maxElements)
            } else {
                set(IPSET_OPT_PORT, 0 as UInt16)
                set(IPSET_OPT_PORT_TO, UInt16.max)
            }
            if let timeout = spec.timeout { set(IPSET_OPT_TIMEOUT, timeout) }
            if spec.withCounters { set(IPSET_OPT_COUNTERS) }
            if spec.withComments { set(IPSET_OPT_CREATE_COMMENT) }
            if spec.withSkbInfo { set(IPSET_OPT_SKBINFO) }
            return true
        }

        /// An element, and the type and family of the set that it is for.
        mutating func set(_ element: SetElement) {
            let type = element.type
            if known?.type != type {
                known = type.rawValue.withCString { cipset_type($0) }.map { (type, $0) }
            }
            // The address of the description is the value itself.
            _ = ipset_data_set(data, IPSET_OPT_TYPE, known?.description)
            if let family = element.family { set(IPSET_OPT_FAMILY, family.setNumber) }
            set(element.key)
            element.comment?.withCString { _ = ipset_data_set(data, IPSET_OPT_ADT_COMMENT, $0) }
            if let mark = element.mark {
                set(IPSET_OPT_SKBMARK, UInt64(mark.value) << 32 | UInt64(mark.mask))
            }
        }

        private func set(_ key: SetElement.Key) {
            switch key {
            case .address(let address): set(IPSET_OPT_IP, address)
            case .addressPort(let address, let transport, let port):
                set(IPSET_OPT_IP, address)
                set(transport, port)
            case .addressPortAddress(let address, let transport, let port, let other):
                set(IPSET_OPT_IP, address)
                set(transport, port)
                set(IPSET_OPT_IP2, other)
            case .addressPortNetwork(let address, let transport, let port, let block):
                set(IPSET_OPT_IP, address)
                set(transport, port)
                set(IPSET_OPT_IP2, block.address)
                set(IPSET_OPT_CIDR2, UInt8(truncatingIfNeeded: block.prefixLength))
            case .network(let block): set(block)
            case .networkPort(let block, let transport, let port):
                set(block)
                set(transport, port)
            case .port(let port): set(IPSET_OPT_PORT, port)
            }
        }

        private func set(_ block: CIDR) {
            set(IPSET_OPT_IP, block.address)
            set(IPSET_OPT_CIDR, UInt8(truncatingIfNeeded: block.prefixLength))
        }

        private func set(_ transport: TransportProtocol, _ port: UInt16) {
            set(IPSET_OPT_PROTO, transport.rawValue)
            set(IPSET_OPT_PORT, port)
        }
    }

#endif
