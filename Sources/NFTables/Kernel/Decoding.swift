internal import CNetfilter
internal import NetAddress
internal import NetlinkWire

// What the kernel gives back, as typed values. Tables, chains, sets and rules come through libnftnl; elements, of
// which there may be hundreds of thousands, are read where they lie.

extension Message {
    /// The header as libnftnl wants it.
    var header: UnsafePointer<nlmsghdr>? { whole.baseAddress?.assumingMemoryBound(to: nlmsghdr.self) }

    /// NFPROTO_* of the message (struct nfgenmsg).
    var netfilterFamily: IPFamily? { payload.first.flatMap { IPFamily(netfilterNumber: UInt32($0)) } }
}

extension Table {
    init?(_ message: Message) {
        guard let family = message.netfilterFamily, let header = message.header, let object = nftnl_table_alloc() else {
            return nil
        }
        defer { nftnl_table_free(object) }
        guard nftnl_table_nlmsg_parse(header, object) >= 0,
            let name = nftnl_table_get_str(object, UInt16(NFTNL_TABLE_NAME))
        else { return nil }
        self.init(family: family, name: String(cString: name))
        flags = nftnl_table_get_u32(object, UInt16(NFTNL_TABLE_FLAGS))
        var length: UInt32 = 0
        if let bytes = nftnl_table_get_data(object, UInt16(NFTNL_TABLE_USERDATA), &length) {
            comment = Userdata(bytes: Array(UnsafeRawBufferPointer(start: bytes, count: Int(length)))).text(0)
        }
    }
}

extension Chain {
    init?(_ message: Message) {
        guard let family = message.netfilterFamily, let header = message.header, let object = nftnl_chain_alloc() else {
            return nil
        }
        defer { nftnl_chain_free(object) }
        guard nftnl_chain_nlmsg_parse(header, object) >= 0,
            let table = nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TABLE)),
            let name = nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_NAME))
        else { return nil }
        self.init(
            family: family, table: String(cString: table), name: String(cString: name), hook: Hook(object))
    }
}

extension Chain.Hook {
    /// Where the kernel calls a chain of libnftnl's; nil if it does not, or at a place that no chain of ours has.
    init?(_ object: OpaquePointer) {
        guard nftnl_chain_is_set(object, UInt16(NFTNL_CHAIN_HOOKNUM)),
            let point = Chain.Point(rawValue: nftnl_chain_get_u32(object, UInt16(NFTNL_CHAIN_HOOKNUM))),
            let typeName = nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TYPE)),
            let kind = Chain.Kind(rawValue: String(cString: typeName))
        else { return nil }
        self.init(kind: kind, point: point, priority: nftnl_chain_get_s32(object, UInt16(NFTNL_CHAIN_PRIO)))
        acceptsByDefault = nftnl_chain_get_u32(object, UInt16(NFTNL_CHAIN_POLICY)) == 1
    }
}

/// A set as the kernel has it.
public struct ObservedSet: Sendable {
    public let table: String
    public let name: String
    /// The set in our terms; nil if it has fields or flags that no set of ours has.
    public let definition: SetDefinition?
    /// Whether it belongs to a single rule, with which it comes and goes (NFT_SET_ANONYMOUS).
    public let isAnonymous: Bool
    /// How many elements it holds, where the kernel says so (NFTA_SET_COUNT, Linux 6.16).
    public let count: UInt32?
}

extension ObservedSet {
    init?(_ message: Message) {
        guard let family = message.netfilterFamily else { return nil }
        var table: String?
        var name: String?
        var shape = Shape()
        var count: UInt32?
        for attribute in message.attributes(after: netfilterHeaderLength) {
            switch Int(attribute.type) {
            case Int(NFTA_SET_TABLE.rawValue): table = attribute.string
            case Int(NFTA_SET_NAME.rawValue): name = attribute.string
            case Int(NFTA_SET_FLAGS.rawValue): shape.flags = attribute.bigEndian() ?? 0
            case Int(NFTA_SET_KEY_TYPE.rawValue): shape.keyType = attribute.bigEndian() ?? 0
            case Int(NFTA_SET_KEY_LEN.rawValue): shape.keyLength = attribute.bigEndian() ?? 0
            case Int(NFTA_SET_DATA_TYPE.rawValue): shape.dataType = attribute.bigEndian() ?? 0
            case Int(NFTA_SET_DATA_LEN.rawValue): shape.dataLength = attribute.bigEndian() ?? 0
            case Int(NFTA_SET_USERDATA.rawValue): shape.userdata = Userdata(bytes: Array(attribute.payload))
            case Int(NFTA_SET_TIMEOUT.rawValue): shape.timeout = attribute.bigEndian() ?? 0
            case Int(NFTA_SET_EXPRESSIONS.rawValue): shape.isForeign = true
            case Int(NFTA_SET_DESC.rawValue):
                shape.size = attribute.nested.first(UInt16(NFTA_SET_DESC_SIZE.rawValue))?.bigEndian()
            case Int(NFTA_SET_EXPR.rawValue):
                shape.expression = StatefulExpression(attribute)
                shape.isForeign = shape.isForeign || shape.expression == nil
            case setCountAttribute: count = attribute.bigEndian()
            default: break
            }
        }
        guard let table, let name else { return nil }
        self.table = table
        self.name = name
        self.count = count
        isAnonymous = shape.flags & 1 != 0
        definition = shape.definition(family, table: table, name: name)
    }
}

