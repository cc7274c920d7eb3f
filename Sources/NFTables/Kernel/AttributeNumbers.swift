internal import CNetfilter

// libnftnl's functions take attribute numbers as 16 bits; C's named enumerations arrive in Swift as types of their own.

extension UInt16 {
    init(_ attribute: nftnl_table_attr) { self.init(truncatingIfNeeded: attribute.rawValue) }
    init(_ attribute: nftnl_chain_attr) { self.init(truncatingIfNeeded: attribute.rawValue) }
    init(_ attribute: nftnl_rule_attr) { self.init(truncatingIfNeeded: attribute.rawValue) }
    init(_ attribute: nftnl_set_attr) { self.init(truncatingIfNeeded: attribute.rawValue) }
}