/// The kernel's view of a set, from which ours is recovered and against which it is checked.
private struct Shape {
    var flags: UInt32 = 0
    var keyType: UInt32 = 0
    var keyLength: UInt32 = 0
    var dataType: UInt32 = 0
    var dataLength: UInt32 = 0
    var userdata = Userdata()
    var expression: StatefulExpression?
    var size: UInt32?
    /// In milliseconds.
    var timeout: UInt64 = 0
    var isForeign = false

    func definition(_ family: IPFamily, table: String, name: String) -> SetDefinition? {
        guard !isForeign, let key = userdata.nested(3).flatMap({ [Field]($0) }) else { return nil }
        let data = userdata.nested(4).flatMap { [Field]($0) }
        guard key.dataType == keyType, key.wireLength == Int(keyLength) else { return nil }
        guard (data?.dataType ?? 0) == dataType, (data?.wireLength ?? 0) == Int(dataLength) else { return nil }
        var set = SetDefinition(
            family: family, table: table, name: name, key: key, data: data, holdsRanges: flags & 0x4 != 0)
        set.expression = expression
        set.isDynamic = flags & 0x20 != 0
        set.hasTimeouts = flags & 0x10 != 0
        // In milliseconds; ours are whole seconds.
        guard timeout % 1000 == 0, let seconds = UInt32(exactly: timeout / 1000) else { return nil }
        set.timeoutSeconds = seconds > 0 ? seconds : nil
        set.size = size
        return set.flags == flags ? set : nil
    }
}

/// A rule as the kernel has it, and the number by which it is addressed there.
public struct ObservedRule: Sendable {
    public let chain: String
    public let handle: UInt64
    public let rule: Rule
    /// What the rule's first counter has counted, if it has one.
    public let counter: ElementCounter?
}

extension ObservedRule {
    init?(_ message: Message) {
        let attributes = message.attributes(after: netfilterHeaderLength)
        guard let chain = attributes.first(UInt16(NFTA_RULE_CHAIN.rawValue))?.string,
            let handle: UInt64 = attributes.first(UInt16(NFTA_RULE_HANDLE.rawValue))?.bigEndian(),
            let rule = Rule(message)
        else { return nil }
        self.chain = chain
        self.handle = handle
        self.rule = rule
        counter = attributes.first(UInt16(NFTA_RULE_EXPRESSIONS.rawValue)).flatMap { list in
            for element in list.nested { if let counter = ElementCounter(element) { return counter } }
            return nil
        }
    }
}

extension Rule {
    /// The instructions that a message has; nil for one that has none, such as a deletion.
    init?(_ message: Message) {
        let attributes = message.attributes(after: netfilterHeaderLength)
        guard attributes.first(UInt16(NFTA_RULE_EXPRESSIONS.rawValue)) != nil, let header = message.header,
            let object = nftnl_rule_alloc()
        else { return nil }
        defer { nftnl_rule_free(object) }
        guard nftnl_rule_nlmsg_parse(header, object) >= 0 else {
            // A rule with instructions that this libnftnl does not know is still a rule, and none of ours.
            self.init(observed: [.other(name: "unknown")])
            return
        }
        var expressions: [Expression] = []
        if let iterator = nftnl_expr_iter_create(object) {
            defer { nftnl_expr_iter_destroy(iterator) }
            while let object = nftnl_expr_iter_next(iterator) {
                let expression = Expression(object)
                if !expression.doesNothing { expressions.append(expression) }
            }
        }
        self.init(observed: expressions)
    }
}

/// An element as the kernel has it.
public struct ObservedElement: Sendable {
    public let key: ElementKey
    public let value: ElementValue
    public let counter: ElementCounter?
}

extension ElementKey {
    /// The key of an element that lies in an `NFTA_LIST_ELEM` attribute.
    init?(element: Attribute) {
        guard let key = element.nested.first(UInt16(NFTA_SET_ELEM_KEY.rawValue)),
            let value = key.nested.first(UInt16(NFTA_DATA_VALUE.rawValue))
        else { return nil }
        self.init(bytes: value.payload)
    }
}

extension ObservedElement {
    init?(_ element: Attribute, of set: SetDefinition) {
        var key: ElementKey?
        var endpoint: SocketAddress?
        var address: IPAddress?
        var expression: StatefulExpression?
        var comment: String?
        var end: ElementKey?
        var counter: ElementCounter?
        for attribute in element.nested {
            switch Int(attribute.type) {
            case Int(NFTA_SET_ELEM_KEY.rawValue):
                key = attribute.nested.first(UInt16(NFTA_DATA_VALUE.rawValue)).flatMap { ElementKey(bytes: $0.payload) }
            case Int(NFTA_SET_ELEM_FLAGS.rawValue):
                if (attribute.bigEndian(UInt32.self) ?? 0) & elementFlagCatchAll != 0 { key = .catchAll }
            case Int(NFTA_SET_ELEM_KEY_END.rawValue):
                end = attribute.nested.first(UInt16(NFTA_DATA_VALUE.rawValue)).flatMap { ElementKey(bytes: $0.payload) }
            case Int(NFTA_SET_ELEM_DATA.rawValue):
                guard let datum = attribute.nested.first(UInt16(NFTA_DATA_VALUE.rawValue)) else { break }
                endpoint = SocketAddress(datum.payload, set.family)
                if endpoint == nil { address = IPAddress(networkBytes: datum.payload) }
            case Int(NFTA_SET_ELEM_USERDATA.rawValue):
                comment = Userdata(bytes: Array(attribute.payload)).text(0)
            case Int(NFTA_SET_ELEM_EXPR.rawValue):
                counter = ElementCounter(attribute)
                if counter == nil { expression = StatefulExpression(attribute) }
            default: break
            }
        }
        guard let key else { return nil }
        self.key = key
        if let end {
            value = .range(end: end)
        } else if let address {
            value = .address(address, comment: comment)
        } else if let expression {
            value = .stateful(expression, comment: comment)
        } else {
            value = ElementValue(endpoint: endpoint, comment: comment)
        }
        self.counter = counter
    }
}

extension SocketAddress {
    /// From an address and a padded port as they lie in a map's datum.
    init?(_ bytes: UnsafeRawBufferPointer, _ family: IPFamily) {
        let length = family.addressLength
        guard bytes.count == length + 4,
            let address = IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
        else { return nil }
        self.init(address, UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: length, as: UInt16.self)))
    }
}

extension StatefulExpression {
    /// From an attribute that holds one expression as the kernel lists it; nil for one that no set of ours has.
    fileprivate init?(_ expression: Attribute) {
        guard let name = expression.nested.first(UInt16(NFTA_EXPR_NAME.rawValue))?.string else { return nil }
        let data = expression.nested.first(UInt16(NFTA_EXPR_DATA.rawValue))?.nested
        switch name {
        case "counter": self = .counter
        case "limit":
            guard let rate: UInt64 = data?.first(UInt16(NFTA_LIMIT_RATE.rawValue))?.bigEndian(),
                let unit: UInt64 = data?.first(UInt16(NFTA_LIMIT_UNIT.rawValue))?.bigEndian(), unit == 1,
                let burst: UInt32 = data?.first(UInt16(NFTA_LIMIT_BURST.rawValue))?.bigEndian(),
                let flags: UInt32 = data?.first(UInt16(NFTA_LIMIT_FLAGS.rawValue))?.bigEndian(), flags == 1
            else { return nil }
            self = .rateOver(perSecond: rate, burst: burst)
        case "connlimit":
            guard let count: UInt32 = data?.first(UInt16(NFTA_CONNLIMIT_COUNT.rawValue))?.bigEndian(),
                let flags: UInt32 = data?.first(UInt16(NFTA_CONNLIMIT_FLAGS.rawValue))?.bigEndian(), flags == 1
            else { return nil }
            self = .connectionsOver(count)
        default: return nil
        }
    }
}

extension ElementCounter {
    /// From an `NFTA_SET_ELEM_EXPR`, or an instruction of a rule, that holds a counter expression.
    fileprivate init?(_ expression: Attribute) {
        guard expression.nested.first(UInt16(NFTA_EXPR_NAME.rawValue))?.string == "counter",
            let data = expression.nested.first(UInt16(NFTA_EXPR_DATA.rawValue))
        else { return nil }
        bytes = data.nested.first(UInt16(NFTA_COUNTER_BYTES.rawValue))?.bigEndian() ?? 0
        packets = data.nested.first(UInt16(NFTA_COUNTER_PACKETS.rawValue))?.bigEndian() ?? 0
    }
}

/// `sizeof(struct nfgenmsg)`.
let netfilterHeaderLength = 4
/// `NFTA_SET_COUNT`, newer than the headers that this is built with.
private let setCountAttribute = 20
